package cache_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// pair starts two nodes on one database and a Redis of their own.
func pair(t *testing.T) (redis *testkit.RedisServer, one, two *node) {
	t.Helper()
	redis = testkit.StartRedis(t)
	database := migrated(t)
	one, two = start(t, database, cache.Options{Redis: redis.URL}), start(t, database, cache.Options{Redis: redis.URL})
	one.warm()
	two.warm()
	return redis, one, two
}

// soon is what a request may take at most when Redis does not answer: its patience, and what a busy machine adds.
const soon = 2 * time.Second

// quickly does something up to five times, and fails the test when one of its steps took long each time: a busy machine is late for once,
// a wrong program always.
func quickly(t *testing.T, do func(step func(what string, do func()))) {
	t.Helper()
	var late []string
	for range 5 {
		before := len(late)
		do(func(what string, do func()) {
			began := time.Now()
			do()
			if took := time.Since(began); took > soon {
				late = append(late, fmt.Sprintf("%s took %v", what, took))
			}
		})
		if len(late) == before || t.Failed() {
			return
		}
	}
	t.Errorf("each time something was late: %q", late)
}

// Whatever happens to Redis, no request fails or waits long, no answer is older than what was acknowledged, and when Redis is back it is
// used again.
func TestRedisMayFail(t *testing.T) {
	for _, fault := range []struct {
		name        string
		breaks      func(*testkit.RedisServer)
		mends       func(*testkit.RedisServer)
		isNotMissed bool // it is over so soon that nobody has to notice
	}{
		{"paused", (*testkit.RedisServer).Pause, (*testkit.RedisServer).Resume, false},
		{"killed and empty", (*testkit.RedisServer).Kill, (*testkit.RedisServer).Start, false},
		{"killed and back with an old snapshot", func(r *testkit.RedisServer) { r.Snapshot(); r.Kill() }, (*testkit.RedisServer).Start, false},
		{"full: it answers, but refuses writes", (*testkit.RedisServer).RefuseWrites, (*testkit.RedisServer).AcceptWrites, false},
		{"flushed", (*testkit.RedisServer).Flush, func(*testkit.RedisServer) {}, true},
		{"all connections cut", (*testkit.RedisServer).CutClients, func(*testkit.RedisServer) {}, true},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			redis, one, two := pair(t)
			quickly(t, func(step func(what string, do func())) {
				fault.breaks(redis)
				for range 3 {
					var want int64
					step("a write", func() { want = one.write() })
					step("a read", func() {
						if got := two.read(); got.Value != want {
							t.Errorf("read %d, written %d (%s)", got.Value, want, got.Outcome)
						}
					})
				}
				if !fault.isNotMissed {
					if s := one.cache.Stats(); s.State == cache.Closed || s.Problem == "" {
						t.Errorf("the breaker is %s (%s)", s.State, s.Problem)
					}
					if !strings.Contains(one.log.String(), "Redis does not answer") {
						t.Errorf("nothing in the log:\n%s", one.log)
					}
				}
				want := one.write()
				fault.mends(redis)
				for range 1000 { // from the first instant on, when only one of them may have noticed
					for _, n := range []*node{two, one} {
						if got := n.read(); got.Value != want {
							t.Fatalf("read %d, written %d (%s)\n%s", got.Value, want, got.Outcome, n.log)
						}
					}
				}
				one.warm()
				two.warm()
				want = two.write()
				if got := one.read(); got.Value != want {
					t.Errorf("afterwards: read %d, written %d (%s)", got.Value, want, got.Outcome)
				}
				one.warm()
				two.warm()
			})
		})
	}
}

// Redis comes and goes all the time while both nodes write and read: never an old answer, never an error.
func TestRedisComesAndGoes(t *testing.T) {
	t.Parallel()
	redis, one, two := pair(t)
	nodes := []*node{one, two}
	var (
		acknowledged       highest
		reads, hits, stale atomic.Int64
		done               atomic.Bool
		all                sync.WaitGroup
	)
	for i := range 2 {
		all.Go(func() {
			for !done.Load() {
				acknowledged.raise(nodes[i].write())
			}
		})
	}
	for i := range 4 {
		all.Go(func() {
			for !done.Load() {
				before := acknowledged.Load()
				got := nodes[i%2].read()
				if got.Value < before {
					stale.Add(1)
				}
				if got.Outcome == cache.Hit {
					hits.Add(1)
				}
				reads.Add(1)
			}
		})
	}
	back := func() {
		before := hits.Load()
		until(t, "answers from the cache", func() bool { return hits.Load() > before })
	}
	for range 2 {
		redis.Pause()
		before := reads.Load()
		until(t, "reads without Redis", func() bool { return reads.Load() > before+50 })
		redis.Resume()
		back()
		redis.Snapshot()
		redis.Kill()
		before = reads.Load()
		until(t, "reads without Redis", func() bool { return reads.Load() > before+50 })
		redis.Start()
		back()
		redis.Flush()
		back()
		redis.CutClients()
		back()
	}
	done.Store(true)
	all.Wait()
	t.Logf("%d stale of %d reads, %d of them from the cache, %d writes", stale.Load(), reads.Load(), hits.Load(), acknowledged.Load())
	if stale.Load() > 0 {
		t.Errorf("%d stale of %d reads\n%s", stale.Load(), reads.Load(), one.log)
	}
}

// Redis is back, and one process finds out before the other: what the other commits meanwhile is not missed. One only writes, the other
// only reads, so that nothing but the journal can tell.
func TestProcessesFindOutOneAfterTheOther(t *testing.T) {
	t.Parallel()
	redis, writer, reader := pair(t)
	var (
		acknowledged, reads, stale atomic.Int64
		done                       atomic.Bool
		all                        sync.WaitGroup
	)
	all.Go(func() {
		for !done.Load() {
			acknowledged.Store(writer.write())
		}
	})
	for range 3 {
		all.Go(func() {
			for !done.Load() {
				before := acknowledged.Load()
				if reader.read().Value < before {
					stale.Add(1)
				}
				reads.Add(1)
			}
		})
	}
	for range 4 {
		redis.Kill()
		before := acknowledged.Load()
		until(t, "writes without Redis", func() bool { return acknowledged.Load() > before+20 })
		redis.Start()
		hits := reader.cache.Stats().Hits
		until(t, "answers from the cache", func() bool { return reader.cache.Stats().Hits > hits+10 })
	}
	done.Store(true)
	all.Wait()
	t.Logf("%d stale of %d reads, %d writes", stale.Load(), reads.Load(), acknowledged.Load())
	if stale.Load() > 0 {
		t.Errorf("%d stale of %d reads\n%s", stale.Load(), reads.Load(), reader.log)
	}
}

// noticed tells when somebody waits for the end of a context.
type noticed struct {
	context.Context
	waits func()
}

// Done tells of it.
func (n noticed) Done() <-chan struct{} {
	n.waits()
	return n.Context.Done()
}

// A caller who goes away, or whose time is over, is no sign that Redis does not answer: whether they ask for an entry or leave one behind.
func TestWhoeverGoesAwaySaysNothingAboutRedis(t *testing.T) {
	n := start(t, migrated(t), cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)})
	get := func(ctx context.Context, load func(context.Context) (int64, error)) {
		var at cache.Moment
		until(t, "a moment of the cache", func() bool { at = n.cache.Now(t.Context()); return at.IsUsable() })
		if _, err := versions.Get(ctx, n.cache, at, cache.Key{Name: "n", Tier: cache.Cold, Reach: mesa.ForScope}, load); err != nil {
			t.Error(err)
		}
	}
	for what, goAway := range map[string]func(){
		"whose time is over": func() {
			late, end := context.WithDeadline(t.Context(), time.Now())
			defer end()
			get(late, func(context.Context) (int64, error) { return 1, nil })
		},
		"who leaves": func() {
			var second sync.WaitGroup
			get(t.Context(), func(context.Context) (int64, error) {
				n.cache.Clear()
				waiting, leaving := make(chan struct{}), noticed{}
				leave := context.CancelFunc(nil)
				leaving.Context, leave = context.WithCancel(t.Context())
				leaving.waits = sync.OnceFunc(func() { close(waiting) })
				second.Go(func() { // what the first makes does not hold for the second
					get(leaving, func(context.Context) (int64, error) { leave(); return 2, nil })
				})
				<-waiting
				return 1, nil
			})
			second.Wait()
		},
	} {
		broken := 0
		for range 3 { // on a busy machine Redis may be late for once
			n.cache.Clear()
			before := n.cache.Stats().Failures
			goAway()
			if n.cache.Stats().Failures > before {
				broken++
			}
		}
		if broken == 3 {
			t.Errorf("after a caller %s: %s", what, n.cache.Stats().Problem)
		}
	}
}

// A process starts without Redis, says so, and uses it once it is there.
func TestRedisMayComeLater(t *testing.T) {
	t.Parallel()
	redis := testkit.StartRedis(t)
	redis.Kill()
	database := migrated(t)
	var n *node
	quickly(t, func(step func(what string, do func())) {
		step("the start", func() { n = start(t, database, cache.Options{Redis: redis.URL}) })
		step("a read", func() {
			if got := n.read(); got.Outcome != cache.Bypass {
				t.Errorf("%s without Redis", got.Outcome)
			}
		})
	})
	redis.Start()
	n.warm()
}

func TestRedisURLs(t *testing.T) {
	for _, url := range []string{"http://x", "redis://u:secret@ho st", "::", "redis://u:secret@h:port/x", "redis://h/x?nothing=1"} {
		c, err := cache.New(cache.Options{Redis: url})
		if err == nil {
			c.Close()
			t.Errorf("%s is taken", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password: %v", url, err)
		}
	}
}
