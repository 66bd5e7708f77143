package trace_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// started starts a tracer that sends to a server, which has time to take what is sent at the stop.
func started(t *testing.T, server string) (*trace.Tracer, *testkit.Output) {
	t.Helper()
	return startedWith(t, server, 2*time.Minute)
}

func startedWith(t *testing.T, server string, stopWithin time.Duration) (*trace.Tracer, *testkit.Output) {
	t.Helper()
	log := &testkit.Output{}
	tracer, err := trace.Start(trace.Options{Endpoint: server + "/v1/traces", StopWithin: stopWithin, Version: "1.2.3", Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracer.Stop)
	return tracer, log
}

// work is what is done for a request, as the floors below do it.
func work(ctx context.Context) {
	ctx, span := trace.Begin(ctx, "loader", "Document")
	span.Int("mesa.batch.size", 3)
	trace.Past(ctx, "SQL", "SELECT", time.Now()).End(nil)
	trace.Of(trace.Under(context.Background(), ctx)).Text("of", "it")
	_ = trace.Of(ctx).Parent()
	span.End(nil)
}

func TestWithoutATraceNothingIsAllocated(t *testing.T) {
	log := slog.New(trace.Logged(slog.DiscardHandler))
	ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, "something else")
	var none *trace.Tracer
	if n := testing.AllocsPerRun(100, func() {
		ctx, span := none.Begin(ctx, trace.Origin{Kind: "HTTP", Name: "/graphql"})
		work(ctx)
		span.End(nil)
		log.InfoContext(ctx, "done")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	none.Stop()
}

func BenchmarkWithoutATrace(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		work(b.Context())
	}
}

func TestSpansAreATree(t *testing.T) {
	t.Parallel()
	collector := testkit.NewCollector(t)
	tracer, _ := started(t, collector.URL)
	ctx, root := tracer.Begin(t.Context(), trace.Origin{Kind: "HTTP", Name: "/graphql", Served: true})
	work(ctx)
	root.Rename("query", "Inbox")
	root.End(nil)
	root.Text("too", "late")
	work(ctx) // of an ended span
	tracer.Stop()
	tracer.Stop()

	if n := len(collector.Spans()); n != 3 {
		t.Fatalf("%d spans", n)
	}
	statement := collector.Named("SQL SELECT")[0]
	if path := collector.Path(statement); !slices.Equal(path, []string{"query Inbox", "loader Document", "SQL SELECT"}) {
		t.Errorf("the statement is at %q", path)
	}
	if a := collector.Named("loader Document")[0].Attributes; a["mesa.batch.size"] != "3" || a["of"] != "it" {
		t.Errorf("the loader says %v", a)
	}
	if collector.About("service.name") != "mesa" || collector.About("service.version") != "1.2.3" {
		t.Errorf("sent by %q %q", collector.About("service.name"), collector.About("service.version"))
	}
}

// The text of an error may quote what somebody typed.
func TestAnErrorIsItsCode(t *testing.T) {
	t.Parallel()
	collector := testkit.NewCollector(t)
	tracer, _ := started(t, collector.URL)
	ctx, root := tracer.Begin(t.Context(), trace.Origin{Kind: "test"})
	cases := map[string]error{
		"VALIDATION_FAILED": mesa.Invalid("email", "Ana <ana@example.org> no existe."), "CANCELED": fmt.Errorf("Ana: %w", context.Canceled),
		"TIMEOUT": fmt.Errorf("Ana: %w", context.DeadlineExceeded), "INTERNAL": errors.New("Ana"),
	}
	for code, err := range cases {
		_, span := trace.Begin(ctx, "case", code)
		span.End(err)
	}
	root.End(nil)
	tracer.Stop()
	for code, err := range cases {
		for _, span := range collector.Named("case " + code) {
			if !span.Failed || span.Attributes["error.type"] != code {
				t.Errorf("%v is %v", err, span.Attributes)
			}
		}
	}
	if len(collector.Spans()) != len(cases)+1 || bytes.Contains(collector.Raw(), []byte("Ana")) {
		t.Errorf("%d spans: %q", len(collector.Spans()), collector.Raw())
	}
}

func TestTracesAreLinked(t *testing.T) {
	t.Parallel()
	collector := testkit.NewCollector(t)
	tracer, _ := started(t, collector.URL)
	ctx, asked := tracer.Begin(t.Context(), trace.Origin{Kind: "asked"})
	parent := asked.Parent()
	asked.End(nil)
	_, job := tracer.Begin(t.Context(), trace.Origin{Kind: "job", Link: parent})
	job.End(nil)
	_, proxied := tracer.Begin(t.Context(), trace.Origin{Kind: "proxied", Parent: parent})
	proxied.End(nil)
	_, unsampled := tracer.Begin(t.Context(), trace.Origin{Kind: "unsampled", Parent: parent[:len(parent)-1] + "0"})
	if unsampled.IsOn() || unsampled.Parent() != "" {
		t.Error("a trusted caller decides that nothing is traced")
	}
	_, broken := tracer.Begin(t.Context(), trace.Origin{Kind: "broken", Parent: "00-zz", Link: strings.Repeat("0", 500)})
	broken.End(nil)

	later, end := tracer.Later(ctx, trace.Origin{Kind: "later"})
	work(later)
	end(false)
	_, end = tracer.Later(ctx, trace.Origin{Kind: "empty"})
	end(true)
	_, end = tracer.Later(ctx, trace.Origin{Kind: "nothing"})
	end(false)
	tracer.Stop()

	origin := collector.Named("asked")[0]
	for name, want := range map[string][]string{"job": {origin.ID}, "later": {origin.ID}, "empty": {origin.ID}, "proxied": nil, "broken": nil} {
		spans := collector.Named(name)
		if len(spans) != 1 || !slices.Equal(spans[0].Links, want) {
			t.Errorf("%s: %+v", name, spans)
			continue
		}
		if sameTrace := spans[0].Trace == origin.Trace; sameTrace != (name == "proxied") {
			t.Errorf("%s is in trace %s, what led to it in %s", name, spans[0].Trace, origin.Trace)
		}
	}
	if p := collector.Named("proxied")[0].Parent; p != origin.ID {
		t.Errorf("what a trusted caller asked for is below %s", p)
	}
	if path := collector.Path(collector.Named("SQL SELECT")[0]); path[0] != "later" {
		t.Errorf("what was done is at %q", path)
	}
	if got := collector.Named("nothing"); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestTheLogNamesTheSpan(t *testing.T) {
	t.Parallel()
	collector := testkit.NewCollector(t)
	tracer, _ := started(t, collector.URL)
	ctx, span := tracer.Begin(t.Context(), trace.Origin{Kind: "asked"})
	var out testkit.Output
	log := slog.New(trace.Logged(slog.NewTextHandler(&out, nil))).With("worker", "w1")
	log.InfoContext(t.Context(), "outside")
	log.InfoContext(ctx, "inside")
	span.End(nil)
	tracer.Stop()
	origin := collector.Named("asked")[0]
	outside, inside, _ := strings.Cut(out.String(), "\n")
	if strings.Contains(outside, "trace_id") || !strings.Contains(inside, "worker=w1 trace_id="+origin.Trace+" span_id="+origin.ID) {
		t.Errorf("%s", out.String())
	}
}

// The collector is nobody to wait for: neither where spans end, nor for long at the stop.
func TestACollectorThatDoesNotAnswerHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	servers := map[string]*httptest.Server{
		"silent": httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-leave })),
		"full":   httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })),
		"dead":   httptest.NewServer(nil),
	}
	servers["dead"].Close()
	t.Cleanup(func() { close(leave); servers["silent"].Close(); servers["full"].Close() })
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracer, log := startedWith(t, server.URL, 0) // as a server does
			began := time.Now()
			for range 20_000 { // ten times what is kept for the collector
				ctx, root := tracer.Begin(context.Background(), trace.Origin{Kind: "HTTP"})
				_, span := trace.Begin(ctx, "SQL", "SELECT")
				span.End(nil)
				root.End(nil)
			}
			if took := time.Since(began); took > 30*time.Second { // each would wait for seconds
				t.Errorf("40,000 spans took %s", took)
			}
			began = time.Now()
			tracer.Stop()
			if took := time.Since(began); took > 8*time.Second { // less than a batch may take
				t.Errorf("the stop took %s", took)
			}
			if n := strings.Count(log.String(), "traces do not reach the collector"); n != 1 {
				t.Errorf("told %d times:\n%s", n, log.String())
			}
		})
	}
}

func TestTheEnvironmentSaysWhereTracesGo(t *testing.T) {
	collector := testkit.NewCollector(t)
	for name, c := range map[string]struct {
		set      map[string]string
		endpoint string
		says     string // of the error
	}{
		"nothing":  {},
		"base":     {set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318/"}, endpoint: "http://x:4318/v1/traces"},
		"traces":   {set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://y/t"}, endpoint: "https://y/t"},
		"off":      {set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318", "OTEL_SDK_DISABLED": "true"}},
		"none":     {set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318", "OTEL_TRACES_EXPORTER": "none"}},
		"no URL":   {set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "x:4318"}, says: "http://127.0.0.1:4318"},
		"gRPC":     {set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, says: "http/protobuf"},
		"timeout":  {set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, says: "milliseconds"},
		"headers":  {set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318", "OTEL_EXPORTER_OTLP_HEADERS": "secret"}, says: "name=value"},
		"no value": {set: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318", "OTEL_EXPORTER_OTLP_HEADERS": "a=secret%zz"}, says: "name=value"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range trace.Variables {
				t.Setenv(v.Name, c.set[v.Name])
			}
			o, err := trace.Environment()
			if err == nil && c.says != "" || err != nil && (!strings.Contains(err.Error(), c.says) || c.says == "" || strings.Contains(err.Error(), "secret")) {
				t.Fatalf("%v, want %q", err, c.says)
			}
			if err == nil && o.Endpoint != c.endpoint {
				t.Errorf("to %q, want %q", o.Endpoint, c.endpoint)
			}
		})
	}
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20k1, x-scope = desk", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_SERVICE_NAME": "mesa-norte", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0",
	} {
		t.Setenv(name, value)
	}
	o, err := trace.Environment()
	if err != nil {
		t.Fatal(err)
	}
	o.Log, o.StopWithin = slog.New(slog.DiscardHandler), 2*time.Minute
	tracer, err := trace.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracer.Begin(t.Context(), trace.Origin{Kind: "stranger"})
	span.End(nil)
	_, span = tracer.Begin(t.Context(), trace.Origin{Kind: "asked", Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	span.End(nil)
	tracer.Stop()
	if spans := collector.Spans(); len(spans) != 1 || spans[0].Name != "asked" || spans[0].Trace != "0af7651916cd43dd8448eb211c80319c" {
		t.Fatalf("sampled %+v", spans)
	}
	h := collector.Requests()[0]
	if h.Get("Authorization") != "Bearer k1" || h.Get("X-Scope") != "desk" || h.Get("Content-Encoding") != "gzip" {
		t.Errorf("asked with %v", h)
	}
	if collector.About("service.name") != "mesa-norte" || collector.About("deployment.environment.name") != "test" {
		t.Errorf("sent by %q", collector.About("service.name"))
	}
}
