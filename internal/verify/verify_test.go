package verify_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesapartes/mesa/internal/verify"
)

// However many ask, a server does the checks once in two seconds, also when who asked first has gone.
func TestABoardDoesItsChecksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := 0
		board := &verify.Board{Checks: []verify.Check{{Name: "one", Patience: time.Minute, Run: func(ctx context.Context) verify.Result {
			done++
			return verify.OK("%v", ctx.Err())
		}}}}
		gone, leave := context.WithCancel(t.Context())
		leave()
		var asking sync.WaitGroup
		for range 50 {
			asking.Go(func() {
				if lines := board.Lines(gone); len(lines) != 1 || lines[0].Figure != "<nil>" {
					t.Errorf("%v", lines)
				}
			})
		}
		asking.Wait()
		if done != 1 {
			t.Errorf("done %d times", done)
		}
		time.Sleep(3 * time.Second)
		if board.Lines(t.Context()); done != 2 {
			t.Errorf("done %d times after three seconds", done)
		}
	})
}

func TestACheckThatTakesTooLongHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(ctx context.Context) verify.Result {
			<-ctx.Done()
			return verify.Failed("wait for it", context.Cause(ctx))
		}
		lines := verify.Run(t.Context(), []verify.Check{{Name: "slow", Patience: time.Second, Run: wait}}, func(verify.Line) {})
		if text := lines[0].String(); !verify.HaveFailed(lines) || text != "✗ slow: not within 1s: context deadline exceeded\n  → wait for it\n" {
			t.Errorf("%s", text)
		}
	})
}

// What needs the schema is not looked at, and does not count as well, before the schema is.
func TestWhatNeedsTheSchemaWaitsForIt(t *testing.T) {
	checks := []verify.Check{
		verify.Unreachable(verify.StartDatabase, errors.New("no answer")),
		{Name: "records", Patience: time.Second, Schema: true, Run: func(context.Context) verify.Result { t.Error("looked at"); return verify.OK("") }},
	}
	var text strings.Builder
	lines := verify.Run(t.Context(), checks, func(l verify.Line) { text.WriteString(l.String()) })
	if lines[1].State != verify.StateSkipped || !strings.Contains(text.String(), "– records: not looked at") {
		t.Errorf("%s", &text)
	}
}
