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

// operation is a GraphQL operation and the hand-written handler that answers the same.
type operation struct {
	name      string
	as        caller
	query     string
	variables map[string]any
	hand      http.HandlerFunc
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
	for i, op := range list {
		s.number[op.name] = i
		s.handler.HandleFunc(fmt.Sprintf("/hand/%d", i), op.hand)
	}
	return s, nil
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

// ask makes a new request each time it is called.
type ask func() *http.Request

func (s *site) graph(op operation) ask {
	return s.post("/graphql", op, op.body())
}

// body is the body of the request for an operation.
func (op operation) body() []byte {
	body, _ := json.Marshal(map[string]any{"query": op.query, "variables": op.variables}) // made of texts and numbers
	return body
}

func (s *site) byHand(op operation) ask {
	body, _ := json.Marshal(op.variables)
	return s.post(fmt.Sprintf("/hand/%d", s.number[op.name]), op, body)
}

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
func (s *site) direct(ctx context.Context, a ask) ([]byte, error) {
	w := &answer{header: http.Header{}, status: http.StatusOK}
	s.handler.ServeHTTP(w, a().WithContext(ctx))
	if w.status != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", w.status, w.String())
	}
	return w.Bytes(), nil
}

// cost is what one request takes, measured without the network.
type cost struct {
	allocs, bytes, cpu float64
}

// price repeats a request and averages what the process spent on it.
func (s *site) price(ctx context.Context, a ask, seconds float64) (c cost, err error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, cpu := 0.0, cpuTime()
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); n < 20 || time.Now().Before(end) && n < 500; n++ {
		if _, err := s.direct(ctx, a); err != nil {
			return c, err
		}
	}
	spent := cpuTime() - cpu
	runtime.ReadMemStats(&after)
	return cost{float64(after.Mallocs-before.Mallocs) / n, float64(after.TotalAlloc-before.TotalAlloc) / n, spent.Seconds() * 1000 / n}, nil
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func header(o options) string {
	columns := "| operation | statements | allocs | KB | CPU ms | CPU ratio |"
	line := "|---|--:|--:|--:|--:|--:|"
	for _, c := range o.clients {
		columns += fmt.Sprintf(" p50 ms @%d | p99 | hand p50 | **ratio** |", c)
		line += "--:|--:|--:|--:|"
	}
	return columns + "\n" + line + "\n"
}

// measure compares the answers, counts, and times the two handlers in turn.
func (s *site) measure(ctx context.Context, o options, op operation) (string, error) {
	program, hand := s.graph(op), s.byHand(op)
	for range 3 { // caches
		if err := s.compare(ctx, program, hand); err != nil {
			return "", err
		}
	}
	counted, statements := db.CountStatements(ctx)
	const times = 10 // what loaders batch can differ from one time to the next
	for range times {
		if _, err := s.direct(counted, program); err != nil {
			return "", err
		}
	}
	ours, err := s.price(ctx, program, o.seconds/4)
	if err != nil {
		return "", err
	}
	theirs, err := s.price(ctx, hand, o.seconds/4)
	if err != nil {
		return "", err
	}
	row := fmt.Sprintf("| %s | %.3g | %.0f | %.0f | %.2f | %.1f |", op.name, float64(statements.Statements())/times, ours.allocs, ours.bytes/1024, ours.cpu, ours.cpu/theirs.cpu)
	for _, clients := range o.clients {
		if o.seconds == 0 {
			row += " | | | |"
			continue
		}
		a, b, err := s.race(ctx, clients, o.seconds, program, hand)
		if err != nil {
			return "", err
		}
		row += fmt.Sprintf(" %.2f | %.2f | %.2f | **%.1f** |", millis(a, 50), millis(a, 99), millis(b, 50), millis(a, 50)/millis(b, 50))
	}
	return row, nil
}

// compare makes sure that both answer the same.
func (s *site) compare(ctx context.Context, program, hand ask) error {
	ours, err := s.direct(ctx, program)
	if err != nil {
		return err
	}
	theirs, err := s.direct(ctx, hand)
	if err != nil {
		return fmt.Errorf("by hand: %w", err)
	}
	var a, b any
	if err := errors.Join(json.Unmarshal(ours, &a), json.Unmarshal(theirs, &b)); err != nil {
		return fmt.Errorf("%w in %.300s or %.300s", err, ours, theirs)
	}
	if !reflect.DeepEqual(a, b) {
		return errors.New("the answers differ: " + difference(a, b, ""))
	}
	return nil
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

// race lets clients ask in turn, over HTTP with connections kept, and returns the times, sorted.
func (s *site) race(ctx context.Context, clients int, seconds float64, program, hand ask) (ours, theirs []time.Duration, err error) {
	var (
		mu     sync.Mutex
		all    sync.WaitGroup
		failed error
	)
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	for range clients {
		all.Go(func() {
			var a, b []time.Duration
			for n := 0; n < 5 || time.Now().Before(end); n++ {
				x, err1 := s.time(ctx, program)
				y, err2 := s.time(ctx, hand)
				if err := errors.Join(err1, err2); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				a, b = append(a, x), append(b, y)
			}
			mu.Lock()
			defer mu.Unlock()
			ours, theirs = append(ours, a...), append(theirs, b...)
		})
	}
	all.Wait()
	slices.Sort(ours)
	slices.Sort(theirs)
	return ours, theirs, failed
}

func (s *site) time(ctx context.Context, a ask) (time.Duration, error) {
	r := a().WithContext(ctx)
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

func millis(sorted []time.Duration, percent int) float64 {
	return float64(sorted[min(len(sorted)-1, len(sorted)*percent/100)].Microseconds()) / 1000
}
