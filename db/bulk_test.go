package db_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

var bulkNow = time.Date(2026, time.March, 18, 17, 0, 0, 0, time.UTC)

// bulkDB is a database with the demo institution and n documents.
func bulkDB(t *testing.T, url string, n int) (*db.DB, *mesa.Catalogue) {
	t.Helper()
	database, err := db.Open(t.Context(), url, db.Options{Now: func() time.Time { return bulkNow }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { database.Close() })
	if _, err := database.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := demo.Create(t.Context(), database, demo.Options{Seed: 1, Documents: n}); err != nil {
		t.Fatal(err)
	}
	cat, err := database.Catalogue(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return database, cat
}

// oddText has all that the ways into a database treat specially.
const oddText = "Ñandú 'a' ''b'' \\N \\t \t\n\r\n\\. \"c\" ?0 ?each {x} 😀 NULL"

func registerOdd(t *testing.T, by *mesa.Actor, party mesa.PartyID, ids *mesa.IDs) *mesa.File {
	t.Helper()
	cat := by.Catalogue
	code, err := mesa.NewTrackingCode(nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := mesa.Register(by, bulkNow, ids, cat.Desks()[0].ID, code, mesa.Registration{
		TypeID: cat.Types[0].ID, Subject: oddText, Notes: oddText, Folios: 3, SenderID: party, Tags: []string{"b", "a"},
		Sender: mesa.Sender{Kind: mesa.PersonParty, IDType: mesa.DNI, IDNumber: "10000001", Name: oddText},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestABulkStoresWhatASavedFileStores(t *testing.T) {
	testkit.EachDatabase(t, func(t *testing.T, url string) {
		t.Parallel()
		database, cat := bulkDB(t, url, -1)
		by := mesa.System(cat, "test")
		party := &mesa.Party{Kind: mesa.PersonParty, IDType: mesa.DNI, IDNumber: "10000001", Name: oddText}

		var saved *mesa.File
		err := database.InTx(t.Context(), func(tx *db.Tx) error {
			if err := tx.FindOrAddParty(t.Context(), party); err != nil {
				return err
			}
			saved = registerOdd(t, by, party.ID, tx.IDs())
			return tx.SaveFile(t.Context(), saved)
		})
		if err != nil {
			t.Fatal(err)
		}
		var ids mesa.IDs
		again := *party
		again.ID = ids.Party(bulkNow)
		bulk := registerOdd(t, by, again.ID, &ids)
		err = database.BulkInsert(t.Context(), cat, db.Bulk{
			Parties: []*mesa.Party{&again}, Documents: []*mesa.Document{bulk.Doc}, Events: bulk.Changes().Events,
			Access: []db.Access{{DocumentID: bulk.Doc.ID, Grantee: bulk.Changes().Grants[0]}},
		})
		if err != nil {
			t.Fatal(err)
		}

		view := database.View(by)
		page, err := view.Documents(t.Context(), mesa.DocumentFilter{Text: "nandu null"}, mesa.LatestFirst, db.Page{})
		if err != nil || len(page.Items) != 2 {
			t.Fatalf("found %d documents: %v", len(page.Items), err)
		}
		stored := map[mesa.DocumentID]*mesa.Document{page.Items[0].ID: page.Items[0], page.Items[1].ID: page.Items[1]}
		one, other := *stored[saved.Doc.ID], *stored[bulk.Doc.ID]
		if other.Subject != oddText || other.Sender.Name != oddText {
			t.Errorf("stored %q", other.Subject)
		}
		if one.Seq != 1 || other.Seq != 2 || other.FileNumber != "EXP-2026-000002" {
			t.Errorf("numbers %d and %d, %s", one.Seq, other.Seq, other.FileNumber)
		}
		one.ID, one.FileNumber, one.Seq, one.TrackingCode = other.ID, other.FileNumber, other.Seq, other.TrackingCode
		if !reflect.DeepEqual(one, other) { // the same sender, too: the party was known
			t.Errorf("saved and bulk differ:\n%+v\n%+v", one, other)
		}
		wellKept(t, database)
	})
}

func TestABulkThatFailsLeavesNothing(t *testing.T) {
	testkit.EachDatabase(t, func(t *testing.T, url string) {
		t.Parallel()
		database, cat := bulkDB(t, url, 30)
		before, err := database.NumbersGiven(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f := registerOdd(t, mesa.System(cat, "test"), "pty_unknown", &mesa.IDs{})
		if err := database.BulkInsert(t.Context(), cat, db.Bulk{Documents: []*mesa.Document{f.Doc}}); err == nil {
			t.Error("a document of an unknown party was stored")
		}
		if after, err := database.NumbersGiven(t.Context()); err != nil || after != before {
			t.Errorf("numbers given: %d, then %d, %v", before, after, err)
		}
		wellKept(t, database)
	})
}

func wellKept(t *testing.T, database *db.DB) {
	t.Helper()
	faults, err := database.Inconsistencies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
}
