package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// sealBatch is how many events one transaction seals: on SQLite it keeps others from writing for some milliseconds.
const sealBatch = 500

// SealEvents gives seals to the next complete events, in the order of their commits, and says to how many. Whoever finds another at it does
// nothing. more says that others may be left.
func (db *DB) SealEvents(ctx context.Context) (sealed int, more bool, err error) {
	waits, err := db.sealsDue(ctx)
	if err != nil || !waits {
		return 0, false, err
	}
	err = db.InTx(ctx, func(tx *Tx) error {
		sealed = 0
		mine := false
		if err := tx.NewRaw(db.dialect.trySealing()).Scan(ctx, &mine); err != nil || !mine {
			return err
		}
		last, err := lastSeal(ctx, tx)
		if err != nil {
			return err
		}
		events, err := db.completeAfter(ctx, tx, last.place(), sealBatch)
		if err != nil || len(events) == 0 {
			return err
		}
		sealed = len(events)
		return tx.seal(ctx, last.end(), events)
	})
	if err != nil {
		return 0, false, fmt.Errorf("seal events: %w", err)
	}
	return sealed, sealed == sealBatch, nil
}

// sealsDue says whether complete events have no seal yet, without keeping anybody from writing.
func (db *DB) sealsDue(ctx context.Context) (yes bool, err error) {
	last, err := lastSeal(ctx, db.read)
	if err != nil {
		return false, err
	}
	where, args, _ := db.dialect.after(last.place())
	err = db.read.NewRaw("SELECT EXISTS (SELECT 1 FROM events WHERE "+where+" AND "+db.dialect.complete()+")", args...).Scan(ctx, &yes)
	if err != nil {
		return false, fmt.Errorf("look for events without seals: %w", err)
	}
	return yes, nil
}

func (tx *Tx) seal(ctx context.Context, end mesa.ChainEnd, events []*mesa.Event) error {
	now := tx.Now()
	seals := make([]*mesa.Seal, len(events))
	for i, e := range events {
		end = end.Seal(e, mesa.SealFormat)
		seals[i] = &mesa.Seal{Seq: end.Seq, EventTx: e.Tx, EventSeq: e.Seq, EventID: e.ID, Hash: end.Hash, Format: mesa.SealFormat, SealedAt: now}
	}
	_, err := tx.NewInsert().Model(&seals).Returning("NULL").Exec(ctx)
	return err
}

// chainSeal is a seal as the end of the chain.
type chainSeal mesa.Seal

// place is where its event is; that of no seal is before all events.
func (s chainSeal) place() Tail {
	if s.Seq == 0 {
		return Tail{Tx: -math.MaxInt64, Seq: -math.MaxInt64}
	}
	return Tail{Tx: s.EventTx, Seq: s.EventSeq}
}

func (s chainSeal) end() mesa.ChainEnd { return mesa.ChainEnd{Seq: s.Seq, Hash: s.Hash} }

// isBefore says whether the event of a seal was committed before that of another.
func (s chainSeal) isBefore(t chainSeal) bool {
	return s.Seq == 0 || s.EventTx < t.EventTx || s.EventTx == t.EventTx && s.EventSeq < t.EventSeq
}

// lastSeal is the end of the chain, the zero value when nothing is sealed.
func lastSeal(ctx context.Context, from bun.IDB) (s chainSeal, err error) {
	err = from.NewRaw("SELECT seq, event_tx, event_seq, hash FROM seals ORDER BY seq DESC LIMIT 1").Scan(ctx, &s.Seq, &s.EventTx, &s.EventSeq, &s.Hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s, fmt.Errorf("read the last seal: %w", err)
	}
	return s, nil
}

// SealStanding is how far sealing is.
type SealStanding struct {
	Seq int64         // of the last seal
	Lag time.Duration // age of the oldest event that has none, 0 when all have
}

// SealStanding says how far sealing is. An event that is not complete, because an older transaction still runs, counts.
func (db *DB) SealStanding(ctx context.Context) (SealStanding, error) {
	last, err := lastSeal(ctx, db.read)
	if err != nil {
		return SealStanding{}, err
	}
	var at time.Time
	where, args, order := db.dialect.after(last.place())
	err = db.read.NewRaw("SELECT at FROM events WHERE "+where+" ORDER BY "+order+" LIMIT 1", args...).Scan(ctx, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return SealStanding{Seq: last.Seq}, nil
	}
	if err != nil {
		return SealStanding{}, fmt.Errorf("read the oldest event without a seal: %w", err)
	}
	return SealStanding{Seq: last.Seq, Lag: max(0, db.Now().Sub(at))}, nil
}

// SealsByEvent finds the seals of events by their sequence; those of events that have none yet are missing.
func (db *DB) SealsByEvent(ctx context.Context, events []int64) (map[int64]*mesa.Seal, error) {
	var rows []*mesa.Seal
	err := db.read.NewRaw(`SELECT s.*, coalesce(p.hash, ?) AS prev_hash FROM seals AS s LEFT JOIN seals AS p ON p.seq = s.seq - 1 WHERE s.event_seq IN (?)`,
		mesa.ChainEnd{}.Known(), bun.List(events)).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("seals by event: %w", err)
	}
	return byID(rows, func(s *mesa.Seal) int64 { return s.EventSeq }), nil
}

// AddCheckpoint notes how far the chain is, with an event that becomes part of it. Nil when nothing is sealed. There is one at most for each number.
func (tx *Tx) AddCheckpoint(ctx context.Context, by *mesa.Actor, date mesa.Date) (*mesa.AuditCheckpoint, error) {
	last, err := lastSeal(ctx, tx)
	if err != nil || last.Seq == 0 {
		return nil, err
	}
	c := &mesa.AuditCheckpoint{Seq: last.Seq, Hash: last.Hash, Date: date, CreatedAt: tx.Now()}
	if _, err := tx.NewInsert().Model(c).Returning("NULL").Exec(ctx); err != nil {
		return nil, fmt.Errorf("insert checkpoint: %w", err)
	}
	e := mesa.NewEvent(tx.IDs(), by, c.CreatedAt, mesa.AuditCheckpointed)
	e.Text = fmt.Sprintf("Cadena de auditoría del %s sellada hasta la entrada %d.", date, c.Seq)
	e.Changes = map[string]mesa.Change{"seq": {After: c.Seq}, "hash": {After: c.Hash}}
	return c, tx.AppendEvents(ctx, []*mesa.Event{e})
}

var checkpointOrder = keyset{name: "checkpoints", keys: []key{{"audit_checkpoint.seq", numberKey}}, desc: true}

// AuditCheckpoints lists the checkpoints, the newest first. The caller has checked that the actor may look at them.
func (db *DB) AuditCheckpoints(ctx context.Context, p Page) (Slice[*mesa.AuditCheckpoint], error) {
	return list(ctx, db.read.NewSelect(), checkpointOrder, func(c *mesa.AuditCheckpoint) []any { return []any{c.Seq} }, p)
}

// The ids of events sort by their instants, and have an index.
var entryOrder = keyset{name: "audit", keys: []key{{"event.id", textKey}}, desc: true}

// AuditEntries lists the audit trail, the newest first. The caller has checked that the actor may look at it.
func (db *DB) AuditEntries(ctx context.Context, f mesa.AuditFilter, p Page) (Slice[*mesa.Event], error) {
	q := whereTimes(db.read.NewSelect(), "event.at", f.At)
	if f.At != nil && f.At.From != nil {
		q = q.Where("event.id >= ?", mesa.FirstEventID(*f.At.From))
	}
	if f.At != nil && f.At.To != nil {
		q = q.Where("event.id < ?", mesa.FirstEventID(f.At.To.Add(time.Microsecond)))
	}
	q = whereIs(q, "event.actor_id", f.ActorID)
	q = whereIs(q, "event.object_id", f.ObjectID)
	q = whereIs(q, "event.document_id", f.DocumentID)
	return list(ctx, whereTypes(q, f.Types), entryOrder, func(e *mesa.Event) []any { return []any{e.ID} }, p)
}

// whereTypes keeps events of one of the types; one that ends with a dot stands for all that begin with it.
func whereTypes(q *bun.SelectQuery, types []string) *bun.SelectQuery {
	if len(types) == 0 {
		return q
	}
	return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		for _, t := range types {
			if strings.HasSuffix(t, ".") {
				q = q.WhereOr("substr(event.type, 1, ?) = ?", len(t), t)
			} else {
				q = q.WhereOr("event.type = ?", t)
			}
		}
		return q
	})
}
