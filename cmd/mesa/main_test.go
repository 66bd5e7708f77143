package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/internal/testkit"
)

// asProgram makes this test binary the program itself, for tests that need several processes.
const asProgram = "MESA_TEST_AS_PROGRAM"

// redialing is what the client of Redis does for up to a second after it was closed, when nothing answered it.
const redialing = "github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(redialing))
}

// typed runs the program as people type it.
func typed(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs testkit.Output
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// works runs a command that has to succeed.
func works(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := typed(t, args...)
	if code != 0 {
		t.Fatalf("mesa %s: %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// verifies is works for the checklist. On a busy machine a check is late for once; what is wrong is wrong each time.
func verifies(t *testing.T, flags ...string) (stdout string) {
	t.Helper()
	args := append([]string{"verify"}, flags...)
	for range 4 {
		if code, stdout, _ := typed(t, args...); code == 0 {
			return stdout
		}
	}
	return works(t, args...)
}

func TestTheCommandLineExplainsItself(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {}} {
		code, stdout, _ := typed(t, args...)
		if code != 0 {
			t.Errorf("%q: %d", args, code)
		}
		for _, command := range []string{"serve", "migrate", "seed", "user create", "user grant", "apikey create", "apikey list", "apikey revoke", "jobs list", "jobs show", "jobs retry", "jobs cancel", "jobs pause", "jobs resume", "jobs stats", "work", "token", "cache stats", "cache clear", "audit export", "audit verify", "backup", "restore", "verify", "config", "version"} {
			if !strings.Contains(stdout, command) {
				t.Errorf("help does not name %s:\n%s", command, stdout)
			}
		}
	}
	if code, stdout, _ := typed(t, "serve", "--help"); code != 0 || !strings.Contains(stdout, "MESA_ADDR_FILE") {
		t.Errorf("serve --help is %d:\n%s", code, stdout)
	}
	if stdout := works(t, "version"); !regexp.MustCompile(`^mesa \S+\n(.+\n)* .*go1\.`).MatchString(stdout) {
		t.Errorf("version prints %q", stdout)
	}
}

func TestMistakesAreTold(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"srve"}, 2, "srve"},
		{[]string{"serve", "--nothing"}, 2, "--nothing"},
		{[]string{"user", "create"}, 2, "--email"},
		{[]string{"config", "--mode", "test"}, 2, "development"},
		{[]string{"serve", "--clock", "yesterday"}, 1, "2026-07-28T09:00:00-05:00"},
		{[]string{"serve", "--mode", "production", "--clock", "2026-07-28T09:00:00-05:00"}, 1, "MESA_CLOCK"},
		{[]string{"migrate", "--database-url", "mysql://x"}, 1, "sqlite:// or postgres://"},
		{[]string{"migrate", "--database-url", "postgres://u:secret@127.0.0.1:1/x?sslmode=disable"}, 1, "does not answer"},
		{[]string{"migrate", "--database-url", "postgres://u:secret@ho st:1/x"}, 1, "not a valid"},
		{[]string{"token", "--email", "x@example.org"}, 1, "mesa: "},
		{[]string{"verify"}, 1, "✗ database and migrations"},
		{[]string{"serve", "--addr", "256.0.0.1:0"}, 1, "MESA_ADDR"},
		{[]string{"serve", "--pprof-addr", "256.0.0.1:0"}, 1, "cannot listen for profiles"},
		{[]string{"serve", "--origins", "*"}, 1, "https://app.example.org"},
		{[]string{"serve", "--redis-url", "http://u:secret@x"}, 1, "redis://"},
		{[]string{"serve", "--manifests", "/nowhere/manifest.json"}, 1, "/nowhere/manifest.json"},
		{[]string{"serve", "--documents", "require"}, 1, "no manifest"},
		{[]string{"serve", "--documents", "some"}, 2, "require"},
		{[]string{"seed", "--months=-3"}, 1, "--months"},
		{[]string{"seed", "--documents=0"}, 1, "--documents"},
		{[]string{"serve", "--stop-timeout=-1s"}, 1, "MESA_STOP_TIMEOUT"},
		{[]string{"serve", "--operation-timeout=-1s"}, 1, "MESA_OPERATION_TIMEOUT"},
		{[]string{"serve", "--max-conns=-1"}, 1, "MESA_DATABASE_CONNECTIONS"},
		{[]string{"serve", "--cache-mib=0"}, 1, "MESA_NO_CACHE"},
		{[]string{"apikey", "create", "--name", "ERP"}, 2, "--scope"},
		{[]string{"apikey", "revoke"}, 2, "--id"},
		{[]string{"backup", filepath.Join(dir, "b.tar.zst")}, 1, "nothing to back up"},
		{[]string{"backup", filepath.Join(dir, "nowhere")}, 1, "there is no folder"},
		{[]string{"backup", "--check", filepath.Join(dir, "none")}, 1, "no such file"},
		{[]string{"restore"}, 2, "<file>"},
		{[]string{"cache", "stats", "--no-cache"}, 1, "run mesa migrate"},
	} {
		code, stdout, stderr := typed(t, append(c.args, "--data-dir", filepath.Join(dir, strings.Join(c.args[:1], "")+"-data"))...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("mesa %s: %d, want %d and %q\n%s%s", strings.Join(c.args, " "), code, c.code, c.says, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, "secret") {
			t.Errorf("mesa %s tells the password:\n%s%s", strings.Join(c.args, " "), stdout, stderr)
		}
	}
}

// A second server on an address does nothing to the database of its settings.
func TestAnAddressInUseIsToldBeforeAnythingIsMade(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dir := filepath.Join(t.TempDir(), "new")
	if code, _, stderr := typed(t, "serve", "--demo", "--data-dir", dir, "--addr", listener.Addr().String()); code != 1 || !strings.Contains(stderr, "cannot listen (--addr or MESA_ADDR)") {
		t.Errorf("serve: %d %s", code, stderr)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the data folder: %v", err)
	}
}

func TestSettingsAreShownWithoutSecrets(t *testing.T) {
	t.Setenv("MESA_LOG", "json")
	for _, url := range []string{"postgres://mesa:hunter2@db/mesa", "postgres://db/mesa?user=mesa&password=hunter2", "postgres://mesa:hunter2@ho st/mesa"} {
		t.Setenv("MESA_DATABASE_URL", url)
		t.Setenv("MESA_REDIS_URL", "redis://u:hunter2@redis:6379/0?master=m&sentinel_password=hunter2")
		t.Setenv("MESA_KEYS", "k1:hunter2")
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:hunter2@collector:4318")
		t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2")
		stdout := works(t, "config", "--slow-at", "2s", "--origins", "https://a.example.org", "--origins", "https://b.example.org")
		if strings.Contains(stdout, "hunter2") {
			t.Errorf("config tells the password of %s:\n%s", url, stdout)
		}
		for _, line := range []string{"MESA_LOG=json\n", "MESA_SLOW_STATEMENT=2s\n", "MESA_DATA_DIR=./var\n", "MESA_MODE=development\n", "MESA_CLOCK=\n", "MESA_KEYS=xxxxx\n", "MESA_LEASE=30s\n", "MESA_ORIGINS=https://a.example.org,https://b.example.org\n",
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://u:xxxxx@collector:4318\n", "OTEL_EXPORTER_OTLP_HEADERS=xxxxx\n", "OTEL_SERVICE_NAME=mesa\n"} {
			if !strings.Contains(stdout, line) {
				t.Errorf("config lacks %q:\n%s", line, stdout)
			}
		}
	}
}

func TestSettingsFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mesa.env")
	if err := os.WriteFile(file, []byte("MESA_MODE=production\nMESA_DATABASE_CONNECTIONS=7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MESA_ENV_FILE", file)
	for _, name := range []string{"MESA_MODE", "MESA_DATABASE_CONNECTIONS"} { // the file sets them for the process
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	if stdout := works(t, "config", "--max-conns", "9"); !strings.Contains(stdout, "MESA_MODE=production\n") || !strings.Contains(stdout, "MESA_DATABASE_CONNECTIONS=9\n") {
		t.Errorf("file, then flag:\n%s", stdout)
	}
	malformed := filepath.Join(t.TempDir(), "malformed.env")
	if err := os.WriteFile(malformed, []byte("MESA_MODE=production\nsecret here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{file + "x": "no such file", malformed: "not all KEY=VALUE", t.TempDir(): "is a directory"} {
		t.Setenv("MESA_ENV_FILE", path)
		code, _, stderr := typed(t, "config")
		if code != 2 || !strings.Contains(stderr, "MESA_ENV_FILE") || !strings.Contains(stderr, path) || !strings.Contains(stderr, says) || strings.Contains(stderr, "secret") {
			t.Errorf("%s: %d %s", path, code, stderr)
		}
	}
}

func TestTheLogHasDurationsAsPeopleWriteThem(t *testing.T) {
	for form, want := range map[string]string{"json": `"lease":"30s"`, "text": "lease=30s"} {
		var log testkit.Output
		(&settings{Log: form}).logger(&log).Info("working", "lease", 30*time.Second)
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s: %s", form, log.String())
		}
	}
}

func TestAPasswordIsReadFromStandardInput(t *testing.T) {
	before := os.Stdin
	defer func() { os.Stdin = before }()
	for text, want := range map[string]string{"": "", "\n": "", "own password\r\nmore\n": "own password", "unended": "unended"} {
		path := filepath.Join(t.TempDir(), "stdin")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		os.Stdin = file
		got, err := readPassword()
		file.Close()
		if got != want || (err == nil) != (want != "") || err != nil && err.Error() != "no password on the first line of standard input" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// An operator begins with an empty database, on both kinds.
func TestSettingUp(t *testing.T) {
	testkit.EachDatabase(t, func(t *testing.T, url string) {
		at := []string{"--database-url", url, "--data-dir", t.TempDir()}
		with := func(args ...string) []string { return append(args, at...) }
		if code, stdout, _ := typed(t, with("verify")...); code != 1 || !strings.Contains(stdout, "✗ database and migrations") {
			t.Errorf("verify before: %d %s", code, stdout)
		}
		for range 2 { // the second time changes nothing
			if stdout := works(t, with("migrate")...); strings.Contains(stdout, "pending") || !strings.Contains(stdout, "applied") {
				t.Errorf("migrate: %s", stdout)
			}
		}
		if stdout := verifies(t, at...); strings.Contains(stdout, "✗") || strings.Count(stdout, "✓") != 9 || strings.Count(stdout, "\n–") != 5 || !strings.Contains(stdout, "– Redis: not configured") {
			t.Errorf("verify: %s", stdout)
		}

		stdout := works(t, with("user", "create", "--email", "Ana@Example.org", "--name", "Ana Quispe", "--role", "DESK_CLERK", "--area", "mp")...)
		found := regexp.MustCompile(`(?m)^password: (\S{16,})$`).FindStringSubmatch(stdout)
		if found == nil || !strings.Contains(stdout, "created ana@example.org") {
			t.Fatalf("user create printed %q", stdout)
		}
		for _, c := range []struct{ says, email, role, area string }{
			{"email: The e-mail is not valid.", "nobody", "DESK_CLERK", "MP"}, {"There is no such role.", "b@example.org", "CLERK", "MP"}, {"area: There is no such area.", "b@example.org", "ADMIN", "XX"}, {"", "ana@example.org", "ADMIN", "MP"},
		} {
			code, _, stderr := typed(t, with("user", "create", "--email", c.email, "--name", "Beto", "--role", c.role, "--area", c.area)...)
			if code != 1 || !strings.Contains(stderr, c.says) || strings.Contains(stderr, "UNIQUE") || strings.Contains(stderr, "SQLSTATE") {
				t.Errorf("user create %+v: %d %s", c, code, stderr)
			}
		}
		token := strings.TrimSpace(works(t, with("token", "--email", "ana@example.org")...))
		if !regexp.MustCompile(`^mesa_[\w-]{43}$`).MatchString(token) {
			t.Errorf("token printed %q", token)
		}
		if code, _, _ := typed(t, with("token", "--email", "nobody@example.org")...); code != 1 {
			t.Errorf("a token for nobody: %d", code)
		}

		serve(t, at, func(base string) {
			signedIn := post(t, base, "", `mutation { signIn(input: { email: "ana@example.org", password: "`+found[1]+`" }) { viewer { user { fullName } roles { code } areas { code } } } }`)
			if want := `{"data":{"signIn":{"viewer":{"user":{"fullName":"Ana Quispe"},"roles":[{"code":"DESK_CLERK"}],"areas":[{"code":"MP"}]}}}}`; signedIn != want {
				t.Errorf("sign-in: %s", signedIn)
			}
			if viewer := post(t, base, token, `{ viewer { user { email } } }`); !strings.Contains(viewer, "ana@example.org") {
				t.Errorf("with the token of the command: %s", viewer)
			}
			if code, _, stderr := typed(t, with("cache", "stats", "--url", base)...); code != 1 || !strings.Contains(stderr, "there is no active administrator") {
				t.Errorf("cache stats without an administrator: %d %s", code, stderr)
			}
			works(t, with("user", "grant", "--email", "ana@example.org", "--role", "ADMIN")...)
			if stats := works(t, with("cache", "stats", "--url", base)...); !strings.Contains(stats, "  in memory, no Redis is configured\n  hits ") {
				t.Errorf("cache stats without Redis: %s", stats)
			}
			stdout = works(t, with("user", "password", "--email", "ana@example.org")...)
			if viewer := post(t, base, token, `{ viewer { user { email } } }`); !strings.Contains(viewer, "UNAUTHENTICATED") {
				t.Errorf("a new password ends the sessions, but: %s", viewer)
			}
			again := regexp.MustCompile(`(?m)^password: (\S{16,})$`).FindStringSubmatch(stdout)
			if again == nil {
				t.Fatalf("user password printed %q", stdout)
			}
			if in := post(t, base, "", `mutation { signIn(input: { email: "ana@example.org", password: "`+again[1]+`" }) { expiresAt } }`); strings.Contains(in, "errors") {
				t.Errorf("sign-in with the new password: %s", in)
			}
		})

		stdout = works(t, with("apikey", "create", "--name", "ERP", "--scope", "documents:submit,exchange:status", "--desk", "mp", "--expires", "2199-01-01T00:00:00-05:00")...)
		key := regexp.MustCompile(`^created (key_\S+)\nsecret: (mesa_\w{40})\n$`).FindStringSubmatch(stdout)
		if key == nil {
			t.Fatalf("apikey create printed %q", stdout)
		}
		for _, c := range []struct{ says, scope, desk string }{{"active desk", "documents:submit", "XX"}, {"no scope documents:write", "documents:write", "MP"}} {
			if code, _, stderr := typed(t, with("apikey", "create", "--name", "ERP", "--scope", c.scope, "--desk", c.desk)...); code != 1 || !strings.Contains(stderr, c.says) {
				t.Errorf("apikey create %+v: %d %s", c, code, stderr)
			}
		}
		if code, _, stderr := typed(t, with("apikey", "create", "--name", "x", "--scope", "documents:write", "--desk", "MP")...); code != 1 ||
			stderr != "mesa: VALIDATION_FAILED: name: Must have 2 to 100 characters. scopes.0: There is no scope documents:write.\n" {
			t.Errorf("apikey create with two mistakes: %d %s", code, stderr)
		}
		list := func() string { return works(t, with("apikey", "list")...) }
		if got := list(); !strings.HasPrefix(got, key[1]+"  "+key[2][:13]+`…  "ERP"  documents:submit,exchange:status  MP  created `) || !strings.Contains(got, "last used never, expires 2199-01-01T05:00:00Z\n") ||
			strings.Contains(got, key[2]) {
			t.Errorf("apikey list printed %q", got)
		}
		serve(t, at, func(base string) {
			submit := `mutation { submitDocument(input: { externalId: "1", typeCode: "SOL", subject: "Solicita copia", sender: { kind: PERSON, name: "Rosa Huamán" } }) { document { state } duplicate } }`
			for _, want := range []string{`{"state":"SUBMITTED"},"duplicate":false`, `{"state":"SUBMITTED"},"duplicate":true`} {
				if got := post(t, base, key[2], submit); !strings.Contains(got, want) {
					t.Errorf("submitted: %s", got)
				}
			}
			for range 2 {
				if stdout := works(t, with("apikey", "revoke", "--id", key[1])...); !strings.Contains(stdout, "revoked "+key[1]+" (ERP)") {
					t.Errorf("apikey revoke printed %q", stdout)
				}
			}
			if got := post(t, base, key[2], submit); !strings.Contains(got, "UNAUTHENTICATED") {
				t.Errorf("with a revoked key: %s", got)
			}
		})
		if got := list(); strings.Contains(got, "last used never") || !strings.Contains(got, ", revoked 2") {
			t.Errorf("apikey list printed %q", got)
		}
		if code, _, stderr := typed(t, with("apikey", "revoke", "--id", "key_none")...); code != 1 || !strings.Contains(stderr, "NOT_FOUND") {
			t.Errorf("revoking nothing: %d %s", code, stderr)
		}

		testkit.Execute(t, url, "DELETE FROM schema_migrations") // as if this binary were newer than the database
		if stdout := works(t, with("migrate", "--status")...); !strings.Contains(stdout, "pending") || strings.Contains(stdout, "applied") {
			t.Errorf("status of what is pending: %s", stdout)
		}
		for _, command := range [][]string{{"verify"}, {"token", "--email", "ana@example.org"}} {
			if code, stdout, stderr := typed(t, with(command...)...); code != 1 || !strings.Contains(stdout+stderr, "run mesa migrate") {
				t.Errorf("%s before the migration: %d %s%s", command, code, stdout, stderr)
			}
		}
	})
}

// serve runs the server for as long as do takes and ends it as SIGTERM does.
func serve(t *testing.T, flags []string, do func(base string)) {
	t.Helper()
	serveLogged(t, flags, func(base string, _ *testkit.Output) { do(base) })
}

// serveLogged is serve for who reads the log.
func serveLogged(t *testing.T, flags []string, do func(base string, log *testkit.Output)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "addr")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errs testkit.Output
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"serve", "--addr", "127.0.0.1:0", "--addr-file", file}, flags...), &out, &errs)
	}()
	base := ""
	for start := time.Now(); base == ""; time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil {
			base = "http://" + strings.TrimSpace(string(text))
		}
		select {
		case c := <-code:
			t.Fatalf("serve ended with %d\n%s%s", c, out.String(), errs.String())
		default:
		}
		if time.Since(start) > 2*time.Minute {
			t.Fatalf("not ready:\n%s", errs.String())
		}
	}
	do(base, &errs)
	http.DefaultClient.CloseIdleConnections()
	stop()
	if c := <-code; c != 0 {
		t.Errorf("serve ended with %d\n%s%s", c, out.String(), errs.String())
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the address file is still there")
	}
	if strings.Contains(errs.String(), "level=ERROR") || strings.Contains(errs.String(), `"level":"ERROR"`) {
		t.Errorf("logged:\n%s", errs.String())
	}
}

// post asks a server that runs.
func post(t *testing.T, base, token, query string) string {
	t.Helper()
	res := (&server{t: t, base: base}).send(token, "", map[string]any{"query": query})
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A newcomer's first start and their second, and what an operator finds after somebody has written into the database by hand.
func TestTheDemo(t *testing.T) {
	dir := t.TempDir()
	flags := []string{"--demo", "--data-dir", dir, "--clock", "2026-07-30T09:00:00-05:00"}
	credentials := filepath.Join(dir, "demo-credentials.json")
	var token, before string
	const all = `{ documents(first: 1) { totalCount nodes { id fileNumber filedOn } } viewer { user { email } } }`
	serve(t, flags, func(base string) {
		info, err := os.Stat(credentials)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("credentials: %v %v", info, err)
		}
		text, err := os.ReadFile(credentials)
		if err != nil {
			t.Fatal(err)
		}
		var list []struct{ Role, Email, Password string }
		if err := json.Unmarshal(text, &list); err != nil || len(list) < 8 {
			t.Fatalf("%v: %s", err, text)
		}
		for _, c := range list {
			in := post(t, base, "", `mutation { signIn(input: { email: "`+c.Email+`", password: "`+c.Password+`" }) { token viewer { roles { code } } } }`)
			if !strings.Contains(in, `"code":"`+c.Role+`"`) {
				t.Errorf("%s signs in as %s", c.Email, in)
			}
			if c.Role == "DESK_HEAD" {
				token = regexp.MustCompile(`mesa_[\w-]{43}`).FindString(in)
			}
			if c.Role != "DESK_HEAD" && token != "" {
				break // the others would only hash longer
			}
		}
		if before = post(t, base, token, all); !regexp.MustCompile(`"totalCount":(19\d\d|2000)\D`).MatchString(before) || !strings.Contains(before, `"filedOn":"2026-07-`) {
			t.Errorf("the demo has %s", before)
		}
		for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
			res, err := http.Get(base + path)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if string(text) != want {
				t.Errorf("%s: %q", path, text)
			}
		}
	})
	first, err := os.ReadFile(credentials)
	if err != nil {
		t.Fatal(err)
	}
	var took []time.Duration // a busy machine is late for once
	for len(took) == 0 || slices.Min(took) > 20*time.Second && len(took) < 3 {
		start := time.Now()
		serve(t, flags, func(base string) {
			if after := post(t, base, token, all); after != before {
				t.Errorf("a later start found %s, the first left %s", after, before)
			}
		})
		took = append(took, time.Since(start))
	}
	if slices.Min(took) > 20*time.Second {
		t.Errorf("later starts and their ends took %v: have they made everything again?", took)
	}
	if later, _ := os.ReadFile(credentials); !bytes.Equal(first, later) {
		t.Error("a later start wrote other credentials")
	}

	at := []string{"--data-dir", dir}
	if stdout := verifies(t, append([]string{"--audit"}, at...)...); !strings.Contains(stdout, "✓ audit trail: ") {
		t.Errorf("verify of the demo:\n%s", stdout)
	}
	export := filepath.Join(dir, "audit.ndjson")
	lines := works(t, append([]string{"audit", "export", "--from", "2", "--to", "200"}, at...)...)
	for text, broken := range map[string]bool{lines: false, strings.Replace(lines, "DOC", "COD", 1) + "{}": true} {
		if err := os.WriteFile(export, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := typed(t, "audit", "verify", export)
		if (code == 1) != broken || !broken && !strings.Contains(stdout, "✓ audit trail: 199 entries") {
			t.Errorf("audit verify: %d %s%s", code, stdout, stderr)
		}
	}
	for _, damage := range []string{
		"UPDATE documents SET state = 'ATTENDED' WHERE id = (SELECT min(id) FROM documents WHERE state = 'IN_PROCESS')",
		"UPDATE documents SET seq = seq + 100000 WHERE id = (SELECT max(id) FROM documents)",
	} {
		testkit.Execute(t, "sqlite://"+filepath.Join(dir, "mesa.db"), damage)
		if code, stdout, _ := typed(t, append([]string{"verify"}, at...)...); code != 1 || !strings.Contains(stdout, "✗") {
			t.Errorf("verify after %s: %d\n%s", damage, code, stdout)
		}
	}
}
