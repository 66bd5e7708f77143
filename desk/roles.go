package desk

import (
	"context"
	"strings"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// RoleInput is a role of an account, in one area or (AreaID empty) in the whole institution. UntilOn is for granting it.
type RoleInput struct {
	UserID  mesa.UserID
	Role    mesa.RoleCode
	AreaID  mesa.AreaID
	UntilOn mesa.Date // last day, zero means open ended
}

// GrantRole gives an account a role, or another last day to one that it has. It bites on the account's next request; granting it twice
// is the same as once.
func (d *Desk) GrantRole(ctx context.Context, by *mesa.Actor, in RoleInput) (*mesa.User, error) {
	return d.onAccount(ctx, by, mesa.MayManageRoles, in.UserID, func(tx *db.Tx, user *mesa.User) error {
		if err := in.assignment().Check("", by.Catalogue, by.Catalogue.Today(tx.Now())); err != nil {
			return err
		}
		if in.Role == mesa.Admin && in.AreaID == "" && !in.UntilOn.IsZero() {
			if err := keepAnAdmin(ctx, tx, by, user.ID); err != nil {
				return err
			}
		}
		return grantRole(ctx, tx, by, in)
	})
}

func (in RoleInput) assignment() *mesa.RoleAssignment {
	return &mesa.RoleAssignment{UserID: in.UserID, Role: in.Role, AreaID: in.AreaID, UntilOn: in.UntilOn}
}

func grantRole(ctx context.Context, tx *db.Tx, by *mesa.Actor, in RoleInput) error {
	grant := in.assignment()
	grant.GrantedByID, grant.GrantedAt = by.UserID, tx.Now()
	changed, err := tx.GrantRole(ctx, grant)
	if err != nil || !changed {
		return err
	}
	return noteRight(ctx, tx, by, mesa.RoleGranted, in.UserID, in.AreaID, in.UntilOn, string(in.Role), "")
}

// RevokeRole takes a role away. It bites on the account's next request. The last active administrator stays one.
func (d *Desk) RevokeRole(ctx context.Context, by *mesa.Actor, in RoleInput) (*mesa.User, error) {
	return d.onAccount(ctx, by, mesa.MayManageRoles, in.UserID, func(tx *db.Tx, user *mesa.User) error {
		if in.Role == mesa.Admin && in.AreaID == "" {
			if err := keepAnAdmin(ctx, tx, by, user.ID); err != nil {
				return err
			}
		}
		changed, err := tx.RevokeRole(ctx, user.ID, in.Role, in.AreaID)
		if err != nil || !changed {
			return err
		}
		return noteRight(ctx, tx, by, mesa.RoleRevoked, user.ID, in.AreaID, 0, string(in.Role), "")
	})
}

// OverridePermissionInput gives one permission to an account, or keeps it from it, in one area or (AreaID empty) in the whole institution.
type OverridePermissionInput struct {
	UserID     mesa.UserID
	Permission mesa.Permission
	AreaID     mesa.AreaID
	Effect     mesa.Effect
	Reason     string
	UntilOn    mesa.Date // last day, zero means open ended
}

// OverridePermission stores an exception to what the roles of an account say, in place of the one that it has there. It bites on the
// account's next request.
func (d *Desk) OverridePermission(ctx context.Context, by *mesa.Actor, in OverridePermissionInput) (*mesa.User, error) {
	return d.onAccount(ctx, by, mesa.MayManageRoles, in.UserID, func(tx *db.Tx, user *mesa.User) error {
		o := &mesa.PermissionOverride{
			UserID: user.ID, Permission: in.Permission, AreaID: in.AreaID, Effect: in.Effect, Reason: lines(in.Reason),
			GrantedByID: by.UserID, GrantedAt: tx.Now(), UntilOn: in.UntilOn,
		}
		if err := o.Check(by.Catalogue, by.Catalogue.Today(tx.Now())); err != nil {
			return err
		}
		if o.Effect == mesa.Deny && (o.Permission == mesa.MayManageRoles || o.Permission == mesa.MayManageUsers) {
			if err := keepAnAdmin(ctx, tx, by, user.ID); err != nil {
				return err
			}
		}
		changed, err := tx.OverridePermission(ctx, o)
		if err != nil || !changed {
			return err
		}
		what := map[mesa.Effect]mesa.EventType{mesa.Grant: mesa.PermissionGranted, mesa.Deny: mesa.PermissionDenied}[o.Effect]
		return noteRight(ctx, tx, by, what, user.ID, o.AreaID, o.UntilOn, string(o.Permission), mesa.Text(o.Reason))
	})
}

// ClearPermissionInput names an exception.
type ClearPermissionInput struct {
	UserID     mesa.UserID
	Permission mesa.Permission
	AreaID     mesa.AreaID
}

// ClearPermission takes an exception back, so that the roles of the account decide again. One that is not there stays so.
func (d *Desk) ClearPermission(ctx context.Context, by *mesa.Actor, in ClearPermissionInput) (*mesa.User, error) {
	return d.onAccount(ctx, by, mesa.MayManageRoles, in.UserID, func(tx *db.Tx, user *mesa.User) error {
		changed, err := tx.ClearPermission(ctx, user.ID, in.Permission, in.AreaID)
		if err != nil || !changed {
			return err
		}
		return noteRight(ctx, tx, by, mesa.PermissionCleared, user.ID, in.AreaID, 0, string(in.Permission), "")
	})
}

// noteRight notes a role or permission that was given or taken, where and until when.
func noteRight(ctx context.Context, tx *db.Tx, by *mesa.Actor, what mesa.EventType, user mesa.UserID, area mesa.AreaID, until mesa.Date, right string, reason mesa.Text) error {
	words := []string{right}
	if a := by.Catalogue.Area(area); a != nil {
		words = append(words, a.Code)
	}
	if !until.IsZero() {
		words = append(words, "→ "+until.String())
	}
	return note(ctx, tx, by, what, string(user), about{Text: strings.Join(words, " "), Reason: reason})
}
