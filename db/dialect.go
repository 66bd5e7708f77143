package db

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	sqlite3 "modernc.org/sqlite"

	"github.com/mesapartes/mesa/mesa"
)

// dialect is every difference between the two databases, by name.
type dialect interface {
	name() string

	// forUpdate locks the selected rows of a table until the transaction ends.
	forUpdate(q *bun.SelectQuery, table string) *bun.SelectQuery

	// skipLocked ends a select that locks its rows and leaves out those that others have locked.
	skipLocked() string

	// leaseClock is an expression: the instant by which leases are given and run out, and some time after it. Processes need not agree
	// on the time of day for it.
	leaseClock(now time.Time, after time.Duration) (expr string, arg any)

	// oneMachine says whether all processes on a database are on one machine.
	oneMachine() bool

	// matchText keeps documents whose search text has all terms.
	matchText(q *bun.SelectQuery, terms []term) *bun.SelectQuery

	// hasTag keeps documents that carry a tag.
	hasTag(q *bun.SelectQuery, tag string) *bun.SelectQuery

	// hasAnyTag keeps documents that carry one of the tags.
	hasAnyTag(q *bun.SelectQuery, tags []string) *bun.SelectQuery

	// perParent is the text of one statement that takes the first rows of a child table for each of many parents:
	// placeholders are the parents (see parents), then those of where, then the limit.
	perParent(child, key, where, order string) string

	// parents is the argument of perParent that lists the parents.
	parents(ids []string) any

	// jsonObjects is an aggregate expression: a JSON array of objects with the given keys and values.
	jsonObjects(keysAndValues ...string) string

	// through names, behind a table and its alias, the index to read it by where the database has no statistics to choose by.
	through(index string) string

	// seconds is an expression: the whole seconds of an instant since 1970, fractions cut off.
	seconds(column string) string

	// after keeps the events after a place, and says in which order they come.
	after(t Tail) (where string, args []any, order string)

	// upTo keeps the events at a place and before.
	upTo(t Tail) (where string, args []any)

	// trySealing selects whether the transaction is the only one that seals events, until it ends.
	trySealing() string

	// complete keeps the events of transactions older than any that still runs, see events.go.
	complete() string

	// snapshot are the options of a read transaction that sees one state of the data.
	snapshot() *sql.TxOptions

	// hasTable selects whether a table is there; name is ours.
	hasTable(name string) string

	// lockMigrations makes other processes that migrate wait until the transaction ends.
	lockMigrations(ctx context.Context, tx *Tx) error

	// presentIndexes selects name and is_valid of the indexes that are there.
	presentIndexes() string

	// remakeIndex are the statements that make an index again, outside of a transaction.
	remakeIndex(i MissingIndex) []string

	// mostConnections selects how many connections the database takes, 0 where it does not count.
	mostConnections() string

	// clock is an expression: the microseconds since 1970 by the clock of the database's machine.
	clock() string

	// upkeep are the statements that keep the database quick.
	upkeep() []string

	// explain is the plan of a statement that reads, and what could be better about it.
	explain(ctx context.Context, tx bun.Tx, statement string) (plan string, advice []mesa.Advice, err error)

	isUnique(err error) bool
	isRetryable(err error) bool
}

type postgres struct{}

func (postgres) name() string { return "postgres" }

func (postgres) skipLocked() string { return " FOR UPDATE SKIP LOCKED" }

func (postgres) leaseClock(_ time.Time, after time.Duration) (expr string, arg any) {
	return "now() + ? * interval '1 microsecond'", after.Microseconds()
}

func (postgres) oneMachine() bool { return false }

func (postgres) forUpdate(q *bun.SelectQuery, table string) *bun.SelectQuery {
	return q.For("UPDATE OF ?", bun.Ident(table))
}

func (postgres) matchText(q *bun.SelectQuery, terms []term) *bun.SelectQuery {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = "'" + t.word + "'"
		if t.isPrefix {
			parts[i] += ":*"
		}
	}
	return q.Where("document.search @@ ?::tsquery", strings.Join(parts, " & "))
}

func (postgres) hasTag(q *bun.SelectQuery, tag string) *bun.SelectQuery {
	return q.Where("document.tags @> ?::jsonb", jsonArray(tag))
}

func (p postgres) hasAnyTag(q *bun.SelectQuery, tags []string) *bun.SelectQuery {
	return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		for _, tag := range tags {
			q = q.WhereOr("document.tags @> ?::jsonb", jsonArray(tag))
		}
		return q
	})
}

func (postgres) perParent(child, key, where, order string) string {
	return "SELECT c.* FROM unnest(?::text[]) WITH ORDINALITY AS p (id, n) CROSS JOIN LATERAL (SELECT * FROM " + child +
		" WHERE " + key + " = p.id COLLATE \"C\" AND " + where + " ORDER BY " + order + " LIMIT ?) AS c ORDER BY p.n, " + prefixed("c", order)
}

func (postgres) parents(ids []string) any {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(id) + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

func (postgres) jsonObjects(kv ...string) string {
	return "coalesce(json_agg(json_build_object(" + strings.Join(kv, ", ") + ")), '[]')"
}

func (postgres) through(string) string { return "" }

func (postgres) seconds(column string) string {
	return "CAST(extract(epoch FROM date_trunc('second', " + column + ")) AS bigint)"
}

func (postgres) after(t Tail) (where string, args []any, order string) {
	return "(tx, seq) > (?, ?)", []any{t.Tx, t.Seq}, "tx, seq"
}

func (postgres) upTo(t Tail) (where string, args []any) {
	return "(tx, seq) <= (?, ?)", []any{t.Tx, t.Seq}
}

func (postgres) trySealing() string { return "SELECT pg_try_advisory_xact_lock(7369174)" }

func (postgres) complete() string {
	return "tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
}

func (postgres) upkeep() []string { return []string{"ANALYZE"} }

func (postgres) snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (postgres) hasTable(name string) string { return "SELECT to_regclass('" + name + "') IS NOT NULL" }

func (postgres) presentIndexes() string {
	return `SELECT c.relname AS name, i.indisvalid AS is_valid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relnamespace = current_schema()::regnamespace`
}

// remakeIndex lets others write meanwhile.
func (postgres) remakeIndex(i MissingIndex) []string {
	if i.IsInvalid {
		return []string{"REINDEX INDEX CONCURRENTLY " + i.Name}
	}
	return []string{strings.Replace(i.Definition, " INDEX ", " INDEX CONCURRENTLY ", 1)}
}

func (postgres) mostConnections() string {
	return "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
}

func (postgres) clock() string {
	return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
}

func (postgres) lockMigrations(ctx context.Context, tx *Tx) error {
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(7369173)")
	return err
}

func (postgres) isUnique(err error) bool { return pgCode(err) == "23505" }

// isRetryable: serialization failure or deadlock.
func (postgres) isRetryable(err error) bool {
	code := pgCode(err)
	return code == "40001" || code == "40P01"
}

func pgCode(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

type sqlite struct{}

func (sqlite) name() string { return "sqlite" }

// skipLocked: a write transaction already has the only write lock.
func (sqlite) skipLocked() string { return "" }

// leaseClock: all processes are on one machine.
func (sqlite) leaseClock(now time.Time, after time.Duration) (expr string, arg any) {
	return "?", now.Add(after)
}

func (sqlite) oneMachine() bool { return true }

// forUpdate: a write transaction already has the only write lock.
func (sqlite) forUpdate(q *bun.SelectQuery, _ string) *bun.SelectQuery { return q }

func (sqlite) matchText(q *bun.SelectQuery, terms []term) *bun.SelectQuery {
	parts := make([]string, len(terms))
	for i, t := range terms {
		parts[i] = `"` + t.word + `"`
		if t.isPrefix {
			parts[i] += "*"
		}
	}
	return q.Where("document.row IN (SELECT rowid FROM documents_search WHERE documents_search MATCH ?)", strings.Join(parts, " AND "))
}

func (sqlite) hasTag(q *bun.SelectQuery, tag string) *bun.SelectQuery {
	return q.Where("EXISTS (SELECT 1 FROM json_each(document.tags) AS t WHERE t.value = ?)", tag)
}

func (sqlite) hasAnyTag(q *bun.SelectQuery, tags []string) *bun.SelectQuery {
	return q.Where("EXISTS (SELECT 1 FROM json_each(document.tags) AS t WHERE t.value IN (?))", bun.List(tags))
}

func (sqlite) perParent(child, key, where, order string) string {
	return "SELECT c.* FROM json_each(?) AS p JOIN " + child + " AS c ON c.rowid IN (SELECT rowid FROM " + child +
		" WHERE " + key + " = p.value AND " + where + " ORDER BY " + order + " LIMIT ?) ORDER BY p.key, " + prefixed("c", order)
}

func (sqlite) parents(ids []string) any { return jsonArray(ids...) }

func (sqlite) jsonObjects(kv ...string) string {
	return "json_group_array(json_object(" + strings.Join(kv, ", ") + "))"
}

// through: without ANALYZE, SQLite takes a state shared by nearly all rows for a better choice than a few days.
func (sqlite) through(index string) string { return " INDEXED BY " + index }

// seconds cuts the fraction off itself, because SQLite would round it to milliseconds first.
func (sqlite) seconds(column string) string { return "unixepoch(substr(" + column + ", 1, 19))" }

// after: there is one writer, so the sequence is the order. The comparison of pairs would read the whole index.
func (sqlite) after(t Tail) (where string, args []any, order string) {
	return "seq > ?", []any{t.Seq}, "seq"
}

func (sqlite) upTo(t Tail) (where string, args []any) { return "seq <= ?", []any{t.Seq} }

// trySealing: a write transaction already has the only write lock.
func (sqlite) trySealing() string { return "SELECT TRUE" }

// complete: there is one writer, so what is there is complete.
func (sqlite) complete() string { return "1 = 1" }

func (sqlite) upkeep() []string {
	return []string{"PRAGMA analysis_limit = 1000", "ANALYZE", "PRAGMA wal_checkpoint(PASSIVE)"}
}

// snapshot: every SQLite transaction sees one state.
func (sqlite) snapshot() *sql.TxOptions { return nil }

func (sqlite) hasTable(name string) string {
	return "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '" + name + "')"
}

func (sqlite) presentIndexes() string {
	return "SELECT name, 1 AS is_valid FROM sqlite_master WHERE type = 'index'"
}

func (sqlite) remakeIndex(i MissingIndex) []string { return []string{i.Definition} }

func (sqlite) mostConnections() string { return "SELECT 0" }

func (sqlite) clock() string {
	return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000"
}

// lockMigrations: a write transaction already has the only write lock.
func (sqlite) lockMigrations(context.Context, *Tx) error { return nil }

func (sqlite) isUnique(err error) bool {
	e, ok := errors.AsType[*sqlite3.Error](err)
	return ok && (e.Code() == 2067 || e.Code() == 1555) // SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_PRIMARYKEY
}

func (sqlite) isRetryable(err error) bool {
	e, ok := errors.AsType[*sqlite3.Error](err)
	return ok && e.Code()&0xff == 5 // SQLITE_BUSY
}

// prefixed puts an alias before the one column of an order such as "id DESC".
func prefixed(alias, order string) string { return alias + "." + order }
