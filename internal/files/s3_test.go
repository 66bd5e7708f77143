package files_test

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mesapartes/mesa/internal/testkit"
)

func TestTheServerDiesInTheMiddleOfAFile(t *testing.T) {
	t.Parallel()
	server := testkit.StartS3(t)
	store := open(t, server.URL, "")
	write(t, store, "kept", []byte("1"))
	small, parts := begin(t, t.Context(), store, "small", random(10)), begin(t, t.Context(), store, "parts", random(9<<20))
	server.Kill()
	var wait sync.WaitGroup // each of these tries for some seconds
	wait.Go(func() {
		if _, err := parts.Write(random(9 << 20)); err == nil {
			t.Error("Write to a dead server is no error")
		}
		if _, _, err := parts.Commit(); err == nil {
			t.Error("Commit after a Write that failed is no error")
		}
	})
	wait.Go(func() {
		if _, _, err := small.Commit(); err == nil {
			t.Error("Commit to a dead server is no error")
		}
	})
	wait.Go(func() {
		if _, _, err := store.Open(t.Context(), "kept"); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open from a dead server: %v", err)
		}
	})
	wait.Go(func() {
		if err := store.Check(t.Context()); err == nil {
			t.Error("Check of a dead server is no error")
		}
	})
	wait.Wait()
	server.Start()
	wantNone(t, store, "small")
	wantNone(t, store, "parts")
	wantKeys(t, store, "", "kept")
	if err := store.Check(t.Context()); err != nil {
		t.Errorf("Check once it is back: %v", err)
	}
}

// The parts that were sent take room until somebody takes them back.
func TestAbortTakesThePartsBack(t *testing.T) {
	t.Parallel()
	server := testkit.StartS3(t)
	store := open(t, server.URL, "")
	w := begin(t, t.Context(), store, "parts", random(30<<20))
	if size := used(t, server); size < 24<<20 {
		t.Errorf("%d MiB are with the server before Abort", size>>20)
	}
	w.Abort()
	if size := used(t, server); size > 1<<20 {
		t.Errorf("%d MiB are with the server after Abort", size>>20)
	}
}

// used is what the server's folder holds.
func used(t testing.TB, server *testkit.S3Server) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(server.Data, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return bytes
}

// A wrong secret or bucket is not the same as "there is no such file": nobody must take files for lost because of it.
func TestWhatIsWrongWithTheStoreIsNotAMissingFile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(u *url.URL){
		"secret": func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "another") },
		"bucket": func(u *url.URL) { u.Path = "/no-such-bucket" },
		"tls":    func(u *url.URL) { u.RawQuery = "tls=true" },
	} {
		u, err := url.Parse(testkit.S3URL(t))
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		store := open(t, u.String(), "")
		_, _, opened := store.Open(t.Context(), "a")
		_, _, committed := begin(t, t.Context(), store, "a", nil).Commit()
		var listed error
		for _, listed = range store.List(t.Context(), "") {
		}
		secret, _ := u.User.Password()
		for operation, err := range map[string]error{"Open": opened, "Commit": committed, "List": listed, "Check": store.Check(t.Context())} {
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("wrong %s: %s: %v", name, operation, err)
			} else if strings.Contains(err.Error(), secret) {
				t.Errorf("wrong %s: %s shows the secret: %v", name, operation, err)
			}
		}
	}
}
