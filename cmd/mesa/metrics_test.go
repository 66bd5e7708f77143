package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// scrape reads the metrics of a process by the address that it logged.
func scrape(t *testing.T, log *testkit.Output) string {
	t.Helper()
	res, err := http.Get("http://" + regexp.MustCompile(`msg=metrics address=(\S+)`).FindStringSubmatch(log.String())[1] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shows waits until a process shows some series, each as far as it is given, and gives all that it shows then. A process counts what it did
// when it has answered, and leaves out what its database does not tell in time.
func shows(t *testing.T, log *testkit.Output, series ...string) (metrics string) {
	t.Helper()
	series = append(series, "mesa_audit_seal_lag_seconds", "mesa_workers", "mesa_jobs_oldest_seconds")
	isShown := func(s string) bool {
		return regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(s) + `($|[ {,])`).MatchString(metrics)
	}
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(50 * time.Millisecond) {
		metrics = scrape(t, log)
		if !slices.ContainsFunc(series, func(s string) bool { return !isShown(s) }) {
			return metrics
		}
	}
	t.Errorf("not shown: %q", slices.DeleteFunc(series, isShown))
	return metrics
}

// send posts a request as it is, with a token and an Accept unless these are ""; the answer is to be closed.
func (s *server) send(token, accept string, request map[string]any) *http.Response {
	s.t.Helper()
	content, err := json.Marshal(request)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.base+"/graphql", bytes.NewReader(content))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}

// labelled lists the metrics of Mesa with the names of their labels, as "name{a,b}".
func labelled(metrics string) []string {
	names, label := map[string]bool{}, regexp.MustCompile(`(\w+)="`)
	for _, series := range regexp.MustCompile(`(?m)^(mesa_\w+)(?:\{(.*)\})? `).FindAllStringSubmatch(metrics, -1) {
		var labels []string
		for _, l := range label.FindAllStringSubmatch(series[2], -1) {
			labels = append(labels, l[1])
		}
		names[series[1]+"{"+strings.Join(labels, ",")+"}"] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// ofEach are the metrics of every process, ofServers those that a server has besides once it has answered.
var (
	ofEach = []string{
		"mesa_audit_seal_lag_seconds{}", "mesa_audit_sealed_entries{}",
		"mesa_cache_bytes{}", "mesa_cache_entries{}", "mesa_cache_evicted_total{}", "mesa_cache_fetched_total{}", "mesa_cache_found_total{}",
		"mesa_cache_hit_age_seconds_count{}", "mesa_cache_hit_age_seconds_sum{}", "mesa_cache_joined_total{}",
		"mesa_cache_max_bytes{}", "mesa_cache_redis_failures_total{}", "mesa_cache_redis_in_use{}", "mesa_cache_refreshes_total{}",
		"mesa_cache_requests_total{outcome,tier}", "mesa_cache_unkept_total{reason}",
		"mesa_database_connections{pool,state}", "mesa_database_max_connections{pool}", "mesa_database_wait_seconds_total{pool}", "mesa_database_waits_total{pool}",
		"mesa_errors_total{code}", "mesa_job_attempts_total{kind,outcome}", "mesa_job_seconds_bucket{kind,le}", "mesa_job_seconds_count{kind}", "mesa_job_seconds_sum{kind}", "mesa_jobs_oldest_seconds{queue}", "mesa_jobs{queue,state}",
		"mesa_sql_seconds_total{fingerprint}", "mesa_sql_slow_total{fingerprint}", "mesa_sql_statements_total{fingerprint}", "mesa_workers{}",
	}
	ofServers = []string{
		"mesa_cache_invalidations_total{tag}", "mesa_connections{}",
		"mesa_loader_batch_size_bucket{loader,le}", "mesa_loader_batch_size_count{loader}", "mesa_loader_batch_size_sum{loader}",
		"mesa_operation_seconds_bucket{operation,outcome,type,le}", "mesa_operation_seconds_count{operation,outcome,type}", "mesa_operation_seconds_sum{operation,outcome,type}",
		"mesa_refused_total{limit}", "mesa_subscriptions{}",
	}
)

func TestProcessesCountWhatTheyDo(t *testing.T) {
	t.Parallel()
	manifest := filepath.Join(t.TempDir(), "relay.json")
	if err := os.WriteFile(manifest, []byte(`{"mine": "query OfTheClerk { viewer { user { id } } }"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	o := openOffice(t, testkit.SQLiteClone(t, furnished, furnish(t)), "--metrics-addr", "127.0.0.1:0")
	s := o.serve("--no-workers", "--manifests", manifest, "--limits", "aliases=1")
	clerk := strings.TrimSpace(works(t, "token", "--email", "jefe.mesa@demo.mesa.pe", "--database-url", o.url))
	document := s.editable(clerk)
	s.must(clerk, writeNotes, map[string]any{"id": document, "notes": "counted"})
	s.must(clerk, `query Anything($id: ID!) { nodes(ids: [$id]) { id } }`, map[string]any{"id": document})
	job, waits := o.enqueue(s, map[string]any{}), o.enqueue(s, map[string]any{"runAt": "2999-01-01T00:00:00Z"}) // whoever follows the second does so for ever
	events := s.send(o.token, "text/event-stream", map[string]any{"query": `subscription Follow($id: ID!) { jobUpdated(id: $id) { state } }`, "variables": map[string]any{"id": waits}})
	defer events.Body.Close()
	for _, request := range []map[string]any{
		{"documentId": "mine"},
		{"query": `query Anything { ...F } fragment F on Query { __typename documents(first: 2) { nodes { timeline(first: 1) { nodes { id } } } } }`},
		{"query": `query Anything { __typename }`},
		{"query": `query Anything { nothing }`},
		{"query": `{ a: __typename b: __typename }`},
		{"query": `query Broken {`},
	} {
		s.send(o.token, "application/json", request).Body.Close()
	}
	working := o.work()
	o.until(time.Minute, "the job to end", func() bool { return o.job(job).State == mesa.JobSucceeded })

	server := shows(t, s.log,
		`mesa_operation_seconds_count{operation="OfTheClerk",outcome="ok",type="query"} 1`,
		`mesa_operation_seconds_count{operation="documents",outcome="ok",type="query"} 2`,
		`mesa_operation_seconds_count{operation="__typename",outcome="ok",type="query"} 1`,
		`mesa_operation_seconds_count{operation="enqueueDiagnostic",outcome="ok",type="mutation"} 2`,
		`mesa_operation_seconds_count{operation="jobUpdated",outcome="ok",type="subscription"} 1`,
		`mesa_operation_seconds_count{operation="other",outcome="refused",type="other"} 3`,
		`mesa_loader_batch_size_sum{loader="Document"} 1`,
		`mesa_errors_total{code="GRAPHQL_PARSE_FAILED"} 1`,
		`mesa_errors_total{code="LIMIT_EXCEEDED"} 1`,
		`mesa_errors_total{code="INTERNAL"} 0`,
		`mesa_subscriptions 1`,
		`mesa_connections 1`,
		`mesa_workers 1`,
		`mesa_cache_redis_in_use 0`,
	)
	if strings.Contains(server, "Anything") || strings.Contains(server, "Broken") || strings.Contains(server, "Follow") {
		t.Error("a name that a client chose is a label")
	}
	compare(t, "the server", labelled(server), ofEach, ofServers)

	worker := shows(t, working.log, `mesa_job_attempts_total{kind="DIAGNOSTIC",outcome="SUCCEEDED"} 1`)
	compare(t, "the worker", labelled(worker), ofEach)
}

func compare(t *testing.T, who string, has []string, wanted ...[]string) {
	t.Helper()
	if want := slices.Sorted(slices.Values(slices.Concat(wanted...))); !slices.Equal(has, want) {
		t.Errorf("%s shows\n%s\nwant\n%s", who, strings.Join(has, "\n"), strings.Join(want, "\n"))
	}
}
