package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// out is JSON written by hand.
type out struct{ b []byte }

var outs = sync.Pool{New: func() any { return &out{b: make([]byte, 0, 64<<10)} }}

// reply lets write make the answer, or tells what failed.
func reply(w http.ResponseWriter, write func(o *out) error) {
	o := outs.Get().(*out)
	defer outs.Put(o)
	o.b = o.b[:0]
	if err := write(o); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(o.b)
}

func (o *out) raw(s string) { o.b = append(o.b, s...) }

// comma separates the items of a list.
func (o *out) comma() {
	if c := o.b[len(o.b)-1]; c != '[' && c != '{' {
		o.b = append(o.b, ',')
	}
}

func (o *out) text(s string) {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == '"' || s[i] == '\\' {
			b, _ := json.Marshal(s) // a text always marshals
			o.b = append(o.b, b...)
			return
		}
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, s...)
	o.b = append(o.b, '"')
}

// key writes a name that needs no escaping, with its colon.
func (o *out) key(name string) {
	o.comma()
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

// maybe writes a text, null for the empty one.
func (o *out) maybe(s text) {
	if s == "" {
		o.raw("null")
		return
	}
	o.text(string(s))
}

// named writes an object with one text, null when there is none.
func (o *out) named(key string, s text) {
	if s == "" {
		o.raw("null")
		return
	}
	o.raw(`{"` + key + `":`)
	o.text(string(s))
	o.b = append(o.b, '}')
}

func (o *out) int(n int) { o.b = strconv.AppendInt(o.b, int64(n), 10) }

func (o *out) bool(v bool) { o.b = strconv.AppendBool(o.b, v) }

func (o *out) float(f *float64) {
	if f == nil {
		o.raw("null")
		return
	}
	o.b = strconv.AppendFloat(o.b, *f, 'f', -1, 64)
}

func (o *out) date(d mesa.Date) {
	if d.IsZero() {
		o.raw("null")
		return
	}
	y, m, day := d.YMD()
	o.b = append(o.b, '"')
	o.b = time.Date(y, m, day, 0, 0, 0, 0, time.UTC).AppendFormat(o.b, time.DateOnly)
	o.b = append(o.b, '"')
}

func (o *out) time(t instant) {
	if time.Time(t).IsZero() {
		o.raw("null")
		return
	}
	o.b = append(o.b, '"')
	o.b = time.Time(t).UTC().AppendFormat(o.b, time.RFC3339Nano)
	o.b = append(o.b, '"')
}

// text is a column that may be NULL.
type text string

// Scan reads a text or NULL.
func (t *text) Scan(v any) error {
	switch v := v.(type) {
	case string:
		*t = text(v)
	case []byte:
		*t = text(v)
	default:
		*t = ""
	}
	return nil
}

// number is a column that may be NULL.
type number int

// Scan reads a number or NULL.
func (n *number) Scan(v any) error {
	i, _ := v.(int64)
	*n = number(i)
	return nil
}

// instant is a column that may be NULL; SQLite forgets in a UNION that it is one and hands over its text.
type instant time.Time

// Scan reads an instant or NULL.
func (t *instant) Scan(v any) (err error) {
	switch v := v.(type) {
	case time.Time:
		*t = instant(v)
	case string:
		var at time.Time
		at, err = time.Parse("2006-01-02 15:04:05.999999-07:00", v)
		*t = instant(at)
	default:
		*t = instant{}
	}
	return err
}
