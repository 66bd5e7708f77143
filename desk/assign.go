package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// AssignDerivationInput says which leg goes to whom; an empty user is nobody.
type AssignDerivationInput struct {
	DerivationID    mesa.DerivationID
	UserID          mesa.UserID
	ExpectedVersion *int
}

// Assign gives an open leg to an active member of its area, or takes it away (D8).
func (d *Desk) Assign(ctx context.Context, by *mesa.Actor, in AssignDerivationInput) (leg *mesa.Derivation, err error) {
	_, err = d.onLeg(ctx, by, in.DerivationID, in.ExpectedVersion, func(tx *db.Tx, f *mesa.File) error {
		if leg, err = f.Assign(in.DerivationID, in.UserID); err != nil || in.UserID == "" {
			return err
		}
		return d.checkMember(ctx, tx, by, in.UserID, leg.ToID, "userId")
	})
	return leg, err
}
