package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// CreateUserInput is a new account.
type CreateUserInput struct {
	Email          string
	FullName       string
	JobTitle       *string
	AreaIDs        []mesa.AreaID // where the person works, the primary one first
	Roles          []NewRoleInput
	Password       string // of the person's own choice; "" draws one, which has to be changed
	IdempotencyKey *string
}

// NewRoleInput is a role of a new account.
type NewRoleInput struct {
	Role    mesa.RoleCode
	AreaID  mesa.AreaID // "" for the whole institution
	UntilOn mesa.Date   // last day, zero means open ended
}

// CreateUser creates an account. A password that was drawn comes back this once: "" for a repeat with the same idempotency key.
func (d *Desk) CreateUser(ctx context.Context, by *mesa.Actor, in CreateUserInput) (user *mesa.User, password string, err error) {
	if err := in.may(by); err != nil {
		return nil, "", d.Deny(ctx, by, err)
	}
	user, err = in.user(by, d.db.Now())
	if err != nil {
		return nil, "", err
	}
	if in.Password == "" {
		password = NewPassword()
	}
	if user.PasswordHash, err = d.passwords.Hash(ctx, in.Password+password); err != nil {
		return nil, "", err
	}
	err = d.write(ctx, by, func(tx *db.Tx) error {
		var result struct{ ID mesa.UserID }
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() error {
			user.CreatedAt = tx.Now()
			user.ID = tx.IDs().User(user.CreatedAt)
			result.ID = user.ID
			return in.insert(ctx, tx, by, user)
		})
		if err == nil && result.ID != user.ID { // a repeat
			password = ""
			user, err = tx.LockUser(ctx, result.ID, "userId")
		}
		return err
	})
	return user, password, err
}

// may: whoever gives roles needs the right to.
func (in CreateUserInput) may(by *mesa.Actor) error {
	if err := by.RequireEverywhere(mesa.MayManageUsers); err != nil || len(in.Roles) == 0 {
		return err
	}
	return by.RequireEverywhere(mesa.MayManageRoles)
}

// user is the account without id and password, checked.
func (in CreateUserInput) user(by *mesa.Actor, now time.Time) (*mesa.User, error) {
	user := &mesa.User{
		Email: strings.ToLower(line(in.Email)), FullName: line(in.FullName), JobTitle: optionalLine(in.JobTitle), IsActive: true, MustChangePassword: in.Password == "",
	}
	var v mesa.Violations
	v.Add(user.Check())
	v.Add(mesa.CheckAreas("areaIds", in.AreaIDs, by.Catalogue))
	for i, r := range in.Roles {
		grant := &mesa.RoleAssignment{Role: r.Role, AreaID: r.AreaID, UntilOn: r.UntilOn}
		v.Add(grant.Check(fmt.Sprintf("roles.%d.", i), by.Catalogue, by.Catalogue.Today(now)))
	}
	if in.Password != "" {
		v.Add(mesa.CheckPassword("password", in.Password, user))
	}
	return user, v.Err()
}

func (in CreateUserInput) insert(ctx context.Context, tx *db.Tx, by *mesa.Actor, user *mesa.User) error {
	if err := tx.InsertUser(ctx, user); err != nil {
		return err
	}
	if err := tx.SetMemberships(ctx, user.ID, in.AreaIDs, by.Catalogue.Today(tx.Now())); err != nil {
		return err
	}
	if err := note(ctx, tx, by, mesa.UserCreated, string(user.ID), about{Text: user.Email}); err != nil {
		return err
	}
	for _, r := range in.Roles {
		if err := grantRole(ctx, tx, by, RoleInput{UserID: user.ID, Role: r.Role, AreaID: r.AreaID, UntilOn: r.UntilOn}); err != nil {
			return err
		}
	}
	return nil
}

// UpdateUserInput changes facts of an account. Given names the fields that were in the input: what is not given stays.
type UpdateUserInput struct {
	UserID   mesa.UserID
	Email    *string
	FullName *string
	JobTitle *string
	AreaIDs  []mesa.AreaID

	Given []string
}

// UpdateUser changes who an account belongs to and where the person works. What they may do follows from the next request on.
func (d *Desk) UpdateUser(ctx context.Context, by *mesa.Actor, in UpdateUserInput) (*mesa.User, error) {
	return d.onAccount(ctx, by, mesa.MayManageUsers, in.UserID, func(tx *db.Tx, user *mesa.User) error {
		before := *user
		if err := in.apply(by, user); err != nil {
			return err
		}
		changes := changesOf([]fieldChange{
			{"email", before.Email, user.Email}, {"fullName", before.FullName, user.FullName}, {"jobTitle", before.JobTitle, user.JobTitle},
		})
		if slices.Contains(in.Given, "areaIds") {
			was, err := tx.MembershipsOf(ctx, user.ID)
			if err != nil {
				return err
			}
			if !slices.Equal(was, in.AreaIDs) {
				changes["areaIds"] = mesa.Change{Before: was, After: in.AreaIDs}
				if err := tx.SetMemberships(ctx, user.ID, in.AreaIDs, by.Catalogue.Today(tx.Now())); err != nil {
					return err
				}
			}
		}
		if len(changes) == 0 {
			return nil
		}
		if err := tx.SaveUser(ctx, user); err != nil {
			return err
		}
		return note(ctx, tx, by, mesa.UserUpdated, string(user.ID), about{Text: user.Email, Changes: changes})
	})
}

func (in UpdateUserInput) apply(by *mesa.Actor, user *mesa.User) error {
	var v mesa.Violations
	if in.Email != nil {
		user.Email = strings.ToLower(line(*in.Email))
	}
	if in.FullName != nil {
		user.FullName = line(*in.FullName)
	}
	if slices.Contains(in.Given, "jobTitle") {
		user.JobTitle = optionalLine(in.JobTitle)
	}
	v.Add(user.Check())
	v.Add(mesa.CheckAreas("areaIds", in.AreaIDs, by.Catalogue))
	return v.Err()
}

// fieldChange is a field before and after.
type fieldChange struct {
	name          string
	before, after any
}

// changesOf has the fields that are not what they were.
func changesOf(fields []fieldChange) map[string]mesa.Change {
	changes := map[string]mesa.Change{}
	for _, f := range fields {
		if f.before != f.after {
			changes[f.name] = mesa.Change{Before: f.before, After: f.after}
		}
	}
	return changes
}

// UserInput names an account.
type UserInput struct{ UserID mesa.UserID }

// SetActive lets an account sign in and act, or (on false) no longer: its sessions end. The last active administrator stays.
func (d *Desk) SetActive(ctx context.Context, by *mesa.Actor, id mesa.UserID, active bool) (*mesa.User, error) {
	what := map[bool]mesa.EventType{true: mesa.UserActivated, false: mesa.UserDeactivated}[active]
	return d.onAccount(ctx, by, mesa.MayManageUsers, id, func(tx *db.Tx, user *mesa.User) error {
		if user.IsActive == active {
			return nil
		}
		if !active {
			if err := keepAnAdmin(ctx, tx, by, user.ID); err != nil {
				return err
			}
			if err := tx.EndSessions(ctx, user.ID, ""); err != nil {
				return err
			}
		}
		user.IsActive = active
		if err := tx.SaveUser(ctx, user); err != nil {
			return err
		}
		return note(ctx, tx, by, what, string(user.ID), about{Text: user.Email})
	})
}

// ResetPassword draws another password for an account, which comes back this once and has to be changed, and ends its sessions.
func (d *Desk) ResetPassword(ctx context.Context, by *mesa.Actor, id mesa.UserID) (*mesa.User, string, error) {
	if err := by.RequireEverywhere(mesa.MayManageUsers); err != nil {
		return nil, "", d.Deny(ctx, by, err)
	}
	password := NewPassword()
	hash, err := d.passwords.Hash(ctx, password)
	if err != nil {
		return nil, "", err
	}
	user, err := d.onAccount(ctx, by, mesa.MayManageUsers, id, func(tx *db.Tx, user *mesa.User) error {
		user.MustChangePassword = true
		return setPassword(ctx, tx, by, user.ID, hash, true)
	})
	return user, password, err
}

// onAccount changes an account under lock, for whoever has a right in the whole institution. An account that may give rights is for those
// who may give them, too: else whoever may reset passwords could take any right.
func (d *Desk) onAccount(ctx context.Context, by *mesa.Actor, p mesa.Permission, id mesa.UserID, change func(*db.Tx, *mesa.User) error) (user *mesa.User, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		if err := by.RequireEverywhere(p); err != nil {
			return err
		}
		if user, err = tx.LockUser(ctx, id, "userId"); err != nil {
			return err
		}
		if !by.MayEverywhere(mesa.MayManageRoles) {
			theirs, err := tx.ActorOf(ctx, by.Catalogue, user)
			if err != nil {
				return err
			}
			if theirs.MayAnywhere(mesa.MayManageRoles) {
				return mesa.ErrForbidden(mesa.MayManageRoles)
			}
		}
		return change(tx, user)
	})
	return user, err
}

// Users lists accounts by name.
func (d *Desk) Users(ctx context.Context, by *mesa.Actor, f db.UserFilter, p db.Page) (db.Slice[*mesa.User], error) {
	if err := by.RequireEverywhere(mesa.MayManageUsers); err != nil {
		return db.Slice[*mesa.User]{}, d.Deny(ctx, by, err)
	}
	return d.db.View(by).Users(ctx, f, p)
}

// MayAdminister is Forbidden for whoever administers neither accounts nor rights.
func (d *Desk) MayAdminister(ctx context.Context, by *mesa.Actor) error {
	if !by.Administers() {
		return d.Deny(ctx, by, mesa.ErrForbidden(mesa.MayManageUsers))
	}
	return nil
}

// keepAnAdmin refuses to take away the last active administrator.
func keepAnAdmin(ctx context.Context, tx *db.Tx, by *mesa.Actor, user mesa.UserID) error {
	other, err := tx.HasOtherAdmin(ctx, user, by.Catalogue.Today(tx.Now()))
	if err == nil && !other {
		err = mesa.Invalid("userId", "Debe quedar al menos un administrador activo.")
	}
	return err
}

// operatorsClient is what the audit trail has for the client of a session that an operator opened: no request came in.
const operatorsClient = "mesa (command line)"

// OpenSession opens a session for an account without its password, for the operator's scripts. NotFound when there is no such account.
func (d *Desk) OpenSession(ctx context.Context, email string) (*SignedIn, error) {
	user, err := d.db.UserByEmail(ctx, strings.ToLower(line(email)))
	if err != nil {
		return nil, err
	}
	return d.openSession(ctx, mesa.Origin{Client: operatorsClient}, user, true)
}

// ClearCache notes that an operator wants everything that is kept to be forgotten; the event makes each process do so.
func (d *Desk) ClearCache(ctx context.Context, by *mesa.Actor) error {
	return d.write(ctx, by, func(tx *db.Tx) error {
		return note(ctx, tx, by, mesa.CacheCleared, "", about{})
	})
}
