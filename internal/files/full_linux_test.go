package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The kernel's /dev/full stands for the file on a full disk.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := Folder(dir)
	w, err := store.Create(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.(*folderWriter).file.Close()
	w.(*folderWriter).file = full
	if _, err := io.WriteString(w, "text"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write: %v", err)
	}
	if _, _, err := w.Commit(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Commit: %v", err)
	}
	if _, _, err := store.Open(t.Context(), "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, unfinished)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
