package report_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/report"
	"github.com/mesapartes/mesa/internal/sheet"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// morning is a Tuesday, 9:00 in Lima.
var morning = time.Date(2026, time.November, 24, 14, 0, 0, 0, time.UTC)

func now() time.Time { return morning }

// Documents that the databases of the tests have: many takes two statements to stream.
const (
	none = -1
	many = 1200
)

// archive is a database with the demo's history, as one process has it.
type archive struct {
	*testing.T
	url  string
	db   *db.DB
	desk *desk.Desk
}

// onEach runs a test on both databases.
func onEach(t *testing.T, documents int, body func(a *archive)) {
	t.Helper()
	template := map[int]string{none: "none", many: "many"}[documents]
	testkit.EachClone(t, template, testkit.Migrated(db.Options{Now: now}, testkit.Demo(documents)), func(t *testing.T, url string) {
		t.Parallel()
		body((&archive{T: t, url: url}).process())
	})
}

// process is another process on the same database.
func (a *archive) process() *archive {
	a.Helper()
	database, err := db.Open(a.Context(), a.url, db.Options{Now: now})
	a.ok(err)
	a.Cleanup(func() { database.Close() })
	return &archive{a.T, a.url, database, desk.New(database, nil)}
}

func (a *archive) ok(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// actor is an account of the demo with its rights.
func (a *archive) actor(who string) *mesa.Actor {
	a.Helper()
	user, err := a.db.UserByEmail(a.Context(), who+"@demo.mesa.pe")
	a.ok(err)
	actor, err := a.db.ActorOf(a.Context(), user.ID)
	a.ok(err)
	return actor
}

// area finds an area by its code.
func (a *archive) area(code string) *mesa.Area {
	a.Helper()
	for _, area := range a.actor("admin").Catalogue.Areas {
		if area.Code == code {
			return area
		}
	}
	a.Fatalf("no area %s", code)
	return nil
}

// register makes a document of a grade and sends it to an area.
func (a *archive) register(grade mesa.Confidentiality, to string, dueOn mesa.Date) *mesa.Document {
	a.Helper()
	by := a.actor("jefe.mesa")
	doc, err := a.desk.Register(a.Context(), by, desk.RegisterDocumentInput{
		TypeID: by.Catalogue.Types[0].ID, Subject: "Solicita copia", Folios: 1, Confidentiality: grade, DueOn: dueOn,
		Sender: desk.SenderInput{Kind: mesa.PersonParty, IDType: mesa.NoID, Name: "Una persona"},
	})
	a.ok(err)
	if to != "" {
		_, _, err = a.desk.Derive(a.Context(), by, desk.DeriveDocumentInput{DocumentID: doc.ID,
			Targets: []mesa.DerivationTargetInput{{AreaID: a.area(to).ID, Instructions: "Para su atención"}}})
		a.ok(err)
	}
	return doc
}

// built is a report as it would be written, its list read to the end.
type built struct {
	*sheet.Report
	rows [][]any
}

// build makes a report as somebody would get it, and counts its statements.
func (a *archive) build(who string, kind mesa.ReportType, p mesa.ReportParameters) (b built, statements int) {
	a.Helper()
	actor := a.actor(who)
	ctx, counter := db.CountStatements(a.Context())
	a.ok(a.db.InSnapshot(ctx, actor, func(v *db.View) (err error) {
		if b.Report, err = report.Build(ctx, v, kind, p); err != nil {
			return err
		}
		b.rows, err = rowsOf(b.Report, func(int) {})
		return err
	}))
	return b, counter.Statements()
}

// rowsOf reads the list of a report, or its tables one after the other. each is called with the number of each row of the list.
func rowsOf(r *sheet.Report, each func(n int)) (rows [][]any, err error) {
	if r.List == nil {
		for _, t := range r.Tables {
			rows = append(rows, t.Rows...)
		}
		return rows, nil
	}
	for row, err := range r.List.Rows {
		if err != nil {
			return nil, err
		}
		rows = append(rows, append([]any(nil), row...)) // the next one is written over it
		each(len(rows))
	}
	return rows, nil
}

// column is a column of the rows by its key.
func (b built) column(key string) (values []any) {
	columns := []sheet.Column{}
	if b.List != nil {
		columns = b.List.Columns
	} else {
		columns = append(columns, b.Tables[0].Columns...)
	}
	for i, c := range columns {
		if c.Key == key {
			for _, row := range b.rows {
				values = append(values, row[i])
			}
			return values
		}
	}
	return []any{"no column " + key}
}

// sum adds a column up.
func (b built) sum(key string) (total int) {
	for _, v := range b.column(key) {
		n, _ := v.(int)
		total += n
	}
	return total
}

// indicator is a key figure by its key.
func (b built) indicator(key string) any {
	for _, i := range b.Indicators {
		if i.Key == key {
			return i.Value
		}
	}
	return "no indicator " + key
}

// text makes values comparable, pointers followed.
func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
