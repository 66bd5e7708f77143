package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
)

// preparedTexts is how many statements are kept planned on a connection to PostgreSQL; the one that was not used for longest gives way.
const preparedTexts = 100

// prepared reads rows by a statement that is asked often, differs in its arguments alone, and has the same best plan for all of them:
// PostgreSQL plans it once for each connection, and its rows are read without what database/sql makes of them in between. SQLite, and whatever
// is read within a transaction, gets the arguments in the text. A pool in between that keeps no prepared statements for its clients is
// noticed, and treated so from then on.
func prepared[T any](ctx context.Context, db *DB, idb bun.IDB, text string, args ...any) (rows []*T, err error) {
	plain := func() (rows []*T, err error) {
		err = idb.NewRaw(text, args...).Scan(ctx, &rows)
		return rows, err
	}
	if idb != bun.IDB(db.read) || db.unprepared.Load() || IsRecorded(ctx) { // what is explained has its arguments in the text
		return plain()
	}
	begun := time.Now()
	rows, err = query[T](ctx, db, numbered(text), args)
	if errors.Is(err, driver.ErrBadConn) && ctx.Err() == nil {
		return plain() // on another connection; what reads can be asked twice
	}
	switch pgCode(err) {
	case "26000", "42P05": // there is no such statement here, or somebody else's has its name
		if db.unprepared.CompareAndSwap(false, true) {
			db.log.WarnContext(ctx, "a pool between this process and PostgreSQL keeps no prepared statements: they are planned each time from now on")
		}
		return plain()
	case "0A000": // a migration changed the type of a column meanwhile; the connection prepares it anew next time
		return plain()
	}
	db.statements.AfterQuery(ctx, &bun.QueryEvent{DB: db.read, Query: text, StartTime: begun, Err: err, Result: driver.RowsAffected(len(rows))})
	return rows, err
}

// query reads rows of T by a statement with $1, $2…; the error is driver.ErrBadConn when the connection was lost, as by a restart of PostgreSQL.
func query[T any](ctx context.Context, db *DB, text string, args []any) (list []*T, err error) {
	conn, err := db.read.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		conn := c.(*stdlib.Conn).Conn()
		found, err := conn.Query(ctx, text, append([]any{pgx.QueryExecModeCacheStatement}, args...)...)
		if err == nil {
			list, err = decode[T](found, db.read)
		}
		if err != nil && conn.IsClosed() {
			return fmt.Errorf("%w: %w", driver.ErrBadConn, err)
		}
		return err
	})
	return list, err
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
