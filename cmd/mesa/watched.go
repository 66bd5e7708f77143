package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/trace"
)

// watched are the settings by which a process is watched from outside, besides OpenTelemetry's variables.
type watched struct {
	MetricsAddr string `env:"MESA_METRICS_ADDR" help:"Address on which Prometheus finds metrics at /metrics, such as 127.0.0.1:9100; default: none."`
	PprofAddr   string `env:"MESA_PPROF_ADDR" help:"Address on which Go's profiles are at /debug/pprof/, such as 127.0.0.1:6060; default: none. For nobody but operators."`
}

// start starts the tracer, nil when nothing is traced, and the profiles.
func (w watched) start(log *slog.Logger) (tracer *trace.Tracer, stop func(), err error) {
	options, err := trace.Environment()
	if err != nil {
		return nil, nil, err
	}
	options.Version, options.Log = version, log
	stopProfiles, err := listenAside(w.PprofAddr, "profiles", profiles, log)
	if err != nil {
		return nil, nil, err
	}
	if tracer, err = trace.Start(options); err != nil {
		stopProfiles()
		return nil, nil, err
	}
	return tracer, func() { tracer.Stop(); stopProfiles() }, nil
}

// showMetrics serves the metrics of the process and, unless it is nil, the checklist.
func (w watched) showMetrics(of metrics.Process, checklist http.HandlerFunc, log *slog.Logger) (stop func(), err error) {
	routes := map[string]http.Handler{"GET /metrics": of.Handler()}
	if checklist != nil {
		routes["GET /readyz"] = checklist
	}
	return listenAside(w.MetricsAddr, "metrics", routes, log)
}

// profiles are those of Go, but for the command line, which may have passwords in it.
var profiles = map[string]http.Handler{
	"GET /debug/pprof/":        http.HandlerFunc(pprof.Index),
	"GET /debug/pprof/cmdline": http.NotFoundHandler(),
	"GET /debug/pprof/profile": http.HandlerFunc(pprof.Profile),
	"GET /debug/pprof/symbol":  http.HandlerFunc(pprof.Symbol),
	"GET /debug/pprof/trace":   http.HandlerFunc(pprof.Trace),
}

// listenAside serves routes on an address of its own, which is not for strangers; on none when that is "".
func listenAside(address, what string, routes map[string]http.Handler, log *slog.Logger) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for %s: %w", what, err)
	}
	mux := http.NewServeMux()
	for route, handler := range routes {
		mux.Handle(route, handler)
	}
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Serve(listener) }() // until stop
	log.Info(what, "address", listener.Addr().String())
	return func() { _ = h.Close(); <-done }, nil
}
