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

// A worker's id tells where it runs: host:pid:process:number. process tells processes apart that had the same pid one after the other.
var (
	process = rand.Text()[:8]
	workers atomic.Int64
)

func newWorkerID() string {
	return fmt.Sprintf("%s:%d:%s:%d", host(), os.Getpid(), process, workers.Add(1))
}

// isDead says whether a worker certainly works no longer: it was on this machine and its process is gone.
func isDead(id string) bool {
	parts := strings.Split(id, ":")
	if len(parts) != 4 || parts[0] != host() {
		return false
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil {
		return false
	}
	if pid == os.Getpid() {
		return parts[2] != process
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	defer func() { _ = p.Release() }()
	return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
