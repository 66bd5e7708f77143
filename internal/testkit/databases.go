package testkit

import "testing"

// EachDatabase runs body as the subtests "sqlite" and "postgres", each with the URL of an empty database. The body may call
// t.Parallel.
func EachDatabase(t *testing.T, body func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { body(t, SQLiteURL(t)) })
	t.Run("postgres", func(t *testing.T) { body(t, PostgresURL(t)) })
}

// EachClone is EachDatabase with a database that prepare has filled: it runs once per process, template and kind of database, and
// each test gets a copy. It must close its connections before it returns.
func EachClone(t *testing.T, template string, prepare func(url string), body func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { body(t, SQLiteClone(t, template, prepare)) })
	t.Run("postgres", func(t *testing.T) { body(t, PostgresClone(t, template, prepare)) })
}
