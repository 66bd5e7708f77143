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
func (d *Desk) Attend(ctx context.Context, by *mesa.Actor, in AttendDerivationInput) (*mesa.Derivation, *mesa.Document, error) {
	legs, doc, err := d.onceOnLeg(ctx, by, in.DerivationID, in.ExpectedVersion, in.IdempotencyKey, in, func(tx *db.Tx, f *mesa.File) ([]*mesa.Derivation, error) {
		next := cleanTargets(in.Next)
		leg, err := f.Attend(in.DerivationID, lines(in.ClosingNotes), in.Outcome, next)
		if err != nil {
			return nil, err
		}
		return []*mesa.Derivation{leg}, d.checkAssignees(ctx, tx, by, next, "next")
	})
	if err != nil {
		return nil, nil, err
	}
	return legs[0], doc, nil
}
