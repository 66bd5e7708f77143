// Package sheet writes a report in one of the formats that people and programs open: XLSX, PDF, CSV or NDJSON.
//
// It knows what a table, a chart and a date in es-PE look like and nothing of documents. The one long table of a report is streamed:
// its rows go from the iterator to the file, so that memory stays bounded however long it is.
package sheet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
	"time"
)

// Format is a kind of file.
type Format string

// The formats of a report.
const (
	XLSX   Format = "XLSX"   // a workbook: "Resumen", with native charts, and the list on a sheet of its own
	PDF    Format = "PDF"    // A4 pages for reading and printing
	CSV    Format = "CSV"    // the table alone, as spreadsheets in Peru open it
	NDJSON Format = "NDJSON" // a line of JSON for the head and for each row, exact, for programs
)

// Formats are all of them.
var Formats = []Format{XLSX, PDF, CSV, NDJSON}

// Rows that a report may have. NDJSON has no limit.
const (
	MaxRows    = 500_000 // in XLSX and CSV
	MaxPDFRows = 5_000
)

// ErrTooManyRows says that a report has more rows than its format may have; see Format.MaxRows.
var ErrTooManyRows = errors.New("the report has too many rows for its format")

// Extension is how the name of a file ends: ".xlsx".
func (f Format) Extension() string { return "." + strings.ToLower(string(f)) }

// MediaType is the Content-Type of a file; "" for a format that does not exist.
func (f Format) MediaType() string {
	switch f {
	case XLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case PDF:
		return "application/pdf"
	case CSV:
		return "text/csv; charset=utf-8; header=present"
	case NDJSON:
		return "application/x-ndjson"
	}
	return ""
}

// MaxRows is how many rows a report of this format may have.
func (f Format) MaxRows() int {
	switch f {
	case PDF:
		return MaxPDFRows
	case NDJSON:
		return math.MaxInt
	}
	return MaxRows
}

// Kind is what a column holds. It decides alignment, width and number format; the type of a value decides what kind of cell it gets.
type Kind int

// The kinds of a column.
const (
	Text Kind = iota
	Integer
	Decimal // two digits are shown; files for programs get all of them
	Percent // of a hundred: 12.5 is shown as 12.5 %
	Date    // dd/mm/yyyy; an instant is the local date
	DateTime
)

func (k Kind) isNumber() bool { return k == Integer || k == Decimal || k == Percent }

// Column is a column of a table.
type Column struct {
	Key   string // name of the field in NDJSON: English, lowerCamel
	Title string // es-PE
	Kind  Kind
	Width float64 // in characters; 0 is by kind and title
}

// Indicator is a small key figure.
type Indicator struct {
	Key, Label string
	Kind       Kind
	Value      any
}

// Chart is how a table is drawn, beside its numbers. In PDF a pie becomes bars, which can be read in grey.
type Chart int

// The charts. Bars lie, columns stand.
const (
	None Chart = iota
	Bars
	Columns
	Lines
	Pie // of one column
)

// Table is a small table in memory.
type Table struct {
	Key, Title string
	Columns    []Column
	Rows       [][]any
	Chart      Chart
	Values     []int // columns that the chart draws over the categories of the first one; none are all with numbers
}

// List is the long table of a report, streamed.
type List struct {
	Title   string // also the name of its sheet; "" is "Documentos"
	Columns []Column
	Rows    iter.Seq2[[]any, error] // a row is used only until the next one is asked for
	Total   int                     // rows to expect; negative is unknown
}

// Report is a report in words and values, whatever the format.
//
// A value is nil (an empty cell), a string, an int or int64, a float64, a time.Time or a mesa.Date; a *float64 counts as its number or nil.
// Zero instants, zero dates and numbers that are not finite are empty.
type Report struct {
	Institution, Title string
	Filters            []string // in words: "Período: del 01/01/2026 al 31/01/2026"
	AsOf               time.Time
	Zone               *time.Location // of all instants; nil is UTC
	By                 string         // who asked for it
	Indicators         []Indicator
	Tables             []Table
	List               *List
}

// Write writes a report and returns how many rows it has: those of the list or, without one, those of its tables. After an error w holds
// a part of a file, which is of no use.
//
// It calls progress, when there is one, with the rows done: every 500 rows and at the end. When ctx ends it stops within some rows and
// returns the cause. More rows than the format may have are ErrTooManyRows, at once when List.Total says so. What List.Rows reports comes
// back wrapped. XLSX keeps a long sheet in the folder for temporary files while it writes, and leaves nothing there.
func Write(ctx context.Context, w io.Writer, f Format, r *Report, progress func(rows int)) (rows int, err error) {
	j := &job{Report: r, ctx: ctx, limit: f.MaxRows(), progress: progress, zone: r.Zone}
	if j.zone == nil {
		j.zone = time.UTC
	}
	write := map[Format]func(io.Writer) error{XLSX: j.xlsx, PDF: j.pdf, CSV: j.csv, NDJSON: j.ndjson}[f]
	if write == nil {
		return 0, fmt.Errorf("there is no format %q", f)
	}
	if err = j.check(); err == nil {
		err = write(&output{ctx: ctx, w: w})
	}
	if err != nil && ctx.Err() != nil { // whatever it was that noticed first
		err = context.Cause(ctx)
	}
	if err == nil {
		j.tell()
	}
	return j.rows, err
}

// output stops when its context ends, also in the middle of packing a large file.
type output struct {
	ctx context.Context
	w   io.Writer
}

func (o *output) Write(b []byte) (int, error) {
	if o.ctx.Err() != nil {
		return 0, context.Cause(o.ctx)
	}
	return o.w.Write(b)
}
