package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/robfig/cron/v3"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Schedule adds the jobs that are due regularly. Every process may run one: each fire of an entry adds one job, whoever is first.
type Schedule struct {
	db    *db.DB
	log   *slog.Logger
	clock gocron.Scheduler
	zone  *time.Location
}

// NewSchedule makes a schedule in the time zone of the institution; it fires from Start on.
func NewSchedule(database *db.DB, zone *time.Location, log *slog.Logger) (*Schedule, error) {
	clock, err := gocron.NewScheduler(gocron.WithLocation(zone))
	if err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	s := &Schedule{db: database, log: log, clock: clock, zone: zone}
	_, err = clock.NewJob(gocron.DurationJob(makeUpEvery), gocron.NewTask(s.makeUp), gocron.WithName("make up"), gocron.WithSingletonMode(gocron.LimitModeReschedule))
	if err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	for _, entry := range mesa.ScheduleEntries {
		task := gocron.NewTask(func(ctx context.Context) { s.fire(ctx, entry) })
		if _, err := clock.NewJob(gocron.CronJob(entry.Cron, false), task, gocron.WithName(entry.Name)); err != nil {
			return nil, fmt.Errorf("entry %s of the schedule: %w", entry.Name, err)
		}
	}
	return s, nil
}

// makeUpEvery is how often missed fires are looked for.
const makeUpEvery = 5 * time.Minute

// Start fires what was missed while nobody was there, once each, then whatever becomes due.
func (s *Schedule) Start(ctx context.Context) {
	s.makeUp(ctx)
	s.clock.Start()
}

// makeUp fires what was missed: no process was there, the database was away, or the clock was set meanwhile.
func (s *Schedule) makeUp(ctx context.Context) {
	fires, err := s.db.LastFires(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "missed fires not looked for", "error", err)
	}
	for _, entry := range mesa.ScheduleEntries {
		last, known := fires[entry.Name]
		if due := LastDue(entry, s.db.Now(), s.zone); known && entry.CatchUp && due.After(last.FiredAt) {
			s.fire(ctx, entry)
		}
	}
}

// Stop ends it. Fires under way end first.
func (s *Schedule) Stop() { _ = s.clock.Shutdown() }

// fire adds the job of an entry for the latest time at which it was due. The time is worked out from the entry, not taken from the clock
// that rang, so that all processes mean the same one.
func (s *Schedule) fire(ctx context.Context, entry mesa.ScheduleEntry) {
	at := LastDue(entry, s.db.Now(), s.zone)
	if at.IsZero() {
		return
	}
	job, err := s.db.Fire(ctx, entry.Name, at, db.NewJob{Kind: entry.Kind, Priority: mesa.JobLow, Args: struct{}{}, UniqueKey: "schedule:" + entry.Name})
	switch {
	case err != nil && ctx.Err() == nil:
		s.log.ErrorContext(ctx, "schedule did not fire", "entry", entry.Name, "at", at, "error", err)
	case job != nil:
		s.log.InfoContext(ctx, "schedule", "entry", entry.Name, "at", at, "job", job.ID)
	}
}

// Standing is how an entry of the schedule stands.
type Standing struct {
	mesa.ScheduleEntry
	NextRun    time.Time
	LastRun    *time.Time     // nil when it never was due
	LastResult *mesa.JobState // of the job of LastRun, nil when that is forgotten
}

// Standings says how all entries of the schedule stand.
func Standings(ctx context.Context, database *db.DB, zone *time.Location) ([]Standing, error) {
	fires, err := database.LastFires(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Standing, len(mesa.ScheduleEntries))
	for i, entry := range mesa.ScheduleEntries {
		list[i] = Standing{ScheduleEntry: entry, NextRun: NextDue(entry, database.Now(), zone).UTC()}
		if fire, fired := fires[entry.Name]; fired {
			list[i].LastRun, list[i].LastResult = &fire.FiredAt, fire.Result
		}
	}
	return list, nil
}

// NextDue is when an entry is due next after an instant.
func NextDue(entry mesa.ScheduleEntry, after time.Time, zone *time.Location) time.Time {
	return parse(entry).Next(after.In(zone))
}

// LastDue is when an entry was due last, at most at now; zero when it was not within a year.
func LastDue(entry mesa.ScheduleEntry, now time.Time, zone *time.Location) (last time.Time) {
	schedule := parse(entry)
	for _, back := range []time.Duration{2 * time.Minute, 2 * time.Hour, 48 * time.Hour, 62 * 24 * time.Hour, 366 * 24 * time.Hour} {
		for at := schedule.Next(now.Add(-back).In(zone)); !at.IsZero() && !at.After(now); at = schedule.Next(at) {
			last = at
		}
		if !last.IsZero() {
			return last
		}
	}
	return last
}

// parse reads the cron text of an entry; a test reads them all.
func parse(entry mesa.ScheduleEntry) cron.Schedule {
	schedule, err := cron.ParseStandard(entry.Cron)
	if err != nil {
		panic(fmt.Sprintf("jobs: entry %s of the schedule: %v", entry.Name, err))
	}
	return schedule
}
