package db

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// Jobs are rows. A worker has a job while the row names it and the epoch that it was given; whatever it writes is guarded by both, so that
// one that was taken for dead cannot finish what another has taken over. Epochs only rise. See docs/decisions/0009-jobs.md.

// ErrFenced says that the job is no longer the worker's.
var ErrFenced = errors.New("the job was given to somebody else")

// NewJob is a job to be done.
type NewJob struct {
	Kind         mesa.JobKind
	Queue        string           // default: that of the kind
	Priority     mesa.JobPriority // default: NORMAL
	RunAt        time.Time        // default: now
	Args         any
	About        string // id of what it is for
	UniqueKey    string // one job of a key waits or runs
	ExclusiveKey string // one job of a key runs
	RequestedBy  mesa.UserID
	MaxAttempts  int // default: that of the kind
}

// live is the condition of the unique index on keys: SQL finds the index only by the same words.
const live = "unique_key IS NOT NULL AND state IN ('QUEUED', 'RUNNING')"

// Enqueue adds a job in the caller's transaction. When one that waits or runs has its unique key, that one comes back instead, and
// isNew is false.
func (tx *Tx) Enqueue(ctx context.Context, n NewJob) (job *mesa.Job, isNew bool, err error) {
	if job, err = tx.newJob(n); err != nil {
		return nil, false, err
	}
	job.Traceparent = trace.Of(ctx).Parent()
	for range 3 { // the live job of the key may end just now
		insert := tx.NewInsert().Model(job).Returning("NULL")
		if n.UniqueKey != "" {
			insert = insert.On("CONFLICT (unique_key) WHERE " + live + " DO NOTHING")
		}
		result, err := insert.Exec(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("insert job: %w", err)
		}
		if added, err := result.RowsAffected(); err != nil || added > 0 {
			tx.touched.queued(job)
			return job, true, err
		}
		other := &mesa.Job{}
		err = tx.NewSelect().Model(other).Where(live+" AND unique_key = ?", n.UniqueKey).Scan(ctx)
		if err == nil {
			return other, false, nil
		}
		if err = notFound(err, "", "find the live job"); mesa.CodeOf(err) != mesa.NotFound {
			return nil, false, err
		}
	}
	return nil, false, fmt.Errorf("the job with key %s is there and is not", n.UniqueKey)
}

func (tx *Tx) newJob(n NewJob) (*mesa.Job, error) {
	policy := mesa.PolicyOf(n.Kind)
	if policy.Queue == "" {
		return nil, fmt.Errorf("no policy for jobs of kind %s", n.Kind)
	}
	args, err := json.Marshal(n.Args)
	if err != nil {
		return nil, fmt.Errorf("arguments of a job: %w", err)
	}
	now := tx.Now()
	job := &mesa.Job{
		ID: tx.IDs().Job(now), Kind: n.Kind, Queue: policy.Queue, Priority: n.Priority.Rank(), State: mesa.JobQueued, Rev: 1, MaxAttempts: policy.MaxAttempts,
		CreatedAt: now, RunAt: now, Args: args, About: n.About, UniqueKey: mesa.Text(n.UniqueKey), ExclusiveKey: mesa.Text(n.ExclusiveKey), RequestedByID: n.RequestedBy,
	}
	if n.Queue != "" {
		job.Queue = n.Queue
	}
	if n.MaxAttempts > 0 {
		job.MaxAttempts = n.MaxAttempts
	}
	if n.RunAt.After(now) {
		job.RunAt = n.RunAt.UTC().Truncate(time.Microsecond)
	}
	return job, nil
}

// Claim says which jobs of a queue a worker would take.
type Claim struct {
	Worker string
	Lease  time.Duration
	Queue  string
	Limit  int
	IDs    []mesa.JobID // only these; nil for whatever is next
}

// due is the condition for jobs of a queue that can be taken (queue, now). Of those with an exclusive key that is the first one, when none runs.
// What was to be done at once when it was added is due by any clock: that of another machine may be behind, or go back.
const due = `j.state = 'QUEUED' AND j.queue = ?0 AND (j.run_at <= ?1 OR j.run_at <= j.created_at) AND NOT EXISTS (SELECT 1 FROM paused_queues AS p WHERE p.queue = j.queue)
	AND (j.exclusive_key IS NULL OR NOT EXISTS (SELECT 1 FROM jobs AS r WHERE r.exclusive_key = j.exclusive_key AND r.state = 'RUNNING')
		AND NOT EXISTS (SELECT 1 FROM jobs AS f WHERE f.exclusive_key = j.exclusive_key AND f.state = 'QUEUED' AND (f.run_at <= ?1 OR f.run_at <= f.created_at)
			AND (f.priority, f.run_at, f.id) < (j.priority, j.run_at, j.id)))`

// HasDue says whether a queue has a job that can be taken now. It only reads.
func (db *DB) HasDue(ctx context.Context, queue string) (has bool, err error) {
	err = db.read.NewRaw("SELECT EXISTS (SELECT 1 FROM jobs AS j WHERE "+due+")", queue, db.Now()).Scan(ctx, &has)
	if err != nil {
		return false, fmt.Errorf("look for jobs: %w", err)
	}
	return has, nil
}

// ClaimJobs gives a worker jobs that are due, the most urgent first, and none of a paused queue.
func (db *DB) ClaimJobs(ctx context.Context, c Claim) (jobs []*mesa.Job, err error) {
	for try := 1; ; try++ {
		err = db.InTx(ctx, func(tx *Tx) error {
			jobs, err = tx.claim(ctx, c)
			return err
		})
		if err == nil || !db.dialect.isUnique(err) || try == 3 {
			break
		}
		// another has taken one of an exclusive key at the same time
	}
	if db.dialect.isUnique(err) {
		return nil, nil // others take them
	}
	if err != nil {
		return nil, err
	}
	return jobs, nil
}

// ClaimedJobs are the jobs that a worker has because of a claim made since an instant: whoever lost the answer of ClaimJobs asks so.
func (db *DB) ClaimedJobs(ctx context.Context, c Claim, since time.Time) (jobs []*mesa.Job, err error) {
	err = db.read.NewSelect().Model(&jobs).Where("worker = ? AND queue = ? AND state = 'RUNNING' AND claimed_at >= ?", c.Worker, c.Queue, since).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("find claimed jobs: %w", err)
	}
	return jobs, nil
}

func (tx *Tx) claim(ctx context.Context, c Claim) ([]*mesa.Job, error) {
	now := tx.Now() // with the transaction begun: on SQLite that may have taken a while, and the lease counts from here
	until, untilArg := tx.db.dialect.leaseClock(now, c.Lease)
	among := ""
	if c.IDs != nil {
		among = " AND j.id IN (?5)"
	}
	var jobs []*mesa.Job
	err := tx.NewRaw(`WITH taken AS MATERIALIZED (SELECT j.id FROM jobs AS j WHERE `+due+among+` ORDER BY j.priority, j.run_at, j.id LIMIT ?2`+tx.db.dialect.skipLocked()+`)
		UPDATE jobs SET state = 'RUNNING', epoch = epoch + 1, rev = rev + 1, worker = ?3, lease_until = `+strings.Replace(until, "?", "?4", 1)+`,
			claimed_at = ?1, started_at = coalesce(started_at, ?1), done = 0, total = 0
		WHERE id IN (SELECT id FROM taken) RETURNING *`, c.Queue, now, c.Limit, c.Worker, untilArg, bun.List(c.IDs)).Scan(ctx, &jobs)
	if err != nil {
		return nil, fmt.Errorf("claim jobs: %w", err)
	}
	for _, j := range jobs {
		tx.touched.job(j.ID)
	}
	slices.SortFunc(jobs, func(a, b *mesa.Job) int {
		return cmp.Or(a.Priority-b.Priority, a.RunAt.Compare(b.RunAt))
	})
	return jobs, nil
}

// Beat is what a worker says of a job that it has.
type Beat struct {
	ID                    mesa.JobID
	Epoch                 int64
	IsNew                 bool // whether the rest is news
	Progress, Done, Total int64
}

// HeartbeatJobs extends the leases of a worker's jobs and notes how far they are. Those that are no longer the worker's are missing from
// what comes back.
func (db *DB) HeartbeatJobs(ctx context.Context, worker string, lease time.Duration, beats []Beat) (held map[mesa.JobID]int64, err error) {
	err = db.inTx(ctx, db.vital, func(tx *Tx) error {
		held = map[mesa.JobID]int64{}
		if err := tx.extend(ctx, worker, lease, beats, held); err != nil {
			return fmt.Errorf("extend leases: %w", err)
		}
		for _, b := range beats {
			if !b.IsNew || held[b.ID] != b.Epoch {
				continue
			}
			_, err := tx.NewRaw(`UPDATE jobs SET progress = CASE WHEN progress < ? THEN ? ELSE progress END, done = ?, total = ?, rev = rev + 1
				WHERE id = ? AND epoch = ? AND worker = ? AND state = 'RUNNING'`, b.Progress, b.Progress, b.Done, b.Total, b.ID, b.Epoch, worker).Exec(ctx)
			if err != nil {
				return fmt.Errorf("note progress: %w", err)
			}
			tx.touched.job(b.ID)
		}
		return nil
	})
	return held, err
}

func (tx *Tx) extend(ctx context.Context, worker string, lease time.Duration, beats []Beat, held map[mesa.JobID]int64) error {
	ids := make([]mesa.JobID, len(beats))
	for i, b := range beats {
		ids[i] = b.ID
	}
	until, arg := tx.db.dialect.leaseClock(tx.Now(), lease)
	var rows []struct {
		ID    mesa.JobID
		Epoch int64
	}
	err := tx.NewRaw("UPDATE jobs SET lease_until = "+until+" WHERE worker = ? AND state = 'RUNNING' AND id IN (?) RETURNING id, epoch",
		arg, worker, bun.List(ids)).Scan(ctx, &rows)
	for _, row := range rows {
		held[row.ID] = row.Epoch
	}
	return err
}

// End is how an attempt ended.
type End struct {
	Outcome   mesa.AttemptOutcome // any but LOST
	Result    any
	ErrorCode string
	Error     string        // for administrators
	Permanent bool          // trying again would not help
	RetryIn   time.Duration // before the next attempt
}

// EndJob notes the end of an attempt, with what it did (also, which may be nil) in the same transaction: the effects of a job and its end
// are there together or not at all. also is given the job as it ends. ErrFenced, and nothing is done, when the job is not the worker's any more.
func (db *DB) EndJob(ctx context.Context, job *mesa.Job, end End, also func(ctx context.Context, tx *Tx, job *mesa.Job) error) (after *mesa.Job, err error) {
	var result json.RawMessage
	if end.Result != nil {
		if result, err = json.Marshal(end.Result); err != nil {
			return nil, fmt.Errorf("result of a job: %w", err)
		}
	}
	err = db.InTx(ctx, func(tx *Tx) error {
		if after, err = tx.ownJob(ctx, job); err != nil {
			return err
		}
		now := tx.Now()
		if err := tx.noteAttempt(ctx, after, now, end.Outcome, end.ErrorCode); err != nil {
			return err
		}
		endJob(after, now, end, result)
		if also != nil {
			if err := also(ctx, tx, after); err != nil {
				return err
			}
		}
		return tx.storeJob(ctx, after, now)
	})
	return after, err
}

// Ended is an attempt that succeeded and did nothing but what it says.
type Ended struct {
	Job    *mesa.Job
	Result any
}

// EndJobs notes the success of attempts of one worker, all in one transaction, and returns the jobs as they end, in the order of list: nil
// for an attempt that has lost its job. Several attempts at one job may be in list: only its present one ends it.
func (db *DB) EndJobs(ctx context.Context, worker string, list []Ended) (after []*mesa.Job, err error) {
	ids, results := make([]mesa.JobID, len(list)), make([]json.RawMessage, len(list))
	for i, e := range list {
		ids[i] = e.Job.ID
		if e.Result != nil {
			if results[i], err = json.Marshal(e.Result); err != nil {
				return nil, fmt.Errorf("result of a job: %w", err)
			}
		}
	}
	err = db.InTx(ctx, func(tx *Tx) error {
		var rows []*mesa.Job
		q := tx.NewSelect().Model(&rows).Where("job.id IN (?) AND job.worker = ? AND job.state = 'RUNNING'", bun.List(ids), worker).Order("job.id")
		if err := db.dialect.forUpdate(q, "job").Scan(ctx); err != nil {
			return fmt.Errorf("lock jobs: %w", err)
		}
		after = make([]*mesa.Job, len(list))
		var own []*mesa.Job
		for _, j := range rows {
			at := slices.IndexFunc(list, func(e Ended) bool { return e.Job.ID == j.ID && e.Job.Epoch == j.Epoch })
			if at >= 0 {
				j.Result, after[at] = results[at], j
				own = append(own, j)
			}
		}
		if len(own) == 0 {
			return nil
		}
		return tx.succeed(ctx, own)
	})
	return after, err
}

// succeed ends locked jobs, which have their results, with a statement of each kind for all of them.
func (tx *Tx) succeed(ctx context.Context, list []*mesa.Job) error {
	now := tx.Now()
	attempts := make([]*mesa.JobAttempt, len(list))
	var events []*mesa.Event
	for i, j := range list {
		attempts[i] = attemptOf(j, now, mesa.AttemptSucceeded, "")
		endJob(j, now, End{Outcome: mesa.AttemptSucceeded}, j.Result)
		tx.giveBack(j, now)
		if e := tx.endEvent(j, now); e != nil {
			events = append(events, e)
		}
	}
	if _, err := tx.NewInsert().Model(&attempts).Exec(ctx); err != nil {
		return fmt.Errorf("note attempts: %w", err)
	}
	rows := tx.NewInsert().Model(&list).On("CONFLICT (id) DO UPDATE")
	for _, column := range []string{"state", "progress", "result", "error_code", "last_error", "rev", "epoch", "lease_until", "finished_at", "expires_at"} {
		rows = rows.Set("? = excluded.?", bun.Ident(column), bun.Ident(column))
	}
	if _, err := rows.Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("store jobs: %w", err)
	}
	for _, j := range list {
		if err := tx.ringForNext(ctx, j); err != nil {
			return err
		}
	}
	return tx.AppendEvents(ctx, events)
}

// ownJob locks a job that is still the worker's.
func (tx *Tx) ownJob(ctx context.Context, job *mesa.Job) (*mesa.Job, error) {
	now := &mesa.Job{}
	q := tx.NewSelect().Model(now).Where("job.id = ? AND job.epoch = ? AND job.worker = ? AND job.state = 'RUNNING'", job.ID, job.Epoch, job.Worker)
	if err := tx.db.dialect.forUpdate(q, "job").Scan(ctx); err != nil {
		if err = notFound(err, "", "lock job"); mesa.CodeOf(err) == mesa.NotFound {
			return nil, ErrFenced
		}
		return nil, err
	}
	return now, nil
}

// endJob changes a job by the way its attempt ended.
func endJob(j *mesa.Job, now time.Time, end End, result json.RawMessage) {
	j.ErrorCode, j.LastError = mesa.Text(end.ErrorCode), mesa.Text(end.Error)
	switch {
	case end.Outcome == mesa.AttemptSucceeded:
		j.State, j.Progress, j.Result = mesa.JobSucceeded, 100, result
	case end.Outcome == mesa.AttemptCancelled, j.CancelRequestedAt != nil:
		j.State = mesa.JobCancelled
	case end.Outcome == mesa.AttemptReleased:
		requeue(j, now, end.RetryIn)
	default:
		j.Attempt++
		if end.Permanent || j.Attempt >= j.MaxAttempts {
			j.State = mesa.JobFailed
		} else {
			requeue(j, now, end.RetryIn)
		}
	}
}

// requeue lets a job wait again. One that may be taken at once keeps its place in the line.
func requeue(j *mesa.Job, now time.Time, wait time.Duration) {
	j.State, j.AnnouncedAt = mesa.JobQueued, nil
	if wait > 0 {
		j.RunAt = now.Add(wait)
	}
}

// noteAttempt records the end of the present attempt of a job.
func (tx *Tx) noteAttempt(ctx context.Context, j *mesa.Job, now time.Time, outcome mesa.AttemptOutcome, code string) error {
	if _, err := tx.NewInsert().Model(attemptOf(j, now, outcome, code)).Exec(ctx); err != nil {
		return fmt.Errorf("note attempt: %w", err)
	}
	return nil
}

func attemptOf(j *mesa.Job, now time.Time, outcome mesa.AttemptOutcome, code string) *mesa.JobAttempt {
	return &mesa.JobAttempt{JobID: j.ID, Epoch: j.Epoch, Worker: string(j.Worker), StartedAt: *j.ClaimedAt, EndedAt: &now, Outcome: outcome, ErrorCode: mesa.Text(code)}
}

// storeJob writes a job that nobody works on any more, under a new epoch; whoever follows it is told, and workers if it waits.
func (tx *Tx) storeJob(ctx context.Context, j *mesa.Job, now time.Time) error {
	tx.giveBack(j, now)
	if _, err := tx.NewUpdate().Model(j).WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("store job: %w", err)
	}
	if err := tx.ringForNext(ctx, j); err != nil {
		return err
	}
	if e := tx.endEvent(j, now); e != nil {
		return tx.AppendEvents(ctx, []*mesa.Event{e})
	}
	return nil
}

// giveBack takes a job from its worker.
func (tx *Tx) giveBack(j *mesa.Job, now time.Time) {
	j.Rev++
	j.Epoch++
	j.LeaseUntil = nil
	if j.State.IsFinal() {
		expires := now.Add(mesa.PolicyOf(j.Kind).KeepFor)
		j.FinishedAt, j.ExpiresAt = &now, &expires
	}
	tx.touched.job(j.ID)
	if j.State == mesa.JobQueued {
		tx.touched.queued(j)
	}
}

// ringForNext makes workers look for the job that waited for this one to end.
func (tx *Tx) ringForNext(ctx context.Context, j *mesa.Job) error {
	if j.ExclusiveKey == "" {
		return nil
	}
	var next []*mesa.Job
	err := tx.NewSelect().Model(&next).Where("exclusive_key = ? AND state = 'QUEUED' AND id <> ?", j.ExclusiveKey, j.ID).Order("priority", "run_at", "id").Limit(1).Scan(ctx)
	if err != nil {
		return fmt.Errorf("find the next job of the key: %w", err)
	}
	tx.touched.queued(next...)
	return nil
}

// endEvent is the event that records the end of a job, once: it is in the transaction that ends it. It is nil when none does.
func (tx *Tx) endEvent(j *mesa.Job, now time.Time) *mesa.Event {
	ended := mesa.PolicyOf(j.Kind).Ended(j.State)
	if ended == "" {
		return nil
	}
	e := mesa.NewEvent(tx.IDs(), mesa.System(nil, "mesa"), now, ended)
	e.ObjectID, e.Text = string(j.ID), string(j.Kind)
	if j.About != "" {
		e.ObjectID = j.About
	}
	return e
}

// EndedAttempt says how the attempt of a worker ended, "" when it is not known to have: whoever lost the answer of EndJob asks so.
func (db *DB) EndedAttempt(ctx context.Context, job *mesa.Job) (mesa.AttemptOutcome, error) {
	var rows []mesa.AttemptOutcome
	err := db.read.NewRaw("SELECT outcome FROM job_attempts WHERE job_id = ? AND epoch = ? AND worker = ?", job.ID, job.Epoch, job.Worker).Scan(ctx, &rows)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0], nil
}

const rescueBatch = 100

// RescueJobs gives back the jobs of workers that stopped saying that they work, and of the named ones at once; it fails those with which
// too many workers were lost.
func (db *DB) RescueJobs(ctx context.Context, dead ...string) (rescued []*mesa.Job, err error) {
	err = db.inTx(ctx, db.vital, func(tx *Tx) error {
		now := tx.Now()
		clock, arg := tx.db.dialect.leaseClock(now, 0)
		rescued = nil
		err := tx.NewRaw("SELECT * FROM jobs WHERE state = 'RUNNING' AND (lease_until < "+clock+" OR worker IN (?)) ORDER BY id LIMIT ?"+tx.db.dialect.skipLocked(),
			arg, bun.List(append(dead, "")), rescueBatch).Scan(ctx, &rescued)
		if err != nil {
			return fmt.Errorf("find lost jobs: %w", err)
		}
		for _, j := range rescued {
			if err := tx.rescue(ctx, j, now); err != nil {
				return err
			}
		}
		return nil
	})
	return rescued, err
}

func (tx *Tx) rescue(ctx context.Context, j *mesa.Job, now time.Time) error {
	if err := tx.noteAttempt(ctx, j, now, mesa.AttemptLost, mesa.JobWorkerLost); err != nil {
		return err
	}
	j.Crashes++
	j.ErrorCode = mesa.JobWorkerLost
	switch {
	case j.CancelRequestedAt != nil:
		j.State = mesa.JobCancelled
	case j.Crashes >= mesa.MaxCrashes:
		j.State, j.ErrorCode = mesa.JobFailed, mesa.JobCrashLoop
	default:
		requeue(j, now, 0)
	}
	return tx.storeJob(ctx, j, now)
}

// LockJob finds a job and keeps others from changing it until the transaction ends. NotFound when there is none.
func (tx *Tx) LockJob(ctx context.Context, id mesa.JobID) (*mesa.Job, error) {
	j := &mesa.Job{}
	if err := tx.db.dialect.forUpdate(tx.NewSelect().Model(j).Where("job.id = ?", id), "job").Scan(ctx); err != nil {
		return nil, notFound(err, "jobId", "lock job")
	}
	return j, nil
}

// CancelJob cancels a locked job that waits, or asks its worker to stop; it says what became of it.
func (tx *Tx) CancelJob(ctx context.Context, j *mesa.Job) (mesa.CancelOutcome, error) {
	now := tx.Now()
	switch {
	case j.State.IsFinal():
		return mesa.AlreadyFinished, nil
	case j.State == mesa.JobQueued:
		j.State, j.CancelRequestedAt = mesa.JobCancelled, &now
		return mesa.CancelDone, tx.storeJob(ctx, j, now)
	case j.CancelRequestedAt != nil:
		return mesa.CancelRequested, nil
	}
	j.Rev++
	j.CancelRequestedAt = &now
	if _, err := tx.NewUpdate().Model(j).Column("rev", "cancel_requested_at").WherePK().Exec(ctx); err != nil {
		return "", fmt.Errorf("ask for a job to stop: %w", err)
	}
	tx.touched.job(j.ID)
	return mesa.CancelRequested, nil
}

// RetryJob lets a locked job that failed or was cancelled be done again, with all its attempts. InvalidTransition for any other.
func (tx *Tx) RetryJob(ctx context.Context, j *mesa.Job) error {
	if j.State != mesa.JobFailed && j.State != mesa.JobCancelled {
		return mesa.Fail(mesa.InvalidTransition, "jobId", "Solo se reintenta un trabajo fallido o cancelado.").With("state", string(j.State))
	}
	if j.UniqueKey != "" { // asked before, because a violated index would spoil the transaction
		if n, err := tx.NewSelect().Model((*mesa.Job)(nil)).Where(live+" AND unique_key = ?", j.UniqueKey).Count(ctx); err != nil || n > 0 {
			return errors.Join(err, mesa.Fail(mesa.InvalidTransition, "jobId", "Otro trabajo con la misma clave está en curso."))
		}
	}
	now := tx.Now()
	requeue(j, now, 0)
	j.Attempt, j.Crashes, j.Progress, j.Done, j.Total = 0, 0, 0, 0, 0
	j.FinishedAt, j.ExpiresAt, j.CancelRequestedAt, j.ErrorCode, j.LastError = nil, nil, nil, "", ""
	return tx.storeJob(ctx, j, now)
}

// AnnounceJobs marks at most limit jobs that are due as announced and returns them, for their bells to be rung. Those that were added within
// the last second are left to whoever added them.
func (db *DB) AnnounceJobs(ctx context.Context, limit int) (jobs []*mesa.Job, err error) {
	now := db.Now()
	old := now.Add(-time.Second)
	var has bool // an idle process should not write
	err = db.read.NewRaw("SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'QUEUED' AND announced_at IS NULL AND run_at <= ? AND created_at < ?)", now, old).Scan(ctx, &has)
	if err != nil || !has {
		return nil, err
	}
	err = db.write.NewRaw(`WITH waiting AS MATERIALIZED (SELECT id FROM jobs WHERE state = 'QUEUED' AND announced_at IS NULL AND run_at <= ? AND created_at < ? ORDER BY run_at LIMIT ?`+
		db.dialect.skipLocked()+`) UPDATE jobs SET announced_at = ? WHERE id IN (SELECT id FROM waiting) RETURNING *`, now, old, limit, now).Scan(ctx, &jobs)
	if err != nil {
		return nil, fmt.Errorf("announce jobs: %w", err)
	}
	return jobs, nil
}

// ForgetAnnouncements lets all waiting jobs be announced again: the list in which they were announced is gone.
func (db *DB) ForgetAnnouncements(ctx context.Context) error {
	_, err := db.write.NewRaw("UPDATE jobs SET announced_at = NULL WHERE state = 'QUEUED' AND announced_at IS NOT NULL").Exec(ctx)
	return err
}

// ForgetJobs deletes at most limit jobs whose time of keeping is over, and says how many there were.
func (db *DB) ForgetJobs(ctx context.Context, limit int) (n int64, err error) {
	result, err := db.write.NewRaw("DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE expires_at < ? LIMIT ?)", db.Now(), limit).Exec(ctx)
	if err != nil {
		return 0, fmt.Errorf("forget jobs: %w", err)
	}
	return result.RowsAffected()
}

// PauseQueue keeps workers from taking jobs of a queue, or (on false) lets them again, and says whether that changed anything. What runs
// goes on.
func (tx *Tx) PauseQueue(ctx context.Context, queue string, pause bool) (changed bool, err error) {
	statement, args := "DELETE FROM paused_queues WHERE queue = ?", []any{queue}
	if pause {
		statement, args = "INSERT INTO paused_queues (queue, paused_at) VALUES (?, ?) ON CONFLICT DO NOTHING", []any{queue, tx.Now()}
	}
	result, err := tx.NewRaw(statement, args...).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("pause queue: %w", err)
	}
	n, err := result.RowsAffected()
	return n > 0, err
}
