package server

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a private server. It stops and its folder is removed on Stop, and also when this process ends in any other way.
type Server struct {
	URL string

	cmd    *exec.Cmd
	leash  *os.File // the write end of the supervisor's standard input; the kernel closes it when this process dies
	folder string
	stop   sync.Once
}

// Stop ends the server, waits for it and removes its folder. It can be called twice.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.leash.Close()
		s.cmd.Wait()
		os.RemoveAll(s.folder) // the supervisor did this, unless somebody killed it
	})
}

// supervisor runs a server ("$@") in its folder ($1) until standard input ends, which it does even if the process at the other end
// was killed with SIGKILL. The server alone keeps file descriptor 3 open: its other end reports the moment the server is gone.
// The signal $2 then ends it at once; nothing in the folder is wanted afterwards.
//
// When the process dies that had paused the server (SIGSTOP), the system sends SIGHUP to the process group that it leaves behind. That
// must not end the supervisor, or nobody would end the server.
const supervisor = `
trap '' HUP
folder=$1 end=$2; shift 2
"$@" </dev/null &
server=$!
exec 3>&-
cat >/dev/null
kill -s $end $server 2>/dev/null
wait $server
cd / && rm -rf "$folder"
`

// launch starts program under the supervisor as the given account and returns once ready() says so. End names the signal that ends it.
// When the server ends before it is ready, the error carries the tail of its log.
func launch(folder string, as *account, end string, ready func() bool, deadline time.Time, program ...string) (_ *Server, err error) {
	stdin, leash, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	alive, aliveWriter, err := os.Pipe()
	if err != nil {
		leash.Close()
		return nil, err
	}
	defer alive.Close()
	defer aliveWriter.Close()
	logPath := filepath.Join(folder, "log")
	log, err := os.Create(logPath)
	if err != nil {
		leash.Close()
		return nil, err
	}
	defer log.Close()

	cmd := exec.Command("/bin/sh", append([]string{"-c", supervisor, "supervisor", folder, end}, program...)...)
	as.apply(cmd, folder)
	cmd.Stdin = stdin
	cmd.Stdout, cmd.Stderr = log, log // never ours: "go test" waits until nobody holds its output any more
	cmd.ExtraFiles = []*os.File{aliveWriter}
	if err := cmd.Start(); err != nil {
		leash.Close()
		return nil, err
	}
	aliveWriter.Close()

	s := &Server{cmd: cmd, leash: leash, folder: folder}
	for !ready() {
		alive.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, readErr := alive.Read(make([]byte, 1))
		gone := !errors.Is(readErr, os.ErrDeadlineExceeded)
		if gone || time.Now().After(deadline) {
			tail := tailOf(logPath)
			s.Stop()
			if gone {
				return nil, fmt.Errorf("%s ended while starting:\n%s", filepath.Base(program[0]), tail)
			}
			return nil, fmt.Errorf("%s was not ready in time:\n%s", filepath.Base(program[0]), tail)
		}
	}
	return s, nil
}

// account is the user that a server runs as; nil means whoever runs the tests.
type account struct{ uid, gid uint32 }

// unprivileged returns who a server should run as instead of root: its own user when there is one, else nobody.
// It returns nil when this process is not root's.
func unprivileged(names ...string) (*account, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &account{uint32(uid), uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("no unprivileged user to run the server as: none of %s exists", strings.Join(names, ", "))
}

// apply makes cmd run as the account, in folder, and out of reach of a Ctrl-C meant for the tests.
func (a *account) apply(cmd *exec.Cmd, folder string) {
	cmd.Dir = folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}

// folder makes an empty temporary folder that belongs to the account. Sockets need a short path and another user needs a way
// in, so a temporary directory that is deep or private (as t.TempDir's can be) gives way to /tmp.
func (a *account) folder(name string) (string, error) {
	base := os.TempDir()
	if len(base) > 60 || (a != nil && !openToAll(base)) {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, name)
	if err != nil || a == nil {
		return dir, err
	}
	return dir, os.Chown(dir, int(a.uid), int(a.gid))
}

// write makes a file that the account alone can read.
func (a *account) write(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil || a == nil {
		return err
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// openToAll reports whether any user may make files in dir.
func openToAll(dir string) bool {
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o002 == 0 {
		return false
	}
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// freePort returns a TCP port of 127.0.0.1 that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// tailOf returns the last lines of a log.
func tailOf(path string) string {
	b, _ := os.ReadFile(path)
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-12):], []byte("\n")))
}
