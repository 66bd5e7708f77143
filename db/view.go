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

	documents, legs, timelines Fields // what is read of these
}

// View is what an actor sees now.
func (db *DB) View(actor *mesa.Actor) *View {
	cat := actor.Catalogue
	return &View{db: db, idb: db.read, actor: actor, cat: cat, scope: actor.Scope(), today: cat.Today(db.Now()), documents: AllFields, legs: AllFields, timelines: AllFields}
}

// Reading is the view with documents, legs and events of timelines of which these fields are read, besides those that tell which ones they
// are; the others are zero. Lists of all legs, from which it is worked out what may be done, stay whole.
func (v *View) Reading(documents, legs, timelines Fields) *View {
	narrow := *v
	narrow.documents, narrow.legs, narrow.timelines = documents|documentKeys, legs|legKeys, timelines|eventKeys
	return &narrow
}

// The fields that tell which document, leg or event something is, and whether it is recorded who reads it.
var (
	documentKeys = FieldsOf[mesa.Document]("ID", "Confidentiality")
	legKeys      = FieldsOf[mesa.Derivation]("ID", "DocumentID")
	eventKeys    = FieldsOf[mesa.Event]("Seq", "ID", "DocumentID")
)

// selects makes a query read some fields of a row of T, under the alias that bun gives it.
func selects[T any](db *DB, q *bun.SelectQuery, set Fields) *bun.SelectQuery {
	if set == AllFields {
		return q
	}
	return q.ColumnExpr(columnsOf[T](db, string(db.read.Table(reflect.TypeFor[T]()).SQLAlias), set))
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
	if condition, args := v.sees(); condition != "" {
		q = q.Where(condition, args...)
	}
	return q
}

// sees is the condition for a row of table documents, under the alias "document", to be seen by the actor; "" when all are.
func (v *View) sees() (condition string, args []any) {
	if v.actor.Kind == mesa.ActorSystem || len(v.scope.Open) == len(mesa.Confidentialities) {
		return "", nil
	}
	open := "document.confidentiality IN ('" + strings.Join(texts(v.scope.Open), "', '") + "')"
	among, grantees := v.db.dialect.among("a.grantee", v.scope.Grantees)
	access := "EXISTS (SELECT 1 FROM document_access AS a WHERE a.document_id = document.id AND " + among
	switch {
	case len(v.scope.Open) == 0 && len(v.scope.Grantees) == 0:
		return "1 = 0", nil
	case len(v.scope.Open) == 0:
		return access + ")", []any{grantees}
	case len(v.scope.Grantees) == 0:
		return open, nil
	}
	// The offset keeps PostgreSQL from reading all that the actor was given access to into a hash, for the few rows that need it.
	return "(" + open + " OR " + access + " LIMIT 1 OFFSET 0))", []any{grantees}
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
	condition, list := v.db.dialect.among("document.id", texts(ids))
	rows, err := v.documentsWhere(ctx, v.documents, []string{condition}, "", list)
	if err != nil {
		return nil, fmt.Errorf("documents by id: %w", err)
	}
	mesa.Listed(ctx, rows...)
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
	condition, value := "document.id = ?", any(by.ID)
	switch {
	case by.ID != "":
	case by.FileNumber != "":
		condition, value = "document.file_number = ?", strings.ToUpper(strings.TrimSpace(by.FileNumber))
	default:
		code, err := mesa.ParseTrackingCode(by.TrackingCode)
		if err != nil {
			return nil, mesa.ErrNotFound("")
		}
		condition, value = "document.tracking_code = ?", code
	}
	rows, err := v.documentsWhere(ctx, v.documents, []string{condition}, "", value)
	if err != nil {
		return nil, fmt.Errorf("find document: %w", err)
	}
	if len(rows) == 0 {
		v.sawAll(ctx)
		return nil, mesa.ErrNotFound("")
	}
	doc := rows[0]
	saw(ctx, doc.ID)
	mesa.Opened(ctx, doc)
	return doc, nil
}

// documentsWhere reads fields of the visible documents for which all conditions hold; end is an order and a limit, or "".
func (v *View) documentsWhere(ctx context.Context, reads Fields, conditions []string, end string, args ...any) ([]*mesa.Document, error) {
	if seen, its := v.sees(); seen != "" {
		conditions, args = append([]string{seen}, conditions...), append(its, args...)
	}
	text := "SELECT " + columnsOf[mesa.Document](v.db, "document", reads) + " FROM documents AS document"
	if len(conditions) > 0 {
		text += " WHERE " + strings.Join(conditions, " AND ")
	}
	return prepared[mesa.Document](ctx, v.db, v.idb, text+end, args...)
}

// DerivationsByID finds legs of visible documents; the others are missing from the map.
func (v *View) DerivationsByID(ctx context.Context, ids []mesa.DerivationID) (map[mesa.DerivationID]*mesa.Derivation, error) {
	condition, list := v.db.dialect.among("derivation.id", texts(ids))
	text, args := "SELECT "+columnsOf[mesa.Derivation](v.db, "derivation", v.legs)+" FROM derivations AS derivation JOIN documents AS document ON document.id = derivation.document_id WHERE "+condition, []any{list}
	if seen, its := v.sees(); seen != "" {
		text, args = text+" AND "+seen, append(args, its...)
	}
	rows, err := prepared[mesa.Derivation](ctx, v.db, v.idb, text, args...)
	if err != nil {
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
	rows, err := ofEach[mesa.Derivation](ctx, v, "derivations", ids)
	if err != nil {
		return nil, fmt.Errorf("legs by document: %w", err)
	}
	return grouped(ids, rows, func(l *mesa.Derivation) mesa.DocumentID { return l.DocumentID }), nil
}

// ofEach reads all rows of a table that hang on documents, in their order.
func ofEach[T any](ctx context.Context, v *View, table string, ids []mesa.DocumentID) ([]*T, error) {
	condition, list := v.db.dialect.among("document_id", texts(ids))
	return prepared[T](ctx, v.db, v.idb, "SELECT "+columnsOf[T](v.db, table, AllFields)+" FROM "+table+" WHERE "+condition+" ORDER BY document_id, id", list)
}

// ArchiveRecordsByDocument lists the stays in the archive of each document, oldest first; every key is there.
// The documents must come from this view.
func (v *View) ArchiveRecordsByDocument(ctx context.Context, ids []mesa.DocumentID) (map[mesa.DocumentID][]*mesa.ArchiveRecord, error) {
	saw(ctx, ids...)
	rows, err := ofEach[mesa.ArchiveRecord](ctx, v, "archive_records", ids)
	if err != nil {
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
