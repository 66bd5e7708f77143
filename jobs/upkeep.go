package jobs

import (
	"context"
	"log/slog"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/mesa"
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

// digestOf is how many of the statements a digest tells of.
const digestOf = 10

// Digest tells the log and whoever looks at its job of the statements that were slow yesterday and today, and forgets those of long ago.
func Digest(database *db.DB, log *slog.Logger) Handler {
	return func(ctx context.Context, w *Work) (Done, error) {
		worst, err := database.SlowStatements(ctx, 1, digestOf)
		if err != nil {
			return Done{}, err
		}
		forgotten, err := database.ForgetSlow(ctx)
		if err != nil {
			return Done{}, err
		}
		type line struct {
			Fingerprint  string
			Operation    mesa.Text
			Count, Slow  int64
			P95Ms, MaxMs float64
		}
		lines := make([]line, len(worst))
		for i, s := range worst {
			lines[i] = line{s.Fingerprint, s.Operation, s.Count, s.Slow, s.P95Ms(), s.MaxMs()}
			log.WarnContext(ctx, "slow statement of yesterday", "fingerprint", s.Fingerprint, "operation", s.Operation, "field", s.Field, "count", s.Count, "slow", s.Slow, "p95Ms", s.P95Ms(), "maxMs", s.MaxMs())
		}
		return Done{Result: map[string]any{"worst": lines, "forgotten": forgotten}}, nil
	}
}

// WarmUp reads this year's figures of the institution before people come, so that the first who asks does not wait for the disk.
func WarmUp(database *db.DB) Handler {
	return func(ctx context.Context, w *Work) (Done, error) {
		cat, err := database.Catalogue(ctx, 0)
		if err != nil {
			return Done{}, err
		}
		today := cat.Today(database.Now())
		year, _, _ := today.YMD()
		figures, err := database.View(mesa.System(cat, "mesa")).Statistics(ctx, mesa.StatisticsFilter{From: mesa.NewDate(year, 1, 1), To: today})
		if err != nil {
			return Done{}, err
		}
		return Done{}, figures.Read(ctx)
	}
}
