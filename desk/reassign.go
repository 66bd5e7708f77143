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
}

// Reassign moves an open leg to another area (D7).
func (d *Desk) Reassign(ctx context.Context, by *mesa.Actor, in ReassignDerivationInput) (leg, replacement *mesa.Derivation, err error) {
	_, err = d.onLeg(ctx, by, in.DerivationID, in.ExpectedVersion, func(_ *db.Tx, f *mesa.File) error {
		leg, replacement, err = f.Reassign(in.DerivationID, in.AreaID, string(optionalLines(in.Instructions)), in.DueOn, lines(in.Reason))
		return err
	})
	return leg, replacement, err
}
