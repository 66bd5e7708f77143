package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Acknowledge takes note of a copy (D9).
func (d *Desk) Acknowledge(ctx context.Context, by *mesa.Actor, in DerivationInput) (leg *mesa.Derivation, err error) {
	_, err = d.onLeg(ctx, by, in.DerivationID, in.ExpectedVersion, func(_ *db.Tx, f *mesa.File) error {
		leg, err = f.Acknowledge(in.DerivationID)
		return err
	})
	return leg, err
}
