package cache

import (
	"maps"
	"sync"

	"github.com/mesapartes/mesa/mesa"
)

// ledger knows when each tag last moved, by one clock that only goes forward. An entry is stamped with the clock before its data is
// read; it holds as long as none of its tags moved after that. So a slow reader cannot keep an old answer, whoever overtook it, and
// nobody has to know the tags of an entry before it is made.
//
// Without Redis the ledger is the truth. With Redis it is a copy of the one there, brought up to date before it is asked.
type ledger struct {
	mu    sync.RWMutex
	life  *life
	clock int64 // all that moved until then is known
	floor int64 // everything moved then
	moved map[mesa.Tag]int64
	notes int64 // rises with each move that becomes known
}

// life is one life of the shared ledger; nothing that was kept in an earlier one holds. Its identity is its address.
type life struct{ name string }

// manyTags is from where on the ledger forgets tags and lets everything made before have moved instead, here and in Redis.
const manyTags = 100_000

func newLedger(clock int64) *ledger {
	return &ledger{life: &life{}, clock: clock, floor: clock, moved: map[mesa.Tag]int64{}, notes: 1}
}

// now is the clock and the life it belongs to.
func (l *ledger) now() (clock int64, life *life) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.clock, l.life
}

// holds says whether nothing of what an entry was made from has moved since.
func (l *ledger) holds(e *entry) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if e.life != l.life || e.born < l.floor {
		return false
	}
	if e.seen.Load() == l.notes {
		return true // looked at before, and nothing has moved since
	}
	for _, t := range e.tags {
		if l.moved[t] > e.born {
			return false
		}
	}
	e.seen.Store(l.notes)
	return true
}

// move lets tags move now and returns the clock: the next moment of this ledger, not before the given time.
func (l *ledger) move(tags []mesa.Tag, time int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock = max(l.clock+1, time)
	for _, t := range tags {
		l.note(t, l.clock)
	}
	return l.clock
}

// learn takes over what moved in a life of the shared ledger, up to a clock; 0 for moves of this process that it knows of before the
// copy is brought up to date, when others may have moved before. What is told of another life is no news.
func (l *ledger) learn(of *life, moved map[mesa.Tag]int64, clock int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if of != l.life {
		return
	}
	for t, at := range moved {
		l.note(t, at)
	}
	l.clock = max(l.clock, clock)
}

func (l *ledger) note(t mesa.Tag, at int64) {
	l.notes++
	if t == mesa.Everything {
		l.floor = max(l.floor, at)
		return
	}
	l.moved[t] = max(l.moved[t], at)
}

// begin starts another life: nothing kept before holds.
func (l *ledger) begin(name string, moved map[mesa.Tag]int64, clock int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life, l.clock, l.floor, l.moved = &life{name}, clock, 0, map[mesa.Tag]int64{}
	for t, at := range moved {
		l.note(t, at)
	}
}

// prune forgets what moved so long before now that nothing from then is left to hold. The clock may be behind now or, when that of Redis
// was set back, ahead of it.
func (l *ledger) prune(now, keep int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := min(now, l.clock) - keep
	maps.DeleteFunc(l.moved, func(_ mesa.Tag, at int64) bool { return at < before })
	if len(l.moved) > manyTags {
		l.note(mesa.Everything, l.clock)
		l.moved = map[mesa.Tag]int64{}
	}
}

// size is how many tags are known to have moved.
func (l *ledger) size() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.moved)
}
