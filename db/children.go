package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// ChildPage names one page of a list that hangs on a document; loaders batch all that share everything but the document.
type ChildPage struct {
	DocumentID mesa.DocumentID
	First      int
	After      string
	WithTotal  bool
}

// child is a list that hangs on documents.
type child[T any] struct {
	table  string
	where  string // condition on the rows, "1 = 1" for all
	keyset keyset // one column
	parent func(*T) mesa.DocumentID
	value  func(*T) any
}

var derivationsOf = child[mesa.Derivation]{
	table: "derivations", where: "1 = 1", keyset: keyset{name: "derivations", keys: []key{{"id", textKey}}},
	parent: func(l *mesa.Derivation) mesa.DocumentID { return l.DocumentID }, value: func(l *mesa.Derivation) any { return l.ID },
}

var timelineOf = child[mesa.Event]{
	table: "events", where: "(type LIKE 'document.%' OR type LIKE 'derivation.%' OR type LIKE 'exchange.%')", keyset: keyset{name: "timeline", keys: []key{{"seq", numberKey}}},
	parent: func(e *mesa.Event) mesa.DocumentID { return e.DocumentID }, value: func(e *mesa.Event) any { return e.Seq },
}

// DerivationPages finds pages of the legs of documents, in the order they were sent; every key is there. Keys that differ only in the
// document cost one statement together (and one more with totals). The documents must come from this view.
func (v *View) DerivationPages(ctx context.Context, keys []ChildPage) (map[ChildPage]*Slice[*mesa.Derivation], error) {
	return childPages(ctx, v, derivationsOf, keys)
}

// TimelinePages finds pages of what happened to documents, oldest first, like DerivationPages.
func (v *View) TimelinePages(ctx context.Context, keys []ChildPage) (map[ChildPage]*Slice[*mesa.Event], error) {
	return childPages(ctx, v, timelineOf, keys)
}

func childPages[T any](ctx context.Context, v *View, c child[T], keys []ChildPage) (map[ChildPage]*Slice[*T], error) {
	alike := map[ChildPage][]mesa.DocumentID{}
	for _, key := range keys {
		saw(ctx, key.DocumentID)
		id := key.DocumentID
		key.DocumentID = ""
		alike[key] = append(alike[key], id)
	}
	pages := make(map[ChildPage]*Slice[*T], len(keys))
	for shape, ids := range alike {
		if err := c.load(ctx, v, shape, ids, pages); err != nil {
			return nil, fmt.Errorf("%s by document: %w", c.table, err)
		}
	}
	return pages, nil
}

// parents is the argument of perParent that lists the parents.
func parents[K ~string](d dialect, ids []K) any {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	return d.parents(texts)
}

// load fetches the same page of many documents.
func (c child[T]) load(ctx context.Context, v *View, shape ChildPage, ids []mesa.DocumentID, into map[ChildPage]*Slice[*T]) error {
	page := Page{First: &shape.First, After: shape.After}
	if _, _, err := page.size(); err != nil {
		return err
	}
	where, column := c.where, c.keyset.keys[0].expr
	args := []any{parents(v.db.dialect, ids)}
	if shape.After != "" {
		place, err := c.keyset.place(shape.After, "after")
		if err != nil {
			return err
		}
		where += " AND " + column + " > ?"
		args = append(args, place...)
	}
	var rows []*T
	args = append(args, shape.First+1)
	if err := v.idb.NewRaw(v.db.dialect.perParent(c.table, "document_id", where, column), args...).Scan(ctx, &rows); err != nil {
		return err
	}
	totals, err := c.totals(ctx, v, shape, ids)
	if err != nil {
		return err
	}
	byDocument := grouped(ids, rows, c.parent)
	for id, rows := range byDocument {
		s := slice(rows, page)
		s.Total, s.Cursor = totals[id], func(row *T) string { return c.keyset.cursor(c.value(row)) }
		shape.DocumentID = id
		into[shape] = &s
	}
	return nil
}

// totals counts the whole lists, in one statement, when they were asked for.
func (c child[T]) totals(ctx context.Context, v *View, shape ChildPage, ids []mesa.DocumentID) (map[mesa.DocumentID]int, error) {
	totals := map[mesa.DocumentID]int{}
	if !shape.WithTotal {
		return totals, nil
	}
	var counts []struct {
		DocumentID mesa.DocumentID
		N          int
	}
	err := v.idb.NewRaw("SELECT document_id, count(*) AS n FROM "+c.table+" WHERE document_id IN (?) AND "+c.where+" GROUP BY document_id",
		bun.List(ids)).Scan(ctx, &counts)
	for _, row := range counts {
		totals[row.DocumentID] = row.N
	}
	return totals, err
}
