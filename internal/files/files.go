// Package files keeps the files of reports, in a folder of this machine or in an S3-compatible object store that machines share.
//
// A file is written once and becomes visible whole: a reader never meets half of one, and what a killed process began is cleaned up by
// a later List. Which files are wanted is for the caller's rows to say; List is there to find those that no row refers to.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"time"
)

// Store keeps files under keys ("reports/2026/abc.csv"). Keys are ours, never a client's: letters and digits of ASCII, "-", "_", "."
// and, between names, "/"; anything else is an error, and so is a name that is empty or begins with a dot (".." among them). A name
// has at most 200 characters and a key at most 500. A key cannot be the beginning of another one's path: with "a" there is no "a/b".
//
// All methods may be called at the same time, also by several processes.
type Store interface {
	// Create begins a file. Nobody finds it before Commit, which then replaces what is under the key. The context lasts until Commit or
	// Abort: when it ends, writing and Commit fail. Every Writer must be ended by one of the two.
	Create(ctx context.Context, key string) (Writer, error)

	// Open returns a file's content and what is known of it; errors.Is(err, fs.ErrNotExist) when there is none. Content is read as it was
	// at Open, or else fails, also when the key is written again meanwhile. The context lasts until Close.
	Open(ctx context.Context, key string) (io.ReadSeekCloser, Info, error)

	// Remove removes a file; nil when there is none.
	Remove(ctx context.Context, key string) error

	// List returns the files whose key begins with prefix ("" for all), in no promised order. Files that come or go meanwhile may be in it
	// or not; the loop may remove files. An error ends it. What killed processes left unfinished is removed on the way: in a folder what
	// was not written to for an hour, in S3 what was begun a day ago (S3 tells no more).
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Check says whether files can be written, for a readiness probe. It leaves nothing behind.
	Check(ctx context.Context) error
}

// Writer writes one file. It is for one goroutine.
type Writer interface {
	// Write adds to the file. After an error everything but Abort fails with it: a full disk is syscall.ENOSPC.
	io.Writer

	// Commit makes the file visible; it is durable when this returns, and the size and SHA-256 are those of what was written. On an error
	// the file is not there, with one exception: when a store's answer is lost, the file may be there without anybody knowing, which List
	// finds out. Needs no Abort after it.
	Commit() (size int64, sha256hex string, err error)

	// Abort forgets the file. After Commit it does nothing, so that it can be deferred.
	Abort()
}

// Info is what a store knows of a file.
type Info struct {
	Key     string
	Size    int64
	ModTime time.Time // about when it was committed
}

// Open returns the store of a setting: "" is the folder defaultDir, and
//
//	s3://ACCESS:SECRET@host:port/bucket/prefix?region=us-east-1&tls=false
//
// an S3-compatible store (see S3Config; region and tls may be left out; special characters of the secret are percent-encoded). Nothing
// is touched yet: Check does. Errors never show the setting, which has a secret in it.
func Open(setting, defaultDir string) (Store, error) {
	if setting == "" {
		if defaultDir == "" {
			return nil, errors.New("no folder for files is given")
		}
		dir, err := filepath.Abs(defaultDir)
		if err != nil {
			return nil, err
		}
		return Folder(dir), nil
	}
	config, err := parseS3(setting)
	if err != nil {
		return nil, err
	}
	return S3(config)
}

// A name must fit into a file name next to what is added to it, a key into 1024 bytes with the store's prefix.
const (
	maxName = 200
	maxKey  = 500
)

// checkKey says what is wrong with a key.
func checkKey(key string) error {
	if len(key) > maxKey {
		return fmt.Errorf("file key of %d characters, more than %d", len(key), maxKey)
	}
	for name := range strings.SplitSeq(key, "/") {
		switch {
		case name == "":
			return fmt.Errorf("file key %q has an empty name", key)
		case name[0] == '.':
			return fmt.Errorf("file key %q has a name that begins with a dot", key)
		case len(name) > maxName:
			return fmt.Errorf("file key %q has a name of more than %d characters", key, maxName)
		case strings.ContainsFunc(name, notInKeys):
			return fmt.Errorf("file key %q has characters other than letters, digits, \"-\", \"_\", \".\" and \"/\"", key)
		}
	}
	return nil
}

// may says why an operation on a key must not begin.
func may(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

// checkPrefix says what is wrong with the beginning of a key.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return checkKey(strings.TrimSuffix(prefix, "/"))
}

func notInKeys(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
}
