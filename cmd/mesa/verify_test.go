package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/internal/verify"
)

// installed names the template of databases with an administrator and nothing else.
const installed = "installed"

func install(t *testing.T) func(url string) {
	return func(url string) {
		at := []string{"--database-url", url, "--data-dir", t.TempDir()}
		works(t, append([]string{"migrate"}, at...)...)
		works(t, append([]string{"user", "create", "--email", "admin@example.org", "--name", "Ana Quispe", "--role", "ADMIN"}, at...)...)
	}
}

// installation is an installation that a test harms.
type installation struct {
	*testing.T
	url   string
	flags []string
}

func (i *installation) with(args ...string) []string { return append(args, i.flags...) }

// lines are those of mesa verify by name; the exit code has to agree with them.
func (i *installation) lines(flags ...string) map[string]verify.Line {
	i.Helper()
	code, stdout, stderr := typed(i.T, append(i.with("verify", "--json"), flags...)...)
	return i.read(code, stdout, stderr)
}

func (i *installation) read(code int, stdout, stderr string) map[string]verify.Line {
	i.Helper()
	var report verify.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		i.Fatalf("verify: %d, %v\n%s%s", code, err, stdout, stderr)
	}
	lines := map[string]verify.Line{}
	for _, l := range report.Checks {
		lines[l.Name] = l
	}
	if report.OK != !verify.HaveFailed(report.Checks) || (code == 0) != report.OK {
		i.Errorf("exit code %d after\n%s", code, stdout)
	}
	return lines
}

// turns checks that a fault turns its line, which names the remedy, and no other line but those that follow from it; and that the remedy
// mends it.
func (i *installation) turns(line, remedy string, look func() map[string]verify.Line, mend func(), also ...string) {
	i.Helper()
	i.shows("with the fault in "+line, look, func(l verify.Line) bool {
		if l.Name == line {
			return l.State == verify.StateFailed && strings.Contains(l.Remedy, remedy)
		}
		return l.State != verify.StateFailed || slices.Contains(also, l.Name)
	})
	mend()
	i.shows("after the remedy", look, func(l verify.Line) bool { return l.Name != line || l.State == verify.StateOK })
}

// shows looks up to five times for lines that are all as wanted: the checks have little time, and on a busy machine one is late for once.
func (i *installation) shows(when string, look func() map[string]verify.Line, wanted func(verify.Line) bool) {
	i.Helper()
	var wrong []verify.Line
	for range 5 {
		wrong = slices.DeleteFunc(slices.Collect(maps.Values(look())), wanted)
		if len(wrong) == 0 || i.Failed() {
			return
		}
	}
	for _, l := range wrong {
		i.Errorf("%s: %s", when, l)
	}
}

func (i *installation) counts(query string) (n int) {
	i.Helper()
	database := testkit.Beside(i.T, i.url)
	defer database.Close()
	if err := database.QueryRowContext(i.Context(), query).Scan(&n); err != nil {
		i.Fatal(err)
	}
	return n
}

func TestEachFaultTurnsItsLineAndItsRemedyMendsIt(t *testing.T) {
	testkit.EachClone(t, installed, install(t), func(t *testing.T, url string) {
		t.Parallel()
		i := &installation{t, url, []string{"--database-url", url, "--data-dir", t.TempDir()}}
		isPostgres := strings.HasPrefix(url, "postgres")
		var redis *testkit.RedisServer
		if isPostgres {
			redis = testkit.StartRedis(t)
			i.flags = append(i.flags, "--redis-url", redis.URL)
		}
		look := func() map[string]verify.Line { return i.lines() }
		execute := func(statement string) { testkit.Execute(t, url, statement) }

		live := "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
		if isPostgres {
			live = `SELECT count(*) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relnamespace = current_schema()::regnamespace
				AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = i.indexrelid)`
		}
		there := fmt.Sprintf("all %d are there", i.counts(live))
		i.shows("of as many indexes as there are", look, func(l verify.Line) bool { return l.Name != "indexes" || l.Figure == there })
		execute("DROP INDEX documents_due")
		if isPostgres {
			execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'jobs_unique_live'::regclass")
		}
		i.turns("indexes", "mesa migrate --repair", look, func() {
			if stdout := works(t, i.with("migrate", "--repair")...); !strings.Contains(stdout, "made index documents_due\n") {
				t.Errorf("repair prints\n%s", stdout)
			}
		})

		execute("DROP TABLE slow_statements")
		execute("DELETE FROM schema_migrations WHERE name = '0011_slow_statements'")
		i.turns("database and migrations", "run mesa migrate", look, func() { works(t, i.with("migrate")...) })

		clock := []string{"--clock", "2026-07-28T09:00:00-05:00"}
		i.turns("clock", "unset MESA_CLOCK", func() map[string]verify.Line { return i.lines(clock...) }, func() { clock = nil })

		if isPostgres {
			redis.Ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
			i.turns("Redis", "volatile-lru", look, func() { redis.Ask("CONFIG", "SET", "maxmemory-policy", "volatile-lru") })
			redis.Kill()
			i.turns("cache", "start the Redis", look, redis.Start, "Redis")
		}
	})
}

// A server runs whose work nobody does; then somebody does it.
func TestVerifyingARunningServer(t *testing.T) {
	testkit.EachClone(t, installed, install(t), func(t *testing.T, url string) {
		t.Parallel()
		i := &installation{t, url, []string{"--database-url", url, "--data-dir", t.TempDir()}}
		if strings.HasPrefix(url, "postgres") {
			i.flags = append(i.flags, "--redis-url", testkit.RedisURL(t), "--redis-prefix", testkit.RedisPrefix(t))
		}
		s := startProcess(t, i.with("--no-graphiql", "--no-workers", "--metrics-addr", "127.0.0.1:0")...)
		look := func() map[string]verify.Line { return i.lines("--url", s.base) }
		i.turns("queue", "mesa work", look, func() {
			_, log := program(t, i.with("work")...)
			(&office{T: t}).until(time.Minute, "the worker works", func() bool { return strings.Contains(log.String(), "msg=working") })
		})
		well := []string{"server", "subscriptions", "schedule", "storage", "clock", "records"}
		i.shows("of a server that works", look, func(l verify.Line) bool { return !slices.Contains(well, l.Name) || l.State == verify.StateOK })
		works(t, i.with("jobs", "pause", "default")...)
		i.turns("queue", "mesa jobs resume default", look, func() { works(t, i.with("jobs", "resume", "default")...) })
		i.verbose(s)
		s.kill()
		if l := look()["server"]; l.State != verify.StateFailed || !strings.Contains(l.Remedy, "start mesa serve") {
			t.Errorf("of a server that was killed: %s", l)
		}

		manifest := filepath.Join(t.TempDir(), "relay.json")
		if err := os.WriteFile(manifest, []byte(`{"me": "query Me { viewer { user { id } } }"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		s = startProcess(t, i.with("--no-graphiql", "--no-workers", "--documents", "require", "--manifests", manifest)...)
		i.shows("of trusted documents", look, func(l verify.Line) bool {
			return l.Name != "subscriptions" || l.State == verify.StateSkipped && strings.Contains(l.Figure, "trusted documents only")
		})
	})
}

// verbose checks who sees the checklist of a server: operators and administrators, and nobody else.
func (i *installation) verbose(s *server) {
	i.Helper()
	token := strings.TrimSpace(works(i.T, i.with("token", "--email", "admin@example.org")...))
	private := "http://" + regexp.MustCompile(`msg=metrics address=(\S+)`).FindStringSubmatch(s.log.String())[1]
	for _, c := range []struct {
		url, token string
		sees       bool
	}{
		{s.base + "/readyz?verbose", "", false}, {s.base + "/readyz?verbose", "mesa_x", false}, {s.base + "/readyz?verbose", token, true},
		{s.base + "/readyz", token, false}, {private + "/readyz?verbose", "", true},
	} {
		r, err := http.NewRequestWithContext(i.Context(), http.MethodGet, c.url, nil)
		if err != nil {
			i.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+c.token)
		for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) { // what was late for once is told for two seconds
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				i.Fatal(err)
			}
			text, _ := io.ReadAll(res.Body)
			res.Body.Close()
			sees := strings.Contains(string(text), "✓ queue: 1 worker")
			if res.StatusCode == http.StatusOK && sees == c.sees && (sees || string(text) == "ready\n") && strings.HasSuffix(string(text), "ready\n") {
				break
			}
			if mayBeLate := c.sees || res.StatusCode != http.StatusOK; !mayBeLate || time.Since(begun) > 2*time.Minute {
				i.Errorf("%s with %q: %d\n%s", c.url, c.token, res.StatusCode, text)
				break
			}
		}
	}
}

// What keeps the database from opening is told for what it is, and nothing is made on the way.
func TestVerifyOpensOnlyWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	i := &installation{t, "", []string{"--data-dir", dir}}
	nowhere, file := filepath.Join(dir, "typo"), filepath.Join(dir, "file")
	for _, c := range []struct {
		flags          []string
		figure, remedy string
	}{
		{nil, "no database " + filepath.Join(dir, "mesa.db"), "correct MESA_DATA_DIR"},
		{[]string{"--data-dir", nowhere}, "no database " + filepath.Join(nowhere, "mesa.db"), "mesa migrate makes one"},
		{[]string{"--database-url", "sqlite://" + nowhere}, "no database " + nowhere, "correct MESA_DATABASE_URL"},
		{[]string{"--database-url", "sqlite://" + file}, "not a database", "correct MESA_DATABASE_URL"},
		{[]string{"--database-url", "sqlite://" + file, "--redis-url", "http://x"}, "redis://", "correct MESA_REDIS_URL"},
		{[]string{"--database-url", "sqlite://" + file, "--redis-url", "http://x", "--no-cache"}, "redis://", "correct MESA_REDIS_URL"},
		{[]string{"--database-url", "postgres://u@127.0.0.1:1/x?sslmode=disable"}, "does not answer", "start the database"},
	} {
		if err := os.WriteFile(file, []byte(strings.Repeat("text ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		lines := i.lines(c.flags...)
		if l := lines["database and migrations"]; l.State != verify.StateFailed || !strings.Contains(l.Figure, c.figure) || !strings.Contains(l.Remedy, c.remedy) {
			t.Errorf("%q: %s", c.flags, l)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*")); len(found) != 1 {
		t.Errorf("verify made %q", found)
	}
	works(t, i.with("migrate")...)
	states := map[string]verify.State{"settings": verify.StateFailed, "storage": verify.StateSkipped, "records": verify.StateOK}
	i.shows("with a wrong place for files", func() map[string]verify.Line { return i.lines("--files", "s3://foo") }, func(l verify.Line) bool {
		want, isLookedAt := states[l.Name]
		return !isLookedAt || l.State == want && (l.Name != "settings" || l.Remedy == "correct MESA_FILES")
	})
	lines := i.lines("--database-url", "sqlite://"+filepath.Join(dir, "mesa.db"), "--data-dir", nowhere)
	if _, err := os.Stat(nowhere); lines["storage"].State != verify.StateSkipped || !os.IsNotExist(err) {
		t.Errorf("without a data folder: %s, %v", lines["storage"], err)
	}
}

// Permissions do not bind the user root, under whom tests may run: the command is started without that privilege.
func TestFoldersThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	i := &installation{t, "", []string{"--data-dir", dir, "--files", store}}
	works(t, i.with("migrate")...)
	args := i.with(os.Args[0], "verify", "--json")
	if os.Geteuid() == 0 {
		args = append([]string{"setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"}, args...)
	}
	look := func() map[string]verify.Line {
		var stdout, stderr testkit.Output
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), asProgram+"=1"), &stdout, &stderr
		_ = cmd.Run()
		return i.read(cmd.ProcessState.ExitCode(), stdout.String(), stderr.String())
	}
	mode := func(folder string, to os.FileMode) {
		if err := os.Chmod(folder, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(store, 0o500); err != nil {
		t.Fatal(err)
	}
	i.turns("storage", "chmod", look, func() { mode(store, 0o700) })
	for _, to := range []os.FileMode{0o000, 0o500} {
		mode(dir, to)
		i.turns("database and migrations", "read and write "+filepath.Join(dir, "mesa.db"), look, func() { mode(dir, 0o700) })
	}
}
