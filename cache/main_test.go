package cache_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// redialing is what the client of Redis does for up to a second after it was closed, when nothing answered it.
const redialing = "github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(redialing)) }

// What these tests keep is the version of the catalogue: one number in a real database, which each write raises by one. An answer is
// stale when it is smaller than a number that was acknowledged before it was asked for.
var versions = cache.Kind[int64]{
	Name: "version", Reach: mesa.ForScope,
	Encode: func(n int64) ([]byte, error) { return strconv.AppendInt(nil, n, 10), nil },
	Decode: func(b []byte) (int64, error) { return strconv.ParseInt(string(b), 10, 64) },
}

// node is one process: a handle on the database and a cache.
type node struct {
	t     testing.TB
	db    *db.DB
	cache *cache.Cache
	loads atomic.Int64
	log   *testkit.Output
}

// start makes a node on a database and, unless the URL is empty, a Redis.
func start(t testing.TB, database string, opts cache.Options) *node {
	t.Helper()
	n := &node{t: t, log: &testkit.Output{}}
	opts.Log = slog.New(slog.NewTextHandler(n.log, nil))
	var err error
	if n.cache, err = cache.New(opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.cache.Close)
	n.db, err = db.Open(context.Background(), database, db.Options{Changed: func(c db.Change) { n.cache.Move(c.Tags, c.Entries) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.cache.Close(); n.db.Close() })
	if err := n.cache.Watch(t.Context(), n.db); err != nil {
		t.Fatal(err)
	}
	return n
}

// migrated is the URL of an empty database with a schema.
func migrated(t testing.TB) string {
	t.Helper()
	return testkit.SQLiteClone(t, "cache", testkit.Migrated(db.Options{}))
}

// stored is the number in the database.
func (n *node) stored(ctx context.Context) (int64, error) {
	place, err := n.db.JournalEnd(ctx)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(place[strings.LastIndex(place, ".")+1:], 10, 64)
}

// read is the number, from the cache if it can be.
func (n *node) read() cache.Found[int64] {
	return n.readAt(versions.NowWith(context.Background(), n.cache, "of the catalogue"), func(ctx context.Context) (int64, error) { return n.stored(ctx) })
}

func (n *node) readAt(at cache.Moment, load func(ctx context.Context) (int64, error)) cache.Found[int64] {
	found, err := versions.Get(context.Background(), n.cache, at, cache.Key{Name: "of the catalogue", Tier: cache.Cold, Reach: mesa.ForScope},
		func(ctx context.Context) (int64, error) {
			n.loads.Add(1)
			mesa.Saw(ctx, mesa.TheCatalogue)
			return load(ctx)
		})
	if err != nil {
		n.t.Error(err)
	}
	return found
}

// write raises the number and returns what it made of it.
func (n *node) write() (version int64) {
	n.t.Helper()
	ctx := context.Background()
	err := n.db.InTx(ctx, func(tx *db.Tx) error {
		if err := tx.TouchCatalogue(ctx); err != nil {
			return err
		}
		return tx.NewRaw("SELECT version FROM catalogue_version").Scan(ctx, &version)
	})
	if err != nil {
		n.t.Error(err)
	}
	return version
}

// writeUnnoticed raises the number as somebody does who does not know of the cache, or is killed before telling it.
func writeUnnoticed(t testing.TB, database string) {
	t.Helper()
	other, err := db.Open(context.Background(), database, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.InTx(context.Background(), func(tx *db.Tx) error { return tx.TouchCatalogue(context.Background()) }); err != nil {
		t.Fatal(err)
	}
}

// warm reads until the answer comes from the cache.
func (n *node) warm() {
	n.t.Helper()
	until(n.t, "an answer from the cache", func() bool { return n.read().Outcome == cache.Hit })
}

// until asks again and again, without a rest, whether something has come about.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond) // between two questions, not instead of one
	}
}

// highest is the highest number so far.
type highest struct{ atomic.Int64 }

func (h *highest) raise(n int64) {
	for before := h.Load(); before < n && !h.CompareAndSwap(before, n); before = h.Load() {
	}
}
