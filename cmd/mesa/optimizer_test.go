package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
)

// An operator asks what a query costs, and which statements were slow.
func TestLookingForWhatIsSlow(t *testing.T) {
	testkit.EachClone(t, furnished, furnish(t), func(t *testing.T, database string) {
		with := func(args ...string) []string { // however slow this machine is
			return append(args, "--database-url", database, "--data-dir", t.TempDir(), "--slow-at", "1h")
		}
		file := filepath.Join(t.TempDir(), "inbox.graphql")
		if err := os.WriteFile(file, []byte(`query Inbox($n: Int!) { documents(first: $n) { nodes { subject timeline(first: 2) { edges { cursor } } } } }`), 0o600); err != nil {
			t.Fatal(err)
		}
		var explained string
		for try := 0; try < 5 && !strings.Contains(explained, "2 statements, "); try++ { // a loader waits for a moment, in which a busy machine may not have all keys
			explained = works(t, with("explain", file, "--email", "admin@demo.mesa.pe", "--variables", `{"n": 5}`)...)
		}
		for _, part := range []string{"2 statements, ", "1. documents (", "FROM documents AS document", "events_document"} {
			if !strings.Contains(explained, part) {
				t.Errorf("lacks %q: %s", part, explained)
			}
		}
		if got := works(t, with("queries")...); got != "no statement took 1h0m0s\n" {
			t.Errorf("slow were %s", got)
		}
		for mistake, args := range map[string][]string{
			"--days is from 0 to 29":        {"queries", "--days", "30"},
			"--variables is no JSON object": {"explain", file, "--email", "admin@demo.mesa.pe", "--variables", "n"},
			"no such file":                  {"explain", file + "x", "--email", "admin@demo.mesa.pe"},
		} {
			if code, _, stderr := typed(t, with(args...)...); code == 0 || !strings.Contains(stderr, mistake) {
				t.Errorf("%s: exit code %d, %s", mistake, code, stderr)
			}
		}
	})
}

// An operator sees what indexes are for, and is told how to make one again that somebody dropped.
func TestLookingAtTheIndexes(t *testing.T) {
	testkit.EachClone(t, furnished, furnish(t), func(t *testing.T, url string) {
		with := func(args ...string) []string { return append(args, "--database-url", url, "--data-dir", t.TempDir()) }
		shown := works(t, with("indexes")...)
		for _, part := range []string{"documents_holder", "documents (current_area_id, state, listed_at DESC, id DESC, due_on)", "tray TO_DERIVE", "primary key"} {
			if !strings.Contains(shown, part) {
				t.Errorf("lacks %q: %s", part, shown)
			}
		}
		drop(t, url, "documents_holder")
		code, shown, stderr := typed(t, with("indexes")...)
		if code != 1 || !strings.Contains(shown, "to make it again: CREATE INDEX documents_holder ON documents (") || !strings.Contains(stderr, "1 indexes are missing or invalid") {
			t.Errorf("exit code %d, %s, %s", code, shown, stderr)
		}
		code, lines, _ := typed(t, with("indexes", "--json")...)
		if code != 1 || !strings.Contains(lines, `"Name":"documents_holder","Table":"documents"`) || !strings.Contains(lines, `"State":"missing"`) {
			t.Errorf("exit code %d, %s", code, lines)
		}
	})
}

func drop(t *testing.T, url, index string) {
	t.Helper()
	database, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	err = database.InTx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.NewRaw("DROP INDEX " + index).Exec(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
