package demo_test

import (
	"context"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/auth"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// now is a Wednesday noon in Lima.
var now = time.Date(2026, time.March, 18, 17, 0, 0, 0, time.UTC)

func open(t testing.TB, url string) *db.DB {
	t.Helper()
	database, err := db.Open(t.Context(), url, db.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { database.Close() })
	if _, err := database.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return database
}

func consistent(t *testing.T, database *db.DB) {
	t.Helper()
	begun := time.Now()
	faults, err := database.Inconsistencies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("checked in %v", time.Since(begun))
	for _, fault := range faults {
		t.Error(fault)
	}
}

// count counts the documents that a filter finds.
func count(t *testing.T, view *db.View, f mesa.DocumentFilter) int {
	t.Helper()
	page, err := view.Documents(t.Context(), f, mesa.LatestFirst, db.Page{WithTotal: true})
	if err != nil {
		t.Fatal(err)
	}
	return page.Total
}

func TestDemoIsBelievable(t *testing.T) {
	testkit.EachDatabase(t, func(t *testing.T, url string) {
		t.Parallel()
		database := open(t, url)
		begun := time.Now()
		creds, created, err := demo.Create(t.Context(), database, demo.Options{Seed: 1})
		if err != nil || !created {
			t.Fatalf("created %v: %v", created, err)
		}
		t.Logf("created in %v", time.Since(begun))
		consistent(t, database)

		cat, err := database.Catalogue(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := mesa.CheckIdentity(mesa.PublicEntityParty, mesa.RUC, cat.Institution.RUC); err != nil {
			t.Error(err)
		}
		view := database.View(mesa.System(cat, "test"))
		all := count(t, view, mesa.DocumentFilter{})
		if all != 2000 {
			t.Errorf("%d documents", all)
		}
		overdue := true
		for _, share := range []struct {
			of          string
			filter      mesa.DocumentFilter
			least, most float64
		}{
			{"attended and archived", mesa.DocumentFilter{States: []mesa.DocumentState{mesa.Attended, mesa.Archived}}, 68, 82},
			{"archived", mesa.DocumentFilter{States: []mesa.DocumentState{mesa.Archived}}, 40, 70},
			{"in process", mesa.DocumentFilter{States: []mesa.DocumentState{mesa.InProcess}}, 12, 30},
			{"registered", mesa.DocumentFilter{States: []mesa.DocumentState{mesa.Registered}}, 0.2, 4},
			{"voided", mesa.DocumentFilter{States: []mesa.DocumentState{mesa.Voided}}, 0.2, 3},
			{"confidential", mesa.DocumentFilter{Confidentiality: []mesa.Confidentiality{mesa.Confidential}}, 1, 4},
			{"restricted", mesa.DocumentFilter{Confidentiality: []mesa.Confidentiality{mesa.Restricted}}, 3, 10},
			{"overdue", mesa.DocumentFilter{Overdue: &overdue}, 3, 15},
			{"due today or soon", mesa.DocumentFilter{Lights: []mesa.Light{mesa.LightRed, mesa.LightAmber}}, 0.4, 6},
			{"late", mesa.DocumentFilter{Lights: []mesa.Light{mesa.LightDoneLate}}, 2, 15},
			{"on time", mesa.DocumentFilter{Lights: []mesa.Light{mesa.LightDoneOnTime}}, 40, 80},
		} {
			n := count(t, view, share.filter)
			percent := 100 * float64(n) / float64(all)
			t.Logf("%-24s %5d %5.1f %%", share.of, n, percent)
			if percent < share.least || percent > share.most {
				t.Errorf("%s: %.1f %%, want %v to %v", share.of, percent, share.least, share.most)
			}
		}
		traysAreFilled(t, database, cat)
		nothingIsInTheFuture(t, database)

		passwords := auth.NewPasswords()
		roles := map[mesa.RoleCode]bool{}
		for i, c := range creds {
			roles[c.Role] = true
			user, err := database.UserByEmail(t.Context(), c.Email)
			if err != nil || len(c.Password) < 16 {
				t.Fatalf("%+v: %v", c, err)
			}
			if i < 2 {
				if ok, err := passwords.Check(t.Context(), c.Password, user.PasswordHash); !ok || err != nil {
					t.Errorf("%s cannot sign in: %v", c.Email, err)
				}
			}
		}
		if len(roles) != len(mesa.RoleCodes) {
			t.Errorf("credentials for %d of %d roles", len(roles), len(mesa.RoleCodes))
		}
		other, err := database.UserByEmail(t.Context(), "rrhh1@demo.mesa.pe")
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := passwords.Check(t.Context(), "", other.PasswordHash); ok || err != nil {
			t.Errorf("an unusable hash should be well-formed and fit nothing: %v, %v", ok, err)
		}

		if creds, created, err := demo.Create(t.Context(), database, demo.Options{Seed: 2}); created || err != nil || creds != nil {
			t.Errorf("a second demo: %v, %v", created, err)
		}
		if created, err := demo.CreateBase(t.Context(), database); created || err != nil {
			t.Errorf("a base over the demo: %v, %v", created, err)
		}
		if n := count(t, view, mesa.DocumentFilter{}); n != all {
			t.Errorf("%d documents after creating again, want %d", n, all)
		}
	})
}

// Boxes that no verb fills yet.
var empty = map[mesa.TrayBox]bool{mesa.TrayToRegister: true, mesa.TrayObserved: true}

func traysAreFilled(t *testing.T, database *db.DB, cat *mesa.Catalogue) {
	t.Helper()
	filled := map[mesa.TrayBox]int{}
	for _, area := range cat.Areas {
		head, err := database.ActorOf(t.Context(), area.HeadID)
		if err != nil {
			t.Fatal(err)
		}
		counts, err := database.View(head).TrayCounts(t.Context(), area.ID)
		if err != nil {
			t.Fatal(err)
		}
		here := map[mesa.TrayBox]int{}
		for _, c := range counts {
			filled[c.Box] += c.Count
			here[c.Box] = c.Count
		}
		if here[mesa.TrayInHand]+here[mesa.TrayToReceive] == 0 && !area.IsDesk {
			t.Errorf("%s has no work", area.Code)
		}
	}
	for _, box := range mesa.TrayBoxes {
		if filled[box] == 0 && !empty[box] {
			t.Errorf("%s is empty everywhere", box)
		}
	}
	t.Logf("trays: %v", filled)
}

func nothingIsInTheFuture(t *testing.T, database *db.DB) {
	t.Helper()
	var last time.Time
	for at := (db.Tail{}); ; {
		events, err := database.EventsAfter(t.Context(), at, 5000)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			if e.At.Before(last) || e.At.After(now) {
				t.Fatalf("event %s at %v after one at %v, now is %v", e.Type, e.At, last, now)
			}
			last, at = e.At, db.Tail{Tx: e.Tx, Seq: e.Seq}
		}
	}
}

func TestTheSameSeedMakesTheSameDemo(t *testing.T) {
	t.Parallel()
	list := func(seed uint64) []*mesa.Document {
		database := open(t, testkit.SQLiteURL(t))
		if _, _, err := demo.Create(t.Context(), database, demo.Options{Seed: seed, Documents: 150}); err != nil {
			t.Fatal(err)
		}
		cat, err := database.Catalogue(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		first := 200
		page, err := database.View(mesa.System(cat, "test")).Documents(t.Context(), mesa.DocumentFilter{}, mesa.LatestFirst, db.Page{First: &first})
		if err != nil {
			t.Fatal(err)
		}
		return page.Items
	}
	one, same, other := list(7), list(7), list(8)
	for i, d := range one {
		if d.ID != same[i].ID || d.TrackingCode != same[i].TrackingCode || d.Subject != same[i].Subject || d.FileNumber != same[i].FileNumber || d.State != same[i].State {
			t.Fatalf("document %d: %+v and %+v", i, d, same[i])
		}
		if d.ID == other[i].ID {
			t.Fatalf("another seed made the same id %s", d.ID)
		}
	}
}

func TestBaseIsEnoughToBegin(t *testing.T) {
	testkit.EachDatabase(t, func(t *testing.T, url string) {
		t.Parallel()
		database := open(t, url)
		if created, err := demo.CreateBase(t.Context(), database); !created || err != nil {
			t.Fatalf("created %v: %v", created, err)
		}
		cat, err := database.Catalogue(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		desks := cat.Desks()
		if len(desks) != 1 || cat.RegistryFor(desks[0].ID) == nil || len(cat.Types) != 8 || len(cat.Purposes) != 8 || len(cat.Users) != 0 {
			t.Errorf("desks %v, %d types, %d purposes, %d users", desks, len(cat.Types), len(cat.Purposes), len(cat.Users))
		}
		consistent(t, database)
		if _, err := demo.Seed(t.Context(), database, demo.SeedOptions{Documents: 1}); err == nil {
			t.Error("seeding needs people")
		}
	})
}

func TestSeedGoesOnFromTheCounters(t *testing.T) {
	prepare := func(url string) {
		database := open(t, url)
		defer database.Close()
		if _, _, err := demo.Create(context.Background(), database, demo.Options{Seed: 3, Documents: 200}); err != nil {
			panic(err) // the parent test must not be failed from a subtest
		}
	}
	testkit.EachClone(t, "demo-200", prepare, func(t *testing.T, url string) {
		database := open(t, url)
		reported := 0
		for _, o := range []demo.SeedOptions{
			{Documents: 300, Legs: 3, Seed: 5, Progress: func(s demo.Seeded) { reported = s.Documents }},
			{Documents: 300, Legs: 3, Seed: 5}, // again, with other ids
			{Documents: 50, NoEvents: true},
		} {
			done, err := demo.Seed(t.Context(), database, o)
			if err != nil {
				t.Fatal(err)
			}
			if done.Documents != o.Documents {
				t.Errorf("added %d documents, want %d", done.Documents, o.Documents)
			}
			t.Logf("%+v", done)
		}
		if reported != 300 {
			t.Errorf("progress said %d", reported)
		}
		cat, err := database.Catalogue(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, database.View(mesa.System(cat, "test")), mesa.DocumentFilter{}); n != 850 {
			t.Errorf("%d documents", n)
		}
		consistent(t, database)
	})
}

// One document at a time: "-benchtime 20000x" seeds 20 000 and tells the time for each.
func BenchmarkSeed(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": testkit.SQLiteURL, "postgres": testkit.PostgresURL} {
		b.Run(name, func(b *testing.B) {
			database := open(b, url(b))
			if _, _, err := demo.Create(b.Context(), database, demo.Options{Documents: -1}); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			done, err := demo.Seed(b.Context(), database, demo.SeedOptions{Documents: b.N, Seed: 1})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(done.Derivations)/float64(b.N), "legs/document")
			b.ReportMetric(float64(done.Events)/float64(b.N), "events/document")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "documents/s")
		})
	}
}
