package db_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// sealed seals all that was committed.
func sealed(t testing.TB, database *db.DB) {
	t.Helper()
	testkit.Certain(t, database)
	for more := true; more; {
		var err error
		if _, more, err = database.SealEvents(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// verified checks a part of the chain.
func verified(t testing.TB, database *db.DB, from, to int64) *mesa.AuditVerification {
	t.Helper()
	v, err := database.VerifyAudit(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// everyEvent lists all events in the order of their commits.
func everyEvent(t testing.TB, database *db.DB) (all []*mesa.Event) {
	t.Helper()
	for at := (db.Tail{}); ; at = (db.Tail{Tx: all[len(all)-1].Tx, Seq: all[len(all)-1].Seq}) {
		events, err := database.EventsAfter(t.Context(), at, 5000)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, events...); len(events) == 0 {
			return all
		}
	}
}

// The audit trail of an institution's first year and a half is sealed whole, by a chain as the decision has it.
func TestTheChainOfTheDemoIsWhole(t *testing.T) {
	onDemo(t, func(t *testing.T, database *db.DB) {
		sealed(t, database)
		all := everyEvent(t, database)
		v := verified(t, database, 0, 0)
		if !v.Ok() || v.Count != int64(len(all)) || v.Unsealed != 0 || v.HeadSeq() != v.Count || v.Count < 1500 {
			t.Errorf("of %d events: %+v", len(all), v)
		}
		hash := strings.Repeat("0", 64)
		for i, e := range all {
			sum := sha256.Sum256(append([]byte(hash), e.Canonical(int64(i+1), mesa.SealFormat)...))
			hash = hex.EncodeToString(sum[:])
		}
		if v.HeadHash() != hash {
			t.Errorf("the chain ends with %s, worked out by hand it is %s", v.HeadHash(), hash)
		}
		for _, part := range []struct{ from, to, count, head int64 }{{1, 1, 1, 1}, {700, 1200, 501, 1200}, {v.Count, 0, 1, v.Count}, {v.Count - 1, v.Count + 99, 2, v.Count}, {v.Count + 5, 0, 0, v.Count}} {
			if got := verified(t, database, part.from, part.to); !got.Ok() || got.Count != part.count || got.HeadSeq() != part.head {
				t.Errorf("from %d to %d: %+v", part.from, part.to, got)
			}
		}
		if wrong, err := database.Inconsistencies(t.Context()); err != nil || len(wrong) > 0 {
			t.Errorf("inconsistent: %v, %v", wrong, err)
		}
	})
}

// trail is a database with twelve sealed events, numbered by tens so that one can be put between, and a checkpoint of the tenth. Nothing
// keeps anybody from changing them.
func trail(t *testing.T, url string) *db.DB {
	t.Helper()
	ctx, database := t.Context(), another(t, url)
	statements := []string{"DROP TRIGGER events_append_only ON events", "DROP TRIGGER seals_append_only ON seals", "DROP TRIGGER audit_checkpoints_append_only ON audit_checkpoints"}
	if database.Backend() == "sqlite" {
		statements = nil
		for _, table := range []string{"events", "seals", "audit_checkpoints"} {
			for _, event := range []string{"update", "delete", "replace"} {
				statements = append(statements, "DROP TRIGGER "+table+"_no_"+event)
			}
		}
	}
	execute(t, database, statements...)
	for i := range 12 {
		if err := database.InTx(ctx, func(tx *db.Tx) error {
			e := mesa.NewEvent(tx.IDs(), &mesa.Actor{Kind: mesa.ActorSystem, Name: "test", Origin: mesa.Origin{RequestID: "r1", Address: "192.0.2.7", Client: "test/1"}}, tx.Now(), mesa.DocumentUpdated)
			e.Text, e.Reason, e.ObjectID, e.DocumentID, e.DerivationID, e.ActorID = fmt.Sprint("event ", i+1), "because", "o", "doc_1", "der_1", "usr_1"
			e.AreaIDs = []mesa.AreaID{"are_1", "are_2"}
			e.Changes = map[string]mesa.Change{"folios": {Before: 1, After: i}}
			return tx.AppendEvents(ctx, []*mesa.Event{e})
		}); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, database, "UPDATE events SET seq = -10 * seq", "UPDATE events SET seq = -seq") // past each other
	sealed(t, database)
	execute(t, database, "INSERT INTO audit_checkpoints (seq, hash, date, created_at) SELECT seq, hash, '2026-03-18', sealed_at FROM seals WHERE seq = 10")
	return database
}

// execute runs statements that must work.
func execute(t testing.TB, database *db.DB, statements ...string) {
	t.Helper()
	err := database.InTx(t.Context(), func(tx *db.Tx) error {
		for _, statement := range statements {
			if _, err := tx.NewRaw(statement).Exec(t.Context()); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever is done to the rows is found, at the first entry that is no longer what was sealed.
func TestTamperingIsFound(t *testing.T) {
	type damage struct {
		statements string // separated by semicolons
		seq        int64
		reason     mesa.AuditFaultReason
	}
	damages := []damage{
		{"DELETE FROM events WHERE seq = 50", 5, mesa.EntryMissing},
		{"DELETE FROM events WHERE seq >= 50", 5, mesa.EntryMissing},
		{"DELETE FROM events WHERE seq = 120", 12, mesa.EntryMissing},
		{"UPDATE events SET seq = -1 WHERE seq = 50; UPDATE events SET seq = 50 WHERE seq = 60; UPDATE events SET seq = 60 WHERE seq = -1", 5, mesa.EntryChanged},
		{"UPDATE events SET tx = tx + 1000000 WHERE seq = 50", 5, mesa.EntryChanged},
		{"UPDATE events SET text = 'another' WHERE seq IN (40, 90)", 4, mesa.EntryChanged},
		{"UPDATE seals SET hash = '" + strings.Repeat("0", 64) + "' WHERE seq = 5", 5, mesa.EntryChanged},
		{"UPDATE seals SET event_id = 'evt_x' WHERE seq = 5", 5, mesa.EntryChanged},
		{"UPDATE seals SET format = 1 WHERE seq = 5", 5, mesa.EntryChanged},
		{"UPDATE seals SET seq = -1 WHERE seq = 5; UPDATE seals SET seq = 5 WHERE seq = 6; UPDATE seals SET seq = 6 WHERE seq = -1", 5, mesa.EntryChanged},
		{"DELETE FROM seals WHERE seq = 1", 1, mesa.SealMissing},
		{"DELETE FROM seals WHERE seq = 5", 5, mesa.SealMissing},
		{"DELETE FROM seals WHERE seq = 5; DELETE FROM events WHERE seq = 50", 5, mesa.SealMissing},
		{"DELETE FROM seals WHERE seq > 8; DELETE FROM events WHERE seq > 80", 9, mesa.SealMissing}, // because of the checkpoint
		{"DELETE FROM seals; DELETE FROM events", 1, mesa.SealMissing},
		{added(45, 50), 5, mesa.EntryAdded},
		{added(-7, 10), 1, mesa.EntryAdded},
		{added(45, 50) + "; UPDATE events SET text = 'another' WHERE seq = 60", 5, mesa.EntryAdded},
		{added(65, 70) + "; UPDATE events SET text = 'another' WHERE seq = 60", 6, mesa.EntryChanged},
		{"UPDATE audit_checkpoints SET hash = 'another'", 10, mesa.CheckpointMismatch},
		{"UPDATE audit_checkpoints SET seq = 13", 13, mesa.SealMissing},
	}
	for column, value := range map[string]string{
		"id": "'evt_x'", "at": "'2026-03-18 17:00:00.000001+00:00'", "type": "'document.voided'", "actor_kind": "'USER'", "actor_id": "'usr_2'", "actor_name": "'x'", "document_id": "'doc_2'",
		"derivation_id": "NULL", "object_id": "'p'", "area_ids": `'["are_2", "are_1"]'`, "text": "'event 5 '", "reason": "NULL", "changes": `'{"folios": {"before": 1, "after": 5}}'`, "request_id": "'r2'", "address": "'192.0.2.8'", "client": "NULL",
	} {
		damages = append(damages, damage{"UPDATE events SET " + column + " = " + value + " WHERE seq = 50", 5, mesa.EntryChanged})
	}
	onMigrated(t, func(t *testing.T, url string, _ *db.DB) {
		database := trail(t, url)
		if v := verified(t, database, 0, 0); !v.Ok() || v.Count != 12 {
			t.Fatalf("before: %+v", v)
		}
		tables := []string{"events", "seals", "audit_checkpoints"}
		for _, table := range tables {
			execute(t, database, "CREATE TABLE kept_"+table+" AS SELECT * FROM "+table)
		}
		for _, d := range damages {
			execute(t, database, strings.Split(d.statements, "; ")...)
			v := verified(t, database, 0, 0)
			if v.FirstBroken == nil || *v.FirstBroken != (mesa.AuditFault{Seq: d.seq, Reason: d.reason}) {
				t.Errorf("after %s: %+v %v", d.statements, v, v.FirstBroken)
			} else if v.Count != min(d.seq-1, 12) || v.HeadSeq() != v.Count {
				t.Errorf("after %s: %+v hold", d.statements, v)
			}
			if d.seq == 5 && d.reason == mesa.EntryChanged && strings.HasPrefix(d.statements, "UPDATE events SET type") {
				if v := verified(t, database, 6, 0); !v.Ok() || v.Count != 7 {
					t.Errorf("behind the broken one: %+v", v)
				}
				if v := verified(t, database, 2, 4); !v.Ok() || v.Count != 3 {
					t.Errorf("before the broken one: %+v", v)
				}
			}
			for _, table := range tables {
				execute(t, database, "DELETE FROM "+table, "INSERT INTO "+table+" SELECT * FROM kept_"+table)
			}
		}
		if v := verified(t, database, 0, 0); !v.Ok() || v.Count != 12 {
			t.Errorf("put right again: %+v", v)
		}

		// who makes the whole chain anew is told by the checkpoint
		execute(t, database, "UPDATE events SET text = 'another' WHERE seq = 50", "DELETE FROM seals WHERE seq >= 5")
		sealed(t, database)
		if v := verified(t, database, 0, 0); v.FirstBroken == nil || *v.FirstBroken != (mesa.AuditFault{Seq: 10, Reason: mesa.CheckpointMismatch}) {
			t.Errorf("made anew: %+v", v)
		}
	})
}

// added puts an event at a sequence, as one of the transaction of another.
func added(seq, like int) string {
	return fmt.Sprintf("INSERT INTO events (seq, tx, id, at, type, actor_kind, actor_name, area_ids, text) SELECT %d, tx, 'evt_added', at, type, actor_kind, actor_name, area_ids, text FROM events WHERE seq = %d", seq, like)
}

// Sealing again what lost its seals makes the same ones: the chain follows from the events.
func TestSealsFollowFromTheEvents(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, _ *db.DB) {
		database := trail(t, url)
		before := verified(t, database, 0, 0)
		execute(t, database, "DELETE FROM seals WHERE seq > 3")
		sealed(t, database)
		if after := verified(t, database, 0, 0); !after.Ok() || after.Head != before.Head {
			t.Errorf("%+v, before %+v", after, before)
		}
	})
}

// Amid an upgrade a process of before, to which events have no address and no client, may seal what one of after it wrote.
func TestSealsOfAnOlderProcessHold(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, _ *db.DB) {
		database := trail(t, url)
		events := everyEvent(t, database)
		execute(t, database, "DELETE FROM audit_checkpoints", "DELETE FROM seals")
		end := mesa.ChainEnd{}
		for _, e := range events[:7] {
			end = end.Seal(e, 1)
			execute(t, database, fmt.Sprintf("INSERT INTO seals (seq, event_tx, event_seq, event_id, hash, sealed_at) VALUES (%d, %d, %d, '%s', '%s', '2026-03-18 17:00:00+00:00')",
				end.Seq, e.Tx, e.Seq, e.ID, end.Hash))
		}
		sealed(t, database)
		if v := verified(t, database, 0, 0); !v.Ok() || v.Count != 12 {
			t.Errorf("%+v", v)
		}
		execute(t, database, "UPDATE events SET address = '192.0.2.8' WHERE seq = 80")
		if v := verified(t, database, 0, 0); v.FirstBroken == nil || *v.FirstBroken != (mesa.AuditFault{Seq: 8, Reason: mesa.EntryChanged}) {
			t.Errorf("with another address: %+v", v)
		}
	})
}

func TestTheAuditTrailCannotBeChanged(t *testing.T) {
	onMigrated(t, func(t *testing.T, _ string, database *db.DB) {
		ctx := t.Context()
		if err := database.InTx(ctx, func(tx *db.Tx) error { return note(ctx, tx, "once") }); err != nil {
			t.Fatal(err)
		}
		sealed(t, database)
		if err := database.InTx(ctx, func(tx *db.Tx) error {
			c, err := tx.AddCheckpoint(ctx, &mesa.Actor{Kind: mesa.ActorSystem, Name: "test"}, mesa.NewDate(2026, time.March, 18))
			if err == nil && c.Seq != 1 {
				err = fmt.Errorf("a checkpoint of %d entries", c.Seq)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		var statements []string
		for _, table := range []string{"events", "seals", "audit_checkpoints"} {
			statements = append(statements, "UPDATE "+table+" SET seq = seq + 1", "DELETE FROM "+table)
			if database.Backend() == "postgres" {
				statements = append(statements, "TRUNCATE "+table)
			} else {
				statements = append(statements, "INSERT OR REPLACE INTO "+table+" SELECT * FROM "+table)
			}
		}
		for _, statement := range statements {
			err := database.InTx(ctx, func(tx *db.Tx) error {
				_, err := tx.NewRaw(statement).Exec(ctx)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "only ever added") {
				t.Errorf("%s: %v", statement, err)
			}
		}
		sealed(t, database)
		if v := verified(t, database, 0, 0); !v.Ok() || v.Count != 2 { // that of the checkpoint, too
			t.Errorf("%+v", v)
		}
	})
}

// While many write, commit late and roll back, processes seal at once: there is one chain, in the order of the commits, with each event
// that was committed once.
func TestSealersNeverForkTheChain(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, database *db.DB) {
		ctx := t.Context()
		const writers, each = 8, 15
		errUndo := errors.New("rolled back")
		var writing, sealing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for i := range each {
					err := database.InTx(ctx, func(tx *db.Tx) error {
						if err := note(ctx, tx, fmt.Sprintf("%d-%d", w, i)); err != nil {
							return err
						}
						if w == 0 { // it has its number, and others commit before it does
							if _, err := tx.ExecContext(ctx, "SELECT count(*) FROM events AS a CROSS JOIN events AS b"); err != nil {
								return err
							}
						}
						if w == 1 && i%2 == 0 {
							return errUndo
						}
						return nil
					})
					if err != nil && !errors.Is(err, errUndo) {
						t.Error(err)
					}
				}
			})
		}
		written, stop := context.WithCancel(ctx)
		for range 3 {
			sealer := another(t, url)
			sealing.Go(func() {
				for written.Err() == nil {
					if _, _, err := sealer.SealEvents(ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writing.Wait()
		stop()
		sealing.Wait()
		sealed(t, database)
		all := everyEvent(t, database)
		if want := writers*each - (each+1)/2; len(all) != want {
			t.Fatalf("%d events, want %d", len(all), want)
		}
		var order []mesa.EventID
		err := database.EachSealed(ctx, 0, 0, func(s db.SealedEvent) error {
			order = append(order, s.Seal.EventID)
			return nil
		})
		if err != nil || !slices.EqualFunc(order, all, func(id mesa.EventID, e *mesa.Event) bool { return id == e.ID }) {
			t.Errorf("sealed in another order: %v", err)
		}
		for beyond, want := range []string{"", fmt.Sprintf("the audit trail ends at %d", len(all))} { // the next one is only not there yet
			err := database.EachSealed(ctx, int64(len(all)+1+beyond), 0, func(db.SealedEvent) error { return errors.New("an event") })
			if got := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(got, want) {
				t.Errorf("%d beyond the end: %v", beyond+1, err)
			}
		}
		if v := verified(t, database, 0, 0); !v.Ok() || v.Count != int64(len(all)) || v.Unsealed != 0 {
			t.Errorf("%+v of %d", v, len(all))
		}
	})
}

// What has no seal yet is told, with the age of the oldest.
func TestHowFarSealingIs(t *testing.T) {
	testkit.EachDatabase(t, func(t *testing.T, url string) {
		ctx, now := t.Context(), time.Date(2026, time.March, 18, 17, 0, 0, 0, time.UTC)
		database, err := db.Open(ctx, url, db.Options{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		defer database.Close()
		if _, err := database.Migrate(ctx); err != nil {
			t.Fatal(err)
		}
		standing := func(want db.SealStanding) {
			t.Helper()
			if got, err := database.SealStanding(ctx); err != nil || got != want {
				t.Errorf("%+v, want %+v: %v", got, want, err)
			}
		}
		standing(db.SealStanding{})
		for range 2 {
			if err := database.InTx(ctx, func(tx *db.Tx) error { return note(ctx, tx, "x") }); err != nil {
				t.Fatal(err)
			}
			now = now.Add(3 * time.Second)
		}
		standing(db.SealStanding{Lag: 6 * time.Second})
		if v := verified(t, database, 0, 0); !v.Ok() || v.Count != 0 || v.Unsealed != 2 {
			t.Errorf("%+v", v)
		}
		sealed(t, database)
		standing(db.SealStanding{Seq: 2})
	})
}

// Events of a second: "-benchtime 100000x" seals as many.
func BenchmarkSealing(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": testkit.SQLiteURL, "postgres": testkit.PostgresURL} {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			database, err := db.Open(ctx, url(b), db.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer database.Close()
			if _, err := database.Migrate(ctx); err != nil {
				b.Fatal(err)
			}
			for n := b.N; n > 0; n -= 1000 {
				err := database.InTx(ctx, func(tx *db.Tx) error {
					events := make([]*mesa.Event, min(n, 1000))
					for i := range events {
						e := mesa.NewEvent(tx.IDs(), &mesa.Actor{Kind: mesa.ActorUser, UserID: "usr_0qkzyxjz4w7w00000000000000", Name: "Juana Quispe Mamani", Origin: mesa.Origin{RequestID: "01hzx", Address: "192.0.2.7", Client: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}}, tx.Now(), mesa.DocumentDerived)
						e.DocumentID, e.DerivationID = "doc_0qkzyxjz4w7w00000000000000", "der_0qkzyxjz4w7w00000000000000"
						e.Text, e.AreaIDs = "Derivado a Oficina de Asesoría Jurídica", []mesa.AreaID{"are_0qkzyxjz4w7w00000000000000", "are_0qkzyxjz4w7w00000000000001"}
						e.Changes = map[string]mesa.Change{"state": {Before: "REGISTERED", After: "IN_PROCESS"}, "currentAreaId": {Before: "are_0qkzyxjz4w7w00000000000000", After: "are_0qkzyxjz4w7w00000000000001"}}
						events[i] = e
					}
					return tx.AppendEvents(ctx, events)
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			sealed(b, database)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sealed/s")
			began := time.Now()
			if v := verified(b, database, 0, 0); !v.Ok() || v.Count != int64(b.N) {
				b.Fatalf("%+v", v)
			}
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "verified/s")
		})
	}
}
