package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// ReopenDocumentInput says which document goes back to work, where and why.
type ReopenDocumentInput struct {
	DocumentID      mesa.DocumentID
	AreaID          mesa.AreaID
	Reason          string
	ExpectedVersion *int
	IdempotencyKey  *string
}

// Reopen puts an attended document back to work in an area (T12).
func (d *Desk) Reopen(ctx context.Context, by *mesa.Actor, in ReopenDocumentInput) (*mesa.Document, error) {
	return d.onceOnDocument(ctx, by, mesa.MayReopen, in.DocumentID, in.ExpectedVersion, in.IdempotencyKey, struct{ Reopen ReopenDocumentInput }{in}, func(_ *db.Tx, f *mesa.File) error {
		return f.Reopen(in.AreaID, lines(in.Reason))
	})
}
