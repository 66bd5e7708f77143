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

	// perParent is the text of one statement that takes columns (behind alias c) of the first rows of a child table for each of many parents:
	// placeholders are the parents (see parents), then those of where, then the limit.
	perParent(columns, child, key, where, order string) string

	// parents is the argument of perParent that lists the parents.
	parents(ids []string) any

	// among is the condition for a column to be one of many texts, with one placeholder, and the argument for that.
	among(column string, values []string) (condition string, arg any)

	// jsonObjects is an aggregate expression: a JSON array of objects with the given keys and values.
	jsonObjects(keysAndValues ...string) string

	// through names, behind a table and its alias, the index to read it by where the database has no statistics to choose by.
	through(index string) string

	// seconds is an expression: the whole seconds of an instant since 1970, fractions cut off.
	seconds(column string) string

	// after keeps the events after a place, and says in which order they come.
	after(t Tail) (where string, args []any, order string)

	// latest is the order of the events backwards.
	latest() string

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

	// others selects how many other connections there are to the database.
	others() string

	// steady lets the transaction wait for whoever hands in its data or takes it, and values look the same whatever the server is set to.
	steady() string

	// savedColumns selects the names and types of a table's columns of which a backup has the values (table).
	savedColumns() string

	// exported is a column as text, the same on both databases: instants as bun writes them on SQLite, booleans as 0 and 1, bytes as \x….
	exported(column, typ string) string

	// inCommitOrder says how the rows of events, and those that refer to them, are read so that events are numbered in the order of their commits.
	inCommitOrder(table string) renumbered

	// drop drops a table or a function, and what depends on it, if it is there.
	drop(kind, name string) string

	// setAside selects the statements that drop indexes and references of tables and keep tallies from being counted twice, and those that bring
	// them back (tables).
	setAside() string

	// brokenReferences selects how many rows refer to what is not there, where nothing else says so.
	brokenReferences() string

	// afterLoading selects the statements that let sequences go on after what rows have.
	afterLoading() string

	// remakeIndex are the statements that make an index again, outside of a transaction.
	remakeIndex(i *Index) []string

	// mostConnections selects how many connections the database takes, 0 where it does not count.
	mostConnections() string

	// clock is an expression: the microseconds since 1970 by the clock of the database's machine.
	clock() string

	// mergeTallies are the statements that move the changes that are there to the tallies, in one transaction.
	mergeTallies() []string

	// upkeep are the statements that keep the database quick.
	upkeep() []string

	// explain adds to a statement its plan, and what could be better about it.
	explain(ctx context.Context, tx bun.Tx, k *known, s *mesa.ExplainedStatement) error

	// indexes selects all indexes, see liveIndex.
	indexes() string

	// indexSizes selects the name and the bytes of each index.
	indexSizes() string

	// columns selects all columns: table_name, column_name.
	columns() string

	isUnique(err error) bool
	isRetryable(err error) bool
}

// renumbered says how the rows of a table are read with other numbers. The zero value stands for the table as it is.
type renumbered struct {
	alias       string // of the table within from, with its dot
	expressions map[string]string
	from        string
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

func (postgres) perParent(columns, child, key, where, order string) string {
	return "SELECT " + columns + " FROM unnest(?::text[]) WITH ORDINALITY AS p (id, n) CROSS JOIN LATERAL (SELECT * FROM " + child +
		" WHERE " + key + " = p.id COLLATE \"C\" AND " + where + " ORDER BY " + order + " LIMIT ?) AS c ORDER BY p.n, " + prefixed("c", order)
}

func (postgres) parents(ids []string) any {
	b := append(make([]byte, 0, 32*len(ids)+2), '{')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		for j := range len(id) {
			if id[j] == '"' || id[j] == '\\' {
				b = append(b, '\\')
			}
			b = append(b, id[j])
		}
		b = append(b, '"')
	}
	return string(append(b, '}'))
}

func (d postgres) among(column string, values []string) (condition string, arg any) {
	return column + " = ANY (?::text[])", d.parents(values)
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

func (postgres) latest() string { return "tx DESC, seq DESC" }

func (postgres) upTo(t Tail) (where string, args []any) {
	return "(tx, seq) <= (?, ?)", []any{t.Tx, t.Seq}
}

func (postgres) trySealing() string { return "SELECT pg_try_advisory_xact_lock(7369174)" }

func (postgres) complete() string {
	return "tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
}

// others leaves out the processes of the server.
func (postgres) others() string {
	return "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
}

func (postgres) steady() string {
	return "SET LOCAL " + idleTimeout + " = 0; SET LOCAL statement_timeout = 0; SET LOCAL datestyle = 'ISO'; SET LOCAL bytea_output = 'hex'"
}

func (postgres) savedColumns() string {
	return "SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
}

func (postgres) exported(column, typ string) string {
	switch typ {
	case "timestamp with time zone":
		return column + "::text || ':00'" // the time zone of connections is UTC
	case "boolean":
		return column + "::int"
	}
	return column
}

// eventNumbers are the events with their places in the order of their commits.
const eventNumbers = "(SELECT *, row_number() OVER (ORDER BY tx, seq) AS n FROM events)"

// inCommitOrder lets a seal whose event is gone refer to a number that no event has.
func (postgres) inCommitOrder(table string) renumbered {
	switch table {
	case "events":
		return renumbered{"e.", map[string]string{"seq": "e.n", "tx": "0"}, eventNumbers + " AS e ORDER BY e.n"}
	case "seals":
		return renumbered{"s.", map[string]string{"event_seq": "coalesce(e.n, -s.event_seq)", "event_tx": "0"},
			"seals AS s LEFT JOIN (SELECT seq, row_number() OVER (ORDER BY tx, seq) AS n FROM events) AS e ON e.seq = s.event_seq ORDER BY s.seq"}
	}
	return renumbered{}
}

func (postgres) drop(kind, name string) string {
	return "DROP " + kind + " IF EXISTS " + name + " CASCADE"
}

func (postgres) setAside() string {
	return `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS gone, format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS back
		FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text IN (?0)
		UNION ALL SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
		FROM pg_index WHERE indrelid::regclass::text IN (?0) AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
		UNION ALL SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname), format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname)
		FROM pg_trigger WHERE tgname LIKE '%\_tallied\_%' AND tgrelid::regclass::text IN (?0)`
}

// brokenReferences: bringing back a reference checks it.
func (postgres) brokenReferences() string { return "SELECT 0" }

func (postgres) afterLoading() string {
	return `SELECT format('SELECT setval(pg_get_serial_sequence(%L, %L), (SELECT coalesce(max(%I), 0) + 1 FROM %I), false)', table_name, column_name, column_name, table_name)
		FROM information_schema.columns WHERE table_schema = current_schema() AND is_identity = 'YES'`
}

// mergeTallies takes away exactly what it adds: others go on adding changes meanwhile.
func (postgres) mergeTallies() []string {
	return []string{"WITH changes AS (DELETE FROM tally_changes RETURNING *) " + addToTallies}
}

func (postgres) upkeep() []string { return []string{"ANALYZE"} }

func (postgres) snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (postgres) hasTable(name string) string { return "SELECT to_regclass('" + name + "') IS NOT NULL" }

// remakeIndex lets others write meanwhile.
func (postgres) remakeIndex(i *Index) []string {
	if i.State == IndexInvalid {
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

func (postgres) indexes() string {
	return `SELECT c.relname AS name, t.relname AS "table", NOT (i.indisvalid AND i.indisready AND i.indislive) AS is_invalid,
		CASE WHEN k.oid IS NULL THEN pg_get_indexdef(c.oid) ELSE '' END AS definition,
		coalesce((SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute AS a WHERE a.attrelid = c.oid), '') AS columns,
		CASE WHEN i.indisprimary THEN 'primary key' WHEN i.indisunique THEN 'unique' ELSE '' END AS rule, CAST(greatest(t.reltuples, 0) AS bigint) AS rows, s.idx_scan AS scans
		FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_class AS t ON t.oid = i.indrelid
		LEFT JOIN pg_constraint AS k ON k.conindid = c.oid AND k.contype IN ('p', 'u') LEFT JOIN pg_stat_user_indexes AS s ON s.indexrelid = c.oid
		WHERE t.relnamespace = current_schema()::regnamespace`
}

func (postgres) indexSizes() string {
	return "SELECT relname AS name, pg_relation_size(oid) AS size FROM pg_class WHERE relkind = 'i' AND relnamespace = current_schema()::regnamespace"
}

func (postgres) columns() string {
	return "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
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

func (sqlite) perParent(columns, child, key, where, order string) string {
	return "SELECT " + columns + " FROM json_each(?) AS p JOIN " + child + " AS c ON c.rowid IN (SELECT rowid FROM " + child +
		" WHERE " + key + " = p.value AND " + where + " ORDER BY " + order + " LIMIT ?) ORDER BY p.key, " + prefixed("c", order)
}

func (sqlite) parents(ids []string) any { return jsonArray(ids...) }

func (sqlite) among(column string, values []string) (condition string, arg any) {
	return column + " IN (?)", bun.List(values)
}

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

func (sqlite) latest() string { return "seq DESC" }

func (sqlite) upTo(t Tail) (where string, args []any) { return "seq <= ?", []any{t.Seq} }

// trySealing: a write transaction already has the only write lock.
func (sqlite) trySealing() string { return "SELECT TRUE" }

// complete: there is one writer, so what is there is complete.
func (sqlite) complete() string { return "1 = 1" }

// others: a connection that is Alone has kept them out.
func (sqlite) others() string { return "SELECT 0" }

func (sqlite) steady() string { return "SELECT 1" }

// savedColumns leaves out the name of the row for the search index, which PostgreSQL has no use for.
func (sqlite) savedColumns() string {
	return "SELECT name, type FROM pragma_table_info(?) WHERE name <> 'row' ORDER BY cid"
}

func (sqlite) exported(column, typ string) string {
	if typ == "BLOB" {
		return `'\x' || lower(hex(` + column + "))"
	}
	return "CAST(" + column + " AS TEXT)"
}

// inCommitOrder: there is one writer, so events are.
func (sqlite) inCommitOrder(string) renumbered { return renumbered{} }

// drop: SQLite has no functions of ours, and triggers go with their tables.
func (sqlite) drop(kind, name string) string { return "DROP " + kind + " IF EXISTS " + name }

func (sqlite) setAside() string {
	return "SELECT 'DROP INDEX ' || name AS gone, sql AS back FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN (?0) " +
		"UNION ALL SELECT 'DROP TRIGGER ' || name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\\_tallied\\_%' ESCAPE '\\'"
}

func (sqlite) brokenReferences() string { return "SELECT count(*) FROM pragma_foreign_key_check" }

// afterLoading: AUTOINCREMENT heeds the numbers that rows bring along.
func (sqlite) afterLoading() string { return "SELECT '' WHERE 1 = 0" }

func (sqlite) mergeTallies() []string {
	return []string{"WITH changes AS (SELECT * FROM tally_changes) " + addToTallies, "DELETE FROM tally_changes"}
}

func (sqlite) upkeep() []string {
	return []string{"PRAGMA analysis_limit = 1000", "ANALYZE", "PRAGMA wal_checkpoint(PASSIVE)"}
}

// snapshot: every SQLite transaction sees one state.
func (sqlite) snapshot() *sql.TxOptions { return nil }

func (sqlite) hasTable(name string) string {
	return "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '" + name + "')"
}

func (sqlite) remakeIndex(i *Index) []string { return []string{i.Definition} }

func (sqlite) mostConnections() string { return "SELECT 0" }

func (sqlite) clock() string {
	return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000"
}

// lockMigrations: a write transaction already has the only write lock.
func (sqlite) lockMigrations(context.Context, *Tx) error { return nil }

func (sqlite) indexes() string {
	return `SELECT l.name, t.name AS "table", FALSE AS is_invalid, coalesce(s.sql, '') AS definition, (SELECT group_concat(x.name, ', ') FROM pragma_index_info(l.name) AS x) AS columns,
		CASE WHEN l.origin = 'pk' THEN 'primary key' WHEN l."unique" THEN 'unique' ELSE '' END AS rule, 0 AS rows, NULL AS scans
		FROM sqlite_schema AS t JOIN pragma_index_list(t.name) AS l LEFT JOIN sqlite_schema AS s ON s.name = l.name AND s.type = 'index'
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE 'documents_search%'`
}

func (sqlite) indexSizes() string {
	return "SELECT d.name, d.pgsize AS size FROM dbstat AS d JOIN sqlite_schema AS s ON s.name = d.name AND s.type = 'index' WHERE d.aggregate = TRUE"
}

func (sqlite) columns() string {
	return "SELECT t.name AS table_name, c.name AS column_name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'"
}

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
