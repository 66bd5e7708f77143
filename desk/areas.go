package desk

import (
	"context"
	"slices"
	"strings"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// CreateAreaInput is a new area.
type CreateAreaInput struct {
	Code           string
	Name           string
	ParentID       mesa.AreaID
	HeadID         mesa.UserID
	Email          *string
	IsDesk         bool
	IdempotencyKey *string
}

// CreateArea adds an area.
func (d *Desk) CreateArea(ctx context.Context, by *mesa.Actor, in CreateAreaInput) (area *mesa.Area, err error) {
	err = d.onAreas(ctx, by, func(tx *db.Tx, cat *mesa.Catalogue) error {
		area = nil // what an earlier try of the transaction left
		var result struct{ ID mesa.AreaID }
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() error {
			made := &mesa.Area{
				Code: strings.ToUpper(line(in.Code)), Name: line(in.Name), ParentID: in.ParentID, HeadID: in.HeadID, Email: optionalLine(in.Email), IsDesk: in.IsDesk, IsActive: true,
			}
			if err := made.Check(cat); err != nil {
				return err
			}
			made.ID = tx.IDs().Area(tx.Now())
			if err := tx.InsertArea(ctx, made); err != nil {
				return err
			}
			area, result.ID = made, made.ID
			return noteArea(ctx, tx, by, mesa.AreaCreated, made, nil)
		})
		if err == nil && area == nil { // a repeat
			area, err = tx.LockArea(ctx, result.ID)
		}
		return err
	})
	return area, err
}

// UpdateAreaInput changes an area. Given names the fields that were in the input: a field that is given and null clears, one that is not
// given stays.
type UpdateAreaInput struct {
	AreaID   mesa.AreaID
	Code     *string
	Name     *string
	ParentID mesa.AreaID
	HeadID   mesa.UserID
	Email    *string
	IsDesk   *bool

	Given []string
}

// UpdateArea changes an area. Whom it makes see more or less sees so from the next request on.
func (d *Desk) UpdateArea(ctx context.Context, by *mesa.Actor, in UpdateAreaInput) (area *mesa.Area, err error) {
	return d.onArea(ctx, by, in.AreaID, func(tx *db.Tx, cat *mesa.Catalogue, a *mesa.Area) error {
		before := *a
		in.apply(a)
		if err := a.Check(cat); err != nil {
			return err
		}
		changes := changesOf([]fieldChange{
			{"code", before.Code, a.Code}, {"name", before.Name, a.Name}, {"parentId", before.ParentID, a.ParentID}, {"headId", before.HeadID, a.HeadID},
			{"email", before.Email, a.Email}, {"isDesk", before.IsDesk, a.IsDesk},
		})
		if len(changes) == 0 {
			return nil
		}
		if err := tx.SaveArea(ctx, a); err != nil {
			return err
		}
		return noteArea(ctx, tx, by, mesa.AreaUpdated, a, changes)
	})
}

func (in UpdateAreaInput) apply(a *mesa.Area) {
	given := func(field string) bool { return slices.Contains(in.Given, field) }
	if in.Code != nil {
		a.Code = strings.ToUpper(line(*in.Code))
	}
	if in.Name != nil {
		a.Name = line(*in.Name)
	}
	if given("parentId") {
		a.ParentID = in.ParentID
	}
	if given("headId") {
		a.HeadID = in.HeadID
	}
	if given("email") {
		a.Email = optionalLine(in.Email)
	}
	set(&a.IsDesk, in.IsDesk)
}

// AreaInput names an area.
type AreaInput struct{ AreaID mesa.AreaID }

// DeactivateArea makes an area inactive, unless it has work.
func (d *Desk) DeactivateArea(ctx context.Context, by *mesa.Actor, in AreaInput) (*mesa.Area, error) {
	return d.onArea(ctx, by, in.AreaID, func(tx *db.Tx, _ *mesa.Catalogue, a *mesa.Area) error {
		if !a.IsActive {
			return nil
		}
		total, err := tx.WorkOf(ctx, a.ID)
		if err != nil {
			return err
		}
		if total > 0 {
			blockers, err := tx.View(by).WorkOf(ctx, a.ID)
			if err != nil {
				return err
			}
			return mesa.ErrAreaHasWork(total, blockers)
		}
		a.IsActive = false
		if err := tx.SaveArea(ctx, a); err != nil {
			return err
		}
		return noteArea(ctx, tx, by, mesa.AreaDeactivated, a, nil)
	})
}

// ReactivateArea makes an area active again.
func (d *Desk) ReactivateArea(ctx context.Context, by *mesa.Actor, in AreaInput) (*mesa.Area, error) {
	return d.onArea(ctx, by, in.AreaID, func(tx *db.Tx, _ *mesa.Catalogue, a *mesa.Area) error {
		if a.IsActive {
			return nil
		}
		a.IsActive = true
		if err := tx.SaveArea(ctx, a); err != nil {
			return err
		}
		return noteArea(ctx, tx, by, mesa.AreaReactivated, a, nil)
	})
}

// onArea changes an area under lock.
func (d *Desk) onArea(ctx context.Context, by *mesa.Actor, id mesa.AreaID, change func(*db.Tx, *mesa.Catalogue, *mesa.Area) error) (area *mesa.Area, err error) {
	err = d.onAreas(ctx, by, func(tx *db.Tx, cat *mesa.Catalogue) (err error) {
		if area, err = tx.LockArea(ctx, id); err != nil {
			return err
		}
		return change(tx, cat, area)
	})
	return area, err
}

// onAreas changes the tree of areas as it stands now: nobody else changes the catalogue meanwhile, so that two changes cannot make a cycle.
func (d *Desk) onAreas(ctx context.Context, by *mesa.Actor, change func(*db.Tx, *mesa.Catalogue) error) error {
	return d.write(ctx, by, func(tx *db.Tx) error {
		if err := by.RequireEverywhere(mesa.MayManageSettings); err != nil {
			return err
		}
		cat, err := tx.LockCatalogue(ctx)
		if err != nil {
			return err
		}
		return change(tx, cat)
	})
}

func noteArea(ctx context.Context, tx *db.Tx, by *mesa.Actor, what mesa.EventType, a *mesa.Area, changes map[string]mesa.Change) error {
	return note(ctx, tx, by, what, string(a.ID), about{Text: strings.TrimSpace(a.Code + " " + a.Name), Changes: changes})
}
