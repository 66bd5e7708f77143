package desk

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// MaxBulk is how many items one bulk verb takes at most.
const MaxBulk = 100

// BulkDeriveInput says which documents go where.
type BulkDeriveInput struct {
	DocumentIDs    []mesa.DocumentID
	Targets        []mesa.DerivationTargetInput
	IdempotencyKey *string
}

// BulkArchiveInput says which documents are shelved and how.
type BulkArchiveInput struct {
	DocumentIDs    []mesa.DocumentID
	Classification mesa.ArchiveClassification
	PolicyCode     string
	IdempotencyKey *string
}

// BulkTagInput says which documents get and lose which tags.
type BulkTagInput struct {
	DocumentIDs    []mesa.DocumentID
	Add            []string
	Remove         []string
	IdempotencyKey *string
}

// BulkDerivationsInput names legs.
type BulkDerivationsInput struct {
	DerivationIDs  []mesa.DerivationID
	IdempotencyKey *string
}

// Result is what became of one item of a bulk verb: Err is nil when it was done.
type Result[ID any] struct {
	ID   ID
	Err  error
	Legs []*mesa.Derivation // the new ones of BulkDerive
}

// BulkDerive derives each document on its own: what fails leaves the others alone.
func (d *Desk) BulkDerive(ctx context.Context, by *mesa.Actor, in BulkDeriveInput) ([]Result[mesa.DocumentID], error) {
	if err := d.claimBulk(ctx, by, in.IdempotencyKey, in); err != nil {
		return nil, err
	}
	return bulk(ctx, d, by, mesa.MayBulk, "documentIds", in.DocumentIDs, func(id mesa.DocumentID) ([]*mesa.Derivation, error) {
		_, legs, err := d.Derive(ctx, by, DeriveDocumentInput{DocumentID: id, Targets: in.Targets, IdempotencyKey: itemKey(in.IdempotencyKey, string(id))})
		return legs, err
	})
}

// BulkReceive receives each leg on its own.
func (d *Desk) BulkReceive(ctx context.Context, by *mesa.Actor, in BulkDerivationsInput) ([]Result[mesa.DerivationID], error) {
	if err := d.claimBulk(ctx, by, in.IdempotencyKey, struct{ Receive BulkDerivationsInput }{in}); err != nil {
		return nil, err
	}
	return bulk(ctx, d, by, mesa.MayReceive, "derivationIds", in.DerivationIDs, func(id mesa.DerivationID) ([]*mesa.Derivation, error) {
		_, err := d.Receive(ctx, by, DerivationInput{DerivationID: id, IdempotencyKey: itemKey(in.IdempotencyKey, string(id))})
		return nil, err
	})
}

// BulkAcknowledge takes note of each copy on its own.
func (d *Desk) BulkAcknowledge(ctx context.Context, by *mesa.Actor, in BulkDerivationsInput) ([]Result[mesa.DerivationID], error) {
	if err := d.claimBulk(ctx, by, in.IdempotencyKey, struct{ Acknowledge BulkDerivationsInput }{in}); err != nil {
		return nil, err
	}
	return bulk(ctx, d, by, mesa.MayReceive, "derivationIds", in.DerivationIDs, func(id mesa.DerivationID) ([]*mesa.Derivation, error) {
		_, err := d.Acknowledge(ctx, by, DerivationInput{DerivationID: id, IdempotencyKey: itemKey(in.IdempotencyKey, string(id))})
		return nil, err
	})
}

// BulkArchive archives each document on its own.
func (d *Desk) BulkArchive(ctx context.Context, by *mesa.Actor, in BulkArchiveInput) ([]Result[mesa.DocumentID], error) {
	if err := d.claimBulk(ctx, by, in.IdempotencyKey, in); err != nil {
		return nil, err
	}
	return bulk(ctx, d, by, mesa.MayArchive, "documentIds", in.DocumentIDs, func(id mesa.DocumentID) ([]*mesa.Derivation, error) {
		_, _, err := d.Archive(ctx, by, ArchiveDocumentInput{
			DocumentID: id, Classification: in.Classification, PolicyCode: in.PolicyCode, IdempotencyKey: itemKey(in.IdempotencyKey, string(id)),
		})
		return nil, err
	})
}

// BulkTag adds and removes tags of each document on its own.
func (d *Desk) BulkTag(ctx context.Context, by *mesa.Actor, in BulkTagInput) ([]Result[mesa.DocumentID], error) {
	if err := d.claimBulk(ctx, by, in.IdempotencyKey, in); err != nil {
		return nil, err
	}
	return bulk(ctx, d, by, mesa.MayTag, "documentIds", in.DocumentIDs, func(id mesa.DocumentID) ([]*mesa.Derivation, error) {
		_, err := d.onceOnDocument(ctx, by, mesa.MayTag, id, nil, itemKey(in.IdempotencyKey, string(id)), in, func(_ *db.Tx, f *mesa.File) error {
			tags := slices.DeleteFunc(slices.Concat(f.Doc.Tags, in.Add), func(tag string) bool { return slices.Contains(in.Remove, tag) })
			tags = slices.Compact(slices.Sorted(slices.Values(tags))) // what it has already does not count twice
			return f.Update(mesa.Update{Tags: &tags})
		})
		return nil, err
	})
}

// bulk does each item, in the order given. It fails as a whole only when the actor may do it nowhere, there are too many items,
// or the request ends; an internal error of one item is that item's.
func bulk[ID ~string](ctx context.Context, d *Desk, by *mesa.Actor, p mesa.Permission, field string, ids []ID, one func(ID) ([]*mesa.Derivation, error)) ([]Result[ID], error) {
	switch {
	case !by.MayAnywhere(p):
		return nil, d.Deny(ctx, by, mesa.ErrForbidden(p))
	case len(ids) == 0:
		return nil, mesa.Invalid(field, "Indique al menos un elemento.")
	case len(ids) > MaxBulk:
		return nil, mesa.Fail(mesa.LimitExceeded, field, "Se admiten %d elementos como máximo.", MaxBulk).With("limit", MaxBulk)
	}
	results := make([]Result[ID], len(ids))
	for i, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		legs, err := one(id)
		results[i] = Result[ID]{ID: id, Legs: legs, Err: err}
	}
	return results, nil
}

// claimBulk makes sure that a key is not used again with another list.
func (d *Desk) claimBulk(ctx context.Context, by *mesa.Actor, key *string, in any) error {
	if key == nil {
		return nil
	}
	return d.db.InTx(ctx, func(tx *db.Tx) error {
		return tx.Once(ctx, by, key, in, new(struct{}), func() error { return nil })
	})
}

// itemKey is the key of one item of a bulk verb, as long for any key and id.
func itemKey(key *string, id string) *string {
	if key == nil {
		return nil
	}
	k := fmt.Sprintf("bulk:%x", sha256.Sum256([]byte(*key+"/"+id)))
	return &k
}
