package graph_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// traced makes a world send its traces to a collector; they have come when send returns.
func traced(t *testing.T, w *world) (collector *testkit.Collector, send func()) {
	t.Helper()
	collector = testkit.NewCollector(t)
	tracer, err := trace.Start(trace.Options{Endpoint: collector.URL + "/v1/traces", StopWithin: patience, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tracer.Stop)
	w.web.Resolver.Tracer = tracer
	w.handler = w.web.Handler()
	return collector, tracer.Stop
}

// withRedis opens a world with a cache in Redis.
func withRedis(t *testing.T, url string) *world {
	t.Helper()
	return caching(t, url, newClock(), cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t), Log: slog.New(slog.DiscardHandler)})
}

// paths are all ways from the outside to a span of a name, each once.
func paths(c *testkit.Collector, name string) (all []string) {
	for _, s := range c.Named(name) {
		if path := strings.Join(c.Path(s), " → "); !slices.Contains(all, path) {
			all = append(all, path)
		}
	}
	return all
}

const nestedTimeline = `query Nested($text: String) { documents(first: 3, filter: {text: $text}) {
	nodes { id derivations(first: 2) { nodes { document { timeline(first: 1) { nodes { id } } } } } } } }`

// An operation is a tree: the request, the operation, its root fields, loaders, statements, and what was asked of Redis.
func TestAnOperationIsTracedDownToItsStatements(t *testing.T) {
	eachHistory(t, func(t *testing.T, url string) {
		t.Parallel()
		var (
			collector *testkit.Collector
			token     string
		)
		for late, try := true, 0; late && try < 5; try++ { // on a busy machine Redis may be late for once
			w := withRedis(t, url)
			var send func()
			collector, send = traced(t, w)
			token = w.token("jefe.mesa")
			asked := request{query: nestedTimeline, token: token, variables: map[string]any{"text": "solicita"}}
			for range 2 {
				if r := w.post(t, asked); r.status != http.StatusOK || strings.Contains(r.body, "errors") {
					t.Fatalf("%d %s", r.status, r.body)
				}
			}
			send()
			late = slices.ContainsFunc(collector.Spans(), func(s *testkit.TracedSpan) bool { return s.Failed })
		}

		const operation = "HTTP /graphql → query Nested"
		for name, want := range map[string]string{
			"SQL SELECT":           operation + " → field documents → loader TimelinePages → SQL SELECT",
			"loader TimelinePages": operation + " → field documents → loader TimelinePages",
			"Redis get":            operation + " → Redis get",
			"Redis set":            operation + " → Redis set",
		} {
			if got := paths(collector, name); !slices.Contains(got, want) {
				t.Errorf("%s is at %q, not at %q", name, got, want)
			}
		}
		operations := collector.Named("query Nested")
		if len(operations) != 2 {
			t.Fatalf("%d operations", len(operations))
		}
		first, second := operations[0].Attributes, operations[1].Attributes
		if first["mesa.cache"] != "MISS" || first["mesa.cost"] == "" || first["graphql.operation.name"] != "Nested" || len(first["graphql.document.hash"]) != 64 || second["mesa.cache"] != "HIT" {
			t.Errorf("the operations say %v and %v", first, second)
		}
		for _, s := range collector.Named("HTTP /graphql") {
			if s.Attributes["http.response.status_code"] != "200" || len(s.Attributes["mesa.request_id"]) != 16 {
				t.Errorf("the request says %v", s.Attributes)
			}
		}
		for _, s := range collector.Spans() {
			if s.Failed {
				t.Errorf("%s failed: %v", s.Name, s.Attributes)
			}
		}
		hidden(t, collector, token, "solicita", "jefe.mesa")
	})
}

// hidden checks that nothing that somebody typed or is known by has been sent.
func hidden(t *testing.T, collector *testkit.Collector, secrets ...string) {
	t.Helper()
	raw := bytes.ToLower(collector.Raw())
	if len(raw) == 0 {
		t.Fatal("nothing was sent")
	}
	for _, secret := range secrets {
		if at := bytes.Index(raw, bytes.ToLower([]byte(secret))); at >= 0 {
			t.Errorf("%q was sent: …%s…", secret, raw[max(0, at-80):at+len(secret)])
		}
	}
}

// What people write, who they are and what they are known by stays here, also where it fails.
func TestTracesHaveNoValues(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		w := withRedis(t, url)
		collector, send := traced(t, w)
		token := w.token("mesa1")
		by := w.actor("mesa1")
		register := `mutation Register($input: RegisterDocumentInput!) { registerDocument(input: $input) { document { id } } }`
		input := map[string]any{
			"typeId": by.Catalogue.Types[0].ID, "subject": "Denuncia del señor O'Higgins", "folios": 3, "notes": "Llamar al 987654321",
			"sender": map[string]any{"kind": "PERSON", "idType": "DNI", "idNumber": "45671238", "name": "Domitila Huanca", "email": "domitila@example.org", "phone": "987654321"},
		}
		if r := w.post(t, request{query: register, token: token, variables: map[string]any{"input": input}}); r.status != http.StatusOK || strings.Contains(r.body, `"errors"`) {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for _, q := range []request{
			{query: `mutation SignIn($p: String!) { signIn(input: {email: "domitila@example.org", password: $p}) { token } }`, variables: map[string]any{"p": "clave-de-domitila"}},
			{query: `query { documents(filter: {text: "Huanca 45671238"}) { nodes { subject } } }`, token: token},
			{query: `query { documents(filter: {text: "Huanca"}) { nodes { nothing } } }`, token: token},
			{query: `query ($id: ID!) { node(id: $id) { id } }`, variables: map[string]any{"id": "doc_domitila"}, token: token},
			{query: `query { viewer { id } }`, token: "ses_domitila"},
		} {
			w.post(t, q)
		}
		send()
		if got := paths(collector, "SQL INSERT"); !slices.Contains(got, "HTTP /graphql → mutation Register → field registerDocument → SQL INSERT") {
			t.Errorf("the statements that write are at %q", got)
		}
		if failed := collector.Named("mutation SignIn"); len(failed) != 1 || !failed[0].Failed {
			t.Errorf("a refused operation says %+v", failed)
		}
		hidden(t, collector, token, "higgins", "domitila", "huanca", "45671238", "987654321", "denuncia", "mesa1", string(by.UserID))
	})
}

// A job has a trace of its own, linked to the operation that asked for it, in whichever process it is done.
func TestAJobIsLinkedToWhatAskedForIt(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		w := behind(t, url, redis{})
		collector, send := traced(t, w)
		reply := w.must(t, request{token: w.token("jefe.mesa"),
			query: `mutation Ask { requestReport(input: {type: OVERDUE, format: CSV, days: 1}) { report { id } } }`})
		id := lookUp(any(reply.data), "requestReport.report.id")
		goOn := make(chan struct{})
		close(goOn)
		stop := w.work(t, goOn)
		s := overSSE(t, w.listening(t), w.token("jefe.mesa"), `subscription($id: ID!) { reportUpdated(id: $id) { state rev progress } }`, map[string]any{"id": id})
		if states := s.toTheEnd(t, "reportUpdated"); states[len(states)-1] != string(mesa.JobSucceeded) {
			t.Fatalf("the report is %v", states)
		}
		stop()
		send()

		asked, attempts := collector.Named("field requestReport"), collector.Named("job REPORT")
		if len(asked) != 1 || len(attempts) != 1 {
			t.Fatalf("%d asked, %d attempts", len(asked), len(attempts))
		}
		if !slices.Equal(attempts[0].Links, []string{asked[0].ID}) || attempts[0].Trace == asked[0].Trace {
			t.Errorf("the attempt is linked to %v, asked for by %s", attempts[0].Links, asked[0].ID)
		}
		if a := attempts[0].Attributes; a["mesa.job.state"] != "SUCCEEDED" || a["mesa.job.queue"] == "" || a["mesa.job.attempt"] != "1" {
			t.Errorf("the attempt says %v", a)
		}
		if got := paths(collector, "SQL SELECT"); !slices.Contains(got, "job REPORT → SQL SELECT") {
			t.Errorf("statements are at %q", got)
		}
	})
}

// A subscription is traced where it begins; each event has a short trace of its own, linked to that.
func TestEventsAreLinkedToTheirSubscription(t *testing.T) {
	for name, subscribe := range transports {
		t.Run(name, func(t *testing.T) {
			eachInstitution(t, func(t *testing.T, url string) {
				t.Parallel()
				w := open(t, url)
				collector, send := traced(t, w)
				doc := w.register(t, "mesa1", mesa.Public)
				const query = `subscription Watch($id: ID!) { documentChanged(id: $id) { event { id } document { id derivations { nodes { id } } } } }`
				s := subscribe(t, w.listening(t), w.token("jefe.mesa"), query, map[string]any{"id": doc.ID})
				w.awake(t, s, doc.ID)
				w.awake(t, s, doc.ID)
				s.close()
				w.feed.Stop()
				send()

				begins := collector.Named("subscription Watch")
				if len(begins) != 1 {
					t.Fatalf("it begins %d times", len(begins))
				}
				for _, name := range []string{"event document.updated", "next Watch"} {
					spans := collector.Named(name)
					if len(spans) == 0 {
						t.Fatalf("no span %s", name)
					}
					for _, e := range spans {
						if !slices.Equal(e.Links, []string{begins[0].ID}) || e.Parent != "" {
							t.Errorf("%+v of the subscription %+v", e, begins[0])
						}
					}
					if last := spans[len(spans)-1]; last.Start < begins[0].End { // the first may come while it begins
						t.Errorf("%+v within the subscription %+v", last, begins[0])
					}
				}
				if got := paths(collector, "loader DerivationPages"); !slices.Equal(got, []string{"next Watch → loader DerivationPages"}) {
					t.Errorf("what an event shows is read at %q", got)
				}
				hidden(t, collector, "cambio", string(doc.ID))
			})
		})
	}
}

// Strangers do not decide what is traced, nor in which trace; a trusted proxy does.
func TestATraceIsGoneOnWithForTrustedProxies(t *testing.T) {
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	collector, send := traced(t, w)
	w.web.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for from, parent := range map[string]string{
		"203.0.113.7:1": "00-11111111111111111111111111111111-1111111111111111-01",
		"10.0.0.5:1":    "00-22222222222222222222222222222222-2222222222222222-01",
		"10.0.0.6:1":    "00-33333333333333333333333333333333-3333333333333333-00",
	} {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query":"{ __typename }"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(trace.Header, parent)
		r.RemoteAddr = from
		w.send(r, "")
	}
	send()
	spans := collector.Named("HTTP /graphql")
	if len(spans) != 2 {
		t.Fatalf("%d traces: %+v", len(spans), spans)
	}
	for _, s := range spans {
		isProxied := s.Trace == strings.Repeat("2", 32)
		if isProxied != (s.Parent == strings.Repeat("2", 16)) || isProxied == slices.Equal(s.Links, []string{strings.Repeat("1", 16)}) {
			t.Errorf("%+v", s)
		}
	}
}
