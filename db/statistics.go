package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// Limits of statistics.
const (
	DefaultPeriod = 30   // days, including today
	MaxPeriod     = 3700 // days, ten years and some
	DefaultAreas  = 50
	MaxAreas      = 200
)

// Figures are the figures of a period in the scope of a view. Each is worked out when it is first asked for; figures that come from
// the same statement share it, so that a Figures runs at most one statement of each kind. Its methods may be called at once.
//
// An actor who reads all documents gets totals over everything, the confidential ones included: totals give no document away.
// Everybody else gets totals over what they see.
type Figures struct {
	AsOf     time.Time
	From, To mesa.Date

	v      *View
	filter mesa.StatisticsFilter // TypeID is an id
	took   []mesa.AreaID         // documents in which one of these took part; nil for all documents
	shown  []mesa.AreaID         // areas with figures of their own; nil for all areas

	withoutReception bool

	filed    once[filed]
	kinds    once[kinds]
	standing once[standing]
	attended once[attended]
	hours    once[mesa.Histogram]
	legs     once[int]
	areas    once[[]*mesa.AreaStatistics]
}

// once is a value worked out by the first who asks; whoever asks meanwhile waits, and all get the same value or error.
type once[T any] struct {
	once  sync.Once
	value T
	err   error
}

var errUnfinished = errors.New("the figure could not be worked out") // what the others get when the first one panicked

func (o *once[T]) get(ctx context.Context, work func(context.Context) (T, error)) (T, error) {
	o.once.Do(func() {
		o.err = errUnfinished
		o.value, o.err = work(ctx)
	})
	return o.value, o.err
}

// Statistics prepares the figures of a period; nothing is read yet. Forbidden without statistics.read or for an area whose figures
// the actor may not see.
func (v *View) Statistics(ctx context.Context, filter mesa.StatisticsFilter) (*Figures, error) {
	if !v.actor.MayAnywhere(mesa.MayReadStatistics) {
		return nil, mesa.ErrForbidden(mesa.MayReadStatistics)
	}
	f := &Figures{AsOf: v.db.Now(), From: filter.From, To: filter.To, v: v, filter: filter}
	if err := f.checkPeriod(); err != nil {
		return nil, err
	}
	if err := f.checkArea(); err != nil {
		return nil, err
	}
	if filter.TypeID != "" {
		f.filter.TypeID = v.typeIDs([]mesa.DocumentTypeID{filter.TypeID})[0]
	}
	switch {
	case f.took != nil:
		sawOf(ctx, f.took...)
	case f.readsAll():
		mesa.Saw(ctx, mesa.AnyDocument)
	default:
		v.sawAll(ctx)
	}
	return f, nil
}

func (f *Figures) checkPeriod() error {
	if f.To.IsZero() {
		f.To = f.v.today
	}
	if f.From.IsZero() {
		f.From = f.To.AddDays(1 - DefaultPeriod)
	}
	switch {
	case f.From > f.To:
		return mesa.Invalid("from", "El periodo empieza después de terminar.")
	case f.To-f.From >= MaxPeriod:
		return mesa.Fail(mesa.LimitExceeded, "from", "Un periodo tiene %d días como máximo.", MaxPeriod).With("limit", MaxPeriod)
	}
	return nil
}

// checkArea works out whose documents count and which areas get figures of their own.
func (f *Figures) checkArea() error {
	id, actor, cat := f.filter.AreaID, f.v.actor, f.v.cat
	switch {
	case id == "":
	case cat.Area(id) == nil:
		return mesa.ErrNotFound("areaId")
	case !actor.SeesArea(id):
		return mesa.ErrForbidden(mesa.MayReadStatistics)
	case f.filter.IncludeSubareas:
		f.took = cat.SubAreas(id)
	default:
		f.took = []mesa.AreaID{id}
	}
	if f.readsAll() {
		f.shown = f.took
		return nil
	}
	f.shown = []mesa.AreaID{}
	for _, area := range cat.Areas {
		if actor.SeesArea(area.ID) && (f.took == nil || slices.Contains(f.took, area.ID)) {
			f.shown = append(f.shown, area.ID)
		}
	}
	return nil
}

// WithoutReception leaves the hours of reception of areas empty: nobody is going to look at them, and they are what takes longest. It is called before
// anything is asked for.
func (f *Figures) WithoutReception() { f.withoutReception = true }

func (f *Figures) readsAll() bool { return f.v.actor.MayEverywhere(mesa.MayReadAll) }

// Read works out all figures at once.
func (f *Figures) Read(ctx context.Context) error {
	_, filed := f.filedDays(ctx)
	_, kinds := f.kinds.get(ctx, f.readKinds)
	_, standing := f.standings(ctx)
	_, attended := f.attendedDays(ctx)
	_, hours := f.hours.get(ctx, f.readHours)
	_, hops := f.Hops(ctx)
	_, areas := f.Areas(ctx, nil)
	return errors.Join(filed, kinds, standing, attended, hours, hops, areas)
}

// Received is how many documents were filed in the period, voided ones left out.
func (f *Figures) Received(ctx context.Context) (int, error) {
	days, err := f.filedDays(ctx)
	return days.total, err
}

// ReceivedToday is how many documents were filed today, voided ones left out.
func (f *Figures) ReceivedToday(ctx context.Context) (int, error) {
	now, err := f.standings(ctx)
	return now.FiledToday, err
}

// NotFiled is how many of the received are NOT_FILED.
func (f *Figures) NotFiled(ctx context.Context) (int, error) {
	days, err := f.filedDays(ctx)
	return days.byState[mesa.NotFiled], err
}

// Attended is how many documents were (last) attended in the period.
func (f *Figures) Attended(ctx context.Context) (int, error) {
	done, err := f.attendedDays(ctx)
	return done.total, err
}

// Open is how many documents are open now.
func (f *Figures) Open(ctx context.Context) (int, error) {
	now, err := f.standings(ctx)
	return now.Open, err
}

// UrgentOpen is how many open documents are urgent.
func (f *Figures) UrgentOpen(ctx context.Context) (int, error) {
	now, err := f.standings(ctx)
	return now.Urgent, err
}

// Overdue is how many open documents are past their due date, observed ones left out.
func (f *Figures) Overdue(ctx context.Context) (int, error) {
	now, err := f.standings(ctx)
	return now.Overdue, err
}

// DueSoon is how many open documents are due today or within three business days, observed ones left out.
func (f *Figures) DueSoon(ctx context.Context) (int, error) {
	now, err := f.standings(ctx)
	return now.DueSoon, err
}

// OnTimeRate is the percentage of the attended with a due date that were attended in time.
func (f *Figures) OnTimeRate(ctx context.Context) (*float64, error) {
	done, err := f.attendedDays(ctx)
	return mesa.Percentage(done.onTime, done.withDue), err
}

// BacklogChange is received − attended − not filed.
func (f *Figures) BacklogChange(ctx context.Context) (int, error) {
	days, err := f.filedDays(ctx)
	if err != nil {
		return 0, err
	}
	done, err := f.attendedDays(ctx)
	return days.total - done.total - days.byState[mesa.NotFiled], err
}

// DailyAverage is the received per business day of the period, nil when it has none.
func (f *Figures) DailyAverage(ctx context.Context) (*float64, error) {
	days, err := f.filedDays(ctx)
	return mesa.Quotient(days.total, f.v.cat.Calendar.BusinessDaysIn(f.From, f.To)), err
}

// Hops is the mean number of ACTION legs (sent, returned, reassigned) of the attended, nil when there are none.
func (f *Figures) Hops(ctx context.Context) (*float64, error) {
	done, err := f.attendedDays(ctx)
	if err != nil {
		return nil, err
	}
	legs, err := f.legs.get(ctx, f.readLegs)
	return mesa.Quotient(legs, done.total), err
}

// ByState is the received by state, in the order of the states; empty ones are left out, here and in the other shares.
func (f *Figures) ByState(ctx context.Context) ([]mesa.StateShare, error) {
	days, err := f.filedDays(ctx)
	shares := []mesa.StateShare{}
	for _, state := range mesa.DocumentStates {
		if n := days.byState[state]; n > 0 {
			shares = append(shares, mesa.StateShare{State: state, Count: n, Percentage: mesa.Percentage(n, days.total)})
		}
	}
	return shares, err
}

// ByPriority is the received by priority, in the order of the priorities.
func (f *Figures) ByPriority(ctx context.Context) ([]mesa.PriorityShare, error) {
	return shares(ctx, f, "priority", inOrderOf(mesa.Priorities),
		func(p mesa.Priority, n int, percentage *float64) mesa.PriorityShare {
			return mesa.PriorityShare{Priority: p, Count: n, Percentage: percentage}
		})
}

// ByType is the received by type, the largest first.
func (f *Figures) ByType(ctx context.Context) ([]mesa.TypeShare, error) {
	return shares(ctx, f, "type", largestFirst[mesa.DocumentTypeID],
		func(id mesa.DocumentTypeID, n int, percentage *float64) mesa.TypeShare {
			return mesa.TypeShare{TypeID: id, Count: n, Percentage: percentage}
		})
}

// ByCategory is the received by category, the largest first. Documents without one are left out, but are part of the whole.
func (f *Figures) ByCategory(ctx context.Context) ([]mesa.CategoryShare, error) {
	return shares(ctx, f, "category", largestFirst[mesa.CategoryID],
		func(id mesa.CategoryID, n int, percentage *float64) mesa.CategoryShare {
			return mesa.CategoryShare{CategoryID: id, Count: n, Percentage: percentage}
		})
}

// ByChannel is the received by channel, in the order of the channels.
func (f *Figures) ByChannel(ctx context.Context) ([]mesa.ChannelShare, error) {
	return shares(ctx, f, "channel", inOrderOf(mesa.Channels),
		func(ch mesa.Channel, n int, percentage *float64) mesa.ChannelShare {
			return mesa.ChannelShare{Channel: ch, Count: n, Percentage: percentage}
		})
}

// BySenderKind is the received by kind of sender, in the order of the kinds.
func (f *Figures) BySenderKind(ctx context.Context) ([]mesa.SenderKindShare, error) {
	return shares(ctx, f, "sender", inOrderOf(mesa.PartyKinds),
		func(kind mesa.PartyKind, n int, percentage *float64) mesa.SenderKindShare {
			return mesa.SenderKindShare{Kind: kind, Count: n, Percentage: percentage}
		})
}

// Trend is received and attended step by step.
func (f *Figures) Trend(ctx context.Context, bucket mesa.TrendBucket) ([]mesa.TrendPoint, error) {
	days, err := f.filedDays(ctx)
	if err != nil {
		return nil, err
	}
	done, err := f.attendedDays(ctx)
	return mesa.DayCounts{Received: days.byDay, NotFiled: days.notFiled, Attended: done.byDay}.Trend(bucket, f.From, f.To), err
}

// AttentionDays are the business days from filing to attention, over the attended.
func (f *Figures) AttentionDays(ctx context.Context) (*mesa.Spread, error) {
	done, err := f.attendedDays(ctx)
	return new(done.days.Spread(1)), err
}

// AttentionHours are the hours from registration to attention, over the attended, each with one decimal.
func (f *Figures) AttentionHours(ctx context.Context) (*mesa.Spread, error) {
	hours, err := f.hours.get(ctx, f.readHours)
	return new(hours.Spread(10)), err
}

// EveryArea are the areas that had legs and that the actor may look at, the busiest first.
func (f *Figures) EveryArea(ctx context.Context) ([]*mesa.AreaStatistics, error) {
	return f.areas.get(ctx, f.readAreas)
}

// Areas are the first of EveryArea.
func (f *Figures) Areas(ctx context.Context, first *int) ([]*mesa.AreaStatistics, error) {
	n := DefaultAreas
	if first != nil {
		n = *first
	}
	switch {
	case n < 0:
		return nil, mesa.Invalid("first", "El tamaño de página no puede ser negativo.")
	case n > MaxAreas:
		return nil, mesa.Fail(mesa.LimitExceeded, "first", "Se admiten %d elementos como máximo.", MaxAreas).With("limit", MaxAreas)
	}
	areas, err := f.EveryArea(ctx)
	return areas[:min(n, len(areas))], err
}

// TopArea is the area that attended most legs, nil when none attended any.
func (f *Figures) TopArea(ctx context.Context) (*mesa.AreaStatistics, error) {
	areas, err := f.EveryArea(ctx)
	return f.v.cat.TopArea(areas), err
}

// documents selects, through an index, from the documents in scope that meet the filter.
func (f *Figures) documents(index string) *bun.SelectQuery {
	q := f.where(f.v.idb.NewSelect().TableExpr("documents AS document" + f.v.db.dialect.through(index)))
	if f.took != nil {
		q = q.Where("EXISTS (SELECT 1 FROM document_access AS t WHERE t.document_id = document.id AND t.grantee IN (?))", bun.List(f.took))
	}
	if f.readsAll() {
		return q
	}
	return f.v.visible(q)
}

func (f *Figures) where(q *bun.SelectQuery) *bun.SelectQuery {
	q = whereIs(q, "document.type_id", f.filter.TypeID)
	q = whereIs(q, "document.channel", f.filter.Channel)
	return whereIs(q, "document.priority", f.filter.Priority)
}

func (f *Figures) inPeriod(q *bun.SelectQuery, column string) *bun.SelectQuery {
	return whereDates(q, column, &mesa.DateRange{From: f.From, To: f.To})
}

func (f *Figures) received() *bun.SelectQuery {
	return f.inPeriod(f.documents("documents_filed"), "document.filed_on").Where("document.state <> 'VOIDED'")
}

func (f *Figures) done() *bun.SelectQuery {
	return f.inPeriod(f.documents("documents_attended"), "document.attended_on").Where("document.state IN ('ATTENDED', 'ARCHIVED')")
}

// filed is the received by day and by state.
type filed struct {
	total           int
	byState         map[mesa.DocumentState]int
	byDay, notFiled map[mesa.Date]int
}

func (f *Figures) filedDays(ctx context.Context) (filed, error) { return f.filed.get(ctx, f.readFiled) }

func (f *Figures) readFiled(ctx context.Context) (filed, error) {
	var rows []struct {
		FiledOn mesa.Date
		State   mesa.DocumentState
		N       int
	}
	q := f.received().ColumnExpr("document.filed_on, document.state, count(*) AS n").GroupExpr("document.filed_on, document.state")
	if f.isTallied() {
		q = f.talliesInPeriod("day, key", "state").ColumnExpr("day AS filed_on, key AS state, CAST(sum(n) AS BIGINT) AS n")
	}
	if err := q.Scan(ctx, &rows); err != nil {
		return filed{}, fmt.Errorf("received by day: %w", err)
	}
	days := filed{byState: map[mesa.DocumentState]int{}, byDay: map[mesa.Date]int{}, notFiled: map[mesa.Date]int{}}
	for _, row := range rows {
		days.total += row.N
		days.byState[row.State] += row.N
		days.byDay[row.FiledOn] += row.N
		if row.State == mesa.NotFiled {
			days.notFiled[row.FiledOn] += row.N
		}
	}
	return days, nil
}

// kinds counts the received by priority, type, category, channel and sender, each by itself; a document may have no category.
type kinds map[string]map[string]int

func (k kinds) add(kind, key string, n int) {
	if k[kind] == nil {
		k[kind] = map[string]int{}
	}
	if key != "" {
		k[kind][key] += n
	}
}

func (k kinds) total() (n int) {
	for _, count := range k["priority"] {
		n += count
	}
	return n
}

func (f *Figures) readKinds(ctx context.Context) (kinds, error) {
	counts := kinds{}
	if f.isTallied() {
		var rows []struct {
			Measure, Key string
			N            int
		}
		q := f.talliesInPeriod("measure, key", "priority", "type", "category", "channel", "sender")
		if err := q.ColumnExpr("measure, key, CAST(sum(n) AS BIGINT) AS n").Scan(ctx, &rows); err != nil {
			return nil, fmt.Errorf("received by kind: %w", err)
		}
		for _, row := range rows {
			counts.add(row.Measure, row.Key, row.N)
		}
		return counts, nil
	}
	var cells []struct {
		Priority, TypeID, Channel, SenderKind string
		CategoryID                            mesa.CategoryID
		N                                     int
	}
	const columns = "document.priority, document.type_id, document.category_id, document.channel, document.sender_kind"
	if err := f.received().ColumnExpr(columns+", count(*) AS n").GroupExpr(columns).Scan(ctx, &cells); err != nil {
		return nil, fmt.Errorf("received by kind: %w", err)
	}
	for _, c := range cells {
		counts.add("priority", c.Priority, c.N)
		counts.add("type", c.TypeID, c.N)
		counts.add("category", string(c.CategoryID), c.N)
		counts.add("channel", c.Channel, c.N)
		counts.add("sender", c.SenderKind, c.N)
	}
	return counts, nil
}

// shares makes a share of each value of a kind.
func shares[K ~string, S any](ctx context.Context, f *Figures, kind string, order func(counts map[K]int) func(a, b K) int,
	share func(K, int, *float64) S) ([]S, error) {
	all, err := f.kinds.get(ctx, f.readKinds)
	if err != nil {
		return nil, err
	}
	counts, keys := map[K]int{}, []K{}
	for key, n := range all[kind] {
		counts[K(key)] = n
		keys = append(keys, K(key))
	}
	slices.SortFunc(keys, order(counts))
	list := make([]S, len(keys))
	for i, key := range keys {
		list[i] = share(key, counts[key], mesa.Percentage(counts[key], all.total()))
	}
	return list, nil
}

// largestFirst breaks ties by id, so that the order is always the same.
func largestFirst[K ~string](counts map[K]int) func(a, b K) int {
	return func(a, b K) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) }
}

func inOrderOf[K ~string](list []K) func(map[K]int) func(a, b K) int {
	return func(map[K]int) func(a, b K) int {
		return func(a, b K) int { return cmp.Compare(slices.Index(list, a), slices.Index(list, b)) }
	}
}

// standing is what is open now, and what came in today.
type standing struct{ Open, Urgent, Overdue, DueSoon, FiledToday int }

func (f *Figures) standings(ctx context.Context) (standing, error) {
	return f.standing.get(ctx, f.readStanding)
}

// readStanding names all four open states as the index documents_open_due does: otherwise it could not be used.
func (f *Figures) readStanding(ctx context.Context) (now standing, err error) {
	today, amber := f.v.today, f.v.cat.Calendar.AmberUntil(f.v.today)
	open := f.documents("documents_open_due").Where("document.state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS')").
		ColumnExpr("count(*) AS open").
		ColumnExpr("count(CASE WHEN document.priority = ? THEN 1 END) AS urgent", mesa.UrgentPriority).
		ColumnExpr("count(CASE WHEN "+overdue+" THEN 1 END) AS overdue", today).
		ColumnExpr("count(CASE WHEN "+running+" AND document.due_on BETWEEN ? AND ? THEN 1 END) AS due_soon", today, amber)
	filed := f.documents("documents_filed").Where("document.filed_on = ? AND document.state <> 'VOIDED'", today).ColumnExpr("count(*) AS filed_today")
	if f.isTallied() {
		open, filed = f.talliedStanding(today, amber)
	}
	if err := f.v.idb.NewSelect().ColumnExpr("o.*, f.*").TableExpr("(?) AS o, (?) AS f", open, filed).Scan(ctx, &now); err != nil {
		return now, fmt.Errorf("open documents: %w", err)
	}
	return now, nil
}

// attended is what was attended in the period, by day and by the business days it took.
type attended struct {
	total, withDue, onTime int
	byDay                  map[mesa.Date]int
	days                   mesa.Histogram
}

func (f *Figures) attendedDays(ctx context.Context) (attended, error) {
	return f.attended.get(ctx, f.readAttended)
}

// readAttended lets the database bring documents with the same two dates together; the calendar counts between few of them.
func (f *Figures) readAttended(ctx context.Context) (attended, error) {
	var rows []struct {
		FiledOn, AttendedOn mesa.Date
		N, WithDue, OnTime  int
	}
	q := f.done().ColumnExpr("document.filed_on, document.attended_on, count(*) AS n, count(document.due_on) AS with_due").
		ColumnExpr("count(CASE WHEN document.attended_on <= document.due_on THEN 1 END) AS on_time").
		GroupExpr("document.filed_on, document.attended_on")
	if f.isTallied() {
		q = f.talliesInPeriod("since, day", "attended").ColumnExpr("since AS filed_on, day AS attended_on, CAST(sum(n) AS BIGINT) AS n").
			ColumnExpr(summed("key <> ''") + " AS with_due").ColumnExpr(summed("key = 'ON_TIME'") + " AS on_time")
	}
	if err := q.Scan(ctx, &rows); err != nil {
		return attended{}, fmt.Errorf("attended by day: %w", err)
	}
	done := attended{byDay: map[mesa.Date]int{}, days: mesa.Histogram{}}
	for _, row := range rows {
		done.total += row.N
		done.withDue += row.WithDue
		done.onTime += row.OnTime
		done.byDay[row.AttendedOn] += row.N
		done.days.Add(f.v.cat.Calendar.AttentionDays(row.FiledOn, row.AttendedOn), row.N)
	}
	return done, nil
}

// AttentionByType is how the attended of each type were attended; a type without any is missing.
func (f *Figures) AttentionByType(ctx context.Context) (map[mesa.DocumentTypeID]mesa.TypeAttention, error) {
	var rows []struct {
		TypeID              mesa.DocumentTypeID
		FiledOn, AttendedOn mesa.Date
		N                   int
	}
	const columns = "document.type_id, document.filed_on, document.attended_on"
	if err := f.done().ColumnExpr(columns+", count(*) AS n").GroupExpr(columns).Scan(ctx, &rows); err != nil {
		return nil, fmt.Errorf("attended by type: %w", err)
	}
	days := map[mesa.DocumentTypeID]mesa.Histogram{}
	types := map[mesa.DocumentTypeID]mesa.TypeAttention{}
	for _, row := range rows {
		if days[row.TypeID] == nil {
			days[row.TypeID] = mesa.Histogram{}
		}
		days[row.TypeID].Add(f.v.cat.Calendar.AttentionDays(row.FiledOn, row.AttendedOn), row.N)
		types[row.TypeID] = mesa.TypeAttention{Attended: types[row.TypeID].Attended + row.N}
	}
	for id, t := range types {
		t.Days = days[id].Spread(1)
		types[id] = t
	}
	return types, nil
}

// tenthsOfHours is an SQL expression: seconds in tenths of hours, halves up.
func tenthsOfHours(seconds string) string { return "(" + seconds + " + 180) / 360" }

func (f *Figures) readHours(ctx context.Context) (mesa.Histogram, error) {
	var rows []struct{ Tenths, N int }
	since1970 := f.v.db.dialect.seconds
	err := f.done().Where("document.registered_at IS NOT NULL AND document.attended_at IS NOT NULL").
		ColumnExpr(tenthsOfHours(since1970("document.attended_at")+" - "+since1970("document.registered_at"))+" AS tenths, count(*) AS n").
		GroupExpr("1").Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("attention hours: %w", err)
	}
	hours := mesa.Histogram{}
	for _, row := range rows {
		hours.Add(row.Tenths, row.N)
	}
	return hours, nil
}

func (f *Figures) readLegs(ctx context.Context) (n int, err error) {
	q := f.done().Join("JOIN derivations AS l ON l.document_id = document.id").
		Where("l.kind = 'ACTION' AND l.origin IN ('SEND', 'RETURN', 'REASSIGN')").ColumnExpr("count(*)")
	if f.isTallied() {
		q = f.talliesInPeriod("", "hops").ColumnExpr(summed("TRUE"))
	}
	if err := q.Scan(ctx, &n); err != nil {
		return 0, fmt.Errorf("legs of the attended: %w", err)
	}
	return n, nil
}

// areaLegs selects, through an index, ACTION legs to the areas that are shown. An actor sees every document that an area of theirs was sent, so
// visibility need not be asked for again.
func (f *Figures) areaLegs(index string) *bun.SelectQuery {
	q := f.ofShown(f.v.idb.NewSelect().TableExpr("derivations AS l"+f.v.db.dialect.through(index)).Where("l.kind = 'ACTION'"), "l.to_id")
	if f.isUnfiltered() {
		return q
	}
	return f.where(q.Join("JOIN documents AS document ON document.id = l.document_id"))
}

// ofShown keeps the areas that are shown.
func (f *Figures) ofShown(q *bun.SelectQuery, column string) *bun.SelectQuery {
	switch {
	case f.shown == nil:
		return q
	case len(f.shown) == 0:
		return q.Where("1 = 0")
	}
	return q.Where(column+" IN (?)", bun.List(f.shown))
}

// legCount is one row of the areas' statement: n legs that are alike, hits of which are what the measure is after.
type legCount struct {
	Measure              string
	AreaID               mesa.AreaID
	ReceivedOn, ClosedOn mesa.Date
	Tenths               int
	N, Hits              int
}

// areasQuery counts four sets of legs at once, each through an index of its own.
func (f *Figures) areasQuery() *bun.RawQuery {
	zone := f.v.cat.Calendar.Zone()
	handled := f.inPeriod(f.areaLegs("derivations_handled"), "l.closed_on").Where("l.state = 'ATTENDED'").
		ColumnExpr("'handled' AS measure, l.to_id AS area_id, l.received_on, l.closed_on, 0 AS tenths, count(*) AS n, 0 AS hits").
		GroupExpr("l.to_id, l.received_on, l.closed_on")
	open := f.areaLegs("derivations_open").Where("l.state IN ('PENDING', 'RECEIVED')").
		ColumnExpr("CASE l.state WHEN 'PENDING' THEN 'pending' ELSE 'in hand' END, l.to_id, NULL, NULL, 0, count(*), count(CASE WHEN l.due_on < ? THEN 1 END)", f.v.today).
		GroupExpr("l.to_id, l.state")
	sent := f.sentLegs(f.From.In(zone).UTC(), f.To.AddDays(1).In(zone).UTC())
	return f.v.idb.NewRaw("? UNION ALL ? UNION ALL ? UNION ALL ?", handled, f.receivedLegs(), sent, open)
}

func (f *Figures) receivedLegs() *bun.SelectQuery {
	reception := tenthsOfHours("60 * l.reception_minutes")
	return f.inPeriod(f.areaLegs("derivations_received"), "l.received_on").
		ColumnExpr("'received', l.to_id, NULL, NULL, " + reception + ", count(*), count(CASE WHEN l.state = 'ATTENDED' THEN 1 END)").
		GroupExpr("l.to_id, " + reception)
}

func (f *Figures) sentLegs(from, to time.Time) *bun.SelectQuery {
	return f.areaLegs("derivations_sent_at").Where("l.sent_at >= ? AND l.sent_at < ?", from, to).
		ColumnExpr("'sent', l.to_id, NULL, NULL, 0, count(*), count(CASE WHEN l.state IN ('REJECTED', 'RETURNED') THEN 1 END)").
		GroupExpr("l.to_id")
}

// areaSums is what the rows of an area add up to.
type areaSums struct {
	mesa.AreaStatistics
	attendedByNow, sent, sentBack int
	reception, handling           mesa.Histogram
}

func (s *areaSums) add(row legCount, cal *mesa.Calendar) {
	switch row.Measure {
	case "handled":
		s.LegsAttended += row.N
		if !row.ReceivedOn.IsZero() {
			s.handling.Add(cal.BusinessDaysBetween(row.ReceivedOn, row.ClosedOn), row.N)
		}
	case "received":
		s.LegsReceived += row.N
		s.attendedByNow += row.Hits
		s.reception.Add(row.Tenths, row.N)
	case "sent":
		s.sent += row.N
		s.sentBack += row.Hits
	case "pending":
		s.PendingReception += row.N
		s.OverdueLegs += row.Hits
	case "in hand":
		s.InHand += row.N
		s.OverdueLegs += row.Hits
	}
}

// isIdle says that every figure is zero.
func (s *areaSums) isIdle() bool {
	return s.LegsAttended+s.LegsReceived+s.PendingReception+s.InHand+s.sentBack == 0
}

func (s *areaSums) statistics(withoutReception bool) *mesa.AreaStatistics {
	s.Efficiency, s.ReturnRate = mesa.Percentage(s.attendedByNow, s.LegsReceived), mesa.Percentage(s.sentBack, s.sent)
	s.HandlingDays = s.handling.Spread(1)
	if !withoutReception {
		s.ReceptionHours = s.reception.Spread(10)
	}
	return &s.AreaStatistics
}

func (f *Figures) readAreas(ctx context.Context) ([]*mesa.AreaStatistics, error) {
	var rows []legCount
	q := f.areasQuery()
	if f.isUnfiltered() {
		q = f.talliedAreas()
	}
	if err := q.Scan(ctx, &rows); err != nil {
		return nil, fmt.Errorf("legs by area: %w", err)
	}
	sums := map[mesa.AreaID]*areaSums{}
	for _, row := range rows {
		s := sums[row.AreaID]
		if s == nil {
			s = &areaSums{AreaStatistics: mesa.AreaStatistics{AreaID: row.AreaID}, reception: mesa.Histogram{}, handling: mesa.Histogram{}}
			sums[row.AreaID] = s
		}
		s.add(row, f.v.cat.Calendar)
	}
	list := []*mesa.AreaStatistics{}
	for _, s := range sums {
		if !s.isIdle() {
			list = append(list, s.statistics(f.withoutReception))
		}
	}
	slices.SortFunc(list, f.v.cat.BusiestFirst)
	return list, nil
}
