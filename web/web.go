// Package web is the HTTP around the graph: routes on one page, health, limits, security headers, GraphiQL.
package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/verify"
	"github.com/mesapartes/mesa/mesa"
)

// Server answers HTTP.
type Server struct {
	Resolver      *graph.Resolver
	Log           *slog.Logger
	Introspection bool           // whether strangers may explore the schema
	GraphiQL      bool           // whether the page is served
	Origins       []string       // whose pages may use the API, as scheme://host; the server's own always may
	Proxies       []netip.Prefix // whose X-Forwarded-For is believed
	Board         *verify.Board  // what administrators see at /readyz?verbose; nil for nothing
	Patience      time.Duration  // with a client that leaves what it asked for unread, or does not send what it announced; default 10 s

	stopping atomic.Bool
	database askedDatabase
	sockets  sync.WaitGroup
}

// Handler is every route.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/graphql", s.traced("/graphql", s.crossOrigin(s.graphql())))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /reports/{id}/file", s.traced("/reports/{id}/file", http.HandlerFunc(s.report)))
	if s.GraphiQL {
		page := GraphiQL()
		mux.Handle("/graphiql", page)
		mux.Handle("/graphiql/", page)
		mux.Handle("GET /{$}", http.RedirectHandler("/graphiql/", http.StatusFound))
	}
	return headers(s.logged(mux))
}

// Stop makes /readyz say no, so that no new request is sent here.
func (s *Server) Stop() { s.stopping.Store(true) }

// Wait waits until the WebSockets are closed, which http.Server.Shutdown does not do; it comes after that. The feed's stop closes them.
func (s *Server) Wait(ctx context.Context) {
	closed := make(chan struct{})
	go func() { defer close(closed); s.sockets.Wait() }()
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

func (s *Server) graphql() http.Handler {
	server := graph.NewServer(s.Resolver, s.Introspection, s.Origins)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.readBody(w, r); err != nil {
			e := s.Resolver.BodyTooLarge()
			refuseWith(w, http.StatusRequestEntityTooLarge, e.In(r.Header.Get("Accept-Language")), map[string]any{"code": e.Code, "field": e.Field, "limit": e.Details["limit"]})
			return
		}
		ctx := graph.WithLocale(r.Context(), r.Header.Get("Accept-Language"))
		token, kept := s.credentials(w, r)
		ip := s.sender(r)
		ctx = graph.WithCaller(ctx, token, origin(w, r, ip))
		ctx = graph.WithCookies(ctx, kept)
		w.Header().Add("Vary", "Accept, Accept-Language, Authorization, Cookie")
		w.Header().Set("Cache-Control", "no-store")
		told := w.Header()
		if graph.WantsSocket(r) {
			s.sockets.Add(1)
			defer s.sockets.Done()
			told = nil // its header is gone when operations come
		} else {
			w = s.impatient(w) // a WebSocket has a deadline of its own
		}
		ctx = graph.WithPeer(ctx, address(r, ip), told)
		server.ServeHTTP(w, r.WithContext(ctx))
	})
}

// impatient gives each write its time, so that a client that stops reading does not hold a stream for as long as TCP lives. A limit on
// the whole answer would end the streams of those who do read.
type impatient struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

func (s *Server) impatient(w http.ResponseWriter) impatient {
	return impatient{w, http.NewResponseController(w), s.patience()}
}

func (s *Server) patience() time.Duration { return cmp.Or(s.Patience, 10*time.Second) }

// Write writes within the time that a client has.
func (w impatient) Write(b []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.patience)) // fails only where there is no connection, in tests
	return w.ResponseWriter.Write(b)
}

// Flush sends what was written.
func (w impatient) Flush() { _ = w.control.Flush() }

// Unwrap gives the writer inside to http.ResponseController.
func (w impatient) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// readBody takes the body into memory, where the executor would take it anyway: only here can its size still decide the status. It has to
// come within the time that a client has.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	most := int64(s.Resolver.Limits.Of(graph.LimitBody))
	if r.ContentLength > most {
		return &http.MaxBytesError{Limit: most}
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(s.patience())) // fails only where there is no connection, in tests
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err == nil {
		_ = control.SetReadDeadline(time.Time{}) // streams stay open
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return err
	}
	return nil // a client that went away, or sent less than it said, is told by the executor
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// refuse answers in the form of GraphQL a request that never got that far.
func refuse(w http.ResponseWriter, status int, code mesa.Code, message string) {
	refuseWith(w, status, message, map[string]any{"code": code})
}

func refuseWith(w http.ResponseWriter, status int, message string, extensions map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"message": message, "extensions": extensions}}})
}

// headers gives each answer its request id and what keeps browsers careful. GraphiQL sets its own policy for its page.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Request-Id", requestID())
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

func requestID() string {
	b := make([]byte, 8)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// logged writes a line for each request at debug level; what fails inside is logged where it fails.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		next.ServeHTTP(w, r)
		s.Log.DebugContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path, "took", time.Since(start), "id", w.Header().Get("X-Request-Id"))
	})
}
