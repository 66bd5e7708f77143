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
	IdempotencyKey  *string
}

// Reject sends a pending leg back unopened (D4).
func (d *Desk) Reject(ctx context.Context, by *mesa.Actor, in DerivationReasonInput) (leg, back *mesa.Derivation, err error) {
	legs, _, err := d.onceOnLeg(ctx, by, in.DerivationID, in.ExpectedVersion, in.IdempotencyKey, struct{ Reject DerivationReasonInput }{in}, func(_ *db.Tx, f *mesa.File) ([]*mesa.Derivation, error) {
		leg, back, err := f.Reject(in.DerivationID, lines(in.Reason))
		return []*mesa.Derivation{leg, back}, err
	})
	if err != nil {
		return nil, nil, err
	}
	return legs[0], legs[1], nil
}

// Return sends a received leg back (D5).
func (d *Desk) Return(ctx context.Context, by *mesa.Actor, in DerivationReasonInput) (leg, back *mesa.Derivation, err error) {
	legs, _, err := d.onceOnLeg(ctx, by, in.DerivationID, in.ExpectedVersion, in.IdempotencyKey, struct{ Return DerivationReasonInput }{in}, func(_ *db.Tx, f *mesa.File) ([]*mesa.Derivation, error) {
		leg, back, err := f.Return(in.DerivationID, lines(in.Reason))
		return []*mesa.Derivation{leg, back}, err
	})
	if err != nil {
		return nil, nil, err
	}
	return legs[0], legs[1], nil
}
