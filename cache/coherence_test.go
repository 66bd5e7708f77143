package cache_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// eachBackend runs body with nodes on one database: one in memory alone, then two that share a Redis.
func eachBackend(t *testing.T, body func(t *testing.T, nodes []*node)) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		n := start(t, migrated(t), cache.Options{})
		body(t, []*node{n})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		database, opts := migrated(t), cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)}
		body(t, []*node{start(t, database, opts), start(t, database, opts)})
	})
}

// Whoever writes reads it at once, on any node, though all caches are warm.
func TestReadYourWrites(t *testing.T) {
	eachBackend(t, func(t *testing.T, nodes []*node) {
		for _, n := range nodes {
			n.warm()
		}
		for i := range 1000 {
			writer, reader := nodes[i%len(nodes)], nodes[(i+1)%len(nodes)]
			written := writer.write()
			if got := reader.read(); got.Value != written {
				t.Fatalf("write %d: read %d, written %d (%s)", i, got.Value, written, got.Outcome)
			}
			if got := reader.read(); got.Value != written {
				t.Fatalf("write %d: read again %d, written %d (%s)", i, got.Value, written, got.Outcome)
			}
		}
		for _, n := range nodes {
			if s := n.cache.Stats(); s.Hits == 0 {
				t.Errorf("the cache was not at work: %+v\n%s", s, n.log)
			}
		}
	})
}

// Under load from all sides no read gives less than what was acknowledged before it began.
func TestNothingStaleUnderLoad(t *testing.T) {
	eachBackend(t, func(t *testing.T, nodes []*node) {
		for _, n := range nodes {
			n.warm()
		}
		var (
			acknowledged highest
			reads, stale atomic.Int64
			all          sync.WaitGroup
			end          = time.Now().Add(2 * time.Second)
		)
		for i := range 2 {
			all.Go(func() {
				for time.Now().Before(end) {
					acknowledged.raise(nodes[i%len(nodes)].write())
				}
			})
		}
		for i := range 8 {
			all.Go(func() {
				for time.Now().Before(end) {
					before := acknowledged.Load()
					if got := nodes[i%len(nodes)].read(); got.Value < before {
						stale.Add(1)
					}
					reads.Add(1)
				}
			})
		}
		all.Wait()
		t.Logf("%d stale of %d reads, %d writes", stale.Load(), reads.Load(), acknowledged.Load())
		if stale.Load() > 0 || reads.Load() < 100 {
			t.Errorf("%d stale of %d reads", stale.Load(), reads.Load())
		}
	})
}

// A reader that is overtaken by a writer does not leave its old answer behind: not for itself, nor for the other node.
func TestASlowReaderIsOvertaken(t *testing.T) {
	eachBackend(t, func(t *testing.T, nodes []*node) {
		reader, writer := nodes[0], nodes[len(nodes)-1]
		reader.warm()
		writer.write() // so that what is kept does not hold
		reading, written := make(chan struct{}), make(chan struct{})
		var slow sync.WaitGroup
		slow.Go(func() {
			reader.readAt(reader.cache.Now(t.Context()), func(ctx context.Context) (int64, error) {
				old, err := reader.stored(ctx)
				close(reading)
				<-written
				return old, err
			})
		})
		<-reading
		want := writer.write()
		close(written)
		slow.Wait()
		for _, n := range nodes {
			if got := n.read(); got.Value != want {
				t.Errorf("read %d after %d was written", got.Value, want)
			}
		}
		if len(nodes) == 1 && reader.cache.Stats().Late != 1 { // else it was kept, and found not to hold by whoever asks
			t.Errorf("the late answer was kept: %+v", reader.cache.Stats())
		}
	})
}

// Somebody who comes after a write does not get what is still being made from before it.
func TestWhoeverJoinsAfterAWriteReadsAnew(t *testing.T) {
	eachBackend(t, func(t *testing.T, nodes []*node) {
		n := nodes[0]
		n.warm()
		n.write()
		reading, written := make(chan struct{}), make(chan struct{})
		var slow sync.WaitGroup
		slow.Go(func() {
			n.readAt(n.cache.Now(t.Context()), func(ctx context.Context) (int64, error) {
				old, err := n.stored(ctx)
				close(reading)
				<-written
				return old, err
			})
		})
		<-reading
		want := n.write()
		var got cache.Found[int64]
		slow.Go(func() { got = n.read() }) // waits for the one under way
		close(written)
		slow.Wait()
		if got.Value != want {
			t.Errorf("read %d after %d was written", got.Value, want)
		}
	})
}

// A change that nobody told of (its process was killed first, or knows nothing of the cache) is found in the journal.
func TestUntoldChangesAreFound(t *testing.T) {
	run := func(t *testing.T, database string, nodes []*node) {
		for _, n := range nodes {
			n.warm()
		}
		writeUnnoticed(t, database)
		want, err := nodes[0].stored(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for _, n := range nodes {
			until(t, "the change", func() bool { return n.read().Value == want })
		}
		t.Logf("found after %v", time.Since(began))
		found := int64(0)
		for _, n := range nodes {
			found += n.cache.Stats().Found
		}
		if found == 0 {
			t.Error("nobody found it in the journal")
		}
	}
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		database := migrated(t)
		run(t, database, []*node{start(t, database, cache.Options{})})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		database, opts := migrated(t), cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)}
		run(t, database, []*node{start(t, database, opts), start(t, database, opts)})
	})
}

// A change that was made while no process was there, or by one that was killed when it was the only one, is found by the next process,
// although Redis has kept old answers.
func TestChangesBetweenProcessesAreFound(t *testing.T) {
	t.Parallel()
	database, opts := migrated(t), cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)}
	first := start(t, database, opts)
	first.warm()
	until(t, "the place in the journal to be noted", func() bool { return first.write() > 0 && first.cache.Stats().Hits > 0 && settledOnce(first) })
	first.warm()
	first.cache.Close()
	writeUnnoticed(t, database)
	second := start(t, database, opts)
	until(t, "the second process to use Redis", func() bool { return second.cache.Stats().State == cache.Closed })
	want, err := second.stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := second.read(); got.Value != want {
		t.Errorf("read %d, %d is stored (%s)", got.Value, want, got.Outcome)
	}
}

// settledOnce says whether a node has read the journal at least once: by then an untold change has been found.
func settledOnce(n *node) bool {
	return time.Since(n.cache.Stats().Since) > 1500*time.Millisecond
}

// What Redis keeps is used by the next process.
func TestAnotherProcessFindsWhatIsKept(t *testing.T) {
	t.Parallel()
	database, opts := migrated(t), cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)}
	one := start(t, database, opts)
	one.warm()
	two := start(t, database, opts)
	until(t, "the second process to use Redis", func() bool { return two.cache.Stats().State == cache.Closed })
	two.warm()
	if two.cache.Stats().Fetched == 0 {
		t.Errorf("%+v", two.cache.Stats())
	}
	opts.Version = "next"
	three := start(t, database, opts)
	until(t, "the third process to use Redis", func() bool { return three.cache.Stats().State == cache.Closed })
	if got := three.read(); got.Outcome == cache.Hit {
		t.Errorf("another version reads what this one wrote: %s", got.Outcome)
	}
}

// A transaction that stays open keeps what is committed behind it from being settled for good. However much that is, it makes everything
// move once, and other changes are found. (In SQLite nobody commits behind an open transaction.)
func TestALongTransactionDoesNotEmptyTheCache(t *testing.T) {
	t.Parallel()
	database := testkit.PostgresClone(t, "cache", testkit.Migrated(db.Options{}))
	n, ctx := start(t, database, cache.Options{}), t.Context()
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- n.db.InTx(ctx, func(tx *db.Tx) error {
			_, err := tx.NewRaw("SELECT pg_current_xact_id()").Exec(ctx)
			close(begun)
			<-end
			return err
		})
	}()
	<-begun
	err := n.db.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.NewRaw(`INSERT INTO events (id, at, type, actor_kind, actor_name, area_ids, text)
			SELECT 'evt_' || i, now(), 'document.updated', 'SYSTEM', 'test', '[]', '' FROM generate_series(1, 12000) i`).Exec(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	finds := func() {
		t.Helper()
		writeUnnoticed(t, database)
		want, err := n.stored(ctx)
		if err != nil {
			t.Fatal(err)
		}
		until(t, "the change", func() bool { return n.read().Value == want })
	}
	n.warm()
	finds()
	other := func() cache.Outcome {
		found, err := versions.Get(ctx, n.cache, n.cache.Now(ctx), cache.Key{Name: "other", Tier: cache.Cold, Reach: mesa.ForScope},
			func(context.Context) (int64, error) { return 1, nil })
		if err != nil {
			t.Fatal(err)
		}
		return found.Outcome
	}
	other()
	finds()
	finds()
	if got := other(); got != cache.Hit {
		t.Errorf("%s of what nobody changed", got)
	}
	close(end)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	finds()
	if got := other(); got != cache.Hit {
		t.Errorf("%s after the transaction has ended", got)
	}
}

// Ages do not depend on the clocks of the processes: one is a day ahead, one a day behind.
func TestClocksMayDiffer(t *testing.T) {
	t.Parallel()
	database, redis, prefix := migrated(t), testkit.RedisURL(t), testkit.RedisPrefix(t)
	at := func(by time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(by) } }
	early := start(t, database, cache.Options{Redis: redis, Prefix: prefix, Now: at(-24 * time.Hour)})
	late := start(t, database, cache.Options{Redis: redis, Prefix: prefix, Now: at(24 * time.Hour)})
	early.warm()
	late.warm()
	hits := 0
	for range 50 {
		for _, pair := range [][2]*node{{early, late}, {late, early}} {
			want := pair[0].write()
			if got := pair[1].read(); got.Value != want {
				t.Fatalf("read %d, written %d", got.Value, want)
			}
			if got := pair[0].read(); got.Outcome == cache.Hit {
				hits++
				if got.Age < 0 || got.Age > time.Minute {
					t.Fatalf("of age %v", got.Age)
				}
			}
		}
	}
	if hits == 0 {
		t.Error("nothing was kept")
	}
}

// Random changes and reads on both nodes with interruptions of all kinds: see faults_test.go; here only that they may be mixed at will.
func TestClearForgetsEverythingEverywhere(t *testing.T) {
	eachBackend(t, func(t *testing.T, nodes []*node) {
		for _, n := range nodes {
			n.warm()
		}
		nodes[0].cache.Clear()
		other := nodes[rand.IntN(len(nodes))]
		if got := other.read(); got.Outcome == cache.Hit && other.loads.Load() < 2 {
			t.Errorf("%s after everything was forgotten", got.Outcome)
		}
	})
}
