package db

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
	"github.com/mesapartes/mesa/migrations"
)

// A backup is the same whatever database it is of, so that either kind can be restored from it. Rows are lines of PostgreSQL's COPY text
// format. Events are numbered in the order of their commits and belong to no transaction, as on SQLite: transaction numbers mean
// nothing in another cluster, and may be above those that it gives out next.

// The mistakes of whoever backs up or restores.
var (
	ErrInUse    = errors.New("other processes use the database: stop mesa serve, mesa work and whatever else is connected")
	ErrNotEmpty = errors.New("the database is not empty")
	ErrNewer    = errors.New("it is of a newer version of mesa than this one")
)

// BackupTable is a table of a backup. Columns are the same on both kinds of database.
type BackupTable struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
}

// made finds what migrations make.
var made = regexp.MustCompile(`(?m)^CREATE (TABLE|VIRTUAL TABLE|VIEW|FUNCTION) (\w+)`)

// makes lists the names of all that the migrations of this database make of some kind, in their order.
func (db *DB) makes(kinds ...string) (names []string, err error) {
	steps, err := db.pending()
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		text, err := fs.ReadFile(migrations.Files, path.Join(db.Backend(), step.Name+".sql"))
		if err != nil {
			return nil, err
		}
		for _, found := range made.FindAllStringSubmatch(string(text), -1) {
			if slices.Contains(kinds, found[1]) {
				names = append(names, found[2])
			}
		}
	}
	return names, nil
}

// column is a column of a backup as a database has it.
type column struct{ Name, Type string }

// columns lists those columns of a table that a backup has; none when the table is not there.
func (db *DB) columns(ctx context.Context, from bun.IDB, table string) (list []column, err error) {
	if err := from.NewRaw(db.dialect.savedColumns(), table).Scan(ctx, &list); err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", table, err)
	}
	return list, nil
}

func namesOf(columns []column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

// quoted lists columns for a statement.
func quoted(columns []string) string { return `"` + strings.Join(columns, `", "`) + `"` }

// Snapshot is one state of a database, to make a backup of.
type Snapshot struct {
	TakenAt    time.Time
	Migrations []string // that were applied
	Tables     []BackupTable

	db      *DB
	conn    *sql.Conn
	tx      bun.Tx
	columns map[string][]column
}

// Backup lets do read one state of the database, while others use it. On SQLite what is written meanwhile stays in the write-ahead log.
// ErrNewer when the database has migrations that this program does not know.
func (db *DB) Backup(ctx context.Context, do func(*Snapshot) error) error {
	conn, err := db.read.Conn(ctx)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, db.dialect.snapshot())
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() // it only read
	s := &Snapshot{TakenAt: db.Now(), db: db, conn: conn.Conn, tx: tx, columns: map[string][]column{}}
	if err := s.begin(ctx); err != nil {
		return err
	}
	return do(s)
}

func (s *Snapshot) begin(ctx context.Context) error {
	if _, err := s.tx.ExecContext(ctx, s.db.dialect.steady()); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	var begun bool
	if err := s.tx.NewRaw(s.db.dialect.hasTable("schema_migrations")).Scan(ctx, &begun); err != nil || !begun {
		return errors.Join(err, errors.New("there is nothing to back up: the database has no schema"))
	}
	if err := s.tx.NewRaw("SELECT name FROM schema_migrations ORDER BY name").Scan(ctx, &s.Migrations); err != nil {
		return fmt.Errorf("read schema_migrations: %w", err)
	}
	if err := s.db.knows(s.Migrations); err != nil {
		return err
	}
	tables, err := s.db.makes("TABLE")
	if err != nil {
		return err
	}
	for _, name := range tables {
		columns, err := s.db.columns(ctx, s.tx, name)
		if err != nil {
			return err
		}
		if len(columns) > 0 {
			s.columns[name] = columns
			s.Tables = append(s.Tables, BackupTable{name, namesOf(columns)})
		}
	}
	return nil
}

// knows says whether this program has all of some migrations.
func (db *DB) knows(names []string) error {
	steps, err := db.pending()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(steps, func(m Migration) bool { return m.Name == name }) {
			return fmt.Errorf("%w (migration %s)", ErrNewer, name)
		}
	}
	return nil
}

// ReportFiles lists the files that reports lead to: their keys, sizes and hashes.
func (s *Snapshot) ReportFiles(ctx context.Context) (list []ReportFile, err error) {
	if s.columns["report_runs"] == nil {
		return nil, nil // of a time before reports
	}
	err = s.tx.NewRaw("SELECT storage_key AS key, size, sha256 FROM report_runs WHERE storage_key IS NOT NULL ORDER BY storage_key").Scan(ctx, &list)
	if err != nil {
		return nil, fmt.Errorf("list files of reports: %w", err)
	}
	return list, nil
}

// Rows writes the rows of a table, each as a line.
func (s *Snapshot) Rows(ctx context.Context, table string, w io.Writer) error {
	expressions, from := []string{}, table
	special := s.db.dialect.inCommitOrder(table)
	for _, c := range s.columns[table] {
		if e, ok := special.expressions[c.Name]; ok {
			expressions = append(expressions, e)
		} else {
			expressions = append(expressions, s.db.dialect.exported(special.alias+`"`+c.Name+`"`, c.Type))
		}
	}
	if special.from != "" {
		from = special.from
	}
	query := "SELECT " + strings.Join(expressions, ", ") + " FROM " + from
	var err error
	if s.db.Backend() == "postgres" {
		err = s.conn.Raw(func(driverConn any) error {
			_, err := driverConn.(*stdlib.Conn).Conn().PgConn().CopyTo(ctx, w, "COPY ("+query+") TO STDOUT")
			return err
		})
	} else {
		err = s.selectTo(ctx, query, w)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	return nil
}

// selectTo writes the rows of a query as COPY would.
func (s *Snapshot) selectTo(ctx context.Context, query string, w io.Writer) error {
	rows, err := s.tx.Tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	var line []byte
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		line = line[:0]
		for i, v := range values {
			if i > 0 {
				line = append(line, '\t')
			}
			if v.Valid {
				line = appendCopied(line, v.String)
			} else {
				line = append(line, `\N`...)
			}
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Restoring says what is to be restored.
type Restoring struct {
	TakenAt    time.Time
	Migrations []string
	Tables     []BackupTable
	Replace    bool // what the database holds is dropped
}

// Loader takes the rows of a backup.
type Loader struct {
	tx      *Tx
	conn    *sql.Conn
	columns map[string][]column // of the backup, by table
}

// Restore makes a database, which was opened Alone, what a backup says, and brings its schema up to date. Either all of it is done or nothing:
// load hands in the rows within the one transaction. ErrNotEmpty when there is an institution and it is not to be replaced, ErrInUse,
// and ErrNewer.
func (db *DB) Restore(ctx context.Context, r Restoring, load func(*Loader) error) error {
	if err := db.knows(r.Migrations); err != nil {
		return err
	}
	if err := db.tryRestore(ctx, r, load); err != nil {
		return err
	}
	if err := db.Upkeep(ctx); err != nil {
		return fmt.Errorf("all is restored, but: %w", err)
	}
	return nil
}

// tryRestore holds on to the connection of its transaction, which COPY needs.
func (db *DB) tryRestore(ctx context.Context, r Restoring, load func(*Loader) error) error {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer conn.Close()
	if err := db.alone(ctx, conn); err != nil {
		return err
	}
	inner, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer inner.Rollback() // after a commit this does nothing
	l := &Loader{tx: &Tx{Tx: inner, db: db}, conn: conn.Conn, columns: map[string][]column{}}
	if err := l.restore(ctx, r, load); err != nil {
		return err
	}
	_, err = l.tx.commit(ctx)
	return err
}

// leaveTaking is how long a busy server may take to notice that a client has gone.
const leaveTaking = 5 * time.Second

// alone waits until nobody else uses the database, for a few seconds: the server may still be taking leave of those that have just ended.
func (db *DB) alone(ctx context.Context, conn bun.Conn) error {
	for deadline := time.Now().Add(leaveTaking); ; {
		var others int
		if err := conn.NewRaw(db.dialect.others()).Scan(ctx, &others); err != nil {
			return fmt.Errorf("look for other processes: %w", err)
		}
		if others == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return ErrInUse
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (l *Loader) restore(ctx context.Context, r Restoring, load func(*Loader) error) error {
	if err := l.clear(ctx, r.Replace); err != nil {
		return err
	}
	if err := l.prepare(ctx, r); err != nil {
		return err
	}
	back, err := l.setAside(ctx)
	if err != nil {
		return err
	}
	if err := load(l); err != nil {
		return err
	}
	for _, statement := range slices.Backward(back) {
		if err := l.execute(ctx, statement); err != nil {
			return err
		}
	}
	if err := l.check(ctx); err != nil {
		return err
	}
	return l.finish(ctx, r)
}

// clear makes sure that nothing is in the database.
func (l *Loader) clear(ctx context.Context, replace bool) error {
	db := l.tx.db
	if err := l.execute(ctx, db.dialect.steady()); err != nil {
		return err
	}
	if err := db.dialect.lockMigrations(ctx, l.tx); err != nil {
		return err
	}
	if !replace {
		if has, err := l.hasInstitution(ctx); err != nil || has {
			return errors.Join(err, ErrNotEmpty)
		}
	}
	for _, kind := range []string{"VIEW", "VIRTUAL TABLE", "TABLE", "FUNCTION"} {
		names, err := db.makes(kind)
		if err != nil {
			return err
		}
		for _, name := range slices.Backward(names) {
			if err := l.execute(ctx, db.dialect.drop(strings.TrimPrefix(kind, "VIRTUAL "), name)); err != nil {
				return err
			}
		}
	}
	return l.execute(ctx, "DROP TABLE IF EXISTS schema_migrations")
}

func (l *Loader) hasInstitution(ctx context.Context) (yes bool, err error) {
	if err := l.tx.NewRaw(l.tx.db.dialect.hasTable("institutions")).Scan(ctx, &yes); err != nil || !yes {
		return false, err
	}
	err = l.tx.NewRaw("SELECT EXISTS (SELECT 1 FROM institutions)").Scan(ctx, &yes)
	return yes, err
}

// prepare makes the schema of the backup, with no rows at all.
func (l *Loader) prepare(ctx context.Context, r Restoring) error {
	db := l.tx.db
	if err := beginMigrations(ctx, l.tx); err != nil {
		return err
	}
	for _, name := range r.Migrations {
		if err := db.apply(ctx, l.tx, name); err != nil {
			return err
		}
	}
	ours, err := db.makes("TABLE")
	if err != nil {
		return err
	}
	for _, t := range r.Tables {
		if !slices.Contains(ours, t.Name) {
			return fmt.Errorf("the backup has %s, which is no table of mesa", t.Name)
		}
		there, err := db.columns(ctx, l.tx, t.Name)
		if err != nil {
			return err
		}
		for _, name := range t.Columns {
			i := slices.IndexFunc(there, func(c column) bool { return c.Name == name })
			if i < 0 {
				return fmt.Errorf("the backup has %s.%s, which its schema lacks", t.Name, name)
			}
			l.columns[t.Name] = append(l.columns[t.Name], there[i])
		}
		var has bool
		if err := l.tx.NewRaw("SELECT EXISTS (SELECT 1 FROM "+t.Name+")").Scan(ctx, &has); err != nil {
			return fmt.Errorf("look at %s: %w", t.Name, err)
		}
		if has { // by a migration
			if err := l.execute(ctx, "DELETE FROM "+t.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// setAside drops what makes loading slow, or depends on an order of the rows, and returns the statements that bring it back, the last one first.
func (l *Loader) setAside(ctx context.Context) (back []string, err error) {
	tables := make([]string, 0, len(l.columns))
	for name := range l.columns {
		tables = append(tables, name)
	}
	var list []struct{ Gone, Back string }
	if err := l.tx.NewRaw(l.tx.db.dialect.setAside(), bun.List(tables)).Scan(ctx, &list); err != nil {
		return nil, fmt.Errorf("list indexes: %w", err)
	}
	for _, s := range list {
		if err := l.execute(ctx, s.Gone); err != nil {
			return nil, err
		}
		back = append(back, s.Back)
	}
	return back, nil
}

// execute runs a statement past bun, which would read ? in it as a placeholder.
func (l *Loader) execute(ctx context.Context, statement string) error {
	if _, err := l.tx.Tx.Tx.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// Rows adds rows to a table of the backup, as Snapshot.Rows wrote them.
func (l *Loader) Rows(ctx context.Context, table string, r io.Reader) error {
	columns, ok := l.columns[table]
	if !ok {
		return fmt.Errorf("the backup has rows of %s without saying what they are", table)
	}
	var err error
	if l.tx.db.Backend() == "postgres" {
		statement := "COPY " + table + " (" + quoted(namesOf(columns)) + ") FROM STDIN"
		err = l.conn.Raw(func(driverConn any) error {
			_, err := driverConn.(*stdlib.Conn).Conn().PgConn().CopyFrom(ctx, r, statement)
			return err
		})
	} else {
		err = l.insert(ctx, table, columns, r)
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", table, err)
	}
	return nil
}

// insert adds rows one by one.
func (l *Loader) insert(ctx context.Context, table string, columns []column, r io.Reader) error {
	names := namesOf(columns)
	insert, err := l.tx.Tx.PrepareContext(ctx, "INSERT INTO "+table+" ("+quoted(names)+") VALUES (?"+strings.Repeat(", ?", len(names)-1)+")")
	if err != nil {
		return err
	}
	defer insert.Close()
	values := make([]any, len(columns))
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		fields := bytes.Split(line[:len(line)-1], []byte{'\t'})
		if len(fields) != len(columns) {
			return fmt.Errorf("a row has %d values for %d columns", len(fields), len(columns))
		}
		for i, f := range fields {
			if values[i], err = copied(f, columns[i].Type); err != nil {
				return fmt.Errorf("column %s: %w", names[i], err)
			}
		}
		if _, err := insert.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
}

// copied reads a field of COPY, as SQLite keeps it.
func copied(field []byte, typ string) (any, error) {
	if string(field) == `\N` {
		return nil, nil
	}
	text := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == '\\' && i+1 < len(field) {
			i++
			if c = field[i]; unescaped[c] != 0 {
				c = unescaped[c]
			}
		}
		text = append(text, c)
	}
	if typ == "BLOB" {
		return hex.DecodeString(strings.TrimPrefix(string(text), `\x`))
	}
	return string(text), nil
}

// unescaped says what a letter behind a backslash stands for.
var unescaped = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// check looks for rows that refer to what is not there, where bringing back the constraints has not.
func (l *Loader) check(ctx context.Context) error {
	var broken int
	if err := l.tx.NewRaw(l.tx.db.dialect.brokenReferences()).Scan(ctx, &broken); err != nil {
		return fmt.Errorf("check references: %w", err)
	}
	if broken > 0 {
		return fmt.Errorf("%d rows of the backup refer to what is not in it", broken)
	}
	return nil
}

// finish lets the work go on from here: numbers are given out after those that are taken, jobs are nobody's, and whoever kept answers
// forgets them.
func (l *Loader) finish(ctx context.Context, r Restoring) error {
	db := l.tx.db
	var statements []string
	if err := l.tx.NewRaw(db.dialect.afterLoading()).Scan(ctx, &statements); err != nil {
		return fmt.Errorf("list sequences: %w", err)
	}
	steps, err := db.migrations(ctx, l.tx)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if err := l.execute(ctx, statement); err != nil {
			return err
		}
	}
	for _, m := range steps {
		if m.AppliedAt.IsZero() {
			if err := db.apply(ctx, l.tx, m.Name); err != nil {
				return err
			}
		}
	}
	for _, statement := range []string{
		"UPDATE jobs SET lease_until = created_at WHERE state = 'RUNNING'", // whoever looks for lost jobs takes them
		"UPDATE jobs SET announced_at = NULL WHERE state = 'QUEUED'",
		"DELETE FROM workers",
	} {
		if err := l.execute(ctx, statement); err != nil {
			return err
		}
	}
	if err := l.tx.TouchCatalogue(ctx); err != nil {
		return err
	}
	e := mesa.NewEvent(l.tx.IDs(), mesa.System(nil, "mesa"), l.tx.Now(), mesa.SystemRestored)
	e.Text = "Se restauró la copia de seguridad del " + r.TakenAt.Format(time.RFC3339) + "."
	return l.tx.AppendEvents(ctx, []*mesa.Event{e})
}
