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
	area := mesa.AreaID("")
	for _, a := range cat.Areas {
		if a.Code == strings.ToUpper(in.AreaCode) {
			area = a.ID
		}
	}
	v.Check(in.AreaCode == "" || area != "", "area", "El área no existe.")
	return area, v.Err()
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
