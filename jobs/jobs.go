// Package jobs does work in the background. The rows of the table jobs are the queue; a Redis list, or memory in a single process, is only
// the bell that tells workers to look; gocron is the clock that adds what is due regularly. See docs/decisions/0009-jobs.md.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Why the context of a handler ends before its work is done, as context.Cause says.
var (
	ErrCancelled = errors.New("the job was cancelled")
	ErrTimedOut  = errors.New("the job took longer than its kind may")
	ErrStopping  = errors.New("the worker stops")
	ErrFenced    = db.ErrFenced
)

// Handler does one attempt at the jobs of a kind. It stops soon after ctx ends; one that does not is left behind. Attempts may be repeated
// after a crash, so whatever a handler does outside of Done.Also has to bear that.
type Handler func(ctx context.Context, w *Work) (Done, error)

// Handlers has the handler of each kind of job that a process can do.
type Handlers map[mesa.JobKind]Handler

// Done is what an attempt that succeeded leaves.
type Done struct {
	Result any                                                       // at most some KB, as JSON, for administrators
	Also   func(ctx context.Context, tx *db.Tx, job *mesa.Job) error // done in the transaction that ends the job, with it or not at all
	Undo   func(ctx context.Context, why error)                      // called when Also certainly was not done
}

// Failure says how an attempt failed. Any other error counts as a failure with code ERROR that is tried again.
type Failure struct {
	Code      string
	Err       error
	Permanent bool          // trying again would not help
	RetryIn   time.Duration // 0: as the kind's policy says
	Uncounted bool          // the attempt does not count as one: what it needs is not there yet

	// Also is done in the transaction that ends the attempt, with it or not at all, however it ends: the job tells whether it waits for
	// another attempt (and until when), failed or was cancelled.
	Also func(ctx context.Context, tx *db.Tx, job *mesa.Job) error
}

// Error says what went wrong.
func (f *Failure) Error() string { return fmt.Sprintf("%s: %v", f.Code, f.Err) }

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Work is an attempt at a job.
type Work struct {
	Job *mesa.Job

	mu          sync.Mutex
	done, total int64
	isNew       bool
}

// Progress says how much of the work is done; total is 0 when nobody knows. It is cheap: subscribers hear of it twice a second at most.
func (w *Work) Progress(done, total int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done, w.total, w.isNew = done, total, true
}

// beat takes what is to be said of the work.
func (w *Work) beat() db.Beat {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := db.Beat{ID: w.Job.ID, Epoch: w.Job.Epoch, IsNew: w.isNew, Done: w.done, Total: w.total}
	if w.total > 0 {
		b.Progress = min(99, 100*w.done/w.total) // 100 comes with the end
	}
	w.isNew = false
	return b
}
