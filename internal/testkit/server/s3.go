package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/mesapartes/mesa/internal/files"
)

// The S3-compatible store of tests is the Versity S3 Gateway (Apache-2.0): a real server that is one Go program and keeps objects in a
// folder. Nothing of it is in go.mod; "go install" builds it once, in a minute or two, into the user's cache.
const (
	s3Program = "github.com/versity/versitygw/cmd/versitygw"
	s3Version = "v1.8.0"
)

// s3Bucket is the bucket that the store begins with.
const s3Bucket = "mesa-test"

// s3Binary returns where the program is, or would be.
func s3Binary() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "mesa-testkit", path.Base(s3Program)+"@"+s3Version, path.Base(s3Program)), nil
}

func s3Installed() error {
	program, err := s3Binary()
	if err != nil {
		return err
	}
	if !isProgram(program) {
		return fmt.Errorf("the S3 server for tests (%s@%s) is not on this machine", s3Program, s3Version)
	}
	return nil
}

// s3Install is the command that builds the program, and what goes into its environment.
func s3Install() (command, env []string, err error) {
	program, err := s3Binary()
	if err != nil {
		return nil, nil, err
	}
	return []string{"go", "install", "-ldflags=-s -w", s3Program + "@" + s3Version},
		[]string{"GOBIN=" + filepath.Dir(program), "CGO_ENABLED=0", "GOFLAGS="}, nil
}

// startS3 runs a store with an empty bucket on a free port of 127.0.0.1.
func startS3(context.Context) (s *Server, err error) {
	for range 5 {
		var port int
		if port, err = steadyPort(); err != nil {
			return nil, err
		}
		s, err = StartS3At(fmt.Sprintf("s3://%s:%s@127.0.0.1:%d/%s?tls=false", rand.Text(), rand.Text(), port, s3Bucket), "")
		if err == nil || !strings.Contains(err.Error(), "address already in use") {
			break // else somebody took the port between steadyPort and its use
		}
	}
	return s, err
}

// StartS3At runs a store at the URL of one that was stopped, with the objects that are in the folder data; "" is an empty one that goes
// with the server. It runs as whoever runs the tests: its program is in that user's cache.
func StartS3At(address, data string) (_ *Server, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	var as *account
	folder, err := as.folder("mesa-s3-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(folder)
		}
	}()
	if data == "" {
		data = filepath.Join(folder, "data")
	}
	// What belongs to an object goes into files beside the buckets: not every file system has extended attributes.
	buckets, aside := filepath.Join(data, "buckets"), filepath.Join(data, "aside")
	for _, dir := range []string{filepath.Join(buckets, strings.Trim(u.Path, "/")), aside} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	program, err := s3Binary()
	if err != nil {
		return nil, err
	}
	// Everybody can read a command line, so access key and secret are in a file that the shell reads.
	secret, _ := u.User.Password()
	keys := fmt.Sprintf("export ROOT_ACCESS_KEY=%s ROOT_SECRET_KEY=%s\n", u.User.Username(), secret)
	if err := as.write(filepath.Join(folder, "keys"), []byte(keys)); err != nil {
		return nil, err
	}
	s, err := launch(folder, as, "KILL", func() bool { return s3Ready(u.Host) }, time.Now().Add(time.Minute),
		"/bin/sh", "-c", `. ./keys && exec "$0" "$@"`, program, "--quiet", "--port", u.Host, "posix", "--sidecar", aside, buckets)
	if err != nil {
		return nil, err
	}
	s.URL = address
	return s, nil
}

func s3Ready(host string) bool {
	conn, err := net.DialTimeout("tcp", host, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// S3TestPrefix begins the prefix of each test's keys.
const S3TestPrefix = "mesa-test-"

// tidyS3 removes what is there for over an hour: no test takes that long.
func tidyS3(ctx context.Context, address string) error {
	store, err := files.Open(address, "")
	if err != nil {
		return err
	}
	for file, err := range store.List(ctx, S3TestPrefix) {
		if err == nil && time.Since(file.ModTime) > time.Hour {
			err = store.Remove(ctx, file.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
