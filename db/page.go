package db

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// Sizes of a page.
const (
	DefaultPage = 20
	MaxPage     = 200
)

// Page says which part of a list is wanted (Relay): First after After, or Last before Before.
type Page struct {
	First, Last   *int
	After, Before string // cursors, "" for the ends
	WithTotal     bool   // whether to count the whole list
}

// size is how many items are wanted, and whether they are taken from the end.
func (p Page) size() (n int, fromEnd bool, err error) {
	if p.First != nil && p.Last != nil {
		return 0, false, mesa.Invalid("last", "Use first o last, no ambos.")
	}
	want, field := p.First, "first"
	if p.Last != nil {
		want, field, fromEnd = p.Last, "last", true
	}
	switch {
	case want == nil:
		return DefaultPage, p.Before != "" && p.After == "", nil
	case *want < 0:
		return 0, false, mesa.Invalid(field, "El tamaño de página no puede ser negativo.")
	case *want > MaxPage:
		return 0, false, mesa.Fail(mesa.LimitExceeded, field, "Una página tiene %d elementos como máximo.", MaxPage).With("limit", MaxPage)
	}
	return *want, fromEnd, nil
}

// Slice is the part of a list that was asked for.
type Slice[T any] struct {
	Items       []T
	HasNext     bool
	HasPrevious bool
	Total       int            // set when Page.WithTotal
	Cursor      func(T) string // names the place of an item
}

// keyKind says how a column of a keyset is written in a cursor.
type keyKind int

const (
	textKey keyKind = iota
	timeKey
	dateKey
	numberKey
	smallKey // a number of 32 bits
)

// key is one column of a keyset: an SQL expression and its kind.
type key struct {
	expr string
	kind keyKind
}

// keyset is a total order of a list: all columns in one direction, the last one unique.
type keyset struct {
	name string // tells cursors of different orders apart
	keys []key
	desc bool
}

// order writes the ORDER BY, reversed when the page is taken from the end.
func (k keyset) order(reversed bool) string {
	direction := " ASC"
	if k.desc != reversed {
		direction = " DESC"
	}
	parts := make([]string, len(k.keys))
	for i, key := range k.keys {
		parts[i] = key.expr + direction
	}
	return strings.Join(parts, ", ")
}

// beyond is the condition for a row to follow a place in the direction of the list, or (before) to precede it, with a placeholder for each column.
func (k keyset) beyond(before bool) string {
	exprs := make([]string, len(k.keys))
	for i, key := range k.keys {
		exprs[i] = key.expr
	}
	return "(" + strings.Join(exprs, ", ") + ") " + k.sign(before) + " (?" + strings.Repeat(", ?", len(k.keys)-1) + ")"
}

// sign compares what follows a place in the direction of the list, or (before) precedes it, with the place.
func (k keyset) sign(before bool) string {
	if k.desc != before {
		return "<"
	}
	return ">"
}

// cursor names a place: base64url of a JSON list of the order's name and the values of its columns.
func (k keyset) cursor(values ...any) string {
	b := append(make([]byte, 0, 128), '[', '"')
	b = append(append(b, k.name...), '"')
	for _, v := range values {
		b = append(b, ',')
		switch v := v.(type) {
		case time.Time:
			b = append(v.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
		case mesa.Date:
			b = append(append(append(b, '"'), v.String()...), '"')
		default:
			text, _ := json.Marshal(v) // texts and numbers always marshal
			b = append(b, text...)
		}
	}
	return base64.RawURLEncoding.EncodeToString(append(b, ']'))
}

// place reads a cursor of this order; anything else is a violation of the field.
func (k keyset) place(cursor, field string) ([]any, error) {
	bad := mesa.Invalid(field, "El cursor no corresponde a esta lista.")
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) > 500 {
		return nil, bad
	}
	var parts []any
	if err := json.Unmarshal(raw, &parts); err != nil || len(parts) != len(k.keys)+1 || parts[0] != k.name {
		return nil, bad
	}
	place := make([]any, len(k.keys))
	for i, key := range k.keys {
		if place[i] = key.kind.read(parts[i+1]); place[i] == nil {
			return nil, bad
		}
	}
	return place, nil
}

// read checks a value of a cursor; nil when it is not of the kind.
func (k keyKind) read(v any) any {
	s, isText := v.(string)
	n, isNumber := v.(float64)
	switch {
	case k == numberKey && isNumber && n == float64(int64(n)), k == smallKey && isNumber && n == float64(int32(n)):
		return int64(n)
	case k == textKey && isText && !strings.ContainsRune(s, 0):
		return s
	case k == dateKey && isText:
		if d, err := mesa.ParseDate(s); err == nil {
			return d
		}
	case k == timeKey && isText:
		t, err := time.Parse(time.RFC3339Nano, s)
		if t = t.UTC(); err == nil && t.Year() >= 1 && t.Year() <= 9999 { // PostgreSQL knows no year 0
			return t.Truncate(time.Microsecond)
		}
	}
	return nil
}

// bound is a condition that moves a query to a page.
type bound struct {
	condition string
	place     []any
}

// part says how a page is read from a list: by which conditions, in which order, and how many rows, one more than are wanted, which tells whether
// there is another page.
func (k keyset) part(p Page) (bounds []bound, order string, limit int, err error) {
	n, fromEnd, err := p.size()
	if err != nil {
		return nil, "", 0, err
	}
	for _, end := range []struct {
		cursor, field string
		before        bool
	}{{p.After, "after", false}, {p.Before, "before", true}} {
		if end.cursor == "" {
			continue
		}
		place, err := k.place(end.cursor, end.field)
		if err != nil {
			return nil, "", 0, err
		}
		bounds = append(bounds, bound{k.beyond(end.before), place})
	}
	return bounds, k.order(fromEnd), n + 1, nil
}

// apply makes a query read a page.
func (k keyset) apply(q *bun.SelectQuery, p Page) (*bun.SelectQuery, error) {
	bounds, order, limit, err := k.part(p)
	if err != nil {
		return nil, err
	}
	for _, b := range bounds {
		q = q.Where(b.condition, b.place...)
	}
	return q.OrderExpr(order).Limit(int64(limit)), nil
}

// list reads a page of what a query without model and order finds, rows with their relations, and counts all of it when that is asked for.
// values are those of the order's columns in a row.
func list[T any](ctx context.Context, q *bun.SelectQuery, order keyset, values func(*T) []any, p Page, relations ...string) (Slice[*T], error) {
	none, total := Slice[*T]{}, 0
	q = q.Model((*T)(nil))
	if p.WithTotal {
		n, err := q.Clone().Count(ctx)
		if err != nil {
			return none, fmt.Errorf("count %s: %w", order.name, err)
		}
		total = int(n)
	}
	q, err := order.apply(q, p)
	if err != nil {
		return none, err
	}
	var rows []*T
	q = q.Model(&rows)
	for _, name := range relations {
		q = q.Relation(name)
	}
	if err := q.Scan(ctx); err != nil {
		return none, fmt.Errorf("list %s: %w", order.name, err)
	}
	s := slice(rows, p)
	s.Total, s.Cursor = total, func(row *T) string { return order.cursor(values(row)...) }
	return s, nil
}

// slice cuts the extra row off and puts a page from the end into the order of the list.
func slice[T any](rows []T, p Page) Slice[T] {
	n, fromEnd, _ := p.size() // checked by part
	more := len(rows) > n
	if more {
		rows = rows[:n]
	}
	if rows == nil {
		rows = []T{}
	}
	if fromEnd {
		slices.Reverse(rows)
		return Slice[T]{Items: rows, HasPrevious: more, HasNext: p.Before != ""}
	}
	return Slice[T]{Items: rows, HasNext: more, HasPrevious: p.After != ""}
}
