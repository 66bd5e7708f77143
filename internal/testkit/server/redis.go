package server

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The data is thrown away, so nothing is saved unless a test asks for it. The password keeps other users of this machine out: who may
// configure a Redis can write files as the user it runs as. It is in a file since everybody can read a command line.
const redisConfig = `
bind 127.0.0.1
port %s
requirepass %s
save ""
appendonly no
daemonize no
`

// Redis writes its snapshot here, in the folder it was started in, and loads it from here when it starts.
const redisDump = "dump.rdb"

// startRedis runs an empty Redis on a free port of 127.0.0.1.
func startRedis(context.Context) (s *Server, err error) {
	for range 5 {
		var port int
		if port, err = steadyPort(); err != nil {
			return nil, err
		}
		s, err = StartRedisAt(fmt.Sprintf("redis://:%s@127.0.0.1:%d/0", crand.Text(), port), nil)
		if err == nil || !strings.Contains(err.Error(), "Address already in use") {
			break // else somebody took the port between steadyPort and its use
		}
	}
	return s, err
}

// StartRedisAt runs a Redis in a temporary folder at the URL of one that was stopped. It begins with the keys of a snapshot (see
// DumpRedis), or empty when that is nil.
func StartRedisAt(address string, dump []byte) (_ *Server, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	as, err := unprivileged("redis", "nobody")
	if err != nil {
		return nil, err
	}
	folder, err := as.folder("mesa-redis-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(folder)
		}
	}()
	password, _ := u.User.Password()
	config := filepath.Join(folder, "redis.conf")
	if err := as.write(config, fmt.Appendf(nil, redisConfig, u.Port(), password)); err != nil {
		return nil, err
	}
	if dump != nil {
		if err := as.write(filepath.Join(folder, redisDump), dump); err != nil {
			return nil, err
		}
	}
	// SIGKILL also ends a Redis that a test has paused. SIGQUIT would not end any: the shell makes what it runs in the background ignore
	// it, and Redis leaves it at that.
	s, err := launch(folder, as, "KILL", func() bool { return redisReady(address) }, time.Now().Add(time.Minute), "redis-server", config)
	if err != nil {
		return nil, err
	}
	s.URL = address
	return s, nil
}

func redisReady(address string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	answer, err := AskRedis(ctx, address, "PING")
	return err == nil && answer == "PONG"
}

// DumpRedis takes a snapshot of a Redis that StartRedisAt or Redis.Start has started.
func DumpRedis(ctx context.Context, s *Server) ([]byte, error) {
	if _, err := AskRedis(ctx, s.URL, "SAVE"); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(s.folder, redisDump))
}

// steadyPort returns a free port that stays free while a Redis is down. It is below those that systems hand out by themselves (32768
// and above on Linux, 49152 on others): its own clients' attempts to reach it could take one of them.
func steadyPort() (int, error) {
	var err error
	for range 100 {
		port := 20000 + rand.IntN(12000)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// oldestRedis is the major version that the tests need.
const oldestRedis = 7

var redisVersion = regexp.MustCompile(`\bv=(\d+)\.`)

func redisInstalled() error {
	out, err := exec.Command("redis-server", "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("the server program of Redis (redis-server) is not on this machine")
	}
	if err != nil {
		return fmt.Errorf("redis-server --version: %w", err)
	}
	found := redisVersion.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("redis-server does not tell its version: %q", bytes.TrimSpace(out))
	}
	if major, _ := strconv.Atoi(string(found[1])); major < oldestRedis {
		return fmt.Errorf("redis-server is version %d, and %d is needed", major, oldestRedis)
	}
	return nil
}

// NewRedisPrefix returns a beginning of keys that nobody else uses.
func NewRedisPrefix() string { return testPrefix + strings.ToLower(crand.Text()) }

// RemoveKeys removes the keys with a text in their name that nobody has touched for a while.
func RemoveKeys(ctx context.Context, address, text string, idle time.Duration) error {
	_, err := AskRedis(ctx, address, "EVAL", removeKeys, "0", "*"+text+"*", strconv.Itoa(int(idle.Seconds())))
	return err
}

const removeKeys = `
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  if ARGV[2] == '0' or redis.call('OBJECT', 'IDLETIME', key) >= tonumber(ARGV[2]) then
    redis.call('UNLINK', key)
  end
end`

// tidyRedis removes the keys of tests that were killed. Redis does not know who made a key; no living test leaves one alone for an hour.
func tidyRedis(ctx context.Context, address string) error {
	return RemoveKeys(ctx, address, testPrefix, time.Hour)
}
