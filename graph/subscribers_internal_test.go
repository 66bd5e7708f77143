package graph

import (
	"context"
	"testing"
	"time"
)

func TestASubscriptionThatEndsMakesRoomForAnother(t *testing.T) {
	const most = 100
	var s tally
	ctx, end := context.WithCancel(t.Context())
	for range most {
		if !s.enter(ctx, "usr_1", most) {
			t.Fatal("refused below the limit")
		}
	}
	if s.enter(ctx, "usr_1", most) || !s.enter(ctx, "usr_2", most) {
		t.Error("the limit is not that of one account")
	}
	end()
	for begun := time.Now(); !s.enter(t.Context(), "usr_1", most); {
		if time.Since(begun) > time.Minute {
			t.Fatal("no room was made")
		}
	}
}
