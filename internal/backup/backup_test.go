package backup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/db"
)

var institutions = []db.BackupTable{{Name: "institutions", Columns: []string{"id", "name"}}}

// written is an archive with so many bytes of rows, and a file.
func written(t *testing.T, m Manifest, size int) []byte {
	t.Helper()
	var to bytes.Buffer
	a, err := newArchive(&to)
	if err != nil {
		t.Fatal(err)
	}
	m.Rows, m.Notes = a.manifest.Rows, a.manifest.Notes
	a.manifest = m
	c := &chunks{archive: a, table: "institutions"}
	row := []byte("1\t" + strings.Repeat("Municipalidad ", 50) + "\n")
	for range size / len(row) {
		if _, err := c.Write(row[:10]); err != nil { // rows come in pieces
			t.Fatal(err)
		}
		if _, err := c.Write(row[10:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.flush(len(c.buf)); err != nil {
		t.Fatal(err)
	}
	if err := a.add("files/a.csv", 3, strings.NewReader("a\nb")); err != nil {
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}

func checked(t *testing.T, content []byte) (*Manifest, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.tar.zst")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return Check(path)
}

func TestWhatIsWrittenIsFoundAgain(t *testing.T) {
	m, err := checked(t, written(t, Manifest{Format: format, Tables: institutions}, 3*chunkSize))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Members) != 4 || m.Files() != 1 || m.Rows["institutions"] < 3*chunkSize/1000 {
		t.Errorf("%d members, %d files, %v", len(m.Members), m.Files(), m.Rows)
	}
	for _, member := range m.Members {
		if member.Size > chunkSize+1000 {
			t.Errorf("%s has %d bytes", member.Name, member.Size)
		}
	}
}

// Whatever byte is another and wherever the end is cut off. Some bits of zstd say nothing of the content.
func TestAnyDamageIsFound(t *testing.T) {
	whole := written(t, Manifest{Format: format, Tables: institutions}, 10_000)
	intact, err := checked(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 0x10
		for what, content := range map[string][]byte{"flipped": flipped, "cut off": whole[:at]} {
			m, err := checked(t, content)
			if err == nil && what == "flipped" && reflect.DeepEqual(m, intact) {
				continue
			}
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%s at %d of %d: %v, %+v", what, at, len(whole), err, m)
			}
		}
	}
}

func TestABackupThisProgramDoesNotKnowIsRefused(t *testing.T) {
	if _, err := checked(t, written(t, Manifest{Format: format + 1, Tables: institutions}, 1000)); !errors.Is(err, db.ErrNewer) {
		t.Errorf("a newer format: %v", err)
	}
	if _, err := checked(t, written(t, Manifest{Format: format}, 1000)); !errors.Is(err, ErrDamaged) {
		t.Errorf("no tables: %v", err)
	}
	path := filepath.Join(t.TempDir(), "b.tar.zst")
	if err := os.WriteFile(path, written(t, Manifest{Format: format, Tables: institutions, Migrations: []string{"0001_desk", "9999_x"}}, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	database, err := db.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "mesa.db"), db.Options{Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	if _, err := Restore(t.Context(), database, nil, path, true, func(string) {}); !errors.Is(err, db.ErrNewer) || !strings.Contains(err.Error(), "9999_x") {
		t.Errorf("a migration from the future: %v", err)
	}
}
