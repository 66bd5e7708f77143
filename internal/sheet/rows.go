package sheet

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

const tellEvery = 500 // rows

// job is one report on its way into a file.
type job struct {
	*Report
	ctx      context.Context
	zone     *time.Location
	limit    int
	progress func(int)
	rows     int // done
	told     int
}

// check finds what would make a broken file. Excel repairs, which is to say damages, a table with two columns of one name.
func (j *job) check() error {
	for i := range j.Tables {
		if err := checkColumns(j.Tables[i].Title, j.Tables[i].Columns); err != nil {
			return err
		}
		if j.List == nil {
			j.rows += len(j.Tables[i].Rows)
		}
	}
	if j.rows > j.limit || j.List != nil && j.List.Total > j.limit {
		return j.tooMany()
	}
	if j.List == nil {
		return nil
	}
	return checkColumns(j.List.Title, j.List.Columns)
}

func checkColumns(table string, columns []Column) error {
	if len(columns) == 0 {
		return fmt.Errorf("table %q has no columns", table)
	}
	seen := map[string]bool{}
	for _, c := range columns {
		key, title := "key "+c.Key, "title "+strings.ToLower(c.Title)
		if c.Key == "" || c.Title == "" || seen[key] || seen[title] {
			return fmt.Errorf("table %q: column %q (%s) has no key or title of its own", table, c.Title, c.Key)
		}
		seen[key], seen[title] = true, true
	}
	return nil
}

func (j *job) tooMany() error { return fmt.Errorf("%w: at most %d", ErrTooManyRows, j.limit) }

// eachOfList reads the list and hands over its rows as plain values, in a slice that is used again.
func (j *job) eachOfList(write func(row []any) error) error {
	cells := make([]any, len(j.List.Columns))
	for row, err := range j.List.Rows {
		if j.ctx.Err() != nil {
			return context.Cause(j.ctx)
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", j.rows+1, err)
		}
		if j.rows == j.limit {
			return j.tooMany()
		}
		if err := j.plainRow(cells, j.List.Columns, row); err != nil {
			return fmt.Errorf("row %d: %w", j.rows+1, err)
		}
		if err := write(cells); err != nil {
			return err
		}
		if j.rows++; j.rows%tellEvery == 0 {
			j.tell()
		}
	}
	return nil
}

// eachOfTable does the same with a table in memory.
func (j *job) eachOfTable(t *Table, write func(row []any) error) error {
	cells := make([]any, len(t.Columns))
	for i, row := range t.Rows {
		if err := j.plainRow(cells, t.Columns, row); err != nil {
			return fmt.Errorf("table %q, row %d: %w", t.Title, i+1, err)
		}
		if err := write(cells); err != nil {
			return err
		}
	}
	return nil
}

// tell reports progress, each number once.
func (j *job) tell() {
	if j.progress != nil && (j.rows != j.told || j.rows == 0) {
		j.told = j.rows
		j.progress(j.rows)
	}
}

func (j *job) plainRow(cells []any, columns []Column, row []any) (err error) {
	if len(row) != len(columns) {
		return fmt.Errorf("%d values for %d columns", len(row), len(columns))
	}
	for i, v := range row {
		if cells[i], err = j.plain(v, columns[i].Kind); err != nil {
			return fmt.Errorf("column %s: %w", columns[i].Key, err)
		}
	}
	return nil
}

// plain is a value as the formats take it: nil, a string, an int or int64, a finite float64, a date, or an instant in the report's zone.
func (j *job) plain(v any, kind Kind) (any, error) {
	switch x := v.(type) {
	case nil, string, int, int64:
		return v, nil
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, nil
		}
		return v, nil
	case *float64:
		if x == nil {
			return nil, nil
		}
		return j.plain(*x, kind)
	case mesa.Date:
		if x.IsZero() {
			return nil, nil
		}
		return v, nil
	case time.Time:
		if x.IsZero() {
			return nil, nil
		}
		if kind == Date {
			return mesa.DateOf(x, j.zone), nil
		}
		return x.In(j.zone), nil
	}
	return nil, fmt.Errorf("a %T is no value of a cell", v)
}

// number is the value of a figure that can be drawn.
func number(v any) (float64, bool) {
	switch x := v.(type) {
	case int:
		return float64(x), true
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// drawn are the columns that a table's chart draws.
func (t *Table) drawn() []int {
	values := t.Values
	if len(values) == 0 {
		for i, c := range t.Columns {
			if i > 0 && c.Kind.isNumber() {
				values = append(values, i)
			}
		}
	}
	if t.Chart == None || len(t.Rows) == 0 || len(values) == 0 {
		return nil
	}
	if t.Chart == Pie {
		return values[:1]
	}
	return values
}

// width is how many characters a column gets.
func (c Column) width() float64 {
	if c.Width > 0 {
		return c.Width
	}
	byKind := [...]float64{Text: 24, Integer: 10, Decimal: 12, Percent: 10, Date: 12, DateTime: 17}[c.Kind]
	return max(byKind, float64(len([]rune(c.Title))+3)) // room for the button of the filter
}
