package graph

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph/model"
	"github.com/mesapartes/mesa/internal/bus"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// A subscription reads the world anew for each event, with the rights that the subscriber has by then, and ends when they may no
// longer look.

// documentChanges follows one document.
func (r *Resolver) documentChanges(ctx context.Context, id mesa.DocumentID) (<-chan *model.DocumentChange, error) {
	if _, err := viewOf(ctx).Document(ctx, db.DocumentBy{ID: id}); err != nil {
		return nil, err
	}
	return follow(ctx, r, func(e *mesa.Event) bool { return e.DocumentID == id && e.Type.IsShown() },
		func(ctx context.Context, view *db.View, e *mesa.Event) (*model.DocumentChange, error) {
			doc, err := view.Document(ctx, db.DocumentBy{ID: id})
			return &model.DocumentChange{Event: e, Document: doc}, err
		})
}

// trayChanges follows the trays of an area.
func (r *Resolver) trayChanges(ctx context.Context, areaID string) (<-chan *model.TrayChange, error) {
	area, err := r.visibleArea(ctx, areaID)
	if err != nil {
		return nil, err
	}
	return follow(ctx, r, func(e *mesa.Event) bool { return e.Type.IsShown() && slices.Contains(e.AreaIDs, area) },
		func(ctx context.Context, view *db.View, e *mesa.Event) (*model.TrayChange, error) {
			if !view.Actor().SeesArea(area) {
				return nil, mesa.ErrForbidden(mesa.MayReadDocuments)
			}
			if _, err := view.Document(ctx, db.DocumentBy{ID: e.DocumentID}); err != nil {
				return nil, skip(err)
			}
			counts, err := view.TrayCounts(ctx, area)
			return &model.TrayChange{Event: e, Counts: counts}, err
		})
}

// skip makes an event that the subscriber may not see pass unseen; other errors end the subscription.
func skip(err error) error {
	if mesa.CodeOf(err) == mesa.NotFound {
		return nil
	}
	return err
}

// follow turns events into messages until the reader leaves, the server stops or the subscriber's rights are gone. It breaks off when the reader
// is too far behind or the world cannot be read.
func follow[T any](ctx context.Context, r *Resolver, want func(*mesa.Event) bool, tell func(context.Context, *db.View, *mesa.Event) (*T, error)) (<-chan *T, error) {
	token := callerOf(ctx).token
	events, err := r.Feed.Follow(ctx, want)
	if err != nil {
		return nil, err
	}
	out := make(chan *T)
	go func() {
		defer close(out)
		for {
			e, err := events.Next()
			var message *T
			if err == nil {
				message, err = messageOf(ctx, r, token, e, tell)
			}
			if err != nil {
				r.endOf(ctx, err)
				return
			}
			if message == nil {
				continue
			}
			select {
			case out <- message:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// messageOf reads what an event means to whoever holds the token now.
func messageOf[T any](ctx context.Context, r *Resolver, token string, e *mesa.Event, tell func(context.Context, *db.View, *mesa.Event) (*T, error)) (message *T, err error) {
	ctx, span := r.Tracer.Begin(ctx, trace.Origin{Kind: "event", Name: string(e.Type)})
	defer func() { span.End(err) }()
	actor, err := r.DB.Actor(ctx, token)
	if err != nil {
		return nil, err
	}
	return tell(ctx, r.DB.View(actor), e)
}

// ending is how a subscription ended: what broke off is not complete, and its client should ask again.
type ending struct{ broken atomic.Bool }

type endingKey struct{}

// withEnding makes a context for a subscription in which it can be seen how it ended.
func withEnding(ctx context.Context) (context.Context, *ending) {
	e := new(ending)
	return context.WithValue(ctx, endingKey{}, e), e
}

// endOf notes why a subscription ends: it breaks off unless the reader left, the server stops, or there is nothing left that the reader may see.
func (r *Resolver) endOf(ctx context.Context, why error) {
	switch mesa.CodeOf(why) {
	case mesa.NotFound, mesa.Forbidden, mesa.Unauthenticated:
		return
	}
	if ctx.Err() != nil || errors.Is(why, bus.ErrEnded) {
		return
	}
	r.Log.WarnContext(ctx, "subscription broke off", "error", why)
	endingOf(ctx).broken.Store(true)
}

func endingOf(ctx context.Context) *ending {
	if e, ok := ctx.Value(endingKey{}).(*ending); ok {
		return e
	}
	return new(ending) // nobody looks
}
