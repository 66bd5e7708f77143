package files_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eachStore runs body on an empty store of each kind.
func eachStore(t *testing.T, body func(t *testing.T, store files.Store)) {
	t.Helper()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		body(t, open(t, "", filepath.Join(t.TempDir(), "made when needed")))
	})
	t.Run("s3", func(t *testing.T) {
		t.Parallel()
		body(t, open(t, testkit.S3URL(t), ""))
	})
}

func open(t testing.TB, setting, dir string) files.Store {
	t.Helper()
	store, err := files.Open(setting, dir)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestAFileIsFoundOnceItIsCommitted(t *testing.T) {
	t.Parallel()
	for name, content := range map[string][]byte{"empty": {}, "small": []byte("ñandú\r\n"), "one part": random(8 << 20), "parts": random(17<<20 + 5)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, func(t *testing.T, store files.Store) {
				const key = "reports/2026/a_b-c.csv"
				w, err := store.Create(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := io.Copy(w, iotest.HalfReader(bytes.NewReader(content))); err != nil || n != int64(len(content)) {
					t.Fatalf("wrote %d, %v", n, err)
				}
				wantNone(t, store, key)
				before := time.Now()
				size, sum, err := w.Commit()
				if want := sha256.Sum256(content); err != nil || size != int64(len(content)) || sum != hex.EncodeToString(want[:]) {
					t.Fatalf("committed %d bytes, %s, %v", size, sum, err)
				}
				w.Abort()
				if _, _, err := w.Commit(); !errors.Is(err, fs.ErrClosed) {
					t.Errorf("a second Commit: %v", err)
				}
				if _, err := w.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
					t.Errorf("Write after Commit: %v", err)
				}
				got, info := read(t, store, key)
				if !bytes.Equal(got, content) || info.Key != key || info.Size != size {
					t.Errorf("read %d bytes back, %+v", len(got), info)
				}
				if age := before.Sub(info.ModTime).Abs(); age > time.Minute {
					t.Errorf("modified %v away from now", age)
				}
				wantKeys(t, store, "", key)
			})
		})
	}
}

func TestReadingGoesAnywhere(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store files.Store) {
		content := random(100_000)
		write(t, store, "a.bin", content)
		file, info, err := store.Open(t.Context(), "a.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := iotest.TestReader(file, content); err != nil {
			t.Error(err)
		}
		if _, err := file.Seek(-1, io.SeekStart); err == nil {
			t.Error("a seek before the beginning is no error")
		}
		if at, err := file.Seek(10, io.SeekEnd); err != nil || at != 100_010 {
			t.Errorf("seek behind the end: %d, %v", at, err)
		}
		if _, err := file.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read behind the end: %v", err)
		}
		// What a browser that goes on with a download gets.
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Range", "bytes=99990-")
		answer := httptest.NewRecorder()
		http.ServeContent(answer, request, "a.bin", info.ModTime, file)
		if answer.Code != http.StatusPartialContent || !bytes.Equal(answer.Body.Bytes(), content[99_990:]) {
			t.Errorf("the range: %d with %d bytes", answer.Code, answer.Body.Len())
		}
	})
}

func TestAbortLeavesNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store files.Store) {
		for _, size := range []int{0, 10, 9 << 20} {
			w := begin(t, t.Context(), store, "x/y", random(size))
			w.Abort()
			w.Abort()
			wantNone(t, store, "x/y")
			if _, _, err := w.Commit(); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("Commit after Abort: %v", err)
			}
		}
		wantKeys(t, store, "")
	})
}

func TestAnEndedContextEndsTheFile(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store files.Store) {
		for _, size := range []int{10, 9 << 20} {
			ctx, cancel := context.WithCancel(t.Context())
			w := begin(t, ctx, store, "x/y", random(size))
			cancel()
			if n, err := w.Write([]byte("more")); n != 0 || !errors.Is(err, context.Canceled) {
				t.Errorf("Write: %d, %v", n, err)
			}
			if _, _, err := w.Commit(); !errors.Is(err, context.Canceled) {
				t.Errorf("Commit: %v", err)
			}
			wantNone(t, store, "x/y")
			if _, err := store.Create(ctx, "x/y"); !errors.Is(err, context.Canceled) {
				t.Errorf("Create: %v", err)
			}
			if err := store.Check(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Check: %v", err)
			}
			write(t, store, "z", nil)
			var last error
			for _, err := range store.List(ctx, "") {
				last = err
			}
			if !errors.Is(last, context.Canceled) {
				t.Errorf("List: %v", last)
			}
		}
	})
}

func TestACommitReplacesAndAReaderKeepsWhatItOpened(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store files.Store) {
		write(t, store, "a", bytes.Repeat([]byte("1"), 1000))
		file, _, err := store.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		write(t, store, "a", bytes.Repeat([]byte("2"), 1000))
		if got, _ := read(t, store, "a"); !bytes.Equal(got, bytes.Repeat([]byte("2"), 1000)) {
			t.Errorf("after the second Commit: %d bytes, %.1q", len(got), got)
		}
		if _, err := file.Seek(10, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(file); err == nil && !bytes.Equal(got, bytes.Repeat([]byte("1"), 990)) {
			t.Errorf("the reader got %d bytes, %.1q", len(got), got)
		}
	})
}

func TestRemove(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store files.Store) {
		ctx := t.Context()
		if err := store.Remove(ctx, "never/was"); err != nil {
			t.Errorf("in an empty store: %v", err)
		}
		write(t, store, "a/b/c", []byte("1"))
		write(t, store, "a/d", []byte("2"))
		for _, key := range []string{"a/b/c", "a/b/c", "a", "a/b", "a/d/e"} {
			if err := store.Remove(ctx, key); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
		for _, key := range []string{"a/b/c", "a/b", "a", "a/d/e", "x/y"} {
			wantNone(t, store, key)
		}
		wantKeys(t, store, "", "a/d")
	})
}

func TestListTakesAnyBeginningOfAKey(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store files.Store) {
		wantKeys(t, store, "")
		wantKeys(t, store, "reports/")
		for _, key := range []string{"reports/1/a", "reports/1/b.csv", "reports/10/a", "reports-old/a", "z"} {
			write(t, store, key, []byte(key))
		}
		wantKeys(t, store, "", "reports-old/a", "reports/1/a", "reports/1/b.csv", "reports/10/a", "z")
		wantKeys(t, store, "reports", "reports-old/a", "reports/1/a", "reports/1/b.csv", "reports/10/a")
		wantKeys(t, store, "reports/", "reports/1/a", "reports/1/b.csv", "reports/10/a")
		wantKeys(t, store, "reports/1", "reports/1/a", "reports/1/b.csv", "reports/10/a")
		wantKeys(t, store, "reports/1/", "reports/1/a", "reports/1/b.csv")
		wantKeys(t, store, "reports/1/b", "reports/1/b.csv")
		wantKeys(t, store, "reports/2/")
		for range store.List(t.Context(), "") {
			break
		}
		for file, err := range store.List(t.Context(), "reports/") {
			if err != nil || file.Size != int64(len(file.Key)) {
				t.Errorf("%+v, %v", file, err)
			}
			if err := store.Remove(t.Context(), file.Key); err != nil {
				t.Error(err)
			}
		}
		wantKeys(t, store, "", "reports-old/a", "z")
	})
}

func TestKeysAreOurs(t *testing.T) {
	t.Parallel()
	bad := []string{"", ".", "..", "../a", "a/..", "a/../b", "/a", "a/", "a//b", ".hidden", "a/.unfinished", ".unfinished/a", "a b", "ñ", "a\\b", "a\x00",
		"a\nb", "a%2fb", "a:b", strings.Repeat("a", 201), strings.Repeat("abcd/", 100) + "a"}
	eachStore(t, func(t *testing.T, store files.Store) {
		for _, key := range bad {
			if _, err := store.Create(t.Context(), key); err == nil {
				t.Errorf("Create(%.20q) is no error", key)
			}
			if _, _, err := store.Open(t.Context(), key); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Open(%.20q): %v", key, err)
			}
			if err := store.Remove(t.Context(), key); err == nil {
				t.Errorf("Remove(%.20q) is no error", key)
			}
			if key == "" || key == "a/" {
				continue // good beginnings
			}
			for _, err := range store.List(t.Context(), key) {
				if err == nil {
					t.Errorf("List(%.20q) is no error", key)
				}
			}
		}
		good := strings.Repeat("a", 200) + "/" + strings.Repeat("b", 200) + "/AZaz09-_.x..y"
		write(t, store, good, []byte("1"))
		wantKeys(t, store, "", good)
	})
}

func TestCheckLeavesNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store files.Store) {
		for range 2 {
			if err := store.Check(t.Context()); err != nil {
				t.Error(err)
			}
		}
		wantKeys(t, store, "")
		wantNone(t, store, "check")
	})
}

// Remove takes empty folders away while Commit makes them.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store files.Store) {
		want := []string{}
		if strings.HasSuffix(t.Name(), "s3") { // S3 has no folders; the test's server, which does, would lose this race by itself
			write(t, store, "a/b/c/kept", nil)
			want = append(want, "a/b/c/kept")
		}
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				for j := range 20 {
					key := fmt.Sprintf("a/b/c/%d-%d", i, j)
					w, err := store.Create(t.Context(), key)
					if err != nil {
						t.Error(err)
						return
					}
					io.WriteString(w, key)
					if _, _, err := w.Commit(); err != nil {
						t.Error(err)
					}
					if err := store.Remove(t.Context(), key); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		wantKeys(t, store, "", want...)
	})
}

// A part is kept in memory, not the file.
func TestMemoryIsBounded(t *testing.T) {
	eachStore(t, func(t *testing.T, store files.Store) {
		w := begin(t, t.Context(), store, "big", nil)
		chunk, size := random(1<<20), 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		peak := uint64(0)
		for ; size < 100<<20; size += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				t.Fatal(err)
			}
			if size%(10<<20) == 0 {
				runtime.GC()
				runtime.ReadMemStats(&after)
				peak = max(peak, after.HeapAlloc-min(before.HeapAlloc, after.HeapAlloc))
			}
		}
		if _, _, err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		t.Logf("at most %d KiB more than before for %d MiB", peak>>10, size>>20)
		if peak > 40<<20 {
			t.Errorf("%d MiB were in use", peak>>20)
		}
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	const secret = "very+secret/Words"
	for _, good := range []string{
		"", "s3://key:" + secret[:4] + "@s3.example.org/bucket", "s3://key:very%2Bsecret%2FWords@127.0.0.1:9000/bucket/a/prefix?region=eu-west-1&tls=false",
		"s3://key:x@[::1]:9000/bucket/?tls=true",
	} {
		if _, err := files.Open(good, "somewhere"); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"/a/folder", "https://key:" + secret + "@host/bucket", "s3://host/bucket", "s3://key@host/bucket", "s3://key:" + secret + "@host/bucket",
		"s3://key:very@host:port" + secret + "/bucket", "s3://:very@host/bucket", "s3://key:very@host/", "s3://key:very@/bucket",
		"s3://key:very@host/bucket/../x", "s3://key:very@host/bucket?tls=perhaps", "s3://key:very@host/bucket?x=1",
		"s3://key:very@host/bucket?tls=%", "s3://key:%zzvery@host/bucket",
	} {
		_, err := files.Open(bad, "somewhere")
		if err == nil {
			t.Errorf("%s is no error", bad)
		} else if strings.Contains(err.Error(), "very") {
			t.Errorf("%s: the error shows the secret: %v", bad, err)
		}
	}
	if _, err := files.Open("", ""); err == nil {
		t.Error("no folder is no error")
	}
	config := files.S3Config{Endpoint: "host", Bucket: "bucket", AccessKey: "key", SecretKey: secret}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb, config) + fmt.Sprintf(verb, &config); strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func begin(t testing.TB, ctx context.Context, store files.Store, key string, content []byte) files.Writer {
	t.Helper()
	w, err := store.Create(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Abort)
	if n, err := w.Write(content); err != nil || n != len(content) {
		t.Fatalf("wrote %d of %d: %v", n, len(content), err)
	}
	return w
}

func write(t testing.TB, store files.Store, key string, content []byte) {
	t.Helper()
	if _, _, err := begin(t, t.Context(), store, key, content).Commit(); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, store files.Store, key string) ([]byte, files.Info) {
	t.Helper()
	file, info, err := store.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return content, info
}

func wantNone(t testing.TB, store files.Store, key string) {
	t.Helper()
	if file, _, err := store.Open(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v, want that there is none", key, err)
		if err == nil {
			file.Close()
		}
	}
}

func wantKeys(t testing.TB, store files.Store, prefix string, want ...string) {
	t.Helper()
	var got []string
	for file, err := range store.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, file.Key)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("list of %q: %q, want %q", prefix, got, want)
	}
}
