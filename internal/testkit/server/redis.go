package server

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// redisMajor is the oldest version that will do.
const redisMajor = 7

var redisVersion = regexp.MustCompile(`v=(\d+)\.`)

// redisInstalled says whether a redis-server that is new enough is on this machine.
func redisInstalled() error {
	out, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return errors.New("redis-server is not installed")
	}
	found := redisVersion.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("redis-server does not tell its version: %s", out)
	}
	if major, _ := strconv.Atoi(string(found[1])); major < redisMajor {
		return fmt.Errorf("redis-server %d is older than %d", major, redisMajor)
	}
	return nil
}

// startRedis runs an empty Redis with a password of its own on a free port of 127.0.0.1.
func startRedis(context.Context) (s *Server, err error) {
	for range 5 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		if s, err = StartRedisAt(port, rand.Text(), ""); err == nil || !strings.Contains(err.Error(), "bind") {
			return s, err // else somebody took the port between freePort and its use
		}
	}
	return nil, errors.New("no port stayed free")
}

// StartRedisAt runs a Redis on a port of 127.0.0.1. It saves nothing by itself, and loads the snapshot of a folder if there is one.
func StartRedisAt(port int, password, snapshots string) (*Server, error) {
	var as *account // Redis runs as whoever we are
	folder, err := as.folder("mesa-redis-")
	if err != nil {
		return nil, err
	}
	if snapshots == "" {
		snapshots = folder
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	ready := func() bool {
		answer, err := AskRedis(address, password, "PING")
		return err == nil && answer == "PONG"
	}
	s, err := launch(folder, as, "TERM", ready, time.Now().Add(30*time.Second), "redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(port),
		"--requirepass", password, "--save", "", "--appendonly", "no", "--dir", snapshots)
	if err != nil {
		return nil, err
	}
	s.URL = (&url.URL{Scheme: "redis", User: url.UserPassword("", password), Host: address, Path: "/0"}).String()
	return s, nil
}

// AskRedis sends one command over a connection of its own and returns a simple answer, as redis-cli would.
func AskRedis(address, password string, command ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	for _, words := range [][]string{{"AUTH", password}, command} {
		if _, err := io.WriteString(conn, respCommand(words)); err != nil {
			return "", err
		}
		answer, err := respAnswer(r)
		if err != nil || words[0] != "AUTH" {
			return answer, err
		}
	}
	return "", nil
}

// respCommand writes a command in Redis' protocol.
func respCommand(words []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

// respAnswer reads a status, a number or a text.
func respAnswer(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSpace(line)
	switch line[:1] {
	case "-":
		return "", errors.New(line[1:])
	case "$":
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 {
			return "", err
		}
		text := make([]byte, n+2)
		_, err = io.ReadFull(r, text)
		return string(text[:n]), err
	}
	return line[1:], nil
}

// tidyRedis has nothing to do: what tests leave has a time to live.
func tidyRedis(context.Context, string) error { return nil }
