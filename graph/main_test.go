package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/bus"
	"github.com/mesapartes/mesa/internal/exchange"
	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/outbound"
	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
	"github.com/mesapartes/mesa/web"
)

var update = flag.Bool("update", false, "write schema.golden.graphql and the statements and wants of the scenarios anew")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// morning is a Tuesday, 9:00 in Lima.
var morning = time.Date(2026, time.November, 24, 14, 0, 0, 0, time.UTC)

// clock stands still until it is moved.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(morning.UnixMicro())
	return c
}

func (c *clock) now() time.Time       { return time.UnixMicro(c.at.Load()).UTC() }
func (c *clock) add(by time.Duration) { c.at.Add(by.Microseconds()) }

// eachInstitution runs body on both databases with the demo institution and no documents.
func eachInstitution(t *testing.T, body func(t *testing.T, url string)) {
	t.Helper()
	testkit.EachClone(t, "institution", prepare(-1, nothing), body)
}

// eachHistory runs body on both databases with the demo institution, its history and what relate adds.
func eachHistory(t *testing.T, body func(t *testing.T, url string)) {
	t.Helper()
	testkit.EachClone(t, "history", prepare(400, relate), body)
}

func nothing(context.Context, *db.DB) error { return nil }

func prepare(documents int, more testkit.Fill) func(url string) {
	clock := newClock()
	clock.add(-time.Minute)
	now := func() time.Time { clock.add(time.Millisecond); return clock.now() }
	return testkit.Migrated(db.Options{Now: now}, testkit.Demo(documents), more)
}

// world is one process on a database: everything from the HTTP handler down.
type world struct {
	t       testing.TB
	clock   *clock
	db      *db.DB
	desk    *desk.Desk
	feed    *bus.Feed
	signals *jobs.Signals
	web     *web.Server
	handler http.Handler
	log     *testkit.Output
}

func open(t testing.TB, url string) *world {
	t.Helper()
	return openWith(t, url, newClock())
}

func openWith(t testing.TB, url string, clock *clock) *world {
	t.Helper()
	w := newWorld(t, url, clock, nil, db.Options{})
	connect(t, w.db)
	return w
}

// newWorld puts a world together, with a cache unless that is nil.
func newWorld(t testing.TB, url string, clock *clock, kept *cache.Cache, opts db.Options) *world {
	t.Helper()
	return newWorldWith(t, url, clock, kept, opts, redis{})
}

// redis is what processes share beside the database; the zero value is nothing.
type redis struct{ url, prefix string }

func newWorldWith(t testing.TB, url string, clock *clock, kept *cache.Cache, opts db.Options, shared redis) *world {
	t.Helper()
	w := &world{t: t, clock: clock, log: &testkit.Output{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	signals, err := jobs.NewSignals(shared.url, shared.prefix, log)
	if err != nil {
		t.Fatal(err)
	}
	opts.Now, opts.Log, opts.MaxConns, opts.JobsChanged, opts.Postgres = clock.now, log, conns, signals.Changed, testkit.InBubbles
	database, err := db.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close(); database.Close() })
	w.db, w.desk, w.feed = database, desk.New(database, log).Exchanging(peers(t)), bus.New(database, log)
	w.feed.Confirm = kept.Confirm
	w.signals = signals
	t.Cleanup(w.feed.Stop)
	t.Cleanup(signals.Stop)
	w.web = &web.Server{Resolver: &graph.Resolver{DB: database, Desk: w.desk, Feed: w.feed, Jobs: signals, Log: log, Cache: kept, Metrics: metrics.New(), Diagnostics: true}, Log: log}
	w.handler = w.web.Handler()
	return w
}

// peers calls institutions on this machine, whose keys it seals.
func peers(t testing.TB) *exchange.Peers {
	t.Helper()
	keys, err := secret.Parse(secret.Generate())
	if err != nil {
		t.Fatal(err)
	}
	calls := outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	return exchange.New(func() (*secret.Keyring, error) { return keys, nil }, calls)
}

// conns is how many connections to PostgreSQL a world has.
const conns = 4

// connect opens all of them now: a connection has timers, which belong to the bubble that made it.
func connect(t testing.TB, database *db.DB) {
	t.Helper()
	if database.Backend() != "postgres" {
		return
	}
	var open, done sync.WaitGroup
	open.Add(conns)
	for range conns {
		done.Go(func() {
			err := database.InTx(context.Background(), func(*db.Tx) error {
				open.Done()
				open.Wait()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
}

// email is the address of an account of the demo: "mesa1" and the whole address name the same.
func email(who string) string {
	if strings.Contains(who, "@") {
		return who
	}
	return who + "@demo.mesa.pe"
}

// token opens a session; "" for nobody.
func (w *world) token(who string) string {
	w.t.Helper()
	if who == "" || who == "nobody" {
		return ""
	}
	in, err := w.desk.OpenSession(w.t.Context(), email(who))
	if err != nil {
		w.t.Fatalf("session of %s: %v", who, err)
	}
	return in.Token
}

// actor is an account with its rights.
func (w *world) actor(who string) *mesa.Actor {
	w.t.Helper()
	in, err := w.desk.OpenSession(w.t.Context(), email(who))
	if err != nil {
		w.t.Fatalf("session of %s: %v", who, err)
	}
	return in.Actor
}

// request is one GraphQL request.
type request struct {
	query     string
	variables map[string]any
	token     string
	language  string
}

// answer is what came back, and what it cost.
type answer struct {
	status     int
	body       []byte
	data       map[string]any
	errors     []any
	statements int
}

// ask sends a request through the whole handler and counts its statements.
//
// It runs in a bubble of testing/synctest, whose time moves on only when nothing else can: a loader's wait is over exactly when every
// field that will load has done so. Thus the number of statements does not depend on how busy the machine is.
func (w *world) ask(t *testing.T, q request) (a answer) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": q.query, "variables": q.variables})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, counter := db.CountStatements(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
		if q.token != "" {
			r.Header.Set("Authorization", "Bearer "+q.token)
		}
		if q.language != "" {
			r.Header.Set("Accept-Language", q.language)
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		a = answer{status: rec.Code, body: rec.Body.Bytes(), statements: counter.Statements()}
	})
	var parsed struct {
		Data   map[string]any
		Errors []any
	}
	if err := json.Unmarshal(a.body, &parsed); err == nil {
		a.data, a.errors = parsed.Data, parsed.Errors
	}
	return a
}

// must is ask for a request that has to work.
func (w *world) must(t *testing.T, q request) answer {
	t.Helper()
	a := w.ask(t, q)
	if a.status != http.StatusOK || len(a.errors) > 0 {
		t.Fatalf("status %d: %s\n%s", a.status, a.body, q.query)
	}
	return a
}
