package trace

import (
	"context"
	"log/slog"
)

// Logged makes a handler write the span that a record was written under.
func Logged(handler slog.Handler) slog.Handler { return logged{handler} }

type logged struct{ slog.Handler }

// Handle writes a record.
func (l logged) Handle(ctx context.Context, record slog.Record) error {
	if span := Of(ctx).context(); span.IsSampled() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return l.Handler.Handle(ctx, record)
}

// WithAttrs adds to each record.
func (l logged) WithAttrs(attrs []slog.Attr) slog.Handler { return logged{l.Handler.WithAttrs(attrs)} }

// WithGroup names what follows.
func (l logged) WithGroup(name string) slog.Handler { return logged{l.Handler.WithGroup(name)} }
