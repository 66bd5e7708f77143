// Package cache keeps answers near: in the memory of this process and, when there is one, in a Redis that all processes share. What it
// gives is never older than the last change that anybody was told of.
//
// A value is kept under a key, for as long as its tier says, and with the tags of what it was made from. While it is made, whoever reads
// calls mesa.Saw; whoever commits a change calls Cache.Move with the tags that it moved. Any code may keep things here:
//
//	var summaries = cache.Kind[*Summary]{Name: "summary", Encode: …, Decode: …}
//
//	s, err := summaries.GetOrLoad(ctx, c, string(id), cache.Warm, func(ctx context.Context) (*Summary, error) {
//		mesa.Saw(ctx, mesa.DocumentTag(id))
//		return read(ctx, id)
//	})
//
// How it stays true without asking the database is told in docs/decisions/0008-result-cache.md.
package cache

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/mesapartes/mesa/mesa"
)

// Options tune a cache; the zero value keeps things in memory alone.
type Options struct {
	Redis       string           // URL, "" for memory alone; see docs/operations.md for Sentinel and Cluster
	Prefix      string           // of every key in Redis; default "mesa"
	Version     string           // of what is kept: another version never reads what this one wrote
	MemoryBytes int64            // default 64 MiB
	Now         func() time.Time // default time.Now; only ages depend on it
	Log         *slog.Logger     // default: discard
}

// defaultMemory is how much is kept in memory, in bytes.
const defaultMemory = 64 << 20

// Cache keeps values. A nil *Cache keeps nothing and always loads.
type Cache struct {
	opts    Options
	name    string // of this process among others
	started time.Time
	memory  *otter.Cache[string, *entry]
	texts   *otter.Cache[string, string]
	ledger  *ledger
	link    *link // nil without Redis
	journal watch
	flights flights
	count   counters

	ctx     context.Context // ends with Close; what runs in the background runs under it
	cancel  context.CancelFunc
	working sync.WaitGroup
	closing sync.Mutex // guards closed
	closed  bool
}

// New makes a cache. It does not wait for Redis: until that answers, everything is loaded. An error is in the options.
func New(opts Options) (*Cache, error) {
	if opts.Prefix == "" {
		opts.Prefix = "mesa"
	}
	if opts.MemoryBytes == 0 {
		opts.MemoryBytes = defaultMemory
	}
	if opts.Now == nil {
		start := time.Now()
		opts.Now = func() time.Time { return start.Add(time.Since(start)) } // never jumps
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	c := &Cache{opts: opts, name: processName(), started: time.Now().UTC(), texts: newTexts()}
	c.journal.settling = make(chan struct{}, 1)
	c.ledger = newLedger(c.time())
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.count.init()
	memory, err := otter.New(&otter.Options[string, *entry]{
		MaximumWeight: uint64(opts.MemoryBytes), Weigher: func(key string, e *entry) uint32 { return uint32(len(key) + e.weight()) },
		ExpiryCalculator: otter.ExpiryWriting[string, *entry](longest),
		OnDeletion:       c.count.deleted,
	})
	if err != nil {
		return nil, err
	}
	c.memory = memory
	if opts.Redis != "" {
		remote, err := openRemote(opts.Redis, opts.Prefix, opts.Version)
		if err != nil {
			c.Close()
			return nil, err
		}
		c.link = newLink(c, remote)
		c.spawn(c.link.run)
	}
	return c, nil
}

// Close ends what runs in the background and waits for it. It can be called twice.
func (c *Cache) Close() {
	if c == nil {
		return
	}
	c.closing.Lock()
	c.closed = true
	c.closing.Unlock()
	c.cancel()
	c.working.Wait()
	c.memory.StopAllGoroutines()
	c.texts.StopAllGoroutines()
	if c.link != nil {
		c.link.remote.close()
	}
}

// time is the cache's time in microseconds. With Redis it is that of the Redis, so that the clocks of processes do not matter.
func (c *Cache) time() int64 {
	now := c.opts.Now().UnixMicro()
	if c.link != nil {
		now += c.link.offset.Load()
	}
	return now
}

// Moment is an instant up to which a process knows all that moved. Whoever acquires it after a change was acknowledged gets nothing
// from before the change.
type Moment struct {
	usable bool
	born   int64
	life   *life

	brought string // name of the entry that came along, "" when none did
	packed  []byte // that entry, nil when Redis has none
}

// IsUsable says whether the cache can be used at this moment.
func (m Moment) IsUsable() bool { return m.usable }

// Now acquires the present moment. With Redis it asks it, together with whoever else asks at the same time; when it does not answer
// within the cache's patience the moment is not usable, and everything is loaded.
func (c *Cache) Now(ctx context.Context) Moment {
	if c == nil {
		return Moment{}
	}
	if c.link != nil && !c.link.sync(ctx) {
		return Moment{}
	}
	born, life := c.ledger.now()
	return Moment{usable: true, born: born, life: life}
}

// NowWith is Now for somebody who will probably ask for a name next. When the value is not in this process, it comes along from Redis with
// the answer to what moved: one question instead of two.
func (k *Kind[T]) NowWith(ctx context.Context, c *Cache, name string) Moment {
	if c == nil || c.link == nil || k.Decode == nil {
		return c.Now(ctx)
	}
	full := k.Name + ":" + name
	if _, here := c.memory.GetIfPresent(full); here {
		return c.Now(ctx)
	}
	packed, of, ok := c.link.syncWith(ctx, full)
	born, life := c.ledger.now()
	if !ok || of != life {
		return c.Now(ctx)
	}
	return Moment{usable: true, born: born, life: life, brought: full, packed: packed}
}

// IsShared says whether other processes find what is kept.
func (c *Cache) IsShared() bool { return c != nil && c.link != nil }

// Peek is what was kept last under a name in this process, whether it still holds or not: good for a guess at what to ask for.
func (k *Kind[T]) Peek(c *Cache, name string) (v T, ok bool) {
	if c == nil {
		return v, false
	}
	e, ok := c.memory.GetIfPresent(k.Name + ":" + name)
	if !ok {
		return v, false
	}
	return e.value.(T), true
}

// Outcome says where a value came from.
type Outcome string

// The outcomes.
const (
	Hit    Outcome = "HIT"
	Miss   Outcome = "MISS"   // it was loaded, and kept if it could be
	Bypass Outcome = "BYPASS" // it was loaded without asking the cache
)

// Found is a value and where it came from.
type Found[T any] struct {
	Value   T
	Outcome Outcome
	Age     time.Duration // of a hit
}

// Kind is a kind of value that is kept. Its name, with the caller's key, is the key.
type Kind[T any] struct {
	Name   string
	Aside  bool                    // not among the hits and misses of the figures
	Reach  mesa.Reach              // the widest that what it was made from may be, in GetOrLoad; see Key
	Size   func(T) int             // bytes; what it takes when nil is not known and taken for 1 KiB
	Encode func(T) ([]byte, error) // for Redis; a kind without it stays in the memory of each process
	Decode func([]byte) (T, error)
}

// Key is where a value is kept, how long, and for whom it is the same: a value made from what a narrower circle sees is not kept.
type Key struct {
	Name  string
	Tier  Tier
	Reach mesa.Reach
}

// GetOrLoad is Get at the present moment, without word of where the value came from.
func (k *Kind[T]) GetOrLoad(ctx context.Context, c *Cache, name string, tier Tier, load func(context.Context) (T, error)) (T, error) {
	found, err := k.Get(ctx, c, c.Now(ctx), Key{name, tier, k.Reach}, load)
	return found.Value, err
}

// Get is the value under a key, else what load returns. Of many who miss at once one loads, for all of them; it goes on even if its own
// caller gives up. An error is returned and nothing kept. A value past its soft age is given and made anew in the background.
func (k *Kind[T]) Get(ctx context.Context, c *Cache, at Moment, key Key, load func(context.Context) (T, error)) (Found[T], error) {
	if c == nil || !at.usable {
		return k.bypass(ctx, c, key.Tier, load)
	}
	full := k.Name + ":" + key.Name
	if e := k.lookUp(ctx, c, at, full, key.Tier); e != nil {
		return k.hit(ctx, c, at, full, key, e, load), nil
	}
	fl, leads := c.flights.board(full)
	if leads {
		if e := c.remembered(full, key.Tier); e != nil { // made since it was looked for
			c.flights.land(full, fl, e)
			return k.hit(ctx, c, at, full, key, e, load), nil
		}
		return k.miss(ctx, c, at, full, key, fl, load)
	}
	if e := fl.wait(ctx); e != nil && c.holds(e, key.Tier) {
		k.counted(&c.count.joined)
		return k.hit(ctx, c, at, full, key, e, load), nil
	}
	if err := ctx.Err(); err != nil {
		return Found[T]{Outcome: Miss}, err
	}
	// What came of it does not hold for this caller, who may have come after a change that it did not see.
	return k.miss(ctx, c, at, full, key, nil, load)
}

func (k *Kind[T]) bypass(ctx context.Context, c *Cache, tier Tier, load func(context.Context) (T, error)) (Found[T], error) {
	if c != nil {
		k.counted(&c.count.tiers[tier].bypasses)
	}
	v, err := load(ctx)
	return Found[T]{Value: v, Outcome: Bypass}, err
}

func (k *Kind[T]) counted(n *atomic.Int64) {
	if !k.Aside {
		n.Add(1)
	}
}

// lookUp finds an entry that holds, in memory or in Redis; nil when there is none.
func (k *Kind[T]) lookUp(ctx context.Context, c *Cache, at Moment, full string, tier Tier) *entry {
	if e := c.remembered(full, tier); e != nil {
		return e
	}
	if c.link == nil || k.Decode == nil {
		return nil
	}
	packed := at.packed
	if at.brought != full {
		packed = c.link.get(ctx, at.life, full)
	}
	e, value := c.unpacked(ctx, at.life, packed)
	if e == nil || !c.holds(e, tier) {
		return nil
	}
	v, err := k.Decode(value)
	if err != nil {
		c.opts.Log.WarnContext(ctx, "cached value not read", "kind", k.Name, "error", err)
		return nil
	}
	e.value, e.size = v, len(value)
	c.memory.Set(full, e)
	k.counted(&c.count.fetched)
	return e
}

// unpacked reads an entry from Redis, of the life in which it was found; nil when there is none.
func (c *Cache) unpacked(ctx context.Context, life *life, packed []byte) (*entry, []byte) {
	if packed == nil {
		return nil, nil
	}
	e, value, err := unpack(packed)
	if err != nil {
		c.opts.Log.WarnContext(ctx, "cached entry not read", "error", err)
		return nil, nil
	}
	e.life = life
	return e, value
}

func (k *Kind[T]) hit(ctx context.Context, c *Cache, at Moment, full string, key Key, e *entry, load func(context.Context) (T, error)) Found[T] {
	k.counted(&c.count.tiers[key.Tier].hits)
	mesa.SawWithin(ctx, e.reach, e.tags)
	age := time.Duration(max(c.time()-e.made, 0)) * time.Microsecond
	if !k.Aside {
		c.count.ages.Add(age.Microseconds())
	}
	if age > c.softAge(key.Tier, full) && e.refreshing.CompareAndSwap(false, true) {
		c.background(ctx, func(ctx context.Context) { k.refresh(ctx, c, at, full, key, load) })
	}
	return Found[T]{Value: e.value.(T), Outcome: Hit, Age: age}
}

// refresh makes a value anew before it expires, as of the moment of who asked: what they may see was found out then. If that fails, it is
// made by whoever asks after it has expired.
func (k *Kind[T]) refresh(ctx context.Context, c *Cache, at Moment, full string, key Key, load func(context.Context) (T, error)) {
	c.count.refreshes.Add(1)
	ctx = context.WithValue(ctx, refreshKey{}, true)
	if _, _, err := k.make(ctx, c, at, full, key, load); err != nil {
		c.opts.Log.DebugContext(ctx, "cached value not made anew", "kind", k.Name, "error", err)
	}
}

type refreshKey struct{}

// IsRefresh says whether a value is being made anew before it expires: nobody waits for it.
func IsRefresh(ctx context.Context) bool { return ctx.Value(refreshKey{}) != nil }

// miss makes the value, for all who wait for the flight if there is one.
func (k *Kind[T]) miss(ctx context.Context, c *Cache, at Moment, full string, key Key, fl *flight, load func(context.Context) (T, error)) (Found[T], error) {
	var e *entry
	loading := ctx
	if fl != nil {
		loading = context.WithoutCancel(ctx)           // others may wait for it
		defer func() { c.flights.land(full, fl, e) }() // a load that panics, too, must not leave them waiting
	}
	k.counted(&c.count.tiers[key.Tier].misses)
	v, e, err := k.make(loading, c, at, full, key, load)
	return Found[T]{Value: v, Outcome: Miss}, err
}

// make loads a value and keeps it if it can be kept; e is nil when not.
func (k *Kind[T]) make(ctx context.Context, c *Cache, at Moment, full string, key Key, load func(context.Context) (T, error)) (v T, e *entry, err error) {
	made := c.time()
	within, seen := mesa.WithFootprint(ctx)
	if v, err = load(within); err != nil {
		return v, nil, err
	}
	e = &entry{value: v, life: at.life, born: at.born, made: made, tags: seen.Tags(), reach: seen.Reach(), size: 1 << 10}
	mesa.SawWithin(ctx, e.reach, e.tags) // whatever is made from this value is made from the same
	if k.Size != nil {
		e.size = k.Size(v)
	}
	switch {
	case e.reach > key.Reach:
		c.count.narrow.Add(1)
		return v, nil, nil
	case e.size > maxValue || len(e.tags) > maxTags:
		c.count.large.Add(1)
		return v, nil, nil
	case !c.holds(e, key.Tier):
		c.count.late.Add(1) // something moved while it was made
		return v, nil, nil
	}
	c.memory.Set(full, e)
	c.count.kept.Add(1)
	if c.link != nil && k.Encode != nil {
		value, err := k.Encode(v)
		if err != nil {
			return v, e, nil // kept here; the next process makes its own
		}
		c.link.put(ctx, e.life, full, e.pack(value), lifetime(key.Tier).Hard)
	}
	return v, e, nil
}

// remembered is the entry in memory if it holds, nil otherwise.
func (c *Cache) remembered(full string, tier Tier) *entry {
	if e, ok := c.memory.GetIfPresent(full); ok && c.holds(e, tier) {
		return e
	}
	return nil
}

// holds says whether an entry may be given: it is not too old, and nothing of what it was made from has moved.
func (c *Cache) holds(e *entry, tier Tier) bool {
	return time.Duration(c.time()-e.made)*time.Microsecond < lifetime(tier).Hard && c.ledger.holds(e)
}

// softAge differs a little from key to key, so that what was made at the same time is not made anew at the same time.
func (c *Cache) softAge(tier Tier, full string) time.Duration {
	soft := lifetime(tier).Soft
	return soft - soft*time.Duration(spread(full))/1000
}

// spread is between 0 and 99 and always the same for a key.
func spread(key string) (n uint32) {
	for i := range len(key) {
		n = n*31 + uint32(key[i])
	}
	return n % 100
}

// background runs work with the values of ctx until it is done or the cache closes. A panic in it is logged and nothing more.
func (c *Cache) background(ctx context.Context, work func(context.Context)) {
	c.spawn(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(c.ctx, cancel)()
		defer func() {
			if cause := recover(); cause != nil {
				c.opts.Log.ErrorContext(ctx, "panic while a value was made anew", "cause", cause, "stack", string(debug.Stack()))
			}
		}()
		work(ctx)
	})
}

// spawn runs something that Close waits for; false when the cache is closed already.
func (c *Cache) spawn(run func()) bool {
	c.closing.Lock()
	defer c.closing.Unlock()
	if c.closed {
		return false
	}
	c.working.Go(run)
	return true
}
