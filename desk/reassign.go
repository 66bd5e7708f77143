package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// ReassignDerivationInput says which leg moves where and why.
type ReassignDerivationInput struct {
	DerivationID    mesa.DerivationID
	AreaID          mesa.AreaID
	Reason          string
	Instructions    *string
	DueOn           mesa.Date
	ExpectedVersion *int
	IdempotencyKey  *string
}

// Reassign moves an open leg to another area (D7).
func (d *Desk) Reassign(ctx context.Context, by *mesa.Actor, in ReassignDerivationInput) (leg, replacement *mesa.Derivation, err error) {
	legs, _, err := d.onceOnLeg(ctx, by, in.DerivationID, in.ExpectedVersion, in.IdempotencyKey, struct{ Reassign ReassignDerivationInput }{in}, func(_ *db.Tx, f *mesa.File) ([]*mesa.Derivation, error) {
		leg, replacement, err := f.Reassign(in.DerivationID, in.AreaID, string(optionalLines(in.Instructions)), in.DueOn, lines(in.Reason))
		return []*mesa.Derivation{leg, replacement}, err
	})
	if err != nil {
		return nil, nil, err
	}
	return legs[0], legs[1], nil
}
