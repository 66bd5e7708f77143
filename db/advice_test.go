package db_test

import (
	"context"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// advised is what explanations of a question say, with the plans.
func advised(t *testing.T, database *db.DB, ask func(ctx context.Context) error) (advice, plans string) {
	t.Helper()
	ctx, recording := db.RecordStatements(t.Context())
	if err := ask(ctx); err != nil {
		t.Fatal(err)
	}
	statements, err := database.Explain(t.Context(), recording)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		plans += s.Plan
		for _, a := range s.Advice {
			advice += string(a.Severity) + ": " + a.Text + "\n"
		}
	}
	return advice, plans
}

// says fails unless the advice has all parts.
func says(t *testing.T, advice, plans string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(advice, part) {
			t.Errorf("lacks %q: %s%s", part, advice, plans)
		}
	}
}

// On the desk's own queries: the index that would serve is named, with the query that uses it, and whether it is missing.
func TestAdviceNamesTheIndexThatWouldServe(t *testing.T) {
	eachOffice(t, func(t *testing.T, o *office) {
		advice, plans := advised(t, o.DB, func(ctx context.Context) error {
			return o.InTx(ctx, func(tx *db.Tx) error {
				var ids []string
				return tx.NewRaw("SELECT id FROM derivations WHERE from_id = ? AND origin = 'RETURN'", o.area).Scan(ctx, &ids)
			})
		})
		says(t, advice, plans, "WARNING: derivations: 1", " rows read for ", "; filter from_id, origin is not served by an index; "+
			`the named query "tray SENT" uses derivations_sent (from_id, id DESC, document_id) where state IN ('PENDING', 'RECEIVED').`)
		if strings.Contains(advice, string(o.area)) {
			t.Errorf("it tells of data: %s", advice)
		}

		legs := func(ctx context.Context) error { return asked(o.View(o.head).LegsByDocument(ctx, o.ids())) }
		if advice, plans := advised(t, o.DB, legs); strings.Contains(advice, "WARNING") {
			t.Errorf("before the index is dropped: %s%s", advice, plans)
		}
		run(t, o.DB, "DROP INDEX derivations_document")
		advice, plans = advised(t, o.DB, legs)
		says(t, advice, plans, "WARNING: derivations: 1", " rows read for 1", "; filter document_id is not served by an index; "+
			`the named query "derivations of documents" uses derivations_document (document_id, id), which is missing.`)

		if o.Backend() == "postgres" {
			o.meetsWhatWasPlanted(t)
		}
	})
}

// meetsWhatWasPlanted is what PostgreSQL finds while it executes, and SQLite does not tell: old statistics, and a sort that memory is too small for.
func (o *office) meetsWhatWasPlanted(t *testing.T) {
	t.Helper()
	run(t, o.DB, "ALTER TABLE documents SET (autovacuum_enabled = false)", "UPDATE documents SET state = 'OBSERVED' WHERE state = 'ARCHIVED'", "DROP INDEX documents_listed",
		"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''64kB''', current_database()); END $$")
	advice, plans := advised(t, o.DB, func(ctx context.Context) error {
		return asked(o.View(o.admin).CountDocuments(ctx, mesa.DocumentFilter{States: []mesa.DocumentState{mesa.Observed}}))
	})
	says(t, advice, plans, "WARNING: documents: ", " rows were expected, ", "its statistics are old (ANALYZE documents).")

	again := openOffice(t, o.url) // with connections that know of the setting
	advice, plans = advised(t, again.DB, func(ctx context.Context) error {
		return asked(again.View(again.admin).Documents(ctx, mesa.DocumentFilter{}, newest, db.Page{First: new(200)}))
	})
	says(t, advice, plans, "WARNING: Sorted on disk, ", "listed_at DESC", `; the named query "documents" uses documents_listed (listed_at DESC, id DESC, confidentiality), which is missing.`)
}
