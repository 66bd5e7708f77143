package desk

import (
	"context"
	"slices"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// CreateAPIKeyInput is a new API key.
type CreateAPIKeyInput struct {
	Name           string
	Scopes         []mesa.KeyScope
	AreaIDs        []mesa.AreaID
	IntegrationID  mesa.IntegrationID
	ExpiresAt      *time.Time
	IdempotencyKey *string
}

// CreateAPIKey creates a key. Its secret comes back this once; a repeat with the same idempotency key gives the key alone.
func (d *Desk) CreateAPIKey(ctx context.Context, by *mesa.Actor, in CreateAPIKeyInput) (key *mesa.APIKey, secret string, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		key, secret = nil, "" // what an earlier try of the transaction left
		if err := mayManageKeys(by); err != nil {
			return err
		}
		var result struct{ ID mesa.APIKeyID }
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() (err error) {
			if key, secret, err = in.create(ctx, by, tx); err != nil {
				return err
			}
			result.ID = key.ID
			if err := tx.InsertAPIKey(ctx, key); err != nil {
				return err
			}
			return noteKey(ctx, tx, by, mesa.APIKeyCreated, key)
		})
		if err == nil && key == nil { // a repeat
			key, err = tx.APIKey(ctx, result.ID, "apiKeyId")
		}
		return err
	})
	return key, secret, err
}

func (in CreateAPIKeyInput) create(ctx context.Context, by *mesa.Actor, tx *db.Tx) (*mesa.APIKey, string, error) {
	now, secret := tx.Now(), mesa.NewKeySecret()
	key := &mesa.APIKey{
		ID: tx.IDs().APIKey(now), Name: line(in.Name), Prefix: mesa.SecretPrefix(secret), SecretHash: db.TokenHash(secret),
		Scopes: distinct(in.Scopes), AreaIDs: distinct(in.AreaIDs), IntegrationID: in.IntegrationID, CreatedByID: by.UserID, CreatedAt: now,
	}
	if in.ExpiresAt != nil {
		key.ExpiresAt = in.ExpiresAt.UTC().Truncate(time.Microsecond)
	}
	of, err := tx.IntegrationOfKey(ctx, key)
	if err != nil {
		return nil, "", err
	}
	return key, secret, key.Check(by.Catalogue, now, of)
}

// distinct keeps the first of each value; never nil.
func distinct[T comparable](values []T) []T {
	list := []T{}
	for _, v := range values {
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// RotateAPIKeyInput says which key gets another secret, and how long the present one goes on holding.
type RotateAPIKeyInput struct {
	APIKeyID     mesa.APIKeyID
	OverlapHours int
}

// RotateAPIKey gives a key another secret, which comes back this once. Name, scopes, desks and what was handed in stay the key's.
func (d *Desk) RotateAPIKey(ctx context.Context, by *mesa.Actor, in RotateAPIKeyInput) (key *mesa.APIKey, secret string, err error) {
	secret = mesa.NewKeySecret()
	key, err = d.changeKey(ctx, by, in.APIKeyID, mesa.APIKeyRotated, func(k *mesa.APIKey, now time.Time) error {
		return k.Rotate(now, in.OverlapHours, secret, db.TokenHash(secret))
	})
	return key, secret, err
}

// RevokeAPIKeyInput says which key ends.
type RevokeAPIKeyInput struct{ APIKeyID mesa.APIKeyID }

// RevokeAPIKey ends a key: its next request is refused. A key that is revoked already stays as it is.
func (d *Desk) RevokeAPIKey(ctx context.Context, by *mesa.Actor, in RevokeAPIKeyInput) (*mesa.APIKey, error) {
	return d.changeKey(ctx, by, in.APIKeyID, mesa.APIKeyRevoked, func(k *mesa.APIKey, now time.Time) error {
		if k.RevokedAt.IsZero() {
			k.RevokedAt = now
		}
		return nil
	})
}

// changeKey changes a key under lock and notes it if it did change.
func (d *Desk) changeKey(ctx context.Context, by *mesa.Actor, id mesa.APIKeyID, what mesa.EventType, change func(*mesa.APIKey, time.Time) error) (key *mesa.APIKey, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		if err := mayManageKeys(by); err != nil {
			return err
		}
		if key, err = tx.APIKey(ctx, id, "apiKeyId"); err != nil {
			return err
		}
		wasRevoked := !key.RevokedAt.IsZero()
		if err := change(key, tx.Now()); err != nil || wasRevoked {
			return err
		}
		if err := tx.SaveAPIKey(ctx, key); err != nil {
			return err
		}
		return noteKey(ctx, tx, by, what, key)
	})
	return key, err
}

func noteKey(ctx context.Context, tx *db.Tx, by *mesa.Actor, what mesa.EventType, key *mesa.APIKey) error {
	return note(ctx, tx, by, what, string(key.ID), about{Text: key.Name})
}

// APIKeys lists all keys, the newest first.
func (d *Desk) APIKeys(ctx context.Context, by *mesa.Actor, p db.Page) (db.Slice[*mesa.APIKey], error) {
	if err := mayManageKeys(by); err != nil {
		return db.Slice[*mesa.APIKey]{}, d.Deny(ctx, by, err)
	}
	return d.db.APIKeys(ctx, p)
}

// mayManageKeys: a key is the whole institution's, so the right has to hold there.
func mayManageKeys(by *mesa.Actor) error {
	return by.RequireEverywhere(mesa.MayManageKeys)
}
