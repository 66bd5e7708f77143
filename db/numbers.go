package db

import (
	"context"
	"fmt"

	"github.com/mesapartes/mesa/mesa"
)

// Series of numbers beside those of registries.
const (
	derivationSeries = "DER"
	derivationNumber = "DER-{year}-{seq:6}"
	locationNumber   = "EST-{code}-{year}-{seq:4}"
)

// Allocate takes the next n numbers of a series and returns the first. The counter's row stays locked until the transaction ends, so
// that what is rolled back is given out again: no gaps, no duplicates. Take numbers as late as possible.
func (tx *Tx) Allocate(ctx context.Context, series string, year, n int) (int64, error) {
	var last int64
	err := tx.NewRaw(`INSERT INTO counters (series, year, last) VALUES (?, ?, ?)
		ON CONFLICT (series, year) DO UPDATE SET last = counters.last + excluded.last RETURNING last`, series, year, n).Scan(ctx, &last)
	if err != nil {
		return 0, fmt.Errorf("allocate %s-%d: %w", series, year, err)
	}
	return last - int64(n) + 1, nil
}

// number gives the new document, legs and archive record of a file their numbers. Counters are taken in the order of their series'
// names, by everybody, so that nobody deadlocks: DER, EST, then the registry's.
func (tx *Tx) number(ctx context.Context, f *mesa.File, changes mesa.Changes) error {
	cat := f.Catalogue()
	year, _, _ := cat.Today(f.At()).YMD()
	if n := len(changes.NewLegs); n > 0 {
		first, err := tx.Allocate(ctx, derivationSeries, year, n)
		if err != nil {
			return err
		}
		for i, leg := range changes.NewLegs {
			leg.Number = mesa.FormatNumber(derivationNumber, derivationSeries, year, first+int64(i), "")
		}
	}
	if r := changes.Record; r != nil && r.LocationCode == "" {
		code := mesa.ClassCode(r.Classification)
		seq, err := tx.Allocate(ctx, "EST-"+code, year, 1)
		if err != nil {
			return err
		}
		r.LocationCode = mesa.FormatNumber(locationNumber, code, year, seq, "")
	}
	if f.Doc.State == mesa.Registered && f.Doc.Seq == 0 {
		return tx.numberDocument(ctx, cat, f.Doc, year)
	}
	return nil
}

func (tx *Tx) numberDocument(ctx context.Context, cat *mesa.Catalogue, doc *mesa.Document, year int) error {
	registry := cat.RegistryFor(doc.DeskAreaID)
	if registry == nil {
		return fmt.Errorf("no registry for desk %s and no default one", doc.DeskAreaID)
	}
	counterYear := year
	if !registry.IsYearly {
		counterYear = 0
	}
	seq, err := tx.Allocate(ctx, "REG-"+string(registry.ID), counterYear, 1)
	if err != nil {
		return err
	}
	area := ""
	if a := cat.Area(doc.DeskAreaID); a != nil {
		area = a.Code
	}
	doc.RegistryID, doc.Year, doc.Seq = registry.ID, year, seq
	doc.FileNumber = mesa.Text(mesa.FormatNumber(registry.Pattern, registry.Code, year, seq, area))
	return nil
}
