package testkit

import (
	"database/sql"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// Beside opens a database behind the back of the processes that work on it, to look at it or to do harm to it. Like these it waits
// while another writes to SQLite. It is closed when the test ends, if it was not before.
func Beside(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver, source := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		driver, source = "sqlite", path+"?_pragma=busy_timeout(60000)"
	}
	database, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Close() })
	return database
}

// Execute runs a statement Beside.
func Execute(t testing.TB, url, statement string) {
	t.Helper()
	database := Beside(t, url)
	defer database.Close()
	if _, err := database.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
