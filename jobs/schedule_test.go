package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestWhenAnEntryWasDueLast(t *testing.T) {
	for _, c := range []struct{ cron, zone, now, last, next string }{
		{"17 * * * *", "America/Lima", "2026-03-10T09:16:59", "2026-03-10T08:17:00-05:00", "2026-03-10T09:17:00-05:00"},
		{"17 * * * *", "America/Lima", "2026-03-10T09:17:00", "2026-03-10T09:17:00-05:00", "2026-03-10T10:17:00-05:00"},
		{"30 3 * * *", "America/Lima", "2026-01-01T03:29:59", "2025-12-31T03:30:00-05:00", "2026-01-01T03:30:00-05:00"},
		{"0 8 * * 1", "America/Lima", "2026-03-15T23:00:00", "2026-03-09T08:00:00-05:00", "2026-03-16T08:00:00-05:00"},
		{"0 0 1 * *", "America/Lima", "2026-02-28T12:00:00", "2026-02-01T00:00:00-05:00", "2026-03-01T00:00:00-05:00"},
		{"0 0 1 1 *", "America/Lima", "2026-12-31T23:59:59", "2026-01-01T00:00:00-05:00", "2027-01-01T00:00:00-05:00"},
		// the night without 2:30, in which work that is due then is left out
		{"30 2 * * *", "America/New_York", "2026-03-08T12:00:00", "2026-03-07T02:30:00-05:00", "2026-03-09T02:30:00-04:00"},
		{"30 3 * * *", "America/New_York", "2026-03-08T12:00:00", "2026-03-08T03:30:00-04:00", "2026-03-09T03:30:00-04:00"},
		// the night with 1:30 twice, on which it is due twice
		{"30 1 * * *", "America/New_York", "2026-11-01T01:45:00", "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"},
		{"30 1 * * *", "America/New_York", "2026-11-01T12:00:00", "2026-11-01T01:30:00-05:00", "2026-11-02T01:30:00-05:00"},
		{"30 3 * * *", "America/New_York", "2026-11-01T12:00:00", "2026-11-01T03:30:00-05:00", "2026-11-02T03:30:00-05:00"},
	} {
		z := zone(t, c.zone)
		now, err := time.ParseInLocation("2006-01-02T15:04:05", c.now, z)
		if err != nil {
			t.Fatal(err)
		}
		entry := mesa.ScheduleEntry{Cron: c.cron}
		last := jobs.LastDue(entry, now, z)
		if got := last.Format(time.RFC3339); got != c.last {
			t.Errorf("%q was due last before %s in %s at %s, not %s", c.cron, c.now, c.zone, got, c.last)
		}
		if got := jobs.NextDue(entry, now, z).Format(time.RFC3339); got != c.next {
			t.Errorf("%q is due next after %s in %s at %s, not %s", c.cron, c.now, c.zone, got, c.next)
		}
	}
}

func TestLastDueIsTheLastOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field := func(name string, from, to int) string {
			return rapid.OneOf(rapid.Just("*"), rapid.StringMatching("[0-9]{1,2}").Filter(func(s string) bool {
				n := 0
				for _, c := range s {
					n = 10*n + int(c-'0')
				}
				return n >= from && n <= to
			})).Draw(t, name)
		}
		entry := mesa.ScheduleEntry{Cron: field("minute", 0, 59) + " " + field("hour", 0, 23) + " " + field("day", 1, 28) + " * " + field("weekday", 0, 6)}
		z := zone(t, rapid.SampledFrom([]string{"America/Lima", "America/New_York", "America/Santiago", "Europe/Madrid", "Asia/Kathmandu"}).Draw(t, "zone"))
		now := time.Unix(rapid.Int64Range(1_735_689_600, 1_893_456_000).Draw(t, "now"), 0) // 2025 to 2029
		last := jobs.LastDue(entry, now, z)
		if last.IsZero() || last.After(now) {
			t.Fatalf("%q was due last at %s, now is %s", entry.Cron, last, now.In(z))
		}
		if next := jobs.NextDue(entry, last, z); !next.After(now) {
			t.Fatalf("%q was due at %s and again at %s, now is %s", entry.Cron, last, next, now.In(z))
		}
	})
}

func TestTheScheduleCanBeRead(t *testing.T) {
	lima := zone(t, "America/Lima")
	for _, entry := range mesa.ScheduleEntries {
		if jobs.NextDue(entry, time.Now(), lima).IsZero() {
			t.Errorf("%s is never due", entry.Name)
		}
	}
}

// clockwork is a database with processes on it whose clocks can jump, inside a bubble of synctest: hours pass in no time.
type clockwork struct {
	*testing.T
	url   string
	ahead atomic.Int64
	seen  *db.DB
	fires map[mesa.JobKind]int
}

// inBubble runs a test on schedules. The database is SQLite: PostgreSQL lives outside of the bubble, in another time.
func inBubble(t *testing.T, body func(c *clockwork)) {
	t.Helper()
	url := testkit.SQLiteClone(t, "migrated", migrated)
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{T: t, url: url, fires: map[mesa.JobKind]int{}}
		c.seen = c.open()
		body(c)
	})
}

func (c *clockwork) open() *db.DB {
	c.Helper()
	database, err := db.Open(context.Background(), c.url, db.Options{Now: func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = database.Close() })
	return database
}

// jump sets the clocks of all processes.
func (c *clockwork) jump(by time.Duration) { c.ahead.Add(int64(by)) }

// process runs the schedule of a process until the test ends.
func (c *clockwork) process() {
	c.Helper()
	schedule, err := jobs.NewSchedule(c.open(), time.UTC, slog.New(slog.DiscardHandler))
	if err != nil {
		c.Fatal(err)
	}
	schedule.Start(c.Context())
	c.Cleanup(schedule.Stop)
}

// pass lets time pass, and does what becomes due.
func (c *clockwork) pass(d time.Duration) {
	c.Helper()
	for ; d > 0; d -= 10 * time.Minute {
		time.Sleep(10 * time.Minute)
		c.do()
	}
}

// do counts and ends the jobs that wait.
func (c *clockwork) do() {
	c.Helper()
	synctest.Wait()
	list, err := c.seen.ClaimJobs(c.Context(), db.Claim{Worker: "w", Lease: time.Hour, Queue: "maintenance", Limit: 10})
	if err != nil {
		c.Fatal(err)
	}
	for _, j := range list {
		c.fires[j.Kind]++
		if _, err := c.seen.EndJob(c.Context(), j, db.End{Outcome: mesa.AttemptSucceeded}, nil); err != nil {
			c.Fatal(err)
		}
	}
}

// expect compares how often the two entries of the schedule have fired since it was asked last.
func (c *clockwork) expect(hourly, daily int) {
	c.Helper()
	if h, d := c.fires[mesa.JobRetention], c.fires[mesa.JobUpkeep]; h != hourly || d != daily {
		c.Errorf("fired %d times hourly and %d times daily, not %d and %d", h, d, hourly, daily)
	}
	clear(c.fires)
}

func TestTwoSchedulesFireOnce(t *testing.T) {
	inBubble(t, func(c *clockwork) {
		c.process()
		c.process()
		c.pass(48 * time.Hour)
		c.expect(48, 2)
	})
}

// silent has the schedule fire for the last time three days ago.
func (c *clockwork) silent() {
	c.Helper()
	for _, entry := range mesa.ScheduleEntries {
		_, err := c.seen.Fire(c.Context(), entry.Name, time.Now().Add(-72*time.Hour), db.NewJob{Kind: entry.Kind, Args: struct{}{}})
		if err != nil {
			c.Fatal(err)
		}
	}
	c.do()
	clear(c.fires)
}

// caughtUp starts processes after days of silence: what was missed meanwhile is made up for, once.
func (c *clockwork) caughtUp(processes int) {
	c.Helper()
	c.silent()
	for range processes {
		c.process()
	}
	c.do()
	c.expect(0, 1)
}

func TestWhatWasMissedIsMadeUpForOnce(t *testing.T) {
	inBubble(t, func(c *clockwork) { c.caughtUp(2) })
}

func TestAClockThatJumpsFiresNothingTwice(t *testing.T) {
	inBubble(t, func(c *clockwork) {
		c.process()
		c.process()
		c.pass(26 * time.Hour)
		c.expect(26, 1)
		c.jump(-90 * time.Minute)
		c.pass(90 * time.Minute) // the same hours again
		c.expect(0, 0)
		c.pass(24 * time.Hour)
		c.expect(24, 1)
		c.jump(5 * time.Hour) // of what lies between, the daily one is made up for
		c.pass(time.Hour)
		c.expect(1, 1)
	})
}

func TestAFireThatFailedIsMadeUpFor(t *testing.T) {
	inBubble(t, func(c *clockwork) {
		c.caughtUp(2)
		harm := testkit.Beside(c, c.url)
		_, broken := harm.Exec("ALTER TABLE schedules RENAME TO out_of_reach")
		c.pass(4 * time.Hour) // the time of the daily one among them
		_, mended := harm.Exec("ALTER TABLE out_of_reach RENAME TO schedules")
		if err := errors.Join(broken, mended); err != nil {
			c.Fatal(err)
		}
		c.pass(10 * time.Minute)
		c.expect(0, 1)
	})
}

// The clock that rings is not the one that tells whether something is due.
func TestAFireThatCameTooEarlyIsMadeUpFor(t *testing.T) {
	inBubble(t, func(c *clockwork) {
		c.caughtUp(1)
		c.jump(-10 * time.Millisecond)
		c.pass(4 * time.Hour)
		c.expect(4, 1)
	})
}

// A clock that went wrong by weeks must not keep the schedule silent for weeks.
func TestAClockThatWasFarAheadDoesNotStopTheSchedule(t *testing.T) {
	inBubble(t, func(c *clockwork) {
		c.process()
		c.pass(24 * time.Hour)
		c.jump(30 * 24 * time.Hour)
		c.pass(time.Hour)
		c.jump(-30 * 24 * time.Hour)
		clear(c.fires)
		c.pass(24 * time.Hour)
		c.expect(24, 1)
	})
}
