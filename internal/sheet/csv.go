package sheet

import (
	"bufio"
	"io"
	"strings"
)

const byteOrderMark = "\uFEFF" // without it Excel reads UTF-8 as the code page of the machine

// csv writes the list; without one the only table; else indicators and tables one figure a line.
func (j *job) csv(w io.Writer) error {
	out := &csvWriter{w: bufio.NewWriterSize(w, 64<<10)}
	out.w.WriteString(byteOrderMark)
	if err := j.csvRows(out); err != nil {
		return err
	}
	return out.w.Flush()
}

func (j *job) csvRows(out *csvWriter) error {
	switch {
	case j.List != nil:
		if err := out.row(titles(j.List.Columns)); err != nil {
			return err
		}
		return j.eachOfList(out.row)
	case len(j.Tables) == 1:
		if err := out.row(titles(j.Tables[0].Columns)); err != nil {
			return err
		}
		return j.eachOfTable(&j.Tables[0], out.row)
	}
	return j.csvFigures(out)
}

// csvFigures is the long form: whatever the tables look like, a figure is found by where it stands.
func (j *job) csvFigures(out *csvWriter) error {
	if err := out.row([]any{"Sección", "Fila", "Indicador", "Valor"}); err != nil {
		return err
	}
	for _, in := range j.Indicators {
		value, err := j.plain(in.Value, in.Kind)
		if err != nil {
			return err
		}
		if err := out.row([]any{"Indicadores", nil, in.Label, value}); err != nil {
			return err
		}
	}
	for i := range j.Tables {
		t := &j.Tables[i]
		if err := j.eachOfTable(t, func(row []any) error { return out.figures(t, row) }); err != nil {
			return err
		}
	}
	return nil
}

func titles(columns []Column) (row []any) {
	for _, c := range columns {
		row = append(row, c.Title)
	}
	return row
}

// csvWriter writes RFC 4180. It is not encoding/csv because that, asked for CRLF between rows, also rewrites the line ends inside of texts.
type csvWriter struct {
	w    *bufio.Writer
	line []byte
}

func (c *csvWriter) figures(t *Table, row []any) error {
	for i := 1; i < len(row); i++ {
		if err := c.row([]any{t.Title, row[0], t.Columns[i].Title, row[i]}); err != nil {
			return err
		}
	}
	return nil
}

func (c *csvWriter) row(cells []any) error {
	c.line = c.line[:0]
	for i, v := range cells {
		if i > 0 {
			c.line = append(c.line, ',')
		}
		c.field(v)
	}
	if len(c.line) == 0 {
		c.line = append(c.line, `""`...) // readers skip an empty line
	}
	c.line = append(c.line, "\r\n"...)
	_, err := c.w.Write(c.line)
	return err
}

func (c *csvWriter) field(v any) {
	text, ok := v.(string)
	if !ok {
		c.line = appendPlain(c.line, v) // numbers and dates need no quotes, and a negative number is no formula
		return
	}
	text = neutral(validText(text))
	if !strings.ContainsAny(text, "\",\r\n") {
		c.line = append(c.line, text...)
		return
	}
	c.line = append(c.line, '"')
	c.line = append(c.line, strings.ReplaceAll(text, `"`, `""`)...)
	c.line = append(c.line, '"')
}
