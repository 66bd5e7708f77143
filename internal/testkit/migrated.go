package testkit

import (
	"context"
	"fmt"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/demo"
)

// Fill adds rows to a database for tests.
type Fill func(ctx context.Context, database *db.DB) error

// Migrated prepares a template: a database with the schema, and with what each fill adds, in their order. It panics when one fails.
func Migrated(opts db.Options, fills ...Fill) func(url string) {
	return func(url string) {
		ctx := context.Background()
		database, err := db.Open(ctx, url, opts)
		if err != nil {
			panic(err)
		}
		defer database.Close()
		if _, err := database.Migrate(ctx); err != nil {
			panic(err)
		}
		for _, fill := range fills {
			if err := fill(ctx, database); err != nil {
				panic(fmt.Errorf("fill a template: %w", err))
			}
		}
	}
}

// Base adds the institution as it is before anybody is there.
func Base(ctx context.Context, database *db.DB) error {
	_, err := demo.CreateBase(ctx, database)
	return err
}

// Demo adds the demo institution with a history of so many documents; none when that is negative.
func Demo(documents int) Fill {
	return func(ctx context.Context, database *db.DB) error {
		_, _, err := demo.Create(ctx, database, demo.Options{Seed: 1, Documents: documents})
		return err
	}
}
