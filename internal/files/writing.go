package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
)

// writing is what a file that is being written has in either store.
type writing struct {
	ctx    context.Context
	key    string
	hash   hash.Hash
	size   int64
	failed error
}

func newWriting(ctx context.Context, key string) writing {
	return writing{ctx: ctx, key: key, hash: sha256.New()}
}

// isOn says whether nothing has failed yet and somebody still wants the file.
func (w *writing) isOn() bool {
	if w.failed == nil {
		w.failed = w.ctx.Err()
	}
	return w.failed == nil
}

// took counts what was written.
func (w *writing) took(p []byte) {
	w.hash.Write(p)
	w.size += int64(len(p))
}

// commit publishes the file and ends the writer, or takes everything back.
func (w *writing) commit(publish func() error, end, abort func()) (size int64, sha256hex string, err error) {
	if w.isOn() {
		w.failed = publish()
	}
	if err := w.failed; err != nil {
		abort()
		return 0, "", w.wrap(err)
	}
	end()
	return w.size, hex.EncodeToString(w.hash.Sum(nil)), nil
}

// close makes what comes later fail.
func (w *writing) close() {
	if w.failed == nil {
		w.failed = fs.ErrClosed
	}
}

func (w *writing) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write file %s: %w", w.key, err)
}
