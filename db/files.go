package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// documentRow is a document as it is stored, with the text that searches look at.
type documentRow struct {
	mesa.Document `bun:"table:documents,alias:document,extend"`
	SearchText    string
}

func rowOf(d *mesa.Document) *documentRow {
	return &documentRow{Document: *d, SearchText: searchText(d.SearchTerms())}
}

// DocumentFile locks a document that the actor sees, or reaches with a permission, and opens its file for a verb; NotFound of the
// field when there is none.
func (tx *Tx) DocumentFile(ctx context.Context, by *mesa.Actor, p mesa.Permission, id mesa.DocumentID, field string) (*mesa.File, error) {
	return tx.openFile(ctx, tx.View(by).reaching(p), "document.id = ?", string(id), field)
}

// DerivationFile locks the visible document of a leg and opens its file for a verb; NotFound of the field when there is none.
func (tx *Tx) DerivationFile(ctx context.Context, by *mesa.Actor, id mesa.DerivationID, field string) (*mesa.File, error) {
	return tx.openFile(ctx, tx.View(by), "document.id = (SELECT l.document_id FROM derivations AS l WHERE l.id = ?)", string(id), field)
}

// ArchiveFile locks the document of a stay in the archive that the actor sees, or reaches with a permission, and opens its file;
// NotFound of the field when there is none.
func (tx *Tx) ArchiveFile(ctx context.Context, by *mesa.Actor, p mesa.Permission, id mesa.ArchiveRecordID, field string) (*mesa.File, error) {
	return tx.openFile(ctx, tx.View(by).reaching(p), "document.id = (SELECT r.document_id FROM archive_records AS r WHERE r.id = ?)", string(id), field)
}

func (tx *Tx) openFile(ctx context.Context, view *View, where, id, field string) (*mesa.File, error) {
	doc := &mesa.Document{}
	q := view.visible(tx.NewSelect().Model(doc).Where(where, id))
	if err := tx.db.dialect.forUpdate(q, "document").Scan(ctx); err != nil {
		return nil, notFound(err, field, "lock document")
	}
	mesa.Listed(ctx, doc)
	legs, err := view.LegsByDocument(ctx, []mesa.DocumentID{doc.ID})
	if err != nil {
		return nil, err
	}
	var records []*mesa.ArchiveRecord
	if doc.State == mesa.Archived {
		byDocument, err := view.ArchiveRecordsByDocument(ctx, []mesa.DocumentID{doc.ID})
		if err != nil {
			return nil, err
		}
		records = byDocument[doc.ID]
	}
	return mesa.OpenFile(view.actor, tx.Now(), tx.IDs(), doc, legs[doc.ID], records), nil
}

// SaveFile numbers and stores what a verb did to a file, events last.
func (tx *Tx) SaveFile(ctx context.Context, f *mesa.File) error {
	changes := f.Changes()
	if len(changes.Events) == 0 {
		return nil // the verb changed nothing
	}
	isNewRecord := changes.Record != nil && changes.Record.LocationCode == ""
	if err := tx.number(ctx, f, changes); err != nil {
		return err
	}
	if err := tx.saveDocument(ctx, f.Doc, changes.IsNew); err != nil {
		return err
	}
	if len(changes.NewLegs) > 0 {
		if _, err := tx.NewInsert().Model(&changes.NewLegs).Exec(ctx); err != nil {
			return fmt.Errorf("insert legs: %w", err)
		}
	}
	for _, leg := range changes.Legs {
		if _, err := tx.NewUpdate().Model(leg).WherePK().Exec(ctx); err != nil {
			return fmt.Errorf("update leg: %w", err)
		}
	}
	if err := tx.saveRecord(ctx, changes.Record, isNewRecord); err != nil {
		return err
	}
	if err := tx.Grant(ctx, f.Doc.ID, changes.Grants); err != nil {
		return err
	}
	if err := tx.relieve(ctx, f.Doc.ID, changes.Relieved); err != nil {
		return err
	}
	return tx.AppendEvents(ctx, changes.Events)
}

func (tx *Tx) saveDocument(ctx context.Context, doc *mesa.Document, isNew bool) (err error) {
	if isNew {
		_, err = tx.NewInsert().Model(rowOf(doc)).Exec(ctx)
	} else {
		_, err = tx.NewUpdate().Model(rowOf(doc)).WherePK().Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("save document: %w", err)
	}
	return nil
}

func (tx *Tx) saveRecord(ctx context.Context, record *mesa.ArchiveRecord, isNew bool) (err error) {
	switch {
	case record == nil:
		return nil
	case isNew:
		_, err = tx.NewInsert().Model(record).Exec(ctx)
	default:
		_, err = tx.NewUpdate().Model(record).WherePK().Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("save archive record: %w", err)
	}
	return nil
}

// Grant lets areas and users see a document.
func (tx *Tx) Grant(ctx context.Context, id mesa.DocumentID, grantees []string) error {
	if len(grantees) == 0 {
		return nil
	}
	rows := make([]documentAccess, len(grantees))
	for i, g := range grantees {
		rows[i] = documentAccess{DocumentID: id, Grantee: g}
	}
	if _, err := tx.NewInsert().Model(&rows).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
		return fmt.Errorf("grant access: %w", err)
	}
	for _, g := range grantees {
		if mesa.KindOf(g) == mesa.UserNode {
			tx.touched.tag(mesa.GrantsTag(mesa.UserID(g)))
		}
	}
	return nil
}

// relieve takes a document from people who are assigned to it no longer, but for those who shelved or fetched it.
func (tx *Tx) relieve(ctx context.Context, id mesa.DocumentID, people []mesa.UserID) error {
	for _, u := range people {
		_, err := tx.NewRaw(`DELETE FROM document_access WHERE document_id = ? AND grantee = ?
			AND NOT EXISTS (SELECT 1 FROM archive_records AS r WHERE r.document_id = document_access.document_id AND ? IN (r.archived_by_id, r.restored_by_id))`, id, u, u).Exec(ctx)
		if err != nil {
			return fmt.Errorf("withdraw access: %w", err)
		}
		tx.touched.tag(mesa.GrantsTag(u))
		tx.touched.tag(mesa.ParticipantTag(string(u)))
	}
	return nil
}

type documentAccess struct {
	bun.BaseModel `bun:"table:document_access"`

	DocumentID mesa.DocumentID
	Grantee    string
}

// Watch makes a user follow a document, or (on false) no longer; it says whether anything changed.
func (tx *Tx) Watch(ctx context.Context, user mesa.UserID, id mesa.DocumentID, on bool) (bool, error) {
	statement := "INSERT INTO watches (user_id, document_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
	if !on {
		statement = "DELETE FROM watches WHERE user_id = ? AND document_id = ?"
	}
	result, err := tx.NewRaw(statement, user, id).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("watch: %w", err)
	}
	tx.touched.tag(mesa.WatchesTag(user))
	n, err := result.RowsAffected()
	return n > 0, err
}
