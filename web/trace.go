package web

import (
	"net/http"
	"net/netip"

	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/trace"
)

// traced makes a trace of each request to a route. A trusted proxy's traceparent is gone on with; that of anybody else is only linked to:
// strangers do not decide what is traced. WebSockets have traces of their own, since a request would last as long as they do.
func (s *Server) traced(route string, next http.Handler) http.Handler {
	if s.Resolver.Tracer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if graph.WantsSocket(r) {
			next.ServeHTTP(w, r)
			return
		}
		origin := trace.Origin{Kind: "HTTP", Name: route, Served: true, Link: r.Header.Get(trace.Header)}
		if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && s.trusts(from.Addr().Unmap()) {
			origin.Parent, origin.Link = origin.Link, ""
		}
		ctx, span := s.Resolver.Tracer.Begin(r.Context(), origin)
		defer span.End(nil)
		span.Text("http.route", route)
		span.Int("http.response.status_code", http.StatusOK) // until another one is written
		span.Text("mesa.request_id", w.Header().Get("X-Request-Id"))
		next.ServeHTTP(&toldStatus{w, span}, r.WithContext(ctx))
	})
}

// toldStatus notes the status of an answer on its span.
type toldStatus struct {
	http.ResponseWriter
	span trace.Span
}

// WriteHeader begins the answer.
func (w *toldStatus) WriteHeader(status int) {
	w.span.Int("http.response.status_code", status)
	if status >= http.StatusInternalServerError {
		w.span.Fail("INTERNAL")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap gives the writer inside to http.ResponseController.
func (w *toldStatus) Unwrap() http.ResponseWriter { return w.ResponseWriter }
