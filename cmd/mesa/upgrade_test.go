package main

import (
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/internal/verify"
	"github.com/mesapartes/mesa/mesa"
)

// Amid an upgrade the database is that of the next version: processes of this one go on, may be started again, and change no schema.
func TestThisVersionWorksOnTheSchemaOfTheNext(t *testing.T) {
	const future = "9999_future"
	onOffices(t, func(o *office) {
		clerk := strings.TrimSpace(works(o.T, "token", "--email", "jefe.mesa@demo.mesa.pe", "--database-url", o.url))
		before := o.serve("--no-workers", "--no-cache")
		read := func(s *server) { // the same statements again
			s.must(o.token, latest, nil)
			s.must(o.token, readNotes, map[string]any{"id": s.editable(clerk)})
		}
		for range 10 { // on whichever connection
			read(before)
		}
		for _, statement := range []string{
			"ALTER TABLE documents ADD COLUMN of_the_future INTEGER NOT NULL DEFAULT 0",
			"CREATE TABLE of_the_future (id TEXT PRIMARY KEY)",
			"INSERT INTO schema_migrations (name, applied_at) VALUES ('" + future + "', '2030-01-01T00:00:00Z')",
		} {
			testkit.Execute(o.T, o.url, statement)
		}
		after := o.serve("--no-workers", "--no-cache") // which migrates, and finds nothing to do
		var jobs []mesa.JobID
		for _, s := range []*server{before, after} {
			jobs = append(jobs, o.enqueue(s, map[string]any{}))
			for range 10 {
				read(s)
			}
			if !o.isReady(s) {
				t.Error("not ready")
			}
		}
		worker := o.work()
		for _, job := range jobs {
			o.until(time.Minute, "the job to end", func() bool { return o.job(job).State == mesa.JobSucceeded })
		}
		for who, log := range map[string]string{"serve": after.log.String(), "work": worker.log.String()} {
			if !strings.Contains(log, "a newer version of mesa has migrated the database") || !strings.Contains(log, future) {
				t.Errorf("%s does not tell:\n%s", who, log)
			}
		}

		i := &installation{o.T, o.url, append(o.flags, "--data-dir", t.TempDir())}
		line := i.lines()["database and migrations"]
		if line.State != verify.StateFailed || !strings.Contains(line.Figure, future) || !strings.Contains(line.Remedy, "put the newer mesa in place") {
			t.Errorf("verify: %s", line)
		}
		i.types(0, future+"  applied 2030-01-01T00:00:00Z by a newer version of mesa", "migrate")
		testkit.Execute(o.T, o.url, "DROP INDEX documents_due")
		i.types(1, "newer version", "migrate", "--repair")
		testkit.Execute(o.T, o.url, "DELETE FROM schema_migrations WHERE name = '0011_slow_statements'")
		i.types(1, "the database lacks migration 0011_slow_statements, but it is of a newer version of mesa than this one (migration "+future+")", "migrate")
		i.types(1, "newer version", "serve")
	})
}

// types runs a command that has to end with a code and to say something.
func (i *installation) types(code int, says string, command ...string) {
	i.Helper()
	if got, stdout, stderr := typed(i.T, i.with(command...)...); got != code || !strings.Contains(stdout+stderr, says) {
		i.Errorf("mesa %s: %d\n%s%s", strings.Join(command, " "), got, stdout, stderr)
	}
}
