package queue

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

// Mesa is the program's own queue, in one process.
type Mesa struct {
	*db.DB
	Signals *jobs.Signals
}

// OpenMesa opens a database, brings its schema up to date and uses its jobs; redisURL is "" without Redis.
func OpenMesa(ctx context.Context, url, redisURL, prefix string) (*Mesa, error) {
	signals, err := jobs.NewSignals(redisURL, prefix, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	database, err := db.Open(ctx, url, db.Options{JobsChanged: signals.Changed})
	if err != nil {
		return nil, err
	}
	m := &Mesa{database, signals}
	if _, err := database.Migrate(ctx); err != nil {
		m.Close()
		return nil, err
	}
	signals.Start(database)
	return m, nil
}

// Add implements Queue.
func (m *Mesa) Add(ctx context.Context) error {
	_, err := m.Enqueue(ctx)
	return err
}

// Enqueue adds a job.
func (m *Mesa) Enqueue(ctx context.Context) (job *mesa.Job, err error) {
	err = m.InTx(ctx, func(tx *db.Tx) error {
		job, _, err = tx.Enqueue(ctx, db.NewJob{Kind: mesa.JobDiagnostic, Args: struct{}{}})
		return err
	})
	return job, err
}

// Work implements Queue. How much runs at once is set for the whole process.
func (m *Mesa) Work(workers int, started func()) (stop func(), err error) {
	row := slices.IndexFunc(mesa.JobQueues, func(q mesa.JobQueue) bool { return q.Name == mesa.PolicyOf(mesa.JobDiagnostic).Queue })
	mesa.JobQueues[row].Concurrency = workers
	pool := jobs.NewPool(m.DB, m.Signals, jobs.Handlers{mesa.JobDiagnostic: func(context.Context, *jobs.Work) (jobs.Done, error) {
		started()
		return jobs.Done{}, nil
	}}, jobs.Timing{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { pool.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}, nil
}

// Deliveries are the times from just before a change of a job to its delivery to each of the followers, sorted.
func (m *Mesa) Deliveries(ctx context.Context, followers, times int) (all []time.Duration, err error) {
	job, err := m.Enqueue(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := make(chan time.Time, followers)
	for range followers {
		changes := m.Signals.Follow(ctx, job.ID)
		go func() {
			last := job.Rev
			for j := range changes { // each follower is also told of what it knows
				if j.Rev > last {
					last = j.Rev
					heard <- time.Now()
				}
			}
		}()
	}
	claimed, err := m.ClaimJobs(ctx, db.Claim{Worker: "bench", Lease: time.Hour, Queue: job.Queue, Limit: 1, IDs: []mesa.JobID{job.ID}})
	if err != nil {
		return nil, err
	}
	for range followers {
		<-heard
	}
	for n := range times {
		time.Sleep(time.Duration(5+n%40) * time.Millisecond)
		began := time.Now()
		beat := db.Beat{ID: job.ID, Epoch: claimed[0].Epoch, IsNew: true, Progress: int64(n % 100), Done: int64(n)}
		if _, err := m.HeartbeatJobs(ctx, "bench", time.Hour, []db.Beat{beat}); err != nil {
			return nil, err
		}
		for range followers {
			all = append(all, (<-heard).Sub(began))
		}
	}
	slices.Sort(all)
	_, err = m.EndJob(ctx, claimed[0], db.End{Outcome: mesa.AttemptSucceeded}, nil)
	return all, err
}

// Close implements Queue.
func (m *Mesa) Close() {
	m.Signals.Stop()
	_ = m.DB.Close()
}

var _ Queue = (*Mesa)(nil)
