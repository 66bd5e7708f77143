// Command bench measures the operations of the contract against hand-written handlers that do the same with one SQL statement:
//
//	make bench
//	make proof
//	go run ./internal/testkit/run -- go run ./internal/bench -backend sqlite -seconds 3 -only documents
//	go run ./internal/testkit/run -- go run ./internal/bench -only "cache: "
//	go run ./internal/testkit/run -- go run ./internal/bench -only load -clients 16
//	go run ./internal/testkit/run -- go run ./internal/bench -only "jobs: "
//
// Both are served over HTTP on the loopback, and are asked in turn for a quarter of a second each, so that what else happens on the
// machine hits both. Read the ratios; the times are those of the machine. docs/performance.md holds a run and what was learned from it.
//
// Then answers from the cache are measured against handlers that find the same bytes in a map or in Redis, and a load of many people is
// played on two nodes, in which no answer may be stale. Background work is measured first; beside other queues, which the program does not
// depend on, it is measured by a module of its own in internal/bench/queues.
//
// The proof (-proof) is one table of all that counts: without a cache and with each, at two sizes, on PostgreSQL.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	documents int
	proof     bool
	from      int
	backends  []string
	clients   []int
	seconds   float64
	only      string
	folder    string
	profile   string
	gc        int
	load      bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	debug.SetGCPercent(o.gc)
	fmt.Fprintf(stdout, "%s, %d CPUs, %s/%s, GOGC=%d, %d documents with 3 derivations each\n", runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, o.gc, o.documents)
	if o.proof {
		return prove(ctx, o, stdout, stderr)
	}
	for _, backend := range o.backends {
		if err := bench(ctx, o, backend, stdout, stderr); err != nil {
			return fmt.Errorf("%s: %w", backend, err)
		}
	}
	return nil
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.documents, "documents", 100_000, "how many documents the database has")
	f.BoolVar(&o.proof, "proof", false, "write the tables of the proof: PostgreSQL at two sizes, with each cache, and how times grow")
	f.IntVar(&o.from, "from", 10_000, "how many documents the smaller database of the proof has")
	backend := f.String("backend", "sqlite,postgres", "databases to measure")
	clients := f.String("clients", "1,16", "how many clients ask at once")
	f.Float64Var(&o.seconds, "seconds", 3, "how long each operation is measured at each number of clients; 0 only counts and compares")
	f.StringVar(&o.only, "only", "", "measure only what has this in its name; the cache's rows begin with \"cache: \", those of background work with \"jobs: \", those of subscriptions with \"subscribers: \", the load is \"load\"")
	f.BoolVar(&o.load, "load", true, "play the load of many people and look for stale answers")
	f.StringVar(&o.folder, "folder", "var/bench", "where databases are kept for the next run")
	f.StringVar(&o.profile, "profile", "", "write CPU and allocation profiles of the operations, without the hand-written handlers, to files of this name")
	f.IntVar(&o.gc, "gogc", 400, "garbage collector target, as in mesa serve")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.backends = strings.Split(*backend, ",")
	for n := range strings.SplitSeq(*clients, ",") {
		var c int
		if _, err := fmt.Sscan(n, &c); err != nil || c < 1 {
			return o, fmt.Errorf("clients must be numbers, not %q", n)
		}
		o.clients = append(o.clients, c)
	}
	return o, nil
}

func bench(ctx context.Context, o options, backend string, stdout, stderr io.Writer) error {
	fmt.Fprintf(stdout, "\n### %s\n", map[string]string{"sqlite": "SQLite", "postgres": "PostgreSQL"}[backend])
	if err := benchJobs(ctx, o, backend, stdout); err != nil || o.onlyJobs() {
		return err
	}
	if o.only != loadName {
		if err := benchOperations(ctx, o, backend, stdout, stderr); err != nil {
			return err
		}
	}
	if o.load && o.chose(loadName) {
		return benchLoad(ctx, o, backend, stdout)
	}
	return nil
}

// benchOperations measures single operations, without the cache and with it.
func benchOperations(ctx context.Context, o options, backend string, stdout, stderr io.Writer) error {
	d, err := openDesk(ctx, o, backend, stderr)
	if err != nil {
		return err
	}
	defer d.close()
	list, err := d.operations(ctx, o.documents)
	if err != nil {
		return err
	}
	c, err := compareOn(o, d, list, stdout)
	if err != nil {
		return err
	}
	defer c.stop()
	if _, err := c.rows(ctx, uncached); err != nil {
		return err
	}
	if err := benchSubscribers(ctx, o, d, stdout); err != nil {
		return fmt.Errorf("subscribers: %w", err)
	}
	if err := benchCache(ctx, o, d, c.site, list, stdout); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if o.profile != "" {
		return profile(ctx, o, c.site, list, backend)
	}
	return nil
}

// chose says whether a name was asked for.
func (o options) chose(name string) bool { return strings.Contains(name, o.only) }

// table writes its header before its first row.
type table struct {
	out    io.Writer
	header string
}

func (t *table) row(text string) {
	if t.header != "" {
		fmt.Fprint(t.out, "\n"+t.header)
		t.header = ""
	}
	fmt.Fprintln(t.out, text)
}

// profile repeats the chosen operations alone under the profilers.
func profile(ctx context.Context, o options, s *site, list []operation, backend string) error {
	cpu, err := os.Create(o.profile + "." + backend + ".cpu.prof")
	if err != nil {
		return err
	}
	defer cpu.Close()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	for end := time.Now().Add(time.Duration(o.seconds * float64(time.Second))); time.Now().Before(end); {
		for _, op := range list {
			if o.chose(op.name) && op.pool == nil {
				if _, err := s.direct(ctx, s.graph(op)()); err != nil {
					return err
				}
			}
		}
	}
	pprof.StopCPUProfile()
	allocs, err := os.Create(o.profile + "." + backend + ".allocs.prof")
	if err != nil {
		return err
	}
	defer allocs.Close()
	return pprof.Lookup("allocs").WriteTo(allocs, 0)
}
