package cache_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// numbers is a kind of value for tests that need no database.
var numbers = cache.Kind[int]{
	Name: "number", Reach: mesa.ForScope,
	Encode: func(n int) ([]byte, error) { return strconv.AppendInt(nil, int64(n), 10), nil },
	Decode: func(b []byte) (int, error) { return strconv.Atoi(string(b)) },
}

// newCache is a cache in memory alone, whose time is moved by hand.
func newCache(t *testing.T) (c *cache.Cache, pass func(time.Duration)) {
	t.Helper()
	var now atomic.Int64
	now.Store(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC).UnixNano())
	c, err := cache.New(cache.Options{Now: func() time.Time { return time.Unix(0, now.Load()) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, func(d time.Duration) { now.Add(int64(d)) }
}

// counting gives 1, 2, 3, …
func counting(n *atomic.Int64, tags ...mesa.Tag) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		mesa.Saw(ctx, tags...)
		return int(n.Add(1)), nil
	}
}

// Of 500 who miss at once one loads.
func TestAStampedeLoadsOnce(t *testing.T) {
	eachBackend(t, func(t *testing.T, nodes []*node) {
		n := nodes[0]
		n.warm()
		loads := n.stampede()
		for tries := 1; loads != 1 && tries < 5; tries++ { // a node that Redis does not answer for a moment keeps nothing meanwhile
			loads = n.stampede()
		}
		if loads != 1 {
			t.Errorf("%d loads", loads)
		}
	})
}

// stampede lets 500 readers come at once for what has just been forgotten, and counts how often it is loaded.
func (n *node) stampede() int64 {
	n.t.Helper()
	n.write()
	var at cache.Moment
	until(n.t, "a moment after the write", func() bool { at = n.cache.Now(n.t.Context()); return at.IsUsable() })
	n.loads.Store(0)
	var all sync.WaitGroup
	ready, goOn := make(chan struct{}, 500), make(chan struct{})
	for range 500 {
		all.Go(func() {
			ready <- struct{}{}
			n.readAt(at, func(ctx context.Context) (int64, error) {
				<-goOn
				return n.stored(ctx)
			})
		})
	}
	for range 500 {
		<-ready
	}
	close(goOn)
	all.Wait()
	return n.loads.Load()
}

// A value past its soft age is given at once and made anew behind the caller's back, once.
func TestHotValuesAreMadeAnewBeforeTheyExpire(t *testing.T) {
	t.Parallel()
	c, pass := newCache(t)
	var n atomic.Int64
	get := func(load func(context.Context) (int, error)) cache.Found[int] {
		found, err := numbers.Get(t.Context(), c, c.Now(t.Context()), cache.Key{Name: "x", Tier: cache.Hot, Reach: mesa.ForScope}, load)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	get(counting(&n))
	pass(61 * time.Second)
	made, finish := make(chan struct{}), make(chan struct{})
	slow := func(ctx context.Context) (int, error) {
		close(made) // twice would panic
		<-finish
		return int(n.Add(1)), nil
	}
	for range 100 {
		if got := get(slow); got.Value != 1 || got.Outcome != cache.Hit || got.Age != 61*time.Second {
			t.Fatalf("%+v", got)
		}
	}
	<-made
	close(finish)
	until(t, "the new value", func() bool { return get(slow).Value == 2 })
	pass(6 * time.Minute)
	if got := get(counting(&n)); got.Outcome != cache.Miss {
		t.Errorf("%+v past its hard age", got)
	}
}

func TestWhatIsNotKept(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		load func(context.Context) (int, error)
		kept bool
	}{
		{"a value", func(context.Context) (int, error) { return 1, nil }, true},
		{"an error", func(context.Context) (int, error) { return 0, broken }, false},
		{"what only one user sees", func(ctx context.Context) (int, error) { mesa.SawOneself(ctx); return 1, nil }, false},
		{"what those with the same rights see", func(ctx context.Context) (int, error) { mesa.Saw(ctx, "x"); return 1, nil }, true},
		{"what is made from very much", func(ctx context.Context) (int, error) {
			for i := range 3000 {
				mesa.Saw(ctx, mesa.Tag(strconv.Itoa(i)))
			}
			return 1, nil
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store, _ := newCache(t)
			for range 2 {
				if _, err := numbers.GetOrLoad(t.Context(), store, "x", cache.Warm, c.load); err != nil && !errors.Is(err, broken) {
					t.Fatal(err)
				}
			}
			if hits := store.Stats().Hits; (hits == 1) != c.kept {
				t.Errorf("%d hits: %+v", hits, store.Stats())
			}
		})
	}
}

// A load that panics leaves nobody waiting.
func TestALoadMayPanic(t *testing.T) {
	t.Parallel()
	c, _ := newCache(t)
	get := func(load func(context.Context) (int, error)) (n int) {
		defer func() {
			if recover() != nil {
				n = -1
			}
		}()
		n, _ = numbers.GetOrLoad(t.Context(), c, "x", cache.Hot, load)
		return n
	}
	if got := get(func(context.Context) (int, error) { panic("broken") }); got != -1 {
		t.Errorf("got %d", got)
	}
	if got := get(func(context.Context) (int, error) { return 7, nil }); got != 7 {
		t.Errorf("got %d after a panic", got)
	}
}

// Whoever gives up does not take the value from those who wait for it.
func TestTheOneWhoLoadsMayGiveUp(t *testing.T) {
	t.Parallel()
	c, _ := newCache(t)
	ctx, giveUp := context.WithCancel(t.Context())
	loading, finish := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		_, _ = numbers.GetOrLoad(ctx, c, "x", cache.Hot, func(ctx context.Context) (int, error) {
			close(loading)
			<-finish
			return 1, ctx.Err()
		})
	})
	<-loading
	giveUp()
	all.Go(func() {
		n, err := numbers.GetOrLoad(t.Context(), c, "x", cache.Hot, func(context.Context) (int, error) { return 1, nil })
		if n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
	close(finish)
	all.Wait()
}

// Those who wait and give up go away, and do not each begin to load.
func TestThoseWhoWaitMayGiveUp(t *testing.T) {
	t.Parallel()
	c, _ := newCache(t)
	var loads atomic.Int64
	loading, finish := make(chan struct{}), make(chan struct{})
	load := func(context.Context) (int, error) {
		if loads.Add(1) == 1 {
			close(loading)
		}
		<-finish
		return 1, nil
	}
	var all sync.WaitGroup
	all.Go(func() { _, _ = numbers.GetOrLoad(t.Context(), c, "x", cache.Hot, load) })
	<-loading
	ctx, giveUp := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 50 {
		waiting.Go(func() {
			if _, err := numbers.GetOrLoad(ctx, c, "x", cache.Hot, load); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
	giveUp()
	waiting.Wait()
	close(finish)
	all.Wait()
	if loads.Load() != 1 {
		t.Errorf("%d loads", loads.Load())
	}
}

// A value made from another one is made from the same: it goes when that goes, and is shared no wider.
func TestValuesMadeFromValues(t *testing.T) {
	t.Parallel()
	c, _ := newCache(t)
	var inner, outer atomic.Int64
	whole := cache.Kind[int]{Name: "whole", Reach: mesa.ForScope}
	get := func() (int, error) {
		return whole.GetOrLoad(t.Context(), c, "w", cache.Hot, func(ctx context.Context) (int, error) {
			outer.Add(1)
			return numbers.GetOrLoad(ctx, c, "part", cache.Hot, counting(&inner, "tag"))
		})
	}
	for want := range 3 {
		for range 2 {
			if got, err := get(); got != want+1 || err != nil {
				t.Errorf("%d, %v, want %d", got, err, want+1)
			}
		}
		c.Move([]mesa.Tag{"tag"}, nil)
		if want == 1 { // the part is kept again by the time that the whole is made
			if _, err := numbers.GetOrLoad(t.Context(), c, "part", cache.Hot, counting(&inner, "tag")); err != nil {
				t.Error(err)
			}
		}
	}
	if outer.Load() != 3 {
		t.Errorf("the whole was made %d times", outer.Load())
	}
}

// Memory has a bound, whatever is kept.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	texts := cache.Kind[string]{Name: "text", Size: func(s string) int { return len(s) }}
	c, err := cache.New(cache.Options{MemoryBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 1000 {
		if _, err := texts.GetOrLoad(t.Context(), c, strconv.Itoa(i), cache.Cold, func(context.Context) (string, error) { return strings.Repeat("x", 10<<10), nil }); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "memory to be given back", func() bool { s := c.Stats(); return s.Bytes <= s.MaxBytes && s.Evicted > 0 })
}

// The figures know what was kept just before they were asked for.
func TestFiguresAreOfNow(t *testing.T) {
	t.Parallel()
	c, _ := newCache(t)
	var n atomic.Int64
	for i := range 2000 {
		before := c.Stats()
		if _, err := numbers.GetOrLoad(t.Context(), c, strconv.Itoa(i), cache.Hot, counting(&n)); err != nil {
			t.Fatal(err)
		}
		if s := c.Stats(); s.Entries != before.Entries+1 || s.Bytes <= before.Bytes {
			t.Fatalf("value %d: %d entries, %d bytes, of %d and %d", i, s.Entries, s.Bytes, before.Entries, before.Bytes)
		}
	}
}

// A nil cache keeps nothing and does no harm.
func TestNoCache(t *testing.T) {
	t.Parallel()
	var c *cache.Cache
	var n atomic.Int64
	for want := range 3 {
		if got, err := numbers.GetOrLoad(t.Context(), c, "x", cache.Hot, counting(&n)); got != want+1 || err != nil {
			t.Errorf("%d, %v", got, err)
		}
	}
	c.Move([]mesa.Tag{"x"}, nil)
	c.Linger(t.Context())
	c.KeepText(t.Context(), "hash", "text")
	if _, ok := c.Text(t.Context(), "hash"); ok {
		t.Error("a text was kept")
	}
	c.Close()
}

// Texts that were kept by one process are found by another, also after it has gone.
func TestTextsAreShared(t *testing.T) {
	t.Parallel()
	opts := cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)}
	database := migrated(t)
	one, two := start(t, database, opts), start(t, database, opts)
	one.warm()
	two.warm()
	until(t, "the text in Redis", func() bool {
		one.cache.KeepText(t.Context(), "hash", "{ viewer { user { id } } }")
		_, ok := two.cache.Text(t.Context(), "hash")
		return ok
	})
	one.cache.Close()
	if text, ok := two.cache.Text(t.Context(), "hash"); !ok || text != "{ viewer { user { id } } }" {
		t.Errorf("%q, %v", text, ok)
	}
}

// Processes see each other's figures.
func TestPeersTellTheirFigures(t *testing.T) {
	t.Parallel()
	opts := cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)}
	database := migrated(t)
	one, two := start(t, database, opts), start(t, database, opts)
	one.cache.Announce()
	two.cache.Announce()
	one.warm()
	two.warm()
	until(t, "the figures of both", func() bool {
		peers := one.cache.Peers(t.Context())
		return len(peers) == 2 && peers[0].Process == one.cache.Stats().Process && peers[1].Process == two.cache.Stats().Process
	})
}

// The check of mesa verify finds what works, and what does not.
func TestCheck(t *testing.T) {
	eachBackend(t, func(t *testing.T, nodes []*node) {
		found, err := nodes[0].cache.Check(t.Context())
		if err != nil || found.Warning != "" {
			t.Errorf("%+v, %v", found, err)
		}
		if len(nodes) > 1 && (found.RoundTrip == 0 || found.Policy == "") {
			t.Errorf("nothing about Redis: %+v", found)
		}
	})
	t.Run("without Redis", func(t *testing.T) {
		t.Parallel()
		redis := testkit.StartRedis(t)
		redis.Kill()
		n := start(t, migrated(t), cache.Options{Redis: redis.URL})
		if _, err := n.cache.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not using Redis: ") || !strings.Contains(err.Error(), "refused") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v", err)
		}
	})
}
