package main

import (
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// office is a database with the demo institution, at which processes of the program work.
type office struct {
	*testing.T
	url   string
	db    *db.DB
	token string // of an administrator
	flags []string
}

// How the workers of these tests keep time.
const (
	lease       = 4 * time.Second // of which a worker says a third before the end that it works: a busy machine must not look dead
	rescueEvery = 200 * time.Millisecond
	startWithin = 20 * time.Second // on a machine that is busy with other tests: sooner than by the lease that workers have by default
)

// seen is how many ms a job takes that a test wants to see while it runs.
const seen = 5000

// furnished names the template of databases with the demo institution and its history, which furnish makes.
const furnished = "office"

// furnish tells of the deadlines, which the schedule of a server would do five minutes past the hour, whatever a test compares at that moment. It seals
// the history, too: on SQLite a worker that is frozen amid the sealing of a batch keeps all others from writing.
func furnish(t *testing.T) func(url string) {
	return func(url string) {
		works(t, "migrate", "--database-url", url, "--data-dir", t.TempDir())
		database, err := db.Open(t.Context(), url, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer database.Close()
		if _, _, err := demo.Create(t.Context(), database, demo.Options{Documents: 100}); err != nil {
			t.Fatal(err)
		}
		if _, err := database.NoteDeadlines(t.Context(), 10_000); err != nil {
			t.Fatal(err)
		}
		for more := true; more; {
			if _, more, err = database.SealEvents(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// onOffices runs a test on both databases, on PostgreSQL with a Redis of its own.
func onOffices(t *testing.T, body func(o *office)) {
	t.Helper()
	testkit.EachClone(t, furnished, furnish(t), func(t *testing.T, url string) {
		t.Parallel()
		var flags []string
		if strings.HasPrefix(url, "postgres") {
			flags = []string{"--redis-url", testkit.RedisURL(t), "--redis-prefix", testkit.RedisPrefix(t)}
		}
		body(openOffice(t, url, flags...))
	})
}

func openOffice(t *testing.T, url string, flags ...string) *office {
	t.Helper()
	o := &office{T: t, url: url, flags: append([]string{"--database-url", url}, flags...)}
	var err error
	if o.db, err = db.Open(t.Context(), url, db.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.db.Close() })
	o.token = strings.TrimSpace(works(t, "token", "--email", "admin@demo.mesa.pe", "--database-url", url))
	return o
}

// serve starts an API on which diagnostic jobs can be added.
func (o *office) serve(flags ...string) *server {
	o.Helper()
	return startProcess(o.T, slices.Concat(o.flags, []string{"--no-graphiql", "--diagnostics"}, flags)...)
}

// worker is a process of "mesa work".
type worker struct {
	*exec.Cmd
	log *testkit.Output
}

// start starts a worker.
func (o *office) start(flags ...string) (*exec.Cmd, *testkit.Output) {
	o.Helper()
	timing := []string{"--lease", lease.String(), "--rescue-every", rescueEvery.String()}
	return program(o.T, slices.Concat([]string{"work"}, o.flags, timing, flags)...)
}

// work starts a worker and waits until it works.
func (o *office) work(flags ...string) *worker {
	o.Helper()
	cmd, log := o.start(flags...)
	o.until(time.Minute, "the worker works", func() bool { return strings.Contains(log.String(), "msg=working") })
	return &worker{cmd, log}
}

// until waits for what another process does.
func (o *office) until(patience time.Duration, what string, is func() bool) {
	o.Helper()
	for begun := time.Now(); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > patience {
			o.Fatalf("not within %s: %s", patience, what)
		}
	}
}

const diagnose = `mutation Diagnose($input: DiagnosticJobInput!) { enqueueDiagnostic(input: $input) { job { id } } }`

var jobIn = regexp.MustCompile(`"job":\{"id":"(job_\w+)"`)

// enqueue adds a diagnostic job.
func (o *office) enqueue(s *server, input map[string]any) mesa.JobID {
	o.Helper()
	body, _ := s.must(o.token, diagnose, map[string]any{"input": input})
	return mesa.JobID(jobIn.FindStringSubmatch(body)[1])
}

// job is the row as it is.
func (o *office) job(id mesa.JobID) *mesa.Job {
	o.Helper()
	rows, err := o.db.JobsByID(o.Context(), []mesa.JobID{id})
	if err != nil || rows[id] == nil {
		o.Fatalf("job %s: %v", id, err)
	}
	return rows[id]
}

// whoRuns waits until one of two workers has a job, and says which one has it and which has not.
func (o *office) whoRuns(id mesa.JobID, workers []*worker) (has, other *worker) {
	o.Helper()
	o.until(time.Minute, "the job runs", func() bool { return o.has(id, workers[0]) || o.has(id, workers[1]) })
	if o.has(id, workers[0]) {
		return workers[0], workers[1]
	}
	return workers[1], workers[0]
}

// has says whether a worker has a job.
func (o *office) has(id mesa.JobID, w *worker) bool {
	j := o.job(id)
	return j.State == mesa.JobRunning && strings.Contains(string(j.Worker), ":"+strconv.Itoa(w.Process.Pid)+":")
}

// ends waits for the end of a job and checks that it was recorded once.
func (o *office) ends(id mesa.JobID, state mesa.JobState, outcomes ...mesa.AttemptOutcome) *mesa.Job {
	o.Helper()
	o.until(time.Minute, "the job ends", func() bool { return o.job(id).State.IsFinal() })
	j := o.job(id)
	attempts, err := o.db.AttemptsByJob(o.Context(), []mesa.JobID{id})
	if err != nil {
		o.Fatal(err)
	}
	var got []mesa.AttemptOutcome
	for _, a := range attempts[id] {
		got = append(got, a.Outcome)
	}
	if j.State != state || !slices.Equal(got, outcomes) {
		o.Errorf("ended as %s (%s) after %v; want %s after %v", j.State, j.ErrorCode, got, state, outcomes)
	}
	o.until(time.Minute, "its end is recorded", func() bool { return o.endings()[id] > 0 }) // once no older transaction runs
	if n := o.endings()[id]; n != 1 {
		o.Errorf("its end was recorded %d times", n)
	}
	return j
}

// endings counts the events that record the ends of jobs.
func (o *office) endings() map[mesa.JobID]int {
	o.Helper()
	n := map[mesa.JobID]int{}
	for tail, more := (db.Tail{}), true; more; {
		events, err := o.db.EventsAfter(o.Context(), tail, 1000)
		if err != nil {
			o.Fatal(err)
		}
		for _, e := range events {
			if noun, how, _ := strings.Cut(string(e.Type), "."); (noun == "job" || noun == "report") && slices.Contains([]string{"completed", "failed", "cancelled"}, how) {
				n[mesa.JobID(e.ObjectID)]++ // of a report: its own id
			}
			tail = db.Tail{Tx: e.Tx, Seq: e.Seq}
		}
		more = len(events) > 0
	}
	return n
}

func TestTheJobOfAKilledWorkerIsDoneByAnother(t *testing.T) {
	onOffices(t, func(o *office) {
		api := o.serve("--no-workers")
		workers := []*worker{o.work(), o.work()}
		id := o.enqueue(api, map[string]any{"sleepMs": seen, "steps": 10})
		one, two := o.whoRuns(id, workers)
		_ = one.Process.Kill()
		killed := time.Now()
		o.until(lease+rescueEvery+startWithin, "another worker has the job, or had it", func() bool { return o.has(id, two) || o.job(id).State.IsFinal() })
		o.Logf("taken over after %s", time.Since(killed).Round(time.Millisecond))
		if j := o.ends(id, mesa.JobSucceeded, mesa.AttemptLost, mesa.AttemptSucceeded); j.Crashes != 1 || j.Attempt != 0 {
			o.Errorf("%d crashes, %d failures", j.Crashes, j.Attempt)
		}
	})
}

// A worker is frozen for longer than its lease, as a paused machine is. It wakes up in the belief that the job is still its own.
func TestAWorkerThatWasFrozenFindsItsJobTakenOver(t *testing.T) {
	onOffices(t, func(o *office) {
		api := o.serve("--no-workers")
		workers := []*worker{o.work(), o.work()}
		id := o.enqueue(api, map[string]any{"sleepMs": seen, "steps": 10})
		one, two := o.whoRuns(id, workers)
		_ = one.Process.Signal(syscall.SIGSTOP)
		o.until(lease+rescueEvery+startWithin, "another worker has the job, or had it", func() bool { return o.has(id, two) || o.job(id).State.IsFinal() })
		_ = one.Process.Signal(syscall.SIGCONT)
		o.ends(id, mesa.JobSucceeded, mesa.AttemptLost, mesa.AttemptSucceeded)
		o.until(time.Minute, "the frozen one has noticed", func() bool { return strings.Contains(one.log.String(), "job was given to somebody else") })
		_ = two.Process.Kill()
		o.ends(o.enqueue(api, map[string]any{}), mesa.JobSucceeded, mesa.AttemptSucceeded) // by the one that was frozen
	})
}

func TestAJobThatTakesDownItsWorkersFails(t *testing.T) {
	onOffices(t, func(o *office) {
		id := o.enqueue(o.serve("--no-workers"), map[string]any{"crash": true})
		for range mesa.MaxCrashes {
			cmd, log := o.start("--lease", "1h") // found to be dead by the next one, because they are on one machine
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 137 {
				o.Fatalf("exit code %d\n%s", code, log)
			}
		}
		o.work()
		lost := mesa.AttemptLost
		if j := o.ends(id, mesa.JobFailed, lost, lost, lost); j.ErrorCode != mesa.JobCrashLoop || j.Crashes != mesa.MaxCrashes {
			o.Errorf("%s after %d crashes", j.ErrorCode, j.Crashes)
		}
	})
}

// Who starts the program again after a crash does not have to wait for the leases of the process that died.
func TestARestartTakesUpTheJobsOfTheProcessThatDied(t *testing.T) {
	onOffices(t, func(o *office) {
		died := o.serve("--lease", "1h")
		id := o.enqueue(died, map[string]any{"sleepMs": seen})
		o.until(time.Minute, "the job runs", func() bool { return o.job(id).State == mesa.JobRunning })
		died.kill()
		o.serve("--lease", "1h")
		o.until(time.Minute, "the job ends", func() bool { return o.job(id).State.IsFinal() })
		o.ends(id, mesa.JobSucceeded, mesa.AttemptLost, mesa.AttemptSucceeded)
	})
}

func TestAServerThatIsToldToStopLetsJobsEndAndHandsBackTheOthers(t *testing.T) {
	onOffices(t, func(o *office) {
		s := o.serve("--soft-stop", "8s")
		short, long := o.enqueue(s, map[string]any{"sleepMs": 800}), o.enqueue(s, map[string]any{"sleepMs": 600_000, "steps": 10_000})
		o.until(time.Minute, "both run", func() bool { return o.job(short).State != mesa.JobQueued && o.job(long).State == mesa.JobRunning })
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		o.until(time.Minute, "it says that it stops", func() bool { return strings.Contains(s.log.String(), "msg=stopping") })
		if o.isReady(s) {
			o.Error("it stops and is ready for requests")
		}
		if err := s.cmd.Wait(); err != nil {
			o.Errorf("%v\n%s", err, s.log)
		}
		o.ends(short, mesa.JobSucceeded, mesa.AttemptSucceeded)
		if j := o.job(long); j.State != mesa.JobQueued || j.Attempt != 0 || j.Crashes != 0 {
			o.Errorf("the long job is %s after %d failures and %d crashes", j.State, j.Attempt, j.Crashes)
		}
	})
}

// isReady asks a server whether requests may be sent to it; one that takes no connections is not ready.
func (o *office) isReady(s *server) bool {
	res, err := http.Get(s.base + "/readyz")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// What was acknowledged is done although the process that took it died at once, and nobody was told of the job: Redis does not answer.
func TestAJobIsDoneWhoseServerDiedAfterTheAnswer(t *testing.T) {
	o := officeWithRedis(t)
	o.redis.Pause()
	w := o.work()
	api := o.serve("--no-workers")
	id := o.enqueue(api, map[string]any{})
	api.kill()
	o.ends(id, mesa.JobSucceeded, mesa.AttemptSucceeded) // without Redis
	o.redis.Resume()

	api = o.serve("--no-workers")
	_ = w.Process.Signal(syscall.SIGSTOP) // or it would be quicker
	id = o.enqueue(api, map[string]any{})
	api.kill()
	o.redis.Flush()
	_ = w.Process.Signal(syscall.SIGCONT)
	o.ends(id, mesa.JobSucceeded, mesa.AttemptSucceeded)
}

// harmedOffice is an office whose Redis the test may harm.
type harmedOffice struct {
	*office
	redis *testkit.RedisServer
}

func officeWithRedis(t *testing.T) *harmedOffice {
	t.Helper()
	t.Parallel()
	redis := testkit.StartRedis(t)
	url := testkit.PostgresClone(t, furnished, furnish(t))
	return &harmedOffice{openOffice(t, url, "--redis-url", redis.URL), redis}
}

// A process that never gets an answer asks again, with the same key: there is one job, however often the server dies.
func TestAKeyMakesAJobOnceHoweverOftenTheServerDies(t *testing.T) {
	onOffices(t, func(o *office) {
		var ids []mesa.JobID
		for range 3 {
			s := o.serve()
			for range 2 {
				ids = append(ids, o.enqueue(s, map[string]any{"idempotencyKey": "once"}))
			}
			s.kill()
		}
		if len(slices.Compact(ids)) != 1 {
			o.Errorf("jobs %v", ids)
		}
	})
}
