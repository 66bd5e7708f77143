package db_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/mesapartes/mesa/db"
)

func TestNumbersAreTakenInRowsAndGivenBack(t *testing.T) {
	onMigrated(t, func(t *testing.T, _ string, database *db.DB) {
		ctx, no := t.Context(), errors.New("no")
		take := func(series string, year, n int, end error) (first int64) {
			err := database.InTx(ctx, func(tx *db.Tx) (err error) {
				if first, err = tx.Allocate(ctx, series, year, n); err != nil {
					return err
				}
				return end
			})
			if !errors.Is(err, end) {
				t.Fatal(err)
			}
			return first
		}
		for _, c := range []struct {
			series  string
			year, n int
			end     error
			want    int64
		}{
			{"DER", 2026, 1, nil, 1}, {"DER", 2026, 3, nil, 2}, {"DER", 2026, 2, no, 5}, {"DER", 2026, 1, nil, 5}, {"DER", 2027, 1, nil, 1}, {"EST-LG", 2026, 1, nil, 1},
		} {
			if got := take(c.series, c.year, c.n, c.end); got != c.want {
				t.Errorf("%d of %s %d begin at %d, want %d", c.n, c.series, c.year, got, c.want)
			}
		}
	})
}

func TestNumbersTakenAtOnceAreDifferentAndWithoutGaps(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, database *db.DB) {
		handles, ctx := []*db.DB{database, another(t, url)}, t.Context()
		var (
			all   sync.WaitGroup
			mu    sync.Mutex
			taken []int64
		)
		for i := range 90 {
			all.Go(func() {
				var first int64
				err := handles[i%2].InTx(ctx, func(tx *db.Tx) (err error) {
					if first, err = tx.Allocate(ctx, "DER", 2026, 1+i%3); err == nil && i%10 == 9 {
						err = errors.New("no")
					}
					return err
				})
				if (err != nil) != (i%10 == 9) {
					t.Errorf("%d: %v", i, err)
				}
				if err != nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for n := range int64(1 + i%3) {
					taken = append(taken, first+n)
				}
			})
		}
		all.Wait()
		slices.Sort(taken)
		for i, n := range taken {
			if n != int64(i+1) {
				t.Fatalf("the numbers are %v", taken)
			}
		}
	})
}
