package db

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// Catalogue is the snapshot of the given version; it is read once per process and version. Version 0 asks for the present one.
func (db *DB) Catalogue(ctx context.Context, version int64) (*mesa.Catalogue, error) {
	if version == 0 {
		var err error
		if version, err = db.catalogueVersion(ctx); err != nil {
			return nil, err
		}
	}
	if c := db.catalogue.Load(); c != nil && c.Version >= version {
		return c, nil
	}
	db.catalogueMu.Lock()
	defer db.catalogueMu.Unlock()
	if c := db.catalogue.Load(); c != nil && c.Version >= version {
		return c, nil
	}
	c, err := db.loadCatalogue(ctx)
	if err != nil {
		return nil, fmt.Errorf("load catalogue: %w", err)
	}
	db.catalogue.Store(c)
	return c, nil
}

// loadCatalogue reads everything in one snapshot, so that the version says what it contains.
func (db *DB) loadCatalogue(ctx context.Context) (*mesa.Catalogue, error) {
	c := &mesa.Catalogue{Institution: &mesa.Institution{}}
	err := db.read.RunInTx(ctx, db.dialect.snapshot(), func(ctx context.Context, tx bun.Tx) error {
		if err := tx.NewRaw("SELECT version FROM catalogue_version").Scan(ctx, &c.Version); err != nil {
			return err
		}
		if err := tx.NewSelect().Model(c.Institution).Scan(ctx); err != nil {
			return fmt.Errorf("institution: %w", err)
		}
		for _, list := range []struct {
			into  any
			order string
		}{
			{&c.Areas, "code"}, {&c.Types, "code"}, {&c.Categories, "code"}, {&c.Purposes, "position"}, {&c.Registries, "code"},
			{&c.Policies, "code"}, {&c.Users, "full_name"},
		} {
			if err := tx.NewSelect().Model(list.into).Order(list.order).Scan(ctx); err != nil {
				return fmt.Errorf("%T: %w", list.into, err)
			}
		}
		return db.loadCalendar(ctx, tx, c)
	})
	if err != nil {
		return nil, err
	}
	return c.Index(), nil
}

func (db *DB) loadCalendar(ctx context.Context, tx bun.Tx, c *mesa.Catalogue) error {
	zone, err := time.LoadLocation(c.Institution.TimeZone)
	if err != nil {
		return fmt.Errorf("time zone of the institution: %w", err)
	}
	var (
		schedules   []mesa.WorkSchedule
		days        []mesa.CalendarDay
		suspensions []mesa.SuspensionRange
	)
	if err := tx.NewSelect().Model(&schedules).Order("valid_from").Scan(ctx); err != nil {
		return fmt.Errorf("work schedules: %w", err)
	}
	if err := tx.NewSelect().Model(&days).Order("date").Scan(ctx); err != nil {
		return fmt.Errorf("calendar days: %w", err)
	}
	if err := tx.NewSelect().Model(&suspensions).Order("from_on").Scan(ctx); err != nil {
		return fmt.Errorf("suspension ranges: %w", err)
	}
	c.Calendar = mesa.NewCalendar(zone, schedules, days, suspensions)
	return nil
}

// TouchCatalogue must be called by whoever changes a table of the catalogue, or what people may do: each process reads it anew with
// its next request.
func (tx *Tx) TouchCatalogue(ctx context.Context) error {
	var version int64
	if err := tx.NewRaw("UPDATE catalogue_version SET version = version + 1 RETURNING version").Scan(ctx, &version); err != nil {
		return fmt.Errorf("touch catalogue: %w", err)
	}
	tx.touched.catalogue(version)
	return nil
}
