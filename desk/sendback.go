package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// DerivationReasonInput names a leg and says why.
type DerivationReasonInput struct {
	DerivationID    mesa.DerivationID
	Reason          string
	ExpectedVersion *int
}

// Reject sends a pending leg back unopened (D4).
func (d *Desk) Reject(ctx context.Context, by *mesa.Actor, in DerivationReasonInput) (leg, back *mesa.Derivation, err error) {
	_, err = d.onLeg(ctx, by, in.DerivationID, in.ExpectedVersion, func(_ *db.Tx, f *mesa.File) error {
		leg, back, err = f.Reject(in.DerivationID, lines(in.Reason))
		return err
	})
	return leg, back, err
}

// Return sends a received leg back (D5).
func (d *Desk) Return(ctx context.Context, by *mesa.Actor, in DerivationReasonInput) (leg, back *mesa.Derivation, err error) {
	_, err = d.onLeg(ctx, by, in.DerivationID, in.ExpectedVersion, func(_ *db.Tx, f *mesa.File) error {
		leg, back, err = f.Return(in.DerivationID, lines(in.Reason))
		return err
	})
	return leg, back, err
}
