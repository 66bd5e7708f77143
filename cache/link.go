package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// What a request and a write wait for Redis at most, and how often a process looks whether it is there.
//
// A process that has been without contact for longer than restAfter settles the journal before it uses the cache again. A write that
// cannot reach Redis is acknowledged only once Redis has been away for moveBudget, which is longer: by then every process that could
// give an old answer has been without contact for longer than restAfter, and will find the write in the journal.
const (
	patience   = 100 * time.Millisecond
	beatEvery  = 100 * time.Millisecond
	restAfter  = 400 * time.Millisecond
	moveBudget = 600 * time.Millisecond

	enterPatience = 2 * time.Second // with the whole ledger, in the background
	wary          = time.Second     // after Redis is back, for processes that find out a little later and commit meanwhile
)

// State of the breaker between this process and Redis.
type State string

// The states.
const (
	Closed   State = "CLOSED"    // Redis is used
	Open     State = "OPEN"      // Redis does not answer: everything is loaded, nothing waits
	HalfOpen State = "HALF_OPEN" // Redis answers again; what was missed is being made good
)

// link is the connection to Redis as a whole: it knows whether it can be used, and brings the ledger up to date.
type link struct {
	c      *Cache
	remote *remote
	offset atomic.Int64 // of Redis' time to this process' clock, in µs
	tells  atomic.Bool  // the other processes its figures

	mu      sync.Mutex
	state   State
	left    time.Time         // when it was closed last; of the start before it ever was
	since   time.Time         // of the state
	contact time.Time         // when the latest command that was answered began; by the monotonic clock
	why     error             // it is not closed
	warned  bool              // that has been logged
	changed chan struct{}     // closed when the state changes
	owed    map[mesa.Tag]bool // tags that moved while Redis was away
	entries []string          // of the journal that go with them

	place string // in the journal that was noted in Redis last; whoever settles has it

	joining sync.Mutex // guards asking and next
	asking  bool
	next    *ask
}

func newLink(c *Cache, r *remote) *link {
	return &link{c: c, remote: r, state: Open, since: time.Now(), left: time.Now(), why: errors.New("not connected yet"), changed: make(chan struct{}), owed: map[mesa.Tag]bool{}}
}

// run looks after the link until the cache closes.
func (l *link) run() {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for told := (time.Time{}); ; {
		l.beat(l.c.ctx)
		if l.tells.Load() && l.isUsable() && time.Since(told) >= tellEvery {
			told = time.Now()
			l.tell(l.c.ctx)
		}
		select {
		case <-l.c.ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// beat keeps a closed link warm, notices when it breaks, and mends an open one.
func (l *link) beat(ctx context.Context) {
	if l.isUsable() {
		l.sync(ctx)
		return
	}
	if l.c.journal.watched.Load() {
		l.mend(ctx)
	}
}

// mend makes an open link usable: everything that this process owes or that nobody moved is moved first.
func (l *link) mend(ctx context.Context) {
	if err := l.enter(ctx); err != nil {
		l.broke(err)
		return
	}
	l.become(HalfOpen, nil)
	err := l.settleDebts(ctx)
	began := time.Now()
	if err == nil {
		err = l.learn(ctx)
	}
	if err != nil {
		l.broke(err)
		return
	}
	l.mu.Lock()
	say := func() {}
	if len(l.owed) == 0 { // else a write failed meanwhile
		l.contact = began
		say = l.set(Closed, nil)
	}
	l.mu.Unlock()
	say()
}

// settleDebts moves what is owed, then what others left in the journal.
func (l *link) settleDebts(ctx context.Context) error {
	l.mu.Lock()
	tags, entries := make([]mesa.Tag, 0, len(l.owed)), l.entries
	for t := range l.owed {
		tags = append(tags, t)
	}
	l.owed, l.entries = map[mesa.Tag]bool{}, nil
	l.mu.Unlock()
	if len(tags) > 0 {
		if err := l.c.move(ctx, tags, entries); err != nil {
			l.owe(tags, entries, err)
			return err
		}
	}
	return l.c.settle(ctx)
}

// begin is where in the journal this process begins: where the processes before it left, which may have been killed before they told
// of all they did. If that is not known, or not a place in this journal, whatever is kept is given up.
func (l *link) begin(ctx context.Context, journal Journal, end string) string {
	brief, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	place, err := l.remote.place(brief)
	l.mu.Lock()
	l.left = time.Now() // the first writes wait for the link
	l.mu.Unlock()
	if err == nil && place != "" {
		if holds, err := journal.JournalHolds(ctx, place); err == nil && holds {
			return place
		}
	}
	l.owe([]mesa.Tag{mesa.Everything}, nil, errors.New("it is not known what happened before"))
	return end
}

// leave notes how far the journal is settled, for the process that comes when all have gone.
func (l *link) leave(ctx context.Context, place string) {
	if place == l.place {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := l.remote.setPlace(ctx, place); err == nil {
		l.place = place
	}
}

// ask is one question to Redis, for all who wait for it.
type ask struct {
	done chan struct{}
	ok   bool
}

// sync brings the ledger up to date with everything that moved before it was called, and says whether the cache may be used. Callers
// that come while a question is under way share the next one.
func (l *link) sync(ctx context.Context) bool {
	if !l.isUsable() {
		return false
	}
	l.joining.Lock()
	a := l.next
	if a == nil {
		a = &ask{done: make(chan struct{})}
		l.next = a
	}
	lead := !l.asking
	if lead {
		l.asking, l.next = true, nil
	}
	l.joining.Unlock()
	if lead {
		l.lead(a)
	}
	select {
	case <-a.done:
		return a.ok
	case <-ctx.Done():
		return false
	}
}

// syncWith is sync for one caller, who gets an entry along, nil when there is none, and the life that it is of. Not ok when that cannot be
// done in one question.
func (l *link) syncWith(ctx context.Context, key string) (packed []byte, of *life, ok bool) {
	began := time.Now()
	clock, life := l.c.ledger.now()
	if !l.isUsable() || l.hasRested(began) {
		return nil, life, false
	}
	ctx, cancel := patiently(ctx)
	defer cancel()
	m, packed, err := l.remote.movedSinceWith(ctx, clock, life.name, key)
	switch {
	case err != nil:
		l.broke(err)
		return nil, life, false
	case m.life != life.name:
		l.broke(errNewLife)
		return nil, life, false
	}
	l.c.ledger.learn(life, m.tags, m.clock)
	return packed, life, l.touch(began)
}

// hasRested says whether there was no contact for so long, or Redis is back for so short a time, that something may have been missed.
func (l *link) hasRested(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Sub(l.contact) > restAfter || now.Sub(l.since) < wary
}

// touch notes a contact that began then, and says whether the link is still closed.
func (l *link) touch(began time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == Closed && began.After(l.contact) {
		l.contact = began
	}
	return l.state == Closed
}

// lead asks for those who wait, then hands over to those who came meanwhile.
func (l *link) lead(a *ask) {
	a.ok = l.catchUp()
	close(a.done)
	l.joining.Lock()
	next := l.next
	l.asking, l.next = next != nil, nil
	l.joining.Unlock()
	if next != nil {
		if !l.c.spawn(func() { l.lead(next) }) {
			l.lead(next)
		}
	}
}

// catchUp is sync for one.
func (l *link) catchUp() bool {
	if !l.isUsable() {
		return false
	}
	began := time.Now()
	var err error
	if l.hasRested(began) {
		ctx, cancel := context.WithTimeout(l.c.ctx, patience)
		defer cancel()
		err = l.c.settle(ctx)
	}
	if err == nil {
		err = l.learn(l.c.ctx)
	}
	if err != nil {
		l.broke(err)
		return false
	}
	return l.touch(began)
}

// learn takes over what moved since the ledger was last up to date.
func (l *link) learn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	clock, life := l.c.ledger.now()
	m, err := l.remote.movedSince(ctx, clock)
	if err != nil {
		return err
	}
	if m.life != life.name {
		return errNewLife
	}
	l.c.ledger.learn(life, m.tags, m.clock)
	return nil
}

var errNewLife = errors.New("what Redis had is gone: it was restarted, replaced or flushed")

// enter takes up the life of the ledger, and reads all of it that is not known. It asks the server itself whether that is still the one of the ledger.
func (l *link) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, enterPatience)
	defer cancel()
	clock, life := l.c.ledger.now()
	m, err := l.remote.enter(ctx, life.name, clock)
	if err != nil {
		return err
	}
	l.offset.Store(m.time - l.c.opts.Now().UnixMicro())
	if life.name == m.life {
		l.c.ledger.learn(life, m.tags, m.clock)
		return nil
	}
	l.c.ledger.begin(m.life, m.tags, m.clock)
	l.c.memory.InvalidateAll()
	return nil
}

// isOpen says whether Redis does not answer.
func (l *link) isOpen() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == Open
}

func (l *link) isUsable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == Closed
}

// broke opens the link.
func (l *link) broke(why error) {
	if l.c.ctx.Err() != nil {
		return
	}
	l.c.count.failures.Add(1)
	l.become(Open, why)
}

// become changes the state and says so once.
func (l *link) become(s State, why error) {
	l.mu.Lock()
	say := l.set(s, why)
	l.mu.Unlock()
	say()
}

// set changes the state under the lock and returns what is to be said without it.
func (l *link) set(s State, why error) (say func()) {
	if l.state != s {
		if l.state == Closed {
			l.left = time.Now()
		}
		l.state, l.since = s, time.Now()
		close(l.changed)
		l.changed = make(chan struct{})
	}
	l.why = why
	warned := l.warned
	switch s {
	case Open:
		l.warned = true
	case Closed:
		l.warned = false
	}
	log := l.c.opts.Log
	switch {
	case s == Open && !warned:
		return func() {
			log.WarnContext(l.c.ctx, "Redis does not answer: everything is read from the database", "error", why)
		}
	case s == Closed && warned:
		return func() { log.InfoContext(l.c.ctx, "Redis is used again") }
	}
	return func() {}
}

// owe notes tags that have to move as soon as Redis answers. A link that owes is not closed: it mends.
func (l *link) owe(tags []mesa.Tag, entries []string, why error) {
	l.mu.Lock()
	for _, t := range tags {
		l.owed[t] = true
	}
	l.entries = append(l.entries, entries...)
	if len(l.owed) > manyOwed || len(l.entries) > manyOwed {
		l.owed, l.entries = map[mesa.Tag]bool{mesa.Everything: true}, nil
	}
	say := func() {}
	if l.state != Open {
		l.c.count.failures.Add(1)
		say = l.set(Open, why)
	}
	l.mu.Unlock()
	say()
}

// manyOwed is the number of tags from which on everything is owed.
const manyOwed = 10_000

// waitUntilNoticed waits until the link works again and nothing is owed, or has been away for so long that every process must have
// noticed; never beyond ctx.
func (l *link) waitUntilNoticed(ctx context.Context) {
	for {
		l.mu.Lock()
		away, changed, settled := time.Since(l.left), l.changed, l.state == Closed
		l.mu.Unlock()
		if settled || away >= moveBudget {
			return
		}
		timer := time.NewTimer(moveBudget - away)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// move lets tags move in Redis.
func (l *link) move(ctx context.Context, tags []mesa.Tag, entries []string) (at int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.remote.move(ctx, tags, entries)
}

// unmoved keeps those entries whose tags no process has moved.
func (l *link) unmoved(ctx context.Context, entries []string) ([]string, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.remote.unmoved(ctx, entries)
}

// patiently gives a question of one caller the patience of the link and no other end: a caller who goes away, or whose time is over, says
// nothing about Redis.
func patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), patience)
}

// get reads an entry as it is; nil when there is none.
func (l *link) get(ctx context.Context, life *life, key string) []byte {
	if !l.isUsable() {
		return nil
	}
	ctx, cancel := patiently(ctx)
	defer cancel()
	packed, err := l.remote.get(ctx, life.name, key)
	if err != nil {
		l.broke(err)
		return nil
	}
	return packed
}

// put writes an entry for other processes, if that works.
func (l *link) put(ctx context.Context, life *life, key string, packed []byte, ttl time.Duration) {
	if !l.isUsable() {
		return
	}
	ctx, cancel := patiently(ctx)
	defer cancel()
	if err := l.remote.put(ctx, life.name, key, packed, ttl); err != nil {
		l.broke(err)
	}
}
