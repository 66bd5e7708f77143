package db

import (
	"context"
	"fmt"

	"github.com/mesapartes/mesa/mesa"
)

// LockCatalogue keeps others from changing the catalogue until the transaction ends, and reads it as it stands now.
func (tx *Tx) LockCatalogue(ctx context.Context) (*mesa.Catalogue, error) {
	version := int64(0)
	// Raising it to what it is locks the row on both databases and moves nothing.
	if err := tx.NewRaw("UPDATE catalogue_version SET version = version RETURNING version").Scan(ctx, &version); err != nil {
		return nil, fmt.Errorf("lock catalogue: %w", err)
	}
	return tx.db.Catalogue(ctx, version)
}

// LockArea finds an area under lock; NotFound when there is none.
func (tx *Tx) LockArea(ctx context.Context, id mesa.AreaID) (*mesa.Area, error) {
	area := &mesa.Area{}
	if err := tx.db.dialect.forUpdate(tx.NewSelect().Model(area).Where("id = ?", id), "area").Scan(ctx); err != nil {
		return nil, notFound(err, "areaId", "lock area")
	}
	return area, nil
}

// InsertArea stores a new area. Invalid when its code is taken.
func (tx *Tx) InsertArea(ctx context.Context, a *mesa.Area) error {
	if _, err := tx.NewInsert().Model(a).Exec(ctx); err != nil {
		return tx.codeTaken(err, "insert area")
	}
	return tx.TouchCatalogue(ctx)
}

// SaveArea stores a changed area. Invalid when its code is taken.
func (tx *Tx) SaveArea(ctx context.Context, a *mesa.Area) error {
	if _, err := tx.NewUpdate().Model(a).WherePK().Exec(ctx); err != nil {
		return tx.codeTaken(err, "save area")
	}
	return tx.TouchCatalogue(ctx)
}

func (tx *Tx) codeTaken(err error, what string) error {
	if tx.db.dialect.isUnique(err) {
		return mesa.Invalid("code", "Ya existe otro con ese código.")
	}
	return fmt.Errorf("%s: %w", what, err)
}

// hasWork keeps documents that an area has in hand, or on its way to it to act on.
const hasWork = `(document.state IN ('SUBMITTED', 'REGISTERED') AND document.desk_area_id = ?0
	OR EXISTS (SELECT 1 FROM derivations AS l WHERE l.document_id = document.id AND l.to_id = ?0 AND l.kind = 'ACTION' AND l.state IN ('PENDING', 'RECEIVED')))`

// WorkOf counts the documents that keep an area from becoming inactive, those included that nobody may see.
func (tx *Tx) WorkOf(ctx context.Context, area mesa.AreaID) (int, error) {
	n, err := tx.NewSelect().Model((*mesa.Document)(nil)).Where(hasWork, area).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("count the work of an area: %w", err)
	}
	return int(n), nil
}

// maxBlockers is how many documents WorkOf lists at most.
const maxBlockers = 20

// WorkOf lists visible documents that keep an area from becoming inactive, the oldest first.
func (v *View) WorkOf(ctx context.Context, area mesa.AreaID) ([]*mesa.Document, error) {
	docs := []*mesa.Document{}
	q := v.idb.NewSelect().Model(&docs).Where(hasWork, area).Order("document.id").Limit(maxBlockers)
	if err := v.visible(q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("read the work of an area: %w", err)
	}
	return docs, nil
}
