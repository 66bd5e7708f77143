package db

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/mesapartes/mesa/migrations"
)

// served says why each index that the migrations make is there: the named queries that use it. db/plans_test.go asks these of large
// databases and looks at the plans. Those of UNIQUE indexes may be none: they are rules first. Primary keys and UNIQUE constraints belong to their tables.
var served = map[string][]string{
	"documents_listed":    {"documents", "documents, deep page", "documents, of an area user", "documents of an area", "rows of a report"},
	"documents_filed":     {"documents by filing date", "statistics: received", "statistics: by kind", "statistics: open now"},
	"documents_numbered":  {"documents by number"},
	"documents_due":       {"documents by due date"},
	"documents_due_desc":  {"documents by due date, latest first"},
	"documents_priority":  {"documents by priority"},
	"documents_state":     {"documents of a state"},
	"documents_type":      {"documents of a type"},
	"documents_holder":    {"tray TO_DERIVE", "tray TO_ARCHIVE", "tray OVERDUE", "tray DUE_SOON", "counts of the trays"},
	"documents_attended":  {"statistics: attended", "statistics: hours of attention"},
	"documents_open_due":  {"deadlines to tell of", "statistics: open now"},
	"documents_sender":    {"documents of a sender"},
	"documents_registrar": {"documents of a registrar"},
	"documents_related":   {"documents related to one"},
	"documents_external":  {"a document that was handed in"},
	"documents_search":    {"search"},
	"documents_tags":      {"documents with a tag"},

	"document_access_grantee": {"what somebody was given in person"},

	"derivations_document": {"derivations of documents", "derivations of documents, a page each"},
	"derivations_tray":     {"tray TO_RECEIVE", "tray IN_HAND", "tray COPIES", "tray ATTENDED", "counts of the trays"},
	"derivations_sent":     {"tray SENT", "counts of the trays"},
	"derivations_returned": {"tray RETURNED", "counts of the trays"},
	"derivations_beside":   {"tray OVERDUE", "tray DUE_SOON", "counts of the trays"},
	"derivations_handled":  {"statistics: areas"},
	"derivations_received": {"statistics: areas"},
	"derivations_sent_at":  {"statistics: areas"},
	"derivations_open":     {"statistics: areas"},
	"derivations_assigned": {"work assigned to somebody"},

	"archive_records_document": {"archive records of documents"},
	"archive_records_active":   nil,

	"events_tail":     {"events after a place", "end of the events", "journal after a place", "lag of the seals"},
	"events_document": {"timelines of documents", "audit trail of a document"},

	"memberships_area":         {"members of an area"},
	"memberships_primary":      nil,
	"registries_default":       nil,
	"parties_identity":         nil,
	"sessions_user":            {"end the sessions of an account"},
	"refresh_tokens_expiry":    {"forget refresh tokens"},
	"sign_in_failures_email":   {"failed sign-ins of an account"},
	"idempotency_keys_created": {"forget idempotency keys"},

	"jobs_ready":       {"look for jobs", "claim jobs", "standing of the queues"},
	"jobs_unannounced": {"announce jobs"},
	"jobs_running":     {"rescue jobs", "workers with jobs", "standing of the queues"},
	"jobs_expired":     {"forget jobs"},
	"jobs_failed":      {"standing of the queues"},
	"jobs_behind":      {"look for jobs", "claim jobs"},
	"jobs_unique_live": nil,
	"jobs_exclusive":   nil,

	"report_runs_job":   nil,
	"report_runs_own":   {"reports of somebody", "unfinished reports of somebody"},
	"report_runs_files": {"reports to let go of"},
	"report_runs_file":  {"files that reports lead to"},

	"exchange_messages_integration": {"messages of integrations"},
	"exchange_messages_document":    {"messages of a document"},
	"exchange_messages_followed":    {"messages to follow"},
	"exchange_messages_waiting":     {"messages that nobody will send"},
	"exchange_messages_live":        nil,
	"exchange_attempts_at":          {"forget calls to others"},
}

// IndexState says what is wrong with an index.
type IndexState string

// The states of an index.
const (
	IndexFine      IndexState = "fine"
	IndexMissing   IndexState = "missing"   // the program counts on it; its definition makes it again
	IndexInvalid   IndexState = "invalid"   // PostgreSQL did not finish making it: REINDEX INDEX
	IndexUnused    IndexState = "unused"    // its table has many rows, and no query has used it since PostgreSQL began to count
	IndexDuplicate IndexState = "duplicate" // another one begins with the same columns
	IndexUnknown   IndexState = "unknown"   // not of Mesa, or of other columns than Mesa's
)

// IsFault says that the database has to be repaired.
func (s IndexState) IsFault() bool { return s == IndexMissing || s == IndexInvalid }

// Index is an index of the database, or one that it should have.
type Index struct {
	Name, Table string
	Columns     string   // with their directions
	Where       string   // condition of the rows that are in it, "" for all
	Rule        string   // what it enforces: "primary key", "unique", or "" when it only serves queries
	Serves      []string // named queries
	Definition  string   // the statement that makes it, "" when its table does
	Scans       *int64   // since PostgreSQL began to count; nil where nobody counts
	State       IndexState
	Like        string // the index of which it is a duplicate
}

// Indexes compares the indexes of the database with those that the program counts on, by table and name.
func (db *DB) Indexes(ctx context.Context) ([]*Index, error) {
	var live []*liveIndex
	if err := db.read.NewRaw(db.dialect.indexes()).Scan(ctx, &live); err != nil {
		return nil, fmt.Errorf("read indexes: %w", err)
	}
	wanted, list := madeIndexes(db.Backend()), make([]*Index, 0, len(live))
	for _, l := range live {
		list = append(list, l.index(wanted[l.Name]))
	}
	markDuplicates(list)
	for _, i := range list {
		if w := wanted[i.Name]; w != nil {
			i.Where, i.Definition = w.Where, w.Definition // as we write them
			delete(wanted, i.Name)
		}
	}
	for _, missing := range wanted {
		missing.State = IndexMissing
		list = append(list, missing)
	}
	slices.SortFunc(list, func(a, b *Index) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(a.Name, b.Name))
	})
	return list, nil
}

// MissingIndexes are those that the program counts on and that no query can use, none when all is well; expected is how many there should be.
func (db *DB) MissingIndexes(ctx context.Context) (missing []*Index, expected int, err error) {
	list, err := db.Indexes(ctx)
	for _, i := range list {
		if i.State.IsFault() {
			missing = append(missing, i)
		}
	}
	return missing, len(madeIndexes(db.Backend())), err
}

// RepairIndexes makes the indexes that MissingIndexes lists, one after the other while others write, and returns the names of those that
// it made. An error may be that rows which came meanwhile are not unique. ErrNewer when a newer program has migrated the database: it may have
// replaced what this one misses.
func (db *DB) RepairIndexes(ctx context.Context) (made []string, err error) {
	newer, err := db.NewerMigrations(ctx)
	if err == nil && len(newer) > 0 {
		err = fmt.Errorf("the indexes of the database stay as they are: %w (migration %s)", ErrNewer, newer[0])
	}
	if err != nil {
		return nil, err
	}
	missing, _, err := db.MissingIndexes(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range missing {
		for _, statement := range db.dialect.remakeIndex(i) {
			if _, err := db.write.DB.ExecContext(ctx, statement); err != nil {
				return made, fmt.Errorf("make index %s: %w", i.Name, err)
			}
		}
		made = append(made, i.Name)
	}
	return made, nil
}

// IndexSizes is how many bytes each index takes. SQLite reads the whole file for it.
func (db *DB) IndexSizes(ctx context.Context) (map[string]int64, error) {
	var rows []struct {
		Name string
		Size int64
	}
	if err := db.read.NewRaw(db.dialect.indexSizes()).Scan(ctx, &rows); err != nil {
		return nil, fmt.Errorf("read sizes of indexes: %w", err)
	}
	sizes := make(map[string]int64, len(rows))
	for _, row := range rows {
		sizes[row.Name] = row.Size
	}
	return sizes, nil
}

// liveIndex is a row of a dialect's list of indexes.
type liveIndex struct {
	Name, Table string
	Definition  string // "" when its table makes it
	Columns     string // when its table makes it
	Rule        string
	IsInvalid   bool
	Rows        int64 // of the table, roughly; 0 when nobody knows
	Scans       *int64
}

func (l *liveIndex) index(wanted *Index) *Index {
	i := &Index{Name: l.Name, Table: l.Table, Columns: l.Columns, Rule: l.Rule, Serves: served[l.Name], Definition: l.Definition, Scans: l.Scans, State: IndexFine}
	if l.Definition != "" {
		i.Columns, i.Where = definedAs(l.Definition)
	}
	switch {
	case l.IsInvalid:
		i.State = IndexInvalid
	case l.Definition != "" && (wanted == nil || wanted.Columns != i.Columns):
		i.State = IndexUnknown
	case l.Rule == "" && l.Scans != nil && *l.Scans == 0 && l.Rows >= muchRead:
		i.State = IndexUnused
	}
	return i
}

var (
	changesIndex = regexp.MustCompile(`(?m)^(?:CREATE( UNIQUE)? INDEX (\w+) ON (\w+)[^;]*|DROP INDEX (\w+));`)
	cast         = regexp.MustCompile(`\((\d+)\)::\w+|::\w+|\bDATE `)
)

// madeIndexes are the indexes that the migrations make on a database, by name.
func madeIndexes(backend string) map[string]*Index {
	files, _ := fs.Glob(migrations.Files, backend+"/*.sql")
	made := map[string]*Index{}
	for _, file := range files { // in the order of their numbers
		text, _ := migrations.Files.ReadFile(file) // embedded
		for _, m := range changesIndex.FindAllStringSubmatch(string(text), -1) {
			statement, unique, name, table, dropped := m[0], m[1], m[2], m[3], m[4]
			if dropped != "" {
				delete(made, dropped)
				continue
			}
			i := &Index{Name: name, Table: table, Serves: served[name], Definition: strings.TrimSuffix(statement, ";"), State: IndexFine}
			if unique != "" {
				i.Rule = "unique"
			}
			i.Columns, i.Where = definedAs(statement)
			made[name] = i
		}
	}
	return made
}

// definedAs cuts the columns and the condition out of a statement that makes an index. Both databases write them in their own way, but for casts.
func definedAs(statement string) (columns, where string) {
	_, rest, _ := strings.Cut(statement, "(")
	parts, end := []string{}, 0
	for depth, from := 0, 0; end < len(rest) && depth >= 0; end++ {
		switch c := rest[end]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == ')', c == ',' && depth == 0:
			parts = append(parts, plainColumn(rest[from:end]))
			from = end + 1
			if c == ')' {
				depth = -1
			}
		}
	}
	_, where, _ = strings.Cut(rest[end:], "WHERE ")
	return strings.Join(parts, ", "), strings.TrimSuffix(where, ";")
}

// plainColumn is a column or expression without casts and without the parentheses around an expression.
func plainColumn(text string) string {
	text = strings.TrimSpace(cast.ReplaceAllString(text, "$1"))
	expression, direction := strings.TrimSuffix(text, " DESC"), ""
	if expression != text {
		direction = " DESC"
	}
	if inner, ok := strings.CutPrefix(expression, "("); ok {
		expression = strings.TrimSuffix(inner, ")")
	}
	return expression + direction
}

// markDuplicates marks those that enforce nothing and of which another index of the same rows begins with all columns.
func markDuplicates(list []*Index) {
	for _, i := range list {
		for _, other := range list {
			alike := i.Columns == other.Columns && (other.Rule != "" || i.Name > other.Name) // of two alike one may go
			if i.Rule == "" && !i.State.IsFault() && !other.State.IsFault() && i != other && i.Table == other.Table && i.Where == other.Where &&
				(alike || strings.HasPrefix(other.Columns, i.Columns+", ")) {
				i.State, i.Like = IndexDuplicate, other.Name
			}
		}
	}
}
