package db_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// onMigrated runs a test on both databases, empty but for the schema, with the clock of the machine.
func onMigrated(t *testing.T, body func(t *testing.T, url string, database *db.DB)) {
	t.Helper()
	testkit.EachClone(t, "migrated", testkit.Migrated(db.Options{}), func(t *testing.T, url string) {
		t.Parallel()
		body(t, url, another(t, url))
	})
}

// another opens a database as one more process.
func another(t *testing.T, url string) *db.DB {
	t.Helper()
	database, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { database.Close() })
	return database
}

// note appends an event with a text.
func note(ctx context.Context, tx *db.Tx, text string) error {
	e := mesa.NewEvent(tx.IDs(), &mesa.Actor{Kind: mesa.ActorSystem, Name: "test"}, tx.Now(), mesa.DataSeeded)
	e.Text = text
	return tx.AppendEvents(ctx, []*mesa.Event{e})
}

// Many writers, a third of which take their number first and commit long after others: a reader that follows sees every event that
// was committed once, in one order, and none that was rolled back.
func TestFollowersMissNothing(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, database *db.DB) {
		ctx, other := t.Context(), another(t, url)
		before := func(tx *db.Tx) error { return note(ctx, tx, "before") }
		if err := database.InTx(ctx, before); err != nil {
			t.Fatal(err)
		}
		place := settled(t, other, 1)
		const writers, each = 9, 12
		var all sync.WaitGroup
		slow := make(chan struct{}, writers*each) // one token for each quick commit
		go func() {
			for w := range writers {
				all.Go(func() {
					for i := range each {
						err := database.InTx(ctx, func(tx *db.Tx) error {
							if err := note(ctx, tx, fmt.Sprintf("%d-%d", w, i)); err != nil {
								return err
							}
							if w%3 == 0 && database.Backend() == "postgres" { // on SQLite nobody else could write meanwhile
								select {
								case <-slow:
								case <-time.After(50 * time.Millisecond): // the quick ones have all finished
								}
							}
							if w == 1 && i%2 == 0 {
								return fmt.Errorf("rolled back")
							}
							return nil
						})
						if (err == nil) == (w == 1 && i%2 == 0) {
							t.Errorf("writer %d, %d: %v", w, i, err)
						}
						if w%3 != 0 {
							slow <- struct{}{}
						}
					}
				})
			}
		}()
		want := writers*each - each/2
		seen, deadline := map[string]int{}, time.Now().Add(2*time.Minute)
		for len(seen) < want && time.Now().Before(deadline) {
			events, err := other.EventsAfter(ctx, place, 5)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				next := db.Tail{Tx: e.Tx, Seq: e.Seq}
				if next.Tx < place.Tx || next.Tx == place.Tx && next.Seq <= place.Seq {
					t.Errorf("after %v came %v", place, next)
				}
				place = next
				seen[e.Text]++
			}
		}
		all.Wait()
		for text, n := range seen {
			if n != 1 || text == "before" {
				t.Errorf("%s was seen %d times", text, n)
			}
		}
		if len(seen) != want {
			t.Errorf("saw %d events, want %d", len(seen), want)
		}
		if end := settled(t, other, 1+want); end != place {
			t.Errorf("the end is %v, the last event is at %v", end, place)
		}
	})
}

// settled waits until so many events are complete (transactions of other tests' databases hold the horizon back) and returns the end.
func settled(t *testing.T, database *db.DB, n int) db.Tail {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		events, err := database.EventsAfter(t.Context(), db.Tail{}, n+1)
		if err != nil {
			t.Fatal(err)
		}
		end, err := database.TailEnd(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == n && end == (db.Tail{Tx: events[n-1].Tx, Seq: events[n-1].Seq}) {
			return end
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events are complete, want %d", len(events), n)
		}
	}
}

func TestACommitWakesWhoWaits(t *testing.T) {
	onMigrated(t, func(t *testing.T, _ string, database *db.DB) {
		ctx := t.Context()
		if end, err := database.TailEnd(ctx); err != nil || end != (db.Tail{}) {
			t.Errorf("without events the end is %v, %v", end, err)
		}
		woken := database.Committed()
		_ = database.InTx(ctx, func(tx *db.Tx) error { return fmt.Errorf("no") })
		select {
		case <-woken:
			t.Error("woken by what was rolled back")
		default:
		}
		if err := database.InTx(ctx, func(tx *db.Tx) error { return note(ctx, tx, "yes") }); err != nil {
			t.Fatal(err)
		}
		<-woken
	})
}
