package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/verify"
	"github.com/mesapartes/mesa/mesa"
)

// ready says whether requests may be sent here: the database answers, its schema is this binary's, and no stop has begun. With ?verbose
// administrators get the checklist, too; strangers do not learn more than without.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.Board != nil && r.URL.Query().Has("verbose") && s.isAdministrator(r) {
		s.Checklist(w, r)
		return
	}
	status, text := s.readiness(r.Context())
	answer(w, status, text)
}

func (s *Server) readiness(ctx context.Context) (status int, text string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	switch pending, _, err := s.Resolver.DB.PendingMigrations(ctx); {
	case s.stopping.Load():
		return http.StatusServiceUnavailable, "stopping"
	case err != nil:
		return http.StatusServiceUnavailable, "database does not answer"
	case len(pending) > 0:
		return http.StatusServiceUnavailable, "migrations pending: run mesa migrate"
	}
	return http.StatusOK, "ready"
}

func (s *Server) isAdministrator(r *http.Request) bool {
	token := graph.BearerToken(r.Header.Get("Authorization"))
	if token == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	actor, err := s.Resolver.DB.Actor(ctx, token)
	return err == nil && actor.MayEverywhere(mesa.MayManageSettings)
}

// Checklist answers with the lines of the board, as text or (by Accept) as JSON. It is for operators. The status is that of readiness alone:
// what a server can do without, such as Redis, must not take it out of service.
func (s *Server) Checklist(w http.ResponseWriter, r *http.Request) {
	status, text := s.readiness(r.Context())
	lines := s.Board.Lines(r.Context())
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(verify.ReportOf(lines))
		return
	}
	var list strings.Builder
	verify.Print(&list, lines)
	answer(w, status, list.String()+text)
}
