package graph

import (
	"context"
	"net/http"
	"runtime"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// front is what the transports share: it makes an operation of what is asked.
type front struct {
	*Resolver
	schema *ast.Schema
	plans  plans
	turns  chan struct{} // one for each new text that is parsed and validated at a time
}

func newFront(r *Resolver, schema *ast.Schema) front {
	return front{Resolver: r, schema: schema, plans: newPlans(), turns: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// create parses, validates and guards what is asked. A text that has not proven valid waits for its turn: validation is quadratic in it and
// cannot be interrupted, so that without turns a few clients could take all processors.
func (f front) create(ctx context.Context, exec graphql.GraphExecutor, a *asked, document resolution, header http.Header) (*graphql.OperationContext, gqlerror.List) {
	if f.plans.find(document.Hash, a.OperationName) == nil {
		select {
		case f.turns <- struct{}{}:
			defer func() { <-f.turns }()
		case <-ctx.Done():
			return &graphql.OperationContext{}, canceled().Errors
		}
	}
	now := graphql.Now()
	return exec.CreateOperationContext(ctx, &graphql.RawParams{
		Query: document.Text, OperationName: a.OperationName, Variables: a.Variables, Extensions: a.Extensions,
		Headers: header, ReadTime: graphql.TraceTiming{Start: now, End: now},
	})
}
