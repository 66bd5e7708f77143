package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// What administrators see of jobs, queues, the schedule and workers. Whoever asks has checked that they may.

// JobsByID finds jobs; the others are missing from the map.
func (db *DB) JobsByID(ctx context.Context, ids []mesa.JobID) (map[mesa.JobID]*mesa.Job, error) {
	var rows []*mesa.Job
	if err := db.read.NewSelect().Model(&rows).Where("job.id IN (?)", bun.List(ids)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("jobs by id: %w", err)
	}
	return byID(rows, func(j *mesa.Job) mesa.JobID { return j.ID }), nil
}

// AttemptsByJob lists the attempts of jobs, the first one first and without the one that runs; every key is there.
func (db *DB) AttemptsByJob(ctx context.Context, ids []mesa.JobID) (map[mesa.JobID][]*mesa.JobAttempt, error) {
	var rows []*mesa.JobAttempt
	if err := db.read.NewSelect().Model(&rows).Where("job_id IN (?)", bun.List(ids)).Order("job_id", "epoch").Scan(ctx); err != nil {
		return nil, fmt.Errorf("attempts by job: %w", err)
	}
	return grouped(ids, rows, func(a *mesa.JobAttempt) mesa.JobID { return a.JobID }), nil
}

var jobOrder = keyset{name: "jobs", keys: []key{{"job.id", textKey}}, desc: true}

// Jobs lists jobs, the newest first.
func (db *DB) Jobs(ctx context.Context, f mesa.JobFilter, p Page) (Slice[*mesa.Job], error) {
	q := db.read.NewSelect()
	q = whereIn(q, "job.state", f.States)
	q = whereIn(q, "job.kind", f.Kinds)
	q = whereIn(q, "job.queue", f.Queues)
	return list(ctx, q, jobOrder, func(j *mesa.Job) []any { return []any{j.ID} }, p)
}

// Queues says how the queues stand, in the order of mesa.JobQueues.
func (db *DB) Queues(ctx context.Context) ([]*mesa.QueueState, error) {
	var counts []struct {
		Queue                   string
		Queued, Running, Failed int
		Oldest                  *time.Time
	}
	now := db.Now()
	// Each state by itself: so the indexes of the few jobs that wait, run or failed are read, and not the many that are done.
	err := db.read.NewRaw(`SELECT queue, sum(queued) AS queued, sum(running) AS running, sum(failed) AS failed, min(oldest) AS oldest FROM (
		SELECT queue, count(*) AS queued, 0 AS running, 0 AS failed, min(CASE WHEN run_at <= ? THEN run_at END) AS oldest FROM jobs WHERE state = 'QUEUED' GROUP BY queue
		UNION ALL SELECT queue, 0, count(*), 0, NULL FROM jobs WHERE state = 'RUNNING' GROUP BY queue
		UNION ALL SELECT queue, 0, 0, count(*), NULL FROM jobs WHERE state = 'FAILED' GROUP BY queue) AS counts GROUP BY queue`, now).Scan(ctx, &counts)
	if err != nil {
		return nil, fmt.Errorf("read queues: %w", err)
	}
	var paused []string
	if err := db.read.NewRaw("SELECT queue FROM paused_queues").Scan(ctx, &paused); err != nil {
		return nil, fmt.Errorf("read paused queues: %w", err)
	}
	list := make([]*mesa.QueueState, len(mesa.JobQueues))
	for i, q := range mesa.JobQueues {
		list[i] = &mesa.QueueState{Name: q.Name, Paused: slices.Contains(paused, q.Name)}
		for _, c := range counts {
			if c.Queue != q.Name {
				continue
			}
			list[i].Depth, list[i].Running, list[i].Failed = c.Queued, c.Running, c.Failed
			if c.Oldest != nil {
				age := max(0, int(now.Sub(*c.Oldest).Seconds()))
				list[i].OldestAge = &age
			}
		}
	}
	return list, nil
}

// farAhead is more than the clocks of processes differ by: a time beyond it was noted by a clock that was wrong.
const farAhead = 24 * time.Hour

// Fire enqueues the job of an entry of the schedule for a time at which it is due. Of processes that do so at once one does; the
// others, and whoever comes too late, get nil. A fire that was noted for a time far ahead does not count: the schedule would be silent until then.
func (db *DB) Fire(ctx context.Context, entry string, at time.Time, n NewJob) (job *mesa.Job, err error) {
	err = db.InTx(ctx, func(tx *Tx) error {
		job = nil
		result, err := tx.NewRaw(`INSERT INTO schedules (name, fired_at) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET fired_at = excluded.fired_at WHERE schedules.fired_at < excluded.fired_at OR schedules.fired_at > ?`,
			entry, at.UTC(), tx.Now().Add(farAhead)).Exec(ctx)
		if err != nil {
			return fmt.Errorf("fire %s: %w", entry, err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if job, _, err = tx.Enqueue(ctx, n); err != nil {
			return err
		}
		_, err = tx.NewRaw("UPDATE schedules SET last_job_id = ? WHERE name = ?", job.ID, entry).Exec(ctx)
		return err
	})
	return job, err
}

// LastFires are the latest fires of the schedule's entries.
func (db *DB) LastFires(ctx context.Context) (map[string]mesa.ScheduleFire, error) {
	var rows []mesa.ScheduleFire
	err := db.read.NewRaw(`SELECT s.name, s.fired_at, j.state AS result FROM schedules AS s LEFT JOIN jobs AS j ON j.id = s.last_job_id`).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	m := make(map[string]mesa.ScheduleFire, len(rows))
	for _, row := range rows {
		m[row.Name] = row
	}
	return m, nil
}

// SeeWorker notes that a process works, and forgets those that were not seen for long.
func (db *DB) SeeWorker(ctx context.Context, w mesa.Worker) error {
	w.LastSeenAt = db.Now()
	_, err := db.vital.NewInsert().Model(&w).On("CONFLICT (id) DO UPDATE").Set("last_seen_at = excluded.last_seen_at, running = excluded.running").Exec(ctx)
	if err == nil {
		_, err = db.vital.NewRaw("DELETE FROM workers WHERE last_seen_at < ?", w.LastSeenAt.Add(-WorkerForgottenAfter)).Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("note worker: %w", err)
	}
	return nil
}

// WorkerForgottenAfter is how long a worker may be silent until the next one to be heard strikes it off the list.
const WorkerForgottenAfter = 2 * time.Minute

// ForgetWorker notes that a process works no longer.
func (db *DB) ForgetWorker(ctx context.Context, id string) error {
	_, err := db.write.NewRaw("DELETE FROM workers WHERE id = ?", id).Exec(ctx)
	return err
}

// Workers lists the processes that work.
func (db *DB) Workers(ctx context.Context) ([]*mesa.Worker, error) {
	workers := []*mesa.Worker{}
	if err := db.read.NewSelect().Model(&workers).Order("started_at", "id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	return workers, nil
}

// RunningWorkers lists the workers that have jobs.
func (db *DB) RunningWorkers(ctx context.Context) (ids []string, err error) {
	err = db.read.NewRaw("SELECT DISTINCT worker FROM jobs WHERE state = 'RUNNING'").Scan(ctx, &ids)
	if err != nil {
		return nil, fmt.Errorf("list workers with jobs: %w", err)
	}
	return ids, nil
}

// Upkeep removes tallies of nothing, and refreshes what the database knows of its tables, by which it chooses indexes.
func (db *DB) Upkeep(ctx context.Context) error {
	for _, statement := range append([]string{"DELETE FROM tallies WHERE n = 0"}, db.dialect.upkeep()...) {
		if _, err := db.write.NewRaw(statement).Exec(ctx); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
