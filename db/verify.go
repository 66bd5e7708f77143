package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mesapartes/mesa/mesa"
)

// sealedEvent is a seal with its event; an event that is not there has no id.
type sealedEvent struct {
	mesa.Event
	ChainSeq  int64
	EventTx   int64
	EventSeq  int64
	EventID   mesa.EventID
	ChainHash string
	Format    int
}

func (s *sealedEvent) seal() chainSeal {
	return chainSeal{Seq: s.ChainSeq, EventTx: s.EventTx, EventSeq: s.EventSeq, Hash: s.ChainHash}
}

// sealedBatch is how many entries a check of the chain holds in memory.
const sealedBatch = 1000

// sealedAfter reads the next sealed events after a number, at most to another one.
func (db *DB) sealedAfter(ctx context.Context, after, to int64) ([]*sealedEvent, error) {
	var rows []*sealedEvent
	err := db.read.NewRaw(`SELECT e.*, s.seq AS chain_seq, s.event_tx, s.event_seq, s.event_id, s.hash AS chain_hash, s.format FROM seals AS s LEFT JOIN events AS e ON e.seq = s.event_seq
		WHERE s.seq > ? AND s.seq <= ? ORDER BY s.seq`, after, min(to, after+sealedBatch)).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read sealed events: %w", err)
	}
	return rows, nil
}

// SealedEvent is an entry of the audit trail with its seal.
type SealedEvent struct {
	Event *mesa.Event
	Seal  mesa.Seal
}

// EachSealed calls fn with the sealed events from a number to another one (0: the last), in their order; with none when the first is the next
// to come. An error when it is beyond that.
func (db *DB) EachSealed(ctx context.Context, from, to int64, fn func(SealedEvent) error) error {
	end, err := lastSeal(ctx, db.read)
	if err != nil {
		return err
	}
	if from > end.Seq+1 {
		return fmt.Errorf("there is no entry %d: the audit trail ends at %d", from, end.Seq)
	}
	at, found, err := db.sealBefore(ctx, from)
	if err != nil {
		return err
	}
	for to = upTo(to, end); found && at.Seq < to; {
		rows, err := db.sealedAfter(ctx, at.Seq, to)
		if err != nil {
			return err
		}
		found = len(rows) > 0
		for _, row := range rows {
			if found = row.ChainSeq == at.Seq+1 && row.ID != ""; !found {
				break
			}
			if err := fn(SealedEvent{&row.Event, mesa.Seal{Seq: row.ChainSeq, EventID: row.EventID, PrevHash: at.end().Known(), Hash: row.ChainHash, Format: row.Format}}); err != nil {
				return err
			}
			at = row.seal()
		}
	}
	if !found {
		return fmt.Errorf("the audit trail is broken at entry %d: mesa verify --audit says more", at.Seq+1)
	}
	return nil
}

// upTo is the number of the last entry that is meant: 0 and what is beyond the end stand for the end.
func upTo(to int64, end chainSeal) int64 {
	if to <= 0 {
		return end.Seq
	}
	return min(to, end.Seq)
}

// sealBefore is the seal before an entry, the zero value before the first one. Not found is no error.
func (db *DB) sealBefore(ctx context.Context, seq int64) (s chainSeal, found bool, err error) {
	if seq <= 1 {
		return s, true, nil
	}
	err = db.read.NewRaw("SELECT seq, event_tx, event_seq, hash FROM seals WHERE seq = ?", seq-1).Scan(ctx, &s.Seq, &s.EventTx, &s.EventSeq, &s.Hash)
	if errors.Is(err, sql.ErrNoRows) {
		return chainSeal{Seq: seq - 2}, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("read seal: %w", err)
	}
	return s, true, nil
}

// VerifyAudit checks the chain from an entry to another one (0: the last) against the events and the checkpoints. It holds little in memory, and
// needs no snapshot: what is sealed never changes. The caller has checked that the actor may.
func (db *DB) VerifyAudit(ctx context.Context, from, to int64) (*mesa.AuditVerification, error) {
	end, err := lastSeal(ctx, db.read)
	if err != nil {
		return nil, err
	}
	w := &chainWalk{db: db}
	if err := w.begin(ctx, from, end); err != nil {
		return nil, err
	}
	to = upTo(to, end)
	first := w.at.Seq
	for w.fault == nil && w.at.Seq < to {
		if err := w.step(ctx, to); err != nil {
			return nil, err
		}
	}
	if to == end.Seq && w.fault == nil {
		w.beyond(end.Seq)
	}
	v := &mesa.AuditVerification{Count: w.at.Seq - first, Head: w.at.end(), FirstBroken: w.fault}
	where, args, _ := db.dialect.after(end.place())
	if err := db.read.NewRaw("SELECT count(*) FROM events WHERE "+where, args...).Scan(ctx, &v.Unsealed); err != nil {
		return nil, fmt.Errorf("count events without seals: %w", err)
	}
	return v, nil
}

// chainWalk goes along the chain as far as it holds.
type chainWalk struct {
	db          *DB
	at          chainSeal        // of the last entry that holds
	checkpoints map[int64]string // hashes by number
	fault       *mesa.AuditFault // the first
}

func (w *chainWalk) broken(seq int64, why mesa.AuditFaultReason) {
	if w.fault == nil || seq < w.fault.Seq {
		w.fault = &mesa.AuditFault{Seq: seq, Reason: why}
	}
}

// begin stands before the first entry that is to be checked.
func (w *chainWalk) begin(ctx context.Context, from int64, end chainSeal) error {
	var checkpoints []mesa.AuditCheckpoint
	if err := w.db.read.NewRaw("SELECT seq, hash FROM audit_checkpoints WHERE seq >= ?", from).Scan(ctx, &checkpoints); err != nil {
		return fmt.Errorf("read checkpoints: %w", err)
	}
	w.checkpoints = make(map[int64]string, len(checkpoints))
	for _, c := range checkpoints {
		w.checkpoints[c.Seq] = c.Hash
	}
	from = min(from, end.Seq+1)
	at, found, err := w.db.sealBefore(ctx, from)
	if w.at = at; err == nil && !found {
		w.broken(from-1, mesa.SealMissing)
	}
	return err
}

// step checks the next batch.
func (w *chainWalk) step(ctx context.Context, to int64) error {
	rows, err := w.db.sealedAfter(ctx, w.at.Seq, to)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		w.broken(w.at.Seq+1, mesa.SealMissing)
		return nil
	}
	before := w.at
	for _, row := range rows {
		if why := w.wrong(row); why != "" {
			w.broken(w.at.Seq+1, why)
			break
		}
		w.at = row.seal()
	}
	return w.added(ctx, before, rows)
}

// wrong says what is wrong with the next entry, "" when it holds.
func (w *chainWalk) wrong(row *sealedEvent) mesa.AuditFaultReason {
	next := w.at.end()
	checkpoint, known := w.checkpoints[row.ChainSeq]
	switch {
	case row.ChainSeq != next.Seq+1:
		return mesa.SealMissing
	case row.ID == "":
		return mesa.EntryMissing
	case row.Event.Tx != row.EventTx || row.ID != row.EventID || !w.at.isBefore(row.seal()) || next.Seal(&row.Event, row.Format).Hash != row.ChainHash:
		return mesa.EntryChanged
	case known && checkpoint != row.ChainHash:
		return mesa.CheckpointMismatch
	}
	return ""
}

// added looks for events without seals among those of the entries that hold.
func (w *chainWalk) added(ctx context.Context, before chainSeal, rows []*sealedEvent) error {
	after, afterArgs, order := w.db.dialect.after(before.place())
	upTo, upToArgs := w.db.dialect.upTo(w.at.place())
	within, args := after+" AND "+upTo, append(afterArgs, upToArgs...)
	var n int64
	if err := w.db.read.NewRaw("SELECT count(*) FROM events WHERE "+within, args...).Scan(ctx, &n); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	if n <= w.at.Seq-before.Seq {
		return nil
	}
	alone := chainSeal{Seq: before.Seq + 1}
	err := w.db.read.NewRaw("SELECT tx, seq FROM events WHERE "+within+" AND NOT EXISTS (SELECT 1 FROM seals AS s WHERE s.event_seq = events.seq) ORDER BY "+order+" LIMIT 1", args...).
		Scan(ctx, &alone.EventTx, &alone.EventSeq)
	if err != nil {
		return fmt.Errorf("find the event without a seal: %w", err)
	}
	w.at = before
	for _, row := range rows {
		if alone.isBefore(row.seal()) {
			w.broken(row.ChainSeq, mesa.EntryAdded)
			return nil
		}
		w.at = row.seal()
	}
	return nil
}

// beyond finds checkpoints of entries that are no longer there.
func (w *chainWalk) beyond(last int64) {
	for seq := range w.checkpoints {
		if seq > last {
			w.broken(last+1, mesa.SealMissing)
		}
	}
}
