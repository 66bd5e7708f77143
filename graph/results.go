package graph

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/mesa"
)

// result is a whole answer without errors, as it is written.
type result struct {
	body []byte
	etag string // "" unless it is the same for everybody
}

var results = cache.Kind[*result]{
	Name: "result",
	Size: func(r *result) int { return len(r.body) },
	Encode: func(r *result) ([]byte, error) {
		return append([]byte{byte(len(r.etag))}, r.etag+string(r.body)...), nil
	},
	Decode: func(b []byte) (*result, error) {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return nil, errors.New("a result is cut short")
		}
		n := 1 + int(b[0])
		return &result{body: b[n:], etag: string(b[1:n])}, nil
	},
}

func newResult(body []byte, reach mesa.Reach) *result {
	r := &result{body: body}
	if reach == mesa.ForAll {
		sum := sha256.Sum256(body)
		r.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	}
	return r
}

// identified is who holds a token, as it is kept between requests.
type identified struct {
	actor    *mesa.Actor
	rights   string // the same for all who see the same
	seesMore bool   // than others with the same rights; nobody has the same rights then
}

// identities stay in the memory of each process. They are made from the account, its session, its rights and what was given to it in
// person, so that a change of any of these bites on the next request.
var identities = cache.Kind[*identified]{Name: "identity", Aside: true, Reach: mesa.ForOneself}

// identifyAt is who holds a token, which has a name in the cache, at a moment of it. Nil when nobody does, when they have to change their password first, or when that has to be asked of the database.
func (r *Resolver) identifyAt(ctx context.Context, at cache.Moment, token, name string) *identified {
	if token == "" {
		return nil
	}
	found, err := identities.Get(ctx, r.Cache, at, cache.Key{Name: name, Tier: cache.Warm, Reach: mesa.ForOneself}, func(ctx context.Context) (*identified, error) {
		return r.identified(ctx, token)
	})
	if err != nil || found.Value.actor.MustChangePassword || !found.Value.actor.ExpiresAt.After(r.DB.Now()) {
		return nil
	}
	return found.Value
}

// identityName names what is kept of a token. Rights change with the local date, so it is asked anew at each full quarter of an hour:
// midnight is one of them everywhere.
func (r *Resolver) identityName(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16]) + strconv.FormatInt(r.DB.Now().Unix()/900, 10)
}

func (r *Resolver) identified(ctx context.Context, token string) (*identified, error) {
	actor, err := r.DB.Actor(ctx, token)
	if err != nil {
		return nil, err
	}
	mesa.SawOneself(ctx, mesa.TheCatalogue, mesa.AccountTag(actor.UserID), mesa.SessionTag(actor.SessionID))
	more, err := r.DB.SeesMore(ctx, actor)
	if err != nil {
		return nil, err
	}
	rights := actor.RightsKey()
	if more {
		rights += "|" + string(actor.UserID)
	}
	sum := sha256.Sum256([]byte(rights))
	return &identified{actor, hex.EncodeToString(sum[:16]), more}, nil
}

// resultKey names an answer: what is asked, in which words, of which catalogue, on which day, and for whom.
func resultKey(doc string, p *plan, who *identified, today mesa.Date, lang string, variables map[string]any) (string, error) {
	h := sha256.New()
	catalogue := who.actor.Catalogue
	part(h, doc, p.name, lang, strconv.FormatInt(catalogue.Version, 10), today.String())
	switch p.reach {
	case mesa.ForScope:
		part(h, who.rights)
	case mesa.ForOneself:
		part(h, who.rights, string(who.actor.UserID))
	}
	for _, name := range p.variables {
		value, given := variables[name]
		if !given {
			continue
		}
		text, err := json.Marshal(value) // keys of objects come sorted
		if err != nil {
			return "", err
		}
		part(h, name, string(text))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18]), nil
}

// part adds texts so that no two lists of texts give the same.
func part(h hash.Hash, texts ...string) {
	for _, t := range texts {
		_, _ = io.WriteString(h, strconv.Itoa(len(t))+":"+t)
	}
}

// language is the language of sentences in an answer.
func language(ctx context.Context) string {
	if strings.HasPrefix(locale(ctx), "en") {
		return "en"
	}
	return "es"
}

// millis writes a time for Server-Timing.
func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}
