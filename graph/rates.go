package graph

import (
	"context"
	"maps"
	"net/http"
	"strconv"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/internal/rate"
	"github.com/mesapartes/mesa/mesa"
)

// Classes of those whose operations are counted (internal/rate).
const (
	RateUser    = "user"    // people, by account
	RateKey     = "key"     // machines, by API key
	RateAddress = "address" // strangers, and what is wrong, by address
	RateSubmit  = "submit"  // documents that machines hand in, by API key
	RateSignIn  = "signIn"  // attempts to sign in, by address
)

// RateTable says what is counted and how much of it is allowed unless the operator says otherwise.
var RateTable = []struct{ Class, Default, Meaning string }{
	{RateUser, "100/m,1000/h", "operations of a person, weighted"},
	{RateKey, "500/m,5000/h", "operations of an API key, weighted"},
	{RateSubmit, "100/h", "documents that an API key hands in"},
	{RateSignIn, "5/m", "attempts to sign in from an address"},
	{RateAddress, "60/m,600/h", "operations of strangers from an address, weighted; texts and requests from there that are wrong, whoever sends them"},
}

// What an operation weighs, in thousandths: one, and one more for each thousand of its cost. What is answered from the cache costs next to
// nothing, and weighs so.
const (
	keptWeight    = rate.Unit / 10
	textWeight    = rate.Unit
	refusalWeight = rate.Unit / 10 // a request that is not well-formed, or a document that is not known
)

func weightOf(cost int) int64 { return rate.Unit + int64(cost)*rate.Unit/1000 }

// countedApart are root fields that have a class of their own besides, each time they are asked for.
var countedApart = map[string]string{"signIn": RateSignIn, "submitDocument": RateSubmit}

// peer is where a request comes from, and where it is told what is left.
type peer struct {
	address string
	header  http.Header // nil on a WebSocket
}

type peerKey struct{}

// WithPeer makes ctx carry the address that a request comes from, and the header of its answer, nil when that has begun.
func WithPeer(ctx context.Context, address string, header http.Header) context.Context {
	return context.WithValue(ctx, peerKey{}, peer{address, header})
}

func peerOf(ctx context.Context) peer {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p
}

// principal is who pays for an operation: an account, a key or an address.
func principal(ctx context.Context, actor *mesa.Actor) (class, who string) {
	switch {
	case actor == nil:
		return RateAddress, peerOf(ctx).address
	case actor.Key != nil:
		return RateKey, actor.ID()
	default:
		return RateUser, actor.ID()
	}
}

// pay counts an operation that is about to be executed, and what of it is counted apart; roots are its root fields.
func (r *Resolver) pay(ctx context.Context, actor *mesa.Actor, cost int, roots map[string]int) *gqlerror.Error {
	if r.Rates == nil || cache.IsRefresh(ctx) { // an answer that is made anew before it expires: nobody asked for that
		return nil
	}
	for field, class := range countedApart {
		if n := roots[field]; n > 0 {
			who := peerOf(ctx).address
			if class == RateSubmit && actor != nil {
				who = actor.ID()
			}
			if v := r.Rates.Spend(class, who, int64(n)*rate.Unit); v.Refused {
				return r.tooOften(ctx, class, v)
			}
		}
	}
	return r.spend(ctx, actor, weightOf(cost))
}

// spend counts what somebody does and tells them what is left.
func (r *Resolver) spend(ctx context.Context, actor *mesa.Actor, weight int64) *gqlerror.Error {
	if r.Rates == nil {
		return nil
	}
	class, who := principal(ctx, actor)
	v := r.Rates.Spend(class, who, weight)
	if v.Refused {
		return r.tooOften(ctx, class, v)
	}
	peerOf(ctx).tell(v)
	return nil
}

// checkTexts refuses a text that is not known from an address that has sent too many wrong ones. One that is run anew was valid before.
func (r *Resolver) checkTexts(ctx context.Context) *gqlerror.Error {
	if cache.IsRefresh(ctx) {
		return nil
	}
	if v := r.Rates.Check(RateAddress, peerOf(ctx).address, textWeight); v.Refused {
		return r.tooOften(ctx, RateAddress, v)
	}
	return nil
}

func (r *Resolver) oweForText(ctx context.Context) {
	r.Rates.Owe(RateAddress, peerOf(ctx).address, textWeight)
}

// payForRefusal counts, for its address, what is refused without being looked at any further.
func (r *Resolver) payForRefusal(ctx context.Context) *gqlerror.Error {
	if v := r.Rates.Spend(RateAddress, peerOf(ctx).address, refusalWeight); v.Refused {
		return r.tooOften(ctx, RateAddress, v)
	}
	return nil
}

func (r *Resolver) tooOften(ctx context.Context, class string, v rate.Verdict) *gqlerror.Error {
	p := peerOf(ctx)
	p.tell(v)
	return p.retryAfter(ctx, v.RetryAfter(), class)
}

// retryAfter is RATE_LIMITED, with the wait in seconds.
func (p peer) retryAfter(ctx context.Context, seconds int64, class string) *gqlerror.Error {
	if p.header != nil {
		p.header.Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	return refuse(ctx, mesa.Fail(mesa.RateLimited, "", "Demasiadas solicitudes: espere %d segundos.", seconds).With("retryAfter", seconds).With("rate", class))
}

// tell writes what is left.
func (p peer) tell(v rate.Verdict) {
	if p.header == nil || !v.IsLimited() {
		return
	}
	policy, left := v.Headers()
	p.header["Ratelimit-Policy"], p.header["Ratelimit"] = []string{policy}, []string{left}
}

// Refusals counts what was refused so far, by the name of the limit or the class of the rate.
func (r *Resolver) Refusals() map[string]int64 {
	all := r.Rates.Refused()
	maps.Copy(all, r.refused.all())
	return all
}
