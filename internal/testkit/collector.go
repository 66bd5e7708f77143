package testkit

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector receives traces by OTLP over HTTP and keeps them.
type Collector struct {
	URL string // of the server

	mu    sync.Mutex
	spans []*TracedSpan
	raw   bytes.Buffer
	about map[string]string
	asked []http.Header
}

// TracedSpan is a span as it came, its ids in hexadecimal and its attributes as texts.
type TracedSpan struct {
	Name, Trace, ID, Parent string
	Links                   []string // ids of spans
	Attributes              map[string]string
	Failed                  bool
	Start, End              uint64 // Unix ns
}

// NewCollector starts one that lives as long as the test.
func NewCollector(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{about: map[string]string{}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// ServeHTTP takes a batch, as a collector does; what is none is refused.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil && r.Header.Get("Content-Encoding") == "gzip" {
		body, err = unzipped(body)
	}
	batch := &otlp.TracesData{}
	if err == nil {
		err = proto.Unmarshal(body, batch)
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || len(batch.ProtoReflect().GetUnknown()) > 0 {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(body)
	c.asked = append(c.asked, r.Header)
	for _, from := range batch.ResourceSpans {
		for _, a := range from.Resource.Attributes {
			c.about[a.Key] = a.Value.GetStringValue()
		}
		for _, scope := range from.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, traced(s))
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func unzipped(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func traced(s *otlp.Span) *TracedSpan {
	one := &TracedSpan{
		Name: s.Name, Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Attributes: map[string]string{}, Failed: s.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR, Start: s.StartTimeUnixNano, End: s.EndTimeUnixNano,
	}
	for _, l := range s.Links {
		one.Links = append(one.Links, hex.EncodeToString(l.SpanId))
	}
	for _, a := range s.Attributes {
		one.Attributes[a.Key] = a.Value.GetStringValue()
		if _, isNumber := a.Value.Value.(*common.AnyValue_IntValue); isNumber {
			one.Attributes[a.Key] = strconv.FormatInt(a.Value.GetIntValue(), 10)
		}
	}
	return one
}

// Spans are those that have come, by their beginning.
func (c *Collector) Spans() []*TracedSpan {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedStableFunc(slices.Values(c.spans), func(a, b *TracedSpan) int { return int(a.Start) - int(b.Start) })
}

// Named are the spans of a name.
func (c *Collector) Named(name string) []*TracedSpan {
	return slices.DeleteFunc(c.Spans(), func(s *TracedSpan) bool { return s.Name != name })
}

// Path are the names of a span and of those above it, the outermost first.
func (c *Collector) Path(s *TracedSpan) []string {
	for _, other := range c.Spans() {
		if other.ID == s.Parent && other.Trace == s.Trace {
			return append(c.Path(other), s.Name)
		}
	}
	return []string{s.Name}
}

// Raw is every byte that has come, unpacked.
func (c *Collector) Raw() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.raw.Bytes())
}

// About is what the sender says of itself.
func (c *Collector) About(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.about[name]
}

// Requests are the headers of all batches.
func (c *Collector) Requests() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}
