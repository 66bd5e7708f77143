package jobs_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/jobs"
)

// The digest tells what was slow, and forgets what was slow long ago; the warm-up reads figures, which are slow here like everything.
func TestTheDigestTellsWhatWasSlow(t *testing.T) {
	onOffice(t, func(o *office) {
		now, log := time.Date(2026, 11, 24, 11, 40, 0, 0, time.UTC), &testkit.Output{}
		slow, err := db.Open(t.Context(), o.url, db.Options{SlowAt: time.Nanosecond, Now: func() time.Time { return now }})
		o.ok(err)
		t.Cleanup(func() { _ = slow.Close() })
		digest := jobs.Digest(slow, slog.New(slog.NewTextHandler(log, nil)))

		_, err = jobs.WarmUp(slow)(t.Context(), &jobs.Work{})
		o.ok(err)
		done, err := digest(t.Context(), &jobs.Work{})
		o.ok(err)
		result, err := json.Marshal(done.Result)
		o.ok(err)
		if n := strings.Count(string(result), `"Fingerprint"`); n != 10 || strings.Count(log.String(), "slow statement of yesterday") != n {
			o.Errorf("told %s\n%s", result, log)
		}
		if !strings.HasSuffix(string(result), `"forgotten":0}`) && !strings.HasPrefix(string(result), `{"forgotten":0,`) {
			o.Errorf("forgot something: %s", result)
		}
		now = now.AddDate(0, 0, 31)
		done, err = digest(t.Context(), &jobs.Work{})
		o.ok(err)
		if left, err := slow.SlowStatements(t.Context(), 366, 200); err != nil || len(left) == 0 || !left[0].LastSeenAt.Equal(now) {
			o.Errorf("left %v, %v after %+v", left, err, done)
		}
	})
}
