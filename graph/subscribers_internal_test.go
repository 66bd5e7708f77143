package graph

import (
	"context"
	"testing"
	"time"
)

func TestASubscriptionThatEndsMakesRoomForAnother(t *testing.T) {
	var s subscribers
	ctx, end := context.WithCancel(t.Context())
	for range maxSubscriptions {
		if !s.enter(ctx, "usr_1") {
			t.Fatal("refused below the limit")
		}
	}
	if s.enter(ctx, "usr_1") || !s.enter(ctx, "usr_2") {
		t.Error("the limit is not that of one account")
	}
	end()
	for begun := time.Now(); !s.enter(t.Context(), "usr_1"); {
		if time.Since(begun) > time.Minute {
			t.Fatal("no room was made")
		}
	}
}
