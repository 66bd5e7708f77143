package db_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// copied is a backup in memory.
type copied struct {
	of   db.Restoring
	rows map[string][]byte
}

func backedUp(t *testing.T, database *db.DB) (c copied) {
	t.Helper()
	c.rows = map[string][]byte{}
	err := database.Backup(t.Context(), func(s *db.Snapshot) error {
		c.of = db.Restoring{TakenAt: s.TakenAt, Migrations: s.Migrations, Tables: s.Tables, Replace: true}
		for _, table := range s.Tables {
			var rows bytes.Buffer
			if err := s.Rows(t.Context(), table.Name, &rows); err != nil {
				return err
			}
			c.rows[table.Name] = rows.Bytes()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// restored makes a database of it.
func (c copied) restored(t *testing.T, url string) *db.DB {
	t.Helper()
	if err := c.restore(t, url, c.of.Tables); err != nil {
		t.Fatal(err)
	}
	return another(t, url)
}

func (c copied) restore(t *testing.T, url string, tables []db.BackupTable) error {
	t.Helper()
	alone, err := db.Open(t.Context(), url, db.Options{Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	return alone.Restore(t.Context(), c.of, func(l *db.Loader) error {
		for _, table := range tables {
			if err := l.Rows(t.Context(), table.Name, bytes.NewReader(c.rows[table.Name])); err != nil {
				return err
			}
		}
		return nil
	})
}

// lines are the rows of a table in an order of their own, JSON in one form.
func (c copied) lines(table string) []string {
	lines := strings.Split(strings.TrimSuffix(string(c.rows[table]), "\n"), "\n")
	for i, line := range lines {
		fields := strings.Split(line, "\t")
		for j, f := range fields {
			text := strings.ReplaceAll(f, `\\`, `\`)
			var value any
			if f != "" && strings.ContainsAny(f[:1], "[{") && json.Unmarshal([]byte(text), &value) == nil {
				form, _ := json.Marshal(value)
				fields[j] = string(form)
			}
		}
		lines[i] = strings.Join(fields, "\t")
	}
	slices.Sort(lines)
	return lines
}

// A migration in whose text tables are not found would leave them out.
func TestABackupHasEveryTable(t *testing.T) {
	onMigrated(t, func(t *testing.T, _ string, database *db.DB) {
		all := "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
		if database.Backend() == "sqlite" {
			all = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
		}
		var want, got []string
		if err := database.InTx(t.Context(), func(tx *db.Tx) error { return tx.NewRaw(all).Scan(t.Context(), &want) }); err != nil {
			t.Fatal(err)
		}
		for _, table := range backedUp(t, database).of.Tables {
			got = append(got, table.Name)
		}
		got = append(got, "schema_migrations")
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("it has %v, the database %v", got, want)
		}
	})
}

// Whichever way a database has gone, a backup of it has the same rows.
func TestABackupHasTheSameRowsWhereverItWasRestored(t *testing.T) {
	onArchive(t, func(a *archive) {
		ctx := a.Context()
		a.ok(a.db.InTx(ctx, func(tx *db.Tx) error {
			if _, err := tx.AddSignInFailure(ctx, "", archiveNow.Add(-time.Hour)); err != nil { // an empty text in front
				return err
			}
			_, err := tx.NewRaw("UPDATE documents SET subject = ?, notes = '', annex_description = ? WHERE id = ?", "¿\\N?\t\\t\n\"Ñusta\" 'x' \\\\ \r", `\x00`, a.docs[0].ID).Exec(ctx)
			return err
		}))
		sealed(a.T, a.db)
		first := backedUp(a.T, a.db)
		testkit.EachDatabase(a.T, func(t *testing.T, url string) {
			again := backedUp(t, first.restored(t, url))
			for _, table := range first.of.Tables {
				want, got := first.lines(table.Name), again.lines(table.Name)
				switch table.Name {
				case "catalogue_version":
					continue
				case "events":
					got = slices.DeleteFunc(got, func(line string) bool { return strings.Contains(line, "\tsystem.restored\t") })
				}
				if !slices.Equal(want, got) {
					for i := range want {
						if i >= len(got) || want[i] != got[i] {
							t.Errorf("%s: %d rows, now %d; first\n%q\n%q", table.Name, len(want), len(got), want[i], got[min(i, len(got)-1)])
							break
						}
					}
				}
			}
		})
	})
}

// Two transactions overlap: the one that began first has the later number. Their cluster has given out more transactions than the next one
// will for long.
func TestARestoredAuditTrailGoesOnInAnyCluster(t *testing.T) {
	ctx, url := t.Context(), testkit.PostgresURL(t)
	database, other := another(t, url), another(t, url)
	if _, err := database.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	err := database.InTx(ctx, func(tx *db.Tx) error {
		if _, err := tx.NewRaw("SELECT pg_current_xact_id()").Exec(ctx); err != nil {
			return err
		}
		if err := other.InTx(ctx, func(tx *db.Tx) error { return note(ctx, tx, "second") }); err != nil {
			return err
		}
		return note(ctx, tx, "first")
	})
	if err != nil {
		t.Fatal(err)
	}
	sealed(t, database)
	err = database.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Tx.Tx.ExecContext(ctx, `ALTER TABLE events DISABLE TRIGGER USER; ALTER TABLE seals DISABLE TRIGGER USER;
			UPDATE events SET tx = tx + 1000000000; UPDATE seals SET event_tx = event_tx + 1000000000;
			ALTER TABLE events ENABLE TRIGGER USER; ALTER TABLE seals ENABLE TRIGGER USER`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := backedUp(t, database)
	testkit.EachDatabase(t, func(t *testing.T, url string) {
		database := c.restored(t, url)
		err := database.InTx(ctx, func(tx *db.Tx) error {
			var late int // for this they would be uncertain for ever
			if err := tx.NewRaw("SELECT count(*) FROM events WHERE tx > 999999999").Scan(ctx, &late); err != nil || late > 0 {
				return fmt.Errorf("%d events of transactions that are to come, %w", late, err)
			}
			return note(ctx, tx, "third")
		})
		if err != nil {
			t.Fatal(err)
		}
		sealed(t, database)
		v := verified(t, database, 1, 0)
		if v.FirstBroken != nil || v.Count != 4 || v.Unsealed != 0 {
			t.Errorf("%+v", v)
		}
		var texts []string
		for _, e := range everyEvent(t, database) {
			texts = append(texts, e.Text)
		}
		if len(texts) != 4 || texts[0] != "first" || texts[1] != "second" || texts[3] != "third" {
			t.Errorf("in the order %q", texts)
		}
	})
	// What is wrong with a trail is wrong with what is restored, too.
	err = database.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Tx.Tx.ExecContext(ctx, "ALTER TABLE events DISABLE TRIGGER USER; DELETE FROM events WHERE text = 'first'; ALTER TABLE events ENABLE TRIGGER USER")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c = backedUp(t, database)
	testkit.EachDatabase(t, func(t *testing.T, url string) {
		if v := verified(t, c.restored(t, url), 1, 0); v.FirstBroken == nil || v.FirstBroken.Reason != mesa.EntryMissing || v.FirstBroken.Seq != 1 {
			t.Errorf("%+v", v.FirstBroken)
		}
	})
}

// A backup whose rows refer to what is not in it, and tables that are not the desk's.
func TestARestoreThatCannotBeRightChangesNothing(t *testing.T) {
	onArchive(t, func(a *archive) {
		c := backedUp(a.T, a.db)
		a.ok(a.db.Close())
		without := slices.DeleteFunc(slices.Clone(c.of.Tables), func(table db.BackupTable) bool { return table.Name == "document_types" })
		if err := c.restore(a.T, a.url, without); err == nil {
			a.Error("documents without types were restored")
		}
		strange := c
		strange.of.Tables = append(slices.Clone(c.of.Tables), db.BackupTable{Name: "schema_migrations", Columns: []string{"name"}})
		if err := strange.restore(a.T, a.url, c.of.Tables); err == nil || !strings.Contains(err.Error(), "no table of mesa") {
			a.Errorf("another table: %v", err)
		}
		c.of.Replace = false
		if err := c.restore(a.T, a.url, c.of.Tables); !errors.Is(err, db.ErrNotEmpty) {
			a.Errorf("not empty: %v", err)
		}
		again := backedUp(a.T, another(a.T, a.url))
		for table, rows := range c.rows {
			if !bytes.Equal(rows, again.rows[table]) {
				a.Errorf("%s has changed", table)
			}
		}
	})
}
