package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/mesapartes/mesa/internal/testkit/server"
)

// install installs a service's programs, and prints the commands before it runs them: its own command, or else that of its Debian
// package, as root or through sudo.
func install(ctx context.Context, service server.Service, stderr io.Writer) error {
	if service.Install != nil {
		command, env, err := service.Install()
		if err != nil {
			return err
		}
		return show(ctx, service, command, env, stderr)
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("install it and run this again (Debian: package %s; %s)%s", service.Debian, service.Other, orSet(service))
	}
	sudo, err := asRoot()
	if err != nil {
		return fmt.Errorf("%w: run \"apt-get install %s\" as root%s", err, service.Debian, orSet(service))
	}
	for _, line := range [][]string{
		{"apt-get", "-q", "update"},
		{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120", "install", "--no-install-recommends", service.Debian},
	} {
		if err := show(ctx, service, slices.Concat(sudo, line), nil, stderr); err != nil {
			return err
		}
	}
	return nil
}

// orSet names the way without an installation, if there is one.
func orSet(service server.Service) string {
	if service.Env == "" {
		return ""
	}
	return ", or set " + service.Env
}

// show prints a command and runs it.
func show(ctx context.Context, service server.Service, command, env []string, stderr io.Writer) error {
	line := strings.Join(append(env[:len(env):len(env)], command...), " ")
	fmt.Fprintf(stderr, "%s: %s\n", service.Name, line)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stderr, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

// asRoot returns what goes before a command to run it as root: nothing for root; sudo, which may only ask for a password when
// somebody sits at a terminal.
func asRoot() ([]string, error) {
	if os.Getuid() == 0 {
		return nil, nil
	}
	sudo, err := exec.LookPath("sudo")
	if err != nil {
		return nil, errors.New("not root, and there is no sudo")
	}
	if exec.Command(sudo, "-n", "true").Run() == nil {
		return []string{"sudo", "-n"}, nil
	}
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("CI") == "" {
		return []string{"sudo"}, nil
	}
	return nil, errors.New("not root, and sudo asks for a password")
}
