package verify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

// Installation is what is looked at.
type Installation struct {
	DB       *db.DB
	Cache    *cache.Cache // nil when nothing is kept
	Signals  *jobs.Signals
	Files    files.Store // nil when NoFiles says why
	NoFiles  error
	HasRedis bool

	WholeAudit bool // the whole audit trail, not only its end
	MustWork   bool // whether some process has to work in the background now

	redis       cache.Checked
	redisErr    error
	redisLooked bool
}

// schemaName is the check that others depend on.
const schemaName = "database and migrations"

// Checks are those of the command: each tries what it speaks of.
func (in *Installation) Checks() []Check {
	return []Check{
		{schemaName, 5 * time.Second, false, in.migrations},
		{"indexes", 5 * time.Second, true, in.indexes},
		{"connections", 5 * time.Second, false, in.pool},
		{"records", 10 * time.Minute, true, in.records},
		{"audit trail", time.Hour, true, in.audit},
		{"cache", 15 * time.Second, true, in.cache},
		{"Redis", 15 * time.Second, true, in.redisLine},
		{"queue", 20 * time.Second, true, in.queue},
		{"schedule", 5 * time.Second, true, in.schedule},
		{"storage", 15 * time.Second, false, in.storage},
		{"clock", 5 * time.Second, true, in.clock},
	}
}

// Quick are those of a running server: each costs a statement or two, and leaves nothing behind.
func (in *Installation) Quick() []Check {
	const patience = 2 * time.Second
	return []Check{
		{schemaName, patience, false, in.migrations},
		{"indexes", patience, true, in.indexes},
		{"connections", patience, false, in.pool},
		{"cache", patience, false, in.cacheState},
		{"queue", patience, true, in.workers},
		{"schedule", patience, true, in.schedule},
		{"storage", patience, false, in.writable},
		{"clock", patience, true, in.clock},
	}
}

func (in *Installation) migrations(ctx context.Context) Result {
	pending, all, err := in.DB.PendingMigrations(ctx)
	if err != nil {
		return Failed(StartDatabase, err)
	}
	if len(pending) > 0 {
		return fail("run mesa migrate", "the database (%s) lacks %s", in.DB.Backend(), strings.Join(pending, ", "))
	}
	newer, err := in.DB.NewerMigrations(ctx)
	if err != nil {
		return Failed(StartDatabase, err)
	}
	if len(newer) > 0 {
		return fail("put the newer mesa in place, or restore a backup from before it (docs/operations.md, Upgrade)",
			"a newer version of mesa has migrated the database (%s): %s", in.DB.Backend(), strings.Join(newer, ", "))
	}
	return OK("%s, %d migrations applied", in.DB.Backend(), all)
}

func (in *Installation) indexes(ctx context.Context) Result {
	missing, expected, err := in.DB.MissingIndexes(ctx)
	if err != nil {
		return Failed(readLog, err)
	}
	if len(missing) == 0 {
		return OK("all %d are there", expected)
	}
	names := make([]string, len(missing))
	for i, m := range missing {
		names[i] = m.Name
		if m.State == db.IndexInvalid {
			names[i] += " (not finished)"
		}
	}
	return fail("run mesa migrate --repair", "%d of %d are missing: %s", len(missing), expected, strings.Join(names, ", "))
}

// StartDatabase is what to do about a database that does not answer.
const StartDatabase = "start the database of MESA_DATABASE_URL, or correct that setting"

const readLog = "the log of the database says why"

func (in *Installation) pool(ctx context.Context) Result {
	began := time.Now()
	p, err := in.DB.PoolStanding(ctx)
	took := short(time.Since(began))
	if err != nil {
		return fail("start the database, or let it take more connections (max_connections in PostgreSQL)", "%v", err)
	}
	if p.Server > 0 && p.Most > p.Server {
		return fail(fmt.Sprintf("set MESA_DATABASE_CONNECTIONS to at most %d by the number of processes, or raise max_connections in PostgreSQL", p.Server),
			"one process may open %d, and the database takes %d from all", p.Most, p.Server)
	}
	text := fmt.Sprintf("an answer in %s; %d open of at most %d", took, p.Open, p.Most)
	if p.Server > 0 {
		text += fmt.Sprintf(", the database takes %d from all processes", p.Server)
	}
	return OK("%s", text)
}

func (in *Installation) records(ctx context.Context) Result {
	wrong, err := in.DB.Inconsistencies(ctx)
	switch {
	case err != nil:
		return Failed(readLog, err)
	case len(wrong) > 0:
		return fail("was something changed by hand? Keep a copy, then correct the rows that are named or restore the last backup; for tallies run mesa migrate --repair", "%s", strings.Join(wrong, "\n  "))
	}
	return OK("numbers, states, holders and access agree")
}

// verifiedTail is how many entries of the audit trail are looked at unless all are asked for.
const verifiedTail = 10_000

func (in *Installation) audit(ctx context.Context) Result {
	standing, err := in.DB.SealStanding(ctx)
	from := max(1, standing.Seq-verifiedTail+1)
	if in.WholeAudit {
		from = 1
	}
	var v *mesa.AuditVerification
	if err == nil {
		v, err = in.DB.VerifyAudit(ctx, from, 0)
	}
	if err != nil {
		return Failed(readLog, err)
	}
	return AuditResult(v)
}

// AuditResult says what a verification of the audit trail found.
func AuditResult(v *mesa.AuditVerification) Result {
	if v.FirstBroken != nil {
		return fail("keep a copy of the database and of all backups, and compare with the checkpoints that are kept elsewhere", "%s", v.FirstBroken)
	}
	return OK("%d entries as they were sealed, %d not sealed yet; the last is %d, hash %s", v.Count, v.Unsealed, v.HeadSeq(), v.HeadHash())
}

// Unreachable is the check of a database that did not open.
func Unreachable(remedy string, err error) Check {
	return Check{Name: schemaName, Patience: time.Second, Run: func(context.Context) Result { return Failed(remedy, err) }}
}

const startRedis = "start the Redis of MESA_REDIS_URL, or correct that setting; until then everything is read from the database"

// look asks the cache once for the lines that speak of it.
func (in *Installation) look(ctx context.Context) (cache.Checked, error) {
	if !in.redisLooked {
		in.redis, in.redisErr = in.Cache.Check(ctx)
		in.redisLooked = true
	}
	return in.redis, in.redisErr
}

func (in *Installation) cache(ctx context.Context) Result {
	if in.Cache == nil {
		return Skipped("off (MESA_NO_CACHE)")
	}
	began := time.Now()
	if _, err := in.look(ctx); err != nil {
		return Failed(startRedis, err)
	}
	return OK("kept, found and forgotten in %s", short(time.Since(began)))
}

func (in *Installation) redisLine(ctx context.Context) Result {
	switch {
	case !in.HasRedis:
		return Skipped("not configured")
	case in.Cache == nil:
		return Skipped("not asked with MESA_NO_CACHE: only jobs are announced by it")
	}
	found, err := in.look(ctx)
	switch {
	case err != nil:
		return fail(startRedis, "not in use")
	case found.Warning != "":
		return fail("in redis.conf or by CONFIG SET: maxmemory-policy volatile-lru", "%s", found.Warning)
	}
	return OK("round trip %s, policy %s", short(found.RoundTrip), cmp.Or(found.Policy, "not told"))
}

// cacheState is how the cache of a running server stands, without asking.
func (in *Installation) cacheState(context.Context) Result {
	if in.Cache == nil {
		return Skipped("off (MESA_NO_CACHE)")
	}
	s := in.Cache.Stats()
	switch {
	case s.State != cache.Closed:
		return fail(startRedis, "not using Redis: %s", s.Problem)
	case !in.HasRedis:
		return OK("in memory, hit rate %.0f %%", 100*s.HitRate())
	}
	return OK("Redis in use, hit rate %.0f %%", 100*s.HitRate())
}

// Bounds of what is well.
const (
	seenWithin = time.Minute     // of the last sign of life of a worker
	waitsWell  = time.Minute     // of a job that is due
	takesWell  = 5 * time.Second // of a probe, with workers
	oneMoment  = 2 * time.Second // of a probe, when no worker is known
)

// SkewWell is how far two clocks may be apart.
const SkewWell = 5 * time.Second

const startWorker = "start mesa serve (without --no-workers) or mesa work"

// standing is how the queues stand.
type standing struct {
	alive  []*mesa.Worker
	oldest time.Duration // that a due job waits
	paused []string
}

func (in *Installation) standing(ctx context.Context) (s standing, err error) {
	workers, err := in.DB.Workers(ctx)
	if err != nil {
		return s, err
	}
	for _, w := range workers {
		if in.DB.Now().Sub(w.LastSeenAt).Abs() < seenWithin {
			s.alive = append(s.alive, w)
		}
	}
	queues, err := in.DB.Queues(ctx)
	for _, q := range queues {
		if q.Paused {
			s.paused = append(s.paused, q.Name)
		} else if q.OldestAge != nil {
			s.oldest = max(s.oldest, time.Duration(*q.OldestAge)*time.Second)
		}
	}
	return s, err
}

// workers is how the queue stands, without a probe.
func (in *Installation) workers(ctx context.Context) Result {
	s, err := in.standing(ctx)
	switch {
	case err != nil:
		return Failed(readLog, err)
	case len(s.alive) == 0:
		return fail(startWorker, "no worker")
	case s.oldest > waitsWell:
		return fail("mesa jobs stats tells which; start more of mesa work", "%s, and a job waits for %s", Count(len(s.alive), "worker"), s.oldest)
	case len(s.paused) > 0:
		return OK("%s, the oldest job waits for %s; paused: %s", Count(len(s.alive), "worker"), s.oldest, strings.Join(s.paused, ", "))
	}
	return OK("%s, the oldest job waits for %s", Count(len(s.alive), "worker"), s.oldest)
}

// queue has a worker do a probe. Where nobody works, nobody waits and nobody was said to work, there is nothing to try.
func (in *Installation) queue(ctx context.Context) Result {
	s, err := in.standing(ctx)
	if err != nil {
		return Failed(readLog, err)
	}
	probeQueue := mesa.PolicyOf(mesa.JobProbe).Queue
	if len(s.alive) == 0 && s.oldest < waitsWell && !in.MustWork {
		return Skipped("no process works now (mesa serve and mesa work do; with --url one has to)")
	}
	if slices.Contains(s.paused, probeQueue) {
		return fail("mesa jobs resume "+probeQueue, "%s is paused", probeQueue)
	}
	patience := takesWell
	if len(s.alive) == 0 {
		patience = oneMoment
	}
	began := time.Now()
	job, err := in.probe(ctx, patience)
	took := time.Since(began)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && len(s.alive) == 0:
		return fail(startWorker, "no worker: a job was not done within %s", short(took))
	case errors.Is(err, context.DeadlineExceeded):
		return fail("mesa jobs stats tells whether all are busy; else start mesa work again", "%s, and a job was not done within %s", Count(len(s.alive), "worker"), short(took))
	case err != nil:
		return Failed(readLog, err)
	case job.State != mesa.JobSucceeded:
		return fail("mesa jobs show "+string(job.ID), "a job that does nothing ended as %s (%s)", job.State, job.ErrorCode)
	}
	return OK("a job was done in %s by %s; %s, the oldest job waits for %s", short(took), job.Worker, Count(max(1, len(s.alive)), "worker"), s.oldest)
}

// probe enqueues a job and waits for its end; one that nobody did in time is cancelled.
func (in *Installation) probe(ctx context.Context, patience time.Duration) (*mesa.Job, error) {
	job, err := Probe(ctx, in.DB)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	changes := in.Signals.Follow(waiting, job.ID)
	now, err := in.DB.JobsByID(ctx, []mesa.JobID{job.ID})
	for job = now[job.ID]; err == nil && job != nil && !job.State.IsFinal(); {
		next, isThere := <-changes
		if !isThere {
			return nil, errors.Join(context.DeadlineExceeded, in.cancel(ctx, job.ID))
		}
		job = next
	}
	if err == nil && job == nil {
		err = errors.New("the job is gone")
	}
	return job, err
}

// Probe enqueues a job that does nothing.
func Probe(ctx context.Context, database *db.DB) (job *mesa.Job, err error) {
	err = database.InTx(ctx, func(tx *db.Tx) error {
		job, _, err = tx.Enqueue(ctx, db.NewJob{Kind: mesa.JobProbe, Priority: mesa.JobHigh})
		return err
	})
	return job, err
}

func (in *Installation) cancel(ctx context.Context, id mesa.JobID) error {
	return in.DB.InTx(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		job, err := tx.LockJob(ctx, id)
		if err == nil {
			_, err = tx.CancelJob(ctx, job)
		}
		return err
	})
}

// schedule looks for entries that were due while somebody worked, and whose job was not added or failed.
func (in *Installation) schedule(ctx context.Context) Result {
	s, err := in.standing(ctx)
	var fires map[string]mesa.ScheduleFire
	if err == nil {
		fires, err = in.DB.LastFires(ctx)
	}
	if err == nil && len(s.alive) == 0 {
		return Skipped("no process works now")
	}
	zone, zoneErr := in.zone(ctx)
	if err = cmp.Or(err, zoneErr); err != nil {
		return Failed(readLog, err)
	}
	since := slices.MinFunc(s.alive, func(a, b *mesa.Worker) int { return a.StartedAt.Compare(b.StartedAt) }).StartedAt
	var last time.Time
	for _, entry := range mesa.ScheduleEntries {
		fire := fires[entry.Name]
		due := jobs.LastDue(entry, in.DB.Now().Add(-waitsWell), zone)
		switch {
		case due.After(since) && fire.FiredAt.Before(due):
			return fail("start mesa serve or mesa work again", "%s was due at %s and did not run", entry.Name, due.Format(time.DateTime))
		case fire.Result != nil && *fire.Result == mesa.JobFailed:
			return fail("mesa jobs list --state FAILED tells why; mesa jobs retry does it again", "%s failed after %s", entry.Name, fire.FiredAt.In(zone).Format(time.DateTime))
		case fire.FiredAt.After(last):
			last = fire.FiredAt
		}
	}
	if last.IsZero() {
		return OK("%d entries, none was due yet", len(mesa.ScheduleEntries))
	}
	return OK("%d entries, the last ran at %s", len(mesa.ScheduleEntries), last.In(zone).Format(time.DateTime))
}

const makeWritable = "let the user that runs mesa write there (chown, chmod, mount -o remount,rw; for S3 the rights of the key), or set MESA_FILES to another place"

// storage writes a file, reads it and removes it.
func (in *Installation) storage(ctx context.Context) Result {
	if in.Files == nil {
		return Skipped("not looked at: %v", in.NoFiles)
	}
	began := time.Now()
	key, content := "verify/"+rand.Text(), []byte(rand.Text())
	if err := in.writeFile(ctx, key, content); err != nil {
		return Failed(makeWritable, err)
	}
	found, err := in.readFile(ctx, key)
	if removed := in.Files.Remove(ctx, key); err == nil {
		err = removed
	}
	switch {
	case err != nil:
		return Failed(makeWritable, err)
	case !bytes.Equal(found, content):
		return fail("do not use this storage: it gives back something else than was written", "read %d bytes that were not written", len(found))
	}
	return OK("written, read and removed in %s", short(time.Since(began)))
}

func (in *Installation) writeFile(ctx context.Context, key string, content []byte) error {
	w, err := in.Files.Create(ctx, key)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(content); err != nil {
		return err
	}
	_, _, err = w.Commit()
	return err
}

func (in *Installation) readFile(ctx context.Context, key string) ([]byte, error) {
	file, _, err := in.Files.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// writable is storage with the least effort.
func (in *Installation) writable(ctx context.Context) Result {
	if err := in.Files.Check(ctx); err != nil {
		return Failed(makeWritable, err)
	}
	return OK("files can be written")
}

// SetClock is what to do about a clock that is wrong.
const SetClock = "unset MESA_CLOCK if it is set; else set the clocks of all machines by NTP (timedatectl set-ntp true)"

// clock compares this process's time with that of the machines it works with.
func (in *Installation) clock(ctx context.Context) Result {
	began := in.DB.Now()
	there, err := in.DB.Clock(ctx)
	now := in.DB.Now()
	zone, zoneErr := in.zone(ctx)
	if err = cmp.Or(err, zoneErr); err != nil {
		return Failed(readLog, err)
	}
	local := now.In(zone)
	skew := there.Sub(began.Add(now.Sub(began) / 2))
	switch {
	case skew.Abs() > SkewWell:
		return fail(SetClock, "%s here, and the database's is %s apart", local.Format(time.RFC3339), skew.Round(time.Second).Abs())
	case in.redis.Ahead.Abs() > SkewWell:
		return fail(SetClock, "%s here, and that of Redis is %s apart", local.Format(time.RFC3339), in.redis.Ahead.Round(time.Second).Abs())
	}
	text := fmt.Sprintf("%s (%s), the database's %s apart", local.Format(time.RFC3339), zone, skew.Round(time.Millisecond).Abs())
	if in.redis.RoundTrip > 0 {
		text += fmt.Sprintf(", that of Redis %s", in.redis.Ahead.Round(time.Millisecond).Abs())
	}
	return OK("%s", text)
}

// zone is the institution's time zone, UTC as long as there is no institution.
func (in *Installation) zone(ctx context.Context) (*time.Location, error) {
	cat, err := in.DB.Catalogue(ctx, 0)
	if errors.Is(err, sql.ErrNoRows) {
		return time.UTC, nil
	}
	if err != nil {
		return nil, err
	}
	return cat.Calendar.Zone(), nil
}

// short is a duration as people want to read it.
func short(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
