// Package queue measures queues of background work, so that different ones are measured in the same way.
package queue

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// Queue is a queue of jobs that do nothing.
type Queue interface {
	// Add adds a job in a transaction of its own, and returns when it is certain that it will be done.
	Add(ctx context.Context) error
	// Work does jobs, at most so many at once, and calls started at the start of each, until stop.
	Work(workers int, started func()) (stop func(), err error)
	Close()
}

// Latencies are the times from just before Add to the start of the job, sorted, of jobs that come one by one to idle workers.
func Latencies(ctx context.Context, q Queue, jobs int) ([]time.Duration, error) {
	starts := make(chan time.Time, 1)
	stop, err := q.Work(4, func() { starts <- time.Now() })
	if err != nil {
		return nil, err
	}
	defer stop()
	const warm = 5
	times := make([]time.Duration, 0, jobs)
	for n := range warm + jobs {
		time.Sleep(time.Duration(5+n%40) * time.Millisecond) // at no particular instant of anybody's clock
		began := time.Now()
		if err := q.Add(ctx); err != nil {
			return nil, err
		}
		if took := (<-starts).Sub(began); n >= warm {
			times = append(times, took)
		}
	}
	slices.Sort(times)
	return times, nil
}

// Rate is how many jobs that wait are done in a second, and how long it took to add each, one after the other.
func Rate(ctx context.Context, q Queue, jobs, workers int) (perSecond float64, add time.Duration, err error) {
	began := time.Now()
	for range jobs {
		if err := q.Add(ctx); err != nil {
			return 0, 0, err
		}
	}
	add = time.Since(began) / time.Duration(jobs)
	var started atomic.Int64
	last := make(chan time.Time, 1)
	began = time.Now()
	stop, err := q.Work(workers, func() {
		if started.Add(1) == int64(jobs) {
			last <- time.Now()
		}
	})
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	return float64(jobs) / (<-last).Sub(began).Seconds(), add, nil
}

// Millis is a percentile of sorted times, in milliseconds.
func Millis(sorted []time.Duration, percent int) float64 {
	return float64(sorted[min(len(sorted)-1, len(sorted)*percent/100)].Microseconds()) / 1000
}
