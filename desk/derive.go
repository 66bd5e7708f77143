package desk

import (
	"context"
	"fmt"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// DeriveDocumentInput is a document and where it goes.
type DeriveDocumentInput struct {
	DocumentID      mesa.DocumentID
	Targets         []mesa.DerivationTargetInput
	ExpectedVersion *int
	IdempotencyKey  *string
}

// Derive hands a document on to other areas (D1) from the area of the actor that holds it.
func (d *Desk) Derive(ctx context.Context, by *mesa.Actor, in DeriveDocumentInput) (doc *mesa.Document, legs []*mesa.Derivation, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		doc, legs, err = d.derive(ctx, tx, by, in)
		return err
	})
	return doc, legs, err
}

// derived is what is remembered under an idempotency key of a verb that gives legs of one document.
type derived struct{ IDs []mesa.DerivationID }

func asDone(legs []*mesa.Derivation) (done derived) {
	for _, leg := range legs {
		done.IDs = append(done.IDs, leg.ID)
	}
	return done
}

// found is the legs in the order in which they were given, and their document, as they stand by now; NotFound of a field when one is not there.
func (done derived) found(ctx context.Context, view *db.View, field string) ([]*mesa.Derivation, *mesa.Document, error) {
	found, err := view.DerivationsByID(ctx, done.IDs)
	if err != nil {
		return nil, nil, err
	}
	legs := make([]*mesa.Derivation, len(done.IDs))
	for i, id := range done.IDs {
		if legs[i] = found[id]; legs[i] == nil {
			return nil, nil, mesa.ErrNotFound(field)
		}
	}
	doc, err := view.Document(ctx, db.DocumentBy{ID: legs[0].DocumentID})
	return legs, doc, err
}

func (d *Desk) derive(ctx context.Context, tx *db.Tx, by *mesa.Actor, in DeriveDocumentInput) (doc *mesa.Document, legs []*mesa.Derivation, err error) {
	var result derived
	err = tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() error {
		f, err := tx.DocumentFile(ctx, by, mesa.MayDerive, in.DocumentID, "documentId")
		if err != nil {
			return err
		}
		if err := mesa.ExpectVersion(in.ExpectedVersion, f.Doc.Version); err != nil {
			return err
		}
		from, err := f.HolderFor(mesa.MayDerive)
		if err != nil {
			return err
		}
		targets := cleanTargets(in.Targets)
		if legs, err = f.Derive(from, targets); err != nil {
			return err
		}
		if err := d.checkAssignees(ctx, tx, by, targets, "targets"); err != nil {
			return err
		}
		doc, result = f.Doc, asDone(legs)
		return tx.SaveFile(ctx, f)
	})
	if err == nil && doc == nil { // a repeat
		legs, doc, err = result.found(ctx, tx.View(by), "")
	}
	return doc, legs, err
}

// checkAssignees makes sure that whoever is put in charge is an active member of the target area.
func (d *Desk) checkAssignees(ctx context.Context, tx *db.Tx, by *mesa.Actor, targets []mesa.DerivationTargetInput, field string) error {
	for i, t := range targets {
		if t.AssigneeID == "" {
			continue
		}
		if err := d.checkMember(ctx, tx, by, t.AssigneeID, t.AreaID, fmt.Sprintf("%s.%d.assigneeId", field, i)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Desk) checkMember(ctx context.Context, tx *db.Tx, by *mesa.Actor, user mesa.UserID, area mesa.AreaID, field string) error {
	ok, err := tx.IsMember(ctx, user, area, by.Catalogue.Today(tx.Now()))
	if err != nil {
		return err
	}
	if !ok {
		return mesa.Invalid(field, "La persona no es integrante activa del área.")
	}
	return nil
}
