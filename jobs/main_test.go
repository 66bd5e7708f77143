package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

// impatient is a kind of job that no test needs for what it does: its attempts may not take long.
const impatient = mesa.JobDigest

func TestMain(m *testing.M) {
	mesa.PolicyOf(impatient).Timeout = 300 * time.Millisecond
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // the tests wait more than they work
	mesa.PolicyOf(mesa.JobReport).Base = 20 * time.Millisecond
	goleak.VerifyTestMain(m)
}

// quick is the timing of tests. The lease is long: a machine that is busy with other tests must not look dead.
var quick = jobs.Timing{Lease: 20 * time.Second, Heartbeat: 500 * time.Millisecond, RescueEvery: 200 * time.Millisecond, Poll: time.Second, SoftStop: time.Second}

// queue is a database with the means to reach its jobs, as one process has them; others may share the database.
type queue struct {
	*testing.T
	url, redis, prefix string
	options            db.Options
	db                 *db.DB
	signals            *jobs.Signals
	handlers           jobs.Handlers
	ahead              *atomic.Int64 // ns by which its clock is
}

// onEach runs a test on both databases, with Redis and without.
func onEach(t *testing.T, body func(q *queue)) {
	t.Helper()
	t.Parallel()
	for name, redis := range map[string]bool{"memory": false, "redis": true} {
		t.Run(name, func(t *testing.T) {
			testkit.EachClone(t, "migrated", migrated, func(t *testing.T, url string) {
				t.Parallel()
				q := &queue{T: t, url: url}
				if redis {
					q.redis, q.prefix = testkit.RedisURL(t), testkit.RedisPrefix(t)
				}
				body(q.process())
			})
		})
	}
}

// onBoth runs a test on both databases, without Redis.
func onBoth(t *testing.T, body func(q *queue)) {
	t.Helper()
	t.Parallel()
	testkit.EachClone(t, "migrated", migrated, func(t *testing.T, url string) {
		t.Parallel()
		body((&queue{T: t, url: url}).process())
	})
}

var migrated = testkit.Migrated(db.Options{})

// process is another process on the same database.
func (q *queue) process() *queue {
	q.Helper()
	other := &queue{T: q.T, url: q.url, redis: q.redis, prefix: q.prefix, handlers: jobs.Handlers{mesa.JobDiagnostic: jobs.Diagnostic}, ahead: &atomic.Int64{}}
	signals, err := jobs.NewSignals(q.redis, q.prefix, slog.New(slog.DiscardHandler))
	q.ok(err)
	other.signals = signals
	options := q.options
	options.JobsChanged, options.Now = signals.Changed, other.now
	other.db, err = db.Open(q.Context(), q.url, options)
	q.ok(err)
	signals.Start(other.db)
	q.Cleanup(func() {
		signals.Stop()
		other.db.Close()
	})
	return other
}

func (q *queue) now() time.Time { return time.Now().Add(time.Duration(q.ahead.Load())) }

// jump sets the clock of the process.
func (q *queue) jump(by time.Duration) { q.ahead.Add(int64(by)) }

func (q *queue) ok(err error) {
	q.Helper()
	if err != nil {
		q.Fatal(err)
	}
}

// work runs a pool until the test ends or stop is called; stop waits for it.
func (q *queue) work(timing jobs.Timing) (stop func()) {
	pool := jobs.NewPool(q.db, q.signals, q.handlers, timing, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { pool.Run(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	q.Cleanup(stop)
	return stop
}

// handle makes jobs do something else.
func (q *queue) handle(do jobs.Handler) {
	q.handlers[mesa.JobDiagnostic], q.handlers[impatient] = do, do
}

// lock keeps everybody away from a table, or on SQLite from writing, until unlock.
func (q *queue) lock(table string) (unlock func()) {
	q.Helper()
	statement := "BEGIN; LOCK TABLE " + table
	if strings.HasPrefix(q.url, "sqlite:") {
		statement = "BEGIN IMMEDIATE"
	}
	conn, err := testkit.Beside(q, q.url).Conn(q.Context())
	q.ok(err)
	_, err = conn.ExecContext(q.Context(), statement)
	q.ok(err)
	return func() {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		q.ok(errors.Join(err, conn.Close()))
	}
}

// enqueue adds a job, by default a diagnostic one.
func (q *queue) enqueue(n db.NewJob) *mesa.Job {
	q.Helper()
	if n.Kind == "" {
		n.Kind = mesa.JobDiagnostic
	}
	if n.Args == nil {
		n.Args = map[string]any{}
	}
	var job *mesa.Job
	q.ok(q.db.InTx(q.Context(), func(tx *db.Tx) (err error) {
		job, _, err = tx.Enqueue(q.Context(), n)
		return err
	}))
	return job
}

// job is the row as it is.
func (q *queue) job(id mesa.JobID) *mesa.Job {
	q.Helper()
	rows, err := q.db.JobsByID(q.Context(), []mesa.JobID{id})
	q.ok(err)
	return rows[id]
}

// until waits until a job is as wanted.
func (q *queue) until(id mesa.JobID, wanted func(*mesa.Job) bool) *mesa.Job {
	q.Helper()
	changes := q.signals.Follow(q.Context(), id)
	if j := q.job(id); wanted(j) {
		return j
	}
	for j := range changes {
		if wanted(j) {
			return j
		}
	}
	q.Fatalf("job %s is gone", id)
	return nil
}

func (q *queue) ended(id mesa.JobID) *mesa.Job {
	q.Helper()
	return q.until(id, func(j *mesa.Job) bool { return j.State.IsFinal() })
}

func (q *queue) running(id mesa.JobID) *mesa.Job {
	q.Helper()
	return q.until(id, func(j *mesa.Job) bool { return j.State == mesa.JobRunning })
}

// outcomes lists how the attempts of a job ended.
func (q *queue) outcomes(id mesa.JobID) (list []mesa.AttemptOutcome) {
	q.Helper()
	attempts, err := q.db.AttemptsByJob(q.Context(), []mesa.JobID{id})
	q.ok(err)
	for _, a := range attempts[id] {
		list = append(list, a.Outcome)
	}
	return list
}

// cancel asks for a job to be cancelled.
func (q *queue) cancel(id mesa.JobID) (outcome mesa.CancelOutcome) {
	q.Helper()
	q.ok(q.db.InTx(q.Context(), func(tx *db.Tx) error {
		j, err := tx.LockJob(q.Context(), id)
		if err == nil {
			outcome, err = tx.CancelJob(q.Context(), j)
		}
		return err
	}))
	return outcome
}

func (q *queue) retry(id mesa.JobID) error {
	return q.db.InTx(q.Context(), func(tx *db.Tx) error {
		j, err := tx.LockJob(q.Context(), id)
		if err != nil {
			return err
		}
		return tx.RetryJob(q.Context(), j)
	})
}

func (q *queue) pause(name string, pause bool) {
	q.Helper()
	q.ok(q.db.InTx(q.Context(), func(tx *db.Tx) error {
		_, err := tx.PauseQueue(q.Context(), name, pause)
		return err
	}))
}

// endings counts the events that record the end of a job.
func (q *queue) endings(id mesa.JobID) (n int) {
	q.Helper()
	testkit.Certain(q.T, q.db)
	events, err := q.db.EventsAfter(q.Context(), db.Tail{}, 10_000)
	q.ok(err)
	for _, e := range events {
		if e.ObjectID == string(id) {
			n++
		}
	}
	return n
}

var errOnPurpose = errors.New("on purpose")

// soon is what the schema promises of a cancellation.
const soon = 2 * time.Second

// onceWithin does something up to five times, and fails the test when it took too long each time: a busy machine is late for once, a wrong
// program always.
func onceWithin(t *testing.T, limit time.Duration, do func() (took time.Duration)) {
	t.Helper()
	var all []time.Duration
	for range 5 {
		took := do()
		if took <= limit || t.Failed() {
			return
		}
		all = append(all, took)
	}
	t.Errorf("took %v, and may take %s", all, limit)
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
