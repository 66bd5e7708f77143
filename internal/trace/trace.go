// Package trace tells a collector, by OpenTelemetry's protocol, what was done for an operation and how long each part of it took.
//
// Traces begin where work comes in: at a Tracer. Everything below is hung on the context, so that where nothing is traced a span costs one
// look into the context and no memory. A span says what kind of thing was done, never with which values: names are those of the program
// and of operations, and an error is its code.
package trace

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/mesapartes/mesa/mesa"
)

// Tracer begins traces; nil begins none.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	abort    context.CancelFunc // ends what is being sent

	stopWithin time.Duration
}

// Origin is how a trace begins. A root below another span is linked to it.
type Origin struct {
	Kind, Name string
	Served     bool   // somebody waits for it
	Parent     string // W3C traceparent of a caller who may decide that it is traced
	Link       string // W3C traceparent of what led to it
}

// Begin begins a trace, if the sampler wants it.
func (t *Tracer) Begin(ctx context.Context, o Origin) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	return with(ctx, t.begin(ctx, o))
}

// Later makes ctx carry a trace that begins with the first thing that is done below it, for work that waits for a cause. end ends it; when
// nothing was done it begins there, if something happened.
func (t *Tracer) Later(ctx context.Context, o Origin) (later context.Context, end func(happened bool)) {
	if t == nil {
		return ctx, func(bool) {}
	}
	var begun atomic.Bool
	once := sync.OnceValue(func() trace.Span {
		begun.Store(true)
		return t.begin(ctx, o)
	})
	return context.WithValue(ctx, key{}, once), func(happened bool) {
		if happened || begun.Load() {
			once().End()
		}
	}
}

func (t *Tracer) begin(ctx context.Context, o Origin) trace.Span {
	kind := trace.SpanKindConsumer
	if o.Served {
		kind = trace.SpanKindServer
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(kind)}
	for _, led := range []trace.SpanContext{Of(ctx).context(), parse(o.Link)} {
		if led.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: led}))
		}
	}
	parent := context.Background()
	if remote := parse(o.Parent); remote.IsValid() {
		parent = trace.ContextWithRemoteSpanContext(parent, remote)
	}
	_, span := t.tracer.Start(parent, join(o.Kind, o.Name), options...)
	return span
}

// Span is a part of a trace; the zero value is none, of which nothing is kept.
type Span struct{ span trace.Span }

// key is for the span that a context is under: a function, since it may begin only when something is done below it.
type key struct{}

func with(ctx context.Context, span trace.Span) (context.Context, Span) {
	return context.WithValue(ctx, key{}, func() trace.Span { return span }), Span{span}
}

// Of is the span that ctx is under.
func Of(ctx context.Context) Span {
	if span, ok := ctx.Value(key{}).(func() trace.Span); ok {
		return Span{span()}
	}
	return Span{}
}

// Begin begins a span below that of ctx. Below none, one that is not sampled, or one that has ended, it does nothing.
func Begin(ctx context.Context, kind, name string) (context.Context, Span) {
	above := Of(ctx)
	if !above.IsOn() {
		return ctx, Span{}
	}
	return with(ctx, above.child(kind, name))
}

// Past is a span, below that of ctx, of something that began a while ago and is over: End ends it.
func Past(ctx context.Context, kind, name string, began time.Time) Span {
	above := Of(ctx)
	if !above.IsOn() {
		return Span{}
	}
	return Span{above.child(kind, name, trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindClient))}
}

func (s Span) child(kind, name string, options ...trace.SpanStartOption) trace.Span {
	_, span := s.span.TracerProvider().Tracer(scope).Start(trace.ContextWithSpan(context.Background(), s.span), join(kind, name), options...)
	return span
}

// Under makes ctx carry the span of another context.
func Under(ctx, other context.Context) context.Context {
	if span := other.Value(key{}); span != nil {
		return context.WithValue(ctx, key{}, span)
	}
	return ctx
}

// IsOn says whether something is kept of the span: it is sampled and has not ended.
func (s Span) IsOn() bool { return s.span != nil && s.span.IsRecording() }

// Rename gives the span the name that is known by now.
func (s Span) Rename(kind, name string) {
	if s.IsOn() {
		s.span.SetName(join(kind, name))
	}
}

// Text notes something that is one of a few, or an id; nothing that anybody typed.
func (s Span) Text(name, value string) {
	if s.IsOn() && value != "" {
		s.span.SetAttributes(attribute.String(name, value))
	}
}

// Int notes a number.
func (s Span) Int(name string, value int) {
	if s.IsOn() {
		s.span.SetAttributes(attribute.Int(name, value))
	}
}

// Fail notes that it failed, and with which code.
func (s Span) Fail(code string) {
	if s.IsOn() {
		s.span.SetAttributes(attribute.String("error.type", code))
		s.span.SetStatus(codes.Error, code)
	}
}

// End ends the span; the first time counts. Of an error only the code is kept: its text may have values in it.
func (s Span) End(err error) {
	if !s.IsOn() {
		return
	}
	if err != nil {
		s.Fail(codeOf(err))
	}
	s.span.End()
}

func codeOf(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "CANCELED"
	case errors.Is(err, context.DeadlineExceeded):
		return string(mesa.Timeout)
	}
	return string(mesa.CodeOf(err))
}

// Parent is the span as a W3C traceparent, "" when it is none or not sampled.
func (s Span) Parent() string {
	if !s.context().IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpan(context.Background(), s.span), carrier)
	return carrier[Header]
}

// Header is the HTTP header with a traceparent.
const Header = "traceparent"

func (s Span) context() trace.SpanContext {
	if s.span == nil {
		return trace.SpanContext{}
	}
	return s.span.SpanContext()
}

func parse(parent string) trace.SpanContext {
	if parent == "" {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{Header: parent}))
}

func join(kind, name string) string {
	const most = 120 // bytes: clients name their operations
	if name == "" {
		return kind
	}
	return kind + " " + name[:min(len(name), most)]
}
