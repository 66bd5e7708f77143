package graph

import (
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// tellErrors counts the errors that a client is told, and notes them on the span of the operation with the code of the first. It returns
// what they make of the operation.
func (r *Resolver) tellErrors(span trace.Span, errs gqlerror.List) metrics.Outcome {
	outcome := metrics.OK
	for i, e := range errs {
		name, _ := e.Extensions["code"].(string)
		code := mesa.Code(name)
		r.Metrics.Error(code)
		if i == 0 {
			span.Int("mesa.errors", len(errs))
			span.Fail(name)
		}
		switch {
		case code == mesa.Internal || code == mesa.Timeout:
			outcome = metrics.Failed
		case outcome == metrics.OK:
			outcome = metrics.Refused
		}
	}
	return outcome
}

// measured counts an operation that was answered, or a subscription that began. The name of an operation is the client's, and so counts only in
// a trusted document, which the operator chose; a plan that is not known (nil) has no name.
func (r *Resolver) measured(document resolution, p *plan, outcome metrics.Outcome, took time.Duration) {
	var o metrics.Operation
	switch {
	case p == nil:
	case document.Trusted && p.name != "":
		o = metrics.Operation{Name: p.name, Type: string(p.operation)}
	default:
		o = metrics.Operation{Name: p.root, Type: string(p.operation)}
	}
	r.Metrics.Operation(o, outcome, took)
}

// Open counts the connections that stay open, and the subscriptions.
func (r *Resolver) Open() (connections, subscriptions int) {
	return r.connections.all(), r.subscribers.all()
}
