package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// provenOperations are the rows of the proof.
var provenOperations = []string{
	"documents(100)", "document with everything", "50 documents × derivations × areas × users", "tray(20) and counts", "statistics, 30 days", "text search(20)",
	"documents(50), 1,000 pages down", "derive",
}

// legend says how to read the tables.
const legend = `
Clients, each asking again as soon as it has its answer, ask the program for a quarter of a second, then the handler written by hand, and so on, over
HTTP on the loopback. That handler is one prepared statement without a cache; it gives the same answers, and derive leaves the same rows, or this ends
with an error.

- statements, allocs, KB, CPU ms and hand (its CPU ms): one request alone, without network and clients. CPU is the time of this process: the work of
  PostgreSQL and Redis is not in it.
- @1, @16, …: with so many clients at once. They are in this process: this CPU ms has their work in it.
- ratio: p50 of the program to p50 of the hand-written handler; **bold** where it is slower. In the table of growth, **bold** is where time grows.
- cache: with one, every answer is a hit, from the memory of this process, or fetched from Redis each time; but answers run out while the handler
  written by hand, in its turn, takes longer than they are kept. derive is not kept: it shows what telling the cache costs.
- The deep page of the smaller database is in the middle of the list.
`

// prove measures the operations at two sizes on PostgreSQL, in the larger one with each cache, and says how their times grow.
func prove(ctx context.Context, o options, stdout, stderr io.Writer) error {
	if o.from >= o.documents {
		return fmt.Errorf("-documents must be more than %d, from where growth is measured", o.from)
	}
	fmt.Fprintf(stdout, "\nLoad average %s at the start, %v.\n", loadAverage(), time.Now().UTC().Format(time.DateTime))
	fmt.Fprint(stdout, legend)
	small := o
	small.documents, small.clients = o.from, o.clients[:1]
	before, err := proveOn(ctx, small, uncached, stdout, stderr)
	if err != nil {
		return err
	}
	after, err := proveOn(ctx, o, cachedOrElse, stdout, stderr)
	if err != nil {
		return err
	}
	if o.seconds > 0 {
		growth(o, before, after, stdout)
	}
	fmt.Fprintf(stdout, "\nLoad average %s at the end, %v.\n", loadAverage(), time.Now().UTC().Format(time.DateTime))
	return nil
}

// proveOn measures at one size.
func proveOn(ctx context.Context, o options, ways []cacheCase, stdout, stderr io.Writer) (times []row, err error) {
	d, err := openDesk(ctx, o, "postgres", stderr)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if err := d.describe(ctx, stdout); err != nil {
		return nil, err
	}
	list, err := d.operations(ctx, o.documents)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(op operation) bool { return !slices.Contains(provenOperations, op.name) })
	c, err := compareOn(o, d, list, stdout)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	return c.rows(ctx, ways)
}

// describe says what is measured on.
func (d *desk) describe(ctx context.Context, w io.Writer) error {
	var (
		settings                     [4]string
		documents, legs, events, mib int
	)
	err := d.plain.QueryRowContext(ctx, `SELECT current_setting('server_version'), current_setting('shared_buffers'), current_setting('fsync'),
		current_setting('synchronous_commit'),
		(SELECT count(*) FROM documents), (SELECT count(*) FROM derivations), (SELECT count(*) FROM events), pg_database_size(current_database()) >> 20`).
		Scan(&settings[0], &settings[1], &settings[2], &settings[3], &documents, &legs, &events, &mib)
	if err != nil {
		return err
	}
	address, err := redisURL()
	if err != nil {
		return err
	}
	redis, err := openRedisAnswers(address, "")
	if err != nil {
		return err
	}
	defer redis.close()
	version, err := redis.version(ctx)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	fmt.Fprintf(w, "\n### %d documents\n\n%d derivations, %d events, %d MB. PostgreSQL %s (shared_buffers %s, fsync %s, synchronous_commit %s), Redis %s.\n",
		documents, legs, events, mib, settings[0], settings[1], settings[2], settings[3], version)
	return nil
}

// growth writes how times grow with the number of documents.
func growth(o options, before, after []row, w io.Writer) {
	fmt.Fprintf(w, "\n### From %d to %d documents, without a cache, p50 in ms at %d client\n\n", o.from, o.documents, o.clients[0])
	fmt.Fprintf(w, "| operation | %d | %d | grows by | hand: %d | %d | grows by |\n|---|--:|--:|--:|--:|--:|--:|\n", o.from, o.documents, o.from, o.documents)
	for i, a := range after {
		b := before[i]
		fmt.Fprintf(w, "| %s | %.2f | %.2f | %s | %.2f | %.2f | %.2f |\n", a.name, b.ours, a.ours, ratio(a.ours, b.ours), b.theirs, a.theirs, a.theirs/b.theirs)
	}
}

// loadAverage is that of the last 1, 5 and 15 minutes.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown on " + runtime.GOOS
	}
	return strings.Join(strings.Fields(string(text))[:3], ", ")
}
