//go:build soak

package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// make soak SOAK="-soak-jobs 300 -soak-kills 30"
var (
	soakJobs    = flag.Int("soak-jobs", 1000, "how many jobs are added")
	soakWorkers = flag.Int("soak-workers", 3, "how many workers there are")
	soakKills   = flag.Int("soak-kills", 100, "how often a worker is killed")
	soakFreezes = flag.Int("soak-freezes", 10, "how often a worker is frozen beyond its lease")
	soakServers = flag.Int("soak-server-kills", 5, "how often the server that takes the jobs is killed")
	soakRedis   = flag.Int("soak-redis", 8, "how often Redis is killed, flushed, paused or begins with an old snapshot")
	soakPause   = flag.Duration("soak-pause", 30*time.Second, "the longest pause of Redis")
	soakCrashes = flag.Int("soak-crashes", 3, "how often PostgreSQL crashes")
	soakEvery   = flag.Duration("soak-every", 500*time.Millisecond, "between two kills, on average")
	soakReports = flag.Int("soak-reports", 50, "of a hundred jobs, how many make a report")
	soakSeed    = flag.Uint64("soak-seed", 0, "of what is random; 0 takes one")
)

// How workers keep time under the soak.
const (
	soakLease  = 2 * time.Second
	soakRescue = 500 * time.Millisecond
	calm       = soakLease + soakRescue + 10*time.Second // after which nothing that was lost may still be RUNNING
)

// soak is an office at which everything fails at random instants.
type soak struct {
	*office
	random  *rand.Rand
	redis   *testkit.RedisServer
	pg      *testkit.PostgresServer
	workers []*worker
	flags   []string
	files   string // folder of the files of reports

	mu       sync.Mutex // guards api and did
	api      *server
	did      map[string]int
	repeated atomic.Int64
}

func TestSoakPostgresRedis(t *testing.T) {
	pg, redis := testkit.StartPostgres(t), testkit.StartRedis(t)
	(&soak{pg: pg, redis: redis}).run(t, pg.URL, "--redis-url", redis.URL)
}

func TestSoakPostgres(t *testing.T) {
	pg := testkit.StartPostgres(t)
	(&soak{pg: pg}).run(t, pg.URL)
}

func TestSoakSQLite(t *testing.T) {
	(&soak{}).run(t, testkit.SQLiteURL(t))
}

func (s *soak) run(t *testing.T, url string, flags ...string) {
	seed := cmp.Or(*soakSeed, rand.Uint64())
	t.Logf("-soak-seed %d", seed)
	s.random, s.did = rand.New(rand.NewPCG(seed, seed)), map[string]int{}
	works(t, "seed", "--documents", "3000", "--no-events", "--database-url", url, "--data-dir", t.TempDir())
	s.files = t.TempDir()
	s.office = openOffice(t, url, append(flags, "--files", s.files)...)
	s.flags = []string{"--lease", soakLease.String(), "--heartbeat", "500ms", "--rescue-every", soakRescue.String(), "--log-level", "warn"}
	s.api = s.serve("--no-workers")
	for range *soakWorkers {
		s.workers = append(s.workers, s.startWorker())
	}
	began := time.Now()
	var adding sync.WaitGroup
	var ids []mesa.JobID
	var cancelled int
	adding.Go(func() { ids, cancelled = s.add() })
	s.harm()
	adding.Wait()
	harmed := time.Since(began)
	s.until(5*time.Minute, "every job has ended", func() bool { return s.waiting(ids) == 0 })
	took := time.Since(began)
	s.until(calm, "nothing runs any more", func() bool { return s.inState(mesa.JobRunning) == 0 })
	s.check(ids)
	s.report(ids, cancelled, harmed, took)
}

func (s *soak) startWorker() *worker {
	cmd, log := program(s.T, slices.Concat([]string{"work"}, s.office.flags, s.flags)...)
	return &worker{cmd, log}
}

func (s *soak) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did[what]++
}

func (s *soak) server() *server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.api
}

// input is what a job is told to do.
func (s *soak) input(n int, random *rand.Rand) map[string]any {
	in := map[string]any{"sleepMs": random.IntN(400), "steps": 1 + random.IntN(8), "idempotencyKey": fmt.Sprintf("soak-%d", n)}
	switch random.IntN(10) {
	case 0:
		in["failTimes"] = 1 + random.IntN(4)
	case 1:
		in["panic"] = true
	case 2:
		in["exclusiveKey"] = fmt.Sprintf("key-%d", random.IntN(5))
	case 3:
		in["sleepMs"] = 3 * int(soakLease.Milliseconds()) / 2
	case 4:
		in["runAt"] = time.Now().Add(time.Duration(random.IntN(5000)) * time.Millisecond)
	}
	return in
}

const requestReport = `mutation Request($input: RequestReportInput!) { requestReport(input: $input) { report { job { id } } } }`

// reportInput is a report that no other request asks for: the period is another each time.
func reportInput(n int, random *rand.Rand) map[string]any {
	day := mesa.NewDate(2000, time.January, 1).AddDays(n)
	return map[string]any{
		"type": "DOCUMENT_REGISTER", "format": mesa.ReportFormats[random.IntN(len(mesa.ReportFormats))], "period": map[string]any{"from": day.String()},
		"idempotencyKey": fmt.Sprintf("soak-%d", n),
	}
}

// add adds jobs, spread over the time in which there is harm, and cancels some. What is not acknowledged is asked for again.
func (s *soak) add() (ids []mesa.JobID, cancelled int) {
	random := rand.New(rand.NewPCG(s.random.Uint64(), 1))
	pace := *soakEvery * time.Duration(*soakKills) / time.Duration(*soakJobs)
	for n := range *soakJobs {
		operation, input := diagnose, s.input(n, random)
		if random.IntN(100) < *soakReports {
			operation, input = requestReport, reportInput(n, random)
		}
		id := s.insist(operation, map[string]any{"input": input})
		ids = append(ids, mesa.JobID(id))
		if random.IntN(20) == 0 {
			s.insist(`mutation Stop($id: ID!) { cancelJob(input: { jobId: $id }) { job { id } } }`, map[string]any{"id": id})
			cancelled++
		}
		time.Sleep(time.Duration(random.Int64N(int64(2*pace) + 1)))
	}
	return ids, cancelled
}

// insist asks until there is an answer.
func (s *soak) insist(query string, variables map[string]any) string {
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		body, _, err := s.server().ask(s.token, query, variables)
		if found := jobIn.FindStringSubmatch(body); err == nil && found != nil {
			return found[1]
		}
		if time.Since(begun) > time.Minute {
			s.Errorf("no answer to %s: %v %s", query, err, body)
			return ""
		}
		s.repeated.Add(1)
	}
}

// harm does everything that is to be done, in random order, at random instants.
func (s *soak) harm() {
	var todo []func()
	for what, times := range map[string]int{"kill": *soakKills, "freeze": *soakFreezes, "server": *soakServers, "redis": *soakRedis, "crash": *soakCrashes} {
		do := map[string]func(){"kill": s.killWorker, "freeze": s.freezeWorker, "server": s.killServer, "redis": s.harmRedis, "crash": s.crash}[what]
		for range times {
			todo = append(todo, do)
		}
	}
	s.random.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	for _, do := range todo {
		time.Sleep(time.Duration(s.random.Int64N(int64(2 * *soakEvery))))
		do()
	}
}

func (s *soak) killWorker() {
	i := s.random.IntN(len(s.workers))
	_ = s.workers[i].Process.Kill()
	_ = s.workers[i].Wait()
	s.workers[i] = s.startWorker()
	s.note("worker killed")
}

func (s *soak) freezeWorker() {
	w := s.workers[s.random.IntN(len(s.workers))]
	_ = w.Process.Signal(syscall.SIGSTOP)
	time.Sleep(soakLease + 2*soakRescue)
	_ = w.Process.Signal(syscall.SIGCONT)
	s.note("worker frozen")
}

func (s *soak) killServer() {
	s.server().kill()
	next := s.serve("--no-workers")
	s.mu.Lock()
	s.api = next
	s.mu.Unlock()
	s.note("server killed")
}

func (s *soak) harmRedis() {
	if s.redis == nil {
		return
	}
	switch s.random.IntN(4) {
	case 0:
		s.redis.Kill()
		time.Sleep(time.Duration(s.random.Int64N(int64(3 * time.Second))))
		s.redis.Start()
		s.note("Redis killed")
	case 1:
		s.redis.Flush()
		s.note("Redis flushed")
	case 2:
		s.redis.Pause()
		pause := *soakPause
		if s.did["Redis paused"] > 0 { // the whole time once
			pause = time.Duration(s.random.Int64N(int64(5 * time.Second)))
		}
		time.Sleep(pause)
		s.redis.Resume()
		s.note("Redis paused")
	case 3:
		s.redis.Snapshot()
		time.Sleep(time.Second)
		s.redis.Kill()
		s.redis.Start()
		s.note("Redis with an old snapshot")
	}
}

func (s *soak) crash() {
	if s.pg == nil {
		return
	}
	s.pg.Crash()
	s.note("PostgreSQL crashed")
}

// inState counts jobs; -1 while the database does not answer.
func (s *soak) inState(state mesa.JobState) int {
	one := 1
	page, err := s.db.Jobs(s.Context(), mesa.JobFilter{States: []mesa.JobState{state}, Kinds: []mesa.JobKind{mesa.JobDiagnostic, mesa.JobReport}}, db.Page{First: &one, WithTotal: true})
	if err != nil {
		return -1
	}
	return page.Total
}

func (s *soak) waiting(ids []mesa.JobID) (n int) {
	rows, err := s.db.JobsByID(s.Context(), ids)
	if err != nil {
		return -1
	}
	for _, id := range ids {
		if rows[id] == nil || !rows[id].State.IsFinal() {
			n++
		}
	}
	return n
}

// check looks at all that must be true of every job.
func (s *soak) check(ids []mesa.JobID) {
	rows, err := s.db.JobsByID(s.Context(), ids)
	if err != nil {
		s.Fatal(err)
	}
	attempts, err := s.db.AttemptsByJob(s.Context(), ids)
	if err != nil {
		s.Fatal(err)
	}
	if list := slices.Compact(slices.Sorted(slices.Values(ids))); len(list) != *soakJobs || len(rows) != *soakJobs {
		s.Errorf("%d jobs were asked for, %d acknowledged, %d are there", *soakJobs, len(list), len(rows))
	}
	total := 0
	for _, state := range mesa.JobStates {
		total += s.inState(state)
	}
	if total != *soakJobs {
		s.Errorf("%d jobs were added for %d requests", total, *soakJobs)
	}
	var endings map[mesa.JobID]int
	s.until(time.Minute, "all ends are recorded", func() bool { endings = s.endings(); return len(endings) >= *soakJobs })
	for id, j := range rows {
		if n := endings[mesa.JobID(cmp.Or(j.About, string(id)))]; n != 1 {
			s.Errorf("%s (%s): its end is recorded %d times", id, j.State, n)
		}
		if wrong := inconsistent(j, attempts[id]); wrong != "" {
			s.Errorf("%s (%s, %s, epoch %d, %d failures, %d crashes): %s; attempts %v", id, j.State, j.ErrorCode, j.Epoch, j.Attempt, j.Crashes, wrong, outcomesOf(attempts[id]))
		}
	}
	s.checkFiles(rows)
}

// checkFiles looks for the file of each report that was made, and for files that are nobody's.
func (s *soak) checkFiles(jobs map[mesa.JobID]*mesa.Job) {
	var ids []mesa.ReportID
	for _, j := range jobs {
		if j.Kind == mesa.JobReport {
			ids = append(ids, mesa.ReportID(j.About))
		}
	}
	runs, err := s.db.ReportsByID(s.Context(), ids)
	if err != nil {
		s.Fatal(err)
	}
	known := map[string]bool{}
	for id, run := range runs {
		made := run.Job.State == mesa.JobSucceeded
		if made != (run.StorageKey != "") {
			s.Errorf("report %s is %s with the file %q", id, run.Job.State, run.StorageKey)
		}
		if !made {
			continue
		}
		known[string(run.StorageKey)] = true
		content, err := os.ReadFile(filepath.Join(s.files, string(run.StorageKey)))
		if sum := sha256.Sum256(content); err != nil || hex.EncodeToString(sum[:]) != string(run.SHA256) {
			s.Errorf("the file of report %s is not what its row says: %v", id, err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.files, "reports"))
	if err != nil {
		s.Error(err)
	}
	orphans := 0
	for _, e := range entries {
		if !known["reports/"+e.Name()] {
			orphans++
		}
	}
	s.Logf("%d reports, %d files that lead from a row, %d that killed workers left for retention to delete", len(runs), len(known), orphans)
}

func outcomesOf(attempts []*mesa.JobAttempt) (list []mesa.AttemptOutcome) {
	for _, a := range attempts {
		list = append(list, a.Outcome)
	}
	return list
}

// inconsistent says what is wrong with a job that ended and its attempts: each was given away once and taken back once.
func inconsistent(j *mesa.Job, attempts []*mesa.JobAttempt) string {
	switch {
	case !j.State.IsFinal():
		return "it did not end"
	case j.State == mesa.JobCancelled && j.CancelRequestedAt == nil:
		return "nobody cancelled it"
	}
	count := map[mesa.AttemptOutcome]int{}
	for i, a := range attempts {
		count[a.Outcome]++
		if i > 0 && a.StartedAt.Before(*attempts[i-1].EndedAt) {
			return "two attempts at once"
		}
		if a.Outcome == mesa.AttemptSucceeded && i < len(attempts)-1 {
			return "an attempt after success"
		}
	}
	epochs := 2 * int64(len(attempts))
	if j.State == mesa.JobCancelled && (len(attempts) == 0 || attempts[len(attempts)-1].EndedAt.Before(*j.CancelRequestedAt)) {
		epochs++ // it waited
	}
	switch {
	case j.LeaseUntil != nil:
		return "it has a lease"
	case j.Attempt != count[mesa.AttemptFailed], j.Crashes != count[mesa.AttemptLost]:
		return "failures or crashes are not what the attempts say"
	case (j.State == mesa.JobSucceeded) != (count[mesa.AttemptSucceeded] == 1):
		return "success is not what the attempts say"
	case j.State == mesa.JobFailed && j.Attempt < j.MaxAttempts && j.Crashes < mesa.MaxCrashes:
		return "it failed too early"
	case j.Epoch != epochs:
		return "its epoch is not what the attempts say"
	}
	return ""
}

// report prints the figures.
func (s *soak) report(ids []mesa.JobID, cancelled int, harmed, took time.Duration) {
	rows, _ := s.db.JobsByID(s.Context(), ids)
	attempts, _ := s.db.AttemptsByJob(s.Context(), ids)
	states, outcomes := map[string]int{}, map[string]int{}
	for id, j := range rows {
		states[string(j.State)]++
		for _, a := range attempts[id] {
			outcomes[string(a.Outcome)]++
		}
	}
	s.Logf("%d jobs, %d cancellations, %d workers, %d questions repeated", len(ids), cancelled, *soakWorkers, s.repeated.Load())
	s.Logf("done to it: %v", s.did)
	s.Logf("jobs: %v", states)
	s.Logf("attempts: %v", outcomes)
	s.Logf("harm for %s, all ended after %s", harmed.Round(time.Second/10), took.Round(time.Second/10))
}
