package graph

import (
	"context"
	"errors"
	"time"

	"github.com/vikstrous/dataloadgen"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// How loaders batch; docs/decisions/0003-loaders.md has the measurements.
const (
	loaderWait  = time.Millisecond
	loaderBatch = 1000
)

// loaders batch the look-ups of one response. They are named by their key and already see only what the actor may see.
type loaders struct {
	view *db.View

	Document                 *dataloadgen.Loader[mesa.DocumentID, *mesa.Document]
	Derivation               *dataloadgen.Loader[mesa.DerivationID, *mesa.Derivation]
	ArchiveRecord            *dataloadgen.Loader[mesa.ArchiveRecordID, *mesa.ArchiveRecord]
	Event                    *dataloadgen.Loader[mesa.EventID, *mesa.Event]
	LegsByDocument           *dataloadgen.Loader[mesa.DocumentID, []*mesa.Derivation]
	ArchiveRecordsByDocument *dataloadgen.Loader[mesa.DocumentID, []*mesa.ArchiveRecord]
	DerivationPages          *dataloadgen.Loader[db.ChildPage[mesa.DocumentID], *db.Slice[*mesa.Derivation]]
	TimelinePages            *dataloadgen.Loader[db.ChildPage[mesa.DocumentID], *db.Slice[*mesa.Event]]
	Job                      *dataloadgen.Loader[mesa.JobID, *mesa.Job]
	Report                   *dataloadgen.Loader[mesa.ReportID, *mesa.ReportRun]
	AttemptsByJob            *dataloadgen.Loader[mesa.JobID, []*mesa.JobAttempt]
	Integration              *dataloadgen.Loader[mesa.IntegrationID, *mesa.Integration]
	Message                  *dataloadgen.Loader[mesa.MessageID, *mesa.ExchangeMessage]
	MessagePages             *dataloadgen.Loader[db.ChildPage[mesa.IntegrationID], *db.Slice[*mesa.ExchangeMessage]]
	SealsByEvent             *dataloadgen.Loader[int64, *mesa.Seal] // by the sequence of the event
	AttemptsByMessage        *dataloadgen.Loader[mesa.MessageID, []*mesa.ExchangeAttempt]
	Account                  *dataloadgen.Loader[mesa.UserID, *mesa.Account]
}

// withLoaders makes ctx carry fresh loaders for a view.
func (r *Resolver) withLoaders(ctx context.Context, view *db.View) context.Context {
	return context.WithValue(ctx, loadersKey{}, r.loaders(ctx, view))
}

// loaders are fresh loaders for a view. Their statements run under this ctx, not under that of whichever field happens to ask first.
func (r *Resolver) loaders(ctx context.Context, view *db.View) *loaders {
	m := r.Metrics
	return &loaders{
		view:                     view,
		Document:                 loader(ctx, m, "Document", view.DocumentsByID),
		Derivation:               loader(ctx, m, "Derivation", view.DerivationsByID),
		ArchiveRecord:            loader(ctx, m, "ArchiveRecord", view.ArchiveRecordsByID),
		Event:                    loader(ctx, m, "Event", view.EventsByID),
		LegsByDocument:           loader(ctx, m, "LegsByDocument", view.LegsByDocument),
		ArchiveRecordsByDocument: loader(ctx, m, "ArchiveRecordsByDocument", view.ArchiveRecordsByDocument),
		DerivationPages:          loader(ctx, m, "DerivationPages", view.DerivationPages),
		TimelinePages:            loader(ctx, m, "TimelinePages", view.TimelinePages),
		Job:                      loader(ctx, m, "Job", r.DB.JobsByID),
		Report:                   loader(ctx, m, "Report", r.DB.ReportsByID),
		AttemptsByJob:            loader(ctx, m, "AttemptsByJob", r.DB.AttemptsByJob),
		Integration:              loader(ctx, m, "Integration", r.DB.IntegrationsByID),
		Message:                  loader(ctx, m, "Message", view.MessagesByID),
		MessagePages:             loader(ctx, m, "MessagePages", view.MessagePages),
		SealsByEvent:             loader(ctx, m, "SealsByEvent", r.DB.SealsByEvent),
		AttemptsByMessage:        loader(ctx, m, "AttemptsByMessage", r.DB.AttemptsByMessage),
		Account:                  loader(ctx, m, "Account", view.AccountsByUser),
	}
}

func loader[K comparable, V any](ctx context.Context, m *metrics.Metrics, name string, fetch func(context.Context, []K) (map[K]V, error)) *dataloadgen.Loader[K, V] {
	return dataloadgen.NewMappedLoader(func(asking context.Context, keys []K) (map[K]V, error) {
		ctx, span := trace.Begin(trace.Under(ctx, asking), "loader", name)
		span.Int("mesa.batch.size", len(keys))
		m.Batch(name, len(keys))
		values, err := fetch(context.WithValue(ctx, loaderKey{}, name), keys)
		span.End(err)
		return values, err
	}, dataloadgen.WithWait(loaderWait), dataloadgen.WithBatchCapacity(loaderBatch))
}

// prime puts values into a loader that somebody looked ahead for.
func prime[K comparable, V any](l *dataloadgen.Loader[K, V], values map[K]V) {
	for k, v := range values {
		l.Prime(k, v)
	}
}

func loadersOf(ctx context.Context) *loaders {
	if later, ok := ctx.Value(loadersKey{}).(func() *loaders); ok {
		return later()
	}
	return ctx.Value(loadersKey{}).(*loaders)
}

// maybe loads what may be missing: nil for an empty key and for what is not there or not visible.
func maybe[K comparable, V any](ctx context.Context, l *dataloadgen.Loader[K, *V], key K) (*V, error) {
	var none K
	if key == none {
		return nil, nil
	}
	v, err := l.Load(ctx, key)
	if errors.Is(err, dataloadgen.ErrNotFound) {
		return nil, nil
	}
	return v, err
}

// must loads what has to be there; what is not is NotFound.
func must[K ~string, V any](ctx context.Context, l *dataloadgen.Loader[K, *V], key K) (*V, error) {
	v, err := maybe(ctx, l, key)
	if err == nil && v == nil {
		return nil, mesa.ErrNotFound("")
	}
	return v, err
}
