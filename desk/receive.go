package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// DerivationInput names a leg.
type DerivationInput struct {
	DerivationID    mesa.DerivationID
	ExpectedVersion *int
}

// Receive takes a pending leg in hand (D2).
func (d *Desk) Receive(ctx context.Context, by *mesa.Actor, in DerivationInput) (leg *mesa.Derivation, err error) {
	_, err = d.onLeg(ctx, by, in.DerivationID, in.ExpectedVersion, func(_ *db.Tx, f *mesa.File) error {
		leg, err = f.Receive(in.DerivationID)
		return err
	})
	return leg, err
}
