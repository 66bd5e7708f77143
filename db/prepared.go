package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
)

// preparedTexts is how many statements are kept planned on a connection to PostgreSQL; the one that was not used for longest gives way.
const preparedTexts = 100

// prepared reads rows by a statement that is asked often, differs in its arguments alone, and has the same best plan for all of them:
// PostgreSQL plans it once for each connection. A pool in between that keeps no prepared statements for its clients is noticed, and served as
// SQLite is, with the arguments in the text.
func prepared[T any](ctx context.Context, db *DB, idb bun.IDB, text string, args ...any) (rows []*T, err error) {
	plain := func() ([]*T, error) { return rows, idb.NewRaw(text, args...).Scan(ctx, &rows) }
	if db.unprepared.Load() || IsRecorded(ctx) { // what is explained has its arguments in the text
		return plain()
	}
	begun := time.Now()
	rows, err = query[T](ctx, db, idb, numbered(text), args)
	if code := pgCode(err); code == "26000" || code == "42P05" { // there is no such statement here, or somebody else's has its name
		db.unprepared.Store(true)
		db.log.WarnContext(ctx, "a pool between this process and PostgreSQL keeps no prepared statements: they are planned each time from now on")
		rows = nil
		return plain()
	}
	db.statements.AfterQuery(ctx, &bun.QueryEvent{DB: db.read, Query: text, StartTime: begun, Err: err, Result: driver.RowsAffected(len(rows))})
	return rows, err
}

func query[T any](ctx context.Context, db *DB, idb bun.IDB, text string, args []any) (list []*T, err error) {
	args = append([]any{pgx.QueryExecModeCacheStatement}, args...)
	var rows *sql.Rows
	switch idb := idb.(type) {
	case bun.Tx:
		rows, err = idb.Tx.QueryContext(ctx, text, args...)
	default:
		rows, err = db.read.DB.QueryContext(ctx, text, args...)
	}
	if err != nil {
		return nil, err
	}
	return list, db.read.ScanRows(ctx, rows, &list)
}

// numbered is a statement with $1, $2… for each ? in it.
func numbered(text string) string {
	b, n := make([]byte, 0, len(text)+16), int64(0)
	for i := range len(text) {
		if text[i] != '?' {
			b = append(b, text[i])
			continue
		}
		n++
		b = strconv.AppendInt(append(b, '$'), n, 10)
	}
	return string(b)
}
