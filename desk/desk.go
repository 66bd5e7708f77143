// Package desk does the work: one file per verb, each verb one transaction that checks, changes rows and appends events.
//
// The rules are in mesa (File), the SQL in db. A verb loads the file of a document under lock, lets the rules change it and
// stores what changed; what the world sees follows from the committed events.
package desk

import (
	"context"
	"log/slog"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/auth"
	"github.com/mesapartes/mesa/internal/exchange"
	"github.com/mesapartes/mesa/mesa"
)

// Desk does the work on a database.
type Desk struct {
	db        *db.DB
	log       *slog.Logger
	passwords *auth.Passwords
	peers     *exchange.Peers // nil: no institution is called
}

// New makes a desk. A nil log discards.
func New(db *db.DB, log *slog.Logger) *Desk {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Desk{db: db, log: log, passwords: auth.NewPasswords()}
}

// write runs a verb in one transaction. A permission that was missing is recorded in a transaction of its own.
func (d *Desk) write(ctx context.Context, by *mesa.Actor, verb func(tx *db.Tx) error) error {
	err := d.db.InTx(ctx, verb)
	if mesa.CodeOf(err) == mesa.Forbidden {
		d.recordDenial(ctx, by, err)
	}
	return err
}

// Deny records a missing permission of a read; the error comes back for the caller to return.
func (d *Desk) Deny(ctx context.Context, by *mesa.Actor, err error) error {
	d.recordDenial(ctx, by, err)
	return err
}

// recordDenial writes access.denied. It outlives the request: whoever is refused must not escape the record by hanging up.
func (d *Desk) recordDenial(ctx context.Context, by *mesa.Actor, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := d.db.InTx(ctx, func(tx *db.Tx) error {
		return note(ctx, tx, by, mesa.AccessDenied, "", about{Text: cause.Error()})
	})
	if err != nil {
		d.log.ErrorContext(ctx, "denied attempt not recorded", "actor", by.ID(), "error", err)
	}
}

// RecordReads records that somebody is given what is in confidential documents.
func (d *Desk) RecordReads(ctx context.Context, by *mesa.Actor, ids []mesa.DocumentID) error {
	return d.db.InTx(ctx, func(tx *db.Tx) error {
		events := make([]*mesa.Event, len(ids))
		for i, id := range ids {
			events[i] = mesa.NewEvent(tx.IDs(), by, tx.Now(), mesa.ConfidentialRead)
			events[i].DocumentID, events[i].Text = id, "Leyó un expediente confidencial"
		}
		return tx.AppendEvents(ctx, events)
	})
}

// onDocument runs a verb that needs a permission on the file of a document: lock, check the version, let the rule change it, store.
func (d *Desk) onDocument(ctx context.Context, by *mesa.Actor, p mesa.Permission, id mesa.DocumentID, expected *int, rule func(tx *db.Tx, f *mesa.File) error) (doc *mesa.Document, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		doc, err = d.documentInTx(ctx, tx, by, p, id, expected, rule)
		return err
	})
	return doc, err
}

// onceOnDocument is onDocument for verbs that may come with an idempotency key: a repeat gives the document as it stands by now.
func (d *Desk) onceOnDocument(ctx context.Context, by *mesa.Actor, p mesa.Permission, id mesa.DocumentID, expected *int, key *string, input any, rule func(tx *db.Tx, f *mesa.File) error) (doc *mesa.Document, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		doc = nil // what an earlier try of the transaction left
		err := tx.Once(ctx, by, key, input, new(struct{}), func() (err error) {
			doc, err = d.documentInTx(ctx, tx, by, p, id, expected, rule)
			return err
		})
		if err == nil && doc == nil { // a repeat
			doc, err = tx.View(by).Document(ctx, db.DocumentBy{ID: id})
		}
		return err
	})
	return doc, err
}

func (d *Desk) documentInTx(ctx context.Context, tx *db.Tx, by *mesa.Actor, p mesa.Permission, id mesa.DocumentID, expected *int, rule func(tx *db.Tx, f *mesa.File) error) (*mesa.Document, error) {
	f, err := tx.DocumentFile(ctx, by, p, id, "documentId")
	if err != nil {
		return nil, err
	}
	if err := mesa.ExpectVersion(expected, f.Doc.Version); err != nil {
		return nil, err
	}
	if err := rule(tx, f); err != nil {
		return nil, err
	}
	return f.Doc, tx.SaveFile(ctx, f)
}

// onLeg runs a verb on the file of a leg, like onDocument.
func (d *Desk) onLeg(ctx context.Context, by *mesa.Actor, id mesa.DerivationID, expected *int, rule func(tx *db.Tx, f *mesa.File) error) (doc *mesa.Document, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		doc, err = d.legInTx(ctx, tx, by, id, expected, rule)
		return err
	})
	return doc, err
}

func (d *Desk) legInTx(ctx context.Context, tx *db.Tx, by *mesa.Actor, id mesa.DerivationID, expected *int, rule func(tx *db.Tx, f *mesa.File) error) (*mesa.Document, error) {
	f, err := tx.DerivationFile(ctx, by, id, "derivationId")
	if err != nil {
		return nil, err
	}
	if err := mesa.ExpectVersion(expected, f.Leg(id).Version); err != nil {
		return nil, err
	}
	if err := rule(tx, f); err != nil {
		return nil, err
	}
	return f.Doc, tx.SaveFile(ctx, f)
}

// onceOnLeg is onLeg for verbs that may come with an idempotency key. It gives the legs that the rule does, and the document, after a repeat as
// they stand by now.
func (d *Desk) onceOnLeg(ctx context.Context, by *mesa.Actor, id mesa.DerivationID, expected *int, key *string, input any, rule func(tx *db.Tx, f *mesa.File) ([]*mesa.Derivation, error)) (legs []*mesa.Derivation, doc *mesa.Document, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		legs, doc = nil, nil // what an earlier try of the transaction left
		var done derived
		err := tx.Once(ctx, by, key, input, &done, func() error {
			doc, err = d.legInTx(ctx, tx, by, id, expected, func(tx *db.Tx, f *mesa.File) error {
				legs, err = rule(tx, f)
				return err
			})
			if err == nil {
				done = asDone(legs)
			}
			return err
		})
		if err != nil || doc != nil {
			return err
		}
		if done.IDs == nil { // of an attention, by a version that did not remember it
			done.IDs = []mesa.DerivationID{id}
		}
		legs, doc, err = done.found(ctx, tx.View(by), "derivationId")
		return err
	})
	return legs, doc, err
}

// about is what is told of an act beside who did it to what.
type about struct {
	Text    string
	Reason  mesa.Text
	Changes map[string]mesa.Change
}

// note records what somebody did to something that is no document; object is its id, "" when there is none.
func note(ctx context.Context, tx *db.Tx, by *mesa.Actor, what mesa.EventType, object string, a about) error {
	e := mesa.NewEvent(tx.IDs(), by, tx.Now(), what)
	e.ObjectID, e.Text, e.Reason, e.Changes = object, a.Text, a.Reason, a.Changes
	return tx.AppendEvents(ctx, []*mesa.Event{e})
}
