package testkit_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/internal/testkit/server"
)

func TestAFreshRedisAnswersAndIsEmpty(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	wantAnswer(t, r.URL, "PONG", "PING")
	wantAnswer(t, r.URL, "0", "DBSIZE")
	if r.URL == testkit.RedisURL(t) {
		t.Error("the test's own Redis is the one that tests share")
	}
	stranger, _ := url.Parse(r.URL)
	stranger.User = nil
	if _, err := ask(t, stranger.String(), "PING"); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without the password: %v", err)
	}
}

func TestKeysAreRemovedWithTheirTest(t *testing.T) {
	t.Parallel()
	address, mine := testkit.RedisURL(t), testkit.RedisPrefix(t)
	wantAnswer(t, address, "OK", "SET", mine+":kept", "1")
	var gone []string
	t.Run("inner", func(t *testing.T) {
		prefix := testkit.RedisPrefix(t)
		gone = []string{prefix + ":a", "{" + prefix + "}:b"}
		for _, key := range gone {
			wantAnswer(t, address, "OK", "SET", key, "1")
		}
	})
	for _, key := range gone {
		wantAnswer(t, address, "0", "EXISTS", key)
	}
	wantAnswer(t, address, "1", "EXISTS", mine+":kept")
}

// A test binary that is killed cannot remove its keys: whoever tidies up later does, and leaves those of tests that are going on.
func TestLeftoversInRedisAreRemovedOnceTheyAreOld(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	young, old := server.NewRedisPrefix()+":key", "{"+server.NewRedisPrefix()+"}:key"
	wantAnswer(t, r.URL, "OK", "SET", young, "text") // not a small number: all keys that hold it share it and its age
	wantAnswer(t, r.URL, "OK", "SET", "somebody else's", "text")
	value, err := ask(t, r.URL, "DUMP", young)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{old, "somebody else's old one"} {
		wantAnswer(t, r.URL, "OK", "RESTORE", key, "0", value, "IDLETIME", "7200")
	}
	if err := server.Redis.Tidy(withPatience(t), r.URL); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, r.URL, "0", "EXISTS", old)
	wantAnswer(t, r.URL, "3", "EXISTS", young, "somebody else's", "somebody else's old one")
}

func TestAPausedRedisAnswersWhenItIsResumed(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	r.Pause()
	conn := dial(t, r.URL)
	io.WriteString(conn, "PING\r\n") // without a password, to which there is an answer too
	if answer, err := read(conn, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("while paused: %q, %v", answer, err)
	}
	r.Resume()
	if answer, err := read(conn, time.Minute); err != nil || !strings.HasPrefix(answer, "-NOAUTH") {
		t.Errorf("once resumed: %q, %v", answer, err)
	}
}

func TestAKilledRedisComesBackEmptyAtItsURL(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	for range 2 {
		wantAnswer(t, r.URL, "OK", "SET", "key", "1")
		r.Pause() // no hindrance
		r.Kill()
		if _, err := ask(t, r.URL, "PING"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after Kill: %v", err)
		}
		r.Start()
		wantAnswer(t, r.URL, "0", "DBSIZE")
	}
}

func TestASnapshotIsWhatEveryLaterStartBeginsWith(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	wantAnswer(t, r.URL, "OK", "SET", "key", "old")
	r.Snapshot()
	for range 2 {
		wantAnswer(t, r.URL, "OK", "SET", "key", "new")
		wantAnswer(t, r.URL, "OK", "SET", "another", "1")
		r.Kill()
		r.Start()
		wantAnswer(t, r.URL, "old", "GET", "key")
		wantAnswer(t, r.URL, "1", "DBSIZE")
	}
}

func TestFlushRemovesAllKeys(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	wantAnswer(t, r.URL, "OK", "SET", "key", "1")
	r.Flush()
	wantAnswer(t, r.URL, "0", "DBSIZE")
}

func TestCutClientsCutsThemAll(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	u, _ := url.Parse(r.URL)
	password, _ := u.User.Password()
	var conns []net.Conn
	for _, command := range []string{"PING", "SUBSCRIBE topic"} {
		conn := dial(t, r.URL)
		io.WriteString(conn, "AUTH "+password+"\r\n")
		if answer, err := read(conn, time.Minute); err != nil || answer != "+OK\r\n" {
			t.Fatalf("AUTH: %q, %v", answer, err)
		}
		io.WriteString(conn, command+"\r\n")
		if _, err := read(conn, time.Minute); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		conns = append(conns, conn)
	}
	r.CutClients()
	for _, conn := range conns {
		if answer, err := read(conn, time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a connection is still there: %q, %v", answer, err)
		}
	}
	wantAnswer(t, r.URL, "PONG", "PING")
}

// A test binary that is killed takes its servers with it, even one that it had paused.
func TestRedisEndsWithAKilledProcess(t *testing.T) {
	t.Parallel()
	const child = "MESA_TESTKIT_REDIS_CHILD"
	if os.Getenv(child) != "" {
		r := testkit.StartRedis(t)
		r.Pause()
		os.Stdout.WriteString(r.URL + "\n")
		self, _ := os.FindProcess(os.Getpid())
		self.Kill()
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, _ := cmd.Output()
	address, _, _ := strings.Cut(string(out), "\n")
	if !strings.HasPrefix(address, "redis://") {
		t.Fatalf("the child printed %q", out)
	}
	u, _ := url.Parse(address)
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return // gone already
	}
	defer conn.Close()
	if answer, err := read(conn, time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it is still there: %q, %v", answer, err)
	}
}

func wantAnswer(t testing.TB, address, want string, command ...string) {
	t.Helper()
	if got, err := ask(t, address, command...); err != nil || got != want {
		t.Errorf("%s: %q, %v, want %q", command[0], got, err, want)
	}
}

func ask(t testing.TB, address string, command ...string) (string, error) {
	t.Helper()
	return server.AskRedis(withPatience(t), address, command...)
}

func withPatience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// dial opens a connection that has said nothing yet.
func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// read returns what comes next on a connection.
func read(conn net.Conn, within time.Duration) (string, error) {
	conn.SetReadDeadline(time.Now().Add(within))
	b := make([]byte, 1000)
	n, err := conn.Read(b)
	return string(b[:n]), err
}
