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
	from     mesa.Origin
	isSocket bool                     // asked anew for each operation: a socket outlives sign-outs and changes of rights
	known    atomic.Pointer[identity] // the latest answer, nil until somebody asked
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

// WithCaller makes ctx carry the token of a request. Who holds it is asked when it matters; a stranger or a bad token is not an error
// yet: only fields that need somebody say so, so that signing in works with an old token in the header.
func WithCaller(ctx context.Context, token string, from mesa.Origin) context.Context {
	return context.WithValue(ctx, callerKey{}, &caller{token: token, from: from})
}

// identify asks who holds the caller's token now.
func (r *Resolver) identify(ctx context.Context, c *caller) {
	if c.token == "" {
		return
	}
	actor, err := r.DB.Actor(ctx, c.token)
	if actor != nil {
		actor.Origin = c.from
	}
	c.known.Store(&identity{actor, err})
}

// actAs makes ctx carry a caller of whom it is known who they are. What is made for others, too, is made without what was given to the
// caller in person: should that have become something just now, the others must not see it.
func actAs(ctx context.Context, actor *mesa.Actor, forOthersToo bool) context.Context {
	before := callerOf(ctx)
	own := *actor
	own.Origin, own.Impersonal = before.from, forOthersToo
	c := &caller{token: before.token, from: before.from}
	c.known.Store(&identity{actor: &own})
	return context.WithValue(ctx, callerKey{}, c)
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

// actorOf is who acts. Root fields have made sure that there is somebody. What is made from it is for nobody else.
func actorOf(ctx context.Context) *mesa.Actor {
	mesa.SawOneself(ctx)
	return loadersOf(ctx).view.Actor()
}

// require is Forbidden, and the attempt recorded, unless the actor holds a permission in the whole institution.
func (r *Resolver) require(ctx context.Context, p mesa.Permission) error {
	err := viewOf(ctx).Actor().RequireEverywhere(p)
	if err == nil {
		return nil
	}
	return r.Desk.Deny(ctx, actorOf(ctx), err)
}

// viewOf is the database as the actor sees it.
func viewOf(ctx context.Context) *db.View { return loadersOf(ctx).view }

// catalogueOf is the snapshot of the catalogue that the request works with.
func catalogueOf(ctx context.Context) *mesa.Catalogue { return loadersOf(ctx).view.Catalogue() }
