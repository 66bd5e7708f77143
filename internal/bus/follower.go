package bus

import (
	"errors"
	"sync"

	"github.com/mesapartes/mesa/mesa"
)

// Why there are no more events for a follower.
var (
	ErrEnded  = errors.New("nobody follows any more") // its context ended, or the feed stopped
	ErrBehind = errors.New("too many events are unread")
)

// Follower is who gets events, each once, in the order in which they became certain. What it has not read yet waits for it; nobody else does.
type Follower struct {
	want func(*mesa.Event) bool
	news chan struct{} // something may be there

	mu     sync.Mutex
	unread []*mesa.Event
	ended  error
}

// Next waits for an event; ErrEnded or ErrBehind when none comes any more. It is for one reader.
func (f *Follower) Next() (*mesa.Event, error) {
	for {
		if e, err := f.take(); e != nil || err != nil {
			return e, err
		}
		<-f.news
	}
}

func (f *Follower) take() (*mesa.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended != nil || len(f.unread) == 0 {
		return nil, f.ended
	}
	e := f.unread[0]
	f.unread[0], f.unread = nil, f.unread[1:]
	return e, nil
}

// add hands out an event, unless too many are unread: then it ends the follower, which should read anew.
func (f *Follower) add(e *mesa.Event) bool {
	f.mu.Lock()
	isBehind := len(f.unread) >= maxBehind
	if !isBehind {
		f.unread = append(f.unread, e)
	}
	f.mu.Unlock()
	if isBehind {
		f.end(ErrBehind)
		return false
	}
	f.wake()
	return true
}

// end lets go of what is unread; the first reason counts.
func (f *Follower) end(why error) {
	f.mu.Lock()
	if f.ended == nil {
		f.ended, f.unread = why, nil
	}
	f.mu.Unlock()
	f.wake()
}

func (f *Follower) wake() {
	select {
	case f.news <- struct{}{}:
	default: // it is told already
	}
}
