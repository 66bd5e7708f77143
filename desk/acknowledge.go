package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Acknowledge takes note of a copy (D9).
func (d *Desk) Acknowledge(ctx context.Context, by *mesa.Actor, in DerivationInput) (*mesa.Derivation, error) {
	legs, _, err := d.onceOnLeg(ctx, by, in.DerivationID, in.ExpectedVersion, in.IdempotencyKey, struct{ Acknowledge DerivationInput }{in}, func(_ *db.Tx, f *mesa.File) ([]*mesa.Derivation, error) {
		leg, err := f.Acknowledge(in.DerivationID)
		return []*mesa.Derivation{leg}, err
	})
	if err != nil {
		return nil, err
	}
	return legs[0], nil
}
