package jobs_test

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

// dead is a worker of another machine that will never be heard of again.
const dead = "elsewhere:1:1:process:1"

// taken is a job that a dead worker has taken.
func (q *queue) taken(lease time.Duration) *mesa.Job {
	q.Helper()
	return q.takenBy(dead, lease)
}

func (q *queue) takenBy(worker string, lease time.Duration) *mesa.Job {
	q.Helper()
	id := q.enqueue(db.NewJob{}).ID
	claimed, err := q.db.ClaimJobs(q.Context(), db.Claim{Worker: worker, Lease: lease, Queue: "default", Limit: 1, IDs: []mesa.JobID{id}})
	q.ok(err)
	if len(claimed) != 1 {
		q.Fatalf("claimed %d jobs", len(claimed))
	}
	return claimed[0]
}

// takeOver treats the worker of a job as dead. A rescue passes over a row that somebody else is just writing to.
func (q *queue) takeOver(j *mesa.Job) {
	q.Helper()
	for {
		rescued, err := q.db.RescueJobs(q.Context(), string(j.Worker))
		q.ok(err)
		if len(rescued) > 0 {
			return
		}
	}
}

func TestTheJobOfADeadWorkerIsRescued(t *testing.T) {
	onEach(t, func(q *queue) {
		j := q.taken(300 * time.Millisecond)
		q.work(quick)
		ended := q.ended(j.ID)
		if ended.State != mesa.JobSucceeded || ended.Crashes != 1 || ended.Attempt != 0 {
			q.Errorf("ended as %s after %d crashes and %d failures", ended.State, ended.Crashes, ended.Attempt)
		}
		if want := []mesa.AttemptOutcome{mesa.AttemptLost, mesa.AttemptSucceeded}; !slices.Equal(q.outcomes(j.ID), want) {
			q.Errorf("attempts %v", q.outcomes(j.ID))
		}
	})
}

func TestAJobWithWhichWorkersDieAgainAndAgainFails(t *testing.T) {
	onEach(t, func(q *queue) {
		j := q.taken(time.Hour)
		for range mesa.MaxCrashes {
			if _, err := q.db.RescueJobs(q.Context(), dead); err != nil {
				q.Fatal(err)
			}
			_, err := q.db.ClaimJobs(q.Context(), db.Claim{Worker: dead, Lease: time.Hour, Queue: "default", Limit: 1})
			q.ok(err)
		}
		if now := q.job(j.ID); now.State != mesa.JobFailed || now.ErrorCode != mesa.JobCrashLoop || q.endings(j.ID) != 1 {
			q.Errorf("it is %s, %s, and its end was recorded %d times", now.State, now.ErrorCode, q.endings(j.ID))
		}
	})
}

func TestWhoWasTakenForDeadCannotEndWhatAnotherTookOver(t *testing.T) {
	onEach(t, func(q *queue) {
		zombie := q.taken(time.Millisecond)
		q.work(quick)
		q.ended(zombie.ID)
		effects := 0
		_, err := q.db.EndJob(q.Context(), zombie, db.End{Outcome: mesa.AttemptSucceeded}, func(context.Context, *db.Tx, *mesa.Job) error {
			effects++
			return nil
		})
		if !errors.Is(err, db.ErrFenced) || effects != 0 || q.endings(zombie.ID) != 1 {
			q.Errorf("error %v, %d effects, its end was recorded %d times", err, effects, q.endings(zombie.ID))
		}
		held, err := q.db.HeartbeatJobs(q.Context(), dead, time.Minute, []db.Beat{{ID: zombie.ID, Epoch: zombie.Epoch, IsNew: true, Progress: 7}})
		if err != nil || len(held) != 0 || q.job(zombie.ID).Progress != 100 {
			q.Errorf("a heartbeat of the dead: %v, %v, progress %d", held, err, q.job(zombie.ID).Progress)
		}
	})
}

// However many connections requests hold, a worker keeps its jobs, and looks for those that others lost.
func TestABusyProcessKeepsItsJobs(t *testing.T) {
	onBoth(t, func(q *queue) {
		if q.db.Backend() == "sqlite" {
			return // it has one writer
		}
		one := &queue{T: q.T, url: q.url, options: db.Options{MaxConns: 1}}
		mine, lost := q.taken(time.Hour), q.taken(time.Millisecond)
		busy := one.process().db
		q.ok(busy.InTx(q.Context(), func(*db.Tx) error { // on the only connection
			ctx, cancel := context.WithTimeout(q.Context(), time.Minute)
			defer cancel()
			held, err := busy.HeartbeatJobs(ctx, dead, time.Hour, []db.Beat{{ID: mine.ID, Epoch: mine.Epoch}})
			if err != nil || held[mine.ID] != mine.Epoch {
				q.Errorf("heartbeat: %v, %v", held, err)
			}
			rescued, err := busy.RescueJobs(ctx)
			if err != nil || len(rescued) != 1 || rescued[0].ID != lost.ID {
				q.Errorf("rescued %v, %v", rescued, err)
			}
			return nil
		}))
	})
}

func TestWhoEndsManyTogetherEndsOnlyTheirOwn(t *testing.T) {
	onEach(t, func(q *queue) {
		lost, first, second := q.taken(time.Millisecond), q.taken(time.Hour), q.taken(time.Hour)
		if _, err := q.db.RescueJobs(q.Context()); err != nil {
			q.Fatal(err)
		}
		earlier := func(j *mesa.Job) *mesa.Job {
			old := *j
			old.Epoch--
			return &old
		}
		list := []db.Ended{{Job: earlier(first), Result: "old"}, {Job: lost}, {Job: first, Result: "done"}, {Job: earlier(second)}, {Job: earlier(first)}}
		after, err := q.db.EndJobs(q.Context(), dead, list)
		q.ok(err)
		for i, j := range after {
			if (j != nil) != (i == 2) {
				q.Errorf("attempt %d ended as %v", i, j)
			}
		}
		if j := q.job(first.ID); j.State != mesa.JobSucceeded || j.Progress != 100 || string(j.Result) != `"done"` || j.LeaseUntil != nil || j.ExpiresAt == nil || q.endings(j.ID) != 1 {
			q.Errorf("its own is %+v", j)
		}
		for id, state := range map[mesa.JobID]mesa.JobState{lost.ID: mesa.JobQueued, second.ID: mesa.JobRunning} {
			if j := q.job(id); j.State != state || q.endings(id) != 0 {
				q.Errorf("another's is %s", j.State)
			}
		}
	})
}

func TestAWorkerWhoseJobWasTakenOverStopsAndUndoesItsWork(t *testing.T) {
	onEach(t, func(q *queue) {
		started, undone := make(chan struct{}), make(chan error, 1)
		q.handle(func(ctx context.Context, w *jobs.Work) (jobs.Done, error) {
			if w.Job.Crashes > 0 {
				return jobs.Done{}, nil
			}
			close(started)
			<-ctx.Done() // taken over: yet it ends its work
			return jobs.Done{Undo: func(_ context.Context, why error) { undone <- why }}, nil
		})
		q.work(quick)
		j := q.enqueue(db.NewJob{})
		<-started
		q.takeOver(q.job(j.ID))
		select {
		case why := <-undone:
			if !errors.Is(why, jobs.ErrFenced) {
				q.Errorf("undone because %v", why)
			}
		case <-time.After(time.Minute):
			q.Fatalf("its work is not undone: attempts %v", q.outcomes(j.ID))
		}
		if ended := q.ended(j.ID); ended.State != mesa.JobSucceeded || q.endings(j.ID) != 1 {
			q.Errorf("ended as %s, recorded %d times", ended.State, q.endings(j.ID))
		}
	})
}

// The commit that ended a job landed, its answer was lost, and the look at what became of it fails, too.
func TestWhatMayBeStoredIsNotUndone(t *testing.T) {
	onBoth(t, func(q *queue) {
		harm := testkit.Beside(q, q.url)
		undone := make(chan error, 1)
		q.handle(func(ctx context.Context, w *jobs.Work) (jobs.Done, error) {
			_, err := q.db.EndJob(ctx, w.Job, db.End{Outcome: mesa.AttemptSucceeded}, nil)
			if _, harmed := harm.Exec("ALTER TABLE job_attempts RENAME TO out_of_reach"); err != nil || harmed != nil {
				q.Errorf("ended: %v; harmed: %v", err, harmed)
			}
			return jobs.Done{Undo: func(_ context.Context, why error) { undone <- why }}, nil
		})
		brief := quick
		brief.Lease = 6 * time.Second // for so long it looks
		stop := q.work(brief)
		j := q.ended(q.enqueue(db.NewJob{}).ID)
		stop()
		select {
		case why := <-undone:
			q.Errorf("what %s made is undone because %v", j.ID, why)
		default:
		}
		_, err := harm.Exec("ALTER TABLE out_of_reach RENAME TO job_attempts")
		q.ok(err)
		if j.State != mesa.JobSucceeded || q.endings(j.ID) != 1 {
			q.Errorf("ended as %s, recorded %d times", j.State, q.endings(j.ID))
		}
	})
}

func TestTheEffectsOfAJobAndItsEndAreThereTogetherOrNotAtAll(t *testing.T) {
	onEach(t, func(q *queue) {
		undone := make(chan error, 1)
		q.handle(func(context.Context, *jobs.Work) (jobs.Done, error) {
			return jobs.Done{
				Also: func(ctx context.Context, tx *db.Tx, _ *mesa.Job) error {
					if _, err := tx.PauseQueue(context.Background(), "maintenance", true); err != nil {
						return err
					}
					return errOnPurpose
				},
				Undo: func(_ context.Context, why error) { undone <- why },
			}, nil
		})
		q.work(quick)
		j := q.ended(q.enqueue(db.NewJob{MaxAttempts: 1}).ID)
		if why := <-undone; !errors.Is(why, errOnPurpose) || j.State != mesa.JobFailed {
			q.Errorf("it is %s; undone because %v", j.State, why)
		}
		states, err := q.db.Queues(q.Context())
		q.ok(err)
		for _, s := range states {
			if s.Paused {
				q.Errorf("%s is paused by a job that failed", s.Name)
			}
		}
	})
}

func TestAJobOfAMachineWhoseClockIsAheadIsDoneAtOnce(t *testing.T) {
	onEach(t, func(q *queue) {
		api := q.process()
		api.jump(time.Hour)
		q.work(quick)
		began := time.Now()
		j := q.ended(api.enqueue(db.NewJob{}).ID)
		if took := time.Since(began); j.State != mesa.JobSucceeded || took > time.Minute { // an hour if it went by that clock
			q.Errorf("ended as %s after %s", j.State, took)
		}
	})
}

func TestNothingIsStuckOrDoneTwiceWhenTheClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{"back": -time.Hour, "forward": time.Hour} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(q *queue) {
				goOn := make(chan struct{})
				q.handle(func(ctx context.Context, w *jobs.Work) (jobs.Done, error) {
					select {
					case <-goOn:
					case <-ctx.Done():
					}
					return jobs.Done{}, ctx.Err()
				})
				waits := q.enqueue(db.NewJob{Priority: mesa.JobLow, ExclusiveKey: "one by one"})
				q.work(quick)
				runs := q.enqueue(db.NewJob{})
				q.running(runs.ID)
				q.jump(by)
				later := q.enqueue(db.NewJob{RunAt: q.now().Add(100 * time.Millisecond)})
				q.running(later.ID)
				close(goOn)
				for _, id := range []mesa.JobID{waits.ID, runs.ID, later.ID} {
					if j := q.ended(id); j.State != mesa.JobSucceeded || q.endings(id) != 1 {
						q.Errorf("%s ended as %s, recorded %d times, attempts %v", id, j.State, q.endings(id), q.outcomes(id))
					}
				}
			})
		})
	}
}

// Parts of the name of a worker.
const (
	namespace = 1
	pid       = 2
	process   = 3
)

// namesake is the name of a worker that works here but for some parts.
func (q *queue) namesake(changes map[int]string) string {
	q.Helper()
	parts := strings.Split(string(q.ended(q.enqueue(db.NewJob{}).ID).Worker), ":")
	for part, value := range changes {
		parts[part] = value
	}
	return strings.Join(parts, ":")
}

// Containers may share the name of a host, and then all of their processes have the same pid.
func TestAProcessOfAnotherContainerIsNotTakenForDead(t *testing.T) {
	onBoth(t, func(q *queue) {
		stop := q.work(quick)
		before, beside := q.namesake(map[int]string{process: "before"}), q.namesake(map[int]string{process: "beside", namespace: "1"})
		stop()
		works, gone := q.takenBy(beside, time.Hour), q.takenBy(before, time.Hour)
		q.work(quick)
		if j := q.ended(gone.ID); j.State != mesa.JobSucceeded || j.Crashes != 1 {
			q.Errorf("the job of the process before is %s after %d crashes", j.State, j.Crashes)
		}
		if j := q.job(works.ID); j.State != mesa.JobRunning || j.Epoch != works.Epoch {
			q.Errorf("the job of the process beside is %s after %d crashes", j.State, j.Crashes)
		}
	})
}

// On SQLite the lease is an hour ahead when the clock of the machine was set back.
func TestTheJobOfADeadProcessIsRescuedWhateverTheClockSays(t *testing.T) {
	onEach(t, func(q *queue) {
		gone := exec.Command("true")
		q.ok(gone.Run())
		q.work(quick)
		worker := q.namesake(map[int]string{pid: strconv.Itoa(gone.Process.Pid)})
		before := q.process()
		before.jump(2 * time.Hour)
		j := q.enqueue(db.NewJob{RunAt: q.now().Add(time.Hour)}) // for nobody but the one that lives in the future
		claimed, err := before.db.ClaimJobs(q.Context(), db.Claim{Worker: worker, Lease: 200 * time.Millisecond, Queue: "default", Limit: 1})
		if err != nil || len(claimed) != 1 {
			q.Fatalf("claimed %d: %v", len(claimed), err)
		}
		rescued := q.until(j.ID, func(now *mesa.Job) bool { return now.State == mesa.JobQueued })
		if rescued.Crashes != 1 {
			q.Errorf("%d crashes", rescued.Crashes)
		}
	})
}

func TestALostCommitLosesNothingAndDoesNothingTwice(t *testing.T) {
	t.Parallel()
	const (
		claim = "taken AS MATERIALIZED (SELECT j.id FROM jobs AS j WHERE j.state = 'QUEUED' AND j.queue = 'default'"
		end   = `INSERT INTO "job_attempts"`
	)
	for name, commit := range map[string]*testkit.LostCommit{
		"claim":             {Statement: claim},
		"claim that landed": {Statement: claim, Landed: true},
		"end":               {Statement: end},
		"end that landed":   {Statement: end, Landed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := (&queue{T: t, url: testkit.PostgresClone(t, "migrated", migrated), options: db.Options{Postgres: commit.In}}).process()
			var runs atomic.Int64
			q.handle(func(context.Context, *jobs.Work) (jobs.Done, error) {
				runs.Add(1)
				return jobs.Done{}, nil
			})
			id := q.enqueue(db.NewJob{}).ID
			q.work(quick)
			j := q.ended(id)
			if !commit.IsLost() || j.State != mesa.JobSucceeded || j.Crashes != 0 || runs.Load() != 1 || q.endings(j.ID) != 1 {
				t.Errorf("commit lost: %t; ended as %s after %d runs and %v, recorded %d times", commit.IsLost(), j.State, runs.Load(), q.outcomes(j.ID), q.endings(j.ID))
			}
		})
	}
}

func TestAWorkerThatCannotExtendItsLeaseStopsInTime(t *testing.T) {
	onBoth(t, func(q *queue) {
		ended := make(chan error, 1)
		q.handle(func(ctx context.Context, w *jobs.Work) (jobs.Done, error) {
			if w.Job.Epoch > 1 {
				return jobs.Done{}, nil
			}
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return jobs.Done{}, ctx.Err()
		})
		brief := quick
		brief.Lease, brief.RescueEvery = 12*time.Second, time.Hour
		q.work(brief)
		j := q.enqueue(db.NewJob{})
		q.running(j.ID)
		unlock := q.lock("jobs")
		held := time.Now() // nobody can have extended the lease later
		if why, after := <-ended, time.Since(held); !errors.Is(why, jobs.ErrFenced) || after > brief.Lease {
			q.Errorf("stopped after %s because %v", after, why)
		}
		unlock()
		if now := q.ended(j.ID); now.State != mesa.JobSucceeded || now.Crashes != 0 || now.Attempt != 0 {
			q.Errorf("ended as %s after %d crashes and %d failures", now.State, now.Crashes, now.Attempt)
		}
	})
}

// On SQLite whoever keeps one from writing to a table keeps one from writing to all.
func TestAJobGoesOnWhileItsWorkerCannotBeNoted(t *testing.T) {
	t.Parallel()
	q := (&queue{T: t, url: testkit.PostgresClone(t, "migrated", migrated)}).process()
	goOn := make(chan struct{})
	q.handle(func(ctx context.Context, _ *jobs.Work) (jobs.Done, error) {
		select {
		case <-goOn:
		case <-ctx.Done():
		}
		return jobs.Done{}, ctx.Err()
	})
	brief := quick
	brief.Lease = 12 * time.Second
	q.work(brief)
	j := q.enqueue(db.NewJob{})
	until := *q.running(j.ID).LeaseUntil
	unlock := q.lock("workers")
	now := q.until(j.ID, func(now *mesa.Job) bool {
		return now.State != mesa.JobRunning || now.LeaseUntil.After(until.Add(brief.Lease/2))
	})
	unlock()
	close(goOn)
	if now.Epoch != 1 || q.ended(j.ID).State != mesa.JobSucceeded || q.job(j.ID).Crashes > 0 {
		t.Errorf("it became %s; attempts %v", now.State, q.outcomes(j.ID))
	}
}

// A process is frozen in the middle of a transaction that has locked a job: the server ends the transaction.
func TestAJobThatAFrozenProcessHasLockedIsRescued(t *testing.T) {
	t.Parallel()
	url := testkit.PostgresClone(t, "migrated", migrated)
	q := (&queue{T: t, url: url}).process()
	frozen := (&queue{T: t, url: url}).process()
	j := q.taken(time.Millisecond)
	locked, thaw, thawed := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_, err := frozen.db.EndJob(context.Background(), j, db.End{Outcome: mesa.AttemptSucceeded}, func(ctx context.Context, tx *db.Tx, _ *mesa.Job) error {
			_, err := tx.NewRaw("SET LOCAL idle_in_transaction_session_timeout = '1s'").Exec(ctx) // from here on: not while it works, however slow
			close(locked)
			<-thaw
			return err
		})
		thawed <- err
	}()
	<-locked
	q.work(quick)
	if ended := q.ended(j.ID); ended.State != mesa.JobSucceeded || ended.Crashes != 1 {
		t.Errorf("ended as %s after %d crashes", ended.State, ended.Crashes)
	}
	close(thaw)
	if err := <-thawed; err == nil || q.endings(j.ID) != 1 {
		t.Errorf("the frozen one ended it, too (%v); recorded %d times", err, q.endings(j.ID))
	}
}

// onRedis runs a test on both databases with a Redis of its own.
func onRedis(t *testing.T, body func(q *queue, redis *testkit.RedisServer)) {
	t.Helper()
	t.Parallel()
	testkit.EachClone(t, "migrated", migrated, func(t *testing.T, url string) {
		t.Parallel()
		redis := testkit.StartRedis(t)
		q := &queue{T: t, url: url, redis: redis.URL, prefix: "mesa"}
		body(q.process(), redis)
	})
}

func TestNothingIsLostWhateverHappensToRedis(t *testing.T) {
	harm := map[string]func(r *testkit.RedisServer){
		"killed":         func(r *testkit.RedisServer) { r.Kill() },
		"flushed":        func(r *testkit.RedisServer) { r.Flush() },
		"paused":         func(r *testkit.RedisServer) { r.Pause() },
		"refuses writes": func(r *testkit.RedisServer) { r.RefuseWrites() },
		"old snapshot": func(r *testkit.RedisServer) {
			r.Snapshot()
			r.Kill()
			r.Start()
		},
		"clients cut": func(r *testkit.RedisServer) { r.CutClients() },
	}
	for name, do := range harm {
		t.Run(name, func(t *testing.T) {
			onRedis(t, func(q *queue, redis *testkit.RedisServer) {
				var ids []mesa.JobID
				add := func() {
					for range 20 {
						ids = append(ids, q.enqueue(db.NewJob{Args: map[string]int{"sleepMs": 5}}).ID)
					}
				}
				add()
				do(redis)
				add()
				q.work(quick)
				add()
				for _, id := range ids {
					if j := q.ended(id); j.State != mesa.JobSucceeded || j.Epoch != 2 {
						q.Errorf("%s ended as %s after being given away %d times", id, j.State, j.Epoch-1)
					}
				}
			})
		})
	}
}

func TestAnnouncementsThatWereLostAreMadeAgain(t *testing.T) {
	onRedis(t, func(q *queue, redis *testkit.RedisServer) {
		q.pause("default", true) // the bell rings, and nobody takes the job
		q.work(quick)
		j := q.enqueue(db.NewJob{})
		first := q.until(j.ID, func(now *mesa.Job) bool { return now.AnnouncedAt != nil })
		redis.Flush()
		q.until(j.ID, func(now *mesa.Job) bool { return now.AnnouncedAt != nil && now.AnnouncedAt.After(*first.AnnouncedAt) })
	})
}

func TestWhatStrangersPutIntoTheListIsIgnored(t *testing.T) {
	onRedis(t, func(q *queue, redis *testkit.RedisServer) {
		redis.Ask("LPUSH", "{mesa:jobs:default}:1", "not a job", "job_doesnotexist", "usr_1", "")
		q.work(quick)
		if j := q.ended(q.enqueue(db.NewJob{}).ID); j.State != mesa.JobSucceeded {
			q.Errorf("ended as %s", j.State)
		}
	})
}
