package main

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

// working are the settings of a process that does work in the background.
type working struct {
	Lease       time.Duration `default:"30s" env:"MESA_LEASE" help:"A worker that said nothing for so long is taken for dead, and its jobs are given to others."`
	Heartbeat   time.Duration `default:"0s" env:"MESA_HEARTBEAT" help:"How often a worker says that it works; 0 is a third of the lease."`
	RescueEvery time.Duration `default:"5s" env:"MESA_RESCUE_EVERY" help:"How often the jobs of dead workers are looked for."`
	Poll        time.Duration `default:"1s" env:"MESA_POLL" help:"How often an idle worker looks for jobs of which it was not told."`
	SoftStop    time.Duration `default:"20s" env:"MESA_SOFT_STOP" help:"How long jobs may go on at SIGTERM before they are handed back."`
}

// timing is that in force.
func (w working) timing() (jobs.Timing, error) {
	t := jobs.Timing{Lease: w.Lease, Heartbeat: w.Heartbeat, RescueEvery: w.RescueEvery, Poll: w.Poll, SoftStop: w.SoftStop}
	return t.WithDefaults(), t.Check()
}

// background is the work of a process in the background: its worker, its schedule and the sealing of the audit trail.
type background struct {
	schedule *jobs.Schedule
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// startWork starts the worker and the schedule of a process.
func (s *settings) startWork(ctx context.Context, w working, st *store, tracer *trace.Tracer, counted *metrics.Metrics, log *slog.Logger) (*background, error) {
	timing, err := w.timing()
	if err != nil {
		return nil, err
	}
	cat, err := st.Catalogue(ctx, 0)
	if err != nil {
		return nil, err
	}
	b := &background{}
	if b.schedule, err = jobs.NewSchedule(st.DB, cat.Calendar.Zone(), log); err != nil {
		return nil, err
	}
	store, err := s.fileStore()
	if err != nil {
		return nil, err
	}
	pool := jobs.NewPool(st.DB, st.signals, s.handlers(st, store, log), timing, log)
	pool.Tracer, pool.Metrics = tracer, counted
	var work context.Context
	work, b.cancel = context.WithCancel(context.Background())
	b.running.Go(func() { pool.Run(work) })
	b.running.Go(func() { jobs.Seal(work, st.DB, log) })
	b.running.Go(func() { jobs.Merge(work, st.DB, log) })
	b.schedule.Start(ctx)
	log.Info("working", "lease", timing.Lease, "poll", timing.Poll, "soft_stop", timing.SoftStop)
	return b, nil
}

// handlers are the handlers of all kinds of jobs.
func (s *settings) handlers(st *store, reports files.Store, log *slog.Logger) jobs.Handlers {
	handlers := jobs.Handlers{
		mesa.JobDiagnostic: jobs.Diagnostic,
		mesa.JobDeadlines:  jobs.Deadlines(st.DB),
		mesa.JobRetention:  jobs.Retention(st.DB, reports),
		mesa.JobReport:     jobs.Report(st.DB, reports),
		mesa.JobUpkeep:     jobs.Upkeep(st.DB),
		mesa.JobDigest:     jobs.Digest(st.DB, log),
		mesa.JobWarmUp:     jobs.WarmUp(st.DB),
		mesa.JobCheckpoint: jobs.Checkpoint(st.DB),
		mesa.JobProbe:      jobs.Probe,
	}
	maps.Copy(handlers, jobs.Exchange{DB: st.DB, Peers: st.peers, Scale: s.ExchangeScale}.Handlers())
	return handlers
}

// stop takes no more jobs, and returns when those that run have ended or were handed back. It can be called twice, and on nil.
func (b *background) stop() {
	if b == nil {
		return
	}
	b.schedule.Stop()
	b.cancel()
	b.running.Wait()
}

type workCmd struct {
	watched
	working
}

// Run works until SIGTERM.
func (c *workCmd) Run(out *streams, s *settings) error {
	log := s.logger(out.stderr)
	limitMemory()
	tracer, stopWatched, err := c.watched.start(log)
	if err != nil {
		return err
	}
	defer stopWatched()
	st, err := s.openMigrated(out.ctx, log)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := s.startExchange(out.ctx, st); err != nil {
		return err
	}
	counted := metrics.New()
	stopMetrics, err := c.watched.showMetrics(metrics.Process{Metrics: counted, DB: st.DB, Cache: st.cache}, nil, log)
	if err != nil {
		return err
	}
	defer stopMetrics()
	b, err := s.startWork(out.ctx, c.working, st, tracer, counted, log)
	if err != nil {
		return err
	}
	<-out.ctx.Done()
	log.Info("stopping")
	b.stop()
	log.Info("stopped")
	return nil
}
