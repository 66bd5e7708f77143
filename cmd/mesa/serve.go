package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/bus"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/outbound"
	"github.com/mesapartes/mesa/internal/verify"
	"github.com/mesapartes/mesa/web"
)

type serveCmd struct {
	Addr        string        `default:"127.0.0.1:8080" env:"MESA_ADDR" help:"Address to listen on; port 0 takes a free one."`
	AddrFile    string        `env:"MESA_ADDR_FILE" help:"File to write the bound address into once ready."`
	Demo        bool          `env:"MESA_DEMO" help:"Create the demo institution on the first start."`
	NoMigrate   bool          `env:"MESA_NO_MIGRATE" help:"Do not bring the schema up to date at the start."`
	Documents   string        `default:"allow" enum:"off,allow,require" env:"MESA_DOCUMENTS" help:"Trusted documents: off ignores manifests, allow takes them besides any text, require runs nothing else."`
	Manifests   []string      `env:"MESA_MANIFESTS" help:"Files of trusted documents (Apollo, Relay or graphql-codegen), separated by commas."`
	Origins     []string      `env:"MESA_ORIGINS" help:"Origins whose pages may use the API, such as https://app.example.org, separated by commas; the server's own always may."`
	NoGraphiQL  bool          `name:"no-graphiql" env:"MESA_NO_GRAPHIQL" help:"Do not serve the GraphiQL page."`
	NoWorkers   bool          `env:"MESA_NO_WORKERS" help:"Leave the work in the background to processes of mesa work."`
	StopTimeout time.Duration `default:"10s" env:"MESA_STOP_TIMEOUT" help:"How long running requests may take to end at SIGTERM."`
	bounds
	watched
	working
}

// gcPercent trades memory for time: a page of documents is some thousands of small short-lived values, and collecting them at the
// default pace costs two fifths of the processor. The soft limit keeps it from growing without bound.
const (
	gcPercent   = 400
	memoryLimit = 2 << 30
)

// limitMemory sets the pace of the collector unless the operator did.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// Run starts everything in order: database, schema, institution, desk, feed, listener, workers. The stop is its mirror.
func (c *serveCmd) Run(out *streams, s *settings) error {
	log := s.logger(out.stderr)
	p, err := c.parse()
	if err != nil {
		return err
	}
	if err := c.tryAddress(); err != nil {
		return err
	}
	rates, err := c.limiter(s, log)
	if err != nil {
		return err
	}
	defer rates.Stop()
	limitMemory()
	tracer, stopWatched, err := c.watched.start(log)
	if err != nil {
		return err
	}
	defer stopWatched()
	database, err := s.open(out.ctx, log)
	if err != nil {
		return err
	}
	defer database.Close()
	if err := c.prepare(out, s, database, log); err != nil {
		return err
	}
	feed := bus.New(database.DB, log)
	feed.Confirm = database.cache.Confirm
	defer feed.Stop()
	server, err := c.server(s, p, database, log)
	if err != nil {
		return err
	}
	r := server.Resolver
	r.Feed, r.Rates, r.Tracer, r.Metrics = feed, rates, tracer, metrics.New()
	stopMetrics, err := c.watched.showMetrics(metrics.Process{Metrics: r.Metrics, DB: r.DB, Cache: r.Cache, Refusals: r.Refusals, Open: r.Open}, server.Checklist, log)
	if err != nil {
		return err
	}
	defer stopMetrics()
	listener, err := c.listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	var work *background
	if !c.NoWorkers {
		if work, err = s.startWork(out.ctx, c.working, database, tracer, r.Metrics, log); err != nil {
			return err
		}
		defer work.stop()
	}
	return c.answer(out, s, listener, server, feed, work, log)
}

// parsed are the settings that are texts with a form of their own.
type parsed struct {
	limits    graph.Limits
	proxies   []netip.Prefix
	documents *graph.Documents
}

// parse reads them, before anything is done, and says what is wrong with those that the flags cannot tell themselves.
func (c *serveCmd) parse() (p parsed, err error) {
	if c.StopTimeout < 0 {
		return p, errors.New("MESA_STOP_TIMEOUT cannot be negative")
	}
	if c.OperationTimeout < 0 {
		return p, errors.New("MESA_OPERATION_TIMEOUT cannot be negative: 0 is without end")
	}
	if err := web.CheckOrigins(c.Origins); err != nil {
		return p, err
	}
	if p.limits, err = graph.ParseLimits(c.Limits); err != nil {
		return p, err
	}
	if p.proxies, err = outbound.ParseAllow(c.TrustedProxies); err != nil {
		return p, fmt.Errorf("trusted proxies: %w", err)
	}
	if p.documents, err = graph.LoadDocuments(graph.DocumentMode(c.Documents), c.Manifests, p.limits); err != nil {
		return p, fmt.Errorf("trusted documents (--manifests or MESA_MANIFESTS): %w", err)
	}
	return p, nil
}

// server makes the API, but for what it shares with the rest of the process.
func (c *serveCmd) server(s *settings, p parsed, st *store, log *slog.Logger) (*web.Server, error) {
	reports, err := s.fileStore()
	if err != nil {
		return nil, err
	}
	keys, err := s.keyring()
	if err != nil {
		return nil, err
	}
	return &web.Server{
		Resolver: &graph.Resolver{
			DB: st.DB, Desk: desk.New(st.DB, log).Exchanging(st.peers), Jobs: st.signals, Log: log, Cache: st.cache, Documents: p.documents,
			Files: reports, Keys: keys, Version: version, Diagnostics: s.Diagnostics, Limits: p.limits, Timeout: c.OperationTimeout,
		},
		Log:           log,
		Introspection: s.Mode != "production",
		GraphiQL:      !c.NoGraphiQL,
		Origins:       c.Origins,
		Proxies:       p.proxies,
		Board:         &verify.Board{Checks: s.installation(st, reports).Quick()},
	}, nil
}

func (c *serveCmd) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen (--addr or MESA_ADDR): %w", err)
	}
	return listener, nil
}

// tryAddress says whether the address can be had, before anything is done. It is left free until requests are answered: those that come
// while the schema is brought up to date are refused, not kept waiting, and a proxy sends them to another process.
func (c *serveCmd) tryAddress() error {
	listener, err := c.listen()
	if err != nil {
		return err
	}
	return listener.Close()
}

// prepare brings the schema up to date, makes sure that there is an institution, and lets the process follow what others change.
func (c *serveCmd) prepare(out *streams, s *settings, st *store, log *slog.Logger) error {
	if !c.NoMigrate {
		if err := migrate(out.ctx, st.DB, log); err != nil {
			return err
		}
	}
	if err := c.found(out, s, st.DB); err != nil {
		return err
	}
	if err := warnOfNewer(out.ctx, st.DB, log); err != nil {
		return err
	}
	if err := st.watch(out.ctx); err != nil {
		return err
	}
	if err := s.startExchange(out.ctx, st); err != nil {
		return err
	}
	st.cache.Announce()
	return nil
}

// found makes sure that there is an institution.
func (c *serveCmd) found(out *streams, s *settings, database *db.DB) error {
	if !c.Demo {
		_, err := demo.CreateBase(out.ctx, database)
		return err
	}
	credentials, created, err := demo.Create(out.ctx, database, demo.Options{})
	if err != nil || !created {
		return err
	}
	return writeCredentials(s.credentialsFile(), credentials)
}

func (s *settings) credentialsFile() string { return filepath.Join(s.DataDir, "demo-credentials.json") }

// writeCredentials writes a file that only its owner reads, whole or not at all.
func writeCredentials(path string, credentials []demo.Credential) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(credentials, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("demo credentials: %w", err)
	}
	return os.Rename(path+".new", path)
}

// answer serves until ctx ends, then lets running requests and jobs end.
func (c *serveCmd) answer(out *streams, s *settings, listener net.Listener, server *web.Server, feed *bus.Feed, work *background, log *slog.Logger) error {
	requests, abort := context.WithCancel(context.Background())
	defer abort() // what did not end in time
	h := &http.Server{
		Handler: server.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return requests }, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(listener) }()
	if err := c.announce(out, s, listener.Addr().String(), log); err != nil {
		return errors.Join(err, h.Close())
	}
	select {
	case err := <-failed:
		return err
	case <-out.ctx.Done():
	}
	server.Stop()
	log.Info("stopping") // and from here on nobody is told that it is ready
	working := make(chan struct{})
	go func() { defer close(working); work.stop() }() // while requests end
	defer func() { <-working }()
	feed.Stop() // which ends streams and closes WebSockets
	ctx, cancel := context.WithTimeout(context.Background(), c.StopTimeout)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were still running after %s: %w", c.StopTimeout, err), h.Close())
	}
	server.Wait(ctx)
	if c.AddrFile != "" {
		_ = os.Remove(c.AddrFile)
	}
	<-working
	log.Info("stopped")
	return nil
}

// announce tells scripts and people where it is.
func (c *serveCmd) announce(out *streams, s *settings, addr string, log *slog.Logger) error {
	if c.AddrFile != "" {
		if err := os.WriteFile(c.AddrFile+".new", []byte(addr+"\n"), 0o644); err != nil {
			return fmt.Errorf("address file: %w", err)
		}
		if err := os.Rename(c.AddrFile+".new", c.AddrFile); err != nil {
			return fmt.Errorf("address file: %w", err)
		}
	}
	log.Info("ready", "address", addr, "mode", s.Mode)
	if !c.NoGraphiQL {
		fmt.Fprintf(out.stdout, "\n  Mesa is at http://%s/graphiql/\n", addr)
	}
	if c.Demo {
		fmt.Fprintf(out.stdout, "  Sign in with an e-mail and password of %s\n  (the first tab of the page does it)\n\n", s.credentialsFile())
	}
	return nil
}
