package db

import (
	"context"
	"fmt"

	"github.com/mesapartes/mesa/mesa"
)

// deadlineNotice is that an event told of a due date; a document whose date moves is told of again.
type deadlineNotice struct {
	DocumentID mesa.DocumentID `bun:",pk"`
	Type       mesa.EventType  `bun:",pk"`
	DueOn      mesa.Date       `bun:",pk"`
}

// NoteDeadlines appends the events of documents that are due soon, or that became late, and of which no event has told yet: once for each
// document and due date, at most limit of them. It says how many there were.
func (db *DB) NoteDeadlines(ctx context.Context, limit int) (n int, err error) {
	cat, err := db.Catalogue(ctx, 0)
	if err != nil {
		return 0, err
	}
	today := cat.Today(db.Now())
	err = db.InTx(ctx, func(tx *Tx) error {
		n = 0
		for _, notice := range []struct {
			event    mesa.EventType
			from, to mesa.Date
			text     string
		}{
			{mesa.DocumentOverdue, mesa.NewDate(1, 1, 1), today.AddDays(-1), "Venció el "},
			{mesa.DocumentDueSoon, today, cat.Calendar.AmberUntil(today), "Vence el "},
		} {
			if n == limit {
				break // no limit is what SQL has for 0
			}
			found, err := tx.noteDeadlines(ctx, notice.event, notice.from, notice.to, notice.text, limit-n)
			if err != nil {
				return fmt.Errorf("note deadlines: %w", err)
			}
			n += found
		}
		return nil
	})
	return n, err
}

// noteDeadlines names all four open states as the index documents_open_due does: otherwise it could not be used.
func (tx *Tx) noteDeadlines(ctx context.Context, event mesa.EventType, from, to mesa.Date, text string, limit int) (int, error) {
	var rows []*mesa.Document
	q := tx.NewSelect().Model(&rows).Column("id", "due_on", "current_area_ids", "current_area_id").
		Where("document.state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS')").Where(running).Where("document.due_on BETWEEN ? AND ?", from, to).
		Where("NOT EXISTS (SELECT 1 FROM deadline_notices AS n WHERE n.document_id = document.id AND n.type = ? AND n.due_on = document.due_on)", event).
		Order("document.due_on", "document.id").Limit(int64(limit))
	if err := tx.db.dialect.forUpdate(q, "document").Scan(ctx); err != nil || len(rows) == 0 {
		return 0, err
	}
	now := tx.Now()
	notices, events := make([]*deadlineNotice, len(rows)), make([]*mesa.Event, len(rows))
	for i, d := range rows {
		notices[i] = &deadlineNotice{d.ID, event, d.DueOn}
		e := mesa.NewEvent(tx.IDs(), mesa.System(nil, "mesa"), now, event)
		e.DocumentID, e.Text, e.AreaIDs = d.ID, text+d.DueOn.Spanish()+".", d.CurrentAreaIDs
		if len(e.AreaIDs) == 0 {
			e.AreaIDs = []mesa.AreaID{d.CurrentAreaID}
		}
		events[i] = e
	}
	if _, err := tx.NewInsert().Model(&notices).Exec(ctx); err != nil {
		return 0, err
	}
	return len(rows), tx.AppendEvents(ctx, events)
}
