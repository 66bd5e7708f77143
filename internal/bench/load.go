package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	work "github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/mesa"
)

// loadName is the name of the load for -only.
const loadName = "load"

// loadNodes is how many processes share the load, each with a database handle and a cache of its own, and one Redis.
const loadNodes = 2

// load is a run of the script. Whatever was given from the cache is compared with what a node without one gives: the two may differ only
// when something was written meanwhile.
type load struct {
	nodes []*node
	plain *node // keeps nothing
	desk  *work.Desk
	types []mesa.DocumentTypeID // that the public brings
	areas []mesa.AreaID         // that documents are derived to

	gate   sync.RWMutex // writers hold it for their request, readers while they compare; asking for an answer needs no lock
	writes atomic.Int64 // rises before and after each write

	mu      sync.Mutex
	tally   map[string]*tally // by operation
	refused map[mesa.Code]int
	last    map[string][sha256.Size]byte // the latest answer to each request of each person, without when it was made
	stale   []string                     // where stale answers differed
}

// tally counts the answers of an operation.
type tally struct {
	isWrite                 bool
	hits, misses, bypasses  int
	needless                int // misses that gave what the person was given before
	compared, stale, failed int
}

// benchLoad plays the script, once for each number of clients.
func benchLoad(ctx context.Context, o options, backend string, stdout io.Writer) error {
	for _, clients := range o.clients {
		if err := playOn(ctx, backend, clients, stdout); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	return nil
}

// playOn plays the script on a new institution.
func playOn(ctx context.Context, backend string, clients int, stdout io.Writer) error {
	began := time.Now()
	now := func() time.Time { return noon.Add(time.Since(began)) }
	address, drop, err := temporary(ctx, backend)
	if err != nil {
		return err
	}
	defer drop()
	people, err := found(ctx, address, now)
	if err != nil {
		return err
	}
	l := &load{tally: map[string]*tally{}, refused: map[mesa.Code]int{}, last: map[string][sha256.Size]byte{}}
	defer l.stop()
	if err := l.start(ctx, address, now); err != nil {
		return err
	}
	began = time.Now()
	if err := l.run(ctx, clients, script(people)); err != nil {
		return err
	}
	l.report(stdout, clients, time.Since(began))
	if n := l.sum().stale; n > 0 {
		return fmt.Errorf("%d stale answers, such as %s", n, l.stale[0])
	}
	return nil
}

// found makes the demo institution with its history.
func found(ctx context.Context, address string, now func() time.Time) ([]*mesa.User, error) {
	database, err := db.Open(ctx, address, db.Options{Now: now})
	if err != nil {
		return nil, err
	}
	defer database.Close()
	if _, err := database.Migrate(ctx); err != nil {
		return nil, err
	}
	if _, _, err := demo.Create(ctx, database, demo.Options{Seed: 1, Documents: loadDocuments}); err != nil {
		return nil, err
	}
	if err := analyze(ctx, address); err != nil {
		return nil, err
	}
	cat, err := database.Catalogue(ctx, 0)
	if err != nil {
		return nil, err
	}
	return cat.Users, nil
}

// start starts the nodes.
func (l *load) start(ctx context.Context, address string, now func() time.Time) (err error) {
	shared := cache.Options{Prefix: newPrefix()}
	if shared.Redis, err = redisURL(); err != nil {
		return err
	}
	for range loadNodes {
		n, err := startNode(ctx, address, now, &shared)
		if err != nil {
			return err
		}
		l.nodes = append(l.nodes, n)
	}
	if l.plain, err = startNode(ctx, address, now, nil); err != nil {
		return err
	}
	l.desk = work.New(l.nodes[0].db, slog.New(slog.DiscardHandler))
	cat, err := l.plain.db.Catalogue(ctx, 0)
	if err != nil {
		return err
	}
	for _, a := range cat.Areas {
		if a.IsActive && !a.IsDesk {
			l.areas = append(l.areas, a.ID)
		}
	}
	for _, t := range cat.Types {
		if slices.Contains([]string{"SOL", "CAR", "CON", "REC"}, t.Code) {
			l.types = append(l.types, t.ID)
		}
	}
	return nil
}

func (l *load) stop() {
	for _, n := range l.nodes {
		n.stop()
	}
	if l.plain != nil {
		l.plain.stop()
	}
}

// run lets clients take one session after the other.
func (l *load) run(ctx context.Context, clients int, visits []visit) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		next atomic.Int64
		all  sync.WaitGroup
	)
	for range clients {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(visits)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := l.play(ctx, visits[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// read asks a node and compares what came from its cache.
func (l *load) read(ctx context.Context, op operation, node int) (json.RawMessage, error) {
	asked := l.nodes[node].graph(op)
	before := l.writes.Load()
	answer, err := l.nodes[node].fetch(ctx, asked)
	if err != nil {
		return nil, err
	}
	sum, key := sha256.Sum256(asOf.ReplaceAll(answer.body, nil)), op.as.token+string(op.body())
	l.count(op.name, func(t *tally) {
		t.add(answer.outcome)
		if answer.outcome == cache.Miss && l.last[key] == sum {
			t.needless++
		}
		l.last[key] = sum
	})
	if answer.outcome == cache.Hit {
		if err := l.compare(ctx, op, node, before, answer); err != nil {
			return nil, err
		}
	}
	data, code, err := dataOf(answer.body)
	if code != "" {
		err = fmt.Errorf("%s: %s", op.name, answer.body)
	}
	return data, err
}

// compare makes sure that a hit is not stale. If something was written since before it was asked for, that cannot be said of it: then it
// is asked for again, while nobody writes.
func (l *load) compare(ctx context.Context, op operation, node int, before int64, answer got) (err error) {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if before%2 == 1 || l.writes.Load() != before {
		if answer, err = l.nodes[node].fetch(ctx, l.nodes[node].graph(op)); err != nil || answer.outcome != cache.Hit {
			return err
		}
	}
	fresh, err := l.plain.fetch(ctx, l.plain.graph(op))
	if err != nil {
		return err
	}
	differs, err := differ(answer.body, fresh.body)
	if err != nil {
		return err
	}
	l.count(op.name, func(t *tally) {
		t.compared++
		if differs != "" {
			t.stale++
			l.stale = append(l.stale, op.name+": "+differs)
		}
	})
	return nil
}

// asOf is when figures were made, which does not count when answers are compared.
var asOf = regexp.MustCompile(`"asOf":"[^"]*",?`)

// differ says where two answers are not the same, "" when they are.
func differ(a, b []byte) (string, error) {
	a, b = asOf.ReplaceAll(a, nil), asOf.ReplaceAll(b, nil)
	if bytes.Equal(a, b) {
		return "", nil
	}
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		return "", fmt.Errorf("%w in %.300s or %.300s", err, a, b)
	}
	if reflect.DeepEqual(x, y) {
		return "", nil
	}
	return difference(x, y, ""), nil
}

// refusals are what somebody is told who comes too late.
var refusals = []mesa.Code{mesa.InvalidTransition, mesa.ConflictVersion, mesa.DuplicateTarget, mesa.NotHolder}

// write lets a node change something; nil data means that it was refused because somebody else was faster.
func (l *load) write(ctx context.Context, op operation, node int) (json.RawMessage, error) {
	l.gate.Lock()
	defer l.gate.Unlock()
	l.writes.Add(1)
	defer l.writes.Add(1)
	answer, err := l.nodes[node].fetch(ctx, l.nodes[node].graph(op))
	if err != nil {
		return nil, err
	}
	data, code, err := dataOf(answer.body)
	if err != nil || code != "" && !slices.Contains(refusals, code) {
		return nil, fmt.Errorf("%s: %s", op.name, answer.body)
	}
	l.count(op.name, func(t *tally) {
		t.isWrite = true
		t.add(answer.outcome)
		if code != "" {
			t.failed++
			l.refused[code]++
		}
	})
	if code != "" {
		return nil, nil
	}
	return data, nil
}

// dataOf takes an answer apart; the code is that of its first error.
func dataOf(body []byte) (data json.RawMessage, code mesa.Code, err error) {
	var a struct {
		Data   json.RawMessage
		Errors []struct{ Extensions struct{ Code mesa.Code } }
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, "", err
	}
	if len(a.Errors) > 0 {
		code = a.Errors[0].Extensions.Code
		if code == "" {
			code = mesa.Internal
		}
	}
	return a.Data, code, nil
}

func (l *load) count(operation string, add func(*tally)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tally[operation]
	if t == nil {
		t = &tally{}
		l.tally[operation] = t
	}
	add(t)
}

func (t *tally) add(o cache.Outcome) {
	switch o {
	case cache.Hit:
		t.hits++
	case cache.Miss:
		t.misses++
	default:
		t.bypasses++
	}
}

func (t *tally) asked() int { return t.hits + t.misses + t.bypasses }

// rate is the share of hits among hits and misses.
func (t *tally) rate() string {
	if t.hits+t.misses == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*float64(t.hits)/float64(t.hits+t.misses))
}

// sum is that of all reads.
func (l *load) sum() (sum tally) {
	for _, t := range l.tally {
		if !t.isWrite {
			sum.hits, sum.misses, sum.bypasses = sum.hits+t.hits, sum.misses+t.misses, sum.bypasses+t.bypasses
			sum.needless, sum.compared, sum.stale = sum.needless+t.needless, sum.compared+t.compared, sum.stale+t.stale
		}
	}
	return sum
}

// report writes what was counted.
func (l *load) report(w io.Writer, clients int, took time.Duration) {
	reads, writes := l.sum(), 0
	for _, t := range l.tally {
		if t.isWrite {
			writes += t.asked()
		}
	}
	fmt.Fprintf(w, "\nload: %d sessions by %d clients on %d nodes with one Redis in %v: %d reads, %d writes (%.1f %%; too late: %v), hit rate **%s**, %d hits compared, **%d stale**\n\n",
		loadSessions, clients, loadNodes, took.Round(time.Second/10), reads.asked(), writes, 100*float64(writes)/float64(reads.asked()+writes), l.refused, reads.rate(), reads.compared, reads.stale)
	fmt.Fprintln(w, "| load: operation | asked | hit | missed | of these with the same answer as before | not from the cache | **hit rate** | hits compared | stale |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, name := range slices.Sorted(maps.Keys(l.tally)) {
		if t := l.tally[name]; t.isWrite {
			fmt.Fprintf(w, "| %s (write) | %d | | | | | | | |\n", name, t.asked())
		} else {
			fmt.Fprintln(w, t.row(name))
		}
	}
	fmt.Fprintln(w, reads.row("all reads"))
}

func (t *tally) row(name string) string {
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | **%s** | %d | %d |", name, t.asked(), t.hits, t.misses, t.needless, t.bypasses, t.rate(), t.compared, t.stale)
}
