package db_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// watching opens a database of which every statement is slow, and belongs to an operation.
func watching(t *testing.T, url string, now func() time.Time) *db.DB {
	t.Helper()
	database, err := db.Open(t.Context(), url, db.Options{SlowAt: time.Nanosecond, Now: now, Cause: func(context.Context) (string, string) { return "Tray", "tray.nodes" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Close() })
	return database
}

// asks are the figures of the statement that looks for jobs.
func asks(list []*mesa.StatementStats) *mesa.StatementStats {
	for _, s := range list {
		if strings.Contains(s.SQL, "jobs") {
			return s
		}
	}
	return &mesa.StatementStats{}
}

// What was slow is told by every process, and kept for thirty days.
func TestSlowStatementsOfAllProcessesAreAddedUp(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, _ *db.DB) {
		day := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		now := func() time.Time { return day }
		one, two := watching(t, url, now), watching(t, url, now)
		for range 3 {
			for _, database := range []*db.DB{one, two} {
				if _, err := database.HasDue(t.Context(), "default"); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := two.SlowStatements(t.Context(), 0, 200); err != nil { // the second one tells its figures
			t.Fatal(err)
		}
		all, err := one.SlowStatements(t.Context(), 0, 200)
		if err != nil {
			t.Fatal(err)
		}
		s := asks(all)
		if s.Count != 6 || s.Slow != 6 || s.Failed != 0 || s.Operation != "Tray" || s.Field != "tray.nodes" || !s.LastSeenAt.Equal(day) || s.MaxMs() <= 0 || s.P95Ms() > s.MaxMs() {
			t.Errorf("of all processes: %+v in %d", s, len(all))
		}
		if own := asks(one.StatementStats(200)); own.Count != 3 || own.Fingerprint != s.Fingerprint {
			t.Errorf("of one process: %+v", own)
		}
		if few, err := one.SlowStatements(t.Context(), 0, 1); err != nil || len(few) != 1 {
			t.Errorf("the first: %v, %v", few, err)
		}

		day = day.AddDate(0, 0, 31)
		if n, err := one.ForgetSlow(t.Context()); err != nil || n == 0 {
			t.Errorf("forgot %d, %v", n, err)
		}
		if again, err := one.SlowStatements(t.Context(), 31, 200); err != nil || asks(again).Count != 0 {
			t.Errorf("there still is %+v, %v", asks(again), err)
		}
	})
}

// A statement that did not come back, or that nobody could run, counts as failed.
func TestFailedStatementsAreCounted(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, _ *db.DB) {
		database := watching(t, url, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := database.HasDue(ctx, "default"); err == nil {
			t.Fatal("a cancelled context reads")
		}
		if s := asks(database.StatementStats(200)); s.Count != 1 || s.Failed != 1 {
			t.Errorf("counted %+v", s)
		}
	})
}

// Each planted fault is found, and what is as it should be is left alone.
func TestAdviceFindsWhatIsWrong(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, _ *db.DB) {
		isPostgres := strings.HasPrefix(url, "postgres")
		database := watching(t, url, nil)
		run(t, database, "CREATE TABLE planted (id BIGINT PRIMARY KEY, area INT, note TEXT)",
			"INSERT INTO planted WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, i % 1000, 'note ' || i FROM n", "ANALYZE")
		for _, c := range []struct {
			what, statement string
			advice          []string // parts of what is said on PostgreSQL
			onSQLite        []string
		}{
			{"a filter without an index", "SELECT id FROM planted WHERE area = 7", []string{"planted: 20000 rows read for 20; filter area is not served by an index."}, []string{"planted: 20000 rows read for 20; filter area is not served by an index."}},
			{"the same by another name", `SELECT "p"."id" FROM "planted" AS "p" WHERE (p.area = 7)`, []string{"filter area is not served by an index"}, []string{"filter area is not served by an index"}},
			{"the first ones", "SELECT id FROM planted WHERE area < 500 LIMIT 5", nil, nil},
			{"all of a table", "SELECT area, count(*) FROM planted GROUP BY area", []string{"planted: the whole table is read, 20000 rows."}, []string{"planted: the whole table is read, 20000 rows."}},
			{"a filter with an index", "SELECT note FROM planted WHERE id = 7", nil, nil},
			{"a question mark in a text", "SELECT note FROM planted WHERE id = 7 AND note <> 'why?'", nil, nil},
			{"a sort", "SELECT id FROM planted WHERE id < 100 ORDER BY note", nil, []string{"no index has this order"}},
		} {
			advice := adviceOn(t, database, c.statement)
			want := c.advice
			if !isPostgres {
				want = c.onSQLite
			}
			if len(advice) != len(want) {
				t.Errorf("%s: %q", c.what, advice)
				continue
			}
			for i, part := range want {
				if !strings.Contains(advice[i], part) {
					t.Errorf("%s: %q, want %q", c.what, advice[i], part)
				}
			}
		}
		run(t, database, "CREATE INDEX planted_area ON planted (area)")
		if advice := adviceOn(t, database, "SELECT id FROM planted WHERE area = 7"); len(advice) > 0 {
			t.Errorf("with the index: %q", advice)
		}
		if !isPostgres {
			return
		}
		run(t, database, "ALTER TABLE planted SET (autovacuum_enabled = off)", "UPDATE planted SET area = 7")
		if advice := strings.Join(adviceOn(t, database, "SELECT id FROM planted WHERE area = 7"), "\n"); !strings.Contains(advice, "its statistics are old (ANALYZE planted)") {
			t.Errorf("with old statistics: %s", advice)
		}
		run(t, database, "ALTER DATABASE "+url[strings.LastIndex(url, "/")+1:strings.LastIndex(url, "?")]+" SET work_mem = '64kB'")
		if advice := strings.Join(adviceOn(t, watching(t, url, nil), "SELECT id, note FROM planted ORDER BY note"), "\n"); !strings.Contains(advice, "Sorted on disk") {
			t.Errorf("with a large sort: %s", advice)
		}
	})
}

// Explaining runs nothing that changes something.
func TestOnlyReadingIsExplained(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, _ *db.DB) {
		database := watching(t, url, nil)
		run(t, database, "CREATE TABLE planted (id BIGINT PRIMARY KEY)")
		ctx, recording := db.RecordStatements(t.Context())
		for i := range 120 {
			runIn(ctx, t, database, fmt.Sprintf("INSERT INTO planted VALUES (%d)", i))
		}
		list, err := database.Explain(t.Context(), recording)
		if err != nil || len(list) != 100 || list[0].Plan != "" || list[0].SQL != "INSERT INTO planted VALUES (0)" {
			t.Errorf("%d explained, %v: %+v", len(list), err, list[0])
		}
		ctx, recording = db.RecordStatements(t.Context())
		runIn(ctx, t, database, "SELECT count(*) FROM planted")
		if list, err = database.Explain(t.Context(), recording); err != nil || !strings.Contains(list[0].Plan, "planted") {
			t.Errorf("explained %+v, %v", list[0], err)
		}
	})
}

// run carries out statements, each in a transaction of its own.
func run(t *testing.T, database *db.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		runIn(t.Context(), t, database, s)
	}
}

func runIn(ctx context.Context, t *testing.T, database *db.DB, statement string) {
	t.Helper()
	if err := database.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, statement)
		return err
	}); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func adviceOn(t *testing.T, database *db.DB, statement string) (texts []string) {
	t.Helper()
	ctx, recording := db.RecordStatements(t.Context())
	var rows []map[string]any
	if err := database.InTx(ctx, func(tx *db.Tx) error { return tx.NewRaw(statement).Scan(ctx, &rows) }); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	list, err := database.Explain(t.Context(), recording)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	for _, a := range list[0].Advice {
		texts = append(texts, a.Text)
	}
	return texts
}
