package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/bus"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onEach runs a test on both databases with two handles, as two processes have, and a feed on the first.
func onEach(t *testing.T, body func(t *testing.T, one, two *db.DB, feed *bus.Feed)) {
	t.Helper()
	open := func(t *testing.T, url string) *db.DB {
		database, err := db.Open(t.Context(), url, db.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { database.Close() })
		return database
	}
	testkit.EachClone(t, "migrated", testkit.Migrated(db.Options{}), func(t *testing.T, url string) {
		t.Parallel()
		one, two := open(t, url), open(t, url)
		feed := bus.New(one, slog.New(slog.DiscardHandler))
		t.Cleanup(feed.Stop)
		body(t, one, two, feed)
	})
}

func note(t *testing.T, database *db.DB, text string) {
	t.Helper()
	err := database.InTx(t.Context(), func(tx *db.Tx) error {
		e := mesa.NewEvent(tx.IDs(), &mesa.Actor{Kind: mesa.ActorSystem, Name: "test"}, tx.Now(), mesa.DataSeeded)
		e.Text = text
		return tx.AppendEvents(t.Context(), []*mesa.Event{e})
	})
	if err != nil {
		t.Error(err)
	}
}

func everything(*mesa.Event) bool { return true }

func follow(t *testing.T, ctx context.Context, feed *bus.Feed, want func(*mesa.Event) bool) *bus.Follower {
	t.Helper()
	events, err := feed.Follow(ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func next(t *testing.T, f *bus.Follower) *mesa.Event {
	t.Helper()
	e, err := f.Next()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestFollowersGetWhatEitherProcessCommits(t *testing.T) {
	onEach(t, func(t *testing.T, one, two *db.DB, feed *bus.Feed) {
		note(t, one, "before")
		testkit.Certain(t, one)
		all := follow(t, t.Context(), feed, everything)
		some := follow(t, t.Context(), feed, func(e *mesa.Event) bool { return e.Text == "7" })
		var writers sync.WaitGroup
		for i := range 20 {
			writers.Go(func() { note(t, []*db.DB{one, two}[i%2], fmt.Sprint(i)) })
		}
		writers.Wait()
		seen := map[string]int{}
		for range 20 {
			seen[next(t, all).Text]++
		}
		for i := range 20 {
			if seen[fmt.Sprint(i)] != 1 {
				t.Errorf("event %d came %d times: %v", i, seen[fmt.Sprint(i)], seen)
			}
		}
		if e := next(t, some); e.Text != "7" {
			t.Errorf("got %s, which was not wanted", e.Text)
		}
	})
}

func TestAFollowerWhoLeavesIsLetGo(t *testing.T) {
	onEach(t, func(t *testing.T, one, _ *db.DB, feed *bus.Feed) {
		ctx, leave := context.WithCancel(t.Context())
		first := follow(t, ctx, feed, everything)
		leave()
		if _, err := first.Next(); !errors.Is(err, bus.ErrEnded) {
			t.Errorf("who left is still told: %v", err)
		}
		note(t, one, "unseen")
		second := follow(t, t.Context(), feed, func(e *mesa.Event) bool { return e.Text == "seen" }) // it starts again
		note(t, one, "seen")
		if e := next(t, second); e.Text != "seen" {
			t.Errorf("got %s", e.Text)
		}
	})
}

func TestWhoIsTooFarBehindIsLetGoAndOthersAreNot(t *testing.T) {
	onEach(t, func(t *testing.T, one, _ *db.DB, feed *bus.Feed) {
		slow := follow(t, t.Context(), feed, everything)
		done := follow(t, t.Context(), feed, func(e *mesa.Event) bool { return e.Text == "last" })
		err := one.InTx(t.Context(), func(tx *db.Tx) error {
			events := make([]*mesa.Event, 4_200)
			for i := range events {
				events[i] = mesa.NewEvent(tx.IDs(), &mesa.Actor{Kind: mesa.ActorSystem, Name: "test"}, tx.Now(), mesa.DataSeeded)
			}
			events[4_199].Text = "last"
			return tx.AppendEvents(t.Context(), events)
		})
		if err != nil {
			t.Fatal(err)
		}
		if e := next(t, done); e.Text != "last" {
			t.Errorf("got %q", e.Text)
		}
		if _, err := slow.Next(); !errors.Is(err, bus.ErrBehind) {
			t.Errorf("the slow one was not let go: %v", err)
		}
	})
}

func TestStopEndsEverything(t *testing.T) {
	onEach(t, func(t *testing.T, _, _ *db.DB, feed *bus.Feed) {
		events := follow(t, t.Context(), feed, everything)
		feed.Stop()
		feed.Stop()
		for _, f := range []*bus.Follower{events, follow(t, t.Context(), feed, everything)} {
			if _, err := f.Next(); !errors.Is(err, bus.ErrEnded) {
				t.Errorf("a follower is still served: %v", err)
			}
		}
	})
}
