package jobs

import (
	"context"

	"github.com/mesapartes/mesa/db"
)

// forgetBatch bounds how long a deletion keeps others from writing.
const forgetBatch = 500

// Retention deletes what was kept for long enough: jobs that ended, keys of idempotency.
func Retention(database *db.DB) Handler {
	return func(ctx context.Context, w *Work) (Done, error) {
		forgotten := map[string]int64{}
		for _, kind := range []struct {
			name   string
			forget func(ctx context.Context, limit int) (int64, error)
		}{
			{"jobs", database.ForgetJobs}, {"idempotencyKeys", database.ForgetIdempotencyKeys},
		} {
			for {
				n, err := kind.forget(ctx, forgetBatch)
				if err != nil {
					return Done{}, err
				}
				forgotten[kind.name] += n
				if n < forgetBatch {
					break
				}
			}
		}
		return Done{Result: forgotten}, nil
	}
}

// Upkeep keeps the database quick.
func Upkeep(database *db.DB) Handler {
	return func(ctx context.Context, w *Work) (Done, error) { return Done{}, database.Upkeep(ctx) }
}
