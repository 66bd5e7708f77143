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
	k, err := db.known(ctx)
	if err != nil {
		return nil, fmt.Errorf("explain: %w", err)
	}
	for _, s := range r.list {
		if hasPlan.MatchString(s.SQL) {
			if err := db.explain(ctx, k, s); err != nil {
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

// known reads what advice has to know.
func (db *DB) known(ctx context.Context) (*known, error) {
	list, err := db.Indexes(ctx)
	if err != nil {
		return nil, err
	}
	var rows []struct{ TableName, ColumnName string }
	if err := db.read.NewRaw(db.dialect.columns()).Scan(ctx, &rows); err != nil {
		return nil, err
	}
	k := &known{columns: map[string][]string{}, indexes: list}
	for _, row := range rows {
		k.columns[row.TableName] = append(k.columns[row.TableName], row.ColumnName)
	}
	return k, nil
}

func (db *DB) explain(ctx context.Context, k *known, s *mesa.ExplainedStatement) error {
	ctx, cancel := context.WithTimeout(ctx, explainWithin)
	defer cancel()
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return db.dialect.explain(ctx, tx, k, s)
}

// muchRead is from how many rows on it matters that they are read one by one.
const muchRead = 10_000

// explain executes the statement, if it only reads, and tells of what it met.
func (postgres) explain(ctx context.Context, tx bun.Tx, k *known, s *mesa.ExplainedStatement) error {
	how, text := "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ", ""
	if writes.Match(shape(nil, s.SQL)) {
		how = "EXPLAIN (FORMAT JSON) "
	}
	if err := tx.QueryRowContext(ctx, how+s.SQL).Scan(&text); err != nil {
		return err
	}
	plan, err := readPlan(text)
	if err != nil {
		return err
	}
	s.Plan, s.Advice = plan.text(), plan.advice(k)
	return nil
}

// explain tells of the plan; what it meets is not counted by SQLite, so that whole tables are.
func (sqlite) explain(ctx context.Context, tx bun.Tx, k *known, s *mesa.ExplainedStatement) error {
	tables := 0 // a connection that only explains does not notice new indexes; one that reads does
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, "EXPLAIN QUERY PLAN "+s.SQL)
	if err != nil {
		return err
	}
	defer rows.Close()
	var steps []planStep
	for rows.Next() {
		var step planStep
		var unused int
		if err := rows.Scan(&step.id, &step.parent, &unused, &step.detail); err != nil {
			return err
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	s.Plan = stepsText(steps)
	s.Advice = k.adviceOnSteps(steps, s, func(table string) (n int64) {
		if k.columns[table] == nil || tx.QueryRowContext(ctx, "SELECT count(*) FROM ?", bun.Ident(table)).Scan(&n) != nil {
			return 0 // what the statement itself makes is no table
		}
		return n
	})
	return nil
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
