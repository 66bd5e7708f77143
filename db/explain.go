package db

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// Recording keeps the statements that run under a context, see RecordStatements.
type Recording struct {
	mu   sync.Mutex
	list []*mesa.ExplainedStatement
}

// maxRecorded bounds what is kept, in statements.
const maxRecorded = 100

type recordingKey struct{}

// RecordStatements makes ctx keep the first 100 statements run under it, transaction control left out.
func RecordStatements(ctx context.Context) (context.Context, *Recording) {
	r := &Recording{}
	return context.WithValue(ctx, recordingKey{}, r), r
}

// IsRecorded says whether statements under ctx are kept.
func IsRecorded(ctx context.Context) bool { return ctx.Value(recordingKey{}) != nil }

func (r *Recording) add(sql, field string, took time.Duration, rows int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) < maxRecorded {
		r.list = append(r.list, &mesa.ExplainedStatement{SQL: sql, Field: field, DurationMs: float64(took.Microseconds()) / 1000, Rows: rows, Advice: []mesa.Advice{}})
	}
}

// explainWithin bounds one explanation, which on PostgreSQL executes the statement.
const explainWithin = 10 * time.Second

// Explain says how the database carries out what was recorded, and what could be better. On PostgreSQL each statement that only reads is
// executed once more, in a read-only transaction that is rolled back; what changes or locks rows is planned without being executed.
func (db *DB) Explain(ctx context.Context, r *Recording) ([]*mesa.ExplainedStatement, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.list {
		if hasPlan.MatchString(s.SQL) {
			if err := db.explain(ctx, s); err != nil {
				return nil, fmt.Errorf("explain: %w", err)
			}
		}
		s.SQL = text(s.SQL)
	}
	return r.list, nil
}

var (
	hasPlan = regexp.MustCompile(`(?i)^\s*(SELECT|WITH|UPDATE|DELETE)\b`)
	writes  = regexp.MustCompile(`\b(INSERT|UPDATE|DELETE)\b`) // FOR UPDATE, too; told of the shape, which has no literals
)

func (db *DB) explain(ctx context.Context, s *mesa.ExplainedStatement) error {
	ctx, cancel := context.WithTimeout(ctx, explainWithin)
	defer cancel()
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	s.Plan, s.Advice, err = db.dialect.explain(ctx, tx, s.SQL)
	return err
}

// muchRead is from how many rows on it matters that they are read one by one.
const muchRead = 10_000

// explain executes the statement, if it only reads, and tells of what it met.
func (postgres) explain(ctx context.Context, tx bun.Tx, statement string) (string, []mesa.Advice, error) {
	how, text := "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ", ""
	if writes.Match(shape(nil, statement)) {
		how = "EXPLAIN (FORMAT JSON) "
	}
	if err := tx.QueryRowContext(ctx, how+statement).Scan(&text); err != nil {
		return "", nil, err
	}
	plan, err := readPlan(text)
	if err != nil {
		return "", nil, err
	}
	return plan.text(), plan.advice(), nil
}

// explain tells of the plan; what it meets is not counted by SQLite, so that whole tables are.
func (sqlite) explain(ctx context.Context, tx bun.Tx, statement string) (string, []mesa.Advice, error) {
	tables := 0 // a connection that only explains does not notice new indexes; one that reads does
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return "", nil, err
	}
	rows, err := tx.QueryContext(ctx, "EXPLAIN QUERY PLAN "+statement)
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	var steps []planStep
	for rows.Next() {
		var s planStep
		var unused int
		if err := rows.Scan(&s.id, &s.parent, &unused, &s.detail); err != nil {
			return "", nil, err
		}
		steps = append(steps, s)
	}
	if err := rows.Err(); err != nil {
		return "", nil, err
	}
	advice := adviceOnSteps(steps, func(alias string) (table string, isLarge bool) {
		n, table := 0, tableOf(statement, alias)
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM ? LIMIT ?)", bun.Ident(table), muchRead).Scan(&n)
		return table, err == nil && n == muchRead // what the statement itself makes is no table
	})
	return stepsText(steps), advice, nil
}

var aliased = regexp.MustCompile(`(?i)"?(\w+)"? AS "?(\w+)"?`)

// tableOf is the table that a statement calls by another name.
func tableOf(statement, alias string) string {
	for _, found := range aliased.FindAllStringSubmatch(statement, -1) {
		if found[2] == alias {
			return found[1]
		}
	}
	return alias
}
