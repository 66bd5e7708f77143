package db

import (
	"context"
	"log/slog"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
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

// statements watches every statement: it counts for whoever asked and logs the slow ones.
type statements struct {
	log    *slog.Logger
	slowAt time.Duration
}

func (s statements) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context { return ctx }

func (s statements) AfterQuery(ctx context.Context, e *bun.QueryEvent) {
	if op := e.Operation(); op != "BEGIN" && op != "COMMIT" && op != "ROLLBACK" {
		if c, ok := ctx.Value(counterKey{}).(*Counter); ok {
			c.n.Add(1)
		}
	}
	took := time.Since(e.StartTime)
	if s.slowAt > 0 && took >= s.slowAt {
		s.log.WarnContext(ctx, "slow statement", "took", took, "sql", withoutLiterals(e.Query))
	}
}

var literal = regexp.MustCompile(`'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b`)

// withoutLiterals takes names and numbers out of a statement: bun writes arguments into the text, and logs must not hold them.
func withoutLiterals(query string) string {
	if len(query) > 4000 {
		query = query[:4000]
	}
	return literal.ReplaceAllString(query, "?")
}
