// Package bus brings committed events to whoever follows them in this process.
package bus

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

const (
	pollEvery   = time.Second // finds what other processes committed
	batch       = 500
	maxBehind   = 4_000 // events that a follower may leave unread
	afterFailed = 2 * time.Second
)

// Feed tails the table of events while somebody follows it. A commit of this process wakes it at once; what other processes commit
// is found within a second.
type Feed struct {
	// Confirm, when set, is called with the ids of events before anybody is told of them.
	Confirm func(ctx context.Context, events []string) error

	db  *db.DB
	log *slog.Logger

	mu        sync.Mutex
	followers map[*Follower]bool
	running   bool
	stopped   bool
	wg        sync.WaitGroup
	ctx       context.Context
	cancel    context.CancelFunc
}

// New makes a feed; it does nothing until somebody follows.
func New(database *db.DB, log *slog.Logger) *Feed {
	ctx, cancel := context.WithCancel(context.Background())
	return &Feed{db: database, log: log, followers: map[*Follower]bool{}, ctx: ctx, cancel: cancel}
}

// Follow hands out the wanted events that commit from now on, until ctx ends, the feed stops or the follower is too far behind. On PostgreSQL one
// that committed just before comes, too, when a transaction that began earlier still ran: only then is it certain (see db/events.go).
func (f *Feed) Follow(ctx context.Context, want func(*mesa.Event) bool) (*Follower, error) {
	fol := &Follower{want: want, news: make(chan struct{}, 1)}
	if err := f.add(ctx, fol); err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { f.drop(fol, ErrEnded) })
	return fol, nil
}

// add enters a follower; the first one starts the tail at the present end, before Follow returns, so that nothing is missed.
func (f *Feed) add(ctx context.Context, fol *Follower) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		fol.end(ErrEnded)
		return nil
	}
	if !f.running {
		end, err := f.db.TailEnd(ctx)
		if err != nil {
			return err
		}
		f.running = true
		f.wg.Add(1)
		go f.run(end)
	}
	f.followers[fol] = true
	return nil
}

func (f *Feed) drop(fol *Follower, why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.followers, fol)
	fol.end(why)
}

// run tails until the last follower has gone.
func (f *Feed) run(at db.Tail) {
	defer f.wg.Done()
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	for {
		committed := f.db.Committed()
		more, err := f.forward(&at)
		pause := pollEvery
		if err != nil {
			f.log.ErrorContext(f.ctx, "events not read", "error", err)
			pause, more = afterFailed, false
		}
		if f.isIdle() {
			return
		}
		if more {
			continue
		}
		timer.Reset(pause)
		select {
		case <-committed:
		case <-timer.C:
		case <-f.ctx.Done():
		}
	}
}

// isIdle ends the tail, under the lock that add takes, so that no follower slips in between.
func (f *Feed) isIdle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.followers) > 0 && f.ctx.Err() == nil {
		return false
	}
	f.running = false
	return true
}

// forward reads one batch and hands it out; more says that there may be another.
func (f *Feed) forward(at *db.Tail) (more bool, err error) {
	events, err := f.db.EventsAfter(f.ctx, *at, batch)
	if err == nil {
		err = f.confirm(events)
	}
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		*at = db.Tail{Tx: e.Tx, Seq: e.Seq}
		for fol := range f.followers {
			if fol.want(e) && !fol.add(e) {
				delete(f.followers, fol)
			}
		}
	}
	return len(events) == batch, nil
}

// confirm lets what is kept of the time before events be forgotten, so that a follower who asks anew finds them.
func (f *Feed) confirm(events []*mesa.Event) error {
	if f.Confirm == nil || len(events) == 0 {
		return nil
	}
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = string(e.ID)
	}
	return f.Confirm(f.ctx, ids)
}

// Stopped is closed when the feed stops, before any follower ends, so that one can tell the end of the process from its own.
func (f *Feed) Stopped() <-chan struct{} { return f.ctx.Done() }

// Stop ends every follower and the tail. It can be called twice.
func (f *Feed) Stop() {
	f.cancel()
	f.mu.Lock()
	f.stopped = true
	for fol := range f.followers {
		delete(f.followers, fol)
		fol.end(ErrEnded)
	}
	f.mu.Unlock()
	f.wg.Wait()
}
