package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/mesa"
)

type indexesCmd struct {
	JSON bool `help:"Print JSON, one index on each line."`
}

// sizedIndex is an index as it is printed.
type sizedIndex struct {
	*db.Index
	Size int64 // bytes
}

// Run prints what each index is for, what it costs and whether it is used; the exit code is 1 when one is missing or invalid.
func (c *indexesCmd) Run(out *streams, s *settings) error {
	return withStore(out, s, func(st *store, _ *desk.Desk, _ *mesa.Actor) error {
		list, err := st.Indexes(out.ctx)
		if err != nil {
			return err
		}
		sizes, err := st.IndexSizes(out.ctx)
		if err != nil {
			return err
		}
		sized, faults := make([]sizedIndex, len(list)), 0
		for i, index := range list {
			sized[i] = sizedIndex{index, sizes[index.Name]}
			if index.State.IsFault() {
				faults++
			}
		}
		if c.JSON {
			err = printLines(out.stdout, sized)
		} else {
			err = printIndexes(out.stdout, sized)
		}
		if err == nil && faults > 0 {
			err = fmt.Errorf("%d indexes are missing or invalid", faults)
		}
		return err
	})
}

func printIndexes(to io.Writer, list []sizedIndex) error {
	w := table(to, "INDEX", "STATE", "MB", "SCANS", "COLUMNS", "FOR")
	for _, i := range list {
		scans := "–"
		if i.Scans != nil {
			scans = fmt.Sprint(*i.Scans)
		}
		state := string(i.State)
		if i.Like != "" {
			state += " of " + i.Like
		}
		reasons := i.Serves
		if i.Rule != "" {
			reasons = append([]string{i.Rule}, reasons...)
		}
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%s\t%s (%s)\t%s\n", i.Name, state, float64(i.Size)/(1<<20), scans, i.Table, i.Columns, strings.Join(reasons, "; "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, i := range list {
		switch {
		case i.State == db.IndexMissing:
			fmt.Fprintf(to, "\nto make it again: %s;\n", i.Definition)
		case i.State == db.IndexInvalid:
			fmt.Fprintf(to, "\nto finish it: REINDEX INDEX %s;\n", i.Name)
		}
	}
	return nil
}
