package cache

import (
	"context"
	"sync"
)

// flights lets one of many who miss the same key make the value; the others wait for it.
type flights struct {
	mu      sync.Mutex
	running map[string]*flight
}

// flight is one value in the making. entry is set before done is closed, nil when nothing came of it that others may use.
type flight struct {
	done  chan struct{}
	entry *entry
}

// board makes the caller the one who makes the value (leads), or gives the flight to wait for.
func (f *flights) board(key string) (fl *flight, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.running[key]; fl != nil {
		return fl, false
	}
	if f.running == nil {
		f.running = map[string]*flight{}
	}
	fl = &flight{done: make(chan struct{})}
	f.running[key] = fl
	return fl, true
}

// land ends a flight.
func (f *flights) land(key string, fl *flight, e *entry) {
	f.mu.Lock()
	delete(f.running, key)
	f.mu.Unlock()
	fl.entry = e
	close(fl.done)
}

// wait is what came of a flight, nil when that is nothing or ctx ended first.
func (fl *flight) wait(ctx context.Context) *entry {
	select {
	case <-fl.done:
		return fl.entry
	case <-ctx.Done():
		return nil
	}
}
