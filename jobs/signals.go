package jobs

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Signals carry two pieces of news, within a process and (through Redis) between processes: that jobs wait, and that jobs changed. Each may
// get lost: workers look by themselves every Poll, and followers are told anew every second.
type Signals struct {
	db    *db.DB
	log   *slog.Logger
	redis *remote // nil without Redis
	rings map[string]chan struct{}
	watch *watch

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// NewSignals makes signals; they work from Start on. redisURL is "" without Redis. An error is in the URL.
func NewSignals(redisURL, prefix string, log *slog.Logger) (*Signals, error) {
	s := &Signals{log: log, rings: map[string]chan struct{}{}, watch: newWatch(), cancel: func() {}}
	for _, q := range mesa.JobQueues {
		s.rings[q.Name] = make(chan struct{}, 1)
	}
	if redisURL == "" {
		return s, nil
	}
	var err error
	s.redis, err = openRemote(redisURL, prefix)
	return s, err
}

// Start lets signals flow until Stop.
func (s *Signals) Start(database *db.DB) {
	ctx, cancel := context.WithCancel(context.Background())
	s.db, s.cancel = database, cancel
	s.wg.Go(func() { s.watch.run(ctx, database, s.log) })
	if s.redis != nil {
		s.wg.Go(func() { s.redis.send(ctx) })
		s.wg.Go(func() { s.redis.listen(ctx, s.watch) })
	}
}

// Stop ends everything that Start began, and closes the channels of all followers. It can be called twice.
func (s *Signals) Stop() {
	s.cancel()
	s.wg.Wait()
	s.watch.close()
	if s.redis != nil {
		s.redis.close()
	}
}

// Changed tells of what a transaction did to jobs. It does not block, and does nothing before Start.
func (s *Signals) Changed(c db.JobChange) {
	if s.db == nil {
		return
	}
	s.watch.mark(c.Changed)
	now := s.db.Now()
	s.ring(slices.DeleteFunc(slices.Clone(c.Queued), func(j *mesa.Job) bool { return j.RunAt.After(now) }))
	if s.redis != nil && len(c.Changed) > 0 {
		s.redis.tell(c.Changed)
	}
}

// ring makes workers look for jobs that wait.
func (s *Signals) ring(jobs []*mesa.Job) {
	for _, j := range jobs {
		if ring := s.rings[j.Queue]; ring != nil {
			select {
			case ring <- struct{}{}:
			default: // it rings already
			}
		}
	}
	if s.redis != nil && len(jobs) > 0 {
		s.redis.push(jobs)
	}
}

// wait blocks until jobs of a queue were announced, at most for the time given. It returns the ids of at most most of them; nil says that
// whoever waits should look for themselves.
func (s *Signals) wait(ctx context.Context, queue string, most int, patience time.Duration) []mesa.JobID {
	if s.redis != nil {
		ids, err := s.redis.pop(ctx, queue, most, patience)
		if err == nil {
			return ids
		}
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.rings[queue]:
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

// announce rings for jobs that became due and for those of which nobody heard, for as long as there are any.
func (s *Signals) announce(ctx context.Context) error {
	if s.redis == nil {
		return nil
	}
	isNew, err := s.redis.isNew(ctx)
	if err != nil {
		return nil // without Redis, workers look for themselves
	}
	if isNew {
		s.log.InfoContext(ctx, "the list of jobs in Redis is new: announcing what waits")
		if err := s.db.ForgetAnnouncements(ctx); err != nil {
			return err
		}
	}
	for {
		jobs, err := s.db.AnnounceJobs(ctx, announceBatch)
		if err != nil {
			return err
		}
		s.redis.push(jobs)
		if len(jobs) < announceBatch {
			return nil
		}
	}
}

const announceBatch = 500

// Follow sends a job each time that it changed, as it is by then: a slow reader misses states in between, never the last one. The
// channel is closed when ctx ends, when the job is gone, and by Stop. What happened before is not sent: read the job after Follow.
func (s *Signals) Follow(ctx context.Context, id mesa.JobID) <-chan *mesa.Job {
	return s.watch.follow(ctx, id)
}
