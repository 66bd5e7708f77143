package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// ExtendDeadlineInput gives an open leg more time.
type ExtendDeadlineInput struct {
	DerivationID    mesa.DerivationID
	DueOn           mesa.Date
	Reason          string
	ExpectedVersion *int
}

// Extend moves the due date of an open leg, and the document's when it lies before (D10).
func (d *Desk) Extend(ctx context.Context, by *mesa.Actor, in ExtendDeadlineInput) (leg *mesa.Derivation, err error) {
	_, err = d.onLeg(ctx, by, in.DerivationID, in.ExpectedVersion, func(_ *db.Tx, f *mesa.File) error {
		leg, err = f.Extend(in.DerivationID, in.DueOn, lines(in.Reason))
		return err
	})
	return leg, err
}
