package jobs

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// success is an attempt that succeeded without effects of its own. Those that end while others are being stored are stored together: short
// jobs cost a fraction of a transaction each, and nobody waits for others to come.
type success struct {
	db.Ended
	ended chan<- answer // of size 1
}

// answer is the job as it ended.
type answer struct {
	after *mesa.Job
	err   error
}

const successBatch = 100

// storeSuccesses stores what succeeded until ctx ends.
func (p *Pool) storeSuccesses(ctx context.Context) {
	for {
		var list []success
		select {
		case s := <-p.successes:
			list = append(list, s)
		case <-ctx.Done():
			return
		}
		for more := true; more && len(list) < successBatch; {
			select {
			case s := <-p.successes:
				list = append(list, s)
			default:
				more = false
			}
		}
		p.storeTogether(ctx, list)
	}
}

// storeTogether stores successes. When that fails each is stored alone: the fault may be one's own.
func (p *Pool) storeTogether(ctx context.Context, list []success) {
	within, cancel := context.WithTimeout(ctx, p.timing.Lease)
	defer cancel()
	ended := make([]db.Ended, len(list))
	for i, s := range list {
		ended[i] = s.Ended
	}
	after, err := p.db.EndJobs(within, p.worker.ID, ended)
	for i, s := range list {
		a := answer{err: err}
		switch {
		case err != nil && len(list) > 1:
			a.after, a.err = p.db.EndJob(within, s.Job, db.End{Outcome: mesa.AttemptSucceeded, Result: s.Result}, nil)
		case err == nil && after[i] == nil:
			a.err = ErrFenced
		case err == nil:
			a.after = after[i]
		}
		s.ended <- a
	}
}

// succeed stores a success, together with others.
func (p *Pool) succeed(ctx context.Context, job *mesa.Job, result any) (*mesa.Job, error) {
	ended := make(chan answer, 1)
	select {
	case p.successes <- success{db.Ended{Job: job, Result: result}, ended}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	a := <-ended
	return a.after, a.err
}
