package trace

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// scope names who makes the spans.
const scope = "github.com/mesapartes/mesa"

// Variables are the environment's words on tracing, as OpenTelemetry defines them, with what holds when they are not set.
var Variables = []struct {
	Name, Default string
	Secret        string // what of it is not to be shown: "url" the password in it, "yes" all
}{
	{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Secret: "url"},
	{Name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Secret: "url"},
	{Name: "OTEL_EXPORTER_OTLP_HEADERS", Secret: "yes"},
	{Name: "OTEL_EXPORTER_OTLP_COMPRESSION", Default: "none"},
	{Name: "OTEL_EXPORTER_OTLP_TIMEOUT", Default: "10000"},
	{Name: "OTEL_EXPORTER_OTLP_PROTOCOL", Default: protocol},
	{Name: "OTEL_SERVICE_NAME", Default: "mesa"},
	{Name: "OTEL_RESOURCE_ATTRIBUTES"},
	{Name: "OTEL_TRACES_SAMPLER", Default: "parentbased_always_on"},
	{Name: "OTEL_TRACES_SAMPLER_ARG"},
	{Name: "OTEL_TRACES_EXPORTER", Default: "otlp"},
	{Name: "OTEL_SDK_DISABLED", Default: "false"},
}

// Setting is a variable of the environment, or its default.
func Setting(name string) string {
	for _, v := range Variables {
		if v.Name == name {
			return cmp.Or(os.Getenv(name), v.Default)
		}
	}
	return ""
}

const protocol = "http/protobuf"

// Options are where traces go.
type Options struct {
	Endpoint string // where batches are posted; "" traces nothing
	Headers  http.Header
	Gzip     bool
	Timeout  time.Duration // of one batch; default 10 s

	StopWithin time.Duration // how long Stop waits for the collector; default 2 s
	Version    string        // of the program
	Log        *slog.Logger
}

// Environment are the options that the environment sets.
func Environment() (o Options, err error) {
	if Setting("OTEL_SDK_DISABLED") == "true" || Setting("OTEL_TRACES_EXPORTER") == "none" {
		return Options{}, nil
	}
	if o.Endpoint = Setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); o.Endpoint == "" && Setting("OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		o.Endpoint = strings.TrimRight(Setting("OTEL_EXPORTER_OTLP_ENDPOINT"), "/") + "/v1/traces"
	}
	if o.Endpoint == "" {
		return o, nil
	}
	if u, err := url.Parse(o.Endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return o, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT must look like http://127.0.0.1:4318")
	}
	if Setting("OTEL_EXPORTER_OTLP_PROTOCOL") != protocol {
		return o, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: only %s is spoken here, usually at port 4318", protocol)
	}
	milliseconds, err := strconv.Atoi(Setting("OTEL_EXPORTER_OTLP_TIMEOUT"))
	if err != nil || milliseconds <= 0 {
		return o, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT is a number of milliseconds")
	}
	o.Timeout = time.Duration(milliseconds) * time.Millisecond
	o.Gzip = Setting("OTEL_EXPORTER_OTLP_COMPRESSION") == "gzip"
	o.Headers, err = headers(Setting("OTEL_EXPORTER_OTLP_HEADERS"))
	return o, err
}

// headers reads name=value pairs, separated by commas, the values escaped as in URLs.
func headers(list string) (http.Header, error) {
	h := http.Header{}
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, escaped, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(escaped))
		if !ok || err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS must look like name=value,name=value") // the cause would quote a key
		}
		h.Set(strings.TrimSpace(name), value)
	}
	return h, nil
}

// Start makes a Tracer, nil when nothing is to be traced. It does not wait for the collector.
func Start(o Options) (*Tracer, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	ctx, abort := context.WithCancel(context.Background())
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "mesa"), attribute.String("service.version", o.Version)), resource.WithFromEnv())
	if err != nil {
		abort()
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn("tracing", "error", err) }))
	exporter, err := otlptrace.New(ctx, newCollector(ctx, o))
	if err != nil {
		abort()
		return nil, err
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &Tracer{provider: provider, tracer: provider.Tracer(scope), abort: abort, stopWithin: cmp.Or(o.StopWithin, 2*time.Second)}, nil
}

// Stop sends what is left, for StopWithin at most, and returns when nothing is being sent any more. It can be called twice, and on nil.
func (t *Tracer) Stop() {
	if t == nil {
		return
	}
	bound := time.AfterFunc(t.stopWithin, t.abort)
	defer bound.Stop()
	_ = t.provider.Shutdown(context.Background()) // the collector tells what it could not send
	t.abort()
}

// collector posts batches. What does not arrive is lost: nobody waits for it, and the log says so once.
type collector struct {
	ctx     context.Context // ends with the patience of Stop
	options Options
	client  http.Client
	failing atomic.Bool
}

var _ otlptrace.Client = (*collector)(nil)

func newCollector(ctx context.Context, o Options) *collector {
	redirected := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // its headers are for nobody else
	return &collector{ctx: ctx, options: o, client: http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), CheckRedirect: redirected}}
}

// Start has nothing to do: each batch is a request.
func (c *collector) Start(context.Context) error { return nil }

// Stop closes the connections.
func (c *collector) Stop(context.Context) error {
	c.client.CloseIdleConnections()
	return nil
}

// UploadTraces sends a batch.
func (c *collector) UploadTraces(ctx context.Context, spans []*otlp.ResourceSpans) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.options.Timeout, 10*time.Second))
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	err := c.post(ctx, spans)
	switch {
	case err != nil && !c.failing.Swap(true):
		c.options.Log.Warn("traces do not reach the collector", "error", err)
	case err == nil && c.failing.Swap(false):
		c.options.Log.Info("traces reach the collector again")
	}
	return nil
}

func (c *collector) post(ctx context.Context, spans []*otlp.ResourceSpans) error {
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: spans}) // on the wire this is an ExportTraceServiceRequest
	if err != nil {
		return err
	}
	if c.options.Gzip {
		body = zipped(body)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.options.Endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if c.options.Headers != nil {
		r.Header = c.options.Headers.Clone()
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	if c.options.Gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	res, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answers %s", res.Status)
	}
	return nil
}

func zipped(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // to memory
	_ = w.Close()
	return b.Bytes()
}
