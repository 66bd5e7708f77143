// Package testkit gives tests real databases: SQLite in a temporary directory and PostgreSQL on a server that is started for them.
//
// The same test body runs on both:
//
//	func TestInbox(t *testing.T) {
//		testkit.EachClone(t, "migrated", migrate, func(t *testing.T, url string) {
//			t.Parallel()
//			…
//		})
//	}
//
// Each test has a database to itself. Nothing is ever skipped: without PostgreSQL a test fails and says how to get it.
package testkit
