// Package testkit gives tests real databases: SQLite in a temporary directory and PostgreSQL on a server that is started for them. It
// starts a real Redis and a real S3-compatible store for them in the same way. Collector receives traces.
//
// The same test body runs on both databases:
//
//	func TestInbox(t *testing.T) {
//		testkit.EachClone(t, "migrated", migrate, func(t *testing.T, url string) {
//			t.Parallel()
//			…
//		})
//	}
//
// Each test has a database to itself. Tests share a Redis (RedisURL) and keep apart by a prefix of their keys (RedisPrefix); a test of
// what happens when Redis fails has one of its own, which it can pause, kill, and start again (StartRedis). S3
// is the same: S3URL and StartS3. Beside looks at a database, or harms it, while a desk works on it.
//
// Nothing of this is ever skipped: without PostgreSQL, Redis or the S3 server a test fails and says how to get it. Only what needs Node.js
// (NodeFolder) is, loudly, where there is none.
package testkit
