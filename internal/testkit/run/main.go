// Command run starts the servers that tests need, runs a command with their URLs in its environment, and stops them again:
//
//	go run ./internal/testkit/run -- go test ./...
//
// Every server is private: on a free port, in a temporary folder, removed with everything in it when the command ends. Programs that
// are missing are installed: packages on Debian and its relatives, and what is written in Go or comes from npm anywhere. A server whose variable is set
// already (MESA_TEST_POSTGRES_URL, MESA_TEST_REDIS_URL, MESA_TEST_S3_URL) is used as it is. The exit code is the command's.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/mesapartes/mesa/internal/testkit/server"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(stderr, "usage: run -- command [argument…]")
		return 2
	}
	// From here on a signal ends what is going on rather than this process, which has servers to stop.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	env := os.Environ()
	for _, service := range server.Services {
		if url := os.Getenv(service.Env); service.Env != "" && url != "" {
			fmt.Fprintf(stderr, "%s: the one of %s\n", service.Name, service.Env)
			defer tidy(service, url, stderr)
			continue
		}
		if interrupted(signals) {
			return 130
		}
		s, err := start(ctx, service, stderr)
		if err != nil && service.Optional {
			fmt.Fprintf(stderr, "%s: %v: tests that need it are SKIPPED\n", service.Name, err)
			continue
		}
		if err != nil {
			fmt.Fprintf(stderr, "%s: %v\n", service.Name, err)
			return 1
		}
		if s == nil {
			continue
		}
		defer s.Stop()
		env = append(env, service.Env+"="+s.URL)
	}
	return command(args, env, signals, stdin, stdout, stderr)
}

// start starts a private server, installing its programs first when they are missing; nil when there is nothing to start.
func start(ctx context.Context, service server.Service, stderr io.Writer) (*server.Server, error) {
	if missing := service.Installed(); missing != nil {
		fmt.Fprintf(stderr, "%s: %v\n", service.Name, missing)
		if err := install(ctx, service, stderr); err != nil {
			return nil, err
		}
		if err := service.Installed(); err != nil {
			return nil, fmt.Errorf("still after installing it: %w", err)
		}
	}
	if service.Start == nil {
		return nil, nil
	}
	begun := time.Now()
	s, err := service.Start(ctx)
	if err == nil {
		fmt.Fprintf(stderr, "%s: private server started in %v\n", service.Name, time.Since(begun).Round(10*time.Millisecond))
	}
	return s, err
}

// tidy removes what tests left on a server that stays.
func tidy(service server.Service, url string, stderr io.Writer) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := service.Tidy(ctx, url); err != nil {
		fmt.Fprintf(stderr, "%s: tidy up: %v\n", service.Name, err)
	}
}

// command runs the command in the terminal's process group and hands every signal on to it.
func command(args, env []string, signals <-chan os.Signal, stdin io.Reader, stdout, stderr io.Writer) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, stdin, stdout, stderr
	if interrupted(signals) {
		return 130
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(stderr, err)
		return 127
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			cmd.Process.Signal(s)
		case err := <-ended:
			return exitCode(err, stderr)
		}
	}
}

// exitCode is the command's exit code, as a shell would give it: 128 and the signal's number when a signal ended it.
func exitCode(err error, stderr io.Writer) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// interrupted reports whether a signal is waiting.
func interrupted(signals <-chan os.Signal) bool {
	select {
	case <-signals:
		return true
	default:
		return false
	}
}
