package db

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/mesapartes/mesa/mesa"
)

// Setup is an institution with its organisation and catalogue, before its first document. Areas come after their parents.
type Setup struct {
	Institution *mesa.Institution
	Areas       []*mesa.Area
	Users       []*mesa.User
	Memberships []*mesa.Membership
	Roles       []*mesa.RoleAssignment
	Types       []*mesa.DocumentType
	Categories  []*mesa.Category
	Purposes    []*mesa.Purpose
	Registries  []*mesa.Registry
	Policies    []*mesa.RetentionPolicy
	Schedules   []*mesa.WorkSchedule
}

// Bulk is many documents with all that hangs on them, made by the rules of mesa but not numbered yet.
type Bulk struct {
	Setup       *Setup // stored first, nil when the institution is there already
	Parties     []*mesa.Party
	Documents   []*mesa.Document
	Derivations []*mesa.Derivation
	Records     []*mesa.ArchiveRecord
	Access      []Access
	Watches     []Watch
	Events      []*mesa.Event // in the order in which they shall be read
}

// Access lets an area or a user (their id) see a document.
type Access = documentAccess

// Watch says that a user follows a document.
type Watch struct {
	bun.BaseModel `bun:"table:watches"`

	UserID     mesa.UserID
	DocumentID mesa.DocumentID
}

// ErrInstitutionExists says that a Setup was not stored, nor anything with it.
var ErrInstitutionExists = errors.New("the database has an institution already")

// HasInstitution says whether a Setup was ever stored.
func (db *DB) HasInstitution(ctx context.Context) (yes bool, err error) {
	if err := db.read.NewRaw("SELECT EXISTS (SELECT 1 FROM institutions)").Scan(ctx, &yes); err != nil {
		return false, fmt.Errorf("look for the institution: %w", err)
	}
	return yes, nil
}

// NumbersGiven is how many numbers all series have given out: it tells one state of a database from an earlier one.
func (db *DB) NumbersGiven(ctx context.Context) (n int64, err error) {
	if err := db.read.NewRaw("SELECT CAST(coalesce(sum(last), 0) AS BIGINT) FROM counters").Scan(ctx, &n); err != nil {
		return 0, fmt.Errorf("read counters: %w", err)
	}
	return n, nil
}

// BulkInsert stores a bulk in one transaction, as SaveFile would have stored each of its documents. It gives the numbers: documents
// are sorted by registration, legs by sending, archive records by archiving, and each takes the next one of its series and local year.
// A party whose identity is known already is not stored again; documents then refer to the known one. Counters stay locked until the
// end, so on a database in use a bulk should be small.
func (db *DB) BulkInsert(ctx context.Context, cat *mesa.Catalogue, b Bulk) error {
	if err := db.retried(ctx, func() (Change, error) { return db.tryBulk(ctx, cat, b) }); err != nil {
		return err
	}
	if err := db.MergeTallies(ctx); err != nil { // figures are right without it, and whoever works in the background merges later
		db.log.WarnContext(ctx, "merge tallies after a bulk", "error", err)
	}
	return nil
}

// tryBulk holds on to the connection of its transaction, which COPY needs.
func (db *DB) tryBulk(ctx context.Context, cat *mesa.Catalogue, b Bulk) (Change, error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return Change{}, fmt.Errorf("bulk: %w", err)
	}
	defer conn.Close()
	inner, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return Change{}, fmt.Errorf("begin: %w", err)
	}
	defer inner.Rollback() // after a commit this does nothing
	w := &bulkWriter{Tx: &Tx{Tx: inner, db: db}, conn: conn.Conn}
	if err := w.store(ctx, cat, b); err != nil {
		return Change{}, err
	}
	w.touched.tag(mesa.Everything)
	return w.commit(ctx)
}

// bulkWriter is a transaction and the connection that it runs on.
type bulkWriter struct {
	*Tx
	conn *sql.Conn
	err  error // the first one; after it insertAll does nothing
}

func (w *bulkWriter) store(ctx context.Context, cat *mesa.Catalogue, b Bulk) error {
	if b.Setup != nil {
		if err := w.setUp(ctx, b.Setup); err != nil {
			return err
		}
	}
	parties, err := w.newParties(ctx, b.Parties, b.Documents)
	if err != nil {
		return err
	}
	slices.SortStableFunc(b.Documents, func(x, y *mesa.Document) int { return x.RegisteredAt.Compare(y.RegisteredAt) })
	slices.SortStableFunc(b.Derivations, func(x, y *mesa.Derivation) int { return x.SentAt.Compare(y.SentAt) })
	slices.SortStableFunc(b.Records, func(x, y *mesa.ArchiveRecord) int { return x.ArchivedAt.Compare(y.ArchivedAt) })
	if err := w.numberAll(ctx, cat, b); err != nil {
		return err
	}
	documents := make([]*documentRow, len(b.Documents))
	for i, d := range b.Documents {
		documents[i] = rowOf(d)
	}
	insertAll(ctx, w, parties)
	insertAll(ctx, w, documents)
	insertAll(ctx, w, b.Access)
	insertAll(ctx, w, b.Watches)
	insertAll(ctx, w, b.Derivations)
	insertAll(ctx, w, b.Records)
	insertAll(ctx, w, b.Events, "seq", "tx")
	return w.err
}

// setUp stores an institution unless there is one. Of two that try at once the second waits here for the first.
func (w *bulkWriter) setUp(ctx context.Context, s *Setup) error {
	result, err := w.NewInsert().Model(s.Institution).On("CONFLICT DO NOTHING").Returning("NULL").Exec(ctx)
	if err != nil {
		return fmt.Errorf("insert institution: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return cmp.Or(err, ErrInstitutionExists)
	}
	insertAll(ctx, w, s.Areas)
	insertAll(ctx, w, s.Users)
	insertAll(ctx, w, s.Memberships)
	insertAll(ctx, w, s.Roles)
	insertAll(ctx, w, s.Types)
	insertAll(ctx, w, s.Categories)
	insertAll(ctx, w, s.Purposes)
	insertAll(ctx, w, s.Registries)
	insertAll(ctx, w, s.Policies)
	insertAll(ctx, w, s.Schedules)
	if w.err != nil {
		return w.err
	}
	return w.TouchCatalogue(ctx)
}

// newParties leaves out the parties that are known and lets the documents refer to those instead.
func (w *bulkWriter) newParties(ctx context.Context, parties []*mesa.Party, documents []*mesa.Document) ([]*mesa.Party, error) {
	type identity struct {
		IDType   mesa.IDType
		IDNumber string
	}
	numbers := map[mesa.IDType][]string{}
	for _, p := range parties {
		if p.IDType != mesa.NoID {
			numbers[p.IDType] = append(numbers[p.IDType], p.IDNumber)
		}
	}
	known := map[identity]mesa.PartyID{}
	for _, idType := range mesa.IDTypes {
		for some := range slices.Chunk(numbers[idType], 1000) {
			var rows []struct {
				identity
				ID mesa.PartyID
			}
			err := w.NewRaw("SELECT id, id_type, id_number FROM parties WHERE id_type = ? AND id_number IN (?) AND id_type <> 'NONE'", idType, bun.List(some)).Scan(ctx, &rows)
			if err != nil {
				return nil, fmt.Errorf("find known parties: %w", err)
			}
			for _, row := range rows {
				known[row.identity] = row.ID
			}
		}
	}
	fresh, instead := make([]*mesa.Party, 0, len(parties)), map[mesa.PartyID]mesa.PartyID{}
	for _, p := range parties {
		key := identity{p.IDType, p.IDNumber}
		if id, ok := known[key]; ok && p.IDType != mesa.NoID {
			instead[p.ID] = id
			continue
		}
		known[key] = p.ID
		fresh = append(fresh, p)
	}
	for _, d := range documents {
		if id, ok := instead[d.SenderID]; ok {
			d.SenderID = id
		}
	}
	return fresh, nil
}

// series is the numbers of one year; year 0 stands for a series that never begins anew.
type series struct {
	name string
	year int
}

// numberAll gives every document, leg and archive record its number. Counters are taken in the order of their names, as by everybody.
func (w *bulkWriter) numberAll(ctx context.Context, cat *mesa.Catalogue, b Bulk) error {
	give := map[series][]func(seq int64){}
	yearOf := func(at time.Time) int { year, _, _ := cat.Today(at).YMD(); return year }
	for _, leg := range b.Derivations {
		year := yearOf(leg.SentAt)
		s := series{derivationSeries, year}
		give[s] = append(give[s], func(seq int64) { leg.Number = mesa.FormatNumber(derivationNumber, derivationSeries, year, seq, "") })
	}
	for _, r := range b.Records {
		code, year := mesa.ClassCode(r.Classification), yearOf(r.ArchivedAt)
		s := series{"EST-" + code, year}
		give[s] = append(give[s], func(seq int64) { r.LocationCode = mesa.FormatNumber(locationNumber, code, year, seq, "") })
	}
	for _, d := range b.Documents {
		if d.RegisteredAt.IsZero() {
			continue
		}
		registry, desk, year := cat.RegistryFor(d.DeskAreaID), cat.Area(d.DeskAreaID), yearOf(d.RegisteredAt)
		if registry == nil || desk == nil {
			return fmt.Errorf("no registry for desk %s and no default one", d.DeskAreaID)
		}
		s := series{"REG-" + string(registry.ID), year}
		if !registry.IsYearly {
			s.year = 0
		}
		give[s] = append(give[s], func(seq int64) {
			d.RegistryID, d.Year, d.Seq = registry.ID, year, seq
			d.FileNumber = mesa.Text(mesa.FormatNumber(registry.Pattern, registry.Code, year, seq, desk.Code))
		})
	}
	all := make([]series, 0, len(give))
	for s := range give {
		all = append(all, s)
	}
	slices.SortFunc(all, func(x, y series) int { return cmp.Or(strings.Compare(x.name, y.name), cmp.Compare(x.year, y.year)) })
	for _, s := range all {
		first, err := w.Allocate(ctx, s.name, s.year, len(give[s]))
		if err != nil {
			return err
		}
		for i, number := range give[s] {
			number(first + int64(i))
		}
	}
	return nil
}

// bulkRows is the rows of one table, read as bun would write them: its metadata says which columns there are and how a value looks in
// SQL, so that a bulk stores exactly what an ordinary insert stores.
type bulkRows struct {
	table  *schema.Table
	fields []*schema.Field
	gen    schema.QueryGen
	values reflect.Value // a slice of structs or of pointers to them
	next   int
}

// insertAll stores rows of one table, all columns except some.
func insertAll[T any](ctx context.Context, w *bulkWriter, rows []T, except ...string) {
	if len(rows) == 0 || w.err != nil {
		return
	}
	typ := reflect.TypeFor[T]()
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	r := &bulkRows{table: w.db.write.Table(typ), gen: w.db.write.QueryGen(), values: reflect.ValueOf(rows)}
	for _, f := range r.table.Fields {
		if !slices.Contains(except, f.Name) {
			r.fields = append(r.fields, f)
		}
	}
	var err error
	if w.db.Backend() == "postgres" {
		err = r.copyIn(ctx, w.conn)
	} else {
		err = r.insert(ctx, w.Tx.Tx.Tx)
	}
	if err != nil {
		w.err = fmt.Errorf("insert %d %s: %w", len(rows), r.table.Name, err)
	}
}

// row is the next row, false after the last.
func (r *bulkRows) row() (reflect.Value, bool) {
	if r.next == r.values.Len() {
		return reflect.Value{}, false
	}
	r.next++
	return reflect.Indirect(r.values.Index(r.next - 1)), true
}

func (r *bulkRows) columns() string {
	names := make([]string, len(r.fields))
	for i, f := range r.fields {
		names[i] = string(f.SQLName)
	}
	return strings.Join(names, ", ")
}

// insert writes statements of many rows each, past bun, whose hooks would keep their texts.
func (r *bulkRows) insert(ctx context.Context, tx *sql.Tx) error {
	head := "INSERT INTO " + string(r.table.SQLName) + " (" + r.columns() + ") VALUES "
	b := []byte(head)
	for row, ok := r.row(); ok; row, ok = r.row() {
		b = append(b, '(')
		for i, f := range r.fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = f.AppendValue(r.gen, b, row)
		}
		b = append(b, "),"...)
		if len(b) > statementBytes || r.next == r.values.Len() {
			if _, err := tx.ExecContext(ctx, string(b[:len(b)-1])); err != nil {
				return err
			}
			b = append(b[:0], head...)
		}
	}
	return nil
}

// statementBytes is the length from which on a statement takes no more rows: longer ones are no faster.
const statementBytes = 128 << 10

// copyIn streams the rows by COPY, which is several times as fast as inserts.
func (r *bulkRows) copyIn(ctx context.Context, conn *sql.Conn) error {
	statement := "COPY " + string(r.table.SQLName) + " (" + r.columns() + ") FROM STDIN"
	return conn.Raw(func(driverConn any) error {
		_, err := driverConn.(*stdlib.Conn).Conn().PgConn().CopyFrom(ctx, &copyReader{rows: r}, statement)
		return err
	})
}

// copyReader writes rows in COPY's text format as they are read.
type copyReader struct {
	rows    *bulkRows
	buf     bytes.Buffer
	literal []byte
}

// Read fills p with what comes next.
func (c *copyReader) Read(p []byte) (int, error) {
	for c.buf.Len() < len(p) {
		row, ok := c.rows.row()
		if !ok {
			break
		}
		for i, f := range c.rows.fields {
			if i > 0 {
				c.buf.WriteByte('\t')
			}
			c.literal = f.AppendValue(c.rows.gen, c.literal[:0], row)
			writeCopied(&c.buf, c.literal)
		}
		c.buf.WriteByte('\n')
	}
	if c.buf.Len() == 0 {
		return 0, io.EOF
	}
	return c.buf.Read(p)
}

// writeCopied turns an SQL literal into a field of COPY: NULL, a number or boolean as it is, or a text in quotes.
func writeCopied(to *bytes.Buffer, literal []byte) {
	if string(literal) == "NULL" {
		to.WriteString(`\N`)
		return
	}
	if len(literal) < 2 || literal[0] != '\'' {
		to.Write(literal)
		return
	}
	text := bytes.ReplaceAll(literal[1:len(literal)-1], []byte("''"), []byte("'"))
	to.Write(appendCopied(to.AvailableBuffer(), text))
}

// appendCopied adds a text to a line of COPY.
func appendCopied[T []byte | string](line []byte, text T) []byte {
	for i := range len(text) {
		switch c := text[i]; c {
		case '\\':
			line = append(line, `\\`...)
		case '\t':
			line = append(line, `\t`...)
		case '\n':
			line = append(line, `\n`...)
		case '\r':
			line = append(line, `\r`...)
		default:
			line = append(line, c)
		}
	}
	return line
}
