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
	repeat(ctx, log, "audit trail not sealed", sealEvery, func() (more bool, err error) {
		sealed, more, err := database.SealEvents(ctx)
		if more {
			log.DebugContext(ctx, "audit trail sealed", "events", sealed)
		}
		return more, err
	})
}

// mergeEvery is how often changes are merged into the tallies. Until then each figure adds them up.
const mergeEvery = 10 * time.Second

// Merge merges the changes of tallies until ctx ends. Every process may do it.
func Merge(ctx context.Context, database *db.DB, log *slog.Logger) {
	repeat(ctx, log, "tallies not merged", mergeEvery, func() (bool, error) { return false, database.MergeTallies(ctx) })
}

// repeat does something about so often until ctx ends, and says in the log when it failed.
func repeat(ctx context.Context, log *slog.Logger, failed string, every time.Duration, do func() (more bool, err error)) {
	for {
		began := time.Now()
		more, err := do()
		wait := time.Duration(float64(every) * (0.8 + 0.4*rand.Float64()))
		switch {
		case err != nil && ctx.Err() == nil:
			log.ErrorContext(ctx, failed, "error", err)
			wait = afterFailed
		case more: // half of the time belongs to others
			wait = time.Since(began)
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
