package graph

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/internal/trace"
)

// front is what the transports share: it makes an operation of what is asked.
type front struct {
	*Resolver
	schema *ast.Schema
	plans  plans
	parsed cache.Bounded[*ast.QueryDocument] // texts that were valid
	turns  chan struct{}                     // one for each new text that is parsed and validated at a time
}

func newFront(r *Resolver, schema *ast.Schema, parsed cache.Bounded[*ast.QueryDocument]) front {
	return front{Resolver: r, schema: schema, plans: newPlans(), parsed: parsed, turns: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// turnWait is how long a text that is not known waits for its turn.
const turnWait = 2 * time.Second

// resolve finds the document that is meant. What this process does not know by its name is on the account of the address that it came from
// before the other processes are asked for it.
func (f front) resolve(ctx context.Context, a *asked) (resolution, *gqlerror.Error) {
	document, err := f.Documents.resolve(ctx, a.named(), f.Cache.NearText)
	if err == nil {
		return document, nil
	}
	if err := f.payForRefusal(ctx); err != nil {
		return resolution{}, err
	}
	return f.Documents.resolve(ctx, a.named(), f.Cache.Text)
}

// create parses, validates and guards what is asked, within the limits. Texts that turn out to be wrong are on the account of the address
// they came from.
func (f front) create(ctx context.Context, exec graphql.GraphExecutor, a *asked, document resolution, header http.Header) (*graphql.OperationContext, gqlerror.List) {
	if err := f.exceeded(ctx, f.Limits.checkVariables(a.Variables)); err != nil {
		return &graphql.OperationContext{}, gqlerror.List{err}
	}
	if _, known := f.parsed.Get(ctx, document.Text); !known {
		end, err := f.admit(ctx, document.Text)
		if err != nil {
			return &graphql.OperationContext{}, gqlerror.List{err}
		}
		defer end()
		ctx = context.WithValue(ctx, turnKey{}, end)
	}
	now := graphql.Now()
	op, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{
		Query: document.Text, OperationName: a.OperationName, Variables: a.Variables, Extensions: a.Extensions,
		Headers: header, ReadTime: graphql.TraceTiming{Start: now, End: now},
	})
	if op.Operation != nil {
		tellOperation(trace.Of(ctx), op.Operation.Operation, op.Operation.Name, document.Hash)
	}
	if errs != nil && errcode.GetErrorKind(errs) == errcode.KindProtocol {
		f.oweForText(ctx)
	}
	return op, errs
}

type turnKey struct{}

// endTurn ends the turn of the operation that is being made: its text is valid.
func endTurn(ctx context.Context) {
	if end, ok := ctx.Value(turnKey{}).(func()); ok {
		end()
	}
}

// admit lets a text that is not known be parsed and validated, when its turn comes: validation takes quadratic time and cannot be
// interrupted, so that without turns a few clients could take all processors. end may be called twice.
func (f front) admit(ctx context.Context, text string) (end func(), err *gqlerror.Error) {
	if err := f.checkTexts(ctx); err != nil {
		return nil, err
	}
	if err := f.Limits.checkText(text); err != nil {
		f.oweForText(ctx)
		return nil, f.exceeded(ctx, err)
	}
	wait := time.NewTimer(turnWait)
	defer wait.Stop()
	select {
	case f.turns <- struct{}{}:
		return sync.OnceFunc(func() { <-f.turns }), nil
	case <-ctx.Done():
		return nil, canceled().Errors[0]
	case <-wait.C:
		f.refused.add("turns")
		return nil, peerOf(ctx).retryAfter(ctx, 1, "turns")
	}
}
