package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

// SQLiteURL returns the URL of a database file that does not exist yet, in a directory that goes with the test.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	return sqliteURL(filepath.Join(t.TempDir(), "mesa.db"))
}

// SQLiteClone returns the URL of a copy of the database that prepare made under this template name, once per process. Prepare must
// close the database: that moves its write-ahead log into the file.
func SQLiteClone(t testing.TB, template string, prepare func(url string)) string {
	t.Helper()
	content := sqliteTemplates.get(template, func() []byte {
		path := filepath.Join(t.TempDir(), "template.db")
		prepare(sqliteURL(path))
		if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
			t.Fatalf("template %q: prepare left the database open (%s has %d bytes)", template, wal.Name(), wal.Size())
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("template %q: %v", template, err)
		}
		return content
	})
	path := filepath.Join(t.TempDir(), "mesa.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return sqliteURL(path)
}

// Kept in memory, so that nothing has to be removed when the process ends.
var sqliteTemplates templates[[]byte]

func sqliteURL(path string) string { return "sqlite://" + path }
