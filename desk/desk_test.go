package desk_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock begins on a Wednesday noon in Lima and is a millisecond later each time that somebody looks.
type clock struct{ elapsed atomic.Int64 }

var wednesday = time.Date(2026, time.March, 18, 17, 0, 0, 0, time.UTC)

func (c *clock) now() time.Time {
	return wednesday.Add(time.Duration(c.elapsed.Add(int64(time.Millisecond))))
}

func (c *clock) advance(d time.Duration) { c.elapsed.Add(int64(d)) }

// counter is the institution of the demo without documents, on one of the databases.
type counter struct {
	*testing.T
	ctx   context.Context
	url   string
	db    *db.DB
	desk  *desk.Desk
	cat   *mesa.Catalogue
	clock *clock
}

// onEach runs a test on both databases.
func onEach(t *testing.T, body func(c *counter)) {
	t.Helper()
	testkit.EachClone(t, "institution", institution, func(t *testing.T, url string) {
		t.Parallel()
		body(open(t, url))
	})
}

// institution prepares databases with the institution; nobody has a password.
var institution = testkit.Migrated(db.Options{}, func(ctx context.Context, database *db.DB) error {
	return database.BulkInsert(ctx, &mesa.Catalogue{}, db.Bulk{Setup: demo.Institution(1, wednesday, &mesa.IDs{})})
})

func open(t *testing.T, url string) *counter {
	t.Helper()
	c := &counter{T: t, ctx: t.Context(), url: url, clock: &clock{}}
	c.db = c.handle()
	c.desk = desk.New(c.db, nil)
	cat, err := c.db.Catalogue(c.ctx, 0)
	c.ok(err)
	c.cat = cat
	return c
}

// handle opens the database once more, as another process would.
func (c *counter) handle() *db.DB {
	c.Helper()
	database, err := db.Open(c.ctx, c.url, db.Options{Now: c.clock.now})
	c.ok(err)
	c.Cleanup(func() { database.Close() })
	return database
}

func (c *counter) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// fails checks the code of an error.
func (c *counter) fails(err error, want mesa.Code) *mesa.Error {
	c.Helper()
	if mesa.CodeOf(err) != want {
		c.Fatalf("got %v, want %s", err, want)
	}
	e, _ := errors.AsType[*mesa.Error](err)
	return e
}

// as is a person of the demo by the local part of their e-mail.
func (c *counter) as(local string) *mesa.Actor {
	c.Helper()
	actor, err := c.db.ActorOf(c.ctx, c.user(local))
	c.ok(err)
	return actor
}

func (c *counter) user(local string) mesa.UserID {
	c.Helper()
	for _, u := range c.cat.Users {
		if u.Email == local+"@demo.mesa.pe" {
			return u.ID
		}
	}
	c.Fatalf("there is no %s", local)
	return ""
}

// area is an area of the demo by its code.
func (c *counter) area(code string) mesa.AreaID {
	c.Helper()
	for _, a := range c.cat.Areas {
		if a.Code == code {
			return a.ID
		}
	}
	c.Fatalf("there is no area %s", code)
	return ""
}

// letter is a document as it comes to the counter.
func (c *counter) letter() desk.RegisterDocumentInput {
	id := "12345678"
	in := desk.RegisterDocumentInput{
		Subject: "Solicita información", Folios: 2,
		Sender: desk.SenderInput{Kind: mesa.PersonParty, IDType: mesa.DNI, IDNumber: &id, Name: "Rosa Huamán"},
	}
	for _, t := range c.cat.Types {
		if t.Code == "SOL" {
			in.TypeID = t.ID
		}
	}
	return in
}

// register registers a letter as somebody of the desk.
func (c *counter) register(local string) *mesa.Document {
	c.Helper()
	doc, err := c.desk.Register(c.ctx, c.as(local), c.letter())
	c.ok(err)
	return doc
}

func to(areas ...mesa.AreaID) []mesa.DerivationTargetInput {
	targets := make([]mesa.DerivationTargetInput, len(areas))
	for i, area := range areas {
		targets[i] = mesa.DerivationTargetInput{AreaID: area, Instructions: "Para su atención"}
	}
	return targets
}

func copies(areas ...mesa.AreaID) []mesa.DerivationTargetInput {
	targets, kind := to(areas...), mesa.ForCopy
	for i := range targets {
		targets[i].Kind = &kind
	}
	return targets
}

// derive sends a document to areas and returns the new legs.
func (c *counter) derive(local string, doc mesa.DocumentID, areas ...mesa.AreaID) []*mesa.Derivation {
	c.Helper()
	_, legs, err := c.desk.Derive(c.ctx, c.as(local), desk.DeriveDocumentInput{DocumentID: doc, Targets: to(areas...)})
	c.ok(err)
	return legs
}

func (c *counter) receive(local string, leg mesa.DerivationID) {
	c.Helper()
	_, err := c.desk.Receive(c.ctx, c.as(local), desk.DerivationInput{DerivationID: leg})
	c.ok(err)
}

// attended registers a document and brings it to its end in Logística.
func (c *counter) attended() *mesa.Document {
	c.Helper()
	doc := c.register("mesa1")
	leg := c.derive("mesa1", doc.ID, c.area("LOG"))[0]
	c.receive("log1", leg.ID)
	_, doc, err := c.desk.Attend(c.ctx, c.as("log1"), desk.AttendDerivationInput{DerivationID: leg.ID})
	c.ok(err)
	return doc
}

// events lists what happened, of the given types, in the order of their numbers.
func (c *counter) events(types ...mesa.EventType) (list []*mesa.Event) {
	c.Helper()
	c.ok(c.db.InTx(c.ctx, func(tx *db.Tx) error { return tx.NewSelect().Model(&list).Order("seq").Scan(c.ctx) }))
	return slices.DeleteFunc(list, func(e *mesa.Event) bool { return len(types) > 0 && !slices.Contains(types, e.Type) })
}

// change runs a statement, as an administrator's tool would.
func (c *counter) change(statement string, args ...any) {
	c.Helper()
	c.ok(c.db.InTx(c.ctx, func(tx *db.Tx) error { _, err := tx.NewRaw(statement, args...).Exec(c.ctx); return err }))
}

// find reads a document with all rights.
func (c *counter) find(id mesa.DocumentID) *mesa.Document {
	c.Helper()
	doc, err := c.db.View(mesa.System(c.cat, "test")).Document(c.ctx, db.DocumentBy{ID: id})
	c.ok(err)
	return doc
}

// all lists every document by number.
func (c *counter) all() []*mesa.Document {
	c.Helper()
	view, list, after := c.db.View(mesa.System(c.cat, "test")), []*mesa.Document{}, ""
	for size := db.MaxPage; ; {
		page, err := view.Documents(c.ctx, mesa.DocumentFilter{}, mesa.DocumentOrder{Field: mesa.OrderByFileNumber, Direction: mesa.Ascending}, db.Page{First: &size, After: after})
		c.ok(err)
		list = append(list, page.Items...)
		if !page.HasNext {
			return list
		}
		after = page.Cursor(page.Items[len(page.Items)-1])
	}
}

// consistent fails unless the data is what verbs can lead to.
func (c *counter) consistent() {
	c.Helper()
	faults, err := c.db.Inconsistencies(context.WithoutCancel(c.ctx))
	c.ok(err)
	if len(faults) > 0 {
		c.Errorf("inconsistent:\n%s", strings.Join(faults, "\n"))
	}
}

const because = "Porque así lo pide la prueba."

func ptr[T any](v T) *T { return &v }

func TestAMissingPermissionIsRecorded(t *testing.T) {
	onEach(t, func(c *counter) {
		doc := c.register("mesa1")
		leg := c.derive("mesa1", doc.ID, c.area("OAJ"))[0]
		clerk := c.as("mesa1")
		_, err := c.desk.Receive(c.ctx, clerk, desk.DerivationInput{DerivationID: leg.ID})
		c.fails(err, mesa.Forbidden)
		_, err = c.desk.Void(c.ctx, clerk, desk.VoidDocumentInput{DocumentID: doc.ID, Reason: because})
		c.fails(err, mesa.Forbidden)
		_, err = c.desk.BulkDerive(c.ctx, c.as("consulta"), desk.BulkDeriveInput{DocumentIDs: []mesa.DocumentID{doc.ID}, Targets: to(c.area("OAJ"))})
		c.fails(err, mesa.Forbidden)
		// Who does not see it learns nothing, and there is nothing to record.
		_, err = c.desk.Receive(c.ctx, c.as("log1"), desk.DerivationInput{DerivationID: leg.ID})
		c.fails(err, mesa.NotFound)
		denied := c.events(mesa.AccessDenied)
		if len(denied) < 2 || denied[0].ActorID != string(clerk.UserID) || denied[1].ActorID != string(clerk.UserID) {
			c.Fatalf("recorded %d denials: %+v", len(denied), denied)
		}
		if len(denied) != 3 || denied[2].ActorID != string(c.user("consulta")) {
			c.Errorf("the bulk verb that was refused as a whole is not recorded")
		}
		c.consistent()
	})
}

// Whoever is refused must not escape the record by hanging up.
func TestADenialIsRecordedThoughTheRequestEnded(t *testing.T) {
	onEach(t, func(c *counter) {
		ctx, cancel := context.WithCancel(c.ctx)
		cancel()
		err := c.desk.Deny(ctx, c.as("log1"), mesa.ErrForbidden(mesa.MayReadAudit))
		c.fails(err, mesa.Forbidden)
		if n := len(c.events(mesa.AccessDenied)); n != 1 {
			c.Errorf("%d denials recorded", n)
		}
	})
}

func TestExpectedVersion(t *testing.T) {
	onEach(t, func(c *counter) {
		doc := c.register("mesa1")
		update := func(version int) error {
			_, err := c.desk.Update(c.ctx, c.as("mesa1"), desk.UpdateDocumentInput{
				DocumentID: doc.ID, ExpectedVersion: &version, Notes: ptr("Nota " + time.Now().String()), Given: []string{"notes"},
			})
			return err
		}
		c.ok(update(1))
		if e := c.fails(update(1), mesa.ConflictVersion); e.Details["version"] != 2 {
			c.Errorf("the error names version %v", e.Details)
		}
		c.ok(update(2))
		leg := c.derive("mesa1", doc.ID, c.area("LOG"))[0]
		_, err := c.desk.Receive(c.ctx, c.as("log1"), desk.DerivationInput{DerivationID: leg.ID, ExpectedVersion: ptr(2)})
		c.fails(err, mesa.ConflictVersion)
		_, err = c.desk.Receive(c.ctx, c.as("log1"), desk.DerivationInput{DerivationID: leg.ID, ExpectedVersion: ptr(1)})
		c.ok(err)
	})
}
