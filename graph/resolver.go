// Package graph is the GraphQL API: resolvers of a few lines, loaders, limits and errors.
//
// The executor in graph/exec and the connections and payloads in graph/model are generated from schema/. A resolver reads the
// request's actor and calls a view, a loader or a verb of the desk.
package graph

import (
	"log/slog"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/bus"
	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/rate"
	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/jobs"
)

//go:generate go run ../internal/gqlgen
//go:generate go run ../internal/docs ../docs

// Resolver answers the root fields; it holds what they need.
type Resolver struct {
	DB   *db.DB
	Desk *desk.Desk
	Feed *bus.Feed
	Jobs *jobs.Signals
	Log  *slog.Logger

	Cache     *cache.Cache // nil keeps nothing
	Documents *Documents   // nil knows no document

	Files files.Store     // of reports; nil where none are made
	Keys  *secret.Keyring // sign links to them

	Tracer  *trace.Tracer    // of requests, operations and events; nil traces none
	Metrics *metrics.Metrics // of operations, errors and loaders; nil counts none

	Version string // of the program, as other institutions are told

	Diagnostics bool // whether administrators may add jobs that try the queue

	Limits    Limits        // of one operation; nil are the usual ones
	Timeout   time.Duration // of a query or mutation, statements included; 0 is none
	NoWriters bool          // leave all answers to the executor, and read whole rows for it: to compare
	Rates     *rate.Limiter // of operations; nil counts none

	subscribers tally // subscriptions of each account
	connections tally // connections that stay open, of each address
	seats       seats
	refused     refusals
}
