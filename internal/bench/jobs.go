package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mesapartes/mesa/internal/bench/queue"
)

// jobsName begins the names of what is measured of background work, for -only.
const jobsName = "jobs: "

// benchJobs measures background work in this process. Beside other queues it is measured by internal/bench/queues.
func benchJobs(ctx context.Context, o options, backend string, stdout io.Writer) error {
	if o.seconds == 0 {
		return nil
	}
	folder, err := os.MkdirTemp("", "mesa-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	in := o
	in.folder = folder
	address, _, _, err := locate(ctx, in, backend, "bench_jobs_"+schemaVersion(backend))
	if err != nil {
		return err
	}
	redis, err := redisURL()
	if err != nil {
		return err
	}
	for _, c := range []struct{ name, redis string }{{"with Redis", redis}, {"without Redis", ""}} {
		if name := jobsName + c.name; o.chose(name) {
			if err := jobsTable(ctx, o, address, c.redis, name, stdout); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func jobsTable(ctx context.Context, o options, address, redis, name string, stdout io.Writer) error {
	q, err := queue.OpenMesa(ctx, address, redis, newPrefix())
	if err != nil {
		return err
	}
	defer q.Close()
	times, err := queue.Latencies(ctx, q, int(40*o.seconds))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n| %s | p50 ms | p95 | p99 |\n|---|--:|--:|--:|\n", name)
	row := func(what string) {
		fmt.Fprintf(stdout, "| %s | %.1f | %.1f | %.1f |\n", what, queue.Millis(times, 50), queue.Millis(times, 95), queue.Millis(times, 99))
	}
	row("from adding to start")
	for _, followers := range []int{1, 100, 1000} {
		if times, err = q.Deliveries(ctx, followers, int(10*o.seconds)); err != nil {
			return err
		}
		row(fmt.Sprintf("from progress to %d followers in this process", followers))
	}
	fmt.Fprintf(stdout, "\n| %s | jobs per second | ms to add one |\n|---|--:|--:|\n", name)
	for _, workers := range []int{1, 2, 4, 16} {
		rate, add, err := queue.Rate(ctx, q, int(300*o.seconds), workers)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "| %d at once | %.0f | %.2f |\n", workers, rate, float64(add.Microseconds())/1000)
	}
	return nil
}

// onlyJobs says whether nothing but background work was asked for.
func (o options) onlyJobs() bool { return strings.HasPrefix(o.only, strings.TrimSpace(jobsName)) }
