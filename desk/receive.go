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
	IdempotencyKey  *string
}

// Receive takes a pending leg in hand (D2).
func (d *Desk) Receive(ctx context.Context, by *mesa.Actor, in DerivationInput) (*mesa.Derivation, error) {
	legs, _, err := d.onceOnLeg(ctx, by, in.DerivationID, in.ExpectedVersion, in.IdempotencyKey, struct{ Receive DerivationInput }{in}, func(_ *db.Tx, f *mesa.File) ([]*mesa.Derivation, error) {
		leg, err := f.Receive(in.DerivationID)
		return []*mesa.Derivation{leg}, err
	})
	if err != nil {
		return nil, err
	}
	return legs[0], nil
}
