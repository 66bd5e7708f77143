package db

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// Documents lists visible documents.
func (v *View) Documents(ctx context.Context, f mesa.DocumentFilter, by mesa.DocumentOrder, p Page) (Slice[*mesa.Document], error) {
	if f.AreaID != "" {
		sawOf(ctx, f.AreaID)
	} else {
		v.sawAll(ctx)
	}
	s, err := v.listDocuments(ctx, f, documentOrders[by], p)
	mesa.Listed(ctx, s.Items...)
	return s, err
}

func (v *View) listDocuments(ctx context.Context, f mesa.DocumentFilter, order documentOrder, p Page) (Slice[*mesa.Document], error) {
	if f.IsZero() && len(v.scope.Open) > 0 && !p.WithTotal {
		return v.everyDocument(ctx, order, p)
	}
	q := selects[mesa.Document](v.db, v.idb.NewSelect(), v.documents|order.reads)
	return list(ctx, v.where(v.visible(q), f), order.keyset, order.values, p)
}

// everyDocument lists the documents without a filter, as pages mostly do: along the index of the order, whoever asks for whatever page. The size of
// the page is part of the text: PostgreSQL thinks that an unknown one is a tenth of the table, and plans anew each time.
func (v *View) everyDocument(ctx context.Context, order documentOrder, p Page) (none Slice[*mesa.Document], err error) {
	bounds, by, limit, err := order.part(p)
	if err != nil {
		return none, err
	}
	var (
		conditions []string
		args       []any
	)
	for _, b := range bounds {
		conditions, args = append(conditions, b.condition), append(args, b.place...)
	}
	rows, err := v.documentsWhere(ctx, v.documents|order.reads, conditions, " ORDER BY "+by+" LIMIT "+strconv.Itoa(limit), args...)
	if err != nil {
		return none, fmt.Errorf("list documents: %w", err)
	}
	s := slice(rows, p)
	s.Cursor = func(d *mesa.Document) string { return order.cursor(order.values(d)...) }
	return s, nil
}

// documentOrder is a keyset with the values of a document in it, and the fields that these are.
type documentOrder struct {
	keyset
	values func(*mesa.Document) []any
	reads  Fields
}

// noDue stands for "no due date" in an order, after every real one.
var noDue = mesa.NewDate(9999, time.December, 31)

func dueOrLast(d *mesa.Document) mesa.Date {
	if d.DueOn.IsZero() {
		return noDue
	}
	return d.DueOn
}

func dueOrFirst(d *mesa.Document) mesa.Date {
	if d.DueOn.IsZero() {
		return mesa.NewDate(1, time.January, 1)
	}
	return d.DueOn
}

// documentOrders are the orders that clients can ask for. Each has an index in migrations.
var documentOrders = map[mesa.DocumentOrder]documentOrder{}

func init() {
	id := key{"document.id", textKey}
	due := key{"COALESCE(document.due_on, '9999-12-31')", dateKey}
	dueDesc := key{"COALESCE(document.due_on, '0001-01-01')", dateKey}
	rank := key{"document.priority_rank", smallKey}
	for _, o := range []struct {
		field  mesa.DocumentOrderField
		keys   []key
		values func(*mesa.Document) []any
		reads  Fields
	}{
		{mesa.OrderByRegisteredAt, []key{{"document.listed_at", timeKey}, id}, func(d *mesa.Document) []any { return []any{d.ListedAt, d.ID} }, FieldsOf[mesa.Document]("ListedAt")},
		{mesa.OrderByFiledOn, []key{{"document.filed_on", dateKey}, id}, func(d *mesa.Document) []any { return []any{d.FiledOn, d.ID} }, FieldsOf[mesa.Document]("FiledOn")},
		{mesa.OrderByFileNumber, []key{{"COALESCE(document.year, 0)", smallKey}, {"COALESCE(document.seq, 0)", numberKey}, id},
			func(d *mesa.Document) []any { return []any{d.Year, d.Seq, d.ID} }, FieldsOf[mesa.Document]("Year", "Seq")},
	} {
		for _, dir := range mesa.OrderDirections {
			by := mesa.DocumentOrder{Field: o.field, Direction: dir}
			documentOrders[by] = documentOrder{keyset{string(o.field + mesa.DocumentOrderField(dir)), o.keys, dir == mesa.Descending}, o.values, o.reads}
		}
	}
	dueOn, ranked := FieldsOf[mesa.Document]("DueOn"), FieldsOf[mesa.Document]("PriorityRank", "DueOn")
	documentOrders[mesa.DocumentOrder{Field: mesa.OrderByDueOn, Direction: mesa.Ascending}] = documentOrder{
		keyset{"DUE_ONASC", []key{due, id}, false}, func(d *mesa.Document) []any { return []any{dueOrLast(d), d.ID} }, dueOn,
	}
	documentOrders[mesa.DocumentOrder{Field: mesa.OrderByDueOn, Direction: mesa.Descending}] = documentOrder{
		keyset{"DUE_ONDESC", []key{dueDesc, id}, true}, func(d *mesa.Document) []any { return []any{dueOrFirst(d), d.ID} }, dueOn,
	}
	priority := func(d *mesa.Document) []any { return []any{d.PriorityRank, dueOrLast(d), d.ID} }
	// The most urgent have the smallest rank: DESC of priority is ASC of rank, with the nearest due date first.
	documentOrders[mesa.DocumentOrder{Field: mesa.OrderByPriority, Direction: mesa.Descending}] = documentOrder{
		keyset{"PRIORITYDESC", []key{rank, due, id}, false}, priority, ranked,
	}
	documentOrders[mesa.DocumentOrder{Field: mesa.OrderByPriority, Direction: mesa.Ascending}] = documentOrder{
		keyset{"PRIORITYASC", []key{rank, due, id}, true}, priority, ranked,
	}
}

// where adds the conditions of a filter.
func (v *View) where(q *bun.SelectQuery, f mesa.DocumentFilter) *bun.SelectQuery {
	q = v.whereText(q, f.Text)
	q = whereIn(q, "document.state", f.States)
	q = whereIn(q, "document.category_id", f.Categories)
	q = whereIn(q, "document.priority", f.Priorities)
	q = whereIn(q, "document.channel", f.Channels)
	q = whereIn(q, "document.confidentiality", f.Confidentiality)
	if len(f.Types) > 0 {
		q = q.Where("document.type_id IN (?)", bun.List(v.typeIDs(f.Types)))
	}
	q = whereIs(q, "document.sender_id_number", strings.TrimSpace(f.SenderIDNumber))
	q = whereIs(q, "document.registered_by_id", f.RegisteredByID)
	q = whereIs(q, "document.related_id", f.RelatedToID)
	if f.AssigneeID != "" {
		q = q.Where("EXISTS (SELECT 1 FROM derivations AS l WHERE l.document_id = document.id AND l.assignee_id = ? AND l.state IN ('PENDING', 'RECEIVED'))", f.AssigneeID)
	}
	q = v.whereArea(q, f.AreaID, f.AreaMode)
	for _, tag := range f.TagsAll {
		q = v.db.dialect.hasTag(q, tag)
	}
	if len(f.TagsAny) > 0 {
		q = v.db.dialect.hasAnyTag(q, f.TagsAny)
	}
	q = whereDates(q, "document.filed_on", f.FiledOn)
	q = whereDates(q, "document.due_on", f.DueOn)
	q = whereTimes(q, "document.registered_at", f.RegisteredAt)
	q = whereTimes(q, "document.attended_at", f.AttendedAt)
	q = v.whereLights(q, f.Lights)
	if f.Overdue != nil {
		q = q.Where(map[bool]string{true: "(" + overdue + ")", false: "NOT coalesce(" + overdue + ", false)"}[*f.Overdue], v.today)
	}
	switch f.Archived {
	case mesa.ArchivedExclude:
		q = q.Where("document.state <> ?", mesa.Archived)
	case mesa.ArchivedOnly:
		q = q.Where("document.state = ?", mesa.Archived)
	}
	return q
}

// whereText looks for a tracking code, or for all words of a text.
func (v *View) whereText(q *bun.SelectQuery, text string) *bun.SelectQuery {
	if strings.TrimSpace(text) == "" {
		return q
	}
	if code, err := mesa.ParseTrackingCode(text); err == nil {
		return q.Where("document.tracking_code = ?", code)
	}
	terms := searchTerms(text)
	if err := checkTerms(terms); err != nil {
		return q.Err(err)
	}
	if len(terms) == 0 {
		return q.Where("1 = 0") // only punctuation: nothing can match
	}
	return v.db.dialect.matchText(q, terms)
}

// typeIDs turns codes into ids; what is neither matches nothing.
func (v *View) typeIDs(idsOrCodes []mesa.DocumentTypeID) []mesa.DocumentTypeID {
	ids := make([]mesa.DocumentTypeID, len(idsOrCodes))
	for i, id := range idsOrCodes {
		ids[i] = id
		for _, t := range v.cat.Types {
			if t.Code == string(id) {
				ids[i] = t.ID
			}
		}
	}
	return ids
}

func (v *View) whereArea(q *bun.SelectQuery, area mesa.AreaID, mode mesa.AreaMode) *bun.SelectQuery {
	switch {
	case area == "":
		return q
	case mode == mesa.AreaEver:
		return q.Where("EXISTS (SELECT 1 FROM document_access AS e WHERE e.document_id = document.id AND e.grantee = ?)", area)
	case mode == mesa.AreaRegistered:
		return q.Where("document.desk_area_id = ?", area)
	}
	return q.Where("(document.current_area_id = ? OR EXISTS (SELECT 1 FROM derivations AS l WHERE l.document_id = document.id AND l.to_id = ? AND l.kind = 'ACTION' AND l.state IN ('PENDING', 'RECEIVED')))", area, area)
}

// States in which a document's clock runs, and the traffic light as SQL. The placeholder is today. Calendar.Light says the same.
const (
	running = "document.state IN ('SUBMITTED', 'REGISTERED', 'IN_PROCESS')"
	overdue = running + " AND document.due_on < ?"
)

func (v *View) whereLights(q *bun.SelectQuery, lights []mesa.Light) *bun.SelectQuery {
	if len(lights) == 0 {
		return q
	}
	amberUntil := v.cat.Calendar.AmberUntil(v.today)
	return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		for _, light := range lights {
			switch light {
			case mesa.LightDoneOnTime:
				q = q.WhereOr("document.state IN ('ATTENDED', 'ARCHIVED') AND document.attended_on <= document.due_on")
			case mesa.LightDoneLate:
				q = q.WhereOr("document.state IN ('ATTENDED', 'ARCHIVED') AND document.attended_on > document.due_on")
			case mesa.LightPaused:
				q = q.WhereOr("document.state = 'OBSERVED'")
			case mesa.LightNone:
				q = q.WhereOr("(document.state IN ('NOT_FILED', 'VOIDED') OR document.state <> 'OBSERVED' AND document.due_on IS NULL OR document.state IN ('ATTENDED', 'ARCHIVED') AND document.attended_on IS NULL)")
			case mesa.LightOverdue:
				q = q.WhereOr(overdue, v.today)
			case mesa.LightRed:
				q = q.WhereOr(running+" AND document.due_on = ?", v.today)
			case mesa.LightAmber:
				q = q.WhereOr(running+" AND document.due_on > ? AND document.due_on <= ?", v.today, amberUntil)
			case mesa.LightGreen:
				q = q.WhereOr(running+" AND document.due_on > ?", max(v.today, amberUntil))
			}
		}
		return q
	})
}

func whereIn[T ~string](q *bun.SelectQuery, column string, values []T) *bun.SelectQuery {
	if len(values) == 0 {
		return q
	}
	return q.Where(column+" IN (?)", bun.List(values))
}

func whereIs[T ~string](q *bun.SelectQuery, column string, value T) *bun.SelectQuery {
	if value == "" {
		return q
	}
	return q.Where(column+" = ?", string(value))
}

func whereDates(q *bun.SelectQuery, column string, r *mesa.DateRange) *bun.SelectQuery {
	if r == nil {
		return q
	}
	if !r.From.IsZero() {
		q = q.Where(column+" >= ?", r.From)
	}
	if !r.To.IsZero() {
		q = q.Where(column+" <= ?", r.To)
	}
	return q
}

func whereTimes(q *bun.SelectQuery, column string, r *mesa.DateTimeRange) *bun.SelectQuery {
	if r == nil {
		return q
	}
	if r.From != nil {
		q = q.Where(column+" >= ?", r.From.UTC())
	}
	if r.To != nil {
		q = q.Where(column+" <= ?", r.To.UTC())
	}
	return q
}
