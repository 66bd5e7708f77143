package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mesapartes/mesa/internal/conformance"
)

// nodeVersion is the oldest Node.js that the packages run on.
const nodeVersion = 20

// nodeFiles are what npm installs from.
var nodeFiles = []string{"package.json", "package-lock.json"}

// NodeFolder returns where the npm packages are, or would be: another folder for each lock file.
func NodeFolder() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	lock, err := conformance.Packages.ReadFile("package-lock.json")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	return filepath.Join(cache, "mesa-testkit", "npm-"+hex.EncodeToString(sum[:8])), nil
}

func nodeInstalled() error {
	out, err := exec.Command("node", "--version").Output()
	if err != nil {
		return errors.New("node is not on this machine")
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < nodeVersion {
		return fmt.Errorf("node is %s; %d or newer is needed", version, nodeVersion)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("npm is not on this machine")
	}
	return nil
}

func packagesInstalled() error {
	if err := nodeInstalled(); err != nil {
		return err
	}
	folder, err := NodeFolder()
	if err != nil {
		return err
	}
	if _, err := os.Stat(folder); err != nil {
		return errors.New("the npm packages for tests are not on this machine")
	}
	return nil
}

// packagesInstall is the command that installs the packages beside their place and then puts them there, whole or not at all. None of
// their scripts is run.
func packagesInstall() (command, env []string, err error) {
	if err := nodeInstalled(); err != nil {
		return nil, nil, err
	}
	folder, err := NodeFolder()
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return nil, nil, err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(folder), "npm-new-")
	if err != nil {
		return nil, nil, err
	}
	for _, name := range nodeFiles {
		text, err := conformance.Packages.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(fresh, name), text, 0o644)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	const script = `trap 'rm -rf "$1"' EXIT; npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error && { test -d "$2" || mv "$1" "$2"; }`
	return []string{"/bin/sh", "-c", script, "npm", fresh, folder}, nil, nil
}
