package desk

import (
	"context"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/exchange"
	"github.com/mesapartes/mesa/mesa"
)

// Exchanging makes the desk call other institutions, and keep their keys. Before, integrations cannot be made.
func (d *Desk) Exchanging(peers *exchange.Peers) *Desk {
	d.peers = peers
	return d
}

// CreateIntegrationInput is another institution.
type CreateIntegrationInput struct {
	Code           string
	Name           string
	Kind           mesa.IntegrationKind
	BaseURL        string
	APIKey         *string // of this institution over there
	CanSend        bool
	CanReceive     bool
	AutoRegister   bool
	DefaultAreaID  mesa.AreaID
	DefaultTypeID  mesa.DocumentTypeID
	Active         bool
	TimeoutSeconds int
	MaxAttempts    int
	IdempotencyKey *string
}

// CreateIntegration adds another institution. Nobody is called yet.
func (d *Desk) CreateIntegration(ctx context.Context, by *mesa.Actor, in CreateIntegrationInput) (i *mesa.Integration, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		i = nil
		if err := d.mayConfigure(by); err != nil {
			return err
		}
		var result struct{ ID mesa.IntegrationID }
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() (err error) {
			now := tx.Now()
			made := &mesa.Integration{
				ID: tx.IDs().Integration(now), Code: line(in.Code), Name: line(in.Name), Kind: in.Kind, IsActive: in.Active, CanSend: in.CanSend,
				CanReceive: in.CanReceive, AutoRegister: in.AutoRegister, DefaultAreaID: in.DefaultAreaID, DefaultTypeID: in.DefaultTypeID,
				TimeoutSeconds: in.TimeoutSeconds, MaxAttempts: in.MaxAttempts, Health: mesa.HealthUnknown, CreatedByID: by.UserID, CreatedAt: now, UpdatedAt: now,
			}
			if err := d.reach(by, made, mesa.Integration{}, in.BaseURL, in.APIKey); err != nil {
				return err
			}
			if err := tx.InsertIntegration(ctx, made); err != nil {
				return err
			}
			i, result.ID = made, made.ID
			return noteIntegration(ctx, tx, by, mesa.IntegrationCreated, made, nil)
		})
		if err == nil && i == nil { // a repeat
			i, err = tx.Integration(ctx, result.ID, "integrationId")
		}
		return err
	})
	return i, err
}

// reach sets the address and the key of an integration, and checks all of it; was is how it is stored. Another address needs the key again: who may change the one
// shall not have the other sent there.
func (d *Desk) reach(by *mesa.Actor, i *mesa.Integration, was mesa.Integration, base string, apiKey *string) error {
	key := string(optionalLine(apiKey))
	if err := i.Check(by.Catalogue, key, was); err != nil {
		return err
	}
	if base = baseURL(base); base != i.BaseURL {
		if err := d.peers.CheckURL(base); err != nil {
			return err
		}
		if i.HasCredentials() && key == "" {
			return mesa.Invalid("apiKey", "Con otra dirección hay que dar la clave otra vez.")
		}
		i.BaseURL = base
	}
	if key == "" {
		return nil
	}
	sealed, err := d.peers.Seal(i.ID, key)
	if err == nil {
		i.SealedCredentials = sealed
	}
	return err
}

// UpdateIntegrationInput changes an institution; what is nil stays.
type UpdateIntegrationInput struct {
	IntegrationID  mesa.IntegrationID
	Name           *string
	BaseURL        *string
	APIKey         *string
	CanSend        *bool
	CanReceive     *bool
	AutoRegister   *bool
	DefaultAreaID  *mesa.AreaID         // "" takes it away
	DefaultTypeID  *mesa.DocumentTypeID // "" takes it away
	Active         *bool
	TimeoutSeconds *int
	MaxAttempts    *int
}

// UpdateIntegration changes an institution. What waits to be sent there goes by what holds then.
func (d *Desk) UpdateIntegration(ctx context.Context, by *mesa.Actor, in UpdateIntegrationInput) (i *mesa.Integration, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		if err := d.mayConfigure(by); err != nil {
			return err
		}
		if i, err = tx.Integration(ctx, in.IntegrationID, "integrationId"); err != nil {
			return err
		}
		before := *i
		base := i.BaseURL
		if in.Name != nil {
			i.Name = line(*in.Name)
		}
		set(&base, in.BaseURL)
		set(&i.CanSend, in.CanSend)
		set(&i.CanReceive, in.CanReceive)
		set(&i.AutoRegister, in.AutoRegister)
		set(&i.DefaultAreaID, in.DefaultAreaID)
		set(&i.DefaultTypeID, in.DefaultTypeID)
		set(&i.IsActive, in.Active)
		set(&i.TimeoutSeconds, in.TimeoutSeconds)
		set(&i.MaxAttempts, in.MaxAttempts)
		if err := d.reach(by, i, before, base, in.APIKey); err != nil {
			return err
		}
		if *i == before {
			return nil
		}
		i.UpdatedAt = tx.Now()
		if err := tx.SaveIntegration(ctx, i); err != nil {
			return err
		}
		return noteIntegration(ctx, tx, by, mesa.IntegrationUpdated, i, integrationChanges(&before, i))
	})
	return i, err
}

func set[T any](field, given *T) {
	if given != nil {
		*field = *given
	}
}

// integrationChanges tells what changed; of the key, that it did.
func integrationChanges(before, after *mesa.Integration) map[string]mesa.Change {
	changes := changesOf([]fieldChange{
		{"name", before.Name, after.Name}, {"baseUrl", before.BaseURL, after.BaseURL}, {"active", before.IsActive, after.IsActive}, {"canSend", before.CanSend, after.CanSend},
		{"canReceive", before.CanReceive, after.CanReceive}, {"autoRegister", before.AutoRegister, after.AutoRegister},
		{"defaultAreaId", before.DefaultAreaID, after.DefaultAreaID}, {"defaultTypeId", before.DefaultTypeID, after.DefaultTypeID},
		{"timeoutSeconds", before.TimeoutSeconds, after.TimeoutSeconds}, {"maxAttempts", before.MaxAttempts, after.MaxAttempts},
	})
	if before.SealedCredentials != after.SealedCredentials {
		changes["apiKey"] = mesa.Change{Before: before.HasCredentials(), After: after.HasCredentials()}
	}
	return changes
}

// ProbeIntegrationInput says which institution is to be tried.
type ProbeIntegrationInput struct{ IntegrationID mesa.IntegrationID }

// Probe asks an institution what it is, which changes nothing there; here it changes what is known of its health. The call is made outside
// of a transaction.
func (d *Desk) Probe(ctx context.Context, by *mesa.Actor, in ProbeIntegrationInput) (i *mesa.Integration, call *mesa.ExchangeCall, err error) {
	if err := d.mayConfigure(by); err != nil {
		return nil, nil, d.Deny(ctx, by, err)
	}
	found, err := d.db.IntegrationsByID(ctx, []mesa.IntegrationID{in.IntegrationID})
	if err != nil {
		return nil, nil, err
	}
	to := found[in.IntegrationID]
	if to == nil {
		return nil, nil, mesa.ErrNotFound("integrationId")
	}
	call = d.peers.Probe(ctx, to)
	if err := ctx.Err(); err != nil {
		return nil, nil, err // who asked has left: nothing is known of the other side
	}
	err = d.write(ctx, by, func(tx *db.Tx) error {
		if i, err = tx.Integration(ctx, in.IntegrationID, "integrationId"); err != nil {
			return err
		}
		return tx.NoteCall(ctx, by, i, call, mesa.ProbeEvery)
	})
	return i, call, err
}

// Integrations lists all institutions by code.
func (d *Desk) Integrations(ctx context.Context, by *mesa.Actor, p db.Page) (db.Slice[*mesa.Integration], error) {
	if err := d.MayExchange(ctx, by); err != nil {
		return db.Slice[*mesa.Integration]{}, err
	}
	return d.db.Integrations(ctx, p)
}

// mayConfigure: an integration is the whole institution's, so the right has to hold there.
func (d *Desk) mayConfigure(by *mesa.Actor) error {
	if err := by.RequireEverywhere(mesa.MayConfigureExchange); err != nil {
		return err
	}
	if d.peers == nil {
		return exchange.ErrNoKeys()
	}
	return nil
}

func noteIntegration(ctx context.Context, tx *db.Tx, by *mesa.Actor, what mesa.EventType, i *mesa.Integration, changes map[string]mesa.Change) error {
	return note(ctx, tx, by, what, string(i.ID), about{Text: i.Name, Changes: changes})
}
