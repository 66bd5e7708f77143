package desk

import (
	"context"
	"strings"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// SendJob are the arguments of a job that sends a document.
type SendJob struct{ MessageID mesa.MessageID }

// SyncJob are the arguments of a job that asks an institution how that stands which was sent to it.
type SyncJob struct{ IntegrationID mesa.IntegrationID }

// NewSyncJob is such a job. One of an integration waits or runs.
func NewSyncJob(id mesa.IntegrationID, by mesa.UserID) db.NewJob {
	key := "exchange:sync:" + string(id)
	return db.NewJob{Kind: mesa.JobSync, Args: SyncJob{id}, About: string(id), UniqueKey: key, ExclusiveKey: key, RequestedBy: by}
}

func newSendJob(m *mesa.ExchangeMessage, to *mesa.Integration, by mesa.UserID) db.NewJob {
	key := "exchange:send:" + string(m.ID)
	return db.NewJob{Kind: mesa.JobSend, Args: SendJob{m.ID}, About: string(m.ID), UniqueKey: key, ExclusiveKey: key, RequestedBy: by, MaxAttempts: to.MaxAttempts}
}

// SendDocumentInput says which document goes where.
type SendDocumentInput struct {
	DocumentID        mesa.DocumentID
	IntegrationID     mesa.IntegrationID
	AllowConfidential bool `json:",omitempty"` // not in the hash of inputs of before
	ExpectedVersion   *int
	IdempotencyKey    *string
}

// Send puts a document on its way to another institution. One that is on its way there, or has arrived, is not sent again: its message comes
// back. After REJECTED, DEAD and CANCELLED it is sent anew.
func (d *Desk) Send(ctx context.Context, by *mesa.Actor, in SendDocumentInput) (m *mesa.ExchangeMessage, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		m = nil
		if err := by.RequireEverywhere(mesa.MayExchange); err != nil {
			return err
		}
		var result struct{ ID mesa.MessageID }
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() (err error) {
			if m, err = d.send(ctx, tx, by, in); err == nil {
				result.ID = m.ID
			}
			return err
		})
		if err == nil && m == nil { // a repeat
			m, err = tx.Message(ctx, result.ID, "messageId")
		}
		return err
	})
	return m, err
}

func (d *Desk) send(ctx context.Context, tx *db.Tx, by *mesa.Actor, in SendDocumentInput) (*mesa.ExchangeMessage, error) {
	f, err := tx.DocumentFile(ctx, by, mesa.MayReadDocuments, in.DocumentID, "documentId") // locked: it is on its way once
	if err != nil {
		return nil, err
	}
	if err := mesa.ExpectVersion(in.ExpectedVersion, f.Doc.Version); err != nil {
		return nil, err
	}
	if live, err := tx.LiveMessage(ctx, in.DocumentID, in.IntegrationID); err != nil || live != nil {
		return live, err
	}
	to, err := tx.Integration(ctx, in.IntegrationID, "integrationId")
	if err != nil {
		return nil, err
	}
	if err := mesa.CheckSendable(f.Doc, to, in.AllowConfidential); err != nil {
		return nil, err
	}
	m := mesa.NewMessage(by, tx.Now(), tx.IDs(), f.Doc, to)
	job, _, err := tx.Enqueue(ctx, newSendJob(m, to, by.UserID))
	if err != nil {
		return nil, err
	}
	m.JobID = job.ID
	if err := tx.InsertMessage(ctx, m); err != nil {
		return nil, err
	}
	queued := m.Event(tx.IDs(), by, tx.Now(), mesa.ExchangeQueued, to)
	if f.Doc.Confidentiality == mesa.Confidential {
		queued.Changes = map[string]mesa.Change{"allowConfidential": {After: true}}
	}
	return m, tx.AppendEvents(ctx, []*mesa.Event{queued})
}

// MessageInput names a message.
type MessageInput struct {
	MessageID      mesa.MessageID
	IdempotencyKey *string
}

// RetryMessage lets a dead message be sent again, as it was and under the same code: if it did arrive, the other side says so.
func (d *Desk) RetryMessage(ctx context.Context, by *mesa.Actor, in MessageInput) (*mesa.ExchangeMessage, error) {
	return d.onMessage(ctx, by, in, func(tx *db.Tx, _ *mesa.Job, m *mesa.ExchangeMessage, to *mesa.Integration) error {
		if m.State == mesa.MessageDead {
			if live, err := tx.LiveMessage(ctx, m.DocumentID, m.IntegrationID); err != nil {
				return err
			} else if live != nil {
				return mesa.Fail(mesa.InvalidTransition, "messageId", "Otro envío de este expediente a esa entidad está en curso.").With("state", string(m.State))
			}
		}
		if err := m.Retry(tx.Now()); err != nil {
			return err
		}
		job, _, err := tx.Enqueue(ctx, newSendJob(m, to, by.UserID))
		if err != nil {
			return err
		}
		m.JobID = job.ID
		return tx.SaveMessage(ctx, by, m, to, mesa.ExchangeQueued)
	})
}

// CancelMessage gives up a message that waits to be sent, and its job if that waits: one that runs finds nothing to send.
func (d *Desk) CancelMessage(ctx context.Context, by *mesa.Actor, in MessageInput) (*mesa.ExchangeMessage, error) {
	return d.onMessage(ctx, by, in, func(tx *db.Tx, job *mesa.Job, m *mesa.ExchangeMessage, to *mesa.Integration) error {
		if err := m.Cancel(tx.Now()); err != nil {
			return err
		}
		if job != nil && job.State == mesa.JobQueued {
			if _, err := tx.CancelJob(ctx, job); err != nil {
				return err
			}
		}
		return tx.SaveMessage(ctx, by, m, to, mesa.ExchangeCancelled)
	})
}

// onMessage runs a verb on a message whose document the actor sees. The document is locked, so that it is on its way once.
func (d *Desk) onMessage(ctx context.Context, by *mesa.Actor, in MessageInput, verb func(tx *db.Tx, job *mesa.Job, m *mesa.ExchangeMessage, to *mesa.Integration) error) (m *mesa.ExchangeMessage, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		if err := by.RequireEverywhere(mesa.MayExchange); err != nil {
			return err
		}
		id, err := tx.DocumentOfMessage(ctx, in.MessageID)
		if err != nil {
			return err
		}
		if _, err := tx.DocumentFile(ctx, by, mesa.MayReadDocuments, id, "messageId"); err != nil {
			return err
		}
		job, err := tx.JobOfMessage(ctx, in.MessageID)
		if err != nil {
			return err
		}
		if m, err = tx.Message(ctx, in.MessageID, "messageId"); err != nil {
			return err
		}
		return tx.Once(ctx, by, in.IdempotencyKey, in, &struct{}{}, func() error {
			to, err := tx.Integration(ctx, m.IntegrationID, "messageId")
			if err != nil {
				return err
			}
			return verb(tx, job, m, to)
		})
	})
	return m, err
}

// SyncIntegrationInput says which institution is to be asked.
type SyncIntegrationInput struct {
	IntegrationID  mesa.IntegrationID
	IdempotencyKey *string
}

// Sync asks an institution soon how that stands which was sent to it. When that is about to happen anyway, its job comes back.
func (d *Desk) Sync(ctx context.Context, by *mesa.Actor, in SyncIntegrationInput) (job *mesa.Job, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		job = nil
		if err := by.RequireEverywhere(mesa.MayExchange); err != nil {
			return err
		}
		var result struct{ ID mesa.JobID }
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() (err error) {
			if _, err = tx.Integration(ctx, in.IntegrationID, "integrationId"); err != nil {
				return err
			}
			if job, _, err = tx.Enqueue(ctx, NewSyncJob(in.IntegrationID, by.UserID)); err == nil {
				result.ID = job.ID
			}
			return err
		})
		if err == nil && job == nil { // a repeat
			job, err = tx.LockJob(ctx, result.ID)
		}
		return err
	})
	return job, err
}

// Messages lists how a document that the actor sees was sent to other institutions, the first time first.
func (d *Desk) Messages(ctx context.Context, by *mesa.Actor, id mesa.DocumentID) ([]*mesa.ExchangeMessage, error) {
	if err := by.RequireEverywhere(mesa.MayExchange); err != nil {
		return nil, d.Deny(ctx, by, err)
	}
	if _, err := d.db.View(by).Document(ctx, db.DocumentBy{ID: id}); err != nil {
		return nil, onField(err, "documentId")
	}
	return d.db.MessagesOfDocument(ctx, id)
}

// MayExchange is Forbidden, and recorded, unless the actor may look at integrations and send.
func (d *Desk) MayExchange(ctx context.Context, by *mesa.Actor) error {
	if err := by.RequireEverywhere(mesa.MayExchange); err != nil {
		return d.Deny(ctx, by, err)
	}
	return nil
}

// baseURL cleans an address that was typed.
func baseURL(text string) string { return strings.TrimRight(line(text), "/") }
