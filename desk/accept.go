package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// RegisterSubmissionInput is a submission that the desk accepts; what is not given stays as it was submitted.
type RegisterSubmissionInput struct {
	DocumentID      mesa.DocumentID
	TypeID          mesa.DocumentTypeID
	CategoryID      mesa.CategoryID
	Priority        mesa.Priority
	Confidentiality mesa.Confidentiality
	Tags            []string
	Notes           *string
	DueOn           mesa.Date
	ExpectedVersion *int
	IdempotencyKey  *string
}

// RegisterSubmission accepts a submission (T3): number, due date, and the registrar follows it, as with a document at the counter.
func (d *Desk) RegisterSubmission(ctx context.Context, by *mesa.Actor, in RegisterSubmissionInput) (*mesa.Document, error) {
	return d.onceOnDocument(ctx, by, mesa.MayRegister, in.DocumentID, in.ExpectedVersion, in.IdempotencyKey, in, func(tx *db.Tx, f *mesa.File) error {
		if err := f.RegisterSubmission(in.acceptance()); err != nil {
			return err
		}
		_, err := tx.Watch(ctx, by.UserID, f.Doc.ID, true)
		return err
	})
}

func (in RegisterSubmissionInput) acceptance() mesa.Acceptance {
	a := mesa.Acceptance{TypeID: in.TypeID, CategoryID: in.CategoryID, Priority: in.Priority, Confidentiality: in.Confidentiality, DueOn: in.DueOn}
	if in.Tags != nil {
		a.Tags = &in.Tags
	}
	if in.Notes != nil {
		notes := optionalLines(in.Notes)
		a.Notes = &notes
	}
	return a
}
