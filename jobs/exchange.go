package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/exchange"
	"github.com/mesapartes/mesa/mesa"
)

// Exchange sends documents to other institutions and asks how they stand there. No call is made inside of a transaction.
type Exchange struct {
	DB    *db.DB
	Peers *exchange.Peers
	Scale float64 // of all waits, so that tests and demonstrations need not take hours; 0 is 1
}

// Bounds of one run of EXCHANGE_SYNC and EXCHANGE_POLL.
const (
	followAtOnce  = 200
	orphansAtOnce = 500
	inactiveWait  = 15 * time.Minute // of a message to an institution that is switched off
)

// Codes of sends that were put off, cut short or not tried.
const (
	circuitOpen        = "CIRCUIT_OPEN"
	inactive           = "INTEGRATION_INACTIVE"
	interrupted        = "INTERRUPTED"         // by a stop or a cancellation: nobody knows whether it arrived
	becameConfidential = "BECAME_CONFIDENTIAL" // since somebody said that it is to be sent
)

// Handlers are the handlers of the kinds of jobs that exchange documents.
func (x Exchange) Handlers() Handlers {
	return Handlers{mesa.JobSend: x.send, mesa.JobSync: x.sync, mesa.JobPoll: x.poll}
}

func (x Exchange) scaled(d time.Duration) time.Duration {
	if x.Scale == 0 {
		return d
	}
	return max(time.Duration(float64(d)*x.Scale), time.Millisecond)
}

func (x Exchange) probeEvery() time.Duration { return x.scaled(mesa.ProbeEvery) }

// us is who acts in the background.
func us() *mesa.Actor { return mesa.System(nil, "mesa") }

// send makes one attempt at sending a message. What the other side has already got it answers with what became of it, so that a repeat after
// a lost answer, or a lost worker, does no harm.
func (x Exchange) send(ctx context.Context, w *Work) (Done, error) {
	var args desk.SendJob
	if err := json.Unmarshal(w.Job.Args, &args); err != nil {
		return Done{}, &Failure{Code: "BAD_ARGUMENTS", Err: err, Permanent: true}
	}
	m, to, wait, err := x.begin(ctx, args.MessageID)
	switch {
	case err != nil || m == nil:
		return Done{Result: "nothing to send"}, err
	case wait != nil:
		return Done{}, wait
	}
	call := x.Peers.Submit(ctx, to, m)
	if call.ErrorCode == "" {
		return Done{
			Result: map[string]any{"exchangeCode": m.ExchangeCode, "remoteId": call.Remote.ID, "state": call.Remote.State},
			Also: func(ctx context.Context, tx *db.Tx, _ *mesa.Job) error {
				return x.conclude(ctx, tx, m.ID, mesa.AttemptToSend, call, func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) {
					return m.Accepted(tx.Now(), call.Remote)
				})
			},
		}, nil
	}
	if ctx.Err() != nil {
		call.ErrorCode, call.Problem, call.Temporary = interrupted, context.Cause(ctx).Error(), true
	}
	wait = &Failure{Code: call.ErrorCode, Err: errors.New(call.Problem), Permanent: !call.Temporary, RetryIn: x.scaled(mesa.ExchangeRetryAfter(w.Job.Attempt+1, rand.Float64()))}
	wait.RetryIn = max(wait.RetryIn, x.scaled(call.RetryAfter))
	wait.Also = func(ctx context.Context, tx *db.Tx, job *mesa.Job) error {
		return x.conclude(ctx, tx, m.ID, mesa.AttemptToSend, call, func(m *mesa.ExchangeMessage) ([]mesa.EventType, error) {
			return m.Failed(tx.Now(), nextTry(job), call.ErrorCode, call.Problem)
		})
	}
	return Done{}, wait
}

// nextTry is when a job is tried again, zero when it is not.
func nextTry(job *mesa.Job) time.Time {
	if job.State != mesa.JobQueued {
		return time.Time{}
	}
	return job.RunAt
}

// begin notes that a message is being sent. It is nil when there is nothing to do any more; wait says that it has to wait.
func (x Exchange) begin(ctx context.Context, id mesa.MessageID) (m *mesa.ExchangeMessage, to *mesa.Integration, wait *Failure, err error) {
	err = x.DB.InTx(ctx, func(tx *db.Tx) error {
		m, wait = nil, nil
		found, err := tx.Message(ctx, id, "messageId")
		if err != nil || !found.IsSendable() {
			return err
		}
		if found.IsLost() { // whoever retried its job may not know that the document was sent anew
			if live, err := tx.LiveMessage(ctx, found.DocumentID, found.IntegrationID); err != nil || live != nil {
				return err
			}
		}
		if to, err = tx.Integration(ctx, found.IntegrationID, "integrationId"); err != nil {
			return err
		}
		m = found
		if wait, err = withheld(ctx, tx, m); err != nil {
			return err
		}
		if wait == nil {
			wait = x.admit(tx, to, to.IsActive && to.CanSend)
		}
		if wait != nil {
			wait.Also = func(ctx context.Context, tx *db.Tx, job *mesa.Job) error { return x.putOff(ctx, tx, id, job, wait) }
			return nil
		}
		if err := tx.SaveIntegration(ctx, to); err != nil {
			return err
		}
		if err := m.Begin(tx.Now()); err != nil {
			return err
		}
		return tx.SaveMessage(ctx, us(), m, to)
	})
	if mesa.CodeOf(err) == mesa.NotFound {
		err = nil
	}
	return m, to, wait, err
}

// withheld says why a message is not sent any more, nil when it is: that what became confidential meanwhile is to go nobody said, and over
// there it would not be confidential.
func withheld(ctx context.Context, tx *db.Tx, m *mesa.ExchangeMessage) (*Failure, error) {
	grade, err := tx.ConfidentialityOf(ctx, m.DocumentID)
	if err != nil || grade != mesa.Confidential || m.Payload.Confidentiality == mesa.Confidential {
		return nil, err
	}
	return &Failure{Code: becameConfidential, Err: errors.New("the document has become confidential since: send it anew if that is meant"), Permanent: true}, nil
}

// admit says why an institution is not called now, nil when it is.
func (x Exchange) admit(tx *db.Tx, to *mesa.Integration, isOn bool) *Failure {
	if !isOn {
		return &Failure{Code: inactive, Err: errors.New("the integration is switched off"), Uncounted: true, RetryIn: x.scaled(inactiveWait)}
	}
	if wait := to.Admit(tx.Now(), x.probeEvery()); wait > 0 {
		return &Failure{Code: circuitOpen, Err: errors.New("the other side does not answer and is left alone for a while"), Uncounted: true, RetryIn: wait + time.Millisecond}
	}
	return nil
}

// putOff notes that a message has to wait, or is given up, although nothing was tried.
func (x Exchange) putOff(ctx context.Context, tx *db.Tx, id mesa.MessageID, job *mesa.Job, why *Failure) error {
	m, err := tx.Message(ctx, id, "messageId")
	if err != nil || !m.IsWaiting() {
		return err
	}
	to, err := tx.Integration(ctx, m.IntegrationID, "integrationId")
	if err != nil {
		return err
	}
	if job.State == mesa.JobQueued {
		m.PutOff(job.RunAt, why.Code, why.Err.Error())
		return tx.SaveMessage(ctx, us(), m, to)
	}
	code, problem := string(job.State), ""
	if why.Permanent {
		code, problem = why.Code, why.Err.Error()
	}
	what, err := m.Orphaned(tx.Now(), code, problem)
	if err != nil {
		return err
	}
	return tx.SaveMessage(ctx, us(), m, to, what...)
}

// conclude notes how a call about a message went: in the log, in the message, and in the health of the integration.
func (x Exchange) conclude(ctx context.Context, tx *db.Tx, id mesa.MessageID, kind mesa.AttemptKind, call *mesa.ExchangeCall, tell func(*mesa.ExchangeMessage) ([]mesa.EventType, error)) error {
	m, err := tx.Message(ctx, id, "messageId")
	if err != nil {
		return err
	}
	to, err := tx.Integration(ctx, m.IntegrationID, "integrationId")
	if err != nil {
		return err
	}
	what, err := tell(m)
	if err != nil {
		return err
	}
	if kind == mesa.AttemptToSend || len(what) > 0 {
		if err := tx.AddAttempt(ctx, id, kind, call); err != nil {
			return err
		}
	}
	if err := tx.SaveMessage(ctx, us(), m, to, what...); err != nil {
		return err
	}
	if call.ErrorCode == interrupted {
		return nil
	}
	return tx.NoteCall(ctx, us(), to, call, x.probeEvery())
}

// sync asks an institution how that stands which was sent to it and is not at its end.
func (x Exchange) sync(ctx context.Context, w *Work) (Done, error) {
	var args desk.SyncJob
	if err := json.Unmarshal(w.Job.Args, &args); err != nil {
		return Done{}, &Failure{Code: "BAD_ARGUMENTS", Err: err, Permanent: true}
	}
	messages, err := x.DB.MessagesToFollow(ctx, args.IntegrationID, followAtOnce)
	if err != nil || len(messages) == 0 { // before it is reached: who then does not call would keep others from trying
		return Done{Result: map[string]any{"asked": 0}}, err
	}
	to, wait, err := x.reach(ctx, args.IntegrationID)
	switch {
	case err != nil:
		return Done{}, err
	case wait != nil:
		return Done{Result: map[string]any{"skipped": wait.Code}}, nil // the schedule adds another
	}
	moved := 0
	for i, m := range messages {
		call := x.Peers.Status(ctx, to, m)
		if ctx.Err() != nil {
			return Done{}, context.Cause(ctx)
		}
		news, err := x.follow(ctx, m.ID, call)
		if err != nil {
			return Done{}, err
		}
		moved += news
		w.Progress(int64(i+1), int64(len(messages)))
		if call.Failed() || call.ErrorCode == string(mesa.Unauthenticated) || call.ErrorCode == string(mesa.Forbidden) {
			return Done{}, &Failure{Code: call.ErrorCode, Err: errors.New(call.Problem), Permanent: true} // the schedule adds another
		}
	}
	return Done{Result: map[string]any{"asked": len(messages), "moved": moved}}, nil
}

// reach reads an institution that is to be asked; wait says why it is not.
func (x Exchange) reach(ctx context.Context, id mesa.IntegrationID) (to *mesa.Integration, wait *Failure, err error) {
	err = x.DB.InTx(ctx, func(tx *db.Tx) error {
		if to, err = tx.Integration(ctx, id, "integrationId"); err != nil {
			return err
		}
		if wait = x.admit(tx, to, to.IsActive); wait != nil {
			return nil
		}
		return tx.SaveIntegration(ctx, to)
	})
	return to, wait, err
}

// follow notes what the other side says of a message, and counts whether that was news.
func (x Exchange) follow(ctx context.Context, id mesa.MessageID, call *mesa.ExchangeCall) (news int, err error) {
	err = x.DB.InTx(ctx, func(tx *db.Tx) error {
		return x.conclude(ctx, tx, id, mesa.AttemptToFollow, call, func(m *mesa.ExchangeMessage) (what []mesa.EventType, err error) {
			if call.Remote == nil {
				m.Unknown(tx.Now(), call.ErrorCode, call.Problem)
				return nil, nil
			}
			what, err = m.Follow(tx.Now(), call.Remote)
			news = min(len(what), 1)
			return what, err
		})
	})
	return news, err
}

// poll adds an EXCHANGE_SYNC for each institution that is active, and gives up messages whose jobs ended without them: these were cancelled,
// or their workers were lost again and again.
func (x Exchange) poll(ctx context.Context, _ *Work) (Done, error) {
	orphans, err := x.DB.Orphans(ctx, orphansAtOnce)
	if err != nil {
		return Done{}, err
	}
	for _, o := range orphans {
		if err := x.giveUp(ctx, o); err != nil {
			return Done{}, err
		}
	}
	all, err := x.DB.AllIntegrations(ctx, true)
	if err != nil {
		return Done{}, err
	}
	for _, i := range all {
		err := x.DB.InTx(ctx, func(tx *db.Tx) error {
			_, _, err := tx.Enqueue(ctx, desk.NewSyncJob(i.ID, ""))
			return err
		})
		if err != nil {
			return Done{}, err
		}
	}
	return Done{Result: map[string]any{"integrations": len(all), "orphans": len(orphans)}}, nil
}

func (x Exchange) giveUp(ctx context.Context, o db.Orphan) error {
	return x.DB.InTx(ctx, func(tx *db.Tx) error {
		m, err := tx.Message(ctx, o.MessageID, "messageId")
		if err != nil {
			return err
		}
		if live, err := tx.HasLiveJob(ctx, m.JobID); err != nil || live || !m.IsWaiting() {
			return err
		}
		to, err := tx.Integration(ctx, m.IntegrationID, "integrationId")
		if err != nil {
			return err
		}
		code := o.ErrorCode
		if code == "" {
			code = mesa.Text(mesa.JobCancelled)
		}
		what, err := m.Orphaned(tx.Now(), string(code), "")
		if err != nil {
			return err
		}
		return tx.SaveMessage(ctx, us(), m, to, what...)
	})
}
