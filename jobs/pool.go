package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// Timing says how workers keep time; the zero value of each is its default.
type Timing struct {
	Lease       time.Duration // a worker that said nothing for so long is taken for dead; default 30 s
	Heartbeat   time.Duration // how often a worker says that it works; default a third of Lease
	RescueEvery time.Duration // how often the jobs of dead workers are looked for; default 5 s
	Poll        time.Duration // how often an idle worker looks without being told; default 1 s
	SoftStop    time.Duration // how long jobs may go on after a stop before they are handed back; default 20 s
}

// How workers keep time where an operator has no say.
const (
	progressEvery = 500 * time.Millisecond // what subscribers hear of progress
	announceEvery = 500 * time.Millisecond
	lookByOrder   = 16              // each so many turns a worker looks at the table although it was told where to look
	leaveAfter    = 3 * time.Second // how long a handler may take to stop before it is left behind
)

// WithDefaults is the timing in force.
func (t Timing) WithDefaults() Timing {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&t.Lease, 30 * time.Second}, {&t.Heartbeat, t.Lease / 3}, {&t.RescueEvery, 5 * time.Second}, {&t.Poll, time.Second}, {&t.SoftStop, 20 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	if t.Heartbeat == 0 {
		t.Heartbeat = t.Lease / 3
	}
	return t
}

// Check says what is wrong with the timing.
func (t Timing) Check() error {
	t = t.WithDefaults()
	switch {
	case t.Lease < time.Second:
		return fmt.Errorf("a lease of %s is too short: at least 1s", t.Lease)
	case t.Heartbeat > t.Lease*2/3:
		return fmt.Errorf("a heartbeat each %s is too rare for a lease of %s: at most two thirds of it", t.Heartbeat, t.Lease)
	case t.Heartbeat < 0 || t.RescueEvery < 0 || t.Poll < 0 || t.SoftStop < 0:
		return fmt.Errorf("times cannot be negative")
	}
	return nil
}

// Pool is the worker of a process: it takes jobs of each queue, as many at once as the queue allows, and does them.
type Pool struct {
	Tracer  *trace.Tracer    // of attempts; nil traces none. To be set before Run
	Metrics *metrics.Metrics // of attempts; nil counts none. To be set before Run

	db       *db.DB
	signals  *Signals
	handlers Handlers
	timing   Timing
	log      *slog.Logger
	worker   mesa.Worker

	successes chan success // that one transaction may store together

	mu      sync.Mutex
	running map[mesa.JobID]*attempt
}

// NewPool makes a worker; it works in Run.
func NewPool(database *db.DB, signals *Signals, handlers Handlers, timing Timing, log *slog.Logger) *Pool {
	id := newWorkerID()
	return &Pool{
		db: database, signals: signals, handlers: handlers, timing: timing.WithDefaults(), log: log.With("worker", id),
		worker: mesa.Worker{ID: id, Host: host(), StartedAt: database.Now()}, running: map[mesa.JobID]*attempt{},
		successes: make(chan success),
	}
}

// Run works until ctx ends. Then it takes no more jobs, gives those that run SoftStop to end, and hands back the others, which does not
// count as an attempt.
func (p *Pool) Run(ctx context.Context) {
	work, endWork := context.WithCancelCause(context.WithoutCancel(ctx)) // of the handlers
	defer endWork(nil)
	keep, endKeeping := context.WithCancel(context.WithoutCancel(ctx)) // of what has to go on while they end
	p.try(ctx, p.rescueAll)
	p.try(ctx, p.see) // who takes a job is known

	var dispatching, keeping, attempts sync.WaitGroup
	for _, q := range mesa.JobQueues {
		dispatching.Go(func() { p.dispatch(ctx, work, q, &attempts) })
	}
	keeping.Go(func() { p.heartbeats(keep) })
	keeping.Go(func() { p.every(keep, p.timing.Heartbeat, p.see) })
	keeping.Go(func() { p.storeSuccesses(keep) })
	keeping.Go(func() { p.every(ctx, p.timing.RescueEvery, p.lookForLost) })
	keeping.Go(func() { p.every(ctx, announceEvery, p.signals.announce) })

	dispatching.Wait()
	soft := time.AfterFunc(p.timing.SoftStop, func() { endWork(ErrStopping) })
	attempts.Wait()
	soft.Stop()
	endKeeping()
	keeping.Wait()
	p.forget()
}

// every does something again and again until ctx ends, with a jitter that keeps processes from doing it all at once.
func (p *Pool) every(ctx context.Context, interval time.Duration, do func(context.Context) error) {
	for pause(ctx, time.Duration(float64(interval)*(0.8+0.4*rand.Float64()))) {
		p.try(ctx, do)
	}
}

// try does something for which nobody waits for longer than a lease.
func (p *Pool) try(ctx context.Context, do func(context.Context) error) {
	within, cancel := context.WithTimeout(ctx, p.timing.Lease)
	defer cancel()
	if err := do(within); err != nil && ctx.Err() == nil {
		p.log.WarnContext(ctx, "a worker's upkeep failed", "error", err)
	}
}

// dispatch takes jobs of a queue and starts them, as long as it has slots for them.
func (p *Pool) dispatch(ctx, work context.Context, queue mesa.JobQueue, attempts *sync.WaitGroup) {
	slots := make(chan struct{}, queue.Concurrency)
	for range queue.Concurrency {
		slots <- struct{}{}
	}
	more := true // whether there may be jobs that nobody will tell of
	for turn := 1; ; turn++ {
		free := takeSlots(ctx, slots)
		if ctx.Err() != nil {
			return
		}
		var list []*attempt
		list, more = p.next(ctx, work, queue.Name, free, more, turn%lookByOrder == 0)
		for range free - len(list) {
			slots <- struct{}{}
		}
		for _, a := range list {
			attempts.Go(func() {
				defer func() { slots <- struct{}{} }()
				p.attempt(a)
			})
		}
	}
}

// takeSlots waits for a free slot and takes all that are free.
func takeSlots(ctx context.Context, slots chan struct{}) (n int) {
	select {
	case <-slots:
	case <-ctx.Done():
		return 0
	}
	for n = 1; ; n++ {
		select {
		case <-slots:
		default:
			return n
		}
	}
}

// next takes at most most jobs of a queue, by what was announced or by order. more says that there may be others; hurry is what more was.
func (p *Pool) next(ctx, work context.Context, queue string, most int, hurry, byOrder bool) (list []*attempt, more bool) {
	var ids []mesa.JobID
	if !hurry && !byOrder {
		ids = p.signals.wait(ctx, queue, most, p.timing.Poll)
	}
	if ctx.Err() != nil {
		return nil, false // ids that were taken are found by order
	}
	var err error
	has := len(ids) > 0 || hurry
	if !has {
		has, err = p.db.HasDue(ctx, queue)
	}
	if has {
		list, err = p.claim(ctx, work, db.Claim{Worker: p.worker.ID, Lease: p.timing.Lease, Queue: queue, Limit: most, IDs: ids})
	}
	if err != nil && ctx.Err() == nil {
		p.log.WarnContext(ctx, "no jobs could be taken", "queue", queue, "error", err)
		pause(ctx, afterFailed)
	}
	return list, len(ids) == 0 && len(list) == most
}

// claim takes jobs. A stop does not cut it short: whoever does not wait for the answer does not know which jobs it was given. When the
// answer is lost, it looks which they are while their leases last, after a stop once.
func (p *Pool) claim(ctx, work context.Context, c db.Claim) ([]*attempt, error) {
	leased, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Lease)
	defer cancel()
	began, since := time.Now(), p.db.Now()
	jobs, err := p.tryClaim(leased, c)
	for err != nil && pause(leased, afterFailed) {
		p.log.WarnContext(ctx, "perhaps jobs were taken", "queue", c.Queue, "error", err)
		if jobs, err = p.db.ClaimedJobs(leased, c, since); ctx.Err() != nil {
			break
		}
	}
	list := make([]*attempt, len(jobs))
	for i, j := range jobs {
		list[i] = p.begin(work, j, began)
	}
	return list, err
}

// tryClaim takes jobs, in a time that leaves some for another look.
func (p *Pool) tryClaim(ctx context.Context, c db.Claim) ([]*mesa.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Lease/3)
	defer cancel()
	return p.db.ClaimJobs(ctx, c)
}

// heartbeats says that this worker works, until ctx ends: how far the jobs are as soon as there is news, that they go on every Heartbeat.
func (p *Pool) heartbeats(ctx context.Context) {
	tick := time.NewTicker(min(progressEvery, p.timing.Heartbeat))
	defer tick.Stop()
	last := time.Now()
	for {
		if due := time.Since(last) >= p.timing.Heartbeat; due {
			last = time.Now()
			p.beat(ctx, true)
		} else {
			p.beat(ctx, false)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// beat extends the leases of what runs when they are due or there is news. It gives up in time for another try.
func (p *Pool) beat(ctx context.Context, due bool) {
	attempts := p.attempts()
	beats := make([]db.Beat, len(attempts))
	for i, a := range attempts {
		beats[i] = a.work.beat()
		due = due || beats[i].IsNew
	}
	if !due || len(beats) == 0 {
		return
	}
	began := time.Now()
	within, cancel := context.WithTimeout(ctx, p.timing.Lease/3)
	held, err := p.db.HeartbeatJobs(within, p.worker.ID, p.timing.Lease, beats)
	cancel()
	if err != nil {
		p.log.WarnContext(ctx, "leases not extended", "jobs", len(beats), "error", err)
	}
	for i, a := range attempts {
		switch {
		case err != nil: // the fences of the attempts stand where they stood
		case held[beats[i].ID] == beats[i].Epoch:
			a.hold(began, p.timing.Lease)
		default:
			a.end(ErrFenced)
		}
	}
}

func (p *Pool) attempts() []*attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.running))
}

// see notes that this worker is there.
func (p *Pool) see(ctx context.Context) error {
	w := p.worker
	w.Running = len(p.attempts())
	return p.db.SeeWorker(ctx, w)
}

func (p *Pool) forget() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.db.ForgetWorker(ctx, p.worker.ID) // else others forget it
}

// lookForLost rescues jobs of workers that are silent for too long. Where leases go by the clock of this machine, which may have been set
// back, its processes are looked at too.
func (p *Pool) lookForLost(ctx context.Context) error {
	if p.db.IsOneMachine() {
		return p.rescueAll(ctx)
	}
	return p.rescue(ctx)
}

// rescueAll rescues jobs of workers that are silent for too long, and of those of this machine whose processes have ended.
func (p *Pool) rescueAll(ctx context.Context) error {
	ids, err := p.db.RunningWorkers(ctx)
	return errors.Join(err, p.rescue(ctx, slices.DeleteFunc(ids, func(id string) bool { return !isDead(id) })...))
}

func (p *Pool) rescue(ctx context.Context, dead ...string) error {
	rescued, err := p.db.RescueJobs(ctx, dead...)
	for _, j := range rescued {
		p.log.WarnContext(ctx, "job rescued", "job", j.ID, "kind", j.Kind, "from", j.Worker, "state", j.State, "crashes", j.Crashes)
	}
	return err
}

func host() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
