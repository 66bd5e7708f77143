package cache

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/mesapartes/mesa/mesa"
)

// counters count what a cache does.
type counters struct {
	tiers                    map[Tier]*tierCounters // of each row of Lifetimes
	fetched                  atomic.Int64           // hits that came from Redis
	joined                   atomic.Int64           // hits that waited for somebody else's miss
	kept, refreshes, evicted atomic.Int64
	ages                     atomic.Int64 // of hits, in µs
	late, narrow, large      atomic.Int64 // loaded, but not kept
	found, failures          atomic.Int64 // see Stats
	mu                       sync.Mutex
	moved                    map[string]int64 // tags by kind
}

// tierCounters count what is asked for of one tier.
type tierCounters struct{ hits, misses, bypasses atomic.Int64 }

func (n *counters) init() {
	n.moved, n.tiers = map[string]int64{}, map[Tier]*tierCounters{}
	for _, row := range Lifetimes {
		n.tiers[row.Tier] = &tierCounters{}
	}
}

func (n *counters) tagMoved(t mesa.Tag) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.moved[t.Kind()]++
}

func (n *counters) deleted(e otter.DeletionEvent[string, *entry]) {
	if e.WasEvicted() {
		n.evicted.Add(1)
	}
}

// Stats are the figures of one process since its start.
type Stats struct {
	Process  string    `json:"process"`
	At       time.Time `json:"at"`
	Backend  string    `json:"backend"` // MEMORY or REDIS
	State    State     `json:"state"`   // of the link to Redis; CLOSED without Redis
	Since    time.Time `json:"since"`   // of the state
	Problem  string    `json:"problem"` // why it is not CLOSED, "" when it is
	Entries  int       `json:"entries"` // in memory
	Bytes    int64     `json:"bytes"`   // about what they take
	MaxBytes int64     `json:"maxBytes"`
	Tags     int       `json:"tags"` // known to have moved

	AgeSum    time.Duration `json:"ageSum"` // of all hits
	Hits      int64         `json:"hits"`
	Misses    int64         `json:"misses"`
	Bypasses  int64         `json:"bypasses"`
	Fetched   int64         `json:"fetched"`   // hits that came from Redis
	Joined    int64         `json:"joined"`    // hits that waited for somebody else's miss
	Kept      int64         `json:"kept"`      // misses that were kept
	Refreshes int64         `json:"refreshes"` // made anew before they expired
	Evicted   int64         `json:"evicted"`   // for want of memory, or expired
	Late      int64         `json:"late"`      // not kept: something moved meanwhile
	Narrow    int64         `json:"narrow"`    // not kept: made from what fewer people see than share the key
	Large     int64         `json:"large"`     // not kept: too large
	Found     int64         `json:"found"`     // changes found in the journal that nobody had told
	Failures  int64         `json:"failures"`  // commands that Redis did not answer

	ByTier map[Tier]Asked   `json:"-"`     // the hits, misses and bypasses
	Moved  map[string]int64 `json:"moved"` // tags that this process moved, by kind
}

// Asked is how often values were asked for, by where they came from.
type Asked struct{ Hits, Misses, Bypasses int64 }

// HitRate is the share of hits among hits and misses, 0 when there were none.
func (s Stats) HitRate() float64 {
	if s.Hits+s.Misses == 0 {
		return 0
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// Invalidations is how many tags this process moved.
func (s Stats) Invalidations() (n int64) {
	for _, m := range s.Moved {
		n += m
	}
	return n
}

// Stats are the figures of this process.
func (c *Cache) Stats() Stats {
	c.memory.CleanUp() // what was just kept is weighed later, in the background, unless asked for
	n := &c.count
	s := Stats{
		Process: c.name, At: time.Now().UTC(), Backend: "MEMORY", State: Closed, Since: c.started, Tags: c.ledger.size(),
		Entries: c.memory.EstimatedSize(), Bytes: int64(c.memory.WeightedSize()), MaxBytes: c.opts.MemoryBytes,
		AgeSum: time.Duration(n.ages.Load()) * time.Microsecond, ByTier: map[Tier]Asked{}, Fetched: n.fetched.Load(), Joined: n.joined.Load(),
		Kept: n.kept.Load(), Refreshes: n.refreshes.Load(), Evicted: n.evicted.Load(), Late: n.late.Load(), Narrow: n.narrow.Load(),
		Large: n.large.Load(), Found: n.found.Load(), Failures: n.failures.Load(),
	}
	for tier, asked := range n.tiers {
		of := Asked{asked.hits.Load(), asked.misses.Load(), asked.bypasses.Load()}
		s.ByTier[tier] = of
		s.Hits, s.Misses, s.Bypasses = s.Hits+of.Hits, s.Misses+of.Misses, s.Bypasses+of.Bypasses
	}
	n.mu.Lock()
	s.Moved = maps.Clone(n.moved)
	n.mu.Unlock()
	if c.link != nil {
		s.Backend = "REDIS"
		c.link.mu.Lock()
		s.State, s.Since = c.link.state, c.link.since
		if c.link.why != nil {
			s.Problem = c.link.why.Error()
		}
		c.link.mu.Unlock()
	}
	return s
}

// processName names this process among those that share a Redis.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:4])
}

// How processes tell each other their figures.
const (
	tellEvery   = 5 * time.Second
	silentAfter = 20 * time.Second // a process that told nothing for so long is gone
)

// Announce makes this process tell the others its figures from now on, as a server does and a command does not.
func (c *Cache) Announce() {
	if c != nil && c.link != nil {
		c.link.tells.Store(true)
	}
}

// tell lets the other processes know the figures of this one.
func (l *link) tell(ctx context.Context) {
	figures, err := json.Marshal(l.c.Stats())
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := l.remote.tell(ctx, l.c.name, string(figures)); err != nil {
		l.broke(err)
	}
}

// Peers are the figures of all processes that share the Redis, this one first; those of the others are some seconds old. Without Redis,
// or when it does not answer, there is only this one.
func (c *Cache) Peers(ctx context.Context) []Stats {
	list := []Stats{c.Stats()}
	if c.link == nil || !c.link.isUsable() {
		return list
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	told, err := c.link.remote.told(ctx)
	if err != nil {
		return list
	}
	var gone []string
	for _, name := range slices.Sorted(maps.Keys(told)) {
		var s Stats
		switch err := json.Unmarshal([]byte(told[name]), &s); {
		case err != nil || list[0].At.Sub(s.At) > silentAfter:
			gone = append(gone, name)
		case s.Process != c.name:
			list = append(list, s)
		}
	}
	_ = c.link.remote.untell(ctx, gone...) // the next one who asks tries again
	return list
}
