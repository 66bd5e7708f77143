package graph_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

const (
	reportUpdated = `subscription($id: ID!) { reportUpdated(id: $id) { id state rev progress rowsDone rowsTotal fileName size sha256 errorCode downloadUrl } }`
	jobUpdated    = `subscription($id: ID!) { jobUpdated(id: $id) { id kind state rev attempt progress errorCode lastError } }`
	myReports     = `subscription { myReportsUpdated { id type state progress downloadUrl } }`
)

// behind opens a process of an installation that works in the background; it has no worker before work.
func behind(t *testing.T, url string, shared redis) *world {
	t.Helper()
	w := newWorldWith(t, url, newClock(), nil, db.Options{}, shared)
	keys, err := secret.Parse("test:" + strings.Repeat("A", 43))
	if err != nil {
		t.Fatal(err)
	}
	w.web.Resolver.Files, w.web.Resolver.Keys = files.Folder(t.TempDir()), keys
	w.signals.Start(w.db)
	return w
}

// work runs a worker until it is stopped or the test ends. Its jobs say how far they are and wait for goOn.
func (w *world) work(t *testing.T, goOn <-chan struct{}) (stop func()) {
	t.Helper()
	first := func(do jobs.Handler) jobs.Handler {
		return func(ctx context.Context, work *jobs.Work) (jobs.Done, error) {
			work.Progress(1, 4)
			select {
			case <-goOn:
				return do(ctx, work)
			case <-ctx.Done():
				return jobs.Done{}, ctx.Err()
			}
		}
	}
	handlers := jobs.Handlers{mesa.JobDiagnostic: first(jobs.Diagnostic), mesa.JobReport: first(jobs.Report(w.db, w.web.Resolver.Files))}
	pool := jobs.NewPool(w.db, w.signals, handlers, jobs.Timing{}, slog.New(slog.DiscardHandler))
	pool.Tracer = w.web.Resolver.Tracer
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { pool.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

// requestReport asks for the list of what is late by so many days, so that one can be told from another.
func (w *world) requestReport(t *testing.T, who string, days int) *mesa.ReportRun {
	t.Helper()
	run, err := w.desk.RequestReport(t.Context(), w.actor(who), desk.RequestReportInput{Type: mesa.OverdueReport, Format: mesa.ReportCSV, Days: &days})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// toTheEnd reads messages of one field until the stream ends.
func (s stream) toTheEnd(t *testing.T, field string) (states []string) {
	t.Helper()
	rev, progress := 0.0, 0.0
	for {
		m, ok := s.next(t)
		if !ok {
			return states
		}
		if len(m.errors) > 0 {
			t.Fatalf("told %v", m.errors)
		}
		now := lookUp(any(m.data), field).(map[string]any)
		if now["rev"].(float64) <= rev || now["progress"].(float64) < progress {
			t.Errorf("revision %v after %v, progress %v after %v", now["rev"], rev, now["progress"], progress)
		}
		rev, progress = now["rev"].(float64), now["progress"].(float64)
		states = append(states, now["state"].(string))
		if url, shown := now["downloadUrl"]; shown && (url != nil) != (now["state"] == "SUCCEEDED") {
			t.Errorf("%s with the link %v", now["state"], url)
		}
	}
}

// Whoever follows a piece of work is told how it stands, in whichever process it is done, and of its end exactly once.
func TestWorkIsFollowedToItsEnd(t *testing.T) {
	for name, withRedis := range map[string]bool{"alone": false, "redis": true} {
		t.Run(name, func(t *testing.T) {
			eachInstitution(t, func(t *testing.T, url string) {
				t.Parallel()
				shared := redis{}
				if withRedis {
					shared = redis{testkit.RedisURL(t), testkit.RedisPrefix(t)}
				}
				here, there := behind(t, url, shared), behind(t, url, shared)
				there.web.Resolver.Files = here.web.Resolver.Files
				servers := []string{"ws", "sse"}
				goOn := make(chan struct{})
				run := here.requestReport(t, "jefe.mesa", 1)
				job, _, err := here.desk.Diagnose(t.Context(), here.actor("admin"), desk.DiagnosticJobInput{Steps: 2})
				if err != nil {
					t.Fatal(err)
				}
				type followed struct {
					stream
					what, field string
				}
				follow := func(w *world, what string) (all []followed) {
					server := w.listening(t)
					for _, transport := range servers {
						for _, f := range []struct{ query, who, id, field string }{
							{reportUpdated, "jefe.mesa", string(run.ID), "reportUpdated"}, {jobUpdated, "admin", string(job.ID), "jobUpdated"},
							{jobUpdated, "jefe.mesa", string(run.JobID), "jobUpdated"}, {reportUpdated, "auditor", string(run.ID), "reportUpdated"},
						} {
							s := transports[transport](t, server, w.token(f.who), f.query, map[string]any{"id": f.id})
							all = append(all, followed{s, what + " " + transport + " " + f.field + " " + f.who, f.field})
						}
					}
					return all
				}
				all := slices.Concat(follow(here, "here"), follow(there, "there"))
				for _, f := range all { // each is told of the present first
					if m, ok := f.next(t); !ok || lookUp(any(m.data), f.field+".state") != "QUEUED" {
						t.Errorf("%s: told first %v %v", f.what, m.data, m.errors)
					}
				}
				here.work(t, goOn)
				for _, f := range all {
					for {
						m, ok := f.next(t)
						if progress, _ := lookUp(any(m.data), f.field+".progress").(float64); !ok || progress == 25 {
							break
						}
					}
				}
				reconnected := follow(there, "reconnected") // sees what is, though nothing happens
				for _, f := range reconnected {
					if m, ok := f.next(t); !ok || lookUp(any(m.data), f.field+".state") != "RUNNING" || lookUp(any(m.data), f.field+".progress") != 25.0 {
						t.Errorf("%s: told first %v %v", f.what, m.data, m.errors)
					}
				}
				close(goOn)
				for _, f := range slices.Concat(all, reconnected) {
					states := f.toTheEnd(t, f.field)
					if n := len(states); n == 0 || states[n-1] != "SUCCEEDED" || slices.Contains(states[:n-1], "SUCCEEDED") {
						t.Errorf("%s: told %v", f.what, states)
					}
				}
				for _, f := range follow(there, "late") {
					if states := f.toTheEnd(t, f.field); len(states) != 1 || states[0] != "SUCCEEDED" {
						t.Errorf("%s: told %v", f.what, states)
					}
				}
			})
		})
	}
}

// One subscription shows all reports of somebody: those under way and those that they ask for later, in any process.
func TestOwnReportsAreFollowed(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		for name, subscribe := range transports {
			t.Run(name, func(t *testing.T) {
				days := map[string]int{"ws": 10, "sse": 20}[name]
				here, there := behind(t, url, redis{}), behind(t, url, redis{})
				server := there.listening(t)
				goOn := make(chan struct{})
				close(goOn)
				before := here.requestReport(t, "jefe.mesa", days)
				here.requestReport(t, "auditor", days)
				s := subscribe(t, server, here.token("jefe.mesa"), myReports, nil)
				states := map[any][]any{}
				tell := func() {
					m, ok := s.next(t)
					if !ok || len(m.errors) > 0 {
						t.Fatalf("ended: %v", m.errors)
					}
					id := lookUp(any(m.data), "myReportsUpdated.id")
					states[id] = append(states[id], lookUp(any(m.data), "myReportsUpdated.state"))
				}
				tell()
				after := there.requestReport(t, "jefe.mesa", days+1)
				tell()
				if len(states) != 2 {
					t.Errorf("told of %v", states)
				}
				here.work(t, goOn)
				last := func(run *mesa.ReportRun) any {
					of := states[string(run.ID)]
					return of[len(of)-1]
				}
				for last(before) != "SUCCEEDED" || last(after) != "SUCCEEDED" {
					tell()
				}
				third := here.requestReport(t, "jefe.mesa", days+2)
				for len(states[string(third.ID)]) == 0 || last(third) != "SUCCEEDED" {
					tell()
				}
				if len(states) != 3 {
					t.Errorf("told of %v", states)
				}
			})
		}
	})
}

// A change after the rights are gone is not told: it ends the subscription.
func TestFollowingWorkEndsWithTheRights(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		w := behind(t, url, redis{})
		server := w.listening(t)
		admin, auditor := w.actor("admin"), w.actor("auditor").UserID
		days := 0
		signOut := func(token string) { w.post(t, request{query: `mutation { signOut { ok } }`, token: token}) }
		for name, subscribe := range transports {
			for _, c := range []struct {
				what, query, who string
				end              func(token string)
			}{
				{"their report, signed out", reportUpdated, "jefe.mesa", signOut},
				{"the job of their report, signed out", jobUpdated, "jefe.mesa", signOut},
				{"all of theirs, signed out", myReports, "jefe.mesa", signOut},
				{"another's report, role taken away", reportUpdated, "auditor", func(string) {
					if _, err := w.desk.RevokeRole(t.Context(), admin, desk.RoleInput{UserID: auditor, Role: mesa.Auditor}); err != nil {
						t.Error(err)
					}
				}},
			} {
				t.Run(name+"/"+c.what, func(t *testing.T) {
					days++
					run := w.requestReport(t, "jefe.mesa", days)
					if c.who == "auditor" {
						if _, err := w.desk.GrantRole(t.Context(), admin, desk.RoleInput{UserID: auditor, Role: mesa.Auditor}); err != nil {
							t.Fatal(err)
						}
					}
					variables := map[string]any{"id": run.ID}
					switch c.query {
					case jobUpdated:
						variables["id"] = run.JobID
					case myReports:
						variables = nil
					}
					token := w.token(c.who)
					s := subscribe(t, server, token, c.query, variables)
					if m, ok := s.next(t); !ok || len(m.errors) > 0 {
						t.Fatalf("told first %v", m)
					}
					c.end(token)
					if _, err := w.desk.CancelReport(t.Context(), admin, run.ID); err != nil {
						t.Fatal(err)
					}
					s.ended(t)
				})
			}
		}
	})
}

func TestWorkOfOthersIsNotShown(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		w := behind(t, url, redis{})
		server := w.listening(t)
		run := w.requestReport(t, "jefe.mesa", 1)
		for name, subscribe := range transports {
			for _, c := range []struct {
				who, query string
				id         any
				code       string
			}{
				{"nobody", reportUpdated, run.ID, "UNAUTHENTICATED"}, {"nobody", jobUpdated, run.JobID, "UNAUTHENTICATED"}, {"nobody", myReports, nil, "UNAUTHENTICATED"},
				{"jefe.log", reportUpdated, run.ID, "NOT_FOUND"}, {"jefe.log", reportUpdated, "rep_nothing", "NOT_FOUND"},
				{"auditor", jobUpdated, run.JobID, "NOT_FOUND"}, {"admin", jobUpdated, "job_nothing", "NOT_FOUND"},
			} {
				variables := map[string]any{"id": c.id}
				if c.id == nil {
					variables = nil
				}
				s := subscribe(t, server, w.token(c.who), c.query, variables)
				m, ok := s.next(t)
				if got := codeOf(answer{errors: m.errors}); !ok || got != c.code {
					t.Errorf("%s: %s of %v is told %q %v, want %s", name, c.who, c.id, got, m, c.code)
				}
				s.close()
			}
		}
	})
}

// Where the operator has not switched diagnostics on, not even administrators can make workers crash.
func TestDiagnosticsAreOff(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	w.web.Resolver.Diagnostics = false
	a := w.ask(t, request{query: `mutation { enqueueDiagnostic(input: { crash: true }) { job { id } } }`, token: w.token("admin")})
	if codeOf(a) != "FEATURE_DISABLED" || a.data != nil {
		t.Errorf("%s", a.body)
	}
}

// The link is for whoever asks, so that it can be told who fetched a file.
func TestALinkIsForOnePerson(t *testing.T) {
	eachInstitution(t, func(t *testing.T, address string) {
		t.Parallel()
		w := behind(t, address, redis{})
		goOn := make(chan struct{})
		close(goOn)
		w.work(t, goOn)
		server := w.listening(t)
		run := w.requestReport(t, "jefe.mesa", 1)
		overSSE(t, server, w.token("jefe.mesa"), reportUpdated, map[string]any{"id": run.ID}).toTheEnd(t, "reportUpdated")
		for _, who := range []string{"jefe.mesa", "auditor"} {
			a := w.post(t, request{query: `query($id: ID!) { reportRun(id: $id) { downloadUrl expiresAt rowsTotal } }`, variables: map[string]any{"id": run.ID}, token: w.token(who)})
			_, rest, _ := strings.Cut(a.body, `"downloadUrl":"`)
			link, _, _ := strings.Cut(rest, `"`)
			u, err := url.Parse(strings.ReplaceAll(link, `\u0026`, "&"))
			if err != nil || u.Path != fmt.Sprintf("/reports/%s/file", run.ID) || u.Query().Get("user") != string(w.actor(who).UserID) || u.IsAbs() {
				t.Errorf("the link of %s is %s: %s", who, link, a.body)
			}
		}
	})
}
