package db_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
)

// Four processes migrate an empty database at once: each step is applied by one of them, and all find it done.
func TestMigrationsRunOnceHoweverManyTry(t *testing.T) {
	testkit.EachDatabase(t, func(t *testing.T, url string) {
		t.Parallel()
		ctx := t.Context()
		var (
			all     sync.WaitGroup
			mu      sync.Mutex
			applied []string
		)
		for range 4 {
			database := another(t, url)
			all.Go(func() {
				names, err := database.Migrate(ctx)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				applied = append(applied, names...)
			})
		}
		all.Wait()
		database := another(t, url)
		steps, err := database.Migrations(ctx)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, step := range steps {
			if step.AppliedAt.IsZero() {
				t.Errorf("%s is pending", step.Name)
			}
			names = append(names, step.Name)
		}
		slices.Sort(applied)
		if len(names) == 0 || !slices.Equal(applied, names) || !slices.IsSorted(names) {
			t.Errorf("applied %v of %v", applied, names)
		}
		if again, err := database.Migrate(ctx); err != nil || len(again) != 0 {
			t.Errorf("once more: %v, %v", again, err)
		}
		faults, err := database.Inconsistencies(ctx)
		if err != nil || len(faults) != 0 {
			t.Errorf("a new database is inconsistent: %v, %v", faults, err)
		}
	})
}

func TestOnlyKnownDatabasesAreOpened(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "mysql://x", "mesa.db", "postgres://u:secret@h:99999999/x"} {
		if database, err := db.Open(t.Context(), url, db.Options{}); err == nil {
			database.Close()
			t.Errorf("%q was opened", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
