package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// DeclineSubmissionInput says which submission is refused and what the sender is told.
type DeclineSubmissionInput struct {
	DocumentID      mesa.DocumentID
	Reason          mesa.NotFiledReason
	Text            string
	ExpectedVersion *int
	IdempotencyKey  *string
}

// Decline refuses a submission (T4).
func (d *Desk) Decline(ctx context.Context, by *mesa.Actor, in DeclineSubmissionInput) (*mesa.Document, error) {
	return d.onceOnDocument(ctx, by, mesa.MayObserve, in.DocumentID, in.ExpectedVersion, in.IdempotencyKey, in, func(_ *db.Tx, f *mesa.File) error {
		return f.Decline(in.Reason, lines(in.Text))
	})
}
