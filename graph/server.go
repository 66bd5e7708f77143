package graph

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/graph/exec"
	"github.com/mesapartes/mesa/mesa"
)

// What is kept of texts.
const (
	parsedMemory = 64 << 20 // bytes for parsed and validated documents
	parsedTimes  = 20       // what a parsed document takes against its text, about
)

// pingEvery is how often a connection that stays open is written to.
const pingEvery = 20 * time.Second

// NewServer makes the GraphQL handler: POST, GET, SSE by Accept and WebSocket (graphql-transport-ws) on one path. introspection says
// whether strangers too may explore the schema; whoever is signed in always may. Pages of the origins (scheme://host) may open a
// WebSocket besides those of the server's own.
func NewServer(r *Resolver, introspection bool, origins []string) http.Handler {
	schema := exec.NewExecutableSchema(exec.Config{Resolvers: resolversOf(r)})
	s := handler.New(schema)
	parsed := cache.NewBounded[*ast.QueryDocument](parsedMemory, parsedTimes)
	front := newFront(r, schema.Schema(), parsed)
	s.AddTransport(overSocket{front, origins})
	s.AddTransport(overHTTP{front})
	s.SetQueryCache(parsed)
	s.SetValidationRulesFn(textRules)
	if !introspection {
		s.SetDisableSuggestion(true)
	}
	r.prepare(s, schema, introspection)
	return s
}

// pipeline is what executes operations: a server, or an executor alone.
type pipeline interface {
	SetErrorPresenter(f graphql.ErrorPresenterFunc)
	SetRecoverFunc(f graphql.RecoverFunc)
	Use(extension graphql.HandlerExtension)
	AroundOperations(f graphql.OperationMiddleware)
	AroundResponses(f graphql.ResponseMiddleware)
	AroundRootFields(f graphql.RootFieldMiddleware)
	AroundFields(f graphql.FieldMiddleware)
}

// prepare makes a pipeline execute operations with the limits, loaders and errors of this API.
func (r *Resolver) prepare(p pipeline, schema graphql.ExecutableSchema, introspection bool) {
	presenter := r.present()
	if !introspection {
		presenter = withoutSuggestions(presenter)
	}
	p.SetErrorPresenter(presenter)
	p.SetRecoverFunc(recovered(r.Log))
	p.Use(extension.Introspection{})
	p.Use(guard{resolver: r, schema: schema.Schema(), introspection: introspection, present: presenter})
	p.AroundOperations(r.boundSubscriptions)
	p.AroundOperations(r.boundOperations)
	p.AroundOperations(r.subscriberLoaders)
	p.AroundOperations(discloseWithin)
	p.AroundResponses(r.recordReads)
	p.AroundResponses(r.freshLoaders)
	p.AroundResponses(r.traceEvents) // within: the subscriber's rights are read before there is an event
	p.AroundRootFields(traceRootFields)
	p.AroundRootFields(r.freshRootLoaders)
	p.AroundFields(r.written(schema))
}

// authenticateSocket reads the token of a WebSocket from its connection_init payload, else from its request; the error says why nobody
// acts by it. Guard asks again for each operation.
func (r *Resolver) authenticateSocket(ctx context.Context, payload map[string]any) (context.Context, error) {
	before := callerOf(ctx)
	c := &caller{token: before.token, from: before.from, isSocket: true}
	for _, name := range []string{"Authorization", "authorization"} {
		if header, _ := payload[name].(string); BearerToken(header) != "" {
			c.token = BearerToken(header)
		}
	}
	ctx = context.WithValue(ctx, callerKey{}, c)
	if c.token == "" {
		return ctx, nil
	}
	r.identify(ctx, c)
	_, err := c.actor()
	return ctx, err
}

// BearerToken takes the token out of an Authorization header, "" when there is none.
func BearerToken(header string) string {
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// subscriberLoaders gives a subscription loaders for the time before its first event: to find out whether it may begin.
func (r *Resolver) subscriberLoaders(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	if actor, _ := callerOf(ctx).actor(); actor != nil && graphql.GetOperationContext(ctx).Operation.Operation == ast.Subscription {
		ctx = r.withLoaders(ctx, r.DB.View(actor))
	}
	return next(ctx)
}

// freshLoaders gives each response its own loaders.
func (r *Resolver) freshLoaders(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	if !graphql.HasOperationContext(ctx) {
		return next(ctx) // the request could not even be read
	}
	c := callerOf(ctx)
	actor, _ := c.actor()
	op := graphql.GetOperationContext(ctx)
	switch {
	case actor == nil:
	case op.Operation != nil && op.Operation.Operation == ast.Subscription:
		ctx = r.withLoadersThen(ctx, c.token, actor)
	default:
		ctx = r.withLoaders(ctx, r.view(op, actor))
	}
	return next(ctx)
}

// withLoadersThen makes ctx carry loaders that are made when the first field asks for them: a subscription waits under ctx for what
// happens, and tells of it with the rights that the subscriber has by then, and as of that day.
func (r *Resolver) withLoadersThen(ctx context.Context, token string, before *mesa.Actor) context.Context {
	return context.WithValue(ctx, loadersKey{}, sync.OnceValue(func() *loaders {
		actor, err := r.DB.Actor(ctx, token)
		if err != nil {
			actor = &mesa.Actor{Catalogue: before.Catalogue} // may nothing: the subscription is about to end
		}
		actor.Origin = before.Origin
		return r.loaders(ctx, r.DB.View(actor))
	}))
}

// freshRootLoaders gives each root field of a mutation its own loaders, so that it reads what the one before wrote.
func (r *Resolver) freshRootLoaders(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	actor, _ := callerOf(ctx).actor()
	switch {
	case actor == nil: // guard has let only public fields through: nothing to load until somebody signs in
		ctx = context.WithValue(ctx, loadersKey{}, &loaders{})
	case graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation:
		ctx = r.withLoaders(ctx, r.DB.View(actor))
	}
	return next(ctx)
}
