package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// keyUseNoted is how exactly it is known when a key was last used.
const keyUseNoted = time.Minute

// machine is who holds the secret of an API key now. Unauthenticated when there is no such key, or it is revoked or expired.
func (db *DB) machine(ctx context.Context, secret string) (*mesa.Actor, error) {
	now, hash := db.Now(), TokenHash(secret)
	row := struct {
		mesa.APIKey
		Version int64
	}{}
	err := db.read.NewRaw(`SELECT k.id, k.name, k.scopes, k.area_ids, k.integration_id, k.expires_at, k.last_used_at, v.version FROM api_keys AS k CROSS JOIN catalogue_version AS v
		WHERE (k.secret_hash = ? OR k.previous_hash = ? AND k.previous_until > ?) AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?)`,
		hash, hash, now, now).Scan(ctx, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mesa.ErrUnauthenticated()
	}
	if err != nil {
		return nil, fmt.Errorf("read API key: %w", err)
	}
	cat, err := db.Catalogue(ctx, row.Version)
	if err != nil {
		return nil, err
	}
	if now.Sub(row.LastUsedAt) >= keyUseNoted {
		db.noteKeyUse(ctx, row.ID, now)
	}
	return mesa.NewMachine(cat, &row.APIKey), nil
}

// noteKeyUse notes that a key is used. That it could not be noted stops nobody.
func (db *DB) noteKeyUse(ctx context.Context, id mesa.APIKeyID, now time.Time) {
	_, err := db.write.NewRaw("UPDATE api_keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= ?)", now, id, now.Add(-keyUseNoted)).Exec(ctx)
	if err != nil {
		db.log.WarnContext(ctx, "use of an API key not noted", "key", id, "error", err)
	}
}

// InsertAPIKey stores a new key.
func (tx *Tx) InsertAPIKey(ctx context.Context, k *mesa.APIKey) error {
	if _, err := tx.NewInsert().Model(k).Exec(ctx); err != nil {
		return fmt.Errorf("insert API key: %w", err)
	}
	return nil
}

// APIKey locks a key; NotFound of the field when there is none.
func (tx *Tx) APIKey(ctx context.Context, id mesa.APIKeyID, field string) (*mesa.APIKey, error) {
	k := &mesa.APIKey{}
	if err := tx.db.dialect.forUpdate(tx.NewSelect().Model(k).Where("id = ?", id), "api_key").Scan(ctx); err != nil {
		return nil, notFound(err, field, "lock API key")
	}
	return k, nil
}

// SaveAPIKey stores the secrets of a key and whether it is revoked; nothing else of it ever changes.
func (tx *Tx) SaveAPIKey(ctx context.Context, k *mesa.APIKey) error {
	if _, err := tx.NewUpdate().Model(k).Column("prefix", "secret_hash", "previous_hash", "previous_until", "revoked_at").WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("save API key: %w", err)
	}
	return nil
}

var keyOrder = keyset{name: "api-keys", keys: []key{{"api_key.id", textKey}}, desc: true}

// APIKeys lists all keys, the newest first. The caller has checked that the actor may look at them.
func (db *DB) APIKeys(ctx context.Context, p Page) (Slice[*mesa.APIKey], error) {
	return list(ctx, db.read.NewSelect(), keyOrder, func(k *mesa.APIKey) []any { return []any{k.ID} }, p)
}

// ClaimSubmission notes that a key hands in a document under an id of its own. It is false when the key did so before with the same input,
// and IdempotencyMismatch when the input was another. Two transactions with the same id wait for each other.
func (tx *Tx) ClaimSubmission(ctx context.Context, by *mesa.Actor, externalID string, input any) (bool, error) {
	hash, err := inputHash(input)
	if err != nil {
		return false, err
	}
	claimed, err := tx.NewRaw("INSERT INTO submissions (api_key_id, external_id, input_hash) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", by.ID(), externalID, hash).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("claim submission: %w", err)
	}
	if n, err := claimed.RowsAffected(); err != nil || n > 0 {
		return n > 0, err
	}
	same := false
	err = tx.NewRaw("SELECT input_hash = ? FROM submissions WHERE api_key_id = ? AND external_id = ?", hash, by.ID(), externalID).Scan(ctx, &same)
	switch {
	case err != nil:
		return false, fmt.Errorf("read submission: %w", err)
	case !same:
		return false, mesa.Fail(mesa.IdempotencyMismatch, "externalId", "Ese identificador ya se usó con otros datos.")
	}
	return false, nil
}

// Submission is the document that the actor's own key handed in under an id, whatever else the key may read; NotFound when there is none.
func (v *View) Submission(ctx context.Context, externalID string) (*mesa.Document, error) {
	doc := &mesa.Document{}
	err := v.idb.NewSelect().Model(doc).Where("document.integration_id = ? AND document.external_id = ?", v.actor.ID(), externalID).Scan(ctx)
	if err != nil {
		return nil, notFound(err, "externalId", "find submission")
	}
	return doc, nil
}
