package jobs

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/files"
)

// upkeepBatch bounds how long one transaction keeps others from writing.
const upkeepBatch = 500

// Retention deletes what was kept for long enough: the files of reports, jobs that ended, keys of idempotency, calls to other institutions.
func Retention(database *db.DB, store files.Store) Handler {
	return func(ctx context.Context, w *Work) (Done, error) {
		expired, orphans, err := expireReports(ctx, database, store)
		if err != nil {
			return Done{}, err
		}
		forgotten := map[string]int64{"reportFiles": expired, "orphanFiles": orphans}
		for _, kind := range []struct {
			name   string
			forget func(ctx context.Context, limit int) (int64, error)
		}{
			{"jobs", database.ForgetJobs}, {"idempotencyKeys", database.ForgetIdempotencyKeys}, {"exchangeAttempts", database.ForgetAttempts},
			{"refreshTokens", database.ForgetRefreshTokens},
		} {
			if forgotten[kind.name], err = forgetAll(ctx, kind.forget); err != nil {
				return Done{}, err
			}
		}
		return Done{Result: forgotten}, nil
	}
}

func forgetAll(ctx context.Context, forget func(ctx context.Context, limit int) (int64, error)) (total int64, err error) {
	for {
		n, err := forget(ctx, upkeepBatch)
		total += n
		if err != nil || n < upkeepBatch {
			return total, err
		}
	}
}

// Upkeep keeps the database quick.
func Upkeep(database *db.DB) Handler {
	return func(ctx context.Context, w *Work) (Done, error) { return Done{}, database.Upkeep(ctx) }
}

// Deadlines records the events of documents that are due soon or late, once for each document and due date.
func Deadlines(database *db.DB) Handler {
	return func(ctx context.Context, w *Work) (Done, error) {
		total := 0
		for {
			n, err := database.NoteDeadlines(ctx, upkeepBatch)
			if err != nil {
				return Done{}, err
			}
			total += n
			w.Progress(int64(total), 0)
			if n < upkeepBatch {
				return Done{Result: map[string]int{"events": total}}, nil
			}
		}
	}
}
