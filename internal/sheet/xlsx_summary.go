package sheet

import (
	"fmt"

	"github.com/xuri/excelize/v2"
)

const chartRows = 16 // that a chart covers, of 20 pixels each

// summary is the sheet "Resumen" while it is written, from the top down.
type summary struct {
	*workbook
	row    int
	right  int // the column of the charts, to the right of all tables
	widths []float64
	err    error // the first one
}

func (b *workbook) summary() error {
	s := &summary{workbook: b, row: 1, right: 4}
	for i := range b.Tables {
		s.right = max(s.right, len(b.Tables[i].Columns)+2)
	}
	s.head()
	s.indicators()
	for i := range b.Tables {
		s.table(&b.Tables[i])
	}
	for i, width := range s.widths {
		column, err := excelize.ColumnNumberToName(i + 1)
		s.check(err)
		s.check(b.file.SetColWidth(summarySheet, column, column, min(width, 60)))
	}
	return s.err
}

func (s *summary) check(err error) {
	if s.err == nil {
		s.err = err
	}
}

// set writes a plain value; style 0 is the value's own.
func (s *summary) set(column int, v any, kind Kind, style int) {
	value, own := s.cell(v, kind)
	if style == 0 {
		style = own
	}
	s.check(s.file.SetCellValue(summarySheet, at(column, s.row), value))
	s.check(s.file.SetCellStyle(summarySheet, at(column, s.row), at(column, s.row), style))
}

// widen makes a column wide enough.
func (s *summary) widen(column int, width float64) {
	for len(s.widths) < column {
		s.widths = append(s.widths, 12)
	}
	s.widths[column-1] = max(s.widths[column-1], width)
}

func (s *summary) head() {
	s.set(1, s.Title, Text, s.styles.title)
	s.row++
	s.set(1, s.Institution, Text, 0)
	s.row += 2
	s.widen(1, 28)
	for _, l := range s.job.head() {
		s.set(1, l.label, Text, s.styles.label)
		if l.label == rowsLabel {
			s.set(2, s.rows, Integer, 0)
		} else {
			s.set(2, l.text, Text, 0)
		}
		s.row++
	}
	s.row++
}

func (s *summary) indicators() {
	if len(s.Indicators) == 0 {
		return
	}
	s.set(1, "Indicadores", Text, s.styles.section)
	s.row++
	for _, in := range s.Indicators {
		value, err := s.plain(in.Value, in.Kind)
		s.check(err)
		s.set(1, in.Label, Text, s.styles.label)
		s.set(2, value, in.Kind, 0)
		s.widen(1, float64(len([]rune(in.Label))+2))
		s.row++
	}
	s.row++
}

func (s *summary) table(t *Table) {
	top := s.row
	s.set(1, t.Title, Text, s.styles.section)
	s.row++
	for i, c := range t.Columns {
		s.set(i+1, c.Title, Text, s.styles.header)
		s.widen(i+1, c.width())
	}
	s.row++
	s.check(s.eachOfTable(t, func(row []any) error {
		for i, v := range row {
			s.set(i+1, v, t.Columns[i].Kind, 0)
		}
		s.row++
		return s.err
	}))
	if values := t.drawn(); values != nil {
		s.chart(t, values, top)
		s.row = max(s.row, top+chartRows)
	}
	s.row++
}

// chart draws a table whose title stands in the row top; of the rows of lying bars and pies the first, as in the PDF. Its numbers stay
// linked to the cells.
func (s *summary) chart(t *Table, values []int, top int) {
	drawn := len(t.Rows)
	if t.Chart == Bars || t.Chart == Pie {
		drawn = min(drawn, maxBars)
	}
	first, last := top+2, top+1+drawn
	chart := &excelize.Chart{
		Type:      map[Chart]excelize.ChartType{Bars: excelize.Bar, Columns: excelize.Col, Lines: excelize.Line, Pie: excelize.Pie}[t.Chart],
		Title:     excelize.ChartTitle{Paragraph: []excelize.RichTextRun{{Text: cellText(t.Title)}}},
		Legend:    excelize.ChartLegend{Position: "bottom"},
		Dimension: excelize.ChartDimension{Width: 560, Height: (chartRows - 1) * 20},
		XAxis:     excelize.ChartAxis{ReverseOrder: t.Chart == Bars}, // the first category on top, as in the table
		YAxis:     excelize.ChartAxis{MajorGridLines: true},
	}
	for _, column := range values {
		chart.Series = append(chart.Series, excelize.ChartSeries{
			Name:       span(column+1, top+1, top+1),
			Categories: span(1, first, last),
			Values:     span(column+1, first, last),
		})
	}
	s.check(s.file.AddChart(summarySheet, at(s.right, top), chart))
}

// at is a cell: "B3".
func at(column, row int) string {
	name, err := excelize.CoordinatesToCellName(column, row)
	if err != nil {
		panic(err) // columns and rows are counted here, from one
	}
	return name
}

// span is a part of a column as a chart refers to it: "Resumen!$B$3:$B$9".
func span(column, first, last int) string {
	name, err := excelize.ColumnNumberToName(column)
	if err != nil {
		panic(err)
	}
	if first == last {
		return fmt.Sprintf("%s!$%s$%d", summarySheet, name, first)
	}
	return fmt.Sprintf("%s!$%s$%d:$%s$%d", summarySheet, name, first, name, last)
}
