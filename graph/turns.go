package graph

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// turns bound how many texts are parsed and validated at the same time: validation takes quadratic time, knows no context, and would
// keep the processors from those whose texts are known.
type turns chan struct{}

func newTurns() turns { return make(turns, runtime.GOMAXPROCS(0)) }

// turnWait is how long a text that is not known waits for its turn.
const turnWait = 2 * time.Second

// inTurns gives the operations of a transport their turns.
type inTurns struct {
	graphql.Transport
	*Resolver
	turns turns
}

// Do answers a request.
func (t inTurns) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	t.Transport.Do(w, r, turning{exec, t.Resolver, t.turns})
}

// turning is an executor whose turns end with the making of an operation, however that ends.
type turning struct {
	graphql.GraphExecutor
	resolver *Resolver
	turns    turns
}

// CreateOperationContext makes an operation. Texts that turn out to be wrong are on the account of the address they came from.
func (e turning) CreateOperationContext(ctx context.Context, params *graphql.RawParams) (*graphql.OperationContext, gqlerror.List) {
	t := &turn{of: e.turns, end: func() {}}
	defer t.give()
	op, errs := e.GraphExecutor.CreateOperationContext(context.WithValue(ctx, turnKey{}, t), params)
	if errs != nil && errcode.GetErrorKind(errs) == errcode.KindProtocol {
		e.resolver.oweForText(ctx)
	}
	return op, errs
}

// turn is the turn of one operation.
type turn struct {
	of  turns
	end func()
}

type turnKey struct{}

func turnOf(ctx context.Context) *turn {
	if t, ok := ctx.Value(turnKey{}).(*turn); ok {
		return t
	}
	return &turn{end: func() {}}
}

// take waits for the turn; false when it did not come.
func (t *turn) take(ctx context.Context) bool {
	if t.of == nil {
		return true
	}
	select {
	case t.of <- struct{}{}:
	default:
		ctx, cancel := context.WithTimeout(ctx, turnWait)
		defer cancel()
		select {
		case t.of <- struct{}{}:
		case <-ctx.Done():
			return false
		}
	}
	t.end = sync.OnceFunc(func() { <-t.of })
	return true
}

// give ends the turn, if it had begun. It can be called twice.
func (t *turn) give() { t.end() }
