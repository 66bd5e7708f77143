package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/internal/testkit"
)

// An operator looks after the work in the background from the command line, on both databases; mesa work does it.
func TestLookingAfterJobs(t *testing.T) {
	testkit.EachDatabase(t, func(t *testing.T, database string) {
		at := []string{"--database-url", database, "--data-dir", t.TempDir(), "--diagnostics"}
		with := func(args ...string) []string { return append(args, at...) }
		works(t, with("migrate")...)
		works(t, with("user", "create", "--email", "ana@example.org", "--name", "Ana", "--role", "ADMIN", "--area", "MP")...)
		token := strings.TrimSpace(works(t, with("token", "--email", "ana@example.org")...))
		var job string
		serve(t, with("--no-workers"), func(base string) {
			added := post(t, base, token, `mutation { enqueueDiagnostic(input: { steps: 2 }) { job { id } } }`)
			if job = regexp.MustCompile(`job_\w+`).FindString(added); job == "" {
				t.Fatalf("added %s", added)
			}
		})
		expect := func(want string, args ...string) {
			t.Helper()
			if got := works(t, with(args...)...); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("mesa %s printed\n%s\nwant %s", strings.Join(args, " "), got, want)
			}
		}
		refused := func(says string, args ...string) {
			t.Helper()
			if code, _, stderr := typed(t, with(args...)...); code != 1 || !strings.Contains(stderr, says) {
				t.Errorf("mesa %s: %d %s, want %q", strings.Join(args, " "), code, stderr, says)
			}
		}
		state := func() (j struct {
			State    string
			Attempts []struct{ Outcome string }
		}) {
			t.Helper()
			if err := json.Unmarshal([]byte(works(t, with("jobs", "show", job)...)), &j); err != nil {
				t.Fatal(err)
			}
			return j
		}
		expect(`(?m)^ID +KIND .*\n(?:job_.*\n)*`+job+` +DIAGNOSTIC +default +QUEUED +0 % +0 of 3 `, "jobs", "list")
		expect(`^\{"ID":"`+job+`",.*\}\n$`, "jobs", "list", "--json", "--state", "QUEUED", "--kind", "DIAGNOSTIC", "--queue", "default")
		expect(`^ID .*\n$`, "jobs", "list", "--state", "FAILED,RUNNING")
		refused("one of [QUEUED RUNNING SUCCEEDED FAILED CANCELLED]", "jobs", "list", "--state", "FAILED,failed")
		refused("REPORT", "jobs", "list", "--kind", "letters")
		refused("job_nothing", "jobs", "show", "job_nothing")
		expect(`^$`, "jobs", "pause", "default")
		expect(`(?m)^default +1 +0 +0 +\S+ +true$`, "jobs", "stats")
		expect(`^$`, "jobs", "resume", "default")
		expect(`(?m)^default +1 +0 +0 +\S+ +false$(?s:.*)^retention +17 \* \* \* \* `, "jobs", "stats")
		refused("NOT_FOUND", "jobs", "pause", "letters")
		refused("INVALID_TRANSITION", "jobs", "retry", job)
		expect(`^CANCELLED: `+job+` is CANCELLED\n$`, "jobs", "cancel", job)
		expect(`^ALREADY_FINISHED: `+job+` is CANCELLED\n$`, "jobs", "cancel", job)
		expect(`^`+job+` is QUEUED\n$`, "jobs", "retry", job)
		refused("NOT_FOUND", "jobs", "cancel", "job_nothing")

		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var out, errs testkit.Output
		code := make(chan int, 1)
		go func() { code <- run(ctx, with("work"), &out, &errs) }()
		serve(t, with("--no-workers"), func(base string) { // a process of its own makes what another was asked for
			(&institution{server: &server{t: t, base: base}, token: token}).ends(job, "SUCCEEDED")
			if workers := post(t, base, token, `{ workers { host running } }`); !strings.Contains(workers, `"host":"`) {
				t.Errorf("workers: %s", workers)
			}
		})
		stop()
		if c := <-code; c != 0 || strings.Contains(errs.String(), "level=ERROR") {
			t.Errorf("work ended with %d\n%s", c, errs.String())
		}
		if j := state(); j.State != "SUCCEEDED" || len(j.Attempts) != 1 || j.Attempts[0].Outcome != "SUCCEEDED" {
			t.Errorf("the job is %+v", j)
		}
		refused("lease", "work", "--lease", "1ms")
		if code, _, stderr := typed(t, "work", "--data-dir", filepath.Join(t.TempDir(), "new")); code != 1 || !strings.Contains(stderr, "run mesa migrate") {
			t.Errorf("work without a schema: %d %s", code, stderr)
		}
	})
}
