// Package exec is generated from the schema: the executor, and writers in front of it.
package exec

import (
	"context"
	"io"
	"strconv"
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
	if fc.Field.Definition == nil || fc.Field.Definition.Type.Elem != nil {
		return nil
	}
	w := &writer{executionContext: newExecutionContext(graphql.GetOperationContext(ctx), s, nil)}
	defer func() {
		if recover() != nil { // the executor will meet it again, and tell of it with its path
			json = nil
		}
	}()
	if !w.object(ctx, fc.Field.Definition.Type.Name(), fc.Field.Selections, v) {
		return nil
	}
	return written(w.json)
}

// written is JSON that a writer made.
type written []byte

func (j written) MarshalGQL(w io.Writer) { _, _ = w.Write(j) }

// writer appends objects as JSON. What it has appended is of no use once one of its functions has said false.
type writer struct {
	*executionContext
	json []byte
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
func (w *writer) fields(sel ast.SelectionSet, implementors []string) (fields []graphql.CollectedField, ok bool) {
	fields = graphql.CollectFields(w.OperationContext, sel, implementors)
	for i := range fields {
		if fields[i].ObjectDefinition == fields[0].ObjectDefinition {
			continue
		}
		for j := range i {
			if fields[j].Alias == fields[i].Alias {
				return nil, false
			}
		}
	}
	return fields, true
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
