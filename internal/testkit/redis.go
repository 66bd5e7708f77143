package testkit

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit/server"
)

// RedisURL returns the URL of a Redis that tests share: each puts a RedisPrefix before its keys.
//
// The server is the one of MESA_TEST_REDIS_URL; when that is not set, the first call of the process starts a private server, which
// ends with the process.
func RedisURL(t testing.TB) string {
	t.Helper()
	s, err := sharedRedis()
	if err != nil {
		t.Fatal(err)
	}
	return s.URL
}

// RedisPrefix returns a prefix for keys in the Redis of RedisURL that no other test has. Every key with it in its name is removed when
// the test ends.
func RedisPrefix(t testing.TB) string {
	t.Helper()
	address, prefix := RedisURL(t), server.NewRedisPrefix()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.RemoveKeys(ctx, address, prefix, 0); err != nil {
			t.Errorf("remove the test's keys from Redis: %v", err)
		}
	})
	return prefix
}

// patience is how long a Redis may take to answer, on a machine that is busy with other tests.
const patience = time.Minute

var sharedRedis = sync.OnceValues(func() (*server.Server, error) {
	if given := os.Getenv(server.Redis.Env); given != "" {
		return &server.Server{URL: given}, nil
	}
	return private(server.Redis)
})

// RedisServer is a Redis of one test's own, which the test may harm. Its methods fail the test when they cannot do what they say.
type RedisServer struct {
	URL string // stays the same from one Start to the next

	t       testing.TB
	running *server.Server // nil when killed
	process int
	dump    []byte // of the latest Snapshot; kept in memory, so that nothing has to be removed when the process ends
}

// StartRedis starts a Redis for this test, which ends with it. It is a private one even when MESA_TEST_REDIS_URL is set.
func StartRedis(t testing.TB) *RedisServer {
	t.Helper()
	s, err := private(server.Redis)
	if err != nil {
		t.Fatal(err)
	}
	r := &RedisServer{URL: s.URL, t: t}
	t.Cleanup(r.Kill)
	r.isRunning(s)
	return r
}

// Start starts it again after Kill, with the keys of the latest Snapshot or else empty, and waits until it answers.
func (r *RedisServer) Start() {
	r.t.Helper()
	if r.running != nil {
		r.t.Fatal("Redis was started twice")
	}
	s, err := server.StartRedisAt(r.URL, r.dump)
	if err != nil {
		r.t.Fatalf("start Redis again: %v", err)
	}
	r.isRunning(s)
}

var processID = regexp.MustCompile(`(?m)^process_id:(\d+)`)

// isRunning finds out its process: what launch started is the supervisor.
func (r *RedisServer) isRunning(s *server.Server) {
	r.t.Helper()
	r.running = s
	found := processID.FindStringSubmatch(r.Ask("INFO", "server"))
	if found == nil {
		r.t.Fatal("Redis does not tell its process")
	}
	r.process, _ = strconv.Atoi(found[1])
}

// Kill ends it with SIGKILL and waits until it is gone; what is not in a Snapshot is lost. It can be called twice.
func (r *RedisServer) Kill() {
	if r.running != nil {
		r.running.Stop()
		r.running = nil
	}
}

// Pause keeps it from answering. The system still takes connections and commands for it.
func (r *RedisServer) Pause() {
	r.t.Helper()
	r.signal(syscall.SIGSTOP)
}

// Resume ends a Pause: now it answers everything it was asked meanwhile.
func (r *RedisServer) Resume() {
	r.t.Helper()
	r.signal(syscall.SIGCONT)
}

func (r *RedisServer) signal(s syscall.Signal) {
	r.t.Helper()
	if r.running == nil {
		r.t.Fatalf("%v for a Redis that was killed", s) // its number may be another process's now
	}
	if err := syscall.Kill(r.process, s); err != nil {
		r.t.Fatalf("%v for Redis: %v", s, err)
	}
}

// Snapshot keeps the keys that there are now: every later Start begins with them.
func (r *RedisServer) Snapshot() {
	r.t.Helper()
	if r.running == nil {
		r.t.Fatal("a snapshot of a Redis that was killed")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dump, err := server.DumpRedis(ctx, r.running)
	if err != nil {
		r.t.Fatalf("take a snapshot of Redis: %v", err)
	}
	r.dump = dump
}

// Flush removes all keys.
func (r *RedisServer) Flush() {
	r.t.Helper()
	r.Ask("FLUSHALL")
}

// RefuseWrites makes it answer what is read and refuse what is written, as a Redis does whose memory is full.
func (r *RedisServer) RefuseWrites() {
	r.t.Helper()
	r.Ask("CONFIG", "SET", "maxmemory", "1")
}

// AcceptWrites ends that.
func (r *RedisServer) AcceptWrites() {
	r.t.Helper()
	r.Ask("CONFIG", "SET", "maxmemory", "0")
}

// CutClients closes the connections of all clients.
func (r *RedisServer) CutClients() {
	r.t.Helper()
	r.Ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	r.Ask("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes")
}

// Ask runs a command and returns its answer.
func (r *RedisServer) Ask(command ...string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := server.AskRedis(ctx, r.URL, command...)
	if err != nil {
		r.t.Fatalf("Redis for tests: %v", err)
	}
	return answer
}
