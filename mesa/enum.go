package mesa

import (
	"fmt"
	"io"
	"slices"
)

// Text is an optional text: empty reads as null.
type Text string

// MarshalGQL writes null for the empty text.
func (t Text) MarshalGQL(w io.Writer) {
	if t == "" {
		io.WriteString(w, "null")
		return
	}
	writeString(w, string(t))
}

// UnmarshalGQL reads a string or null.
func (t *Text) UnmarshalGQL(v any) error {
	switch v := v.(type) {
	case nil:
		*t = ""
	case string:
		*t = Text(v)
	default:
		return fmt.Errorf("%T is not a string", v)
	}
	return nil
}

// writeEnum writes an enum value; the empty one, which means "none", is null.
func writeEnum[T ~string](w io.Writer, v T) {
	if v == "" {
		io.WriteString(w, "null")
		return
	}
	writePlain(w, string(v)) // names are letters
}

// readEnum accepts exactly the valid names, case included; null, where the schema allows it, is the empty value.
func readEnum[T ~string](v any, into *T, valid []T) error {
	if v == nil {
		*into = ""
		return nil
	}
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("%T is not an enum value", v)
	}
	if !slices.Contains(valid, T(s)) {
		return fmt.Errorf("%q is not one of %v", s, valid)
	}
	*into = T(s)
	return nil
}
