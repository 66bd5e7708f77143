package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	work "github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/bus"
	"github.com/mesapartes/mesa/web"
)

// operation is a GraphQL operation and the hand-written handler that does the same.
type operation struct {
	name      string
	as        caller
	query     string
	variables map[string]any
	hand      http.HandlerFunc
	pool      *pool // of documents that requests use up; nil for those that only read
}

// site serves both kinds of handlers on one address.
type site struct {
	handler *http.ServeMux
	http    *http.Server
	feed    *bus.Feed
	base    string
	client  *http.Client
	number  map[string]int // of an operation's hand-written handler
}

// serve serves the program without a cache beside the hand-written handlers.
func serve(d *desk, list []operation) (*site, error) {
	s, err := serveProgram(d.DB, nil)
	if err != nil {
		return nil, err
	}
	s.add(list)
	return s, nil
}

// add serves hand-written handlers, too.
func (s *site) add(list []operation) {
	for i, op := range list {
		s.number[op.name] = i
		s.handler.HandleFunc(fmt.Sprintf("/hand/%d", i), op.hand)
	}
}

// serveProgram serves the program alone; other handlers may be added.
func serveProgram(database *db.DB, kept *cache.Cache) (*site, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	s := &site{feed: bus.New(database, log), number: map[string]int{}, handler: http.NewServeMux(), base: "http://" + listener.Addr().String()}
	s.feed.Confirm = kept.Confirm
	program := &web.Server{Log: log, Resolver: &graph.Resolver{
		DB: database, Desk: work.New(database, log), Feed: s.feed, Log: log, Cache: kept, Limits: graph.Limits{graph.LimitSubscriptions: 10_000, graph.LimitOperations: 1000, graph.LimitConnections: 20_000},
	}}
	s.handler.Handle("/graphql", program.Handler())
	s.http = &http.Server{Handler: s.handler, ReadHeaderTimeout: time.Hour} // a connection may be opened and not needed
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}}
	go s.http.Serve(listener) // ends with stop
	return s, nil
}

func (s *site) stop() {
	s.client.CloseIdleConnections()
	_ = s.http.Close()
	s.feed.Stop()
}

// ask makes a new request each time it is called, nil when there is nothing left to ask for.
type ask func() *http.Request

func (s *site) graph(op operation) ask {
	return s.post("/graphql", op, op.body())
}

// body is the body of the request for an operation.
func (op operation) body() []byte {
	body, _ := json.Marshal(map[string]any{"query": op.query, "variables": op.variables}) // made of texts and numbers
	return body
}

func (s *site) byHand(op operation) ask { return s.post(s.handPath(op), op, op.body()) }

func (s *site) handPath(op operation) string { return fmt.Sprintf("/hand/%d", s.number[op.name]) }

func (s *site) post(path string, op operation, body []byte) ask {
	return func() *http.Request {
		r, _ := http.NewRequest(http.MethodPost, s.base+path, bytes.NewReader(body)) // the URL is valid
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+op.as.token)
		return r
	}
}

// answer keeps what a handler writes.
type answer struct {
	header http.Header
	status int
	bytes.Buffer
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }

// direct asks without the network in between.
func (s *site) direct(ctx context.Context, r *http.Request) ([]byte, error) {
	w := &answer{header: http.Header{}, status: http.StatusOK}
	s.handler.ServeHTTP(w, r.WithContext(ctx))
	if w.status != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", w.status, w.String())
	}
	return w.Bytes(), nil
}

// least is how often a request is made at least whatever is measured of it, and however slow it is.
const least = 5

// cost is what one request takes, measured without the network.
type cost struct{ statements, allocs, bytes, cpu float64 }

// price repeats a request and averages what the process spent on it.
func (s *site) price(ctx context.Context, a ask, seconds float64) (c cost, err error) {
	var before, after runtime.MemStats
	ctx, statements := db.CountStatements(ctx)
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, cpu := 0.0, cpuTime()
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); n < least || time.Now().Before(end) && n < 500; n++ {
		if _, err := s.direct(ctx, a()); err != nil {
			return c, err
		}
	}
	spent := cpuTime() - cpu
	runtime.ReadMemStats(&after)
	return cost{
		float64(statements.Statements()) / n, float64(after.Mallocs-before.Mallocs) / n, float64(after.TotalAlloc-before.TotalAlloc) / n, spent.Seconds() * 1000 / n,
	}, nil
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// compare makes sure that both answer the same.
func (s *site) compare(ctx context.Context, program, hand ask) error {
	ours, err := s.direct(ctx, program())
	if err != nil {
		return err
	}
	theirs, err := s.direct(ctx, hand())
	if err != nil {
		return fmt.Errorf("by hand: %w", err)
	}
	differs, err := differ(ours, theirs)
	if differs != "" {
		err = errors.New("the answers differ: " + differs)
	}
	return err
}

// difference finds the first place where two JSON values are not the same.
func difference(a, b any, at string) string {
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			for k := range a {
				if !reflect.DeepEqual(a[k], b[k]) {
					return difference(a[k], b[k], at+"."+k)
				}
			}
		}
	case []any:
		if b, ok := b.([]any); ok && len(a) == len(b) {
			for i := range a {
				if !reflect.DeepEqual(a[i], b[i]) {
					return difference(a[i], b[i], fmt.Sprintf("%s.%d", at, i))
				}
			}
		}
	}
	return strings.TrimPrefix(fmt.Sprintf("%s: %.200v against %.200v", at, fmt.Sprint(a), fmt.Sprint(b)), ".")
}

// rivals are two ways to the same.
type rivals struct {
	program, against ask
	reset            func(context.Context) error // makes anew what requests use up; nil when they use up nothing
}

func (r rivals) begin(ctx context.Context) error {
	if r.reset == nil {
		return nil
	}
	return r.reset(ctx)
}

// pace is how fast clients were answered that each ask again as soon as they are.
type pace struct {
	times []time.Duration // of each request, sorted
	took  time.Duration   // as long as they asked
	cpu   time.Duration   // of this process in that time
}

// ms is a percentile.
func (p pace) ms(percent int) float64 {
	return float64(p.times[min(len(p.times)-1, len(p.times)*percent/100)].Microseconds()) / 1000
}

// rate is requests per second.
func (p pace) rate() float64 { return float64(len(p.times)) / p.took.Seconds() }

// cpuMs is the processor time for a request.
func (p pace) cpuMs() float64 { return p.cpu.Seconds() * 1000 / float64(len(p.times)) }

// slice is how long clients go one way before they go the other. It ends when the last of them has its answer.
const slice = time.Second / 4

// race lets clients go both ways in turn, over HTTP with connections kept.
func (s *site) race(ctx context.Context, clients int, seconds float64, r rivals) (ours, theirs pace, err error) {
	for ours.took+theirs.took < time.Duration(seconds*float64(time.Second)) || len(ours.times) < least || len(theirs.times) < least {
		for _, turn := range []struct {
			ask
			*pace
		}{{r.program, &ours}, {r.against, &theirs}} {
			if err := r.begin(ctx); err != nil {
				return ours, theirs, err
			}
			if err := s.run(ctx, clients, turn.ask, turn.pace); err != nil {
				return ours, theirs, err
			}
		}
	}
	slices.Sort(ours.times)
	slices.Sort(theirs.times)
	return ours, theirs, nil
}

// run lets clients ask for a slice of time. What was there before is not left for them to collect.
func (s *site) run(ctx context.Context, clients int, a ask, p *pace) error {
	var (
		mu     sync.Mutex
		all    sync.WaitGroup
		failed error
	)
	runtime.GC()
	begun, cpu := time.Now(), cpuTime()
	for range clients {
		all.Go(func() {
			times, err := s.repeat(ctx, a, begun.Add(slice))
			mu.Lock()
			defer mu.Unlock()
			p.times, failed = append(p.times, times...), errors.Join(failed, err)
		})
	}
	all.Wait()
	p.took, p.cpu = p.took+time.Since(begun), p.cpu+cpuTime()-cpu
	return failed
}

// repeat asks once and then again until end, or until there is nothing left to ask for.
func (s *site) repeat(ctx context.Context, a ask, end time.Time) (times []time.Duration, err error) {
	for r := a(); r != nil; r = a() {
		took, err := s.time(r.WithContext(ctx))
		if err != nil {
			return times, err
		}
		if times = append(times, took); !time.Now().Before(end) {
			break
		}
	}
	return times, nil
}

func (s *site) time(r *http.Request) (time.Duration, error) {
	begun := time.Now()
	res, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK {
		return 0, errors.New(res.Status)
	}
	return time.Since(begun), nil
}
