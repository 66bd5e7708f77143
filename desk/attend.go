package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// AttendDerivationInput is how a leg is ended.
type AttendDerivationInput struct {
	DerivationID    mesa.DerivationID
	ClosingNotes    string
	Outcome         mesa.Outcome
	Next            []mesa.DerivationTargetInput
	ExpectedVersion *int
	IdempotencyKey  *string
}

// Attend ends a received leg (D3); the last one ends the document (T11).
func (d *Desk) Attend(ctx context.Context, by *mesa.Actor, in AttendDerivationInput) (leg *mesa.Derivation, doc *mesa.Document, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		leg, doc = nil, nil // what an earlier try of the transaction left
		var done derived
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &done, func() error {
			doc, err = d.legInTx(ctx, tx, by, in.DerivationID, in.ExpectedVersion, func(tx *db.Tx, f *mesa.File) error {
				next := cleanTargets(in.Next)
				if leg, err = f.Attend(in.DerivationID, lines(in.ClosingNotes), in.Outcome, next); err != nil {
					return err
				}
				return d.checkAssignees(ctx, tx, by, next, "next")
			})
			return err
		})
		if err == nil && leg == nil { // a repeat
			legs, its, err := findLegs(ctx, tx.View(by), []mesa.DerivationID{in.DerivationID})
			if err != nil {
				return err
			}
			leg, doc = legs[0], its
		}
		return err
	})
	return leg, doc, err
}

// findLegs is legs of one document in the order of their ids, and the document; NotFound when one is not there.
func findLegs(ctx context.Context, view *db.View, ids []mesa.DerivationID) ([]*mesa.Derivation, *mesa.Document, error) {
	found, err := view.DerivationsByID(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	legs := make([]*mesa.Derivation, len(ids))
	for i, id := range ids {
		if legs[i] = found[id]; legs[i] == nil {
			return nil, nil, mesa.ErrNotFound("derivationId")
		}
	}
	doc, err := view.Document(ctx, db.DocumentBy{ID: legs[0].DocumentID})
	return legs, doc, err
}
