package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Recall takes a leg back before it is received (D6).
func (d *Desk) Recall(ctx context.Context, by *mesa.Actor, in DerivationReasonInput) (*mesa.Derivation, *mesa.Document, error) {
	legs, doc, err := d.onceOnLeg(ctx, by, in.DerivationID, in.ExpectedVersion, in.IdempotencyKey, struct{ Recall DerivationReasonInput }{in}, func(_ *db.Tx, f *mesa.File) ([]*mesa.Derivation, error) {
		leg, err := f.Recall(in.DerivationID, lines(in.Reason))
		return []*mesa.Derivation{leg}, err
	})
	if err != nil {
		return nil, nil, err
	}
	return legs[0], doc, nil
}
