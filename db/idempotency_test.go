package db_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

func TestOnce(t *testing.T) {
	onMigrated(t, func(t *testing.T, _ string, database *db.DB) {
		ann, bob := &mesa.Actor{UserID: "usr_ann"}, &mesa.Actor{UserID: "usr_bob"}
		done, no := 0, errors.New("no")
		once := func(by *mesa.Actor, key *string, input string, end error) (result string, err error) {
			err = database.InTx(t.Context(), func(tx *db.Tx) error {
				return tx.Once(t.Context(), by, key, input, &result, func() error { done++; result = input + "!"; return end })
			})
			return result, err
		}
		key, long, longest, empty := "k", strings.Repeat("ñ", 129), strings.Repeat("k", 128), ""
		for _, c := range []struct {
			name  string
			by    *mesa.Actor
			key   *string
			input string
			end   error
			want  string
			code  mesa.Code
			done  int
		}{
			{"without a key", ann, nil, "a", nil, "a!", "", 1}, {"again without a key", ann, nil, "a", nil, "a!", "", 2},
			{"what fails is not remembered", ann, &key, "a", no, "a!", mesa.Internal, 3},
			{"the first time", ann, &key, "a", nil, "a!", "", 4}, {"the second time", ann, &key, "a", nil, "a!", "", 4},
			{"with another input", ann, &key, "b", nil, "", mesa.IdempotencyMismatch, 4}, {"somebody else", bob, &key, "b", nil, "b!", "", 5},
			{"a long key", ann, &longest, "a", nil, "a!", "", 6}, {"too long a key", ann, &long, "a", nil, "", mesa.ValidationFailed, 6},
			{"an empty key", ann, &empty, "a", nil, "", mesa.ValidationFailed, 6},
		} {
			got, err := once(c.by, c.key, c.input, c.end)
			if got != c.want || mesa.CodeOf(err) != c.code || done != c.done {
				t.Errorf("%s: %q, %v, done %d times; want %q, %q, %d", c.name, got, err, done, c.want, c.code, c.done)
			}
		}
	})
}

// A transaction that lost its request leaves the key free.
func TestOnceWithAnEndedRequest(t *testing.T) {
	onMigrated(t, func(t *testing.T, _ string, database *db.DB) {
		key, ann := "k", &mesa.Actor{UserID: "usr_ann"}
		ctx, cancel := context.WithCancel(t.Context())
		err := database.InTx(ctx, func(tx *db.Tx) error {
			return tx.Once(ctx, ann, &key, "a", new(string), func() error { cancel(); return nil })
		})
		if err == nil {
			t.Fatal("a request that ended was committed")
		}
		done := false
		err = database.InTx(t.Context(), func(tx *db.Tx) error {
			return tx.Once(t.Context(), ann, &key, "b", new(string), func() error { done = true; return nil })
		})
		if err != nil || !done {
			t.Errorf("afterwards: %v, done %v", err, done)
		}
	})
}
