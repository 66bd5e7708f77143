package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// tally counts what each account or address has open.
type tally struct {
	mu    sync.Mutex
	count map[string]int
}

// enter counts one more until ctx ends; false when there are most already.
func (t *tally) enter(ctx context.Context, who string, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count[who] >= most {
		return false
	}
	if t.count == nil {
		t.count = map[string]int{}
	}
	t.count[who]++
	context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.count[who]--; t.count[who] == 0 {
			delete(t.count, who)
		}
	})
	return true
}

// all is what is open of all of them.
func (t *tally) all() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, open := range t.count {
		n += open
	}
	return n
}

// boundSubscriptions refuses a subscription when its account has too many.
func (r *Resolver) boundSubscriptions(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	actor, _ := callerOf(ctx).actor()
	if actor == nil || graphql.GetOperationContext(ctx).Operation.Operation != ast.Subscription || r.subscribers.enter(ctx, actor.ID(), r.Limits.Of(LimitSubscriptions)) {
		return next(ctx)
	}
	return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{r.exceeded(ctx, r.Limits.exceeded(LimitSubscriptions, 0))}})
}

// connect counts a connection that stays open, until ctx ends; the error when there are too many from its address.
func (r *Resolver) connect(ctx context.Context) *gqlerror.Error {
	if r.connections.enter(ctx, peerOf(ctx).address, r.Limits.Of(LimitConnections)) {
		return nil
	}
	return r.exceeded(ctx, r.Limits.exceeded(LimitConnections, 0))
}
