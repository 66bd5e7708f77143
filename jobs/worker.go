package jobs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// A worker's id tells where it runs: host:namespace:pid:process:number. process tells processes apart that had the same pid one after the
// other.
var (
	process = rand.Text()[:8]
	workers atomic.Int64
)

func newWorkerID() string {
	return fmt.Sprintf("%s:%s:%d:%s:%d", host(), pidNamespace(), os.Getpid(), process, workers.Add(1))
}

// pidNamespace is the number of what this process knows pids of, "" where there is but one: containers may have the name of their host, and
// each has a process 1.
func pidNamespace() string {
	name, _ := os.Readlink("/proc/self/ns/pid") // such as pid:[4026531836]
	return strings.Trim(name, "pid:[]")
}

// isDead says whether a worker certainly works no longer: it was on this machine, in this container, and its process is gone.
func isDead(id string) bool {
	parts := strings.Split(id, ":")
	if len(parts) != 5 || parts[0] != host() || parts[1] != pidNamespace() {
		return false
	}
	pid, err := strconv.Atoi(parts[2])
	if err != nil {
		return false
	}
	if pid == os.Getpid() {
		return parts[3] != process
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	defer func() { _ = p.Release() }()
	return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
