package desk

import (
	"context"
	"slices"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// DiagnosticJobInput is a job that does what it is told to, to try the queue.
type DiagnosticJobInput struct {
	SleepMs        int              `json:"sleepMs,omitempty"`
	Steps          int              `json:"steps,omitempty"`
	OutputBytes    int              `json:"outputBytes,omitempty"`
	FailTimes      int              `json:"failTimes,omitempty"`
	Panic          bool             `json:"panic,omitempty"`
	IgnoreCancel   bool             `json:"ignoreCancel,omitempty"`
	Crash          bool             `json:"crash,omitempty"`
	Queue          *string          `json:"-"`
	Priority       mesa.JobPriority `json:"-"`
	RunAt          *time.Time       `json:"-"`
	UniqueKey      *string          `json:"-"`
	ExclusiveKey   *string          `json:"-"`
	IdempotencyKey *string          `json:"-"`
}

// Bounds of what a diagnostic job may be told to do.
const (
	maxDiagnosticMs    = 10 * 60 * 1000
	maxDiagnosticSteps = 10_000
	maxDiagnosticBytes = 32 << 10
	maxJobKey          = 200
)

func (in *DiagnosticJobInput) check() error {
	for _, bound := range []struct {
		field      string
		value, max int
	}{
		{"sleepMs", in.SleepMs, maxDiagnosticMs}, {"steps", in.Steps, maxDiagnosticSteps}, {"outputBytes", in.OutputBytes, maxDiagnosticBytes},
		{"failTimes", in.FailTimes, 100},
	} {
		if bound.value < 0 || bound.value > bound.max {
			return mesa.Invalid(bound.field, "Indique un valor de 0 a %d.", bound.max)
		}
	}
	if in.Queue != nil && !isQueue(*in.Queue) {
		return mesa.Invalid("queue", "No existe esa cola.")
	}
	for field, key := range map[string]*string{"uniqueKey": in.UniqueKey, "exclusiveKey": in.ExclusiveKey} {
		if len(optionalLine(key)) > maxJobKey {
			return mesa.Invalid(field, "Debe tener %d caracteres como máximo.", maxJobKey)
		}
	}
	return nil
}

// runAt is from when on it may be taken, zero for now.
func (in *DiagnosticJobInput) runAt() time.Time {
	if in.RunAt == nil {
		return time.Time{}
	}
	return *in.RunAt
}

func isQueue(name string) bool {
	return slices.ContainsFunc(mesa.JobQueues, func(q mesa.JobQueue) bool { return q.Name == name })
}

// key is a key of a diagnostic job that no other kind of job has.
func (in *DiagnosticJobInput) key(given *string) string {
	if given == nil {
		return ""
	}
	return "diagnostic:" + string(optionalLine(given))
}

// Diagnose enqueues a diagnostic job. When one with its unique key waits or runs, or the idempotency key was used before, that one comes
// back and isNew is false. Whether diagnostics are on is for the caller to know.
func (d *Desk) Diagnose(ctx context.Context, by *mesa.Actor, in DiagnosticJobInput) (job *mesa.Job, isNew bool, err error) {
	if err := in.check(); err != nil {
		return nil, false, err
	}
	err = d.onJobs(ctx, by, func(tx *db.Tx) error {
		job, isNew = nil, false
		var result struct{ ID mesa.JobID }
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() (err error) {
			job, isNew, err = tx.Enqueue(ctx, db.NewJob{
				Kind: mesa.JobDiagnostic, Queue: string(optionalLine(in.Queue)), Priority: in.Priority, RunAt: in.runAt(), Args: in,
				UniqueKey: in.key(in.UniqueKey), ExclusiveKey: in.key(in.ExclusiveKey), RequestedBy: by.UserID,
			})
			if err == nil {
				result.ID = job.ID
			}
			return err
		})
		if err == nil && job == nil { // a repeat
			job, err = tx.LockJob(ctx, result.ID)
		}
		return err
	})
	return job, isNew, err
}

// CancelJob cancels a job that waits, or asks its worker to stop, and says what became of that.
func (d *Desk) CancelJob(ctx context.Context, by *mesa.Actor, id mesa.JobID) (job *mesa.Job, outcome mesa.CancelOutcome, err error) {
	err = d.onJobs(ctx, by, func(tx *db.Tx) error {
		if job, err = tx.LockJob(ctx, id); err != nil {
			return err
		}
		if outcome, err = tx.CancelJob(ctx, job); err != nil || outcome == mesa.AlreadyFinished {
			return err
		}
		return note(ctx, tx, by, mesa.JobStopped, string(id), about{})
	})
	return job, outcome, err
}

// RetryJob lets a job that failed or was cancelled be done again, with all its attempts.
func (d *Desk) RetryJob(ctx context.Context, by *mesa.Actor, id mesa.JobID, key *string) (job *mesa.Job, err error) {
	err = d.onJobs(ctx, by, func(tx *db.Tx) error {
		if job, err = tx.LockJob(ctx, id); err != nil {
			return err
		}
		return tx.Once(ctx, by, key, id, &struct{}{}, func() error {
			if err := tx.RetryJob(ctx, job); err != nil {
				return err
			}
			return note(ctx, tx, by, mesa.JobRetried, string(id), about{})
		})
	})
	return job, err
}

// PauseQueue keeps workers from taking jobs of a queue, or (on false) lets them again. What runs goes on.
func (d *Desk) PauseQueue(ctx context.Context, by *mesa.Actor, name string, pause bool) error {
	if !isQueue(name) {
		return mesa.ErrNotFound("name")
	}
	return d.onJobs(ctx, by, func(tx *db.Tx) error {
		changed, err := tx.PauseQueue(ctx, name, pause)
		if err != nil || !changed {
			return err
		}
		what := mesa.QueueResumed
		if pause {
			what = mesa.QueuePaused
		}
		return note(ctx, tx, by, what, name, about{})
	})
}

// onJobs runs a verb that needs the permission to manage jobs.
func (d *Desk) onJobs(ctx context.Context, by *mesa.Actor, verb func(tx *db.Tx) error) error {
	return d.write(ctx, by, func(tx *db.Tx) error {
		if err := by.RequireEverywhere(mesa.MayManageJobs); err != nil {
			return err
		}
		return verb(tx)
	})
}
