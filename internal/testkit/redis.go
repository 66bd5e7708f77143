package testkit

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit/server"
)

// RedisURL returns the URL of a Redis that tests share; each uses a prefix of its own, see RedisPrefix.
//
// The server is the one of MESA_TEST_REDIS_URL; when that is not set, the first call of the process starts a private server, which ends
// with the process.
func RedisURL(t testing.TB) string {
	t.Helper()
	s, err := sharedRedis()
	if err != nil {
		t.Fatal(err)
	}
	return s.URL
}

// RedisPrefix returns a prefix for keys that nobody else uses.
func RedisPrefix(testing.TB) string { return "test-" + strings.ToLower(rand.Text()) }

var sharedRedis = sync.OnceValues(func() (*server.Server, error) {
	if given := os.Getenv(server.Redis.Env); given != "" {
		return &server.Server{URL: given}, nil
	}
	if err := redisInstalled(); err != nil {
		return nil, err
	}
	return server.Redis.Start(context.Background())
})

func redisInstalled() error {
	if err := server.Redis.Installed(); err != nil {
		return fmt.Errorf("%w; \"make test\" installs it on Debian (%s)", err, server.Redis.Other)
	}
	return nil
}

// RedisServer is a Redis of one test's own, to do it harm.
type RedisServer struct {
	URL string

	t                 testing.TB
	address, password string
	port              int
	snapshots         string
	pid               int
	running           *server.Server
}

// StartRedis starts a Redis for one test, whatever server the others share. It ends with the test.
func StartRedis(t testing.TB) *RedisServer {
	t.Helper()
	if err := redisInstalled(); err != nil {
		t.Fatal(err)
	}
	s, err := server.Redis.Start(context.Background()) // to find a free port
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := &RedisServer{URL: s.URL, t: t, address: u.Host, snapshots: t.TempDir()}
	r.password, _ = u.User.Password()
	r.port, _ = strconv.Atoi(u.Port())
	r.Start()
	t.Cleanup(r.Kill)
	return r
}

var redisPID = regexp.MustCompile(`process_id:(\d+)`)

// Start starts it again after Kill, at the same place, with the latest snapshot or else empty.
func (r *RedisServer) Start() {
	r.t.Helper()
	s, err := server.StartRedisAt(r.port, r.password, r.snapshots)
	if err != nil {
		r.t.Fatal(err)
	}
	r.running = s
	found := redisPID.FindStringSubmatch(r.ask("INFO", "server"))
	if found == nil {
		r.t.Fatal("Redis does not tell its process")
	}
	r.pid, _ = strconv.Atoi(found[1])
}

// Kill ends it at once, as kill -9 does, and waits until it is gone. What was not in a snapshot is lost.
func (r *RedisServer) Kill() {
	if r.running == nil {
		return
	}
	_ = syscall.Kill(r.pid, syscall.SIGKILL)
	r.running.Stop()
	r.running = nil
}

// Pause makes it answer nothing, though connections to it stay open and can be opened.
func (r *RedisServer) Pause() { r.signal(syscall.SIGSTOP) }

// Resume ends a pause: it goes on with all that it was asked meanwhile.
func (r *RedisServer) Resume() { r.signal(syscall.SIGCONT) }

func (r *RedisServer) signal(s syscall.Signal) {
	r.t.Helper()
	if err := syscall.Kill(r.pid, s); err != nil {
		r.t.Fatal(err)
	}
}

// Snapshot keeps what there is now for the next Start.
func (r *RedisServer) Snapshot() { r.ask("SAVE") }

// Flush deletes everything.
func (r *RedisServer) Flush() { r.ask("FLUSHALL") }

// CutClients ends all connections.
func (r *RedisServer) CutClients() {
	for _, kind := range []string{"normal", "pubsub"} {
		r.ask("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
	}
}

// ask sends a command on a connection of its own.
func (r *RedisServer) ask(command ...string) string {
	r.t.Helper()
	answer, err := server.AskRedis(r.address, r.password, command...)
	if err != nil {
		r.t.Fatalf("Redis: %s: %v", command[0], err)
	}
	return answer
}

// answers says whether it answers within a time.
func (r *RedisServer) answers(within time.Duration) bool {
	done := make(chan error, 1)
	go func() { _, err := server.AskRedis(r.address, r.password, "PING"); done <- err }()
	select {
	case err := <-done:
		return err == nil
	case <-time.After(within):
		return false
	}
}
