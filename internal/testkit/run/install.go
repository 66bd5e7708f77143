package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/mesapartes/mesa/internal/testkit/server"
)

// install installs a service's Debian package, as root or through sudo, and prints the commands before it runs them.
func install(ctx context.Context, service server.Service, stderr io.Writer) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("install it and run this again (Debian: package %s; %s), or set %s", service.Debian, service.Other, service.Env)
	}
	sudo, err := asRoot()
	if err != nil {
		return fmt.Errorf("%w: run \"apt-get install %s\" as root, or set %s", err, service.Debian, service.Env)
	}
	for _, line := range [][]string{
		{"apt-get", "-q", "update"},
		{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120", "install", "--no-install-recommends", service.Debian},
	} {
		line = append(sudo, line...)
		fmt.Fprintf(stderr, "%s: %s\n", service.Name, strings.Join(line, " "))
		cmd := exec.CommandContext(ctx, line[0], line[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stderr, stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(line, " "), err)
		}
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
