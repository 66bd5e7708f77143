// Command queues measures the program's background work beside River and Asynq, in the same run and in the same way:
//
//	make bench-queues
//
// It is a module of its own, so that the program does not depend on what it is compared with. The rounds of all alternate, so that what
// else happens on the machine hits all. Read the ratios.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mesapartes/mesa/internal/bench/queue"
	"github.com/mesapartes/mesa/internal/testkit/server"
)

// contestant is a queue to measure.
type contestant struct {
	name string
	open func(ctx context.Context) (queue.Queue, error)
	slow bool // of which fewer jobs say enough: it takes one batch in a tenth of a second
}

func main() {
	latencies := flag.Int("latencies", 20, "jobs of each round whose time from adding to start is measured")
	jobs := flag.Int("jobs", 400, "jobs of each round that are to be done as fast as possible; 0 measures times only")
	rounds := flag.Int("rounds", 3, "rounds, the median of which counts")
	flag.Parse()
	if err := run(context.Background(), *latencies, *jobs, *rounds, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "queues:", err)
		os.Exit(1)
	}
}

var atOnce = []int{1, 2, 4, 16}

func run(ctx context.Context, latencies, jobs, rounds int, out io.Writer) error {
	redis := os.Getenv(server.Redis.Env)
	postgres, drop, err := newDatabase(ctx, os.Getenv(server.Postgres.Env))
	if err != nil {
		return err
	}
	defer drop()
	folder, err := os.MkdirTemp("", "mesa-queues-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	mesa := func(url, redis string) func(context.Context) (queue.Queue, error) {
		return func(ctx context.Context) (queue.Queue, error) { return queue.OpenMesa(ctx, url, redis, "bench-queues") }
	}
	contestants := []contestant{
		{"Mesa, PostgreSQL and Redis", mesa(postgres, redis), false},
		{"Mesa, PostgreSQL", mesa(postgres, ""), false},
		{"Mesa, SQLite", mesa("sqlite://"+folder+"/mesa.db", ""), false},
		{"River, PostgreSQL", openRiver(postgres, 0), true},
		{"River, PostgreSQL, FetchCooldown 1 ms", openRiver(postgres, time.Millisecond), false},
		{"Asynq, Redis", openAsynq(redis), false},
	}
	times, rates, adds := map[string][]time.Duration{}, map[string]map[int][]float64{}, map[string][]float64{}
	for range rounds {
		for _, c := range contestants {
			if rates[c.name] == nil {
				rates[c.name] = map[int][]float64{}
			}
			fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), c.name)
			if err := round(ctx, c, latencies, jobs, times, rates, adds); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	fmt.Fprintln(out, "\n| queue | adding to start, p50 ms | p95 | p99 | ms to add one | jobs per second, 1 at once | 2 | 4 | 16 |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, c := range contestants {
		t := times[c.name]
		slices.Sort(t)
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %.1f | %.2f |", c.name, queue.Millis(t, 50), queue.Millis(t, 95), queue.Millis(t, 99), median(adds[c.name]))
		for _, n := range atOnce {
			fmt.Fprintf(out, " %s |", spread(rates[c.name][n]))
		}
		fmt.Fprintln(out)
	}
	return nil
}

// round measures a queue once.
func round(ctx context.Context, c contestant, latencies, jobs int, times map[string][]time.Duration, rates map[string]map[int][]float64, adds map[string][]float64) error {
	q, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer q.Close()
	list, err := queue.Latencies(ctx, q, latencies)
	if err != nil {
		return err
	}
	times[c.name] = append(times[c.name], list...)
	if c.slow {
		jobs /= 20
	}
	for _, n := range atOnce {
		if jobs == 0 {
			continue
		}
		rate, add, err := queue.Rate(ctx, q, jobs, n)
		if err != nil {
			return err
		}
		rates[c.name][n] = append(rates[c.name][n], rate)
		adds[c.name] = append(adds[c.name], float64(add.Microseconds())/1000)
	}
	return nil
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// spread is the median with the slowest and the fastest round.
func spread(list []float64) string {
	if len(list) == 0 {
		return "–"
	}
	m := median(list)
	return fmt.Sprintf("%.0f (%.0f–%.0f)", m, list[0], list[len(list)-1])
}

// newDatabase makes an empty database beside the one of a URL.
func newDatabase(ctx context.Context, url string) (_ string, drop func(), err error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return "", nil, fmt.Errorf("%s is not a URL: use make bench-queues", server.Postgres.Env)
	}
	do := func(statement string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, statement)
		return err
	}
	name := fmt.Sprintf("bench_queues_%d", time.Now().UnixNano())
	if err := do("CREATE DATABASE " + name + " ENCODING 'UTF8' TEMPLATE template0"); err != nil {
		return "", nil, err
	}
	own := fmt.Sprintf("postgres://%s:%s@%s:%d/%s?sslmode=disable", config.User, config.Password, config.Host, config.Port, name)
	return own, func() { _ = do("DROP DATABASE " + name + " WITH (FORCE)") }, nil
}
