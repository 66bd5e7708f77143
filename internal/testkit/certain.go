package testkit

import (
	"context"
	"testing"
)

// Certain waits until whatever was committed to a database is certain: other tests of this server have transactions that began earlier,
// and until they end events that committed meanwhile are not shown.
func Certain(t testing.TB, database interface {
	JournalEnd(ctx context.Context) (place string, err error)
	JournalAfter(ctx context.Context, place string, limit int) (entries []string, next string, err error)
}) {
	t.Helper()
	for {
		end, err := database.JournalEnd(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		uncertain, _, err := database.JournalAfter(t.Context(), end, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(uncertain) == 0 {
			return
		}
	}
}
