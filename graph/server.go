package graph

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/graph/exec"
)

// Limits on what a stranger can send.
const (
	maxSocketMessage  = 1 << 16  // bytes
	parsedMemory      = 64 << 20 // bytes for parsed and validated documents
	parsedTimes       = 20       // what a parsed document takes against its text, about
	socketInitTimeout = 5 * time.Second
	pingEvery         = 20 * time.Second
)

// NewServer makes the GraphQL handler: POST, GET, SSE by Accept and WebSocket (graphql-transport-ws) on one path. introspection says
// whether strangers too may explore the schema; whoever is signed in always may. Pages of the origins (scheme://host) may open a
// WebSocket besides those of the server's own.
func NewServer(r *Resolver, introspection bool, origins []string) http.Handler {
	schema := exec.NewExecutableSchema(exec.Config{Resolvers: r})
	s := handler.New(schema)
	parsed := cache.NewBounded[*ast.QueryDocument](parsedMemory, parsedTimes)
	turns := newTurns()
	add := func(t graphql.Transport) { s.AddTransport(inTurns{t, r, turns}) }
	add(transport.Websocket{
		InitFunc: r.authenticateSocket, InitTimeout: socketInitTimeout, PingPongInterval: pingEvery, PayloadReadLimit: ptr(int64(maxSocketMessage)),
		Implementation: socketsFor(origins),
	})
	add(transport.Options{AllowedMethods: []string{http.MethodGet, http.MethodPost, http.MethodOptions}})
	add(transport.SSE{KeepAlivePingInterval: pingEvery})
	add(overHTTP{Resolver: r, schema: schema.Schema(), plans: newPlans()})
	s.SetQueryCache(parsed)
	presenter := r.present()
	if !introspection {
		s.SetDisableSuggestion(true)
		presenter = withoutSuggestions(presenter)
	}
	s.SetErrorPresenter(presenter)
	s.SetRecoverFunc(recovered(r.Log))
	s.Use(naming{r, parsed})
	s.Use(extension.Introspection{})
	s.Use(guard{resolver: r, schema: schema.Schema(), introspection: introspection, present: presenter})
	s.AroundOperations(r.boundSubscriptions)
	s.AroundOperations(r.boundOperations)
	s.AroundOperations(r.subscriberLoaders)
	s.AroundResponses(r.freshLoaders)
	s.AroundRootFields(r.freshRootLoaders)
	return s
}

func ptr[T any](v T) *T { return &v }

// authenticateSocket reads the token of a WebSocket from its connection_init payload, else from its request; guard asks for each
// operation who holds it by then.
func (r *Resolver) authenticateSocket(ctx context.Context, payload transport.InitPayload) (context.Context, *transport.InitPayload, error) {
	c := &caller{token: BearerToken(payload.Authorization()), isSocket: true}
	if c.token == "" {
		c.token = callerOf(ctx).token
	}
	return context.WithValue(ctx, callerKey{}, c), nil, nil
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

// freshLoaders gives each response its own loaders, so that each event of a subscription is read anew, with the rights that the
// subscriber has by then.
func (r *Resolver) freshLoaders(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	if !graphql.HasOperationContext(ctx) {
		return next(ctx) // the request could not even be read
	}
	c := callerOf(ctx)
	if op := graphql.GetOperationContext(ctx).Operation; op != nil && op.Operation == ast.Subscription && c.token != "" {
		ctx = r.reidentify(ctx)
		c = callerOf(ctx)
	}
	if actor, _ := c.actor(); actor != nil {
		ctx = r.withLoaders(ctx, r.DB.View(actor))
	}
	return next(ctx)
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
