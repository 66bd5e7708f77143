package db

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// tray says what is in one list of an area's work. Count and list are made from the same row, so they always agree.
type tray struct {
	box   mesa.TrayBox
	leg   string // condition on a leg x of the area; "" when the list is of documents
	where string // condition on the document
	held  bool   // the area has to act on the document
}

// trays is every list. In the conditions ?area is the area, ?user the viewer, ?today and ?amber the dates of the traffic light.
// ?route and ?beside are indexes where the database has to be told. Where several legs put a document into a list, the newest stands for it.
var trays = []tray{
	{mesa.TrayToRegister, "", "document.state = 'SUBMITTED' AND document.current_area_id = ?area", false},
	{mesa.TrayToDerive, "", "document.state = 'REGISTERED' AND document.current_area_id = ?area", false},
	{mesa.TrayToReceive, "x.to_id = ?area AND x.kind = 'ACTION' AND x.state = 'PENDING'", "", false},
	{mesa.TrayInHand, "x.to_id = ?area AND x.kind = 'ACTION' AND x.state = 'RECEIVED'", "", false},
	{mesa.TrayCopies, "x.to_id = ?area AND x.kind = 'COPY' AND x.state = 'PENDING'", "", false},
	{mesa.TrayReturned, "x.to_id = ?area AND x.kind = 'ACTION' AND x.state = 'PENDING' AND x.origin = 'RETURN'", "", false},
	{mesa.TraySent, "x.from_id = ?area AND x.state IN ('PENDING', 'RECEIVED')", "", false},
	{mesa.TrayObserved, "", "document.state = 'OBSERVED' AND document.current_area_id = ?area", false},
	{mesa.TrayOverdue, "", running + " AND document.due_on < ?today", true},
	{mesa.TrayDueSoon, "", running + " AND document.due_on BETWEEN ?today AND ?amber", true},
	{mesa.TrayAttended, "x.to_id = ?area AND x.kind = 'ACTION' AND x.state = 'ATTENDED'", "document.state = 'ATTENDED'", false},
	{mesa.TrayToArchive, "", "document.state IN ('ATTENDED', 'NOT_FILED') AND document.current_area_id = ?area", false},
	{mesa.TrayWatched, "", "document.id IN (SELECT w.document_id FROM watches AS w WHERE w.user_id = ?user)", false},
}

// An area has to act on what it holds, which is where the open lead leg goes, and on what else it has an open ACTION leg of. Both come from an index of the area.
const (
	besideHolder = "SELECT h.document_id FROM derivations AS h?beside WHERE h.to_id = ?area AND h.kind = 'ACTION' AND h.state IN ('PENDING', 'RECEIVED') AND NOT h.is_lead"
	heldByArea   = "document.id IN (SELECT o.id FROM documents AS o WHERE o.current_area_id = ?area AND o.state IN ('SUBMITTED', 'REGISTERED', 'IN_PROCESS') UNION ALL " + besideHolder + ")"
)

// newestOpenLeg is the leg by which an area holds a document, in lists of documents.
const newestOpenLeg = "(SELECT max(h.id) FROM derivations AS h?route WHERE h.document_id = document.id AND h.to_id = ?area AND h.kind = 'ACTION' AND h.state IN ('PENDING', 'RECEIVED'))"

var (
	legOrder     = keyset{name: "tray-legs", keys: []key{{"x.id", textKey}}, desc: true}
	trayDocOrder = keyset{name: "tray-documents", keys: []key{{"document.listed_at", timeKey}, {"document.id", textKey}}, desc: true}
)

// trayQuery selects from a tray; the caller says which columns.
func (v *View) trayQuery(t tray, area mesa.AreaID) *bun.SelectQuery {
	q, args := v.idb.NewSelect(), v.trayArgs(area)
	if t.leg == "" {
		q = named(q.TableExpr("documents AS document"), t.where, args)
		if t.held {
			q = q.Where(heldByArea, args)
		}
		return v.inTray(t, area, q)
	}
	newer := strings.ReplaceAll(t.leg, "x.", "y.")
	q = q.TableExpr("derivations AS x").Join("JOIN documents AS document ON document.id = x.document_id").Where(t.leg, args).
		Where("NOT EXISTS (SELECT 1 FROM derivations AS y?route WHERE y.document_id = document.id AND y.id > x.id AND "+newer+")", args)
	if t.where != "" {
		q = named(q, t.where, args)
	}
	return v.inTray(t, area, q)
}

// trayCount counts what is in a tray: the documents, whichever of their legs put them there.
func (v *View) trayCount(t tray, area mesa.AreaID) *bun.SelectQuery {
	q, args := v.idb.NewSelect(), v.trayArgs(area)
	switch {
	case t.held: // each side alone needs no list of what both have
		count := func(where string) *bun.SelectQuery {
			q := named(v.idb.NewSelect().TableExpr("documents AS document").ColumnExpr("count(*)"), t.where, args)
			return v.inTray(t, area, q.Where(where, args))
		}
		return q.ColumnExpr("(?) + (?)", count("document.current_area_id = ?area"), count("document.current_area_id <> ?area AND document.id IN ("+besideHolder+")"))
	case t.leg == "":
		return v.trayQuery(t, area).ColumnExpr("count(*)")
	case t.where == "" && v.seesTray(t, area):
		return q.TableExpr("derivations AS x").Where(t.leg, args).ColumnExpr("count(DISTINCT x.document_id)")
	}
	q = q.TableExpr("documents AS document").Where("document.id IN (SELECT x.document_id FROM derivations AS x WHERE "+t.leg+")", args)
	if t.where != "" {
		q = named(q, t.where, args)
	}
	return v.inTray(t, area, q).ColumnExpr("count(*)")
}

// inTray keeps what the actor may see.
func (v *View) inTray(t tray, area mesa.AreaID, q *bun.SelectQuery) *bun.SelectQuery {
	if v.seesTray(t, area) {
		return q
	}
	return v.visible(q)
}

// seesTray says that the actor sees all that is in a tray. An area was given access to whatever passes its trays, so those who see by taking
// part in it need not be asked about each document: that would be most of the work.
func (v *View) seesTray(t tray, area mesa.AreaID) bool {
	return t.box != mesa.TrayWatched && slices.Contains(v.scope.Grantees, string(area))
}

// named adds a condition with named arguments, if it has any.
func named(q *bun.SelectQuery, where string, args trayArgs) *bun.SelectQuery {
	if !strings.Contains(where, "?") {
		return q.Where(where)
	}
	return q.Where(where, args)
}

// trayArgs are the named arguments of the conditions.
type trayArgs struct {
	Area         mesa.AreaID
	User         mesa.UserID
	Today, Amber mesa.Date
	Route        bun.Safe // to the legs of a document
	Beside       bun.Safe // to what an area has to act on beside the holder
}

func (v *View) trayArgs(area mesa.AreaID) trayArgs {
	user := v.actor.UserID
	if v.actor.Impersonal {
		user = ""
	}
	return trayArgs{Area: area, User: user, Today: v.today, Amber: v.cat.Calendar.AmberUntil(v.today),
		Route: bun.Safe(v.db.dialect.through("derivations_document")), Beside: bun.Safe(v.db.dialect.through("derivations_beside"))}
}

// Tray lists one box of an area, newest first. The caller has checked that the actor may look at the area.
func (v *View) Tray(ctx context.Context, area mesa.AreaID, box mesa.TrayBox, p Page) (Slice[*mesa.TrayItem], error) {
	none := Slice[*mesa.TrayItem]{}
	t := trayOf(box)
	if box == mesa.TrayWatched {
		v.sawFollowed(ctx)
		v.sawAll(ctx)
	} else {
		sawOf(ctx, area)
	}
	total := 0
	if p.WithTotal {
		if err := v.trayCount(t, area).Scan(ctx, &total); err != nil {
			return none, fmt.Errorf("count tray: %w", err)
		}
	}
	order, q := trayDocOrder, v.trayQuery(t, area)
	if t.leg != "" {
		order, q = legOrder, q.ColumnExpr("x.document_id, x.id AS derivation_id, document.listed_at")
	} else {
		q = q.ColumnExpr("document.id AS document_id, document.listed_at, coalesce("+newestOpenLeg+", '') AS derivation_id", v.trayArgs(area))
	}
	q, err := order.apply(q, p)
	if err != nil {
		return none, err
	}
	var rows []trayRow
	if err := q.Scan(ctx, &rows); err != nil {
		return none, fmt.Errorf("list tray: %w", err)
	}
	return traySlice(slice(rows, p), order, t.leg != "", total), nil
}

func traySlice(rows Slice[trayRow], order keyset, byLeg bool, total int) Slice[*mesa.TrayItem] {
	s := Slice[*mesa.TrayItem]{HasNext: rows.HasNext, HasPrevious: rows.HasPrevious, Total: total, Items: make([]*mesa.TrayItem, len(rows.Items))}
	cursors := make(map[*mesa.TrayItem]string, len(rows.Items))
	for i, row := range rows.Items {
		item := &row.TrayItem
		s.Items[i] = item
		if byLeg {
			cursors[item] = order.cursor(row.DerivationID)
		} else {
			cursors[item] = order.cursor(row.ListedAt, row.DocumentID)
		}
	}
	s.Cursor = func(item *mesa.TrayItem) string { return cursors[item] }
	return s
}

func trayOf(box mesa.TrayBox) tray {
	for _, t := range trays {
		if t.box == box {
			return t
		}
	}
	return tray{box: box, where: "1 = 0"}
}

// sawFollowed notes that an answer is made from what the actor follows. Whoever follows something sees more than others with the same
// rights (see SeesMore), and shares nothing with them; those who follow nothing see the same.
func (v *View) sawFollowed(ctx context.Context) { mesa.Saw(ctx, mesa.WatchesTag(v.actor.UserID)) }

// TrayCounts counts every box of an area in one statement. It counts what the actor follows, too, whether they see it or not: only for
// those who follow something do the counts depend on more than the area's documents.
func (v *View) TrayCounts(ctx context.Context, area mesa.AreaID) ([]*mesa.TrayCount, error) {
	sawOf(ctx, area)
	v.sawFollowed(ctx)
	followed := 0
	counts := make([]*mesa.TrayCount, len(trays))
	q := v.idb.NewSelect()
	for i, t := range trays {
		counts[i] = &mesa.TrayCount{Box: t.box}
		q = q.ColumnExpr("(?) AS ?", v.trayCount(t, area), bun.Ident(strings.ToLower(string(t.box))))
	}
	q = q.ColumnExpr("(SELECT count(*) FROM watches AS w WHERE w.user_id = ?) AS followed", v.trayArgs(area).User)
	into := make([]any, len(counts), len(counts)+1)
	for i := range counts {
		into[i] = &counts[i].Count
	}
	if err := q.Scan(ctx, append(into, &followed)...); err != nil {
		return nil, fmt.Errorf("count trays: %w", err)
	}
	if followed > 0 {
		v.sawAll(ctx)
	}
	return counts, nil
}

// trayRow is an item with the column that its place needs.
type trayRow struct {
	mesa.TrayItem
	ListedAt time.Time
}
