package graph

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// overHTTP answers GET and POST by the draft of GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/), with one JSON answer
// or, for who prefers it, with server-sent events. A query whose answer is kept is neither parsed nor validated nor executed.
type overHTTP struct{ front }

var _ graphql.Transport = overHTTP{}

// methods are what a request can be sent by; OPTIONS tells them.
const methods = "GET, POST, OPTIONS"

// Supports says whether a request is one for this transport: all are that do not become sockets.
func (overHTTP) Supports(r *http.Request) bool { return !WantsSocket(r) }

// exchange is one request on its way.
type exchange struct {
	overHTTP
	exec  graphql.GraphExecutor
	w     http.ResponseWriter
	r     *http.Request
	start time.Time

	media    []string // that the client takes, the preferred one first
	asked    asked
	document resolution
	plan     *plan
	made     *graphql.OperationContext // of this request, when it had to be made to learn the plan
	outcome  cache.Outcome
	span     trace.Span // of the operation
	ended    metrics.Outcome
}

// Do answers a request.
func (t overHTTP) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	x := &exchange{overHTTP: t, exec: exec, w: w, r: r, start: time.Now(), media: accepted(r.Header), outcome: cache.Bypass, ended: metrics.OK}
	w.Header().Set("Content-Type", x.json()+"; charset=utf-8") // of a panic's answer, too
	ctx := r.Context()
	if r.Method == http.MethodOptions {
		w.Header().Del("Content-Type")
		w.Header().Set("Allow", methods)
		return
	}
	if status, wrong := x.read(); wrong != nil {
		err := refuse(ctx, wrong)
		if tooOften := t.payForRefusal(ctx); tooOften != nil {
			status, err = http.StatusTooManyRequests, tooOften
		}
		x.reject(ctx, status, err)
		return
	}
	ctx, x.span = trace.Begin(ctx, "GraphQL", "")
	defer x.span.End(nil)
	document, err := t.resolve(ctx, &x.asked)
	if err != nil {
		x.refuse(ctx, unnamed(err), gqlerror.List{err})
		return
	}
	x.document = document
	x.plan = t.plans.find(document.Hash, x.asked.OperationName)
	if x.plan == nil && !x.learn(ctx) {
		return
	}
	tellOperation(x.span, x.plan.operation, x.plan.name, document.Hash)
	switch operation := x.plan.operation; {
	case x.isUnsafe(operation):
		x.rejectUnsafe(ctx)
	case x.prefersStream() || operation == ast.Subscription && slices.Contains(x.media, eventStream):
		x.stream(ctx)
	case operation == ast.Subscription:
		x.reject(ctx, http.StatusNotAcceptable, refuse(ctx, mesa.Invalid("query", "Las suscripciones van por WebSocket o con Accept: text/event-stream.")))
	default:
		x.answer(ctx)
	}
}

// isUnsafe says that an operation would change something by GET, which anybody may repeat or send in a browser's name.
func (x *exchange) isUnsafe(operation ast.Operation) bool {
	return x.r.Method == http.MethodGet && operation == ast.Mutation
}

func (x *exchange) rejectUnsafe(ctx context.Context) {
	x.w.Header().Set("Allow", "POST")
	x.reject(ctx, http.StatusMethodNotAllowed, refuse(ctx, mesa.Invalid("query", "Por GET solo se admiten consultas.")))
}

// json is the media type of an answer that is no stream.
func (x *exchange) json() string {
	for _, media := range x.media {
		if media != eventStream {
			return media
		}
	}
	return plainJSON
}

func (x *exchange) prefersStream() bool { return len(x.media) > 0 && x.media[0] == eventStream }

// read takes the request apart; the error is for the client, with its status. Only JSON comes in by POST: a form or a text any page may
// send in a browser's name.
func (x *exchange) read() (status int, err *mesa.Error) {
	switch {
	case x.r.Method != http.MethodGet && x.r.Method != http.MethodPost:
		x.w.Header().Set("Allow", methods)
		return http.StatusMethodNotAllowed, mesa.Invalid("", "Use GET o POST.")
	case len(x.media) == 0:
		return http.StatusNotAcceptable, mesa.Invalid("", "Las respuestas son application/graphql-response+json, application/json o text/event-stream.")
	case x.r.Method == http.MethodGet:
		err = x.asked.readURL(x.r.URL)
	case !isJSON(x.r.Header):
		return http.StatusUnsupportedMediaType, mesa.Invalid("", "Envíe la solicitud como application/json, en UTF-8 y sin comprimir.")
	default:
		body, _ := io.ReadAll(x.r.Body) // of a client that went away, or sent less than it said, it is no JSON
		err = x.asked.readJSON(body)
	}
	if err == nil && x.asked.isNothing() {
		err = errNothing()
	}
	return http.StatusBadRequest, err
}

// learn makes the operation to find out its plan; false when it is refused and answered.
func (x *exchange) learn(ctx context.Context) bool {
	op, errs := x.operation(ctx)
	switch {
	case errs != nil && op.Operation != nil && x.isUnsafe(op.Operation.Operation): // whoever asks
		x.rejectUnsafe(ctx)
		return false
	case errs != nil:
		x.refuse(graphql.WithOperationContext(ctx, op), http.StatusOK, errs)
		return false
	}
	x.made = op
	x.plan = x.plans.learn(x.document.Hash, x.asked.OperationName, x.schema, op)
	return true
}

// operation parses, validates and guards what is asked.
func (x *exchange) operation(ctx context.Context) (*graphql.OperationContext, gqlerror.List) {
	if x.made != nil {
		return x.made, nil
	}
	return x.create(ctx, x.exec, &x.asked, x.document, x.r.Header)
}

// answer gives what is kept, or runs the operation.
func (x *exchange) answer(ctx context.Context) {
	token := callerOf(ctx).token
	if x.plan.tier == "" || x.Cache == nil || mesa.IsKeySecret(token) { // what is kept is for people: guard looks at each request of a machine
		x.run(ctx)
		return
	}
	identity := x.identityName(token)
	at, guess := x.moment(ctx, identity)
	who := x.identifyAt(ctx, at, token, identity)
	if who == nil {
		x.run(ctx)
		return
	}
	key, err := guess.key, error(nil)
	if who != guess.who {
		key, err = x.key(ctx, who)
	}
	if err != nil {
		x.run(ctx)
		return
	}
	if x.made == nil { // else it is paid for
		if err := x.spend(ctx, who.actor, keptWeight); err != nil {
			x.refuse(ctx, http.StatusTooManyRequests, gqlerror.List{err})
			return
		}
	}
	ctx = actAs(ctx, who.actor, x.plan.reach < mesa.ForOneself && !who.seesMore)
	x.register(ctx)
	var failed attempt
	found, err := results.Get(ctx, x.Cache, at, cache.Key{Name: key, Tier: x.plan.tier, Reach: x.plan.reach}, func(ctx context.Context) (*result, error) {
		ctx, span := x.apart(ctx)
		defer span.End(nil)
		a := x.execute(ctx)
		if !a.isClean() {
			failed = a
			return nil, errFailed
		}
		return newResult(dataOf(a.response), x.plan.reach), nil
	})
	x.outcome = found.Outcome
	switch {
	case errors.Is(err, errFailed):
		x.write(ctx, failed)
	case err != nil: // the client has gone while it waited for somebody else's answer
		x.write(ctx, attempt{response: canceled()})
	default:
		x.give(found)
	}
}

// apart takes what is made anew in the background off the answer that is being sent meanwhile: its header, and its span.
func (x *exchange) apart(ctx context.Context) (context.Context, trace.Span) {
	if !cache.IsRefresh(ctx) {
		return ctx, trace.Span{}
	}
	return x.Tracer.Begin(WithPeer(ctx, peerOf(ctx).address, nil), trace.Origin{Kind: "refresh", Name: x.plan.name})
}

// guess is who a caller was last, and the name of the answer for them.
type guess struct {
	who *identified
	key string
}

// moment is the present moment, with the answer from Redis that is given if the caller still is who they were.
func (x *exchange) moment(ctx context.Context, identity string) (cache.Moment, guess) {
	if x.Cache.IsShared() {
		if was, ok := identities.Peek(x.Cache, identity); ok {
			if key, err := x.key(ctx, was); err == nil {
				return results.NowWith(ctx, x.Cache, key), guess{was, key}
			}
		}
	}
	return x.Cache.Now(ctx), guess{}
}

// key names the answer for somebody.
func (x *exchange) key(ctx context.Context, who *identified) (string, error) {
	return resultKey(x.document.Hash, x.plan, who, who.actor.Catalogue.Today(x.DB.Now()), language(ctx), x.asked.Variables)
}

// errFailed keeps an answer with errors from being kept.
var errFailed = errors.New("the answer has errors")

// run executes the operation without the cache.
func (x *exchange) run(ctx context.Context) {
	a := x.execute(ctx)
	if a.refused == nil {
		x.register(ctx)
	}
	x.write(ctx, a)
}

// attempt is what came of running an operation: an answer, or the errors for which it was not executed.
type attempt struct {
	operation *graphql.OperationContext
	response  *graphql.Response
	refused   gqlerror.List
}

// isClean says whether there is an answer with nothing but data.
func (a attempt) isClean() bool {
	return a.refused == nil && len(a.response.Errors) == 0 && len(a.response.Extensions) == 0
}

// execute runs the operation.
func (x *exchange) execute(ctx context.Context) attempt {
	op, errs := x.operation(ctx)
	if errs != nil {
		return attempt{operation: op, refused: errs}
	}
	x.made = nil // it belongs to one execution
	responses, ctx := x.exec.DispatchOperation(ctx, op)
	res := responses(ctx)
	if res == nil { // the client has gone
		res = canceled()
	}
	return attempt{operation: op, response: res}
}

func canceled() *graphql.Response {
	return &graphql.Response{Errors: gqlerror.List{{Message: "canceled", Extensions: map[string]any{"code": string(mesa.Canceled)}}}}
}

// register keeps a text that came with its hash, for whoever is signed in: strangers shall not fill the memory.
func (x *exchange) register(ctx context.Context) {
	if !x.document.Register {
		return
	}
	if actor, _ := callerOf(ctx).actor(); actor != nil {
		x.Cache.KeepText(ctx, x.document.Hash, x.document.Text)
	}
}

// refusedStatus has the statuses of well-formed requests that are not executed, by the code of their first error; 400 for all others. They go
// with application/graphql-response+json, by which a client knows them from those of a proxy; as application/json it mostly is 200
// (docs/decisions/0011-transports.md).
var refusedStatus = map[mesa.Code]int{
	mesa.Unauthenticated:        http.StatusUnauthorized,
	mesa.Forbidden:              http.StatusForbidden,
	mesa.PersistedQueryNotFound: http.StatusNotFound, // after 400 old clients never send a hash again
	mesa.RateLimited:            http.StatusTooManyRequests,
	mesa.Timeout:                http.StatusGatewayTimeout,
	mesa.Internal:               http.StatusInternalServerError,
}

// statusOf is the status of a well-formed request that is not executed; legacy is what it is as application/json, unless it came too often.
func (x *exchange) statusOf(legacy int, errs gqlerror.List) int {
	code, _ := errs[0].Extensions["code"].(string)
	if x.json() == plainJSON && mesa.Code(code) != mesa.RateLimited {
		return legacy
	}
	return cmp.Or(refusedStatus[mesa.Code(code)], http.StatusBadRequest)
}

// unnamed is the status, as application/json, for a document that is not known. Clients take 200 as the invitation to send its text, and
// anything else as the advice never to send a hash again.
func unnamed(err *gqlerror.Error) int {
	if err.Extensions["code"] == string(mesa.PersistedQueryNotFound) {
		return http.StatusOK
	}
	return http.StatusBadRequest
}

// dataOf is the body of an answer without errors.
func dataOf(res *graphql.Response) []byte {
	b := make([]byte, 0, len(res.Data)+10)
	b = append(append(append(b, `{"data":`...), res.Data...), '}')
	return b
}

// bodyOf is the body of an answer. What was not executed has no data.
func bodyOf(res *graphql.Response) []byte {
	if len(res.Errors) == 0 && len(res.Extensions) == 0 {
		return dataOf(res)
	}
	var form any = res
	if res.Data == nil {
		form = struct {
			Errors     gqlerror.List  `json:"errors"`
			Extensions map[string]any `json:"extensions,omitempty"`
		}{res.Errors, res.Extensions}
	}
	body, err := json.Marshal(form)
	if err != nil {
		panic(fmt.Errorf("write an answer: %w", err)) // what the executor made is JSON
	}
	return body
}

// write sends what came of running an operation.
func (x *exchange) write(ctx context.Context, a attempt) {
	if a.refused == nil {
		x.ended = x.tellErrors(x.span, a.response.Errors)
	}
	switch {
	case a.refused != nil:
		x.refuse(graphql.WithOperationContext(ctx, a.operation), http.StatusOK, a.refused)
	case a.response.Data == nil && len(a.response.Errors) > 0: // an interceptor did not let it be executed
		x.send(x.statusOf(http.StatusOK, a.response.Errors), bodyOf(a.response), true)
	default:
		x.send(http.StatusOK, bodyOf(a.response), !a.isClean())
	}
}

// refuse answers a well-formed request that is not executed: errors and no data.
func (x *exchange) refuse(ctx context.Context, legacy int, errs gqlerror.List) {
	res := x.exec.DispatchError(ctx, errs)
	x.ended = x.tellErrors(x.span, res.Errors)
	if x.prefersStream() {
		events := x.openEvents(func() {})
		events.next(res)
		events.complete()
		x.measure()
		return
	}
	status := x.statusOf(legacy, res.Errors)
	if status == http.StatusUnauthorized {
		x.w.Header().Set("WWW-Authenticate", "Bearer")
	}
	x.send(status, bodyOf(res), true)
}

// reject answers a request that is not well-formed, or not acceptable; never with a stream.
func (x *exchange) reject(ctx context.Context, status int, err *gqlerror.Error) {
	res := x.exec.DispatchError(ctx, gqlerror.List{err})
	x.ended = x.tellErrors(x.span, res.Errors)
	x.send(status, bodyOf(res), true)
}

// give sends a result. What is the same for everybody may be kept by the client, who has to ask each time whether it is still so.
func (x *exchange) give(found cache.Found[*result]) {
	h := x.w.Header()
	if found.Outcome == cache.Hit {
		h.Set("Age", strconv.Itoa(int(found.Age/time.Second)))
	}
	if found.Value.etag != "" {
		h.Set("Cache-Control", "private, no-cache")
		h.Set("ETag", found.Value.etag)
		if x.r.Method == http.MethodGet && matches(x.r.Header.Get("If-None-Match"), found.Value.etag) {
			x.send(http.StatusNotModified, nil, false)
			return
		}
	}
	x.send(http.StatusOK, found.Value.body, false)
}

// matches says whether an If-None-Match names an entity tag.
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == etag || one == "*" {
			return true
		}
	}
	return false
}

// measure counts the operation, and returns how long it took.
func (x *exchange) measure() time.Duration {
	took := time.Since(x.start)
	x.measured(x.document, x.plan, x.ended, took)
	return took
}

func (x *exchange) send(status int, body []byte, failed bool) {
	took := x.measure()
	x.span.Text("mesa.cache", string(x.outcome))
	h := x.w.Header()
	h.Set("X-Cache", string(x.outcome))
	h.Set("Server-Timing", `cache;desc="`+string(x.outcome)+`", total;dur=`+millis(took))
	if body == nil {
		h.Del("Content-Type")
	} else {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body)
	if x.plan != nil {
		x.Documents.ran(x.document.Hash, x.plan.name, x.document.Trusted, string(x.outcome), failed, took)
	}
}
