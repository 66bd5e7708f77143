package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// RestoreDocumentInput says which document leaves the archive, where it goes and why.
type RestoreDocumentInput struct {
	DocumentID      mesa.DocumentID
	AreaID          mesa.AreaID
	Reason          string
	ExpectedVersion *int
	IdempotencyKey  *string
}

// Restore takes a document out of the archive (T14).
func (d *Desk) Restore(ctx context.Context, by *mesa.Actor, in RestoreDocumentInput) (*mesa.Document, error) {
	return d.onceOnDocument(ctx, by, mesa.MayRestore, in.DocumentID, in.ExpectedVersion, in.IdempotencyKey, struct{ Restore RestoreDocumentInput }{in}, func(_ *db.Tx, f *mesa.File) error {
		return f.Restore(in.AreaID, lines(in.Reason))
	})
}
