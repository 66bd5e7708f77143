package db

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mesapartes/mesa/mesa"
)

// idempotencyKeptFor is how long a key is remembered.
const idempotencyKeptFor = 24 * time.Hour

// Once runs do unless the actor used the key before: then the result of that time is read into result instead, or, when the input was
// another, IdempotencyMismatch comes back. do leaves in result what is to be remembered. Without a key it just runs do. Two
// transactions with the same key wait for each other.
func (tx *Tx) Once(ctx context.Context, by *mesa.Actor, given *string, input, result any, do func() error) error {
	if given == nil {
		return do()
	}
	key := *given
	if key == "" || utf8.RuneCountInString(key) > 128 || strings.ContainsRune(key, 0) {
		return mesa.Invalid("idempotencyKey", "La clave de idempotencia tiene de 1 a 128 caracteres.")
	}
	hash, err := inputHash(input)
	if err != nil {
		return err
	}
	now := tx.Now()
	if _, err := tx.NewRaw("DELETE FROM idempotency_keys WHERE actor_id = ? AND key = ? AND created_at < ?", by.ID(), key, now.Add(-idempotencyKeptFor)).Exec(ctx); err != nil {
		return fmt.Errorf("forget idempotency key: %w", err)
	}
	claimed, err := tx.NewRaw("INSERT INTO idempotency_keys (actor_id, key, input_hash, result, created_at) VALUES (?, ?, ?, 'null', ?) ON CONFLICT DO NOTHING",
		by.ID(), key, hash, now).Exec(ctx)
	if err != nil {
		return fmt.Errorf("claim idempotency key: %w", err)
	}
	if n, _ := claimed.RowsAffected(); n == 0 {
		return tx.remembered(ctx, by, key, hash, result)
	}
	if err := do(); err != nil {
		return err
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("remember result: %w", err)
	}
	_, err = tx.NewRaw("UPDATE idempotency_keys SET result = ? WHERE actor_id = ? AND key = ?", string(raw), by.ID(), key).Exec(ctx)
	return err
}

// ForgetIdempotencyKeys deletes at most limit keys that were remembered for long enough, and says how many there were.
func (db *DB) ForgetIdempotencyKeys(ctx context.Context, limit int) (n int64, err error) {
	result, err := db.write.NewRaw("DELETE FROM idempotency_keys WHERE (actor_id, key) IN (SELECT actor_id, key FROM idempotency_keys WHERE created_at < ? LIMIT ?)",
		db.Now().Add(-idempotencyKeptFor), limit).Exec(ctx)
	if err != nil {
		return 0, fmt.Errorf("forget idempotency keys: %w", err)
	}
	return result.RowsAffected()
}

func (tx *Tx) remembered(ctx context.Context, by *mesa.Actor, key string, hash []byte, result any) error {
	var row struct {
		InputHash []byte
		Result    json.RawMessage
	}
	if err := tx.NewRaw("SELECT input_hash, result FROM idempotency_keys WHERE actor_id = ? AND key = ?", by.ID(), key).Scan(ctx, &row); err != nil {
		return fmt.Errorf("read idempotency key: %w", err)
	}
	if !bytes.Equal(row.InputHash, hash) {
		return mesa.Fail(mesa.IdempotencyMismatch, "idempotencyKey", "La clave ya se usó con otros datos.")
	}
	return json.Unmarshal(row.Result, result)
}

// inputHash tells one input from another.
func inputHash(input any) ([]byte, error) {
	raw, err := json.Marshal(input)
	if err != nil {
		return nil, fmt.Errorf("hash input: %w", err)
	}
	sum := sha256.Sum256(raw)
	return sum[:], nil
}

// jsonArray is texts as a JSON list, the form in which both databases keep and compare them.
func jsonArray[T ~string](values ...T) string {
	b, _ := json.Marshal(values) // texts always marshal
	return string(b)
}
