package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// subscribers counts the subscriptions of each account.
type subscribers struct {
	mu    sync.Mutex
	count map[string]int
}

// enter counts one more until ctx ends; false when there are most already.
func (s *subscribers) enter(ctx context.Context, account string, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[account] >= most {
		return false
	}
	if s.count == nil {
		s.count = map[string]int{}
	}
	s.count[account]++
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.count[account]--; s.count[account] == 0 {
			delete(s.count, account)
		}
	})
	return true
}

// boundSubscriptions refuses a subscription when its account has too many.
func (r *Resolver) boundSubscriptions(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	actor, _ := callerOf(ctx).actor()
	if actor == nil || graphql.GetOperationContext(ctx).Operation.Operation != ast.Subscription || r.subscribers.enter(ctx, actor.ID(), r.Limits.Of(LimitSubscriptions)) {
		return next(ctx)
	}
	return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{r.exceeded(ctx, r.Limits.exceeded(LimitSubscriptions, 0))}})
}
