package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/mesa"
)

// maxSubscriptions is how many subscriptions one account may have in a process.
const maxSubscriptions = 100

// subscribers counts the subscriptions of each account.
type subscribers struct {
	mu    sync.Mutex
	count map[string]int
}

// enter counts one more until ctx ends; false when there are too many.
func (s *subscribers) enter(ctx context.Context, account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[account] >= maxSubscriptions {
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
	if actor == nil || graphql.GetOperationContext(ctx).Operation.Operation != ast.Subscription || r.subscribers.enter(ctx, actor.ID()) {
		return next(ctx)
	}
	e := mesa.Fail(mesa.LimitExceeded, "", "Tiene %d suscripciones abiertas; cierre alguna.", maxSubscriptions).With("limit", maxSubscriptions)
	return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{refuse(ctx, e)}})
}
