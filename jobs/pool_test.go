package jobs_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

func TestAJobIsDoneOnce(t *testing.T) {
	onEach(t, func(q *queue) {
		var runs atomic.Int64
		q.handle(func(_ context.Context, w *jobs.Work) (jobs.Done, error) {
			runs.Add(1)
			return jobs.Done{Result: map[string]int{"answer": 42}}, nil
		})
		q.work(quick)
		j := q.ended(q.enqueue(db.NewJob{}).ID)
		if j.State != mesa.JobSucceeded || j.Progress != 100 || string(j.Result) != text(map[string]int{"answer": 42}) && string(j.Result) != `{"answer": 42}` {
			q.Errorf("ended as %s, %d %%, result %s", j.State, j.Progress, j.Result)
		}
		if runs.Load() != 1 || !slices.Equal(q.outcomes(j.ID), []mesa.AttemptOutcome{mesa.AttemptSucceeded}) {
			q.Errorf("%d runs, attempts %v", runs.Load(), q.outcomes(j.ID))
		}
		if j.StartedAt == nil || j.FinishedAt == nil || j.ExpiresAt == nil || j.LeaseUntil != nil || j.Worker == "" {
			q.Errorf("times: %+v", j)
		}
	})
}

func TestManyJobsOverTwoProcessesAreEachDoneOnce(t *testing.T) {
	onEach(t, func(q *queue) {
		other := q.process()
		var mu sync.Mutex
		runs := map[mesa.JobID]int{}
		count := func(_ context.Context, w *jobs.Work) (jobs.Done, error) {
			mu.Lock()
			defer mu.Unlock()
			runs[w.Job.ID]++
			return jobs.Done{}, nil
		}
		q.handle(count)
		other.handle(count)
		q.work(quick)
		other.work(quick)
		var ids []mesa.JobID
		for range 60 {
			ids = append(ids, q.enqueue(db.NewJob{}).ID)
		}
		for _, id := range ids {
			if j := q.ended(id); j.State != mesa.JobSucceeded {
				q.Errorf("%s ended as %s", id, j.State)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			if runs[id] != 1 {
				q.Errorf("%s was done %d times", id, runs[id])
			}
		}
	})
}

func TestAFailureIsTriedAgainUntilTheAttemptsAreUsedUp(t *testing.T) {
	onEach(t, func(q *queue) {
		q.work(quick)
		failing := func(times int) db.NewJob { return db.NewJob{Args: map[string]int{"failTimes": times}, MaxAttempts: 2} }
		once, always := q.enqueue(failing(1)), q.enqueue(failing(9))
		if j := q.ended(once.ID); j.State != mesa.JobSucceeded || j.Attempt != 1 || j.ErrorCode != "" {
			q.Errorf("who fails once ended as %s after %d failures (%s)", j.State, j.Attempt, j.ErrorCode)
		}
		j := q.ended(always.ID)
		if j.State != mesa.JobFailed || j.Attempt != 2 || j.ErrorCode != "TOLD_TO" || j.LastError == "" {
			q.Errorf("who always fails ended as %s after %d failures: %s %s", j.State, j.Attempt, j.ErrorCode, j.LastError)
		}
		if !slices.Equal(q.outcomes(always.ID), []mesa.AttemptOutcome{mesa.AttemptFailed, mesa.AttemptFailed}) {
			q.Errorf("attempts %v", q.outcomes(always.ID))
		}
		if n := q.endings(always.ID); n != 1 {
			q.Errorf("its end was recorded %d times", n)
		}
	})
}

func TestAFailedJobCanBeTriedAgainByHand(t *testing.T) {
	onEach(t, func(q *queue) {
		var healed atomic.Bool
		q.handle(func(context.Context, *jobs.Work) (jobs.Done, error) {
			if healed.Load() {
				return jobs.Done{}, nil
			}
			return jobs.Done{}, &jobs.Failure{Code: "BROKEN", Err: errOnPurpose, Permanent: true}
		})
		q.work(quick)
		j := q.ended(q.enqueue(db.NewJob{}).ID)
		if j.State != mesa.JobFailed || j.Attempt != 1 {
			q.Fatalf("a permanent failure ended as %s after %d", j.State, j.Attempt)
		}
		healed.Store(true)
		q.ok(q.retry(j.ID))
		again := q.until(j.ID, func(now *mesa.Job) bool { return now.State == mesa.JobSucceeded })
		if again.ErrorCode != "" || again.Attempt != 0 {
			q.Errorf("done at last, with %s after %d failures", again.ErrorCode, again.Attempt)
		}
		if err := q.retry(j.ID); mesa.CodeOf(err) != mesa.InvalidTransition {
			q.Errorf("a job that succeeded can be retried: %v", err)
		}
	})
}

func TestAPanicIsAFailureAndTheWorkerGoesOn(t *testing.T) {
	onEach(t, func(q *queue) {
		q.work(quick)
		j := q.ended(q.enqueue(db.NewJob{Args: map[string]bool{"panic": true}, MaxAttempts: 1}).ID)
		if j.State != mesa.JobFailed || j.ErrorCode != mesa.JobPanicked {
			q.Errorf("ended as %s, %s", j.State, j.ErrorCode)
		}
		if next := q.ended(q.enqueue(db.NewJob{}).ID); next.State != mesa.JobSucceeded {
			q.Errorf("the next one ended as %s", next.State)
		}
	})
}

func TestAJobThatTakesTooLongFailsAndOneThatHangsIsLeftBehind(t *testing.T) {
	onEach(t, func(q *queue) {
		release := make(chan struct{})
		q.Cleanup(func() { close(release) })
		q.handle(func(ctx context.Context, w *jobs.Work) (jobs.Done, error) {
			if string(w.Job.Args) == `"hangs"` {
				<-release
			}
			<-ctx.Done()
			return jobs.Done{}, ctx.Err()
		})
		q.work(quick)
		heeds, hangs := q.enqueue(db.NewJob{Kind: impatient, MaxAttempts: 1}), q.enqueue(db.NewJob{Kind: impatient, Args: "hangs", MaxAttempts: 1})
		for _, id := range []mesa.JobID{heeds.ID, hangs.ID} {
			if j := q.ended(id); j.State != mesa.JobFailed || j.ErrorCode != mesa.JobTimedOut {
				q.Errorf("ended as %s, %s", j.State, j.ErrorCode)
			}
		}
	})
}

func TestAWaitingJobIsCancelledAtOnce(t *testing.T) {
	onEach(t, func(q *queue) {
		j := q.enqueue(db.NewJob{})
		if outcome := q.cancel(j.ID); outcome != mesa.CancelDone {
			q.Errorf("outcome %s", outcome)
		}
		if outcome := q.cancel(j.ID); outcome != mesa.AlreadyFinished {
			q.Errorf("the second time: %s", outcome)
		}
		q.work(quick)
		if next := q.ended(q.enqueue(db.NewJob{}).ID); next.State != mesa.JobSucceeded {
			q.Errorf("the next one ended as %s", next.State)
		}
		if now := q.job(j.ID); now.State != mesa.JobCancelled || len(q.outcomes(j.ID)) != 0 {
			q.Errorf("it is %s with attempts %v", now.State, q.outcomes(j.ID))
		}
	})
}

func TestARunningJobIsCancelledByAnotherProcessWithinTwoSeconds(t *testing.T) {
	onEach(t, func(q *queue) {
		other := q.process()
		q.work(quick)
		onceWithin(q.T, soon, func() time.Duration {
			j := q.enqueue(db.NewJob{Args: map[string]int{"sleepMs": 600_000, "steps": 1000}})
			q.running(j.ID)
			asked := time.Now()
			if outcome := other.cancel(j.ID); outcome != mesa.CancelRequested {
				q.Errorf("outcome %s", outcome)
			}
			if ended := q.ended(j.ID); ended.State != mesa.JobCancelled {
				q.Errorf("ended as %s", ended.State)
			}
			return time.Since(asked)
		})
	})
}

func TestAJobThatDoesNotHeedItsCancellationIsLeftBehind(t *testing.T) {
	onEach(t, func(q *queue) {
		stop := make(chan struct{})
		q.Cleanup(func() { close(stop) })
		q.handle(func(context.Context, *jobs.Work) (jobs.Done, error) {
			<-stop
			return jobs.Done{}, nil
		})
		q.work(quick)
		j := q.enqueue(db.NewJob{})
		q.running(j.ID)
		q.cancel(j.ID)
		if ended := q.ended(j.ID); ended.State != mesa.JobCancelled {
			q.Errorf("ended as %s", ended.State)
		}
	})
}

func TestTheMoreUrgentComesFirst(t *testing.T) {
	onEach(t, func(q *queue) {
		var mu sync.Mutex
		var order []int
		q.handle(func(_ context.Context, w *jobs.Work) (jobs.Done, error) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, w.Job.Priority)
			return jobs.Done{}, nil
		})
		var ids []mesa.JobID
		for _, p := range []mesa.JobPriority{mesa.JobLow, mesa.JobNormal, mesa.JobHigh} {
			for range 3 {
				ids = append(ids, q.enqueue(db.NewJob{Priority: p, ExclusiveKey: "one by one"}).ID)
			}
		}
		q.work(quick)
		for _, id := range ids {
			q.ended(id)
		}
		if !slices.IsSorted(order) {
			q.Errorf("done in the order of priorities %v", order)
		}
	})
}

func TestJobsOfAnExclusiveKeyRunOneByOne(t *testing.T) {
	onEach(t, func(q *queue) {
		other := q.process()
		var now, most atomic.Int64
		exclusive := func(ctx context.Context, _ *jobs.Work) (jobs.Done, error) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer now.Add(-1)
			return jobs.Done{}, ctx.Err()
		}
		q.handle(exclusive)
		other.handle(exclusive)
		q.work(quick)
		other.work(quick)
		var ids []mesa.JobID
		for range 12 {
			ids = append(ids, q.enqueue(db.NewJob{ExclusiveKey: "desk 7"}).ID)
		}
		for _, id := range ids {
			q.ended(id)
		}
		if most.Load() != 1 {
			q.Errorf("%d ran at once", most.Load())
		}
	})
}

func TestAUniqueKeyHasOneLiveJob(t *testing.T) {
	onEach(t, func(q *queue) {
		first, again := q.enqueue(db.NewJob{UniqueKey: "night"}), q.enqueue(db.NewJob{UniqueKey: "night"})
		if first.ID != again.ID {
			q.Errorf("two jobs: %s and %s", first.ID, again.ID)
		}
		q.work(quick)
		q.ended(first.ID)
		if next := q.enqueue(db.NewJob{UniqueKey: "night"}); next.ID == first.ID {
			q.Error("a job that ended keeps its key")
		}
	})
}

func TestAPausedQueueWaitsUntilItIsResumed(t *testing.T) {
	onEach(t, func(q *queue) {
		q.pause("default", true)
		q.handlers[mesa.JobUpkeep] = jobs.Upkeep(q.db)
		q.work(quick)
		held, free := q.enqueue(db.NewJob{}), q.enqueue(db.NewJob{Kind: mesa.JobUpkeep}) // the second in another queue
		q.ended(free.ID)
		if j := q.job(held.ID); j.State != mesa.JobQueued {
			q.Errorf("a job of the paused queue is %s", j.State)
		}
		states, err := q.db.Queues(q.Context())
		q.ok(err)
		if i := slices.IndexFunc(states, func(s *mesa.QueueState) bool { return s.Name == "default" }); !states[i].Paused || states[i].Depth != 1 || states[i].OldestAge == nil {
			q.Errorf("the queue says %+v", states[i])
		}
		q.pause("default", false)
		if j := q.ended(held.ID); j.State != mesa.JobSucceeded {
			q.Errorf("after the pause it ended as %s", j.State)
		}
	})
}

func TestADelayedJobStartsWhenItIsDue(t *testing.T) {
	onEach(t, func(q *queue) {
		q.work(quick)
		due := q.db.Now().Add(1500 * time.Millisecond)
		j := q.ended(q.enqueue(db.NewJob{RunAt: due}).ID)
		if early := due.Sub(*j.StartedAt); early > 0 {
			q.Errorf("started %s too early", early)
		}
	})
}

func TestProgressReachesFollowersAndNeverFalls(t *testing.T) {
	onEach(t, func(q *queue) {
		other := q.process()
		goOn := make(chan struct{})
		q.handle(func(_ context.Context, w *jobs.Work) (jobs.Done, error) {
			w.Progress(30, 100)
			<-goOn
			return jobs.Done{}, nil
		})
		q.work(quick)
		j := q.enqueue(db.NewJob{})
		seen := other.until(j.ID, func(now *mesa.Job) bool { return now.Progress > 0 })
		if seen.Progress != 30 || seen.Done != 30 || seen.Total != 100 {
			q.Errorf("%d %%, %d of %d", seen.Progress, seen.Done, seen.Total)
		}
		close(goOn)
		if ended := other.ended(j.ID); ended.Progress != 100 || ended.Rev <= seen.Rev {
			q.Errorf("ended with %d %%, revision %d after %d", ended.Progress, ended.Rev, seen.Rev)
		}
	})
}

func TestAStopLetsJobsEndAndHandsBackTheOthers(t *testing.T) {
	onEach(t, func(q *queue) {
		other := q.process()
		var started sync.WaitGroup
		started.Add(2)
		stopping := make(chan struct{})
		q.handle(func(ctx context.Context, w *jobs.Work) (jobs.Done, error) {
			started.Done()
			if string(w.Job.Args) == `"short"` {
				<-stopping
				return jobs.Done{}, nil
			}
			<-ctx.Done()
			return jobs.Done{}, ctx.Err()
		})
		patient := quick
		patient.SoftStop = 8 * time.Second // a busy machine may hold up the end of the short one for a second
		stop := q.work(patient)
		short, long := q.enqueue(db.NewJob{Args: "short"}), q.enqueue(db.NewJob{Args: "long"})
		started.Wait()
		time.AfterFunc(100*time.Millisecond, func() { close(stopping) })
		stop()
		if j := q.job(short.ID); j.State != mesa.JobSucceeded {
			q.Errorf("the short one is %s", j.State)
		}
		if j := q.job(long.ID); j.State != mesa.JobQueued || j.Attempt != 0 || j.Crashes != 0 {
			q.Errorf("the long one is %s after %d failures and %d crashes", j.State, j.Attempt, j.Crashes)
		}
		other.work(quick)
		if j := other.ended(long.ID); j.State != mesa.JobFailed && j.State != mesa.JobSucceeded {
			q.Errorf("another worker left it %s", j.State)
		}
		if got := q.outcomes(long.ID)[0]; got != mesa.AttemptReleased {
			q.Errorf("its first attempt was %s", got)
		}
	})
}

func TestAStopInTheMiddleOfTakingJobsLosesNone(t *testing.T) {
	onEach(t, func(q *queue) {
		patient := quick
		patient.Lease, patient.SoftStop = time.Minute, time.Minute
		var ids []mesa.JobID
		for n := range 40 {
			stop := q.work(patient)
			for range 5 {
				ids = append(ids, q.enqueue(db.NewJob{}).ID)
			}
			time.Sleep(time.Duration(n%4) * time.Millisecond)
			stop()
		}
		for _, id := range ids {
			if j := q.job(id); j.State == mesa.JobRunning || j.Crashes > 0 {
				q.Errorf("%s is %s of %s after the stop", id, j.State, j.Worker)
			}
		}
	})
}
