package jobs_test

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

// write commits an event.
func (q *queue) write() {
	q.Helper()
	q.ok(q.db.InTx(q.Context(), func(tx *db.Tx) error {
		return tx.AppendEvents(q.Context(), []*mesa.Event{mesa.NewEvent(tx.IDs(), &mesa.Actor{Kind: mesa.ActorSystem, Name: "test"}, tx.Now(), mesa.DataSeeded)})
	}))
}

// whole waits until so many events are sealed, and checks the chain.
func (q *queue) whole(sealed int64) *mesa.AuditVerification {
	q.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; { // of other tests, too, whose transactions are older
		v, err := q.db.VerifyAudit(q.Context(), 0, 0)
		q.ok(err)
		if !v.Ok() {
			q.Fatalf("%v", v.FirstBroken)
		}
		if v.Count == sealed {
			return v
		}
		if time.Now().After(deadline) {
			q.Fatalf("%d sealed, want %d", v.Count, sealed)
		}
		runtime.Gosched()
	}
}

// Two processes seal what is committed; the checkpoint of the day names the last seal, and becomes part of the chain; nothing that keeps the
// database tidy touches any of it.
func TestTheAuditTrailIsSealed(t *testing.T) {
	t.Parallel()
	inAgencies(t, func(o *agency) {
		q := o.queue
		q.handlers[mesa.JobCheckpoint] = jobs.Checkpoint(q.db)
		q.handlers[mesa.JobRetention], q.handlers[mesa.JobUpkeep] = jobs.Retention(q.db, files.Folder(o.dir)), jobs.Upkeep(q.db)
		testkit.Certain(q.T, q.db)
		there, err := q.db.VerifyAudit(q.Context(), 0, 0)
		q.ok(err)
		for range 3 {
			q.write()
		}
		ctx, cancel := context.WithCancel(q.Context())
		var sealing sync.WaitGroup
		for _, process := range []*queue{q, q.process()} {
			sealing.Go(func() { jobs.Seal(ctx, process.db, slog.New(slog.DiscardHandler)) })
		}
		q.Cleanup(func() { cancel(); sealing.Wait() })
		before := q.whole(there.Unsealed + 3)
		q.work(quick)
		for _, kind := range []mesa.JobKind{mesa.JobCheckpoint, mesa.JobRetention, mesa.JobUpkeep} {
			if j := q.ended(q.enqueue(db.NewJob{Kind: kind}).ID); j.State != mesa.JobSucceeded {
				q.Errorf("%s: %s %s", kind, j.State, j.LastError)
			}
		}
		q.whole(there.Unsealed + 4)
		page, err := q.db.AuditCheckpoints(q.Context(), db.Page{})
		q.ok(err)
		if len(page.Items) != 1 || page.Items[0].Seq != there.Unsealed+3 || page.Items[0].Hash != before.HeadHash() {
			q.Errorf("checkpoints %+v, want one of %+v", page.Items, before)
		}
		list, err := q.db.AuditEntries(q.Context(), mesa.AuditFilter{Types: []string{"audit."}}, db.Page{})
		q.ok(err)
		if len(list.Items) != 1 || list.Items[0].Changes["hash"].After != before.HeadHash() {
			q.Errorf("event of the checkpoint: %+v", list.Items)
		}
	})
}

// What transactions changed is merged into the tallies by whichever process comes first.
func TestTalliesAreMerged(t *testing.T) {
	t.Parallel()
	inAgencies(t, func(o *agency) {
		q := o.queue
		q.ok(q.db.InTx(q.Context(), func(tx *db.Tx) error {
			_, err := tx.ExecContext(q.Context(), "INSERT INTO tally_changes (measure, day, key, since, n) VALUES ('test', '2026-03-17', 'x', '2026-03-17', 2), ('test', '2026-03-17', 'x', '2026-03-17', 1)")
			return err
		}))
		ctx, cancel := context.WithCancel(q.Context())
		var merging sync.WaitGroup
		for _, process := range []*queue{q, q.process()} {
			merging.Go(func() { jobs.Merge(ctx, process.db, slog.New(slog.DiscardHandler)) })
		}
		q.Cleanup(func() { cancel(); merging.Wait() })
		for deadline, n := time.Now().Add(2*time.Minute), 0; n != 3; runtime.Gosched() {
			q.ok(q.db.InTx(q.Context(), func(tx *db.Tx) error {
				return tx.NewRaw("SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM tallies WHERE measure = 'test'").Scan(q.Context(), &n)
			}))
			if time.Now().After(deadline) {
				q.Fatalf("%d merged, want 3", n)
			}
		}
	})
}
