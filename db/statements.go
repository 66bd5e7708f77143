package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
	bundialect "github.com/uptrace/bun/dialect"

	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// Counter counts statements, see CountStatements.
type Counter struct{ n atomic.Int64 }

// Statements is how many statements ran, transaction control left out.
func (c *Counter) Statements() int { return int(c.n.Load()) }

type counterKey struct{}

// CountStatements makes ctx count the statements run under it.
func CountStatements(ctx context.Context) (context.Context, *Counter) {
	c := &Counter{}
	return context.WithValue(ctx, counterKey{}, c), c
}

// maxShapes bounds how many kinds of statements are told apart; the one that was not seen for longest gives way.
const maxShapes = 500

// statements watches every statement: it counts for whoever asked, keeps figures of each kind of statement and logs the slow ones.
type statements struct {
	log    *slog.Logger
	slowAt time.Duration // 0: none is slow
	now    func() time.Time
	cause  func(ctx context.Context) (operation, field string) // nil when nobody knows

	mu     sync.Mutex
	shapes map[uint64]*mesa.StatementStats
}

func newStatements(opts Options) *statements {
	return &statements{log: opts.Log, slowAt: opts.SlowAt, now: opts.Now, cause: opts.Cause, shapes: map[uint64]*mesa.StatementStats{}}
}

// BeforeQuery does nothing; AfterQuery has the time of the start.
func (s *statements) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context { return ctx }

// AfterQuery counts a statement.
func (s *statements) AfterQuery(ctx context.Context, e *bun.QueryEvent) {
	if errors.Is(e.Err, sql.ErrTxDone) {
		return // the deferred rollback of a transaction that was committed: nothing ran
	}
	took := time.Since(e.StartTime)
	op := e.Operation()
	isWork := op != "BEGIN" && op != "COMMIT" && op != "ROLLBACK"
	if c, ok := ctx.Value(counterKey{}).(*Counter); ok && isWork {
		c.n.Add(1)
	}
	buffer := shapes.Get().(*[]byte)
	defer shapes.Put(buffer)
	*buffer = shape((*buffer)[:0], e.Query)
	isSlow := s.slowAt > 0 && took >= s.slowAt
	operation, field := s.note(ctx, *buffer, e, took, isSlow)
	if r, ok := ctx.Value(recordingKey{}).(*Recording); ok && isWork {
		_, field := s.causeOf(ctx)
		r.add(e.Query, field, took, affected(e))
	}
	if span := trace.Past(ctx, "SQL", op, e.StartTime); span.IsOn() {
		tell(span, e, text(*buffer))
	}
	if isSlow {
		s.log.WarnContext(ctx, "slow statement", "took", took, "sql", text(*buffer), "operation", operation, "field", field)
	}
}

// systems are the databases as OpenTelemetry names them.
var systems = map[bundialect.Name]string{bundialect.PG: "postgresql", bundialect.SQLite: "sqlite"}

// tell notes what a span of a statement says of it, and ends it.
func tell(span trace.Span, e *bun.QueryEvent, shape string) {
	span.Text("db.system.name", systems[e.DB.Dialect().Name()])
	span.Text("db.operation.name", e.Operation())
	span.Text("db.query.text", shape)
	span.Int("db.response.returned_rows", int(affected(e)))
	if errors.Is(e.Err, sql.ErrNoRows) {
		span.End(nil)
		return
	}
	span.End(e.Err)
}

// note adds an execution to the figures of its kind. Whose it is is found out for the slowest only.
func (s *statements) note(ctx context.Context, sh []byte, e *bun.QueryEvent, took time.Duration, isSlow bool) (operation, field string) {
	h := fnv.New64a()
	_, _ = h.Write(sh)
	key, now := h.Sum64(), s.now().UTC().Truncate(time.Microsecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.shapes[key]
	if st == nil {
		s.makeRoom()
		st = &mesa.StatementStats{Fingerprint: fmt.Sprintf("%016x", key), SQL: text(sh), MaxUs: -1, Times: mesa.Histogram{}}
		s.shapes[key] = st
	}
	if isSlow || took.Microseconds() > st.MaxUs {
		operation, field = s.causeOf(ctx)
	}
	if took.Microseconds() > st.MaxUs {
		st.Operation, st.Field = mesa.Text(operation), mesa.Text(field)
	}
	st.Add(took, affected(e), now)
	if isSlow {
		st.Slow++
	}
	if e.Err != nil && !errors.Is(e.Err, sql.ErrNoRows) {
		st.Failed++
	}
	return operation, field
}

func (s *statements) causeOf(ctx context.Context) (operation, field string) {
	if s.cause == nil {
		return "", ""
	}
	return s.cause(ctx)
}

func (s *statements) makeRoom() {
	if len(s.shapes) < maxShapes {
		return
	}
	var oldest uint64
	for key, st := range s.shapes {
		if was, any := s.shapes[oldest]; !any || st.LastSeenAt.Before(was.LastSeenAt) {
			oldest = key
		}
	}
	delete(s.shapes, oldest)
}

// affected is how many rows a statement read or changed, 0 when that is not known.
func affected(e *bun.QueryEvent) int64 {
	if e.Result == nil || e.Err != nil {
		return 0
	}
	n, err := e.Result.RowsAffected()
	if err != nil {
		return 0
	}
	return n
}

// copies are the figures so far of the kinds of statements for which is says yes.
func (s *statements) copies(is func(*mesa.StatementStats) bool) (list []*mesa.StatementStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.shapes {
		if is(st) {
			list = append(list, clone(st))
		}
	}
	return list
}

// clear begins anew.
func (s *statements) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.shapes)
}

func clone(st *mesa.StatementStats) *mesa.StatementStats {
	other := *st
	other.Times = maps.Clone(st.Times)
	return &other
}
