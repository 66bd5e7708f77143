package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// ChildPage names one page of a list that hangs on a parent; loaders batch all that share everything but the parent.
type ChildPage[K ~string] struct {
	Parent    K
	First     int
	After     string
	WithTotal bool
}

// child is a list that hangs on parents.
type child[K ~string, T any] struct {
	table  string
	key    string // column with the id of the parent
	where  string // condition on the rows, "1 = 1" for all
	args   []any  // of the placeholders in where
	keyset keyset // one column
	parent func(*T) K
	value  func(*T) any
}

var derivationsOf = child[mesa.DocumentID, mesa.Derivation]{
	table: "derivations", key: "document_id", where: "1 = 1", keyset: keyset{name: "derivations", keys: []key{{"id", textKey}}},
	parent: func(l *mesa.Derivation) mesa.DocumentID { return l.DocumentID }, value: func(l *mesa.Derivation) any { return l.ID },
}

// shownEvent is EventType.IsShown.
const shownEvent = "(type LIKE 'document.%' OR type LIKE 'derivation.%' OR type LIKE 'exchange.%')"

var timelineOf = child[mesa.DocumentID, mesa.Event]{
	table: "events", key: "document_id", where: shownEvent,
	keyset: keyset{name: "timeline", keys: []key{{"seq", numberKey}}},
	parent: func(e *mesa.Event) mesa.DocumentID { return e.DocumentID }, value: func(e *mesa.Event) any { return e.Seq },
}

// DerivationPages finds pages of the legs of documents, in the order they were sent; every key is there. Keys that differ only in the
// document cost one statement together (and one more with totals). The documents must come from this view.
func (v *View) DerivationPages(ctx context.Context, keys []ChildPage[mesa.DocumentID]) (map[ChildPage[mesa.DocumentID]]*Slice[*mesa.Derivation], error) {
	return ofDocuments(ctx, v, derivationsOf, v.legs, keys)
}

// TimelinePages finds pages of what happened to documents, oldest first, like DerivationPages.
func (v *View) TimelinePages(ctx context.Context, keys []ChildPage[mesa.DocumentID]) (map[ChildPage[mesa.DocumentID]]*Slice[*mesa.Event], error) {
	return ofDocuments(ctx, v, timelineOf, v.timelines, keys)
}

func ofDocuments[T any](ctx context.Context, v *View, c child[mesa.DocumentID, T], reads Fields, keys []ChildPage[mesa.DocumentID]) (map[ChildPage[mesa.DocumentID]]*Slice[*T], error) {
	for _, key := range keys {
		saw(ctx, key.Parent)
	}
	return c.pages(ctx, v.db, v.idb, reads, keys)
}

// pages finds pages of rows with some fields; every key is there. Keys that differ only in the parent cost one statement together, and one more with totals.
func (c child[K, T]) pages(ctx context.Context, db *DB, idb bun.IDB, reads Fields, keys []ChildPage[K]) (map[ChildPage[K]]*Slice[*T], error) {
	alike, pages := map[ChildPage[K]][]K{}, make(map[ChildPage[K]]*Slice[*T], len(keys))
	for _, key := range keys {
		if _, again := pages[key]; again {
			continue // asked for twice it would be read twice into one page
		}
		pages[key] = nil
		parent := key.Parent
		key.Parent = ""
		alike[key] = append(alike[key], parent)
	}
	for shape, parents := range alike {
		if err := c.load(ctx, db, idb, reads, shape, parents, pages); err != nil {
			return nil, fmt.Errorf("%s by %s: %w", c.table, c.key, err)
		}
	}
	return pages, nil
}

// load fetches the same page of many parents.
func (c child[K, T]) load(ctx context.Context, db *DB, idb bun.IDB, reads Fields, shape ChildPage[K], parents []K, into map[ChildPage[K]]*Slice[*T]) error {
	page := Page{First: &shape.First, After: shape.After}
	if _, _, err := page.size(); err != nil {
		return err
	}
	where, args := c.where, append([]any{db.dialect.parents(texts(parents))}, c.args...)
	if shape.After != "" {
		place, err := c.keyset.place(shape.After, "after")
		if err != nil {
			return err
		}
		where += " AND " + c.keyset.keys[0].expr + " " + c.keyset.sign(false) + " ?"
		args = append(args, place...)
	}
	args = append(args, shape.First+1)
	rows, err := prepared[T](ctx, db, idb, db.dialect.perParent(columnsOf[T](db, "c", reads), c.table, c.key, where, c.keyset.order(false)), args...)
	if err != nil {
		return err
	}
	totals := map[K]int{}
	byParent := grouped(parents, rows, c.parent)
	if shape.WithTotal {
		if totals, err = c.totals(ctx, idb, shape, byParent); err != nil {
			return err
		}
	}
	for parent, rows := range byParent {
		s := slice(rows, page)
		s.Total, s.Cursor = totals[parent], func(row *T) string { return c.keyset.cursor(c.value(row)) }
		shape.Parent = parent
		into[shape] = &s
	}
	return nil
}

func texts[K ~string](ids []K) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = string(id)
	}
	return list
}

// totals counts the whole lists: the first page of a list that has no other is all of it, the others are counted in one statement.
func (c child[K, T]) totals(ctx context.Context, idb bun.IDB, shape ChildPage[K], first map[K][]*T) (map[K]int, error) {
	totals, longer := map[K]int{}, []K{}
	for parent, rows := range first {
		if totals[parent] = len(rows); len(rows) > shape.First || shape.After != "" {
			longer = append(longer, parent)
		}
	}
	if len(longer) == 0 {
		return totals, nil
	}
	var counts []struct {
		Parent K
		N      int
	}
	err := idb.NewRaw("SELECT "+c.key+" AS parent, count(*) AS n FROM "+c.table+" WHERE "+c.key+" IN (?) AND "+c.where+" GROUP BY "+c.key,
		append([]any{bun.List(longer)}, c.args...)...).Scan(ctx, &counts)
	for _, row := range counts {
		totals[row.Parent] = row.N
	}
	return totals, err
}
