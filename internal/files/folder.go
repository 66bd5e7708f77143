package files

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// unfinished is where files are written before Commit moves them to their key. No key can name it.
const unfinished = ".unfinished"

// abandoned is the time without a write after which an unfinished file counts as left behind.
const abandoned = time.Hour

// Only this process's user may look into the folder.
const (
	fileMode   = 0o600
	folderMode = 0o700
)

// Folder keeps files in a folder of this machine, which is made when it is first written to. Nothing outside of it is ever touched, not
// even through symbolic links in it.
func Folder(dir string) Store { return folder(dir) }

var _ Store = folder("")

type folder string

// root opens the folder. It is opened anew each time, so that one that was moved away and put back is found again.
func (f folder) root() (*os.Root, error) { return os.OpenRoot(string(f)) }

// madeRoot opens the folder, making it when it is missing.
func (f folder) madeRoot() (*os.Root, error) {
	root, err := f.root()
	if !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	if err := os.MkdirAll(string(f), folderMode); err != nil {
		return nil, err
	}
	return f.root()
}

func (f folder) Create(ctx context.Context, key string) (Writer, error) {
	if err := may(ctx, key); err != nil {
		return nil, err
	}
	w, err := f.begin(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("create file %s: %w", key, err)
	}
	return w, nil
}

func (f folder) begin(ctx context.Context, key string) (*folderWriter, error) {
	root, err := f.madeRoot()
	if err != nil {
		return nil, err
	}
	w := &folderWriter{writing: newWriting(ctx, key), root: root, temporary: path.Join(unfinished, rand.Text())}
	if err = root.MkdirAll(unfinished, folderMode); err == nil {
		w.file, err = root.OpenFile(w.temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return w, nil
}

type folderWriter struct {
	writing
	root      *os.Root // nil when ended
	file      *os.File
	temporary string
}

func (w *folderWriter) Write(p []byte) (n int, err error) {
	if w.isOn() {
		n, w.failed = w.file.Write(p)
		w.took(p[:n])
	}
	return n, w.wrap(w.failed)
}

func (w *folderWriter) Commit() (size int64, sha256hex string, err error) {
	return w.commit(w.publish, w.end, w.Abort)
}

// publish makes the content durable, then its name.
func (w *folderWriter) publish() error {
	if err := w.file.Sync(); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil { // on network file systems, a full disk may show only here
		return err
	}
	dir := path.Dir(w.key)
	for try := 0; ; try++ {
		err := w.root.MkdirAll(dir, folderMode)
		if err == nil {
			err = w.root.Rename(w.temporary, w.key)
		}
		if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)) && try < 100 {
			continue // a Remove took the empty folder away in between, or while it was made
		}
		if err != nil {
			return err
		}
		break
	}
	for ; ; dir = path.Dir(dir) { // the folders may be new, too
		if err := syncFolder(w.root, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.root.Remove(w.key)
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

func syncFolder(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (w *folderWriter) Abort() {
	if w.root == nil {
		return
	}
	w.file.Close()
	w.root.Remove(w.temporary)
	w.end()
}

func (w *folderWriter) end() {
	w.root.Close()
	w.root = nil
	w.close()
}

func (f folder) Open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error) {
	if err := may(ctx, key); err != nil {
		return nil, Info{}, err
	}
	root, err := f.root()
	if err != nil {
		return nil, Info{}, fmt.Errorf("open file %s: %w", key, err)
	}
	defer root.Close()
	file, err := root.Open(key)
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist // another key is the beginning of this one
	}
	if err != nil {
		return nil, Info{}, fmt.Errorf("open file %s: %w", key, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // the beginning of other keys
	}
	if err != nil {
		file.Close()
		return nil, Info{}, fmt.Errorf("open file %s: %w", key, err)
	}
	return file, Info{Key: key, Size: info.Size(), ModTime: info.ModTime()}, nil
}

// Remove also removes the folders that it leaves empty, or those of past years would stay for ever.
func (f folder) Remove(ctx context.Context, key string) error {
	if err := may(ctx, key); err != nil {
		return err
	}
	root, err := f.root()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("remove file %s: %w", key, err)
	}
	defer root.Close()
	if info, err := root.Lstat(key); err == nil && info.IsDir() {
		return nil // the beginning of other keys
	}
	err = root.Remove(key)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	} else if err != nil {
		return fmt.Errorf("remove file %s: %w", key, err)
	}
	for dir := path.Dir(key); dir != "." && root.Remove(dir) == nil; dir = path.Dir(dir) {
	}
	return nil
}

func (f folder) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		err := checkPrefix(prefix)
		if err == nil {
			err = f.list(ctx, prefix, yield)
		}
		if err != nil && err != errStop {
			yield(Info{}, fmt.Errorf("list files: %w", err))
		}
	}
}

var errStop = errors.New("the loop ended")

func (f folder) list(ctx context.Context, prefix string, yield func(Info, error) bool) error {
	root, err := f.root()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer root.Close()
	if err := sweep(root); err != nil {
		return err
	}
	from := "."
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		from = prefix[:i]
	}
	return fs.WalkDir(root.FS(), from, func(key string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if key == unfinished || key != "." && !strings.HasPrefix(key, prefix) && !strings.HasPrefix(prefix, key+"/") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasPrefix(key, prefix) || checkKey(key) != nil {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if info.Mode().IsRegular() && !yield(Info{Key: key, Size: info.Size(), ModTime: info.ModTime()}, nil) {
			return errStop
		}
		return nil
	})
}

// sweep removes what was begun and has not been written to for long. Which key it was for is not known.
func sweep(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), unfinished)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > abandoned {
			if err := root.Remove(path.Join(unfinished, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// Check writes a byte: a full disk lets files be made that nothing fits into.
func (f folder) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w, err := f.begin(ctx, "check")
	if err == nil {
		defer w.Abort()
		if _, err = w.file.Write([]byte{'.'}); err == nil {
			err = w.file.Sync()
		}
	}
	if err != nil {
		return fmt.Errorf("folder of files is not writable: %w", err)
	}
	return nil
}
