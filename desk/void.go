package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// VoidDocumentInput says which document is cancelled and why.
type VoidDocumentInput struct {
	DocumentID      mesa.DocumentID
	Reason          string
	ExpectedVersion *int
}

// Void cancels a document that was never derived (T15).
func (d *Desk) Void(ctx context.Context, by *mesa.Actor, in VoidDocumentInput) (*mesa.Document, error) {
	return d.onDocument(ctx, by, mesa.MayVoid, in.DocumentID, in.ExpectedVersion, func(_ *db.Tx, f *mesa.File) error { return f.Void(lines(in.Reason)) })
}
