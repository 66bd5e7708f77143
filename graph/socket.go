package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// overSocket speaks graphql-transport-ws (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md).
type overSocket struct {
	front
	origins []string // whose pages may open a socket besides those of the server's own
}

var _ graphql.Transport = overSocket{}

const subprotocol = "graphql-transport-ws"

// socketInitTimeout is how long a client may take to say who it is.
const socketInitTimeout = 5 * time.Second

// socketWriteTimeout is how long a client may leave a message unread before its socket is closed. Tests shorten it.
var socketWriteTimeout = 10 * time.Second

// farewell is why the server closes a socket.
type farewell struct {
	code   websocket.StatusCode
	reason string
}

// Why sockets are closed. The reference client connects again after 1001, 1012, 1013 and 4403, and takes the others for final.
var (
	idle            = &farewell{websocket.StatusNormalClosure, "Idle"}
	malformed       = &farewell{websocket.StatusInvalidFramePayloadData, "Text is not UTF-8"}
	serverStops     = &farewell{websocket.StatusServiceRestart, "Server stops"}
	tryAgain        = &farewell{websocket.StatusTryAgainLater, "Try again later"}
	invalidMessage  = &farewell{4400, "Invalid message"}
	notInitialized  = &farewell{4401, "Unauthorized"}
	refusedToken    = &farewell{4403, "Forbidden"}
	noSubprotocol   = &farewell{4406, "Subprotocol not acceptable: " + subprotocol + " is spoken here"}
	initTimeout     = &farewell{4408, "Connection initialisation timeout"}
	tooManyInits    = &farewell{4429, "Too many initialisation requests"}
	subscriberTaken = func(id string) *farewell { return &farewell{4409, "Subscriber for " + cut(id, 80) + " already exists"} }
)

// cut bounds a text in bytes; a reason has no room for more than 123.
func cut(s string, most int) string { return strings.ToValidUTF8(s[:min(len(s), most)], "") }

// WantsSocket says whether a request is to become a WebSocket.
func WantsSocket(r *http.Request) bool {
	for _, header := range r.Header.Values("Upgrade") {
		for one := range strings.SplitSeq(header, ",") {
			if strings.EqualFold(strings.TrimSpace(one), "websocket") {
				return true
			}
		}
	}
	return false
}

// Supports says whether a request is one for this transport.
func (overSocket) Supports(r *http.Request) bool { return WantsSocket(r) }

// Do talks with a client until one of the two closes the socket.
func (t overSocket) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	if tooMany := t.connect(r.Context()); tooMany != nil {
		w.Header().Set("Content-Type", plainJSON+"; charset=utf-8")
		x := &exchange{overHTTP: overHTTP{t.front}, exec: exec, w: w, r: r, start: time.Now(), outcome: cache.Bypass, ended: metrics.OK}
		x.reject(r.Context(), http.StatusTooManyRequests, tooMany)
		return
	}
	opened, span := t.Tracer.Begin(r.Context(), trace.Origin{Kind: "WebSocket", Served: true, Link: r.Header.Get(trace.Header)})
	defer span.End(nil)
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}, OriginPatterns: t.origins})
	if err != nil {
		return // the client has been told
	}
	conn.SetReadLimit(int64(t.Limits.Of(LimitMessage))) // beyond it the socket is closed with 1009
	span.End(nil)                                       // operations have traces of their own, linked to this one
	ctx, cancel := context.WithCancel(opened)
	s := &socket{overSocket: t, exec: exec, conn: conn, ctx: ctx, cancel: cancel, header: r.Header, active: map[string]*socketOperation{}}
	if conn.Subprotocol() != subprotocol {
		s.close(noSubprotocol)
		return
	}
	s.tasks.Go(func() { s.watch(r.Context().Done(), ctx.Done()) })
	s.listen()
	cancel()
	s.tasks.Wait()
	_ = conn.CloseNow() // if it is not closed yet
}

// socket is the connection with one client.
type socket struct {
	overSocket
	exec   graphql.GraphExecutor
	conn   *websocket.Conn
	ctx    context.Context // of the connection, with its caller once it is initialized; for listen alone
	cancel func()          // ends everything that runs
	header http.Header
	tasks  sync.WaitGroup

	initialized atomic.Bool // connection_init came
	heard       atomic.Bool // since the latest ping

	mu      sync.Mutex
	active  map[string]*socketOperation // by the id that the client gave
	running int                         // operations, also those that the client has completed and that are just ending
	quiet   time.Time                   // when the latest operation ended
}

// socketOperation is an operation that runs.
type socketOperation struct {
	id     string
	ctx    context.Context
	cancel func()
}

// socketMessage is what goes over the socket, either way.
type socketMessage struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// listen reads until the socket is closed.
func (s *socket) listen() {
	for {
		kind, text, err := s.conn.Read(context.Background())
		if err != nil {
			return
		}
		s.heard.Store(true)
		if bye := s.hear(kind, text); bye != nil {
			s.close(bye)
			return
		}
	}
}

// close ends what runs and says farewell; the first one counts.
func (s *socket) close(bye *farewell) {
	s.cancel()
	_ = s.conn.Close(bye.code, bye.reason)
}

// hear takes a message; what it returns is why the socket must be closed.
func (s *socket) hear(kind websocket.MessageType, text []byte) *farewell {
	var id, about string
	var payload json.RawMessage
	if kind == websocket.MessageText && !utf8.Valid(text) {
		return malformed
	}
	_, err := readMembers(text, []jsonMember{{"type", &about}, {"id", &id}, {"payload", &payload}})
	if err != nil || kind != websocket.MessageText {
		return invalidMessage
	}
	if string(payload) == "null" {
		payload = nil
	}
	if about == "subscribe" {
		return s.subscribe(id, payload)
	}
	var object map[string]any
	if payload != nil && unmarshal(payload, &object) != nil {
		return invalidMessage
	}
	switch {
	case about == "connection_init":
		return s.initialize(object)
	case about == "complete" && id != "":
		s.abandon(id)
	case about == "ping":
		s.write(socketMessage{Type: "pong", Payload: payload})
	case about == "pong": // it was heard
	default:
		return invalidMessage
	}
	return nil
}

// initialize finds out who the client is. A stranger is welcome to what is public; a token that nobody holds is not.
func (s *socket) initialize(payload map[string]any) *farewell {
	if s.initialized.Swap(true) {
		return tooManyInits
	}
	ctx, err := s.authenticateSocket(s.ctx, payload)
	switch code := mesa.CodeOf(err); {
	case err == nil:
	case code == "" || code == mesa.Internal:
		s.Log.ErrorContext(s.ctx, "WebSocket without an answer about its token", "error", err)
		return tryAgain
	default:
		return refusedToken
	}
	s.ctx = ctx
	s.mu.Lock()
	s.quiet = time.Now()
	s.mu.Unlock()
	s.write(socketMessage{Type: "connection_ack"})
	return nil
}

// subscribe starts an operation.
func (s *socket) subscribe(id string, payload json.RawMessage) *farewell {
	var a asked
	_, err := readMembers(payload, a.members())
	switch {
	case id == "" || err != nil || a.isNothing():
		return invalidMessage
	case !s.initialized.Load():
		return notInitialized
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.active[id] != nil:
		return subscriberTaken(id)
	case s.running >= s.Limits.Of(LimitSocketOperations):
		errs := gqlerror.List{s.exceeded(s.ctx, s.Limits.exceeded(LimitSocketOperations, 0))}
		s.tellErrors(trace.Of(s.ctx), errs)
		s.write(errorMessage(id, errs))
		return nil
	}
	op := &socketOperation{id: id}
	op.ctx, op.cancel = context.WithCancel(s.ctx)
	s.active[id] = op
	s.running++
	s.tasks.Go(func() {
		defer s.end(op)
		s.operate(op, &a)
	})
	return nil
}

// abandon ends an operation of which the client wants to hear no more. Its id can be used again at once.
func (s *socket) abandon(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if op := s.active[id]; op != nil {
		op.cancel()
		delete(s.active, id)
	}
}

// end takes an operation off the list.
func (s *socket) end(op *socketOperation) {
	op.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.quiet = time.Now()
}

// operate runs an operation and tells the client what comes of it.
func (s *socket) operate(op *socketOperation, a *asked) {
	defer func() {
		if cause := recover(); cause != nil {
			errs := gqlerror.List{s.present()(op.ctx, recovered(s.Log)(op.ctx, cause))}
			s.tellErrors(trace.Of(op.ctx), errs)
			s.finish(op, errorMessage(op.id, errs))
		}
	}()
	ctx, span := s.Tracer.Begin(op.ctx, trace.Origin{Kind: "GraphQL", Served: true})
	defer span.End(nil)
	ctx = graphql.StartOperationTrace(ctx)
	start := time.Now()
	document, made, errs := s.prepare(ctx, a)
	plan := s.plans.find(document.Hash, a.OperationName)
	if errs != nil {
		errs = s.exec.DispatchError(graphql.WithOperationContext(ctx, made), errs).Errors
		s.measured(document, plan, s.tellErrors(span, errs), time.Since(start))
		s.finish(op, errorMessage(op.id, errs))
		s.closeIfExpired(op, errs[0].Extensions["code"] == string(mesa.Unauthenticated))
		return
	}
	isSubscription := made.Operation.Operation == ast.Subscription
	ctx, ending := withEnding(ctx)
	responses, ctx := s.exec.DispatchOperation(ctx, made)
	outcome := metrics.OK
	if isSubscription {
		span.End(nil)
		s.measured(document, plan, outcome, time.Since(start))
	}
	for res := responses(ctx); res != nil; res = responses(ctx) {
		outcome = s.tellErrors(span, res.Errors)
		s.tell(op, socketMessage{ID: op.id, Type: "next", Payload: bodyOf(res)})
	}
	if !isSubscription {
		s.measured(document, plan, outcome, time.Since(start))
	}
	if isSubscription && s.isStopping() {
		return // an end would keep the client from connecting again
	}
	if ending.broken.Load() {
		s.close(tryAgain)
		return
	}
	if isSubscription && op.ctx.Err() == nil {
		s.identify(ctx, callerOf(ctx))
		_, err := callerOf(ctx).actor()
		s.closeIfExpired(op, mesa.CodeOf(err) == mesa.Unauthenticated)
	}
	s.finish(op, socketMessage{ID: op.id, Type: "complete"})
}

// prepare finds the text, and parses, validates and guards it.
func (s *socket) prepare(ctx context.Context, a *asked) (document resolution, op *graphql.OperationContext, errs gqlerror.List) {
	document, err := s.resolve(ctx, a)
	if err != nil {
		return document, &graphql.OperationContext{}, gqlerror.List{err}
	}
	op, errs = s.create(ctx, s.exec, a, document, s.header)
	if errs == nil && s.plans.find(document.Hash, a.OperationName) == nil {
		s.plans.learn(document.Hash, a.OperationName, s.schema, op)
	}
	return document, op, errs
}

// closeIfExpired closes the socket of somebody whose token was good and no longer is, so that the client comes back with another.
func (s *socket) closeIfExpired(op *socketOperation, expired bool) {
	if expired && callerOf(op.ctx).token != "" {
		s.close(refusedToken)
	}
}

// tell sends a message of an operation, unless the client wants to hear no more of it.
func (s *socket) tell(op *socketOperation, m socketMessage) {
	if op.ctx.Err() == nil {
		s.write(m)
	}
}

// finish sends the last message of an operation. Its id is free before, for a client may use it again as soon as it reads this.
func (s *socket) finish(op *socketOperation, m socketMessage) {
	s.mu.Lock()
	if s.active[op.id] == op {
		delete(s.active, op.id)
	}
	s.mu.Unlock()
	s.tell(op, m)
}

func errorMessage(id string, errs gqlerror.List) socketMessage {
	text, err := json.Marshal(errs)
	if err != nil {
		panic(err) // they are made of texts
	}
	return socketMessage{ID: id, Type: "error", Payload: text}
}

// write sends a message within the time that a client has; else the socket is closed.
func (s *socket) write(m socketMessage) {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // the payload is JSON
	}
	ctx, cancel := context.WithTimeout(context.Background(), socketWriteTimeout)
	defer cancel()
	_ = s.conn.Write(ctx, websocket.MessageText, text) // listen finds a broken one
}

// watch closes the socket of a client that does not begin, no longer answers or wants nothing, and when the server stops.
func (s *socket) watch(aborted, closed <-chan struct{}) {
	begin, tick := time.NewTimer(socketInitTimeout), time.NewTicker(pingEvery)
	defer begin.Stop()
	defer tick.Stop()
	s.heard.Store(true)
	for {
		select {
		case <-s.Feed.Stopped():
			s.close(serverStops)
			return
		case <-aborted:
			s.close(serverStops)
			return
		case <-closed:
			return
		case <-begin.C:
			if !s.initialized.Load() {
				s.close(initTimeout)
				return
			}
		case now := <-tick.C:
			if bye := s.check(now); bye != nil {
				s.close(bye)
				return
			}
		}
	}
}

// check asks the client whether it still is there.
func (s *socket) check(now time.Time) *farewell {
	s.mu.Lock()
	isIdle := s.running == 0 && !s.quiet.IsZero() && now.Sub(s.quiet) >= time.Duration(s.Limits.Of(LimitSocketIdle))*time.Second
	s.mu.Unlock()
	switch {
	case isIdle:
		return idle
	case !s.heard.Swap(false):
		_ = s.conn.CloseNow() // there is nobody to say farewell to
	default:
		s.write(socketMessage{Type: "ping"})
	}
	return nil
}

func (s *socket) isStopping() bool {
	select {
	case <-s.Feed.Stopped():
		return true
	default:
		return false
	}
}
