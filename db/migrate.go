package db

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/migrations"
)

// Migration is one numbered step of the schema.
type Migration struct {
	Name      string    // NNNN_topic
	AppliedAt time.Time // zero while it is pending
	Newer     bool      // a newer program applied it: this one does not know it
}

// Migrate applies what is pending, in one transaction for each step with its mark, and returns the names of what it applied.
// Several processes may call it at once: one works, the others wait and find nothing to do. ErrNewer when something is pending in a database
// that a newer program has migrated: what is pending there was not written for what it finds.
func (db *DB) Migrate(ctx context.Context) ([]string, error) {
	var applied []string
	for {
		name, err := db.applyNext(ctx)
		if err != nil || name == "" {
			return applied, err
		}
		applied = append(applied, name)
	}
}

func (db *DB) applyNext(ctx context.Context) (name string, err error) {
	err = db.InTx(ctx, func(tx *Tx) error {
		name = ""
		if err := db.dialect.lockMigrations(ctx, tx); err != nil {
			return err
		}
		if err := beginMigrations(ctx, tx); err != nil {
			return err
		}
		list, err := db.migrations(ctx, tx)
		if err != nil {
			return err
		}
		next := slices.IndexFunc(list, func(m Migration) bool { return m.AppliedAt.IsZero() && !m.Newer })
		if next < 0 {
			return nil
		}
		if last := list[len(list)-1]; last.Newer {
			return fmt.Errorf("the database lacks migration %s, but %w (migration %s)", list[next].Name, ErrNewer, last.Name)
		}
		name = list[next].Name
		return db.apply(ctx, tx, name)
	})
	return name, err
}

// beginMigrations makes the table that says what is applied.
func beginMigrations(ctx context.Context, tx *Tx) error {
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)"); err != nil {
		return fmt.Errorf("create schema_migrations: %w", err)
	}
	return nil
}

func (db *DB) apply(ctx context.Context, tx *Tx, name string) error {
	text, err := fs.ReadFile(migrations.Files, path.Join(db.Backend(), name+".sql"))
	if err != nil {
		return err
	}
	if _, err := tx.Tx.Tx.ExecContext(ctx, string(text)); err != nil { // past bun, which would read ? in it as a placeholder
		return fmt.Errorf("migration %s: %w", name, err)
	}
	_, err = tx.NewRaw("INSERT INTO schema_migrations (name, applied_at) VALUES (?, ?)", name, tx.Now().Format(time.RFC3339)).Exec(ctx)
	return err
}

// Migrations lists all steps in order, with the instant at which each was applied, and behind them those of a newer program. In an empty
// database all are pending.
func (db *DB) Migrations(ctx context.Context) ([]Migration, error) {
	var begun bool
	if err := db.read.NewRaw(db.dialect.hasTable("schema_migrations")).Scan(ctx, &begun); err != nil {
		return nil, fmt.Errorf("look for schema_migrations: %w", err)
	}
	if !begun {
		return db.pending()
	}
	return db.migrations(ctx, db.read)
}

// PendingMigrations are the names of the steps that are not applied, in order; all is how many steps this program has.
func (db *DB) PendingMigrations(ctx context.Context) (names []string, all int, err error) {
	list, err := db.Migrations(ctx)
	for _, m := range list {
		if m.Newer {
			continue
		}
		if all++; m.AppliedAt.IsZero() {
			names = append(names, m.Name)
		}
	}
	return names, all, err
}

// NewerMigrations are the names of the steps that a newer program has applied, in order.
func (db *DB) NewerMigrations(ctx context.Context) (names []string, err error) {
	list, err := db.Migrations(ctx)
	for _, m := range list {
		if m.Newer {
			names = append(names, m.Name)
		}
	}
	return names, err
}

func (db *DB) migrations(ctx context.Context, from bun.IDB) ([]Migration, error) {
	list, err := db.pending()
	if err != nil {
		return nil, err
	}
	var rows []struct{ Name, AppliedAt string }
	if err := from.NewRaw("SELECT name, applied_at FROM schema_migrations ORDER BY name").Scan(ctx, &rows); err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	for _, row := range rows {
		at, _ := time.Parse(time.RFC3339, row.AppliedAt)
		if i := slices.IndexFunc(list, func(m Migration) bool { return m.Name == row.Name }); i >= 0 {
			list[i].AppliedAt = at
		} else {
			list = append(list, Migration{row.Name, at, true})
		}
	}
	return list, nil
}

// pending lists the steps that this binary has, none of them applied.
func (db *DB) pending() ([]Migration, error) {
	files, err := fs.Glob(migrations.Files, db.Backend()+"/*.sql")
	if err != nil {
		return nil, err
	}
	list := make([]Migration, len(files))
	for i, f := range files {
		list[i].Name = strings.TrimSuffix(path.Base(f), ".sql")
	}
	return list, nil
}
