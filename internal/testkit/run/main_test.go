package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/internal/testkit/server"
)

func TestCommandGetsTheServersAndItsExitCodeComesBack(t *testing.T) {
	var out, errs bytes.Buffer
	script := "cat; echo $MESA_TEST_POSTGRES_URL $MESA_TEST_REDIS_URL; exit 7"
	code := run([]string{"--", "sh", "-c", script}, strings.NewReader("typed\n"), &out, &errs)
	if code != 7 {
		t.Errorf("exit code %d, want 7\n%s", code, errs.String())
	}
	if !strings.HasPrefix(out.String(), "typed\npostgres://") || !strings.Contains(out.String(), " redis://") {
		t.Errorf("the command printed %q", out.String())
	}
}

func TestSignalsReachTheCommand(t *testing.T) {
	var out, errs bytes.Buffer
	// The runner is this process: the shell sends it a signal and waits to get it back.
	code := run([]string{"sh", "-c", "trap 'echo got it; exit 3' TERM; kill -TERM $PPID; while :; do sleep 0.01; done"}, strings.NewReader(""), &out, &errs)
	if code != 3 || out.String() != "got it\n" {
		t.Errorf("exit code %d, output %q\n%s", code, out.String(), errs.String())
	}
}

func TestMistakes(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"--"}, nil, &out, &errs); code != 2 || !strings.Contains(errs.String(), "usage:") {
		t.Errorf("without a command: %d, %q", code, errs.String())
	}
	if code := run([]string{"no-such-program"}, nil, &out, &errs); code != 127 {
		t.Errorf("an unknown program: %d, %q", code, errs.String())
	}
}

// apt-get and sudo are stand-ins that write down how they were called.
func TestMissingProgramsAreInstalled(t *testing.T) {
	bin, calls := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	for name, script := range map[string]string{
		"apt-get": "echo apt-get \"$@\" >>" + calls,
		"sudo":    `shift; exec "$@"`,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))

	checks := 0
	service := server.Service{
		Name: "Thing", Env: "THING_URL", Debian: "thing-server",
		Installed: func() error {
			if checks++; checks == 1 {
				return errors.New("thing is not on this machine")
			}
			return nil
		},
		Start: func(context.Context) (*server.Server, error) { return &server.Server{}, nil },
	}
	var errs bytes.Buffer
	if _, err := start(t.Context(), service, &errs); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(calls)
	if lines := strings.Split(strings.TrimSpace(string(got)), "\n"); len(lines) != 2 ||
		!strings.HasSuffix(lines[0], " update") || !strings.HasSuffix(lines[1], " install --no-install-recommends thing-server") {
		t.Errorf("called:\n%s", got)
	}
	if !strings.Contains(errs.String(), "apt-get") {
		t.Errorf("the commands were not printed: %q", errs.String())
	}
}

// Without what is optional the command runs all the same, and whoever reads the output knows what is missing.
func TestWhatIsOptionalMayBeMissing(t *testing.T) {
	all := server.Services
	t.Cleanup(func() { server.Services = all })
	missing := errors.New("thing is not on this machine")
	server.Services = []server.Service{
		{Name: "Present", Optional: true, Installed: func() error { return nil }}, // nothing to start
		{Name: "Thing", Optional: true, Installed: func() error { return missing }, Install: func() ([]string, []string, error) { return []string{"false"}, nil, nil }},
	}
	var out, errs bytes.Buffer
	if code := run([]string{"echo", "ran"}, nil, &out, &errs); code != 0 || out.String() != "ran\n" {
		t.Errorf("exit code %d, output %q", code, out.String())
	}
	if said := errs.String(); !strings.Contains(said, "Thing: false: exit status 1: tests that need it are SKIPPED") || strings.Contains(said, "Present") {
		t.Errorf("it says %q", said)
	}
}
