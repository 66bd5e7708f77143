package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit"
)

// server is a process of its own: this test binary as the program.
type server struct {
	t    *testing.T
	base string
	cmd  *exec.Cmd
	log  *testkit.Output
}

// program starts this test binary as the program; it is killed when the test ends.
func program(t *testing.T, args ...string) (*exec.Cmd, *testkit.Output) {
	t.Helper()
	cmd, log := exec.Command(os.Args[0], args...), &testkit.Output{}
	cmd.Env = append(os.Environ(), asProgram+"=1", "MESA_DATA_DIR="+t.TempDir()) // unless a flag names another folder
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, log
}

// startProcess starts "mesa serve" and waits until it is ready.
func startProcess(t *testing.T, flags ...string) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "addr")
	s := &server{t: t}
	s.cmd, s.log = program(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--addr-file", file, "--no-rates"}, flags...)...)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	for begun := time.Now(); s.base == ""; time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil {
			s.base = "http://" + strings.TrimSpace(string(text))
		}
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("not ready:\n%s", s.log)
		}
	}
	return s
}

// kill ends it as kill -9 does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	http.DefaultClient.CloseIdleConnections()
}

// stop ends it as an operator does, and waits until it has ended.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	http.DefaultClient.CloseIdleConnections()
}

// ask sends an operation and says where the answer came from. An error is one of the network.
func (s *server) ask(token, query string, variables map[string]any) (body, from string, err error) {
	content, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return "", "", err
	}
	r, err := http.NewRequest(http.MethodPost, s.base+"/graphql", bytes.NewReader(content))
	if err != nil {
		return "", "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), res.Header.Get("X-Cache"), err
}

// must is ask for what has to work.
func (s *server) must(token, query string, variables map[string]any) (body, from string) {
	s.t.Helper()
	body, from, err := s.ask(token, query, variables)
	if err != nil || strings.Contains(body, `"errors"`) {
		s.t.Fatalf("%v %s\n%s", err, body, s.log)
	}
	return body, from
}

// desk of two processes on one database and one Redis, with a document that both know.
type twoProcesses struct {
	redis    *testkit.RedisServer
	one, two *server
	flags    []string
	token    string
	document string
}

const (
	readNotes  = `query Read($id: ID!) { node(id: $id) { ... on Document { notes } } }`
	writeNotes = `mutation Write($id: ID!, $notes: String) { updateDocument(input: { documentId: $id, notes: $notes }) { document { notes } } }`
	latest     = `{ documents(first: 50, filter: { states: [IN_PROCESS] }) { nodes { id availableActions } } }`
)

func startTwo(t *testing.T) *twoProcesses {
	t.Helper()
	p := &twoProcesses{redis: testkit.StartRedis(t)}
	database := testkit.PostgresClone(t, furnished, furnish(t))
	p.flags = []string{"--database-url", database, "--redis-url", p.redis.URL, "--no-graphiql", "--metrics-addr", "127.0.0.1:0"}
	p.one, p.two = startProcess(t, p.flags...), startProcess(t, p.flags...)
	p.token = strings.TrimSpace(works(t, "token", "--email", "jefe.mesa@demo.mesa.pe", "--database-url", database))
	p.document = p.one.editable(p.token)
	return p
}

// editable is a document that somebody may change: not one of the other desk.
func (s *server) editable(token string) string {
	s.t.Helper()
	body, _ := s.must(token, latest, nil)
	found := regexp.MustCompile(`"id":"(doc_\w+)","availableActions":\["UPDATE"`).FindStringSubmatch(body)
	if found == nil {
		s.t.Fatalf("no document: %s", body)
	}
	return found[1]
}

// read asks a process for the notes.
func (p *twoProcesses) read(s *server) (body, from string) {
	s.t.Helper()
	return s.must(p.token, readNotes, map[string]any{"id": p.document})
}

// warm asks until a process answers from what is kept.
func (p *twoProcesses) warm(s *server) {
	s.t.Helper()
	for begun := time.Now(); ; {
		if _, from := p.read(s); from == "HIT" {
			return
		}
		if time.Since(begun) > 2*time.Minute {
			s.t.Fatalf("nothing is kept\n%s", s.log)
		}
	}
}

// A thousand times: what one process acknowledged the other gives at once, though both are warm, and goes on to give from what it keeps.
func TestTwoProcessesReadEachOthersWrites(t *testing.T) {
	p := startTwo(t)
	p.warm(p.one)
	p.warm(p.two)
	for i := range 1000 {
		writer, reader := p.one, p.two
		if i%2 == 1 {
			writer, reader = reader, writer
		}
		note := fmt.Sprintf("nota %d", i)
		writer.must(p.token, writeNotes, map[string]any{"id": p.document, "notes": note})
		for from, begun := "", time.Now(); from != "HIT"; { // the second answer, unless Redis is late on a busy machine
			var body string
			if body, from = p.read(reader); !strings.Contains(body, `"`+note+`"`) {
				t.Fatalf("after %q: %s (%s)", note, body, from)
			}
			if time.Since(begun) > 2*time.Minute {
				t.Fatalf("nothing is kept\n%s", reader.log)
			}
		}
	}
}

// A process is killed after its commit and before it could tell of it. Nobody was told that the change was made, but it was: the other
// process gives it, and so does one that is started later.
func TestKilledBetweenCommitAndInvalidation(t *testing.T) {
	p := startTwo(t)
	p.warm(p.one)
	p.warm(p.two)
	p.redis.Pause() // the writer will wait here
	done := make(chan error, 1)
	go func() {
		_, _, err := p.one.ask(p.token, writeNotes, map[string]any{"id": p.document, "notes": "el último aliento"})
		done <- err
	}()
	committed := func(s *server) bool { body, _ := p.read(s); return strings.Contains(body, "el último aliento") }
	for begun := time.Now(); !committed(p.two); { // without Redis it reads the database
		if time.Since(begun) > 2*time.Minute {
			t.Fatal("the change was not committed")
		}
	}
	p.one.kill()
	if err := <-done; err == nil {
		t.Log("the writer was quicker: it has acknowledged")
	}
	p.redis.Resume()
	for range 300 {
		if body, from := p.read(p.two); !strings.Contains(body, "el último aliento") {
			t.Fatalf("old again: %s (%s)", body, from)
		}
	}
	p.warm(p.two)
	three := startProcess(t, p.flags...)
	p.warm(three)
	for _, s := range []*server{p.two, three} {
		if body, from := p.read(s); !strings.Contains(body, "el último aliento") {
			t.Errorf("%s (%s)", body, from)
		}
	}
}

// An operator takes rights away, clears the cache and looks at it, while two processes serve.
func TestOperatingTheCache(t *testing.T) {
	p := startTwo(t)
	p.warm(p.one)
	p.warm(p.two)
	with := func(args ...string) []string { return append(args, p.flags[:4]...) }
	works(t, with("user", "deactivate", "--email", "jefe.mesa@demo.mesa.pe")...)
	for _, s := range []*server{p.one, p.two} {
		if body, from, err := s.ask(p.token, readNotes, map[string]any{"id": p.document}); err != nil || !strings.Contains(body, "UNAUTHENTICATED") {
			t.Errorf("after deactivation: %v %s (%s)", err, body, from)
		}
	}
	shows(t, p.one.log, `mesa_cache_requests_total{outcome="hit"`, "mesa_cache_redis_in_use 1", "mesa_cache_hit_age_seconds_count", "go_goroutines", "mesa_audit_sealed_entries",
		`mesa_jobs{queue="reports",state="queued"} 0`, `mesa_jobs_oldest_seconds{queue="default"} 0`, "mesa_sql_statements_total", "mesa_sql_seconds_total", "mesa_sql_slow_total")
	works(t, with("user", "activate", "--email", "jefe.mesa@demo.mesa.pe")...)
	p.token = strings.TrimSpace(works(t, with("token", "--email", "jefe.mesa@demo.mesa.pe")...)) // the sessions of before have ended
	p.warm(p.one)
	works(t, with("cache", "clear")...)
	if _, from := p.read(p.one); from == "HIT" {
		t.Errorf("%s after everything was cleared", from)
	}
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) { // processes tell their figures every few seconds
		stats := works(t, with("cache", "stats")...)
		if strings.Count(stats, "Redis in use\n") == 2 && strings.Contains(stats, "hit rate") {
			break
		}
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("cache stats prints\n%s", stats)
		}
	}
	if stdout := verifies(t, p.flags[:4]...); !strings.Contains(stdout, "✓ Redis: round trip") {
		t.Errorf("verify prints\n%s", stdout)
	}
	p.redis.Kill()
	if code, stdout, _ := typed(t, with("verify")...); code != 1 || !strings.Contains(stdout, "✗ cache: not using Redis") {
		t.Errorf("verify without Redis: %d\n%s", code, stdout)
	}
	private := "http://" + regexp.MustCompile(`msg=metrics address=(\S+)`).FindStringSubmatch(p.one.log.String())[1]
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) { // the server notices by itself, and serves on
		res, err := http.Get(private + "/readyz?verbose")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if strings.Contains(string(text), "✗ cache: not using Redis") && res.StatusCode == http.StatusOK {
			break
		}
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("%d\n%s", res.StatusCode, text)
		}
	}
}
