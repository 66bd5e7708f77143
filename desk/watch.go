package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// WatchDocumentInput names a document to follow.
type WatchDocumentInput struct {
	DocumentID mesa.DocumentID
}

// Watch makes the actor follow a document they see, or (on false) no longer. Doing it twice is the same as once.
func (d *Desk) Watch(ctx context.Context, by *mesa.Actor, in WatchDocumentInput, on bool) (doc *mesa.Document, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		if doc, err = tx.View(by).Document(ctx, db.DocumentBy{ID: in.DocumentID}); err != nil {
			return onField(err, "documentId")
		}
		if !by.MayAnywhere(mesa.MayWatch) {
			return mesa.ErrForbidden(mesa.MayWatch)
		}
		changed, err := tx.Watch(ctx, by.UserID, doc.ID, on)
		if err != nil || !changed {
			return err
		}
		e := mesa.NewEvent(tx.IDs(), by, tx.Now(), map[bool]mesa.EventType{true: mesa.WatchStarted, false: mesa.WatchEnded}[on])
		e.DocumentID = doc.ID
		return tx.AppendEvents(ctx, []*mesa.Event{e})
	})
	return doc, err
}
