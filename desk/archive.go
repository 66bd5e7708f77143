package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// ArchiveDocumentInput says which document is shelved and how.
type ArchiveDocumentInput struct {
	DocumentID      mesa.DocumentID
	Classification  mesa.ArchiveClassification
	PolicyCode      string
	PhysicalPlace   *string
	ExpectedVersion *int
	IdempotencyKey  *string
}

// Archive shelves a document (T13).
func (d *Desk) Archive(ctx context.Context, by *mesa.Actor, in ArchiveDocumentInput) (doc *mesa.Document, record *mesa.ArchiveRecord, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		doc, record = nil, nil // what an earlier try of the transaction left
		var result struct{ ID mesa.ArchiveRecordID }
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() error {
			f, err := tx.DocumentFile(ctx, by, mesa.MayArchive, in.DocumentID, "documentId")
			if err != nil {
				return err
			}
			if err := mesa.ExpectVersion(in.ExpectedVersion, f.Doc.Version); err != nil {
				return err
			}
			if record, err = f.Archive(in.Classification, line(in.PolicyCode), optionalLine(in.PhysicalPlace)); err != nil {
				return err
			}
			doc, result.ID = f.Doc, record.ID
			return tx.SaveFile(ctx, f)
		})
		if err == nil && doc == nil { // a repeat
			doc, record, err = asArchived(ctx, tx.View(by), in.DocumentID, result.ID)
		}
		return err
	})
	return doc, record, err
}

func asArchived(ctx context.Context, view *db.View, id mesa.DocumentID, record mesa.ArchiveRecordID) (*mesa.Document, *mesa.ArchiveRecord, error) {
	doc, err := view.Document(ctx, db.DocumentBy{ID: id})
	if err != nil {
		return nil, nil, err
	}
	records, err := view.ArchiveRecordsByID(ctx, []mesa.ArchiveRecordID{record})
	return doc, records[record], err
}

// UpdateArchiveRecordInput says where an archived document lies now.
type UpdateArchiveRecordInput struct {
	RecordID        mesa.ArchiveRecordID
	PhysicalPlace   *string
	ExpectedVersion *int
}

// MoveRecord notes where an archived document lies now.
func (d *Desk) MoveRecord(ctx context.Context, by *mesa.Actor, in UpdateArchiveRecordInput) (doc *mesa.Document, record *mesa.ArchiveRecord, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		f, err := tx.ArchiveFile(ctx, by, mesa.MayManageArchive, in.RecordID, "recordId")
		if err != nil {
			return err
		}
		if err := mesa.ExpectVersion(in.ExpectedVersion, f.Doc.Version); err != nil {
			return err
		}
		if record, err = f.MoveRecord(in.RecordID, optionalLine(in.PhysicalPlace)); err != nil {
			return err
		}
		doc = f.Doc
		return tx.SaveFile(ctx, f)
	})
	return doc, record, err
}
