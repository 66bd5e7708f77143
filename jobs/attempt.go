package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// attempt is one attempt at a job while this process has it.
type attempt struct {
	work *Work
	ctx  context.Context
	end  context.CancelCauseFunc

	mu    sync.Mutex
	held  time.Time   // the lease lasts from here at least
	fence *time.Timer // ends the attempt before others may have the job, whether or not the database answers
}

// hold notes that the lease was given or extended by a statement that began at an instant.
func (a *attempt) hold(at time.Time, lease time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = at
	a.fence.Reset(time.Until(at.Add(lease * 5 / 6)))
}

func (a *attempt) heldSince() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held
}

// outcome is what a handler returned.
type outcome struct {
	done Done
	err  error
}

// kindKey is for the kind of the job that is done under a context.
type kindKey struct{}

// Cause names the job that a statement under ctx is for, "" when it is for none.
func Cause(ctx context.Context) string {
	kind, _ := ctx.Value(kindKey{}).(mesa.JobKind)
	if kind == "" {
		return ""
	}
	return "job " + string(kind)
}

// begin makes this process have a job that it was given by a statement which began at an instant, until the attempt is given up.
func (p *Pool) begin(work context.Context, job *mesa.Job, taken time.Time) *attempt {
	a := &attempt{work: &Work{Job: job}}
	a.ctx, a.end = context.WithCancelCause(work)
	a.fence = time.AfterFunc(p.timing.Lease, func() { a.end(ErrFenced) })
	a.hold(taken, p.timing.Lease)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[job.ID] = a
	return a
}

func (p *Pool) giveUp(a *attempt) {
	a.fence.Stop()
	a.end(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[a.work.Job.ID] == a {
		delete(p.running, a.work.Job.ID)
	}
}

// attempt does a job and stores how that ended.
func (p *Pool) attempt(a *attempt) {
	defer p.giveUp(a)
	job := a.work.Job
	policy := mesa.PolicyOf(job.Kind)
	ctx, span := p.Tracer.Begin(a.ctx, trace.Origin{Kind: "job", Name: string(job.Kind), Link: job.Traceparent})
	defer span.End(nil)
	span.Text("mesa.job.id", string(job.ID))
	span.Text("mesa.job.queue", job.Queue)
	span.Int("mesa.job.attempt", job.Attempt+1)
	timed, stop := context.WithTimeoutCause(context.WithValue(ctx, kindKey{}, job.Kind), policy.Timeout, ErrTimedOut)
	defer stop()

	log := p.log.With("job", job.ID, "kind", job.Kind, "epoch", job.Epoch)
	began := time.Now()
	out := p.handle(timed, a)
	after := p.conclude(context.WithoutCancel(ctx), timed, a, policy, out)
	if after == nil {
		p.Metrics.Job(job.Kind, metrics.Fenced, time.Since(began))
		span.Fail(metrics.Fenced)
		log.WarnContext(ctx, "job was given to somebody else", "took", time.Since(began))
		return
	}
	p.Metrics.Job(job.Kind, string(after.State), time.Since(began))
	span.Text("mesa.job.state", string(after.State))
	if out.err != nil && after.ErrorCode != "" {
		span.Fail(string(after.ErrorCode))
	}
	log.InfoContext(ctx, "job", "state", after.State, "took", time.Since(began), "error", after.LastError)
}

// handle runs the handler. It ends the handler's context when the job is cancelled or no longer ours, and leaves a handler behind that
// does not stop then.
func (p *Pool) handle(ctx context.Context, a *attempt) outcome {
	following, leave := context.WithCancel(ctx)
	defer leave()
	changes := p.signals.Follow(following, a.work.Job.ID)
	returned := make(chan outcome, 1)
	go func() { returned <- p.call(ctx, a.work) }()
	for {
		select {
		case out := <-returned:
			return out
		case now, open := <-changes:
			switch {
			case !open:
				changes = nil
			case now.Epoch < a.work.Job.Epoch: // read before this attempt began
			case now.Epoch > a.work.Job.Epoch:
				a.end(ErrFenced)
			case now.CancelRequestedAt != nil:
				a.end(ErrCancelled)
			}
		case <-ctx.Done():
			return p.leave(ctx, a, returned)
		}
	}
}

// leave waits a little for a handler whose context has ended.
func (p *Pool) leave(ctx context.Context, a *attempt, returned <-chan outcome) outcome {
	timer := time.NewTimer(leaveAfter)
	defer timer.Stop()
	select {
	case out := <-returned:
		return out
	case <-timer.C:
		p.log.ErrorContext(ctx, "job does not stop and is left behind", "job", a.work.Job.ID, "kind", a.work.Job.Kind, "why", context.Cause(ctx))
		return outcome{err: context.Cause(ctx)}
	}
}

// call runs the handler and turns a panic into a failure.
func (p *Pool) call(ctx context.Context, w *Work) (out outcome) {
	defer func() {
		if v := recover(); v != nil {
			p.log.ErrorContext(ctx, "job panicked", "job", w.Job.ID, "kind", w.Job.Kind, "panic", v, "stack", string(debug.Stack()))
			out = outcome{err: &Failure{Code: mesa.JobPanicked, Err: fmt.Errorf("panic: %v", v)}}
		}
	}()
	handler := p.handlers[w.Job.Kind]
	if handler == nil {
		return outcome{err: &Failure{Code: mesa.JobUnknown, Err: errors.New("this program does not know such jobs"), Uncounted: true}}
	}
	out.done, out.err = handler(ctx, w)
	return out
}

// also is what is to be done in the transaction that ends the attempt, nil for nothing.
func (o outcome) also() func(context.Context, *db.Tx, *mesa.Job) error {
	if o.err == nil {
		return o.done.Also
	}
	if f, ok := errors.AsType[*Failure](o.err); ok {
		return f.Also
	}
	return nil
}

// endOf is how an attempt ended, by what the handler returned and why its context ended.
func endOf(out outcome, cause error, policy *mesa.JobPolicy, job *mesa.Job) db.End {
	if out.err == nil {
		return db.End{Outcome: mesa.AttemptSucceeded, Result: out.done.Result}
	}
	switch {
	case errors.Is(cause, ErrCancelled):
		return db.End{Outcome: mesa.AttemptCancelled}
	case errors.Is(cause, ErrStopping), errors.Is(cause, ErrFenced): // fenced: if nobody has taken it yet, nobody has to wait for the lease
		return db.End{Outcome: mesa.AttemptReleased}
	}
	f := &Failure{Code: mesa.JobErrored, Err: out.err}
	if errors.Is(cause, ErrTimedOut) {
		f = &Failure{Code: mesa.JobTimedOut, Err: cause}
	} else {
		errors.As(out.err, &f)
	}
	end := db.End{Outcome: mesa.AttemptFailed, ErrorCode: f.Code, Error: cut(f.Err.Error()), Permanent: f.Permanent, RetryIn: f.RetryIn}
	if f.Uncounted {
		end.Outcome = mesa.AttemptReleased
	}
	if end.RetryIn == 0 {
		end.RetryIn = policy.RetryAfter(job.Attempt+1, rand.Float64())
	}
	return end
}

// cut bounds what is kept of an error.
func cut(text string) string {
	const most = 2000
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// conclude stores the end of an attempt and what it did, again and again while the database does not answer, until it is certain whether
// that is stored. It returns the job as it is by then, nil when it is somebody else's.
func (p *Pool) conclude(ctx, timed context.Context, a *attempt, policy *mesa.JobPolicy, out outcome) *mesa.Job {
	end := endOf(out, context.Cause(timed), policy, a.work.Job)
	undo := out.done.Undo
	if undo == nil {
		undo = func(context.Context, error) {}
	}
	for try := 1; ; try++ {
		after, effect, err := p.store(ctx, a.work.Job, end, out.also())
		switch {
		case err == nil:
			return after
		case errors.Is(err, ErrFenced):
			var ours *mesa.Job
			if ours, err = p.landed(ctx, a.work.Job, end); err != nil {
				break // it is not known yet
			}
			if ours == nil {
				undo(ctx, ErrFenced)
			}
			return ours
		case effect && try >= effectTries: // the database answers; what the job wants to do is impossible
			undo(ctx, err)
			undo = func(context.Context, error) {}
			out = outcome{err: &Failure{Code: mesa.JobErrored, Err: err}}
			end = endOf(out, nil, policy, a.work.Job)
		}
		p.log.WarnContext(ctx, "end of job not stored", "job", a.work.Job.ID, "error", err)
		if time.Since(a.heldSince()) > p.timing.Lease {
			return nil // nobody knows whether it is stored; what it left is found to belong to nobody if it is not
		}
		pause(ctx, min(time.Duration(try)*storeAgainAfter, time.Second))
	}
}

const (
	effectTries     = 4
	storeAgainAfter = 100 * time.Millisecond
)

// store ends a job with its effects; effect says that the error is that of the effects.
func (p *Pool) store(ctx context.Context, job *mesa.Job, end db.End, also func(context.Context, *db.Tx, *mesa.Job) error) (after *mesa.Job, effect bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.timing.Lease)
	defer cancel()
	switch {
	case also == nil && end.Outcome != mesa.AttemptSucceeded:
		after, err = p.db.EndJob(ctx, job, end, nil)
		return after, false, err
	case also == nil:
		after, err = p.succeed(ctx, job, end.Result)
		return after, false, err
	}
	after, err = p.db.EndJob(ctx, job, end, func(ctx context.Context, tx *db.Tx, job *mesa.Job) error {
		effect = true
		err := also(ctx, tx, job)
		effect = err != nil
		return err
	})
	return after, effect, err
}

// landed finds the job of which EndJob stored the end although its answer was lost, nil when it certainly did not. On an error that is not
// known.
func (p *Pool) landed(ctx context.Context, job *mesa.Job, end db.End) (*mesa.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timing.Lease)
	defer cancel()
	ended, err := p.db.EndedAttempt(ctx, job)
	if err != nil || ended != end.Outcome {
		return nil, err
	}
	rows, err := p.db.JobsByID(ctx, []mesa.JobID{job.ID})
	if err != nil || rows[job.ID] == nil {
		return job, err
	}
	return rows[job.ID], nil
}
