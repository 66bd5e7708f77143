// Package backup writes a database and the files of its reports into one file, and makes a database of such a file.
//
// The file is a tar archive, compressed by zstd, so that it can be read without mesa:
//
//	tables/documents/0001    rows, as PostgreSQL's COPY writes them: tabs between columns, \N for NULL
//	files/reports/…          files of reports, by their keys
//	manifest.json            the last one: what there is, with the columns of the tables and the SHA-256 of each member
//
// It is the same of PostgreSQL and SQLite, and can be restored into either.
package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/mesapartes/mesa/db"
)

// format is raised when older programs would misread what is written.
const format = 1

// Names in an archive.
const (
	tablesFolder = "tables/"
	filesFolder  = "files/"
	manifestName = "manifest.json"
)

// Manifest says what is in a backup.
type Manifest struct {
	Format     int              `json:"format"`
	Mesa       string           `json:"mesa"`     // version of the program
	Database   string           `json:"database"` // "sqlite" or "postgres"
	TakenAt    time.Time        `json:"takenAt"`
	Migrations []string         `json:"migrations"`
	Tables     []db.BackupTable `json:"tables"`
	Rows       map[string]int64 `json:"rows"`  // by table
	Notes      []string         `json:"notes"` // on files that were gone or changed
	Members    []Member         `json:"members"`
}

// Member is a file of the archive.
type Member struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Files counts the files of reports.
func (m *Manifest) Files() (n int) {
	for _, member := range m.Members {
		if strings.HasPrefix(member.Name, filesFolder) {
			n++
		}
	}
	return n
}

// archive is one that is written.
type archive struct {
	compressor *zstd.Encoder
	tar        *tar.Writer
	manifest   Manifest
}

func newArchive(to io.Writer) (*archive, error) {
	compressor, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(2))
	if err != nil {
		return nil, err
	}
	return &archive{compressor: compressor, tar: tar.NewWriter(compressor), manifest: Manifest{Format: format, Rows: map[string]int64{}, Notes: []string{}}}, nil
}

// add adds a member of a known size.
func (a *archive) add(name string, size int64, content io.Reader) error {
	sum := sha256.New()
	err := a.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: a.manifest.TakenAt, Format: tar.FormatPAX})
	if err != nil {
		return err
	}
	n, err := io.Copy(io.MultiWriter(a.tar, sum), content)
	if err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("%s has %d bytes, not %d", name, n, size)
	}
	a.manifest.Members = append(a.manifest.Members, Member{name, size, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// close writes the manifest and ends the archive.
func (a *archive) close() error {
	text, err := json.MarshalIndent(&a.manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := a.add(manifestName, int64(len(text)), bytes.NewReader(text)); err != nil {
		return err
	}
	return errors.Join(a.tar.Close(), a.compressor.Close())
}

// chunkSize is how much of a table is held in memory: a member of an archive must say its size before its content.
const chunkSize = 4 << 20

// chunks writes the rows of a table as members.
type chunks struct {
	archive *archive
	table   string
	n       int
	buf     []byte
}

// Write adds to the table; a chunk ends with a row.
func (c *chunks) Write(p []byte) (int, error) {
	c.buf = append(c.buf, p...)
	c.archive.manifest.Rows[c.table] += int64(bytes.Count(p, []byte{'\n'}))
	if len(c.buf) < chunkSize {
		return len(p), nil
	}
	end := bytes.LastIndexByte(c.buf, '\n') + 1
	if err := c.flush(end); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush writes the first bytes of what is held as a member.
func (c *chunks) flush(end int) error {
	if end == 0 {
		return nil
	}
	c.n++
	name := fmt.Sprintf("%s%s/%04d", tablesFolder, c.table, c.n)
	if err := c.archive.add(name, int64(end), bytes.NewReader(c.buf[:end])); err != nil {
		return err
	}
	c.buf = append(c.buf[:0], c.buf[end:]...)
	return nil
}

// ErrDamaged says that a backup is not as it was written.
var ErrDamaged = errors.New("the backup is damaged")

// damaged says what is wrong.
func damaged(why string, args ...any) error {
	return fmt.Errorf("%w: "+why, append([]any{ErrDamaged}, args...)...)
}

// read goes through an archive. It calls visit with each member before the manifest, and fails unless all is as it was written. What visit
// did by then it has to undo.
func read(from io.Reader, visit func(name string, content io.Reader) error) (*Manifest, error) {
	decompressor, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer decompressor.Close()
	members, m := []Member{}, (*Manifest)(nil)
	for archive := tar.NewReader(decompressor); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, damaged("%w", err)
		}
		if m != nil {
			return nil, damaged("something follows the manifest")
		}
		if header.Name == manifestName {
			if m, err = readManifest(archive); err != nil {
				return nil, err
			}
			continue
		}
		member, err := readMember(header.Name, archive, visit)
		if err != nil {
			return nil, err
		}
		members = append(members, member)
	}
	if _, err := io.Copy(io.Discard, decompressor); err != nil { // the last sum of zstd
		return nil, damaged("%w", err)
	}
	if m == nil {
		return nil, damaged("it has no manifest")
	}
	for i, member := range members {
		if i >= len(m.Members) || m.Members[i] != member {
			return nil, damaged("%s is not what was written", member.Name)
		}
	}
	if len(members) < len(m.Members) {
		return nil, damaged("%s is missing", m.Members[len(members)].Name)
	}
	return m, nil
}

// failing keeps the error of a reader, which whoever reads may hide.
type failing struct {
	io.Reader
	err error
}

// Read reads on.
func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

func readMember(name string, content io.Reader, visit func(name string, content io.Reader) error) (Member, error) {
	sum, source := sha256.New(), &failing{Reader: content}
	counted := &counter{}
	summed := io.TeeReader(source, io.MultiWriter(sum, counted))
	err := visit(name, summed)
	if err == nil {
		_, err = io.Copy(io.Discard, summed)
	}
	if source.err != nil {
		return Member{}, damaged("%s: %w", name, source.err)
	}
	return Member{name, counted.n, hex.EncodeToString(sum.Sum(nil))}, err
}

// counter counts how often something is written.
type counter struct {
	of []byte // nil: bytes
	n  int64
}

// Write counts.
func (c *counter) Write(p []byte) (int, error) {
	if c.of == nil {
		c.n += int64(len(p))
	} else {
		c.n += int64(bytes.Count(p, c.of))
	}
	return len(p), nil
}

// maxManifest keeps what is no manifest out of memory.
const maxManifest = 256 << 20

func readManifest(from io.Reader) (*Manifest, error) {
	m := &Manifest{}
	if err := json.NewDecoder(io.LimitReader(from, maxManifest)).Decode(m); err != nil {
		return nil, damaged("manifest: %w", err)
	}
	if m.Format > format {
		return nil, fmt.Errorf("the backup has format %d: %w", m.Format, db.ErrNewer)
	}
	if !slices.ContainsFunc(m.Tables, func(t db.BackupTable) bool { return t.Name == "institutions" }) {
		return nil, damaged("its manifest names no tables")
	}
	return m, nil
}
