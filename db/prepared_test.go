package db_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// look is a page of documents with their legs and timelines, and the same documents by their ids, as JSON.
func look(t *testing.T, v *db.View) (texts []string) {
	t.Helper()
	var seen []any
	page, err := v.Documents(t.Context(), mesa.DocumentFilter{}, mesa.LatestFirst, db.Page{})
	keys, ids := []db.ChildPage[mesa.DocumentID]{}, []mesa.DocumentID{}
	for _, d := range page.Items {
		seen, ids = append(seen, d), append(ids, d.ID)
		keys = append(keys, db.ChildPage[mesa.DocumentID]{Parent: d.ID, First: 5, WithTotal: true})
	}
	legs, err1 := v.DerivationPages(t.Context(), keys)
	events, err2 := v.TimelinePages(t.Context(), keys)
	found, err3 := v.DocumentsByID(t.Context(), ids)
	records, err4 := v.ArchiveRecordsByDocument(t.Context(), ids)
	if err := errors.Join(err, err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		seen = append(seen, legs[key].Items, legs[key].Total, events[key].Items, found[key.Parent], records[key.Parent])
	}
	for _, thing := range seen {
		text, err := json.Marshal(thing)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

// same fails at the first difference.
func same(t *testing.T, a, b []string) {
	t.Helper()
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("%s\nis not\n%s", a[i], b[i])
		}
	}
}

// What is read by prepared statements is what is read without, column by column; an instant is in UTC wherever the process is.
func TestPreparedStatementsReadTheSame(t *testing.T) {
	local := time.Local
	time.Local = time.FixedZone("Lima", -5*60*60)
	t.Cleanup(func() { time.Local = local })
	eachOffice(t, func(t *testing.T, o *office) {
		for range 7 { // PostgreSQL makes a plan for all arguments after five
			prepared := look(t, o.View(o.head))
			err := o.InSnapshot(t.Context(), o.head, func(v *db.View) error {
				same(t, prepared, look(t, v))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A pool between the process and PostgreSQL may give a statement to a connection that does not know it.
func TestAPoolWithoutPreparedStatementsIsNoticed(t *testing.T) {
	testkit.EachClone(t, "office", func(url string) { fillOffice(t, url) }, func(t *testing.T, url string) {
		if !strings.HasPrefix(url, "postgres") {
			return // nothing is prepared on SQLite
		}
		var log bytes.Buffer
		database, err := db.Open(t.Context(), url, db.Options{MaxConns: 1, Now: func() time.Time { return planNow }, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer database.Close()
		head := openOffice(t, url).head
		forget := func() {
			if err := database.InTx(t.Context(), func(tx *db.Tx) error { _, err := tx.NewRaw("DEALLOCATE ALL").Exec(t.Context()); return err }); err != nil {
				t.Fatal(err)
			}
		}
		before := look(t, database.View(head))
		for range 2 {
			forget()
			same(t, before, look(t, database.View(head)))
		}
		if n := strings.Count(log.String(), "keeps no prepared statements"); n != 1 {
			t.Errorf("told %d times: %s", n, log.String())
		}
	})
}

// PostgreSQL that was started again is asked on another connection.
func TestALostConnectionIsNoError(t *testing.T) {
	testkit.EachClone(t, "office", func(url string) { fillOffice(t, url) }, func(t *testing.T, url string) {
		if !strings.HasPrefix(url, "postgres") {
			return // there is none to lose
		}
		o := openOffice(t, url)
		before := look(t, o.View(o.head))
		err := openOffice(t, url).InTx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.NewRaw("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Exec(t.Context())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		same(t, before, look(t, o.View(o.head)))
	})
}

// A cursor that no list has given is refused, also with a number that its column cannot hold.
func TestACursorHasWhatItsColumnsHold(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		for _, place := range []string{`["FILE_NUMBERASC",99999999999,1,"x"]`, `["FILE_NUMBERASC",1e300,1,"x"]`, `["FILE_NUMBERASC",2026.5,1,"x"]`} {
			after := base64.RawURLEncoding.EncodeToString([]byte(place))
			by := mesa.DocumentOrder{Field: mesa.OrderByFileNumber, Direction: mesa.Ascending}
			if _, err := o.View(o.head).Documents(t.Context(), mesa.DocumentFilter{}, by, db.Page{After: after}); mesa.CodeOf(err) != mesa.ValidationFailed {
				t.Errorf("%s: %v", place, err)
			}
		}
	})
}
