package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/internal/trace"
)

// tellOperation notes on the span of an operation which one it is. Names come from clients; what they fill in stays out.
func tellOperation(span trace.Span, operation ast.Operation, name, hash string) {
	span.Rename(string(operation), name)
	span.Text("graphql.operation.type", string(operation))
	span.Text("graphql.operation.name", name)
	span.Text("graphql.document.hash", hash)
}

// traceRootFields makes a span of each root field of a query or mutation; others would cost more than most fields do.
func traceRootFields(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	ctx, span := trace.Begin(ctx, "field", graphql.GetRootFieldContext(ctx).Field.Name)
	defer span.End(nil)
	return next(ctx)
}

// traceEvents makes a trace of each message of a subscription, linked to that of its start. It begins when something is done for the
// message: until then the subscriber waits.
func (r *Resolver) traceEvents(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	if r.Tracer == nil || !graphql.HasOperationContext(ctx) {
		return next(ctx)
	}
	op := graphql.GetOperationContext(ctx).Operation
	if op == nil || op.Operation != ast.Subscription {
		return next(ctx)
	}
	ctx, end := r.Tracer.Later(ctx, trace.Origin{Kind: "next", Name: op.Name})
	res := next(ctx)
	end(res != nil)
	return res
}
