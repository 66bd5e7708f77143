package desk

import (
	"context"
	"slices"
	"strings"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/auth"
	"github.com/mesapartes/mesa/mesa"
)

// minPassword is the least number of characters of a password.
const minPassword = 12

// CreateUserInput is a new account with one role, and one area unless it works in none.
type CreateUserInput struct {
	Email    string
	FullName string
	Role     mesa.RoleCode
	AreaCode string
	Password string
}

// CreateUser creates an account.
func (d *Desk) CreateUser(ctx context.Context, by *mesa.Actor, in CreateUserInput) (user *mesa.User, err error) {
	area, err := in.check(by.Catalogue)
	if err != nil {
		return nil, err
	}
	hash := auth.Hash(in.Password)
	err = d.write(ctx, by, func(tx *db.Tx) error {
		now := tx.Now()
		user = &mesa.User{
			ID: tx.IDs().User(now), Email: strings.ToLower(line(in.Email)), FullName: line(in.FullName), PasswordHash: hash, IsActive: true, CreatedAt: now,
		}
		if err := tx.InsertUser(ctx, user, in.Role, area, by.Catalogue.Today(now)); err != nil {
			return err
		}
		e := mesa.NewEvent(tx.IDs(), by, now, mesa.UserCreated)
		e.ObjectID = string(user.ID)
		return tx.AppendEvents(ctx, []*mesa.Event{e})
	})
	return user, err
}

// check returns the id of the area, "" when none was named.
func (in CreateUserInput) check(cat *mesa.Catalogue) (mesa.AreaID, error) {
	var v mesa.Violations
	v.Check(strings.Contains(in.Email, "@") && len(in.Email) <= maxEmailLength, "email", "El correo no es válido.")
	v.Check(line(in.FullName) != "", "fullName", "Indique el nombre.")
	v.Check(slices.Contains(mesa.RoleCodes, in.Role), "role", "El rol no existe.")
	v.Add(checkPassword(in.Password))
	area := areaByCode(cat, in.AreaCode)
	v.Check(in.AreaCode == "" || area != "", "area", "El área no existe.")
	return area, v.Err()
}

// areaByCode is "" when there is no such area.
func areaByCode(cat *mesa.Catalogue, code string) mesa.AreaID {
	for _, a := range cat.Areas {
		if a.Code == strings.ToUpper(code) {
			return a.ID
		}
	}
	return ""
}

func checkPassword(password string) error {
	if len([]rune(password)) < minPassword || len(password) > auth.MaxPasswordBytes {
		return mesa.Invalid("password", "La contraseña debe tener al menos %d caracteres.", minPassword)
	}
	return nil
}

// SetPassword gives an account a new password and ends its sessions.
func (d *Desk) SetPassword(ctx context.Context, by *mesa.Actor, email, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	user, err := d.db.UserByEmail(ctx, strings.ToLower(line(email)))
	if err != nil {
		return err
	}
	hash := auth.Hash(password)
	return d.write(ctx, by, func(tx *db.Tx) error {
		if err := tx.SetPassword(ctx, user.ID, hash); err != nil {
			return err
		}
		e := mesa.NewEvent(tx.IDs(), by, tx.Now(), mesa.PasswordSet)
		e.ObjectID = string(user.ID)
		return tx.AppendEvents(ctx, []*mesa.Event{e})
	})
}

// OpenSession opens a session for an account without its password, for the operator's scripts. NotFound when there is no such account.
func (d *Desk) OpenSession(ctx context.Context, email string) (*SignedIn, error) {
	user, err := d.db.UserByEmail(ctx, strings.ToLower(line(email)))
	if err != nil {
		return nil, err
	}
	return d.openSession(ctx, user)
}

// RoleInput is a role of an account, in one area or (AreaCode empty) in the whole institution.
type RoleInput struct {
	Email    string
	Role     mesa.RoleCode
	AreaCode string
}

// GrantRole gives an account a role. It bites on the account's next request; granting it twice is the same as once.
func (d *Desk) GrantRole(ctx context.Context, by *mesa.Actor, in RoleInput) error {
	return d.changeRole(ctx, by, in, mesa.RoleGranted, func(tx *db.Tx, user mesa.UserID, area mesa.AreaID) (bool, error) {
		return tx.GrantRole(ctx, &mesa.RoleAssignment{UserID: user, Role: in.Role, AreaID: area, GrantedByID: by.UserID, GrantedAt: tx.Now()})
	})
}

// RevokeRole takes a role away. It bites on the account's next request. The last active administrator stays one.
func (d *Desk) RevokeRole(ctx context.Context, by *mesa.Actor, in RoleInput) error {
	return d.changeRole(ctx, by, in, mesa.RoleRevoked, func(tx *db.Tx, user mesa.UserID, area mesa.AreaID) (bool, error) {
		if in.Role == mesa.Admin && area == "" {
			if err := d.keepAnAdmin(ctx, tx, by, user); err != nil {
				return false, err
			}
		}
		return tx.RevokeRole(ctx, user, in.Role, area)
	})
}

func (d *Desk) changeRole(ctx context.Context, by *mesa.Actor, in RoleInput, what mesa.EventType, change func(*db.Tx, mesa.UserID, mesa.AreaID) (bool, error)) error {
	area := areaByCode(by.Catalogue, in.AreaCode)
	var v mesa.Violations
	v.Check(slices.Contains(mesa.RoleCodes, in.Role), "role", "El rol no existe.")
	v.Check(in.AreaCode == "" || area != "", "area", "El área no existe.")
	if err := v.Err(); err != nil {
		return err
	}
	return d.changeAccount(ctx, by, in.Email, what, strings.TrimSpace(string(in.Role)+" "+strings.ToUpper(in.AreaCode)),
		func(tx *db.Tx, user mesa.UserID) (bool, error) { return change(tx, user, area) })
}

// SetActive lets an account sign in and act, or (on false) no longer, from its next request on. The last active administrator stays.
func (d *Desk) SetActive(ctx context.Context, by *mesa.Actor, email string, active bool) error {
	what := map[bool]mesa.EventType{true: mesa.UserActivated, false: mesa.UserDeactivated}[active]
	return d.changeAccount(ctx, by, email, what, "", func(tx *db.Tx, user mesa.UserID) (bool, error) {
		if !active {
			if err := d.keepAnAdmin(ctx, tx, by, user); err != nil {
				return false, err
			}
		}
		return tx.SetActive(ctx, user, active)
	})
}

// changeAccount changes what an account may do and notes it if it did change; NotFound when there is no such account.
func (d *Desk) changeAccount(ctx context.Context, by *mesa.Actor, email string, what mesa.EventType, text string, change func(*db.Tx, mesa.UserID) (bool, error)) error {
	i := slices.IndexFunc(by.Catalogue.Users, func(u *mesa.User) bool { return u.Email == strings.ToLower(line(email)) })
	if i < 0 {
		return mesa.ErrNotFound("email")
	}
	user := by.Catalogue.Users[i].ID
	return d.write(ctx, by, func(tx *db.Tx) error {
		changed, err := change(tx, user)
		if err != nil || !changed {
			return err
		}
		e := mesa.NewEvent(tx.IDs(), by, tx.Now(), what)
		e.ObjectID, e.Text = string(user), text
		return tx.AppendEvents(ctx, []*mesa.Event{e})
	})
}

func (d *Desk) keepAnAdmin(ctx context.Context, tx *db.Tx, by *mesa.Actor, user mesa.UserID) error {
	other, err := tx.HasOtherAdmin(ctx, user, by.Catalogue.Today(tx.Now()))
	if err == nil && !other {
		err = mesa.Invalid("email", "Debe quedar al menos un administrador activo.")
	}
	return err
}

// ClearCache notes that an operator wants everything that is kept to be forgotten; the event makes each process do so.
func (d *Desk) ClearCache(ctx context.Context, by *mesa.Actor) error {
	return d.write(ctx, by, func(tx *db.Tx) error {
		return tx.AppendEvents(ctx, []*mesa.Event{mesa.NewEvent(tx.IDs(), by, tx.Now(), mesa.CacheCleared)})
	})
}
