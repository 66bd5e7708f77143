package db_test

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
)

// printTable prints what docs/performance.md has: index, query, plan node, time, size and what the index adds to writing 1,000 rows.
func (o *office) printTable(t *testing.T, list []*db.Index, proven map[string]use) {
	t.Helper()
	sizes, err := o.IndexSizes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, i := range list {
		if i.Definition == "" {
			continue
		}
		query, node, ms := i.Rule, "–", "–"
		if u, ok := proven[i.Name]; ok {
			query, node, ms = i.Serves[0], u.node, fmt.Sprintf("%.1f", u.ms)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.1f | %s |\n", i.Name, query, node, ms, float64(sizes[i.Name])/(1<<20), o.cost(t, i))
	}
	fmt.Printf("\n%s, %d documents\n\n%s\n", o.Backend(), *planDocuments, b.String())
}

// costRows is how many rows are written to see what an index costs.
const costRows = 20_000

// cost measures the milliseconds that an index adds to inserting 1,000 rows of its table: rows of it go into a table without any index and
// into one with this index alone, five times each, and the fastest count. "–" when the table has few rows.
func (o *office) cost(t *testing.T, i *db.Index) string {
	t.Helper()
	without, with := time.Hour, time.Hour
	for range 5 {
		for _, c := range []struct {
			definition string
			fastest    *time.Duration
		}{{"", &without}, {i.Definition, &with}} {
			took, rows := o.copying(t, i, c.definition)
			if rows < costRows {
				return "–"
			}
			*c.fastest = min(*c.fastest, took)
		}
	}
	return fmt.Sprintf("%.1f", max(0, float64((with-without).Microseconds())/costRows)) // µs for one are ms for 1,000
}

// copying inserts rows of an index's table into another with this index, or ("") with none, of which nothing stays.
func (o *office) copying(t *testing.T, i *db.Index, definition string) (took time.Duration, rows int64) {
	t.Helper()
	err := o.InTx(t.Context(), func(tx *db.Tx) error {
		statements := []string{"CREATE TABLE scratch AS SELECT * FROM " + i.Table + " LIMIT 0"}
		if definition != "" {
			statements = append(statements, strings.Replace(definition, i.Name+" ON "+i.Table, "scratched ON scratch", 1))
		}
		for _, statement := range statements {
			if _, err := tx.NewRaw(statement).Exec(t.Context()); err != nil {
				return err
			}
		}
		begun := time.Now()
		result, err := tx.NewRaw(fmt.Sprintf("INSERT INTO scratch SELECT * FROM %s LIMIT %d", i.Table, costRows)).Exec(t.Context())
		if err != nil {
			return err
		}
		took = time.Since(begun)
		rows, err = result.RowsAffected()
		return cmp.Or(err, errUndo)
	})
	if !errors.Is(err, errUndo) {
		t.Fatal(err)
	}
	return took, rows
}
