package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Recall takes a leg back before it is received (D6).
func (d *Desk) Recall(ctx context.Context, by *mesa.Actor, in DerivationReasonInput) (leg *mesa.Derivation, doc *mesa.Document, err error) {
	doc, err = d.onLeg(ctx, by, in.DerivationID, in.ExpectedVersion, func(_ *db.Tx, f *mesa.File) error {
		leg, err = f.Recall(in.DerivationID, lines(in.Reason))
		return err
	})
	return leg, doc, err
}
