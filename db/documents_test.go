package db_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// archive is a database with a history, and all of it in memory to look through by hand.
type archive struct {
	*testing.T
	url     string
	db      *db.DB
	cat     *mesa.Catalogue
	today   mesa.Date
	docs    []*mesa.Document
	legs    map[mesa.DocumentID][]*mesa.Derivation
	access  map[mesa.DocumentID][]string
	watches map[mesa.UserID][]mesa.DocumentID
	scopes  map[*mesa.Actor]mesa.Scope
}

// archiveNow is a Wednesday noon in Lima.
var archiveNow = time.Date(2026, time.March, 18, 17, 0, 0, 0, time.UTC)

func openArchive(t *testing.T, url string) *db.DB {
	t.Helper()
	database, err := db.Open(t.Context(), url, db.Options{Now: func() time.Time { return archiveNow }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { database.Close() })
	return database
}

// onArchive runs a test on both databases with the institution of the demo and 250 documents, some of them in states that no verb
// leads to yet.
func onArchive(t *testing.T, body func(a *archive)) {
	t.Helper()
	prepare := func(url string) {
		database := openArchive(t, url)
		defer database.Close()
		a := &archive{T: t, db: database}
		if _, err := database.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.ok(database.BulkInsert(t.Context(), &mesa.Catalogue{}, db.Bulk{Setup: demo.Institution(1, archiveNow, &mesa.IDs{})}))
		_, err := demo.Seed(t.Context(), database, demo.SeedOptions{Documents: 250, Legs: 3, Months: 4, Seed: 1})
		a.ok(err)
		a.ok(database.InTx(t.Context(), func(tx *db.Tx) error {
			for _, statement := range []string{
				"UPDATE documents SET state = 'SUBMITTED', year = NULL, seq = NULL, registry_id = NULL, registered_at = NULL WHERE state = 'REGISTERED' AND seq % 2 = 0",
				"UPDATE documents SET state = 'OBSERVED' WHERE state = 'IN_PROCESS' AND seq % 5 = 0",
				"UPDATE documents SET state = 'NOT_FILED' WHERE state = 'ATTENDED' AND seq % 7 = 0",
				"UPDATE documents SET confidentiality = 'CONFIDENTIAL' WHERE seq % 9 = 0",
				"UPDATE documents SET related_id = (SELECT max(id) FROM documents WHERE state = 'ARCHIVED') WHERE seq % 11 = 0",
				"UPDATE documents SET due_on = '2026-03-18' WHERE state = 'IN_PROCESS' AND seq % 4 = 0",
				"UPDATE documents SET due_on = NULL WHERE seq % 6 = 0",
			} {
				if _, err := tx.NewRaw(statement).Exec(t.Context()); err != nil {
					return fmt.Errorf("%s: %w", statement, err)
				}
			}
			return nil
		}))
	}
	testkit.EachClone(t, "archive", prepare, func(t *testing.T, url string) {
		t.Parallel()
		a := &archive{T: t, url: url, db: openArchive(t, url)}
		a.load()
		body(a)
	})
}

func (a *archive) ok(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// load reads all rows as they are.
func (a *archive) load() {
	a.Helper()
	ctx := a.Context()
	cat, err := a.db.Catalogue(ctx, 0)
	a.ok(err)
	a.cat, a.today = cat, cat.Today(archiveNow)
	a.legs, a.access, a.watches = map[mesa.DocumentID][]*mesa.Derivation{}, map[mesa.DocumentID][]string{}, map[mesa.UserID][]mesa.DocumentID{}
	a.scopes = map[*mesa.Actor]mesa.Scope{}
	a.ok(a.db.InTx(ctx, func(tx *db.Tx) error {
		if err := tx.NewSelect().Model(&a.docs).Order("id").Scan(ctx); err != nil {
			return err
		}
		var legs []*mesa.Derivation
		if err := tx.NewSelect().Model(&legs).Order("id").Scan(ctx); err != nil {
			return err
		}
		for _, leg := range legs {
			a.legs[leg.DocumentID] = append(a.legs[leg.DocumentID], leg)
		}
		var access []db.Access
		if err := tx.NewSelect().Model(&access).Scan(ctx); err != nil {
			return err
		}
		for _, row := range access {
			a.access[row.DocumentID] = append(a.access[row.DocumentID], row.Grantee)
		}
		var watches []db.Watch
		if err := tx.NewSelect().Model(&watches).Scan(ctx); err != nil {
			return err
		}
		for _, row := range watches {
			a.watches[row.UserID] = append(a.watches[row.UserID], row.DocumentID)
		}
		return nil
	}))
}

func (a *archive) as(local string) *mesa.Actor {
	a.Helper()
	for _, u := range a.cat.Users {
		if u.Email == local+"@demo.mesa.pe" {
			actor, err := a.db.ActorOf(a.Context(), u.ID)
			a.ok(err)
			return actor
		}
	}
	a.Fatalf("there is no %s", local)
	return nil
}

func (a *archive) sees(by *mesa.Actor, d *mesa.Document) bool {
	if by.Kind == mesa.ActorSystem {
		return true
	}
	scope, known := a.scopes[by]
	if !known {
		scope = by.Scope()
		a.scopes[by] = scope
	}
	return slices.Contains(scope.Open, d.Confidentiality) ||
		slices.ContainsFunc(a.access[d.ID], func(g string) bool { return slices.Contains(scope.Grantees, g) })
}

// openIn says whether an area has an open leg to act on.
func (a *archive) openIn(d *mesa.Document, area mesa.AreaID) bool {
	return slices.ContainsFunc(a.legs[d.ID], func(l *mesa.Derivation) bool { return l.IsOpenAction() && l.ToID == area })
}

func (a *archive) isRunning(d *mesa.Document) bool {
	return d.State == mesa.Submitted || d.State == mesa.Registered || d.State == mesa.InProcess
}

func among[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

// naiveWords is the words of a text without case and accents.
func naiveWords(text string) []string {
	plain := unaccented.Replace(strings.ToLower(text))
	return strings.FieldsFunc(plain, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') })
}

var unaccented = strings.NewReplacer("á", "a", "é", "e", "í", "i", "ó", "o", "ú", "u", "ü", "u", "ñ", "n", "°", " ", "º", "o")

func naiveFinds(text string, d *mesa.Document) bool {
	if text == "" {
		return true
	}
	words := naiveWords(d.SearchTerms())
	for _, want := range naiveWords(text) {
		isNumber := strings.Trim(want, "0123456789") == ""
		if !slices.ContainsFunc(words, func(w string) bool {
			if isNumber {
				return strings.TrimLeft(w, "0") == strings.TrimLeft(want, "0")
			}
			return strings.HasPrefix(w, want)
		}) {
			return false
		}
	}
	return true
}

// matches is every condition of a filter, one after the other.
func (a *archive) matches(f mesa.DocumentFilter, d *mesa.Document) bool {
	typ := a.cat.Type(d.TypeID)
	light := a.cat.Calendar.Light(d.State, d.DueOn, d.AttendedOn, a.today, d.IsPaused())
	inDates := func(r *mesa.DateRange, v mesa.Date) bool {
		return r == nil || r.From.IsZero() && r.To.IsZero() || !v.IsZero() && (r.From.IsZero() || v >= r.From) && (r.To.IsZero() || v <= r.To)
	}
	inTimes := func(r *mesa.DateTimeRange, v time.Time) bool {
		return r == nil || r.From == nil && r.To == nil || !v.IsZero() && (r.From == nil || !v.Before(*r.From)) && (r.To == nil || !v.After(*r.To))
	}
	isLate := a.isRunning(d) && !d.DueOn.IsZero() && d.DueOn < a.today
	hasAll := !slices.ContainsFunc(f.TagsAll, func(tag string) bool { return !slices.Contains(d.Tags, tag) })
	hasAny := len(f.TagsAny) == 0 || slices.ContainsFunc(f.TagsAny, func(tag string) bool { return slices.Contains(d.Tags, tag) })
	inArea := f.AreaID == "" ||
		f.AreaMode == mesa.AreaEver && slices.Contains(a.access[d.ID], string(f.AreaID)) ||
		f.AreaMode == mesa.AreaRegistered && d.DeskAreaID == f.AreaID ||
		(f.AreaMode == "" || f.AreaMode == mesa.AreaCurrent) && (d.CurrentAreaID == f.AreaID || a.openIn(d, f.AreaID))
	assigned := f.AssigneeID == "" || slices.ContainsFunc(a.legs[d.ID], func(l *mesa.Derivation) bool { return l.State.IsOpen() && l.AssigneeID == f.AssigneeID })
	return naiveFinds(f.Text, d) && among(f.States, d.State) && (among(f.Types, d.TypeID) || slices.Contains(f.Types, mesa.DocumentTypeID(typ.Code))) &&
		among(f.Categories, d.CategoryID) && among(f.Priorities, d.Priority) && among(f.Channels, d.Channel) && among(f.Confidentiality, d.Confidentiality) &&
		inArea && assigned && hasAll && hasAny && inDates(f.FiledOn, d.FiledOn) && inDates(f.DueOn, d.DueOn) && inTimes(f.RegisteredAt, d.RegisteredAt) &&
		inTimes(f.AttendedAt, d.AttendedAt) && among(f.Lights, light) && (f.Overdue == nil || *f.Overdue == isLate) &&
		(f.SenderIDNumber == "" || string(d.Sender.IDNumber) == strings.TrimSpace(f.SenderIDNumber)) && (f.RegisteredByID == "" || d.RegisteredByID == f.RegisteredByID) &&
		(f.RelatedToID == "" || d.RelatedID == f.RelatedToID) &&
		(f.Archived == "" || f.Archived == mesa.ArchivedInclude || (f.Archived == mesa.ArchivedOnly) == (d.State == mesa.Archived))
}

// found lists the ids that a filter finds, page by page, and checks the total.
func (a *archive) found(by *mesa.Actor, f mesa.DocumentFilter) []mesa.DocumentID {
	a.Helper()
	ids, size, after := []mesa.DocumentID{}, 200, ""
	for {
		page, err := a.db.View(by).Documents(a.Context(), f, mesa.LatestFirst, db.Page{First: &size, After: after, WithTotal: true})
		if err != nil {
			a.Fatalf("%+v: %v", f, err)
		}
		for _, d := range page.Items {
			ids = append(ids, d.ID)
		}
		if !page.HasNext {
			if page.Total != len(ids) {
				a.Errorf("%+v finds %d, counts %d", f, len(ids), page.Total)
			}
			slices.Sort(ids)
			return ids
		}
		after = page.Cursor(page.Items[len(page.Items)-1])
	}
}

func yes(b bool) *bool { return &b }

// filters is one filter for each condition and value that the archive knows.
func (a *archive) filters() []mesa.DocumentFilter {
	some := a.docs[len(a.docs)/2]
	noon, week := archiveNow.Add(-30*24*time.Hour), archiveNow.Add(-20*24*time.Hour)
	list := []mesa.DocumentFilter{
		{}, {Text: "solicita"}, {Text: "SOLICITÁ informacion"}, {Text: "vial ñ"}, {Text: "exp 2026"}, {Text: "000" + fmt.Sprint(some.Seq)}, {Text: "zzz"}, {Text: "¡!"},
		{Text: some.Sender.Name}, {Text: string(some.ExternalNumber)}, {SenderIDNumber: string(some.Sender.IDNumber)}, {SenderIDNumber: " " + string(some.Sender.IDNumber) + "\n"}, {RegisteredByID: some.RegisteredByID},
		{TagsAny: []string{"nothing"}}, {Overdue: yes(true)}, {Overdue: yes(false)}, {Archived: mesa.ArchivedExclude}, {Archived: mesa.ArchivedOnly}, {Archived: mesa.ArchivedInclude},
		{FiledOn: &mesa.DateRange{From: a.today.AddDays(-30), To: a.today.AddDays(-10)}}, {FiledOn: &mesa.DateRange{}}, {DueOn: &mesa.DateRange{To: a.today}},
		{DueOn: &mesa.DateRange{From: a.today}}, {DueOn: &mesa.DateRange{From: a.today, To: a.today}}, {RegisteredAt: &mesa.DateTimeRange{From: &noon, To: &week}},
		{RegisteredAt: &mesa.DateTimeRange{}}, {AttendedAt: &mesa.DateTimeRange{From: &noon}}, {AttendedAt: &mesa.DateTimeRange{To: &week}},
		{RegisteredAt: &mesa.DateTimeRange{From: &some.ListedAt, To: &some.ListedAt}}, {Types: []mesa.DocumentTypeID{"SOL", "REC"}}, {Types: []mesa.DocumentTypeID{"sol"}},
		{States: []mesa.DocumentState{mesa.Registered, mesa.Attended}}, {Categories: []mesa.CategoryID{some.CategoryID}}, {AreaID: "are_nothing"},
	}
	for _, d := range a.docs {
		if d.RelatedID != "" {
			list = append(list, mesa.DocumentFilter{RelatedToID: d.RelatedID})
			break
		}
	}
	tags, assignees := map[string]bool{}, map[mesa.UserID]bool{}
	for _, d := range a.docs {
		if d.AssigneeID != "" && len(assignees) < 3 && !assignees[d.AssigneeID] {
			assignees[d.AssigneeID] = true
			list = append(list, mesa.DocumentFilter{AssigneeID: d.AssigneeID})
		}
		if len(d.Tags) > 1 && len(tags) < 6 && !tags[d.Tags[0]] {
			tags[d.Tags[0]] = true
			list = append(list, mesa.DocumentFilter{TagsAny: d.Tags}, mesa.DocumentFilter{TagsAll: d.Tags}, mesa.DocumentFilter{TagsAny: d.Tags[:1]})
		}
	}
	for _, v := range mesa.DocumentStates {
		list = append(list, mesa.DocumentFilter{States: []mesa.DocumentState{v}})
	}
	for _, v := range mesa.Priorities {
		list = append(list, mesa.DocumentFilter{Priorities: []mesa.Priority{v}})
	}
	for _, v := range mesa.Channels {
		list = append(list, mesa.DocumentFilter{Channels: []mesa.Channel{v}})
	}
	for _, v := range mesa.Confidentialities {
		list = append(list, mesa.DocumentFilter{Confidentiality: []mesa.Confidentiality{v}})
	}
	for _, v := range mesa.Lights {
		list = append(list, mesa.DocumentFilter{Lights: []mesa.Light{v}}, mesa.DocumentFilter{Lights: []mesa.Light{v, mesa.LightNone}, Overdue: yes(v != mesa.LightOverdue)})
	}
	for _, t := range a.cat.Types {
		list = append(list, mesa.DocumentFilter{Types: []mesa.DocumentTypeID{t.ID}})
	}
	for _, mode := range append(slices.Clone(mesa.AreaModes), "") {
		for _, area := range a.cat.Areas[:6] {
			list = append(list, mesa.DocumentFilter{AreaID: area.ID, AreaMode: mode})
		}
	}
	return list
}

func TestEveryFilterFindsWhatALookThroughFinds(t *testing.T) {
	onArchive(t, func(a *archive) {
		system := mesa.System(a.cat, "test")
		filters, met := a.filters(), 0
		check := func(by *mesa.Actor, f mesa.DocumentFilter) {
			a.Helper()
			want := []mesa.DocumentID{}
			for _, d := range a.docs {
				if a.sees(by, d) && a.matches(f, d) {
					want = append(want, d.ID)
				}
			}
			if f.Text == "¡!" {
				want = want[:0] // only punctuation finds nothing
			}
			if len(want) > 0 {
				met++
			}
			if got := a.found(by, f); !slices.Equal(got, want) {
				a.Errorf("%s by %+v finds %d documents, want %d", by.Name, f, len(got), len(want))
			}
		}
		for _, f := range filters {
			check(system, f)
		}
		if met < len(filters)*2/3 {
			a.Errorf("only %d of %d filters find anything: the archive is too small", met, len(filters))
		}
		random := rand.New(rand.NewPCG(1, 1))
		for _, by := range []*mesa.Actor{a.as("mesa1"), a.as("consulta"), a.as("jefe.gg"), a.as("log1"), a.as("auditor"), a.as("archivo1")} {
			check(by, mesa.DocumentFilter{})
			for range 12 { // two conditions at once
				f, g := filters[random.IntN(len(filters))], filters[random.IntN(len(filters))]
				f.States, f.Priorities, f.Lights = append(f.States, g.States...), append(f.Priorities, g.Priorities...), append(f.Lights, g.Lights...)
				f.AreaID, f.AreaMode, f.Text = cmp.Or(f.AreaID, g.AreaID), cmp.Or(f.AreaMode, g.AreaMode), cmp.Or(f.Text, g.Text)
				if f.Text != "¡!" {
					check(by, f)
				}
			}
		}
	})
}

// ordered sorts the archive by hand.
func (a *archive) ordered(by mesa.DocumentOrder) []mesa.DocumentID {
	due := func(d *mesa.Document, none mesa.Date) mesa.Date {
		if d.DueOn.IsZero() {
			return none
		}
		return d.DueOn
	}
	last := mesa.NewDate(9999, 12, 31)
	compare := func(x, y *mesa.Document) int { // ascending
		switch by.Field {
		case mesa.OrderByFiledOn:
			return cmp.Compare(x.FiledOn, y.FiledOn)
		case mesa.OrderByDueOn: // what has no date comes last, whichever way
			if by.Direction == mesa.Descending {
				return cmp.Compare(due(x, 0), due(y, 0))
			}
			return cmp.Compare(due(x, last), due(y, last))
		case mesa.OrderByPriority: // the least urgent first; of the same, the latest date
			return cmp.Or(cmp.Compare(y.PriorityRank, x.PriorityRank), cmp.Compare(due(y, last), due(x, last)), cmp.Compare(y.ID, x.ID))
		case mesa.OrderByFileNumber:
			return cmp.Or(cmp.Compare(x.Year, y.Year), cmp.Compare(x.Seq, y.Seq))
		}
		return x.ListedAt.Compare(y.ListedAt)
	}
	docs := slices.SortedFunc(slices.Values(a.docs), func(x, y *mesa.Document) int { return cmp.Or(compare(x, y), cmp.Compare(x.ID, y.ID)) })
	if by.Direction == mesa.Descending {
		slices.Reverse(docs)
	}
	ids := make([]mesa.DocumentID, len(docs))
	for i, d := range docs {
		ids[i] = d.ID
	}
	return ids
}

// walk pages through the archive from one end to the other.
func (a *archive) walk(by mesa.DocumentOrder, size int, backwards bool, between func()) (ids []mesa.DocumentID) {
	a.Helper()
	view, page := a.db.View(mesa.System(a.cat, "test")), db.Page{First: &size}
	if backwards {
		page = db.Page{Last: &size}
	}
	for {
		s, err := view.Documents(a.Context(), mesa.DocumentFilter{}, by, page)
		a.ok(err)
		batch := []mesa.DocumentID{}
		for _, d := range s.Items {
			batch = append(batch, d.ID)
		}
		more := s.HasNext
		if backwards {
			ids, more = append(batch, ids...), s.HasPrevious
		} else {
			ids = append(ids, batch...)
		}
		if !more {
			return ids
		}
		if len(s.Items) != size {
			a.Fatalf("a page of %d where %d were asked for and more follow", len(s.Items), size)
		}
		page.After, page.Before = s.Cursor(s.Items[size-1]), ""
		if backwards {
			page.After, page.Before = "", s.Cursor(s.Items[0])
		}
		if between != nil {
			between()
		}
	}
}

func TestPagesShowEveryRowOnceInEveryOrder(t *testing.T) {
	onArchive(t, func(a *archive) {
		for _, field := range mesa.DocumentOrderFields {
			for _, direction := range mesa.OrderDirections {
				by := mesa.DocumentOrder{Field: field, Direction: direction}
				want := a.ordered(by)
				for _, backwards := range []bool{false, true} {
					if got := a.walk(by, 37, backwards, nil); !slices.Equal(got, want) {
						a.Errorf("%+v, backwards %v: %d rows, not in the order of a sort by hand", by, backwards, len(got))
					}
				}
			}
		}
		one := a.docs[0]
		s, err := a.db.View(mesa.System(a.cat, "test")).Documents(a.Context(), mesa.DocumentFilter{}, mesa.LatestFirst, db.Page{})
		a.ok(err)
		cursor := s.Cursor(one)
		_, err = a.db.View(mesa.System(a.cat, "test")).Documents(a.Context(), mesa.DocumentFilter{}, mesa.DocumentOrder{Field: mesa.OrderByDueOn, Direction: mesa.Ascending}, db.Page{After: cursor})
		if mesa.CodeOf(err) != mesa.ValidationFailed {
			a.Errorf("the cursor of another order: %v", err)
		}
	})
}

// Between two pages others register: each row that was there is still shown once, in every order.
func TestPagesShowEveryRowOnceWhileOthersRegister(t *testing.T) {
	onArchive(t, func(a *archive) {
		by, n := a.as("mesa1"), 0
		desk, typ := by.Areas[0], a.cat.Types[0].ID
		insert := func() {
			n++
			a.ok(a.db.InTx(a.Context(), func(tx *db.Tx) error {
				code, err := mesa.NewTrackingCode(rand.NewChaCha8([32]byte{byte(n), 1}))
				if err != nil {
					return err
				}
				f, err := mesa.Register(by, archiveNow.Add(time.Duration(n)*time.Second), tx.IDs(), desk, code, mesa.Registration{
					TypeID: typ, Subject: "Entre dos páginas", Sender: mesa.Sender{Kind: mesa.PersonParty, IDType: mesa.NoID, Name: "Nadie"},
					Priority: mesa.Priorities[n%3],
				})
				if err != nil {
					return err
				}
				return tx.SaveFile(a.Context(), f)
			}))
		}
		for _, field := range mesa.DocumentOrderFields {
			for i, direction := range mesa.OrderDirections {
				order := mesa.DocumentOrder{Field: field, Direction: direction}
				seen := map[mesa.DocumentID]int{}
				for _, id := range a.walk(order, 83, i == 0, insert) {
					seen[id]++
				}
				for _, d := range a.docs {
					if seen[d.ID] != 1 {
						a.Errorf("%+v shows %s %d times", order, d.ID, seen[d.ID])
					}
				}
			}
		}
	})
}

func TestSearchIgnoresCaseAndAccentsAndKnowsNumbers(t *testing.T) {
	onArchive(t, func(a *archive) {
		d := a.docs[len(a.docs)-1]
		a.ok(a.db.InTx(a.Context(), func(tx *db.Tx) error {
			f, err := tx.DocumentFile(a.Context(), mesa.System(a.cat, "test"), mesa.MayUpdate, d.ID, "")
			if err != nil {
				return err
			}
			subject, number := "Reparación del cañón «Ñahuimpuquio» (Huaráz)", mesa.Text("OFICIO N.° 0045-2026-GM")
			if err := f.Update(mesa.Update{Subject: &subject, ExternalNumber: &number}); err != nil {
				return err
			}
			return tx.SaveFile(a.Context(), f)
		}))
		for text, want := range map[string]bool{
			"reparacion canon": true, "CAÑÓN": true, "canon huaraz": true, "ñahui": true, "nahuimpuquio!": true, "cañón reparación": true, // any order
			"oficio 45": true, "0045 gm": true, "00045": true, "OFICIO N.° 0045-2026-GM": true, "oficio 4 nahuimpuquio": false, "reparaciones nahuimpuquio": false,
			"eparacion nahuimpuquio": false, "nahuimpuquio zzz": false, "' OR 1=1 -- nahuimpuquio": false, `"nahui" AND * NOT (`: false, "nahui:* & !": true,
		} {
			got := slices.Contains(a.found(mesa.System(a.cat, "test"), mesa.DocumentFilter{Text: text}), d.ID)
			if got != want {
				a.Errorf("%q finds it: %v, want %v", text, got, want)
			}
		}
		view := a.db.View(mesa.System(a.cat, "test"))
		for text, isTooLong := range map[string]bool{
			strings.Repeat("reparacion ", 13): false, strings.Repeat("Cañón canon ", 6) + "zzz": false, "a b c d e f g h i j k l": false, "a b c d e f g h i j k l m": true,
		} {
			_, err := view.Documents(a.Context(), mesa.DocumentFilter{Text: text}, mesa.LatestFirst, db.Page{WithTotal: true})
			_, counted := view.CountDocuments(a.Context(), mesa.DocumentFilter{Text: text})
			for _, err := range []error{err, counted} {
				if e, ok := errors.AsType[*mesa.Error](err); ok != isTooLong || !ok && err != nil || ok && (e.Code != mesa.ValidationFailed || e.Field != "filter.text") {
					a.Errorf("%q: %v", text, err)
				}
			}
		}
		if got := a.found(mesa.System(a.cat, "test"), mesa.DocumentFilter{Text: strings.Repeat("reparacion ", 13) + "zzz"}); len(got) > 0 {
			a.Errorf("a word that is nowhere finds %v", got)
		}
		code := strings.ToLower(d.TrackingCode.String())
		if got := a.found(mesa.System(a.cat, "test"), mesa.DocumentFilter{Text: " " + code + " "}); !slices.Equal(got, []mesa.DocumentID{d.ID}) {
			a.Errorf("the tracking code %s finds %v", code, got)
		}
	})
}
