package main

import (
	"context"
	"time"

	"github.com/hibiken/asynq"

	"github.com/mesapartes/mesa/internal/bench/queue"
)

type asynqQueue struct {
	redis  asynq.RedisConnOpt
	client *asynq.Client
}

// openAsynq opens Asynq with its defaults.
func openAsynq(url string) func(context.Context) (queue.Queue, error) {
	return func(context.Context) (queue.Queue, error) {
		redis, err := asynq.ParseRedisURI(url)
		if err != nil {
			return nil, err
		}
		return &asynqQueue{redis, asynq.NewClient(redis)}, nil
	}
}

// Add implements queue.Queue.
func (q *asynqQueue) Add(ctx context.Context) error {
	_, err := q.client.EnqueueContext(ctx, asynq.NewTask("empty", nil))
	return err
}

// Work implements queue.Queue.
func (q *asynqQueue) Work(workers int, started func()) (stop func(), err error) {
	s := asynq.NewServer(q.redis, asynq.Config{Concurrency: workers, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second})
	err = s.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		started()
		return nil
	}))
	return s.Shutdown, err
}

// Close implements queue.Queue.
func (q *asynqQueue) Close() { _ = q.client.Close() }
