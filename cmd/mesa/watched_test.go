package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit"
)

// A process in production tells a collector what it does, writes JSON with the ids of traces, and shows its profiles where it is told to.
func TestAProcessIsWatched(t *testing.T) {
	collector := testkit.NewCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	serveLogged(t, []string{"--data-dir", t.TempDir(), "--demo", "--mode", "production", "--slow-at", "1ns", "--pprof-addr", "127.0.0.1:0"}, func(base string, log *testkit.Output) {
		if answer := post(t, base, "", `query Kinds { __typename }`); !strings.Contains(answer, "Query") {
			t.Fatal(answer)
		}
		post(t, base, "ses_x", `query Me { viewer { user { id } } }`)
		address := regexp.MustCompile(`"msg":"profiles","address":"([^"]+)"`).FindStringSubmatch(log.String())
		if address == nil {
			t.Fatalf("no address of profiles:\n%s", log.String())
		}
		profiles := "http://" + address[1] + "/debug/pprof/"
		for url, want := range map[string]int{profiles: 200, profiles + "heap": 200, profiles + "cmdline": 404, profiles + "profile?seconds=1": 200, base + "/debug/pprof/": 404} {
			res, err := http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s: %s", url, res.Status)
			}
		}
		// What is left at the stop has two seconds, which a busy machine may need for something else.
		(&office{T: t}).until(2*time.Minute, "the collector has the operations", func() bool {
			return len(collector.Named("query Kinds")) > 0 && len(collector.Named("query Me")) > 0
		})
		if !regexp.MustCompile(`"msg":"slow statement".*"trace_id":"\w{32}","span_id":"\w{16}"`).MatchString(log.String()) {
			t.Errorf("no slow statement with a trace:\n%s", log.String())
		}
	})
	if len(collector.Named("query Kinds")) != 1 || len(collector.Named("query Me")) != 1 || collector.About("service.version") != version {
		t.Errorf("sent by %q: %d spans", collector.About("service.version"), len(collector.Spans()))
	}
}
