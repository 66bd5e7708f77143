package files_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/files"
)

func TestOnlyTheOwnerMayLook(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	write(t, files.Folder(dir), "a/b", []byte("1"))
	for path, want := range map[string]fs.FileMode{"": fs.ModeDir | 0o700, "a": fs.ModeDir | 0o700, "a/b": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode() != want {
			t.Errorf("%q: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestNothingLeadsOutOfTheFolder(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	store := files.Folder(dir)
	if err := os.WriteFile(filepath.Join(outside, "b"), []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"a": outside, "link": filepath.Join(outside, "b")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"a/b", "link"} {
		if file, _, err := store.Open(t.Context(), key); err == nil {
			file.Close()
			t.Errorf("Open(%s) leads out", key)
		}
	}
	if _, _, err := begin(t, t.Context(), store, "a/c", nil).Commit(); err == nil {
		t.Error("Commit leads out")
	}
	store.Remove(t.Context(), "a/b") // may fail
	wantKeys(t, store, "")
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 || entries[0].Name() != "b" {
		t.Errorf("outside there is now %v, %v", entries, err)
	}
}

func TestListRemovesWhatWasLeftUnfinished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := files.Folder(dir)
	left, going := begin(t, t.Context(), store, "left", []byte("1")), begin(t, t.Context(), store, "going", []byte("2"))
	_ = left
	entries, err := os.ReadDir(filepath.Join(dir, ".unfinished"))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, ".unfinished", entry.Name())
		if content, err := os.ReadFile(path); err != nil {
			t.Error(err)
		} else if string(content) == "1" {
			old := time.Now().Add(-61 * time.Minute)
			if err := os.Chtimes(path, old, old); err != nil {
				t.Error(err)
			}
		}
	}
	wantKeys(t, store, "")
	if entries, err = os.ReadDir(filepath.Join(dir, ".unfinished")); err != nil || len(entries) != 1 {
		t.Errorf("after List: %v, %v", entries, err)
	}
	if _, _, err := going.Commit(); err != nil {
		t.Errorf("Commit of what is going on: %v", err)
	}
	if _, _, err := left.Commit(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Commit of what was removed: %v", err)
	}
	wantKeys(t, store, "", "going")
}

func TestEmptyFoldersGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := files.Folder(dir)
	write(t, store, "a/b/c/1", nil)
	write(t, store, "a/2", nil)
	if err := store.Remove(t.Context(), "a/b/c/1"); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "a")); err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestCheckOfAFolderThatCannotBe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := files.Folder(path).Check(t.Context()); err == nil {
		t.Error("a file is good as a folder")
	}
}
