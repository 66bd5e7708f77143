package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mesapartes/mesa/db"
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
	wrong := s.database.wrong(ctx, s.Resolver.DB)
	switch {
	case s.stopping.Load():
		return http.StatusServiceUnavailable, "stopping"
	case wrong != "":
		return http.StatusServiceUnavailable, wrong
	}
	return http.StatusOK, "ready"
}

// askedDatabase is what was found of the database last: however many ask, it is asked once in a while.
type askedDatabase struct {
	mu    sync.Mutex
	until time.Time
	found string
}

// askedFor is how long what was found is told.
const askedFor = time.Second

// wrong says why the database cannot be worked with, "" when it can, as of a second ago at most. It waits while somebody asks.
func (a *askedDatabase) wrong(ctx context.Context, database *db.DB) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Now().Before(a.until) {
		return a.found
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second) // others are told, too, when who asked has gone
	defer cancel()
	switch pending, _, err := database.PendingMigrations(ctx); {
	case err != nil:
		a.found = "database does not answer"
	case len(pending) > 0:
		a.found = "migrations pending: run mesa migrate"
	default:
		a.found = ""
	}
	a.until = time.Now().Add(askedFor)
	return a.found
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
