package graph

import (
	"context"
	"sync/atomic"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// caller is who sent a request, or who opened a socket.
type caller struct {
	token    string
	isSocket bool                     // asked anew for each operation: a socket outlives sign-outs and changes of rights
	known    atomic.Pointer[identity] // the latest answer
}

// identity is an actor, or why there is none.
type identity struct {
	actor *mesa.Actor
	err   error
}

// actor is who acts now, nil with the reason when there is nobody.
func (c *caller) actor() (*mesa.Actor, error) {
	if id := c.known.Load(); id != nil {
		return id.actor, id.err
	}
	return nil, mesa.ErrUnauthenticated()
}

type (
	callerKey  struct{}
	loadersKey struct{}
	localeKey  struct{}
)

// Authenticate finds out who holds the token and makes ctx carry them. A stranger or a bad token is not an error yet: only fields
// that need somebody say so, so that signing in works with an old token in the header.
func (r *Resolver) Authenticate(ctx context.Context, token, requestID string) context.Context {
	c := &caller{token: token}
	r.identify(ctx, c, requestID)
	return context.WithValue(ctx, callerKey{}, c)
}

// identify asks who holds the caller's token now.
func (r *Resolver) identify(ctx context.Context, c *caller, requestID string) {
	if c.token == "" {
		return
	}
	actor, err := r.DB.Actor(ctx, c.token)
	if actor != nil {
		actor.RequestID = requestID
	}
	c.known.Store(&identity{actor, err})
}

// WithLocale makes ctx carry the language for sentences: the value of Accept-Language.
func WithLocale(ctx context.Context, locale string) context.Context {
	return context.WithValue(ctx, localeKey{}, locale)
}

func locale(ctx context.Context) string {
	s, _ := ctx.Value(localeKey{}).(string)
	return s
}

func callerOf(ctx context.Context) *caller {
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		return c
	}
	return &caller{}
}

// signInAs makes the rest of the present root field see the account that has just signed in.
func signInAs(ctx context.Context, view *db.View) { loadersOf(ctx).view = view }

// actorOf is who acts. Root fields have made sure that there is somebody.
func actorOf(ctx context.Context) *mesa.Actor { return loadersOf(ctx).view.Actor() }

// viewOf is the database as the actor sees it.
func viewOf(ctx context.Context) *db.View { return loadersOf(ctx).view }

// catalogueOf is the snapshot of the catalogue that the request works with.
func catalogueOf(ctx context.Context) *mesa.Catalogue { return loadersOf(ctx).view.Catalogue() }
