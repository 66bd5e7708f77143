package db_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// The clock of these tests: Wednesday 18 March 2026, 10:00 in Lima.
var statisticsNow = time.Date(2026, 3, 18, 15, 0, 0, 0, time.UTC)

// An institution of five areas; Contratos is below Legal.
const (
	inDesk      mesa.AreaID = "are_desk"
	inLegal     mesa.AreaID = "are_legal"
	inContracts mesa.AreaID = "are_legal_contracts"
	inHR        mesa.AreaID = "are_hr"
	inStores    mesa.AreaID = "are_stores"
)

// statisticsDesk is an institution with documents, legs and who took part in what: in a database and, to recount by hand, in memory.
type statisticsDesk struct {
	db     *db.DB
	cat    *mesa.Catalogue
	docs   []*mesa.Document
	legs   []*mesa.Derivation
	access map[mesa.DocumentID][]string
	stored struct{ docs, legs int }
}

func eachStatisticsDesk(t *testing.T, body func(t *testing.T, d *statisticsDesk)) {
	prepare := func(url string) {
		conn, err := db.Open(t.Context(), url, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := conn.InTx(t.Context(), func(tx *db.Tx) error { return insertInstitution(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
	}
	testkit.EachClone(t, "statistics", prepare, func(t *testing.T, url string) {
		t.Parallel()
		conn, err := db.Open(t.Context(), url, db.Options{Now: func() time.Time { return statisticsNow }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		cat, err := conn.Catalogue(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		body(t, &statisticsDesk{db: conn, cat: cat, access: map[mesa.DocumentID][]string{}})
	})
}

func insertInstitution(ctx context.Context, tx *db.Tx) error {
	for _, rows := range []any{
		&mesa.Institution{ID: 1, Name: "Municipalidad", ShortName: "Muni", RUC: "20131370645", TimeZone: "America/Lima", Locale: "es-PE",
			FilingPolicy: mesa.SameDay24h, OfficeCutoff: 16 * 60, DefaultTermBusinessDays: 30},
		&[]*mesa.Area{
			{ID: inDesk, Code: "MP", Name: "Mesa de Partes", IsDesk: true, IsActive: true},
			{ID: inLegal, Code: "OAJ", Name: "Asesoría Jurídica", IsActive: true},
			{ID: inContracts, Code: "CON", Name: "Contratos", ParentID: inLegal, IsActive: true},
			{ID: inHR, Code: "RRHH", Name: "Recursos Humanos", IsActive: true},
			{ID: inStores, Code: "ALM", Name: "Almacén"},
		},
		&[]*mesa.DocumentType{
			{ID: "typ_1", Code: "SOL", Name: "Solicitud", IsActive: true, DefaultConfidentiality: mesa.Public},
			{ID: "typ_2", Code: "INF", Name: "Informe", IsActive: true, DefaultConfidentiality: mesa.Public},
		},
		&[]*mesa.Category{{ID: "cat_1", TypeID: "typ_1", Code: "A", Name: "A"}, {ID: "cat_2", TypeID: "typ_1", Code: "B", Name: "B"}},
	} {
		if _, err := tx.NewInsert().Model(rows).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// actor is somebody with one role in one area ("" for everywhere).
func (d *statisticsDesk) actor(role mesa.RoleCode, area mesa.AreaID) *mesa.Actor {
	return mesa.NewActor(d.cat, &mesa.User{ID: "usr_1", FullName: "Rosa Quispe"}, []mesa.RoleGrant{{Role: role, Area: area}}, nil)
}

// add puts a document into the desk's books: what the test leaves out is made up.
func (d *statisticsDesk) add(doc mesa.Document, legs ...mesa.Derivation) {
	n := len(d.docs) + 1
	doc.ID, doc.TrackingCode = mesa.DocumentID(fmt.Sprintf("doc_%05d", n)), mesa.TrackingCode(fmt.Sprintf("MESA-%05d", n))
	doc.State, doc.Channel = cmp.Or(doc.State, mesa.Registered), cmp.Or(doc.Channel, mesa.Counter)
	doc.TypeID, doc.Priority = cmp.Or(doc.TypeID, "typ_1"), cmp.Or(doc.Priority, mesa.NormalPriority)
	doc.Confidentiality, doc.Sender.Kind = cmp.Or(doc.Confidentiality, mesa.Public), cmp.Or(doc.Sender.Kind, mesa.PersonParty)
	doc.PriorityRank, doc.DueSource, doc.Subject, doc.FilingPolicy = mesa.PriorityRank(doc.Priority), "NONE", "Asunto", mesa.SameDay24h
	doc.Sender.IDType, doc.Sender.Name, doc.Tags, doc.CurrentAreaIDs = mesa.NoID, "Ana", []string{}, []mesa.AreaID{}
	doc.DeskAreaID, doc.CurrentAreaID, doc.SubmittedAt = inDesk, inDesk, doc.FiledOn.In(d.cat.Calendar.Zone()).UTC()
	doc.ListedAt, doc.OpenedAt, doc.CreatedAt = doc.SubmittedAt, doc.SubmittedAt, doc.SubmittedAt
	doc.AttendedOn = mesa.DateOf(doc.AttendedAt, d.cat.Calendar.Zone())
	d.docs = append(d.docs, &doc)
	access := []string{string(inDesk)}
	for _, leg := range legs {
		id := fmt.Sprintf("der_%05d", len(d.legs)+1)
		leg.ID, leg.Number, leg.DocumentID, leg.BatchID = mesa.DerivationID(id), id, doc.ID, "bat_1"
		leg.Kind, leg.Origin, leg.FromID = cmp.Or(leg.Kind, mesa.ForAction), cmp.Or(leg.Origin, mesa.OriginSend), cmp.Or(leg.FromID, inDesk)
		leg.ReceivedOn, leg.ClosedOn = mesa.DateOf(leg.ReceivedAt, d.cat.Calendar.Zone()), mesa.DateOf(leg.ClosedAt, d.cat.Calendar.Zone())
		d.legs = append(d.legs, &leg)
		access = append(access, string(leg.FromID), string(leg.ToID))
	}
	slices.Sort(access)
	d.access[doc.ID] = slices.Compact(access)
}

// store writes into the database what the books have and it has not.
func (d *statisticsDesk) store(t *testing.T) {
	t.Helper()
	type grant struct {
		DocumentID mesa.DocumentID
		Grantee    string
	}
	err := d.db.InTx(t.Context(), func(tx *db.Tx) error {
		var grants []grant
		docs, legs := d.docs[d.stored.docs:], d.legs[d.stored.legs:]
		for _, doc := range docs {
			for _, g := range d.access[doc.ID] {
				grants = append(grants, grant{doc.ID, g})
			}
		}
		if _, err := tx.NewInsert().Model(&docs).Value("search_text", "''").Exec(t.Context()); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&grants).ModelTableExpr("document_access").Exec(t.Context()); err != nil || len(legs) == 0 {
			return err
		}
		_, err := tx.NewInsert().Model(&legs).Exec(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.stored.docs, d.stored.legs = len(d.docs), len(d.legs)
}

func lima(month time.Month, day, hour, minute int) time.Time {
	return time.Date(2026, month, day, hour+5, minute, 0, 0, time.UTC)
}

func march(day int) mesa.Date { return mesa.NewDate(2026, time.March, day) }

// fill adds documents and legs of every kind from the first weeks of 2026.
func (d *statisticsDesk) fill(random *rand.Rand, documents int) {
	chance := func(percent int) bool { return random.Intn(100) < percent }
	later := func(from time.Time, hours int) time.Time {
		return from.Add(time.Duration(random.Intn(hours)) * time.Hour).Add(time.Duration(random.Int63n(int64(time.Hour)))).Truncate(time.Microsecond)
	}
	areas := []mesa.AreaID{inDesk, inLegal, inContracts, inHR}
	for range documents {
		doc := mesa.Document{
			FiledOn: mesa.NewDate(2026, 1, 5).AddDays(random.Intn(73)), State: pick(random, mesa.DocumentStates), Channel: pick(random, mesa.Channels),
			TypeID: pick(random, []mesa.DocumentTypeID{"typ_1", "typ_2"}), CategoryID: pick(random, []mesa.CategoryID{"", "cat_1", "cat_2"}),
			Priority: pick(random, mesa.Priorities), Confidentiality: pick(random, mesa.Confidentialities),
		}
		doc.Sender.Kind = pick(random, mesa.PartyKinds)
		filedAt := doc.FiledOn.In(d.cat.Calendar.Zone()).UTC()
		if doc.State != mesa.Submitted {
			doc.RegisteredAt = later(filedAt, 40)
		}
		if chance(80) {
			doc.DueOn = doc.FiledOn.AddDays(random.Intn(75))
		}
		if doc.State == mesa.Attended || doc.State == mesa.Archived && chance(70) {
			doc.AttendedAt = later(doc.RegisteredAt, 600)
		}
		var legs []mesa.Derivation
		for range random.Intn(5) {
			leg := mesa.Derivation{
				FromID: pick(random, areas), ToID: pick(random, areas[1:]), Kind: pick(random, []mesa.DerivationKind{mesa.ForAction, mesa.ForAction, mesa.ForCopy}),
				Origin: pick(random, mesa.DerivationOrigins), State: pick(random, mesa.DerivationStates), SentAt: later(filedAt, 200),
			}
			if chance(70) {
				leg.DueOn = doc.FiledOn.AddDays(random.Intn(75))
			}
			if leg.State != mesa.LegPending && leg.State != mesa.LegRejected {
				leg.ReceivedAt = later(leg.SentAt, 60)
				leg.ReceptionMinutes = d.cat.Calendar.BusinessMinutesBetween(leg.SentAt, leg.ReceivedAt)
			}
			if leg.State != mesa.LegPending && leg.State != mesa.LegReceived {
				leg.ClosedAt = later(leg.SentAt.Add(60*time.Hour), 300)
			}
			legs = append(legs, leg)
		}
		d.add(doc, legs...)
	}
}

func pick[T any](random *rand.Rand, list []T) T { return list[random.Intn(len(list))] }

// figures asks for every field, at once as the server does, and returns them by name.
func figures(ctx context.Context, f *db.Figures) (map[string]any, error) {
	got := map[string]any{"from": f.From, "to": f.To}
	var (
		mu   sync.Mutex
		wait sync.WaitGroup
		errs error
	)
	for name, field := range map[string]func() (any, error){
		"received": field(ctx, f.Received), "receivedToday": field(ctx, f.ReceivedToday), "notFiled": field(ctx, f.NotFiled),
		"attended": field(ctx, f.Attended), "open": field(ctx, f.Open), "urgentOpen": field(ctx, f.UrgentOpen),
		"overdue": field(ctx, f.Overdue), "dueSoon": field(ctx, f.DueSoon), "onTimeRate": field(ctx, f.OnTimeRate),
		"backlogChange": field(ctx, f.BacklogChange), "dailyAverage": field(ctx, f.DailyAverage), "hops": field(ctx, f.Hops),
		"byState": field(ctx, f.ByState), "byPriority": field(ctx, f.ByPriority), "byType": field(ctx, f.ByType),
		"byCategory": field(ctx, f.ByCategory), "byChannel": field(ctx, f.ByChannel), "bySenderKind": field(ctx, f.BySenderKind),
		"attentionDays": field(ctx, f.AttentionDays), "attentionHours": field(ctx, f.AttentionHours), "topArea": field(ctx, f.TopArea),
		"areas": func() (any, error) { return f.Areas(ctx, nil) },
		"trend": func() (any, error) { return f.Trend(ctx, mesa.ISOWeekBucket) },
	} {
		wait.Go(func() {
			value, err := field()
			mu.Lock()
			defer mu.Unlock()
			got[name], errs = value, errors.Join(errs, err)
		})
	}
	wait.Wait()
	return got, errs
}

func field[T any](ctx context.Context, method func(context.Context) (T, error)) func() (any, error) {
	return func() (any, error) { return method(ctx) }
}

func mustFigures(t *testing.T, d *statisticsDesk, by *mesa.Actor, filter mesa.StatisticsFilter) map[string]any {
	t.Helper()
	f, err := d.db.View(by).Statistics(t.Context(), filter)
	if err != nil {
		t.Fatal(err)
	}
	got, err := figures(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func asJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func compareFigures(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if g, w := asJSON(got[name]), asJSON(value); g != w {
			t.Errorf("%s: %s\n got %s\nwant %s", what, name, g, w)
		}
	}
}

func TestFiguresByExample(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		// Filed on Monday 2 March and attended on the 5th, in time, by way of two areas.
		d.add(mesa.Document{FiledOn: march(2), State: mesa.Archived, DueOn: march(6), RegisteredAt: lima(3, 2, 9, 0), AttendedAt: lima(3, 5, 10, 33)},
			mesa.Derivation{ToID: inLegal, State: mesa.LegAttended, SentAt: lima(3, 2, 9, 0), ReceivedAt: lima(3, 2, 11, 30), ReceptionMinutes: 150, ClosedAt: lima(3, 4, 9, 0)},
			mesa.Derivation{FromID: inLegal, ToID: inHR, State: mesa.LegAttended, SentAt: lima(3, 4, 9, 0), ReceivedAt: lima(3, 4, 9, 5), ReceptionMinutes: 5, ClosedAt: lima(3, 5, 10, 33)})
		// Attended late.
		d.add(mesa.Document{FiledOn: march(2), State: mesa.Attended, DueOn: march(6), RegisteredAt: lima(3, 2, 9, 0), AttendedAt: lima(3, 9, 9, 0)},
			mesa.Derivation{ToID: inHR, State: mesa.LegRejected, SentAt: lima(3, 2, 10, 0), ClosedAt: lima(3, 2, 11, 0)},
			mesa.Derivation{ToID: inLegal, State: mesa.LegAttended, SentAt: lima(3, 2, 12, 0), ReceivedAt: lima(3, 2, 12, 2), ReceptionMinutes: 2, ClosedAt: lima(3, 9, 9, 0)})
		d.add(mesa.Document{FiledOn: march(17), DueOn: march(17), Priority: mesa.UrgentPriority}) // overdue since midnight
		d.add(mesa.Document{FiledOn: march(18), DueOn: march(23), State: mesa.InProcess},         // three business days remain
			mesa.Derivation{ToID: inLegal, State: mesa.LegReceived, SentAt: lima(3, 18, 9, 0), ReceivedAt: lima(3, 18, 9, 30), ReceptionMinutes: 30, DueOn: march(17)})
		d.add(mesa.Document{FiledOn: march(18), DueOn: march(24), State: mesa.Submitted})
		d.add(mesa.Document{FiledOn: march(10), DueOn: march(11), State: mesa.Observed}) // its clock stands still
		d.add(mesa.Document{FiledOn: march(10), State: mesa.NotFiled})
		d.add(mesa.Document{FiledOn: march(10), State: mesa.Voided})
		d.store(t)

		got := mustFigures(t, d, d.actor(mesa.Viewer, ""), mesa.StatisticsFilter{From: march(2)})
		compareFigures(t, "March", got, map[string]any{
			"from": "2026-03-02", "to": "2026-03-18", "received": 7, "receivedToday": 2, "notFiled": 1, "attended": 2, "open": 4, "urgentOpen": 1,
			"overdue": 1, "dueSoon": 1, "onTimeRate": 50, "backlogChange": 4, "hops": 2, "dailyAverage": 0.5, // 7 on 13 business days
			"attentionDays":  spreadOf(4, 3, 5, 3, 5),
			"attentionHours": spreadOf(120.8, 73.6, 168, 73.6, 168), // 73 h 33 min: half up
		})
		areas := got["areas"].([]*mesa.AreaStatistics)
		if len(areas) != 2 {
			t.Fatalf("areas: %s", asJSON(areas))
		}
		legal, hr := areas[0], areas[1]
		if legal.AreaID != inLegal || legal.LegsAttended != 2 || legal.LegsReceived != 3 || legal.InHand != 1 || legal.OverdueLegs != 1 || *legal.Efficiency != 66.7 ||
			*legal.ReturnRate != 0 || *legal.ReceptionHours.Max != 2.5 || *legal.ReceptionHours.Min != 0 || *legal.HandlingDays.Max != 5 {
			t.Errorf("Legal: %s", asJSON(legal))
		}
		if hr.AreaID != inHR || hr.LegsAttended != 1 || *hr.ReturnRate != 50 || *hr.Efficiency != 100 || *hr.ReceptionHours.Median != 0.1 {
			t.Errorf("HR: %s", asJSON(hr))
		}
		if top := got["topArea"].(*mesa.AreaStatistics); top.AreaID != inLegal {
			t.Errorf("top area: %s", asJSON(top))
		}
	})
}

func spreadOf(average, median, p90, min, max float64) mesa.Spread {
	return mesa.Spread{Average: &average, Median: &median, P90: &p90, Min: &min, Max: &max}
}

func TestAnEmptyPeriodHasNoRates(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		sunday := march(15)
		got := mustFigures(t, d, d.actor(mesa.Viewer, ""), mesa.StatisticsFilter{From: sunday, To: sunday})
		compareFigures(t, "an empty Sunday", got, map[string]any{
			"received": 0, "attended": 0, "open": 0, "onTimeRate": nil, "dailyAverage": nil, "hops": nil, "byState": []int{}, "byType": []int{},
			"attentionDays": mesa.Spread{}, "attentionHours": mesa.Spread{}, "areas": []int{}, "topArea": nil,
			"trend": []mesa.TrendPoint{{Start: march(9)}},
		})
	})
}

// Random documents, counted once by the database and once by hand, for every kind of reader and filter.
func TestFiguresAgreeWithARecount(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		random := rand.New(rand.NewSource(20260318))
		d.fill(random, 250)
		d.store(t)
		readers := map[string]*mesa.Actor{
			"viewer": d.actor(mesa.Viewer, ""), "auditor": d.actor(mesa.Auditor, ""), "user of Legal": d.actor(mesa.AreaUser, inLegal),
			"head of Legal": d.actor(mesa.AreaHead, inLegal), "user of Stores": d.actor(mesa.AreaUser, inStores), "system": mesa.System(d.cat, "Sistema"),
		}
		filters := []mesa.StatisticsFilter{{}, {From: mesa.NewDate(2026, 1, 1)}, {AreaID: inLegal}, {AreaID: inLegal, IncludeSubareas: true}}
		for range 25 {
			f := mesa.StatisticsFilter{From: mesa.NewDate(2026, 1, 1).AddDays(random.Intn(60)), AreaID: pick(random, []mesa.AreaID{"", "", inLegal, inHR}),
				IncludeSubareas: random.Intn(2) == 0, TypeID: pick(random, []mesa.DocumentTypeID{"", "", "typ_1", "INF", "none"}),
				Channel: pick(random, []mesa.Channel{"", "", "", mesa.Web}), Priority: pick(random, []mesa.Priority{"", "", mesa.UrgentPriority})}
			f.To = f.From.AddDays(random.Intn(50))
			filters = append(filters, f)
		}
		for who, actor := range readers {
			for _, filter := range filters {
				if filter.AreaID != "" && !actor.SeesArea(filter.AreaID) {
					continue
				}
				compareFigures(t, fmt.Sprintf("%s, %+v", who, filter), mustFigures(t, d, actor, filter), d.recount(actor, filter))
				if t.Failed() {
					return
				}
			}
		}
	})
}

// recount works out all figures from the definitions, one document after the other.
func (d *statisticsDesk) recount(actor *mesa.Actor, f mesa.StatisticsFilter) map[string]any {
	today, cal := mesa.DateOf(statisticsNow, d.cat.Calendar.Zone()), d.cat.Calendar
	if f.To.IsZero() {
		f.To = today
	}
	if f.From.IsZero() {
		f.From = f.To.AddDays(-29)
	}
	in := func(date mesa.Date) bool { return !date.IsZero() && f.From <= date && date <= f.To }
	took := []mesa.AreaID{f.AreaID}
	if f.IncludeSubareas && f.AreaID == inLegal {
		took = append(took, inContracts)
	}
	fits := func(doc *mesa.Document) bool {
		return (f.Channel == "" || f.Channel == doc.Channel) && (f.Priority == "" || f.Priority == doc.Priority) &&
			(f.TypeID == "" || f.TypeID == doc.TypeID || f.TypeID == "INF" && doc.TypeID == "typ_2")
	}
	byID := map[mesa.DocumentID]*mesa.Document{}
	received, notFiled, attended, open, urgent, overdue, soon, filedToday, withDue, onTime := 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
	states, priorities, types, categories, channels, kinds := counts{}, counts{}, counts{}, counts{}, counts{}, counts{}
	var days, hours []float64
	weeks := map[mesa.Date]*mesa.TrendPoint{}
	for date := f.From; date <= f.To; date++ {
		monday := date
		for monday.Weekday() != time.Monday {
			monday--
		}
		if weeks[monday] == nil {
			weeks[monday] = &mesa.TrendPoint{Start: monday}
		}
		weeks[date] = weeks[monday]
	}
	isDone := map[mesa.DocumentID]bool{}
	for _, doc := range d.docs {
		byID[doc.ID] = doc
		if !fits(doc) || !d.sees(actor, doc) || f.AreaID != "" && !slices.ContainsFunc(took, func(a mesa.AreaID) bool { return slices.Contains(d.access[doc.ID], string(a)) }) {
			continue
		}
		if doc.State != mesa.Voided && doc.FiledOn == today {
			filedToday++
		}
		if doc.State != mesa.Voided && in(doc.FiledOn) {
			received++
			weeks[doc.FiledOn].Received++
			weeks[doc.FiledOn].BacklogChange++
			if doc.State == mesa.NotFiled {
				notFiled++
				weeks[doc.FiledOn].BacklogChange--
			}
			for side, key := range map[*counts]string{&states: string(doc.State), &priorities: string(doc.Priority), &types: string(doc.TypeID),
				&categories: string(doc.CategoryID), &channels: string(doc.Channel), &kinds: string(doc.Sender.Kind)} {
				(*side)[key]++
			}
		}
		if (doc.State == mesa.Attended || doc.State == mesa.Archived) && in(doc.AttendedOn) {
			attended++
			isDone[doc.ID] = true
			weeks[doc.AttendedOn].Attended++
			weeks[doc.AttendedOn].BacklogChange--
			if !doc.DueOn.IsZero() {
				withDue++
				if doc.AttendedOn <= doc.DueOn {
					onTime++
				}
			}
			days = append(days, max(0, countedDays(cal, doc.FiledOn, doc.AttendedOn)))
			took := doc.AttendedAt.Truncate(time.Second).Sub(doc.RegisteredAt.Truncate(time.Second))
			hours = append(hours, halfUp(took.Seconds(), 3600))
		}
		if doc.State.IsOpen() {
			open++
			if doc.Priority == mesa.UrgentPriority {
				urgent++
			}
			switch cal.Light(doc.State, doc.DueOn, 0, today, doc.IsPaused()) {
			case mesa.LightOverdue:
				overdue++
			case mesa.LightRed, mesa.LightAmber:
				soon++
			}
		}
	}
	hops := 0
	areas := map[mesa.AreaID]*recountedArea{}
	for _, leg := range d.legs {
		if leg.Kind != mesa.ForAction {
			continue
		}
		if isDone[leg.DocumentID] && (leg.Origin == mesa.OriginSend || leg.Origin == mesa.OriginReturn || leg.Origin == mesa.OriginReassign) {
			hops++
		}
		if !fits(byID[leg.DocumentID]) || !actor.SeesArea(leg.ToID) || f.AreaID != "" && !slices.Contains(took, leg.ToID) {
			continue
		}
		if areas[leg.ToID] == nil {
			areas[leg.ToID] = &recountedArea{}
		}
		areas[leg.ToID].add(cal, leg, in, today)
	}
	var weekly []mesa.TrendPoint
	for date := f.From; date <= f.To; date++ {
		if len(weekly) == 0 || weekly[len(weekly)-1].Start != weeks[date].Start {
			weekly = append(weekly, *weeks[date])
		}
	}
	businessDays := 0
	for date := f.From; date <= f.To; date++ {
		if cal.IsBusinessDay(date) {
			businessDays++
		}
	}
	delete(categories, "")
	list := d.listAreas(areas)
	return map[string]any{
		"from": f.From, "to": f.To, "received": received, "receivedToday": filedToday, "notFiled": notFiled, "attended": attended, "open": open,
		"urgentOpen": urgent, "overdue": overdue, "dueSoon": soon, "onTimeRate": rate(100*onTime, withDue), "backlogChange": received - attended - notFiled,
		"dailyAverage": rate(received, businessDays), "hops": rate(hops, attended), "trend": weekly,
		"attentionDays": naiveSpread(days), "attentionHours": naiveSpread(hours), "areas": list, "topArea": d.naiveTop(list),
		"byState": states.shares("State", received, inOrder(mesa.DocumentStates)), "byPriority": priorities.shares("Priority", received, inOrder(mesa.Priorities)),
		"byType": types.shares("TypeID", received, nil), "byCategory": categories.shares("CategoryID", received, nil),
		"byChannel": channels.shares("Channel", received, inOrder(mesa.Channels)), "bySenderKind": kinds.shares("Kind", received, inOrder(mesa.PartyKinds)),
	}
}

// sees: who reads all counts everything; the others what their areas, or they themselves, took part in.
func (d *statisticsDesk) sees(actor *mesa.Actor, doc *mesa.Document) bool {
	return actor.MayEverywhere(mesa.MayReadAll) ||
		slices.ContainsFunc(d.access[doc.ID], func(g string) bool { return slices.Contains(actor.Scope().Grantees, g) })
}

func countedDays(cal *mesa.Calendar, from, to mesa.Date) float64 {
	n := 0.0
	for d := from + 1; d <= to; d++ {
		if cal.IsCounted(d) {
			n++
		}
	}
	for d := to + 1; d <= from; d++ {
		if cal.IsCounted(d) {
			n--
		}
	}
	return n
}

func halfUp(a, b float64) float64 { return math.Floor(10*a/b+0.5) / 10 }

func rate(a, b int) any {
	if b == 0 {
		return nil
	}
	return halfUp(float64(a), float64(b))
}

func naiveSpread(values []float64) mesa.Spread {
	if len(values) == 0 {
		return mesa.Spread{}
	}
	slices.Sort(values)
	tenths := 0.0
	for _, v := range values {
		tenths += math.Round(10 * v)
	}
	rank := func(percent int) float64 { return values[int(math.Ceil(float64(percent*len(values))/100))-1] }
	return spreadOf(halfUp(tenths, 10*float64(len(values))), rank(50), rank(90), values[0], values[len(values)-1])
}

type counts map[string]int

func inOrder[T ~string](list []T) func(string) int {
	return func(s string) int { return slices.Index(list, T(s)) }
}

// shares are objects as JSON: in an order, or the largest first.
func (c counts) shares(name string, total int, order func(string) int) []json.RawMessage {
	keys := []string{}
	for key := range c {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if order != nil {
			return order(a) - order(b)
		}
		return cmp.Or(c[b]-c[a], strings.Compare(a, b))
	})
	list := []json.RawMessage{}
	for _, key := range keys {
		list = append(list, json.RawMessage(fmt.Sprintf(`{"%s":"%s","Count":%d,"Percentage":%s}`, name, key, c[key], asJSON(rate(100*c[key], total)))))
	}
	return list
}

type recountedArea struct {
	received, attended, pending, inHand, overdue, attendedByNow, sent, sentBack int
	reception, handling                                                         []float64
}

func (a *recountedArea) add(cal *mesa.Calendar, leg *mesa.Derivation, in func(mesa.Date) bool, today mesa.Date) {
	if in(leg.ReceivedOn) {
		a.received++
		a.reception = append(a.reception, halfUp(float64(leg.ReceptionMinutes), 60))
		if leg.State == mesa.LegAttended {
			a.attendedByNow++
		}
	}
	if leg.State == mesa.LegAttended && in(leg.ClosedOn) {
		a.attended++
		a.handling = append(a.handling, countedDays(cal, leg.ReceivedOn, leg.ClosedOn))
	}
	if in(mesa.DateOf(leg.SentAt, cal.Zone())) {
		a.sent++
		if leg.State == mesa.LegRejected || leg.State == mesa.LegReturned {
			a.sentBack++
		}
	}
	if leg.State == mesa.LegPending {
		a.pending++
	}
	if leg.State == mesa.LegReceived {
		a.inHand++
	}
	if leg.State.IsOpen() && !leg.DueOn.IsZero() && leg.DueOn < today {
		a.overdue++
	}
}

func (d *statisticsDesk) listAreas(areas map[mesa.AreaID]*recountedArea) []*mesa.AreaStatistics {
	list := []*mesa.AreaStatistics{}
	for id, a := range areas {
		if a.received+a.attended+a.pending+a.inHand+a.sentBack > 0 {
			list = append(list, &mesa.AreaStatistics{AreaID: id, LegsReceived: a.received, LegsAttended: a.attended, PendingReception: a.pending,
				InHand: a.inHand, OverdueLegs: a.overdue, Efficiency: mesa.Percentage(a.attendedByNow, a.received),
				ReturnRate: mesa.Percentage(a.sentBack, a.sent), ReceptionHours: naiveSpread(a.reception), HandlingDays: naiveSpread(a.handling)})
		}
	}
	slices.SortFunc(list, func(a, b *mesa.AreaStatistics) int {
		return cmp.Or(b.LegsAttended-a.LegsAttended, b.LegsReceived-a.LegsReceived, strings.Compare(d.cat.AreaName(a.AreaID), d.cat.AreaName(b.AreaID)))
	})
	return list
}

func (d *statisticsDesk) naiveTop(list []*mesa.AreaStatistics) any {
	if len(list) == 0 || list[0].LegsAttended == 0 {
		return nil
	}
	return d.cat.TopArea(list) // ties are tested in mesa
}

func TestConfidentialDocumentsCountForWhoReadsAllAndForWhoTookPart(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		d.add(mesa.Document{FiledOn: march(3), Confidentiality: mesa.Confidential},
			mesa.Derivation{ToID: inHR, State: mesa.LegPending, SentAt: lima(3, 3, 9, 0)})
		d.store(t)
		for _, c := range []struct {
			role     mesa.RoleCode
			area     mesa.AreaID
			received int
			areas    int
		}{{mesa.Viewer, "", 1, 1}, {mesa.Auditor, "", 1, 1}, {mesa.AreaUser, inHR, 1, 1}, {mesa.AreaUser, inLegal, 0, 0}, {mesa.AreaUser, inDesk, 1, 0}} {
			got := mustFigures(t, d, d.actor(c.role, c.area), mesa.StatisticsFilter{})
			if areas := got["areas"].([]*mesa.AreaStatistics); got["received"] != c.received || len(areas) != c.areas {
				t.Errorf("%s %s: received %v, areas %s", c.role, c.area, got["received"], asJSON(areas))
			}
		}
	})
}

func TestStatisticsRefusesWhatItCannotAnswer(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		everybody, legal := d.actor(mesa.Viewer, ""), d.actor(mesa.AreaUser, inLegal)
		nobody := mesa.NewActor(d.cat, &mesa.User{ID: "usr_2"}, nil, nil)
		for _, c := range []struct {
			name   string
			by     *mesa.Actor
			filter mesa.StatisticsFilter
			code   mesa.Code
			field  string
		}{
			{"backwards", everybody, mesa.StatisticsFilter{From: march(9), To: march(8)}, mesa.ValidationFailed, "from"},
			{"from the future", everybody, mesa.StatisticsFilter{From: march(19)}, mesa.ValidationFailed, "from"},
			{"3700 days", everybody, mesa.StatisticsFilter{From: march(18).AddDays(-3699)}, "", ""},
			{"3701 days", everybody, mesa.StatisticsFilter{From: march(18).AddDays(-3700)}, mesa.LimitExceeded, "from"},
			{"no such area", everybody, mesa.StatisticsFilter{AreaID: "are_none"}, mesa.NotFound, "areaId"},
			{"own area", legal, mesa.StatisticsFilter{AreaID: inLegal}, "", ""},
			{"another area", legal, mesa.StatisticsFilter{AreaID: inHR}, mesa.Forbidden, ""},
			{"without roles", nobody, mesa.StatisticsFilter{}, mesa.Forbidden, ""},
		} {
			_, err := d.db.View(c.by).Statistics(t.Context(), c.filter)
			if mesa.CodeOf(err) != c.code {
				t.Errorf("%s: %v, want %q", c.name, err, c.code)
			} else if e, ok := errors.AsType[*mesa.Error](err); ok && e.Field != c.field {
				t.Errorf("%s: blames %q, want %q", c.name, e.Field, c.field)
			}
		}
		f, err := d.db.View(everybody).Statistics(t.Context(), mesa.StatisticsFilter{})
		if err != nil {
			t.Fatal(err)
		}
		if f.From != march(18).AddDays(-29) || f.To != march(18) || !f.AsOf.Equal(statisticsNow) {
			t.Errorf("by default %s to %s as of %s", f.From, f.To, f.AsOf)
		}
		for first, code := range map[int]mesa.Code{-1: mesa.ValidationFailed, 0: "", 200: "", 201: mesa.LimitExceeded} {
			if _, err := f.Areas(t.Context(), &first); mesa.CodeOf(err) != code {
				t.Errorf("the first %d areas: %v, want %q", first, err, code)
			}
		}
	})
}

// What the statistics page asks for takes five statements, however much there is to count and whoever asks.
func TestStatisticsRunEachStatementOnce(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		page := func(by *mesa.Actor) int {
			f, err := d.db.View(by).Statistics(t.Context(), mesa.StatisticsFilter{})
			if err != nil {
				t.Fatal(err)
			}
			ctx, counter := db.CountStatements(t.Context())
			var wait sync.WaitGroup
			for _, ask := range []func() (any, error){
				field(ctx, f.Received), field(ctx, f.ReceivedToday), field(ctx, f.Attended), field(ctx, f.Open), field(ctx, f.UrgentOpen),
				field(ctx, f.Overdue), field(ctx, f.DueSoon), field(ctx, f.OnTimeRate), field(ctx, f.ByState), field(ctx, f.ByPriority),
				field(ctx, f.ByType), field(ctx, f.AttentionDays), func() (any, error) { return f.Areas(ctx, new(10)) },
				func() (any, error) { return f.Trend(ctx, mesa.DayBucket) },
			} {
				wait.Go(func() {
					if _, err := ask(); err != nil {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			return counter.Statements()
		}
		readers := []*mesa.Actor{d.actor(mesa.Viewer, ""), d.actor(mesa.AreaHead, inLegal), d.actor(mesa.AreaUser, inStores)}
		for _, by := range readers {
			if n := page(by); n != 5 {
				t.Errorf("an empty desk takes %d statements", n)
			}
		}
		d.fill(rand.New(rand.NewSource(1)), 60)
		d.store(t)
		for _, by := range readers {
			if n := page(by); n != 5 {
				t.Errorf("60 documents take %d statements", n)
			}
		}
		f, err := d.db.View(readers[0]).Statistics(t.Context(), mesa.StatisticsFilter{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, counter := db.CountStatements(t.Context())
		for range 2 {
			if _, err := figures(ctx, f); err != nil {
				t.Fatal(err)
			}
		}
		if n := counter.Statements(); n != 7 {
			t.Errorf("all fields twice take %d statements, want 7", n)
		}
	})
}

func TestACancelledFigureFailsForAll(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		f, err := d.db.View(d.actor(mesa.Viewer, "")).Statistics(t.Context(), mesa.StatisticsFilter{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := f.Received(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("the first: %v", err)
		}
		if _, err := f.NotFiled(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("the second, of the same statement: %v", err)
		}
		if _, err := f.Open(t.Context()); err != nil {
			t.Errorf("another statement: %v", err)
		}
	})
}
