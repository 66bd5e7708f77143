package desk_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/mesa"
)

func TestRegisterStoresWhatWasGiven(t *testing.T) {
	onEach(t, func(c *counter) {
		in := c.letter()
		in.Subject = "  Solicita\r\ncopia\x00 de planos  "
		in.Sender.Name = " Rosa\u0301 Huamán\n"
		in.Sender.Email = ptr(" Rosa@Example.PE ")
		in.Sender.IDType, in.Sender.IDNumber = mesa.CE, ptr(" ab123456 ")
		in.Tags, in.ExternalNumber = []string{"obras", "agua"}, ptr("  ")
		doc, err := c.desk.Register(c.ctx, c.as("mesa1"), in)
		c.ok(err)
		if doc.Subject != "Solicita\ncopia de planos" || doc.Sender.Name != "Rosá Huamán" || doc.Sender.Email != "rosa@example.pe" ||
			doc.Sender.IDNumber != "AB123456" || doc.ExternalNumber != "" {
			c.Errorf("cleaned to %q by %q, %q, %q, number %q", doc.Subject, doc.Sender.Name, doc.Sender.Email, doc.Sender.IDNumber, doc.ExternalNumber)
		}
		if doc.FileNumber != "EXP-2026-000001" || doc.Seq != 1 || doc.Year != 2026 || doc.DeskAreaID != c.area("MP") {
			c.Errorf("numbered %s (%d of %d) at %s", doc.FileNumber, doc.Seq, doc.Year, doc.DeskAreaID)
		}
		inUTC := strings.NewReplacer("+0000 +0000", "+0000 UTC") // whose name instants from SQLite have only on a machine that keeps it
		if stored, returned := inUTC.Replace(fmt.Sprintf("%+v", c.find(doc.ID))), fmt.Sprintf("%+v", doc); stored != returned {
			c.Errorf("stored as\n%s\nreturned as\n%s", stored, returned)
		}
		if e := c.events(mesa.DocumentRegistered); len(e) != 1 || e[0].DocumentID != doc.ID {
			c.Errorf("events %v", e)
		}
		watched, err := c.db.View(c.as("mesa1")).Tray(c.ctx, c.area("MP"), mesa.TrayWatched, db.Page{})
		c.ok(err)
		if len(watched.Items) != 1 {
			c.Error("the registrar does not follow the document")
		}
		c.consistent()
	})
}

func TestEachDeskNumbersInItsOwnSeries(t *testing.T) {
	onEach(t, func(c *counter) {
		for _, want := range []string{"EXP-2026-000001", "EXP-2026-000002"} {
			if doc := c.register("mesa1"); string(doc.FileNumber) != want {
				c.Errorf("numbered %s, want %s", doc.FileNumber, want)
			}
		}
		if doc := c.register("mesas1"); doc.FileNumber != "CUS-2026-00001" || doc.DeskAreaID != c.area("MPS") {
			c.Errorf("the branch numbers %s at %s", doc.FileNumber, doc.DeskAreaID)
		}
		c.clock.advance(290 * 24 * time.Hour) // January
		if doc := c.register("mesa1"); doc.FileNumber != "EXP-2027-000001" {
			c.Errorf("in the new year: %s", doc.FileNumber)
		}
		c.change("UPDATE counters SET last = 999999 WHERE series LIKE 'REG-%' AND year = 2027")
		if doc := c.register("mesa1"); doc.FileNumber != "EXP-2027-1000000" {
			c.Errorf("after 999999: %s", doc.FileNumber)
		}
	})
}

func TestWhoRegistersWhere(t *testing.T) {
	onEach(t, func(c *counter) {
		at := func(local string, area mesa.AreaID) error {
			in := c.letter()
			in.DeskAreaID = area
			_, err := c.desk.Register(c.ctx, c.as(local), in)
			return err
		}
		c.ok(at("mesa1", c.area("MP")))
		c.ok(at("admin", ""))
		c.ok(at("admin", c.area("MPS")))
		c.fails(at("mesa1", c.area("MPS")), mesa.Forbidden)
		c.fails(at("log1", ""), mesa.Forbidden)
		c.fails(at("auditor", c.area("MP")), mesa.Forbidden)
		if e := c.fails(at("mesa1", c.area("LOG")), mesa.ValidationFailed); e.Field != "deskAreaId" {
			c.Errorf("field %q", e.Field)
		}
		c.fails(at("mesa1", "are_nothing"), mesa.ValidationFailed)
		if n := len(c.events(mesa.AccessDenied)); n != 3 {
			c.Errorf("%d denials recorded", n)
		}
	})
}

// What a machine handed in has no number to refer to before the desk registers it.
func TestRelatedDocumentsMustBeRegistered(t *testing.T) {
	onEach(t, func(c *counter) {
		_, machine, _ := c.key(submits, "MP")
		doc, in := c.submit(machine, c.parcel("A-1")), c.letter()
		in.RelatedDocumentID = doc.ID
		_, err := c.desk.Register(c.ctx, c.as("mesa1"), in)
		if e := c.fails(err, mesa.ValidationFailed); e.Field != "relatedDocumentId" {
			c.Errorf("field %q", e.Field)
		}
		_, err = c.desk.RegisterSubmission(c.ctx, c.as("mesa1"), desk.RegisterSubmissionInput{DocumentID: doc.ID})
		c.ok(err)
		_, err = c.desk.Register(c.ctx, c.as("mesa1"), in)
		c.ok(err)
	})
}

func TestRelatedDocumentsMustBeVisible(t *testing.T) {
	onEach(t, func(c *counter) {
		secret := c.letter()
		secret.Confidentiality = mesa.Confidential
		doc, err := c.desk.Register(c.ctx, c.as("mesa1"), secret)
		c.ok(err)
		in := c.letter()
		in.RelatedDocumentID = doc.ID
		_, err = c.desk.Register(c.ctx, c.as("mesas1"), in)
		if e := c.fails(err, mesa.NotFound); e.Field != "relatedDocumentId" {
			c.Errorf("field %q", e.Field)
		}
		_, err = c.desk.Register(c.ctx, c.as("mesa2"), in)
		c.ok(err)
	})
}

// Parties with the same identity are one; what the document says stays as it was said.
func TestPartiesAreFoundAgain(t *testing.T) {
	onEach(t, func(c *counter) {
		first := c.register("mesa1")
		in := c.letter()
		in.Sender.Name = "ROSA HUAMÁN DE LA CRUZ"
		second, err := c.desk.Register(c.ctx, c.as("mesa1"), in)
		c.ok(err)
		if first.SenderID != second.SenderID || second.Sender.Name != in.Sender.Name || c.find(first.ID).Sender.Name != "Rosa Huamán" {
			c.Errorf("parties %s and %s, names %q and %q", first.SenderID, second.SenderID, c.find(first.ID).Sender.Name, second.Sender.Name)
		}
	})
}

var errGivenUp = errors.New("given up")

// Two hundred registrations at once, from two processes, with failures, cancelled requests and transactions rolled back after they
// had taken a number: the numbers that exist are 1 to n.
func TestNumbersHaveNoGapsUnderAnyConcurrency(t *testing.T) {
	onEach(t, func(c *counter) {
		other := c.handle()
		desks := []*desk.Desk{c.desk, desk.New(other, nil)}
		clerks := []*mesa.Actor{c.as("mesa1"), c.as("mesa2"), c.as("mesa3")}
		series := "REG-" + string(c.cat.RegistryFor(c.area("MP")).ID)
		var (
			all  sync.WaitGroup
			mu   sync.Mutex
			acks []mesa.DocumentID
		)
		for i := range 240 {
			all.Go(func() {
				in, ctx := c.letter(), c.ctx
				switch {
				case i%20 == 7: // invalid
					in.Subject = "x"
				case i%20 == 13: // the request ends on the way
					limited, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(20_000))*time.Microsecond)
					defer cancel()
					ctx = limited
				case i%20 == 17: // fails after it has a number
					err := other.InTx(ctx, func(tx *db.Tx) error {
						if _, err := tx.Allocate(ctx, series, 2026, 1); err != nil {
							return err
						}
						return errGivenUp
					})
					if !errors.Is(err, errGivenUp) {
						c.Errorf("given up: %v", err)
					}
					return
				}
				doc, err := desks[i%2].Register(ctx, clerks[i%3], in)
				switch {
				case err == nil:
					mu.Lock()
					acks = append(acks, doc.ID)
					mu.Unlock()
				case i%20 == 7 && mesa.CodeOf(err) == mesa.ValidationFailed, i%20 == 13 && isLate(ctx):
				default:
					c.Errorf("registration %d: %v", i, err)
				}
			})
		}
		all.Wait()
		docs := c.all()
		if len(acks) < 200 || len(docs) < len(acks) {
			c.Fatalf("%d registrations were acknowledged, %d documents are there", len(acks), len(docs))
		}
		for i, doc := range docs {
			if want := fmt.Sprintf("EXP-2026-%06d", i+1); doc.Seq != int64(i+1) || string(doc.FileNumber) != want {
				c.Fatalf("document %d has number %s", i+1, doc.FileNumber)
			}
		}
		for _, id := range acks {
			if !slices.ContainsFunc(docs, func(d *mesa.Document) bool { return d.ID == id }) {
				c.Errorf("%s was acknowledged but is not there", id)
			}
		}
		if doc := c.register("mesa1"); doc.Seq != int64(len(docs)+1) {
			c.Errorf("the next one has number %s", doc.FileNumber)
		}
		c.consistent()
	})
}

func TestTheSameKeyIsTheSameRegistration(t *testing.T) {
	onEach(t, func(c *counter) {
		in := c.letter()
		in.IdempotencyKey = ptr("carta-1")
		register := func(local string, in desk.RegisterDocumentInput) mesa.DocumentID {
			c.Helper()
			doc, err := c.desk.Register(c.ctx, c.as(local), in)
			c.ok(err)
			return doc.ID
		}
		first := register("mesa1", in)
		if again := register("mesa1", in); again != first {
			c.Errorf("again: %s, want %s", again, first)
		}
		if other := register("mesa2", in); other == first {
			c.Error("the key of another person is another key")
		}
		changed := in
		changed.Folios = 9
		_, err := c.desk.Register(c.ctx, c.as("mesa1"), changed)
		c.fails(err, mesa.IdempotencyMismatch)
		c.clock.advance(24*time.Hour - time.Minute)
		if again := register("mesa1", in); again != first {
			c.Errorf("nearly a day later: %s, want %s", again, first)
		}
		c.clock.advance(2 * time.Minute)
		if again := register("mesa1", changed); again == first {
			c.Error("after a day the key should be forgotten")
		}
		if n := len(c.all()); n != 3 {
			c.Errorf("%d documents", n)
		}
		for _, key := range []string{"", strings.Repeat("x", 129)} {
			in.IdempotencyKey = &key
			_, err := c.desk.Register(c.ctx, c.as("mesa1"), in)
			c.fails(err, mesa.ValidationFailed)
		}
		c.consistent()
	})
}

// What failed is not remembered: the same key may be tried again.
func TestAFailureDoesNotUseUpAKey(t *testing.T) {
	onEach(t, func(c *counter) {
		in := c.letter()
		in.IdempotencyKey, in.Subject = ptr("carta-1"), "x"
		_, err := c.desk.Register(c.ctx, c.as("mesa1"), in)
		c.fails(err, mesa.ValidationFailed)
		in.Subject = "Solicita información"
		_, err = c.desk.Register(c.ctx, c.as("mesa1"), in)
		c.ok(err)
	})
}

func TestTheSameKeyAtOnceRegistersOnce(t *testing.T) {
	onEach(t, func(c *counter) {
		desks := []*desk.Desk{c.desk, desk.New(c.handle(), nil)}
		in, clerk := c.letter(), c.as("mesa1")
		in.IdempotencyKey = ptr("carta-1")
		ids := make([]mesa.DocumentID, 16)
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() {
				doc, err := desks[i%2].Register(c.ctx, clerk, in)
				if err != nil {
					c.Error(err)
					return
				}
				ids[i] = doc.ID
			})
		}
		all.Wait()
		if same := slices.Compact(ids); len(same) != 1 || len(c.all()) != 1 {
			c.Errorf("registered %v, %d documents", same, len(c.all()))
		}
		c.consistent()
	})
}

// isLate says whether a context's time is up; who dials may notice a little before the context says so.
func isLate(ctx context.Context) bool {
	deadline, _ := ctx.Deadline()
	return !time.Now().Before(deadline)
}
