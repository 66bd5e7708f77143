package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// Events are tailed in the order of their commits. A sequence number does not give that order on PostgreSQL, where a transaction that
// began earlier may commit later; a reader that goes by it skips the late ones. So each row carries the number of its transaction, and
// a reader takes only rows of transactions older than any that still runs (the horizon). SQLite has one writer: there the sequence
// is the order.

// Tail is a place in the stream of events. The zero value is the beginning.
type Tail struct{ Tx, Seq int64 }

// AppendEvents adds events at the end of the transaction's work.
func (tx *Tx) AppendEvents(ctx context.Context, events []*mesa.Event) error {
	if len(events) == 0 {
		return nil
	}
	if _, err := tx.NewInsert().Model(&events).ExcludeColumn("seq", "tx").Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("append events: %w", err)
	}
	tx.touched.events(events)
	return nil
}

// TailEnd is the place after all events that are certainly complete now.
func (db *DB) TailEnd(ctx context.Context) (Tail, error) {
	var t Tail
	err := db.read.NewRaw("SELECT tx, seq FROM events WHERE "+db.dialect.complete()+" ORDER BY "+db.dialect.latest()+" LIMIT 1").Scan(ctx, &t.Tx, &t.Seq)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return t, fmt.Errorf("end of events: %w", err)
	}
	return t, nil
}

// EventsAfter reads at most limit complete events after a place, in commit order.
func (db *DB) EventsAfter(ctx context.Context, t Tail, limit int) ([]*mesa.Event, error) {
	return db.completeAfter(ctx, db.read, t, limit)
}

func (db *DB) completeAfter(ctx context.Context, from bun.IDB, t Tail, limit int) ([]*mesa.Event, error) {
	var events []*mesa.Event
	where, args, order := db.dialect.after(t)
	err := from.NewSelect().Model(&events).Where(where, args...).Where(db.dialect.complete()).OrderExpr(order).Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return events, nil
}

// EventsByID finds what timelines of visible documents show; the others are missing from the map.
func (v *View) EventsByID(ctx context.Context, ids []mesa.EventID) (map[mesa.EventID]*mesa.Event, error) {
	var rows []*mesa.Event
	q := v.idb.NewSelect().Model(&rows).Join("JOIN documents AS document ON document.id = event.document_id").Where("event.id IN (?)", bun.List(ids)).Where(shownEvent)
	if err := v.visible(q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("events by id: %w", err)
	}
	found := byID(rows, func(e *mesa.Event) mesa.EventID { return e.ID })
	sawParts(ctx, v, ids, found, func(e *mesa.Event) mesa.DocumentID { return e.DocumentID })
	return found, nil
}

// commits wakes whoever waits for the next commit of this process.
type commits struct {
	mu   sync.Mutex
	next chan struct{}
}

// Committed is closed by the next commit of this process. Ask for it before reading, so that no commit falls between.
func (db *DB) Committed() <-chan struct{} { return db.commits.wait() }

func (c *commits) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = make(chan struct{})
	}
	return c.next
}

func (c *commits) announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}
