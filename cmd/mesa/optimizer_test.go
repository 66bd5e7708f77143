package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/internal/testkit"
)

// An operator asks what a query costs, and which statements were slow.
func TestLookingForWhatIsSlow(t *testing.T) {
	testkit.EachClone(t, furnished, furnish(t), func(t *testing.T, database string) {
		with := func(args ...string) []string {
			return append(args, "--database-url", database, "--data-dir", t.TempDir())
		}
		file := filepath.Join(t.TempDir(), "inbox.graphql")
		if err := os.WriteFile(file, []byte(`query Inbox($n: Int!) { documents(first: $n) { nodes { subject timeline(first: 2) { edges { cursor } } } } }`), 0o600); err != nil {
			t.Fatal(err)
		}
		explained := works(t, with("explain", file, "--email", "admin@demo.mesa.pe", "--variables", `{"n": 5}`)...)
		for _, part := range []string{"2 statements, ", "1. documents (", `FROM "documents"`, "events_document"} {
			if !strings.Contains(explained, part) {
				t.Errorf("lacks %q: %s", part, explained)
			}
		}
		if got := works(t, with("queries")...); got != "no statement took 500ms\n" {
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
