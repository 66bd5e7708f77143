package db

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// View is the database as one actor may see it. Every look at documents and what hangs on them goes through it.
type View struct {
	db    *DB
	idb   bun.IDB
	actor *mesa.Actor
	cat   *mesa.Catalogue // the actor's
	scope mesa.Scope
	today mesa.Date

	documents, legs Fields // what is read of these
}

// View is what an actor sees now.
func (db *DB) View(actor *mesa.Actor) *View {
	cat := actor.Catalogue
	return &View{db: db, idb: db.read, actor: actor, cat: cat, scope: actor.Scope(), today: cat.Today(db.Now()), documents: AllFields, legs: AllFields}
}

// Reading is the view with documents and legs of which these fields are read, besides those that tell which ones they are; the others are zero.
// What is made from whole documents, such as figures, lists of all legs and trays, stays whole.
func (v *View) Reading(documents, legs Fields) *View {
	narrow := *v
	narrow.documents, narrow.legs = documents|documentKeys, legs|legKeys
	return &narrow
}

// The fields that tell which document or leg something is.
var (
	documentKeys = FieldsOf[mesa.Document]("ID")
	legKeys      = FieldsOf[mesa.Derivation]("ID", "DocumentID")
)

// selects makes a query read some fields of a row of T, under the alias that bun gives it.
func selects[T any](db *DB, q *bun.SelectQuery, set Fields) *bun.SelectQuery {
	if set == AllFields {
		return q
	}
	table := db.read.Table(reflect.TypeFor[T]())
	return q.ColumnExpr(string(columns(nil, table, string(table.SQLAlias), set)))
}

// View is what an actor sees from within the transaction.
func (tx *Tx) View(actor *mesa.Actor) *View {
	v := tx.db.View(actor)
	v.idb = tx.Tx
	return v
}

// Actor is whose view it is.
func (v *View) Actor() *mesa.Actor { return v.actor }

// Catalogue is the catalogue that the view works with.
func (v *View) Catalogue() *mesa.Catalogue { return v.cat }

// Today is the local date of the view.
func (v *View) Today() mesa.Date { return v.today }

// reaching is the view of an actor who uses a permission. One that holds in the whole institution reaches all documents but the
// confidential ones of others: an archivist shelves what never passed their area.
func (v *View) reaching(p mesa.Permission) *View {
	if !v.actor.MayEverywhere(p) {
		return v
	}
	wider := *v
	for _, grade := range []mesa.Confidentiality{mesa.Public, mesa.Restricted} {
		if !slices.Contains(wider.scope.Open, grade) {
			wider.scope.Open = append(slices.Clone(wider.scope.Open), grade)
		}
	}
	return &wider
}

// visible keeps the rows of table documents, under the alias "document", that the actor may see.
func (v *View) visible(q *bun.SelectQuery) *bun.SelectQuery {
	if v.actor.Kind == mesa.ActorSystem || len(v.scope.Open) == len(mesa.Confidentialities) {
		return q
	}
	const access = "EXISTS (SELECT 1 FROM document_access AS a WHERE a.document_id = document.id AND a.grantee IN (?))"
	switch {
	case len(v.scope.Open) == 0 && len(v.scope.Grantees) == 0:
		return q.Where("1 = 0")
	case len(v.scope.Open) == 0:
		return q.Where(access, bun.List(v.scope.Grantees))
	case len(v.scope.Grantees) == 0:
		return q.Where("document.confidentiality IN (?)", bun.List(v.scope.Open))
	}
	// The offset keeps PostgreSQL from reading all that the actor was given access to into a hash, for the few rows that need it.
	return q.Where("(document.confidentiality IN (?) OR "+strings.TrimSuffix(access, ")")+" LIMIT 1 OFFSET 0))", bun.List(v.scope.Open), bun.List(v.scope.Grantees))
}

// sawAll notes that an answer is made from all documents that the actor sees: a change of any of them may change it.
func (v *View) sawAll(ctx context.Context) {
	if len(v.scope.Open) > 0 || v.actor.Kind == mesa.ActorSystem {
		mesa.Saw(ctx, mesa.AnyDocument)
		return
	}
	for _, g := range v.scope.Grantees {
		mesa.Saw(ctx, mesa.ParticipantTag(g))
	}
}

// sawOf notes that an answer is made from the documents in which areas take part. An area takes part in whatever it holds, registered
// or was sent, for ever.
func sawOf(ctx context.Context, areas ...mesa.AreaID) {
	for _, a := range areas {
		mesa.Saw(ctx, mesa.ParticipantTag(string(a)))
	}
}

// saw notes that an answer is made from documents with what hangs on them, or from their absence.
func saw(ctx context.Context, ids ...mesa.DocumentID) {
	tags := make([]mesa.Tag, len(ids))
	for i, id := range ids {
		tags[i] = mesa.DocumentTag(id)
	}
	mesa.Saw(ctx, tags...)
}

// sawParts notes that an answer is made from parts of documents, such as legs; one that was not found may belong to any document.
func sawParts[K comparable, V any](ctx context.Context, v *View, asked []K, found map[K]*V, document func(*V) mesa.DocumentID) {
	for _, part := range found {
		saw(ctx, document(part))
	}
	if len(found) < len(asked) {
		v.sawAll(ctx)
	}
}

// byID makes the map that loaders want from rows.
func byID[K comparable, V any](rows []*V, key func(*V) K) map[K]*V {
	m := make(map[K]*V, len(rows))
	for _, row := range rows {
		m[key(row)] = row
	}
	return m
}

// DocumentsByID finds the visible ones among documents; the others are missing from the map.
func (v *View) DocumentsByID(ctx context.Context, ids []mesa.DocumentID) (map[mesa.DocumentID]*mesa.Document, error) {
	saw(ctx, ids...)
	var rows []*mesa.Document
	if err := v.visible(selects[mesa.Document](v.db, v.idb.NewSelect().Model(&rows), v.documents).Where("document.id IN (?)", bun.List(ids))).Scan(ctx); err != nil {
		return nil, fmt.Errorf("documents by id: %w", err)
	}
	return byID(rows, func(d *mesa.Document) mesa.DocumentID { return d.ID }), nil
}

// DocumentBy is one way to name a document; exactly one field is set.
type DocumentBy struct {
	ID           mesa.DocumentID
	FileNumber   string // in any case
	TrackingCode string // as people write it
}

// Document finds a visible document; NotFound when there is none.
func (v *View) Document(ctx context.Context, by DocumentBy) (*mesa.Document, error) {
	doc := &mesa.Document{}
	q := selects[mesa.Document](v.db, v.idb.NewSelect().Model(doc), v.documents)
	switch {
	case by.ID != "":
		q = q.Where("document.id = ?", by.ID)
	case by.FileNumber != "":
		q = q.Where("document.file_number = ?", strings.ToUpper(strings.TrimSpace(by.FileNumber)))
	default:
		code, err := mesa.ParseTrackingCode(by.TrackingCode)
		if err != nil {
			return nil, mesa.ErrNotFound("")
		}
		q = q.Where("document.tracking_code = ?", code)
	}
	if err := v.visible(q).Scan(ctx); err != nil {
		v.sawAll(ctx)
		return nil, notFound(err, "", "find document")
	}
	saw(ctx, doc.ID)
	return doc, nil
}

// DerivationsByID finds legs of visible documents; the others are missing from the map.
func (v *View) DerivationsByID(ctx context.Context, ids []mesa.DerivationID) (map[mesa.DerivationID]*mesa.Derivation, error) {
	var rows []*mesa.Derivation
	q := selects[mesa.Derivation](v.db, v.idb.NewSelect().Model(&rows), v.legs).Join("JOIN documents AS document ON document.id = derivation.document_id").
		Where("derivation.id IN (?)", bun.List(ids))
	if err := v.visible(q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("derivations by id: %w", err)
	}
	found := byID(rows, func(l *mesa.Derivation) mesa.DerivationID { return l.ID })
	sawParts(ctx, v, ids, found, func(l *mesa.Derivation) mesa.DocumentID { return l.DocumentID })
	return found, nil
}

// LegsByDocument lists all legs of each document in the order they were sent; every key is there, with an empty list if need be.
// The documents must come from this view.
func (v *View) LegsByDocument(ctx context.Context, ids []mesa.DocumentID) (map[mesa.DocumentID][]*mesa.Derivation, error) {
	saw(ctx, ids...)
	var rows []*mesa.Derivation
	if err := v.idb.NewSelect().Model(&rows).Where("document_id IN (?)", bun.List(ids)).Order("document_id", "id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("legs by document: %w", err)
	}
	return grouped(ids, rows, func(l *mesa.Derivation) mesa.DocumentID { return l.DocumentID }), nil
}

// ArchiveRecordsByDocument lists the stays in the archive of each document, oldest first; every key is there.
// The documents must come from this view.
func (v *View) ArchiveRecordsByDocument(ctx context.Context, ids []mesa.DocumentID) (map[mesa.DocumentID][]*mesa.ArchiveRecord, error) {
	saw(ctx, ids...)
	var rows []*mesa.ArchiveRecord
	if err := v.idb.NewSelect().Model(&rows).Where("document_id IN (?)", bun.List(ids)).Order("document_id", "id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("archive records by document: %w", err)
	}
	return grouped(ids, rows, func(r *mesa.ArchiveRecord) mesa.DocumentID { return r.DocumentID }), nil
}

// ArchiveRecordsByID finds records of visible documents; the others are missing from the map.
func (v *View) ArchiveRecordsByID(ctx context.Context, ids []mesa.ArchiveRecordID) (map[mesa.ArchiveRecordID]*mesa.ArchiveRecord, error) {
	var rows []*mesa.ArchiveRecord
	q := v.idb.NewSelect().Model(&rows).Join("JOIN documents AS document ON document.id = archive_record.document_id").
		Where("archive_record.id IN (?)", bun.List(ids))
	if err := v.visible(q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("archive records by id: %w", err)
	}
	found := byID(rows, func(r *mesa.ArchiveRecord) mesa.ArchiveRecordID { return r.ID })
	sawParts(ctx, v, ids, found, func(r *mesa.ArchiveRecord) mesa.DocumentID { return r.DocumentID })
	return found, nil
}

func grouped[K comparable, V any](ids []K, rows []*V, parent func(*V) K) map[K][]*V {
	m := make(map[K][]*V, len(ids))
	for _, id := range ids {
		m[id] = []*V{}
	}
	for _, row := range rows {
		m[parent(row)] = append(m[parent(row)], row)
	}
	return m
}

// AreaMembers lists the active members of an area, by name.
func (v *View) AreaMembers(ctx context.Context, area mesa.AreaID) ([]*mesa.User, error) {
	users := []*mesa.User{}
	err := v.idb.NewSelect().Model(&users).Join("JOIN memberships AS m ON m.user_id = ?TableAlias.id").
		Where("m.area_id = ? AND ?TableAlias.is_active", area).Where("m.from_on <= ? AND (m.until_on IS NULL OR m.until_on >= ?)", v.today, v.today).
		Order("full_name", "id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("area members: %w", err)
	}
	return users, nil
}
