package jobs

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

const (
	gatherFor   = 10 * time.Millisecond // changes within this time are read with one statement
	lookEvery   = time.Second           // at what is followed, whether or not something was heard
	watchBatch  = 1000                  // jobs read with one statement
	afterFailed = 2 * time.Second
)

// watch knows who follows which jobs and reads the rows of those that changed, for all followers at once.
type watch struct {
	mu        sync.Mutex
	followers map[mesa.JobID]map[*follower]bool
	dirty     map[mesa.JobID]bool
	closed    bool
	marked    chan struct{} // of size 1
}

// follower has room for one state: a newer one takes its place.
type follower struct{ latest chan *mesa.Job }

func newWatch() *watch {
	return &watch{followers: map[mesa.JobID]map[*follower]bool{}, dirty: map[mesa.JobID]bool{}, marked: make(chan struct{}, 1)}
}

func (w *watch) follow(ctx context.Context, id mesa.JobID) <-chan *mesa.Job {
	f := &follower{latest: make(chan *mesa.Job, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		close(f.latest)
		return f.latest
	}
	if w.followers[id] == nil {
		w.followers[id] = map[*follower]bool{}
	}
	w.followers[id][f] = true
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.drop(id, f)
	})
	return f.latest
}

// drop lets a follower go; the lock is held.
func (w *watch) drop(id mesa.JobID, f *follower) {
	if !w.followers[id][f] {
		return
	}
	close(f.latest)
	delete(w.followers[id], f)
	if len(w.followers[id]) == 0 {
		delete(w.followers, id)
	}
}

// mark notes that jobs changed, if somebody follows them.
func (w *watch) mark(ids []mesa.JobID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		if w.followers[id] != nil {
			w.dirty[id] = true
		}
	}
	if len(w.dirty) > 0 {
		select {
		case w.marked <- struct{}{}:
		default:
		}
	}
}

// markAll notes that any job that is followed may have changed.
func (w *watch) markAll() {
	w.mu.Lock()
	ids := make([]mesa.JobID, 0, len(w.followers))
	for id := range w.followers {
		ids = append(ids, id)
	}
	w.mu.Unlock()
	w.mark(ids)
}

func (w *watch) take() (ids []mesa.JobID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.dirty {
		ids = append(ids, id)
	}
	clear(w.dirty)
	return ids
}

// run reads what changed until ctx ends.
func (w *watch) run(ctx context.Context, database *db.DB, log *slog.Logger) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			w.markAll()
			continue
		case <-w.marked:
		}
		if !pause(ctx, gatherFor) {
			return
		}
		for ids := range slices.Chunk(w.take(), watchBatch) {
			rows, err := database.JobsByID(ctx, ids)
			if err != nil {
				log.WarnContext(ctx, "followed jobs not read", "error", err)
				pause(ctx, afterFailed) // what was marked is read with the next look
				break
			}
			w.deliver(ids, rows)
		}
	}
}

// deliver hands rows to their followers. Nobody else sends to them, so there is room after an older state was taken out.
func (w *watch) deliver(ids []mesa.JobID, rows map[mesa.JobID]*mesa.Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		for f := range w.followers[id] {
			if rows[id] == nil {
				w.drop(id, f)
				continue
			}
			select {
			case <-f.latest:
			default:
			}
			f.latest <- rows[id]
		}
	}
}

func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for id, followers := range w.followers {
		for f := range followers {
			w.drop(id, f)
		}
	}
}

// pause waits; false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
