package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The data is thrown away, so nothing is forced to disk. 200 connections are enough for "go test ./..." with a pool in each test.
var postgresSettings = []string{
	"fsync=off",
	"synchronous_commit=off",
	"full_page_writes=off",
	"wal_level=minimal",
	"max_wal_senders=0",
	"max_connections=200",
	"logging_collector=off",
	"timezone=UTC",
}

// Case folding and sorting of texts with accents follow the locale; these two are the ones that machines have.
var postgresLocales = []string{"C.UTF-8", "en_US.UTF-8"}

// startPostgres makes a cluster in a temporary folder and runs it on a free port of 127.0.0.1.
func startPostgres(ctx context.Context) (s *Server, err error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged("postgres", "nobody") // PostgreSQL refuses to run as root
	if err != nil {
		return nil, err
	}
	for range 5 {
		s, err = startPostgresOnce(ctx, bin, as)
		if err == nil || !strings.Contains(err.Error(), "Address already in use") {
			break // else somebody took the port between freePort and its use
		}
	}
	return s, err
}

func startPostgresOnce(ctx context.Context, bin string, as *account) (_ *Server, err error) {
	folder, err := as.folder("mesa-postgres-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(folder)
		}
	}()
	data, password := filepath.Join(folder, "data"), rand.Text()
	if err := initPostgres(ctx, bin, folder, data, as, password); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	program := []string{filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + folder}
	for _, setting := range postgresSettings {
		program = append(program, "-c", setting)
	}
	ready := func() bool { return postmasterReady(filepath.Join(data, "postmaster.pid")) }
	s, err := launch(folder, as, "QUIT", ready, time.Now().Add(time.Minute), program...)
	if err != nil {
		return nil, err
	}
	s.URL = fmt.Sprintf("postgres://mesa:%s@127.0.0.1:%d/postgres?sslmode=disable", password, port)
	return s, nil
}

// initPostgres runs initdb. The password keeps other users of this machine out of the server: a superuser of PostgreSQL can run
// programs as the user it runs as.
func initPostgres(ctx context.Context, bin, folder, data string, as *account, password string) error {
	secret := filepath.Join(folder, "password")
	if err := as.write(secret, []byte(password+"\n")); err != nil {
		return err
	}
	var failed error
	for _, locale := range postgresLocales {
		var out bytes.Buffer
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "mesa", "--pwfile="+secret,
			"--auth=password", "--encoding=UTF8", "--locale="+locale, "--no-sync", "--no-instructions")
		as.apply(cmd, folder)
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		if err == nil {
			return nil
		}
		failed = fmt.Errorf("initdb: %w\n%s", err, out.String())
		os.RemoveAll(data)
	}
	return failed
}

// postmasterReady reads the status that PostgreSQL keeps on the last line of its pid file.
func postmasterReady(pidFile string) bool {
	b, err := os.ReadFile(pidFile)
	if err != nil {
		return false
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready"
}

func postgresInstalled() error {
	_, err := postgresBin()
	return err
}

// postgresBin returns the directory of PostgreSQL's server programs, the newest when there are several outside of PATH.
func postgresBin() (string, error) {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian
		"/usr/pgsql-*/bin",          // the PostgreSQL project's packages for Fedora and relatives
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		slices.SortFunc(found, func(a, b string) int { return versionIn(b) - versionIn(a) })
		dirs = append(dirs, found...)
	}
	dirs = append(dirs, "/usr/local/bin", "/usr/local/pgsql/bin")

	for _, dir := range dirs {
		if isProgram(filepath.Join(dir, "postgres")) && isProgram(filepath.Join(dir, "initdb")) {
			return dir, nil
		}
	}
	return "", errors.New("PostgreSQL's server programs (postgres, initdb) are not on this machine")
}

// versionIn returns the number in a path such as /usr/lib/postgresql/15/bin, or 0.
func versionIn(path string) int {
	n, _ := strconv.Atoi(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, path))
	return n
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
