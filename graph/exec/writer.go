// Package exec is generated from the schema: the executor, and writers in front of it.
package exec

import (
	"bytes"
	"context"
	"io"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Write is the JSON of the value of the field that is being resolved, as the executor would marshal it with all that is selected below it;
// nil where that takes the executor: a field that may have to wait, an error, something that is missing. schema is that of NewExecutableSchema.
//
// The executor makes a context, closures and a map for each field of each object. A writer appends what is in memory to one text.
func Write(ctx context.Context, schema graphql.ExecutableSchema, v any) (json graphql.Marshaler) {
	fc, s := graphql.GetFieldContext(ctx), schema.(*executableSchema)
	if fc.Field.Definition == nil {
		return nil
	}
	scratch := scratches.Get().(*[]byte)
	defer scratches.Put(scratch)
	w := &writer{executionContext: newExecutionContext(graphql.GetOperationContext(ctx), s, nil), json: (*scratch)[:0]}
	defer func() {
		if recover() != nil { // the executor will meet it again, and tell of it with its path
			json = nil
		}
	}()
	ok := w.value(ctx, fc.Field.Definition.Type, fc.Field.Selections, v)
	*scratch = w.json
	if !ok {
		return nil
	}
	return written(bytes.Clone(w.json))
}

// scratches are buffers to write in.
var scratches = sync.Pool{New: func() any { return new([]byte) }}

// value appends an object of a type, or a list of objects.
func (w *writer) value(ctx context.Context, t *ast.Type, sel ast.SelectionSet, v any) bool {
	if t.Elem == nil {
		return w.object(ctx, t.Name(), sel, v)
	}
	list := reflect.ValueOf(v)
	if list.Kind() != reflect.Slice || list.IsNil() {
		return false
	}
	w.raw('[')
	for i := range list.Len() {
		if i > 0 {
			w.raw(',')
		}
		switch item := list.Index(i); {
		case item.Kind() == reflect.Struct:
			v = item.Addr().Interface()
		case !item.IsNil():
			v = item.Interface()
		case t.Elem.NonNull:
			return false
		default:
			w.null()
			continue
		}
		if !w.value(ctx, t.Elem, sel, v) {
			return false
		}
	}
	w.raw(']')
	return true
}

// written is JSON that a writer made.
type written []byte

func (j written) MarshalGQL(w io.Writer) { _, _ = w.Write(j) }

// writer appends objects as JSON. What it has appended is of no use once one of its functions has said false.
type writer struct {
	*executionContext
	json       []byte
	selections map[selection][]field
}

// selection names what is selected of the objects of a type: the same for each object in a list.
type selection struct {
	first        *ast.Selection
	n            int
	implementors *string
}

// field is a field that is selected, and what its resolver needs, which is the same for each object.
type field struct {
	graphql.CollectedField
	fc  *graphql.FieldContext
	ctx context.Context // with fc
}

// Write appends what a scalar of the program writes of itself.
func (w *writer) Write(b []byte) (int, error) {
	w.json = append(w.json, b...)
	return len(b), nil
}

// WriteString is Write for a text.
func (w *writer) WriteString(s string) (int, error) {
	w.json = append(w.json, s...)
	return len(s), nil
}

func (w *writer) raw(c byte) { w.json = append(w.json, c) }

func (w *writer) null() { w.json = append(w.json, "null"...) }

// fields are the fields that are selected of an object; false when fragments on unrelated types select two under one name.
func (w *writer) fields(sel ast.SelectionSet, implementors []string) (fields []field, ok bool) {
	if len(sel) == 0 {
		return nil, true
	}
	key := selection{&sel[0], len(sel), &implementors[0]}
	if fields, ok = w.selections[key]; ok {
		return fields, true
	}
	for _, f := range graphql.CollectFields(w.OperationContext, sel, implementors) {
		for i := range fields {
			if fields[i].Alias == f.Alias && fields[i].ObjectDefinition != f.ObjectDefinition {
				return nil, false
			}
		}
		fields = append(fields, field{CollectedField: f})
	}
	if w.selections == nil {
		w.selections = map[selection][]field{}
	}
	w.selections[key] = fields
	return fields, true
}

// prepare makes what the resolver of a field of an object needs, once: its context with its arguments; false when these are wrong.
func (w *writer) prepare(ctx context.Context, f *field, object string, args func(context.Context, map[string]any) (map[string]any, error)) bool {
	if f.fc != nil {
		return true
	}
	fc := &graphql.FieldContext{Object: object, Field: f.CollectedField, IsMethod: true, IsResolver: true}
	f.ctx = graphql.WithFieldContext(ctx, fc)
	if args != nil {
		var err error
		if fc.Args, err = args(f.ctx, f.ArgumentMap(w.Variables)); err != nil {
			return false
		}
	}
	f.fc = fc
	return true
}

// key begins the field number i of an object.
func (w *writer) key(i int, alias string) {
	if i == 0 {
		w.json = append(w.json, '{')
	} else {
		w.json = append(w.json, ',')
	}
	w.json = append(w.json, '"')
	w.json = append(w.json, alias...)
	w.json = append(w.json, '"', ':')
}

// end ends an object with n fields.
func (w *writer) end(n int) {
	if n == 0 {
		w.json = append(w.json, '{')
	}
	w.json = append(w.json, '}')
}

func (w *writer) number(n int64) { w.json = strconv.AppendInt(w.json, n, 10) }

func (w *writer) boolean(b bool) { w.json = strconv.AppendBool(w.json, b) }

// time appends an instant; false for none.
func (w *writer) time(t time.Time) bool {
	if t.IsZero() {
		return false
	}
	w.raw('"')
	w.json = t.AppendFormat(w.json, time.RFC3339Nano)
	w.raw('"')
	return true
}

// text appends a text. Most have nothing that must be escaped.
func (w *writer) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			graphql.MarshalString(s).MarshalGQL(w)
			return
		}
	}
	w.raw('"')
	w.json = append(w.json, s...)
	w.raw('"')
}
