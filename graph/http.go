package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/mesa"
)

// overHTTP answers GET and POST with one JSON answer. A query whose answer is kept is neither parsed nor validated nor executed.
type overHTTP struct {
	*Resolver
	schema *ast.Schema
	plans  plans
}

var _ graphql.Transport = overHTTP{}

// Media types of answers.
const (
	plainJSON    = "application/json"
	responseJSON = "application/graphql-response+json"
)

// Supports says whether a request is one for this transport. A form is not: any page may send one in a browser's name.
func (t overHTTP) Supports(r *http.Request) bool {
	if r.Header.Get("Upgrade") != "" {
		return false
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Method == http.MethodGet || r.Method == http.MethodPost && err == nil && media == plainJSON
}

// asked is what a request asks for.
type asked struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	DocumentID    string         `json:"documentId"`
	RelayID       string         `json:"doc_id"`
	Variables     map[string]any `json:"variables"`
	Extensions    map[string]any `json:"extensions"`
}

// exchange is one request on its way.
type exchange struct {
	overHTTP
	exec  graphql.GraphExecutor
	w     http.ResponseWriter
	r     *http.Request
	start time.Time

	asked
	document resolution
	plan     *plan
	made     *graphql.OperationContext // of this request, when it had to be made to learn the plan
	outcome  cache.Outcome
}

// Do answers a request.
func (t overHTTP) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	x := &exchange{overHTTP: t, exec: exec, w: w, r: r, start: time.Now(), outcome: cache.Bypass}
	ctx := r.Context()
	if err := x.read(); err != nil {
		x.refuse(ctx, http.StatusBadRequest, gqlerror.List{refuse(ctx, err)})
		return
	}
	name := named{Query: x.Query, OperationName: x.OperationName, DocumentID: x.DocumentID, Extensions: x.Extensions}
	document, err := t.Documents.resolve(ctx, name, t.Cache)
	if err != nil {
		x.refuse(ctx, unnamed(err), gqlerror.List{err})
		return
	}
	x.document = document
	x.plan = t.plans.find(document.Hash, x.OperationName)
	if x.plan == nil && !x.learn(ctx) {
		return
	}
	if r.Method == http.MethodGet && x.plan.operation != ast.Query {
		w.Header().Set("Allow", "POST")
		x.refuse(ctx, http.StatusMethodNotAllowed, gqlerror.List{refuse(ctx, mesa.Invalid("query", "Por GET solo se admiten consultas."))})
		return
	}
	if x.plan.operation == ast.Subscription {
		x.refuse(ctx, http.StatusBadRequest, gqlerror.List{refuse(ctx, mesa.Invalid("query", "Las suscripciones van por WebSocket o con Accept: text/event-stream."))})
		return
	}
	x.answer(ctx)
}

// read takes the request apart; the error is for the client.
func (x *exchange) read() *mesa.Error {
	if x.r.Method == http.MethodPost {
		if err := decode(x.r.Body, &x.asked); err != nil {
			return mesa.Invalid("", "El cuerpo de la solicitud no es un objeto JSON con query, variables, operationName y extensions.")
		}
	} else if err := x.readURL(); err != nil {
		return err
	}
	if x.DocumentID == "" {
		x.DocumentID = x.RelayID
	}
	return nil
}

func (x *exchange) readURL() *mesa.Error {
	q := x.r.URL.Query()
	x.Query, x.OperationName, x.DocumentID, x.RelayID = q.Get("query"), q.Get("operationName"), q.Get("documentId"), q.Get("doc_id")
	for name, into := range map[string]*map[string]any{"variables": &x.Variables, "extensions": &x.Extensions} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		if err := decode(strings.NewReader(text), into); err != nil {
			return mesa.Invalid(name, "El parámetro %s no es un objeto JSON.", name)
		}
	}
	return nil
}

// decode reads JSON, numbers as they are written.
func decode(r io.Reader, into any) error {
	decoder := json.NewDecoder(r)
	decoder.UseNumber()
	return decoder.Decode(into)
}

// unnamed is the status for a document that is not known. Clients take 200 as the invitation to send its text, and anything else as the
// advice never to send a hash again.
func unnamed(err *gqlerror.Error) int {
	if err.Extensions["code"] == string(mesa.PersistedQueryNotFound) {
		return http.StatusOK
	}
	return http.StatusBadRequest
}

// learn makes the operation to find out its plan; false when it is refused and answered.
func (x *exchange) learn(ctx context.Context) bool {
	op, errs := x.operation(ctx)
	if errs != nil {
		x.refuse(graphql.WithOperationContext(ctx, op), x.statusOf(errs), errs)
		return false
	}
	x.made = op
	x.plan = x.plans.learn(x.document.Hash, x.OperationName, x.schema, op)
	return true
}

// operation parses, validates and guards what is asked.
func (x *exchange) operation(ctx context.Context) (*graphql.OperationContext, gqlerror.List) {
	if x.made != nil {
		return x.made, nil
	}
	now := graphql.Now()
	return x.exec.CreateOperationContext(ctx, &graphql.RawParams{
		Query: x.document.Text, OperationName: x.OperationName, Variables: x.Variables, Extensions: x.Extensions,
		Headers: x.r.Header, ReadTime: graphql.TraceTiming{Start: now, End: now},
	})
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
	return resultKey(x.document.Hash, x.plan, who, who.actor.Catalogue.Today(x.DB.Now()), language(ctx), x.Variables)
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
	return &graphql.Response{Errors: gqlerror.List{{Message: "canceled", Extensions: map[string]any{"code": "CANCELED"}}}}
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

// statusOf is the status of a request that is refused before it is executed.
func (x *exchange) statusOf(errs gqlerror.List) int {
	switch {
	case len(errs) > 0 && errs[0].Extensions["code"] == string(mesa.RateLimited):
		return http.StatusTooManyRequests
	case errcode.GetErrorKind(errs) != errcode.KindProtocol:
		return http.StatusOK
	case x.mediaType() == responseJSON:
		return http.StatusBadRequest
	default:
		return http.StatusUnprocessableEntity
	}
}

// mediaType is what the client accepts; JSON when it does not say.
func (x *exchange) mediaType() string {
	accept := x.r.Header.Get("Accept")
	if accept == "" {
		return plainJSON
	}
	for one := range strings.SplitSeq(accept, ",") {
		switch media, _, _ := mime.ParseMediaType(strings.TrimSpace(one)); media {
		case plainJSON, "*/*", "application/*":
			return plainJSON
		case responseJSON:
			return responseJSON
		}
	}
	return responseJSON
}

// dataOf is the body of an answer without errors.
func dataOf(res *graphql.Response) []byte {
	b := make([]byte, 0, len(res.Data)+10)
	b = append(append(append(b, `{"data":`...), res.Data...), '}')
	return b
}

// write sends what came of running an operation.
func (x *exchange) write(ctx context.Context, a attempt) {
	switch {
	case a.refused != nil:
		x.refuse(graphql.WithOperationContext(ctx, a.operation), x.statusOf(a.refused), a.refused)
	case a.isClean():
		x.send(http.StatusOK, dataOf(a.response), false)
	default:
		body, err := json.Marshal(a.response)
		if err != nil {
			panic(fmt.Errorf("write an answer: %w", err)) // what the executor made is JSON
		}
		x.send(http.StatusOK, body, true)
	}
}

// refuse answers a request that is not executed: errors and no data.
func (x *exchange) refuse(ctx context.Context, status int, errs gqlerror.List) {
	res := x.exec.DispatchError(ctx, errs)
	body, err := json.Marshal(struct {
		Errors gqlerror.List `json:"errors"`
	}{res.Errors})
	if err != nil {
		panic(fmt.Errorf("write errors: %w", err)) // they are made of texts
	}
	x.send(status, body, true)
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

func (x *exchange) send(status int, body []byte, failed bool) {
	took := time.Since(x.start)
	h := x.w.Header()
	h.Set("X-Cache", string(x.outcome))
	h.Set("Server-Timing", `cache;desc="`+string(x.outcome)+`", total;dur=`+millis(took))
	if body != nil {
		h.Set("Content-Type", x.mediaType())
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body)
	if x.plan != nil {
		x.Documents.ran(x.document.Hash, x.plan.name, x.document.Trusted, string(x.outcome), failed, took)
	}
}
