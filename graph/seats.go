package graph

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/mesa"
)

// seatWait is how long an operation waits while its principal has as many as may run.
const seatWait = 2 * time.Second

// seats bound how many operations of one principal run at the same time.
type seats struct {
	mu    sync.Mutex
	taken map[string]*bench
}

// bench has the seats of one principal, while somebody sits or waits there.
type bench struct {
	seats chan struct{}
	users int
}

// take waits for one of most seats and gives what frees it; false when none became free in time.
func (s *seats) take(ctx context.Context, who string, most int) (free func(), ok bool) {
	s.mu.Lock()
	if s.taken == nil {
		s.taken = map[string]*bench{}
	}
	b := s.taken[who]
	if b == nil {
		b = &bench{seats: make(chan struct{}, most)}
		s.taken[who] = b
	}
	b.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if b.users--; b.users == 0 {
			delete(s.taken, who)
		}
	}
	if !b.sit(ctx) {
		leave()
		return nil, false
	}
	return sync.OnceFunc(func() { <-b.seats; leave() }), true
}

func (b *bench) sit(ctx context.Context) bool {
	select {
	case b.seats <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, seatWait)
	defer cancel()
	select {
	case b.seats <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// errTimeout is why an operation was ended.
var errTimeout = errors.New("the operation took too long")

// boundOperations gives each query and mutation a seat and its time.
func (r *Resolver) boundOperations(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx).Operation.Operation
	if operation == ast.Subscription {
		return next(ctx)
	}
	actor, _ := callerOf(ctx).actor()
	class, who := principal(ctx, actor)
	free, ok := r.seats.take(ctx, class+who, r.Limits.Of(LimitOperations))
	if !ok {
		r.refused.add(string(LimitOperations))
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{peerOf(ctx).retryAfter(ctx, 1, string(LimitOperations))}})
	}
	cancel := func() {}
	if r.Timeout > 0 {
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, errTimeout)
	}
	responses := next(ctx)
	return func(ctx context.Context) *graphql.Response {
		defer free()
		defer cancel()
		res := responses(ctx)
		if context.Cause(ctx) == errTimeout && (res == nil || len(res.Errors) > 0) {
			return r.tookTooLong(ctx, operation, res)
		}
		return res
	}
}

// tookTooLong is the answer of an operation that was ended. Of a mutation it says what was done before.
func (r *Resolver) tookTooLong(ctx context.Context, operation ast.Operation, res *graphql.Response) *graphql.Response {
	r.refused.add("timeout")
	if res != nil && operation == ast.Mutation {
		return res
	}
	return &graphql.Response{Errors: gqlerror.List{refuse(ctx, r.timedOut())}}
}

func (r *Resolver) timedOut() *mesa.Error {
	return mesa.Fail(mesa.Timeout, "", "La operación tardó más de %s y se detuvo: pida menos a la vez, o un reporte.", r.Timeout.String()).With("limit", r.Timeout.Seconds())
}
