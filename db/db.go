// Package db holds every SQL statement of the desk, on PostgreSQL and SQLite alike.
//
// Reading goes through a View, which cannot be made without an actor, so that nobody sees what they may not. Writing goes through
// InTx. What differs between the two databases is in dialect.go.
package db

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	_ "modernc.org/sqlite" // the SQLite driver, pure Go

	"github.com/mesapartes/mesa/mesa"
)

// Options tune a DB; the zero value is sensible.
type Options struct {
	MaxConns int              // to PostgreSQL; default 4 per CPU, at least 16
	Now      func() time.Time // the one clock; default time.Now
	Log      *slog.Logger     // default: discard
	SlowAt   time.Duration    // statements from here on are slow; 0: none is
	Alone    bool             // one connection, and others are kept out or, on PostgreSQL, noticed: for Restore. ErrInUse when SQLite has others
	Changed  func(Change)     // told of each commit before whoever made it goes on; it must not take long

	JobsChanged func(JobChange) // the same for jobs

	Cause func(ctx context.Context) (operation, field string) // says for whom a statement runs

	Postgres func(*pgx.ConnConfig) // settles of its connections what a URL cannot say; may be nil
}

// DB is an open database. On SQLite one connection writes and several read; on PostgreSQL both are the same pool, and what keeps and rescues
// jobs has two connections besides: it cannot wait until others are done.
type DB struct {
	write, read *bun.DB
	vital       *bun.DB
	dialect     dialect
	now         func() time.Time
	log         *slog.Logger
	commits     commits
	changed     func(Change)
	jobsChanged func(JobChange)

	catalogue   atomic.Pointer[mesa.Catalogue]
	catalogueMu sync.Mutex

	statements *statements
	unprepared atomic.Bool // statements are planned each time
	process    string      // tells this one's figures from those of other processes

	slowMu     sync.Mutex
	slowDay    mesa.Date
	slowStored map[string]int64 // by fingerprint, how many slow executions are in the database
}

// Open connects to "sqlite://path" or "postgres://…". It does not migrate.
func Open(ctx context.Context, url string, opts Options) (*DB, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{
		now: opts.Now, log: opts.Log, changed: opts.Changed, jobsChanged: opts.JobsChanged,
		statements: newStatements(opts), process: rand.Text(), slowStored: map[string]int64{},
	}
	if err := db.connect(url, opts); err != nil {
		return nil, err
	}
	db.vital = cmp.Or(db.vital, db.write)
	if err := db.Ping(ctx); err != nil {
		db.Close()
		if opts.Alone && db.dialect.isRetryable(err) {
			return nil, ErrInUse
		}
		return nil, err
	}
	return db, nil
}

func (db *DB) connect(url string, opts Options) error {
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		return db.connectSQLite(path, opts)
	}
	if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		return db.connectPostgres(url, opts)
	}
	return fmt.Errorf("database URL must begin with sqlite:// or postgres://")
}

// connectPostgres uses the simple protocol: bun writes arguments into the statement, so preparing each text would only fill
// the server's memory with statements that never come again. Those that do are prepared (see there).
func (db *DB) connectPostgres(url string, opts Options) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.New("database URL is not a valid postgres:// URL") // the cause would quote the password
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	config.StatementCacheCapacity = preparedTexts
	config.RuntimeParams["timezone"] = "UTC"
	if opts.Postgres != nil {
		opts.Postgres(config)
	}
	pool := func(conns int) *bun.DB {
		pool := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(settle(config)))
		pool.SetMaxOpenConns(conns)
		pool.SetMaxIdleConns(conns)
		pool.SetConnMaxIdleTime(5 * time.Minute)
		return bun.NewDB(pool, pgdialect.New(), bun.WithDiscardUnknownColumns()).WithQueryHook(db.statements)
	}
	db.dialect = postgres{}
	if opts.Alone {
		db.write = pool(1)
	} else {
		db.write, db.vital = pool(cmp.Or(opts.MaxConns, max(16, 4*runtime.NumCPU()))), pool(vitalConns)
	}
	db.read = db.write
	return nil
}

// vitalConns are for the heartbeats of a worker, and for its looking after others.
const vitalConns = 2

// settle has a new connection give instants in UTC, wherever the process is, and the server end transactions of processes that froze in the
// middle of one: the rows they have locked are left out by whoever looks for lost jobs. It is set on the connection, since pools in between
// refuse such settings at the start.
func settle(config *pgx.ConnConfig) func(context.Context, *pgx.Conn) error {
	return func(ctx context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
		if config.RuntimeParams[idleTimeout] != "" {
			return nil
		}
		_, err := conn.Exec(ctx, "SET "+idleTimeout+" = '30s'")
		return err
	}
}

const idleTimeout = "idle_in_transaction_session_timeout"

// connectSQLite opens one writer and several readers. busy_timeout comes first, because switching to WAL may itself have to wait;
// NORMAL keeps every commit through a killed process, and the file whole through a power cut. Transactions take the write lock at
// once: a deferred one that upgrades later fails instead of waiting.
func (db *DB) connectSQLite(path string, opts Options) error {
	const common = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)" +
		"&_pragma=cache_size(-65536)&_pragma=mmap_size(268435456)&_pragma=temp_store(MEMORY)"
	file := "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	db.dialect = sqlite{}
	db.unprepared.Store(true)
	if opts.Alone {
		return db.connectAlone(file)
	}
	file += common
	writer, err := sql.Open("sqlite", file+"&_txlock=immediate")
	if err != nil {
		return err
	}
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite", file+"&_pragma=query_only(1)")
	if err != nil {
		return err
	}
	readers := max(4, 2*runtime.NumCPU())
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	db.write = bun.NewDB(writer, sqlitedialect.New(), bun.WithDiscardUnknownColumns()).WithQueryHook(db.statements)
	db.read = bun.NewDB(reader, sqlitedialect.New(), bun.WithDiscardUnknownColumns()).WithQueryHook(db.statements)
	return nil
}

// connectAlone opens one connection that keeps all others out. Leaving WAL fails while somebody else is there; a rollback journal takes
// what was there before, where WAL would take all that comes. References are checked at the end, by Restore.
func (db *DB) connectAlone(file string) error {
	pool, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(1000)&_pragma=locking_mode(EXCLUSIVE)&_pragma=journal_mode(DELETE)&_pragma=synchronous(FULL)"+
		"&_pragma=foreign_keys(0)&_pragma=cache_size(-65536)&_txlock=exclusive")
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(1)
	db.write = bun.NewDB(pool, sqlitedialect.New(), bun.WithDiscardUnknownColumns()).WithQueryHook(db.statements)
	db.read = db.write
	return nil
}

// Ping says whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.write.PingContext(ctx); err != nil {
		return fmt.Errorf("database does not answer: %w", err)
	}
	return nil
}

// Close releases the connections. It can be called twice.
func (db *DB) Close() error {
	return errors.Join(db.read.Close(), db.vital.Close(), db.write.Close())
}

// Now is the clock of this database, UTC with microseconds, as it stores instants.
func (db *DB) Now() time.Time { return db.now().UTC().Truncate(time.Microsecond) }

// Backend names the database: "postgres" or "sqlite".
func (db *DB) Backend() string { return db.dialect.name() }

// IsOneMachine says whether all processes on this database are on one machine.
func (db *DB) IsOneMachine() bool { return db.dialect.oneMachine() }

// Tx is a write transaction.
type Tx struct {
	bun.Tx
	db      *DB
	ids     mesa.IDs
	touched touched
}

// IDs makes the ids of this transaction.
func (tx *Tx) IDs() *mesa.IDs { return &tx.ids }

// Now is the clock; read it after taking the locks, so that later transactions have later times.
func (tx *Tx) Now() time.Time { return tx.db.Now() }

const maxTries = 4

// InTx runs fn in one write transaction and commits it when fn returns nil. A transaction that lost a deadlock is run again, so fn
// must keep nothing outside tx. Errors come back as fn made them.
func (db *DB) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	return db.inTx(ctx, db.write, fn)
}

func (db *DB) inTx(ctx context.Context, pool *bun.DB, fn func(tx *Tx) error) error {
	return db.retried(ctx, func() (Change, error) { return db.tryTx(ctx, pool, fn) })
}

// retried runs a transaction, again when it lost a deadlock, and tells of its commit.
func (db *DB) retried(ctx context.Context, transaction func() (Change, error)) error {
	for try := 1; ; try++ {
		change, err := transaction()
		if err == nil {
			db.tell(change)
			db.commits.announce()
			return nil
		}
		if try == maxTries || !db.dialect.isRetryable(err) || ctx.Err() != nil {
			return err
		}
	}
}

// tell tells whoever wants to know of what a commit changed.
func (db *DB) tell(c Change) {
	if db.changed != nil && len(c.Tags) > 0 {
		db.changed(c)
	}
	if db.jobsChanged != nil && len(c.Jobs.Queued)+len(c.Jobs.Changed) > 0 {
		db.jobsChanged(c.Jobs)
	}
}

func (db *DB) tryTx(ctx context.Context, pool *bun.DB, fn func(tx *Tx) error) (Change, error) {
	inner, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return Change{}, fmt.Errorf("begin: %w", err)
	}
	defer inner.Rollback() // after a commit this does nothing
	tx := &Tx{Tx: inner, db: db}
	if err := fn(tx); err != nil {
		return Change{}, err
	}
	return tx.commit(ctx)
}

// notFound turns "no rows" into ErrNotFound of a field and wraps everything else.
func notFound(err error, field, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return mesa.ErrNotFound(field)
	}
	return fmt.Errorf("%s: %w", what, err)
}
