package db_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/migrations"
)

// seenInPerson lets somebody see a document who has nothing to do with it.
const seenInPerson = "INSERT INTO document_access (document_id, grantee) SELECT max(d.id), max(u.id) FROM documents AS d, users AS u WHERE d.state = 'REGISTERED'"

// Each damage is found and called by its name.
func TestDamageIsFound(t *testing.T) {
	const (
		inProcess = "(SELECT max(id) FROM documents WHERE state = 'IN_PROCESS')"
		openLeg   = "(SELECT max(id) FROM derivations WHERE kind = 'ACTION' AND state = 'RECEIVED' AND is_lead)"
	)
	damages := []struct{ statement, found string }{
		{"UPDATE counters SET last = last + 1 WHERE series LIKE 'REG-%'", "file numbers"},
		{"UPDATE documents SET seq = seq + 5000 WHERE id = " + inProcess, "file numbers"},
		{"UPDATE derivations SET number = 'DER-2026-999999' WHERE id = (SELECT max(id) FROM derivations)", "derivation numbers"},
		{"DELETE FROM counters WHERE series LIKE 'EST-%'", "archive locations"},
		{"INSERT INTO counters (series, year, last) VALUES ('EST-OT', 1999, 1)", "a counter moves only"},
		{"UPDATE documents SET file_number = NULL WHERE id = " + inProcess, "has a number"},
		{"UPDATE documents SET registered_at = NULL WHERE id = " + inProcess, "has a number"},
		{"UPDATE documents SET state = 'SUBMITTED' WHERE state = 'REGISTERED'", "a submission has no number"},
		{"UPDATE derivations SET is_lead = false WHERE id = " + openLeg, "one open leg leads"},
		{"UPDATE documents SET current_area_id = desk_area_id WHERE id = " + inProcess, "the holder is"},
		{"UPDATE documents SET current_area_id = (SELECT id FROM areas WHERE code = 'GG') WHERE state = 'ARCHIVED'", "the desk holds"},
		{"UPDATE documents SET current_area_ids = '[]' WHERE id = " + inProcess, "the current areas"},
		{"UPDATE documents SET current_area_ids = '[\"are_x\"]' WHERE state = 'ATTENDED'", "the current areas"},
		{"UPDATE documents SET state = 'IN_PROCESS' WHERE state = 'ATTENDED'", "in process has an open"},
		{"UPDATE documents SET state = 'ATTENDED' WHERE id = " + inProcess, "only a document in process"},
		{"UPDATE documents SET state = 'VOIDED' WHERE id = " + inProcess, "never derived"},
		{"UPDATE documents SET attended_at = NULL WHERE state = 'ATTENDED'", "knows when"},
		{"UPDATE derivations SET received_at = '2020-01-01 00:00:00+00:00' WHERE id = " + openLeg, "in order"},
		{"UPDATE derivations SET state = 'PENDING' WHERE id = " + openLeg, "in order"},
		{"UPDATE documents SET registered_at = '2030-01-01 00:00:00+00:00' WHERE id = " + inProcess, "before its document"},
		{"DELETE FROM document_access WHERE grantee = (SELECT id FROM areas WHERE code = 'MP')", "the desk sees"},
		{"DELETE FROM document_access WHERE grantee <> (SELECT id FROM areas WHERE code = 'MP')", "both areas"},
		{seenInPerson, "in person"},
		{"UPDATE archive_records SET state = 'RESTORED'", "one active record"},
		{"UPDATE documents SET state = 'ATTENDED' WHERE state = 'ARCHIVED'", "one active record"},
		{"UPDATE tallies SET n = n + 1 WHERE measure = 'state'", "tallies add up"},
		{"DELETE FROM tallies WHERE measure = 'handled'", "tallies add up"},
	}
	for i, damage := range damages {
		t.Run(fmt.Sprintf("%d %s", i+1, damage.found), func(t *testing.T) {
			onDemo(t, func(t *testing.T, database *db.DB) {
				change(t, database, damage.statement)
				faults, err := database.Inconsistencies(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(strings.Join(faults, "\n"), damage.found) {
					t.Errorf("after %s: found %q", damage.statement, faults)
				}
			})
		})
	}
}

// What former assignees saw before that was withdrawn from them is withdrawn by a migration, and nothing else.
func TestFormerAssigneesAreRelievedByAMigration(t *testing.T) {
	onDemo(t, func(t *testing.T, database *db.DB) {
		change(t, database, seenInPerson)
		statement, err := migrations.Files.ReadFile(database.Backend() + "/0016_former_assignees.sql")
		if err != nil {
			t.Fatal(err)
		}
		err = database.InTx(t.Context(), func(tx *db.Tx) error {
			result, err := tx.NewRaw(string(statement)).Exec(t.Context())
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); n != 1 {
				t.Errorf("%d rows withdrawn, %v", n, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wellKept(t, database)
	})
}

// onDemo runs a test on both databases, with a demo of 300 documents that is known to be well kept.
func onDemo(t *testing.T, body func(t *testing.T, database *db.DB)) {
	t.Helper()
	prepare := func(url string) {
		database, _ := bulkDB(t, url, 300)
		wellKept(t, database)
		database.Close()
	}
	testkit.EachClone(t, "demo-300", prepare, func(t *testing.T, url string) {
		database, _ := bulkDB(t, url, 300) // it is there already
		body(t, database)
	})
}

// change runs a statement that must change something.
func change(t *testing.T, database *db.DB, statement string) {
	t.Helper()
	err := database.InTx(t.Context(), func(tx *db.Tx) error {
		result, err := tx.NewRaw(statement).Exec(t.Context())
		if err != nil {
			return err
		}
		if n, _ := result.RowsAffected(); n == 0 {
			return errors.New("it changed nothing")
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Who asks for one event gets one, although others are late or due soon.
func TestDeadlinesKeepToTheirLimit(t *testing.T) {
	onDemo(t, func(t *testing.T, database *db.DB) {
		for _, limit := range []int{1, 2} {
			if n, err := database.NoteDeadlines(t.Context(), limit); err != nil || n != limit {
				t.Errorf("noted %d of %d, %v", n, limit, err)
			}
		}
	})
}
