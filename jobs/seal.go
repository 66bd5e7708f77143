package jobs

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// sealEvery is how often events without seals are looked for. It is not done at each commit, so that writers never wait for it.
const sealEvery = time.Second

// Seal seals the audit trail until ctx ends: what is committed has its seal about a second later. Every process may do it; of those that are
// at it at once one seals and the others look again.
func Seal(ctx context.Context, database *db.DB, log *slog.Logger) {
	for {
		began := time.Now()
		sealed, more, err := database.SealEvents(ctx)
		wait := time.Duration(float64(sealEvery) * (0.8 + 0.4*rand.Float64()))
		switch {
		case err != nil && ctx.Err() == nil:
			log.ErrorContext(ctx, "audit trail not sealed", "error", err)
			wait = afterFailed
		case more: // half of the time belongs to others
			wait = time.Since(began)
			log.DebugContext(ctx, "audit trail sealed", "events", sealed)
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// sealAll seals whatever is complete now.
func sealAll(ctx context.Context, database *db.DB) error {
	for {
		if _, more, err := database.SealEvents(ctx); err != nil || !more {
			return err
		}
	}
}

// Checkpoint notes once a day how far the audit trail is sealed.
func Checkpoint(database *db.DB) Handler {
	return func(ctx context.Context, w *Work) (Done, error) {
		if err := sealAll(ctx, database); err != nil {
			return Done{}, err
		}
		cat, err := database.Catalogue(ctx, 0)
		if err != nil {
			return Done{}, err
		}
		date := cat.Today(w.Job.CreatedAt)
		return Done{Also: func(ctx context.Context, tx *db.Tx, _ *mesa.Job) error {
			_, err := tx.AddCheckpoint(ctx, us(), date)
			return err
		}}, nil
	}
}
