package testkit

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/testkit/server"
)

// S3URL returns the setting of an S3-compatible store of files (see files.Open) with a prefix that no other test has. What is under it
// is removed when the test ends.
//
// The store is the one of MESA_TEST_S3_URL; when that is not set, the first call of the process starts a private server, which ends
// with the process.
func S3URL(t testing.TB) string {
	t.Helper()
	s, err := sharedS3()
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatalf("%s is not a URL", server.S3.Env) // the parser's error would print the secret
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + server.S3TestPrefix + strings.ToLower(rand.Text())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		store, err := files.Open(u.String(), "")
		if err != nil {
			t.Error(err)
			return
		}
		for file, err := range store.List(ctx, "") {
			if err == nil {
				err = store.Remove(ctx, file.Key)
			}
			if err != nil {
				t.Errorf("remove the test's files from S3: %v", err)
				return
			}
		}
	})
	return u.String()
}

var sharedS3 = sync.OnceValues(func() (*server.Server, error) {
	if given := os.Getenv(server.S3.Env); given != "" {
		return &server.Server{URL: given}, nil
	}
	return private(server.S3)
})

// S3Server is an S3-compatible store of one test's own, which the test may harm. Its methods fail the test when they cannot do what
// they say.
type S3Server struct {
	URL  string // stays the same from one Start to the next
	Data string // the folder that it keeps everything in

	t       testing.TB
	running *server.Server // nil when killed
}

// StartS3 starts a store for this test, which ends with it. It is a private one even when MESA_TEST_S3_URL is set.
func StartS3(t testing.TB) *S3Server {
	t.Helper()
	first, err := private(server.S3)
	if err != nil {
		t.Fatal(err)
	}
	first.Stop() // all that was wanted is its URL: the next has the test's own folder
	s := &S3Server{URL: first.URL, t: t, Data: t.TempDir()}
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// Start starts it again after Kill, with the objects and the unfinished uploads that it had.
func (s *S3Server) Start() {
	s.t.Helper()
	if s.running != nil {
		s.t.Fatal("S3 was started twice")
	}
	running, err := server.StartS3At(s.URL, s.Data)
	if err != nil {
		s.t.Fatalf("start S3: %v", err)
	}
	s.running = running
}

// Kill ends it with SIGKILL and waits until it is gone. It can be called twice.
func (s *S3Server) Kill() {
	if s.running != nil {
		s.running.Stop()
		s.running = nil
	}
}
