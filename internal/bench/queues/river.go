package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/mesapartes/mesa/internal/bench/queue"
)

type riverQueue struct {
	pool     *pgxpool.Pool
	adding   *river.Client[pgx.Tx]
	cooldown time.Duration
}

// openRiver opens River. It waits so long between two looks for jobs; 0 is its default.
func openRiver(url string, cooldown time.Duration) func(context.Context) (queue.Queue, error) {
	return func(ctx context.Context) (queue.Queue, error) {
		config, err := pgxpool.ParseConfig(url)
		if err != nil {
			return nil, err
		}
		config.MaxConns = 16 // as the program's
		pool, err := pgxpool.NewWithConfig(ctx, config)
		if err != nil {
			return nil, err
		}
		migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
		if err != nil {
			return nil, err
		}
		if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return nil, err
		}
		adding, err := river.NewClient(riverpgxv5.New(pool), &river.Config{})
		return &riverQueue{pool, adding, cooldown}, err
	}
}

type emptyArgs struct{}

// Kind names the job.
func (emptyArgs) Kind() string { return "empty" }

// Add implements queue.Queue.
func (q *riverQueue) Add(ctx context.Context) error {
	_, err := q.adding.Insert(ctx, emptyArgs{}, nil)
	return err
}

// Work implements queue.Queue.
func (q *riverQueue) Work(workers int, started func()) (stop func(), err error) {
	kinds := river.NewWorkers()
	river.AddWorker(kinds, river.WorkFunc(func(context.Context, *river.Job[emptyArgs]) error {
		started()
		return nil
	}))
	client, err := river.NewClient(riverpgxv5.New(q.pool), &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}, Workers: kinds, FetchCooldown: q.cooldown,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	if err := client.Start(context.Background()); err != nil {
		return nil, err
	}
	return func() { _ = client.Stop(context.Background()) }, nil
}

// Close implements queue.Queue.
func (q *riverQueue) Close() { q.pool.Close() }
