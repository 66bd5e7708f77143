package sheet

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// ndjson writes {"report": …} first, then a line for each row of each table and of the list. Texts are as they were given.
func (j *job) ndjson(w io.Writer) error {
	out := newJSONWriter(w)
	if err := j.ndjsonHead(out); err != nil {
		return err
	}
	for i := range j.Tables {
		t := &j.Tables[i]
		if err := j.eachOfTable(t, func(row []any) error { return out.row(t.Key, t.Columns, row) }); err != nil {
			return err
		}
	}
	if j.List != nil {
		if err := j.eachOfList(func(row []any) error { return out.row("", j.List.Columns, row) }); err != nil {
			return err
		}
	}
	return out.w.Flush()
}

// ndjsonHead writes the first line. Its rows are those to expect, null when nobody knows: a reader can tell whether the file is whole.
func (j *job) ndjsonHead(out *jsonWriter) error {
	out.line.WriteString(`{"report":{`)
	out.member("institution", j.Institution)
	out.member("title", j.Title)
	out.key("filters")
	out.line.WriteByte('[')
	for _, f := range j.Filters {
		out.comma()
		out.value(f)
	}
	out.line.WriteByte(']')
	out.member("asOf", j.AsOf)
	out.member("by", j.By)
	out.member("rows", j.expected())
	out.key("indicators")
	out.line.WriteByte('{')
	for _, in := range j.Indicators {
		value, err := j.plain(in.Value, in.Kind)
		if err != nil {
			return err
		}
		out.member(in.Key, value)
	}
	out.line.WriteString("}}}")
	return out.end()
}

func (j *job) expected() any {
	if j.List == nil {
		return j.rows
	}
	if j.List.Total < 0 {
		return nil
	}
	return j.List.Total
}

// jsonWriter writes objects whose members keep their order.
type jsonWriter struct {
	w    *bufio.Writer
	line bytes.Buffer
	text *json.Encoder // into line
}

func newJSONWriter(w io.Writer) *jsonWriter {
	out := &jsonWriter{w: bufio.NewWriterSize(w, 64<<10)}
	out.text = json.NewEncoder(&out.line)
	out.text.SetEscapeHTML(false)
	return out
}

func (out *jsonWriter) row(table string, columns []Column, cells []any) error {
	out.line.WriteByte('{')
	if table != "" {
		out.member("table", table)
	}
	for i, c := range columns {
		out.member(c.Key, cells[i])
	}
	out.line.WriteByte('}')
	return out.end()
}

func (out *jsonWriter) member(key string, v any) {
	out.key(key)
	out.value(v)
}

func (out *jsonWriter) key(key string) {
	out.comma()
	out.string(key)
	out.line.WriteByte(':')
}

// comma goes before whatever does not come first.
func (out *jsonWriter) comma() {
	if b := out.line.Bytes(); b[len(b)-1] != '{' && b[len(b)-1] != '[' {
		out.line.WriteByte(',')
	}
}

func (out *jsonWriter) value(v any) {
	b := out.line.AvailableBuffer()
	switch x := v.(type) {
	case nil:
		b = append(b, "null"...)
	case string:
		out.string(x)
		return
	case int:
		b = strconv.AppendInt(b, int64(x), 10)
	case int64:
		b = strconv.AppendInt(b, x, 10)
	case float64:
		b = strconv.AppendFloat(b, x, 'g', -1, 64)
	case mesa.Date:
		b = append(append(append(b, '"'), x.String()...), '"')
	case time.Time:
		b = append(x.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	}
	out.line.Write(b)
}

func (out *jsonWriter) string(s string) {
	out.text.Encode(s)                    // a string cannot fail
	out.line.Truncate(out.line.Len() - 1) // the encoder ends with a new line
}

func (out *jsonWriter) end() error {
	out.line.WriteByte('\n')
	_, err := out.line.WriteTo(out.w)
	return err
}
