package graph

import (
	"context"
	"time"

	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph/model"
	"github.com/mesapartes/mesa/mesa"
)

// Cookies keep a session in the browser of a page, out of reach of its scripts.
type Cookies struct {
	Refresh string       // the refresh token that came with the request, "" when none did
	Keep    func(Tokens) // put the tokens of a session into the answer
	Forget  func()       // take them out of the browser
}

// Tokens are those of a session, and until when they hold.
type Tokens struct {
	Session, Refresh           string
	SessionUntil, RefreshUntil time.Time
}

type cookiesKey struct{}

// WithCookies makes ctx carry where a session can be kept. Without, a session cannot be kept in cookies.
func WithCookies(ctx context.Context, c *Cookies) context.Context {
	return context.WithValue(ctx, cookiesKey{}, c)
}

// cookiesOf is nil where none can be set.
func cookiesOf(ctx context.Context) *Cookies {
	c, _ := ctx.Value(cookiesKey{}).(*Cookies)
	return c
}

func (c *Cookies) forget() {
	if c != nil {
		c.Forget()
	}
}

// signedIn tells of a session and makes the rest of the root field see its account. In cookies its tokens are not told.
func (r *Resolver) signedIn(ctx context.Context, in *desk.SignedIn, cookie bool) *model.SignInPayload {
	signInAs(ctx, r.DB.View(in.Actor))
	payload := &model.SignInPayload{Token: in.Token, ExpiresAt: in.ExpiresAt, RefreshToken: in.RefreshToken, RefreshExpiresAt: in.RefreshExpiresAt, Viewer: in.Actor}
	if cookie {
		cookiesOf(ctx).Keep(Tokens{in.Token, in.RefreshToken, in.ExpiresAt, in.RefreshExpiresAt})
		payload.Token, payload.RefreshToken = "", ""
	}
	return payload
}

// refresh renews a session with the token given, or ("") with the one of the cookie, where the next one goes, too.
func (r *Resolver) refresh(ctx context.Context, token string) (*model.SignInPayload, error) {
	c, cookie := cookiesOf(ctx), token == ""
	if cookie {
		if c == nil || c.Refresh == "" {
			return nil, mesa.ErrUnauthenticated()
		}
		token = c.Refresh
	}
	in, err := r.Desk.Refresh(ctx, callerOf(ctx).from, token)
	if err != nil {
		if cookie && mesa.CodeOf(err) == mesa.Unauthenticated {
			c.forget()
		}
		return nil, err
	}
	return r.signedIn(ctx, in, cookie), nil
}
