package cache

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// Journal is the record of all that was committed, by whomever. In it a cache finds the changes that nobody told it about: their
// process was killed before it could, it could not reach Redis, or it is a command that does not know of this cache.
type Journal interface {
	// JournalEnd is the place after everything that is there now.
	JournalEnd(ctx context.Context) (place string, err error)
	// JournalAfter lists the entries after a place, at most limit, and says where to go on; some may come again then.
	JournalAfter(ctx context.Context, place string, limit int) (entries []string, next string, err error)
	// JournalHolds says whether a place is one of this journal, and not of another or of a time that a backup has undone.
	JournalHolds(ctx context.Context, place string) (bool, error)
	// Moved lists the tags that entries moved.
	Moved(ctx context.Context, entries []string) ([]mesa.Tag, error)
}

// How the journal is watched.
const (
	watchEvery    = 500 * time.Millisecond
	watchLimit    = 10_000          // entries that are not known; with more of them everything moves
	knownLimit    = 50_000          // entries that are known at most when everything has moved
	pruneEach     = 120             // readings of the journal, after which old moves are forgotten
	watchPatience = 5 * time.Second // with the database
)

// watch is what a process knows of the journal.
type watch struct {
	journal Journal // nil until Watch

	settling chan struct{} // holds one token: one reads at a time
	place    string        // all before it is settled

	watched atomic.Bool
	changed atomic.Int64 // when this process changed something last, in µs; 0 for never
	mu      sync.Mutex
	known   map[string]bool // entries after place whose tags have moved
	told    map[string]bool // entries that this process moved itself since it last read the journal
}

// Watch begins to watch a journal. With Redis nothing is kept until what happened while no process was there has been found. It ends
// with Close.
func (c *Cache) Watch(ctx context.Context, journal Journal) error {
	if c == nil {
		return nil
	}
	w := &c.journal
	end, err := journal.JournalEnd(ctx)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if c.link != nil {
		end = c.link.begin(ctx, journal, end)
	}
	w.settling <- struct{}{}
	w.journal, w.place = journal, end
	<-w.settling
	w.watched.Store(true)
	c.spawn(c.watch)
	return nil
}

func (c *Cache) watch() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	blind := false
	for n := 1; ; n++ {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		if c.link != nil && !c.link.isUsable() {
			continue // the link settles before it lets anybody use the cache again
		}
		err := c.settle(c.ctx)
		if err != nil && c.ctx.Err() == nil {
			c.unsettled(err, blind)
		}
		blind = err != nil
		if n%pruneEach == 0 {
			c.ledger.prune(c.time(), 2*longest.Microseconds())
		}
	}
}

// unsettled is for when the journal cannot be read or what it tells cannot be passed on: whoever does not know what happened must not
// give what is kept. With Redis the link settles before anything is given again; without it, everything is forgotten. It is told once.
func (c *Cache) unsettled(why error, told bool) {
	if c.link != nil {
		c.link.broke(why)
		return
	}
	if !told {
		c.opts.Log.WarnContext(c.ctx, "journal not read: everything that was kept is forgotten", "error", why)
	}
	c.ledger.move([]mesa.Tag{mesa.Everything}, c.time())
}

// settle reads the journal from where it was left and moves the tags of entries that nobody moved yet.
func (c *Cache) settle(ctx context.Context) error {
	w := &c.journal
	ctx, cancel := context.WithTimeout(ctx, watchPatience)
	defer cancel()
	select {
	case w.settling <- struct{}{}:
		defer func() { <-w.settling }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.journal == nil {
		return nil
	}
	known := w.begin()
	entries, next, err := w.journal.JournalAfter(ctx, w.place, watchLimit+len(known))
	unknown := slices.DeleteFunc(slices.Clone(entries), func(e string) bool { return known[e] })
	switch {
	case err == nil && len(unknown) >= watchLimit:
		entries, next, err = c.skipAhead(ctx)
	case err == nil:
		err = c.moveUnmoved(ctx, unknown)
	}
	if err != nil {
		w.remember(known)
		return err
	}
	w.place = next
	w.forget(entries)
	if c.link != nil {
		c.link.leave(ctx, next)
	}
	return nil
}

// skipAhead lets everything have moved rather than looking at each of very many entries. Those that come again, because a transaction
// that began before them is still running, have moved with it.
func (c *Cache) skipAhead(ctx context.Context) (entries []string, next string, err error) {
	journal := c.journal.journal
	end, err := journal.JournalEnd(ctx)
	if err == nil {
		entries, next, err = journal.JournalAfter(ctx, end, knownLimit)
	}
	if err == nil {
		err = c.move(ctx, []mesa.Tag{mesa.Everything}, nil)
	}
	return entries, next, err
}

// moveUnmoved moves the tags of those entries that no process has moved.
func (c *Cache) moveUnmoved(ctx context.Context, entries []string) (err error) {
	if c.link != nil {
		entries, err = c.link.unmoved(ctx, entries)
	}
	if err != nil || len(entries) == 0 {
		return err
	}
	tags, err := c.journal.journal.Moved(ctx, entries)
	if err != nil {
		return err
	}
	if len(tags) > 0 {
		c.count.found.Add(int64(len(entries)))
	}
	return c.move(ctx, tags, entries)
}

// begin takes what is known so far; what this process moves from now on is collected anew.
func (w *watch) begin() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.known
	if known == nil {
		known = map[string]bool{}
	}
	maps.Copy(known, w.told)
	w.known, w.told = nil, nil
	return known
}

// remember puts back what begin took.
func (w *watch) remember(known map[string]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = known
}

// forget keeps of what is known only what may come again.
func (w *watch) forget(entries []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = make(map[string]bool, len(entries))
	for _, e := range entries {
		w.known[e] = true
	}
}

// tell notes entries that this process moved.
func (w *watch) tell(entries []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told == nil {
		w.told = make(map[string]bool, len(entries))
	}
	for _, e := range entries {
		w.told[e] = true
	}
}

func (w *watch) knows(entry string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known[entry] || w.told[entry]
}

// Move lets tags move, because a change was committed; entries are those of the change in the journal. What was made before is gone for
// everybody who asks after Move returned, in every process. When Redis does not answer that is so because nobody can use what is kept:
// Move waits until each process must have noticed, once for each time that Redis goes away, for at most moveBudget.
func (c *Cache) Move(tags []mesa.Tag, entries []string) {
	if c == nil || len(tags) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), moveBudget)
	defer cancel()
	err := errAway
	if c.link == nil || !c.link.isOpen() {
		if err = c.move(ctx, tags, entries); err == nil {
			return
		}
	}
	c.link.owe(tags, entries, err)
	c.link.waitUntilNoticed(ctx)
}

var errAway = errors.New("no answer from Redis for a while")

// move is Move without a second chance.
func (c *Cache) move(ctx context.Context, tags []mesa.Tag, entries []string) error {
	for _, t := range tags {
		c.count.tagMoved(t)
	}
	if c.link == nil {
		c.ledger.move(tags, c.time())
		c.journal.changed.Store(time.Now().UnixMicro())
		c.journal.tell(entries)
		return nil
	}
	_, life := c.ledger.now()
	at, err := c.link.move(ctx, tags, entries)
	if err != nil {
		return err
	}
	moved := make(map[mesa.Tag]int64, len(tags))
	for _, t := range tags {
		moved[t] = at
	}
	c.ledger.learn(life, moved, 0)
	c.journal.tell(entries)
	return nil
}

// Confirm makes sure that the tags of entries of the journal have moved, before somebody is told of them and asks anew.
func (c *Cache) Confirm(ctx context.Context, entries []string) error {
	if c == nil || c.link != nil && !c.link.isUsable() {
		return nil // nothing that is kept is used
	}
	entries = slices.DeleteFunc(slices.Clone(entries), c.journal.knows)
	if len(entries) == 0 || c.journal.journal == nil {
		return nil
	}
	return c.moveUnmoved(ctx, entries)
}

// Linger waits, for a command that is about to end, until the processes that only find its changes in the journal have had time to. With
// Redis they know already.
func (c *Cache) Linger(ctx context.Context) {
	if c == nil || c.link != nil {
		return
	}
	last := c.journal.changed.Load()
	if last == 0 {
		return
	}
	timer := time.NewTimer(time.Until(time.UnixMicro(last).Add(2 * watchEvery)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Clear forgets everything that is kept, in every process.
func (c *Cache) Clear() { c.Move([]mesa.Tag{mesa.Everything}, nil) }
