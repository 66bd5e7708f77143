// Package model has the generated connections and payloads, and the scalar that Go has no type of its own for.
package model

import (
	"errors"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// MarshalDateTime writes an instant, null for none.
func MarshalDateTime(t time.Time) graphql.Marshaler { return graphql.MarshalTime(t) }

// UnmarshalDateTime reads an instant in RFC 3339, or null, of the years 1 to 9999 in UTC and to the microsecond: what both databases store.
// An offset can lead beyond these years from their first and last day.
func UnmarshalDateTime(v any) (time.Time, error) {
	if v == nil {
		return time.Time{}, nil
	}
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, err
	}
	t = t.UTC().Truncate(time.Microsecond)
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errors.New("the instant is out of range")
	}
	return t, nil
}
