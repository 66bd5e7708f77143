package desk

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"strings"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// NewPassword draws a password to be given to somebody, who has to change it: 120 random bits, small letters and digits.
func NewPassword() string {
	b := make([]byte, 15)
	rand.Read(b)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

// ChangePasswordInput is the password that the actor has, and the one that they want.
type ChangePasswordInput struct {
	CurrentPassword string
	NewPassword     string
}

// ChangePassword gives the actor's account another password and ends its other sessions. A wrong present password counts like a failed sign-in.
func (d *Desk) ChangePassword(ctx context.Context, by *mesa.Actor, in ChangePasswordInput) error {
	user, err := d.db.AccountOf(ctx, by.UserID)
	if err != nil {
		return err
	}
	if err := d.checkPresent(ctx, by, user, in.CurrentPassword); err != nil {
		return err
	}
	if in.NewPassword == in.CurrentPassword {
		return mesa.Invalid("newPassword", "La contraseña nueva es la que ya tiene.")
	}
	if err := mesa.CheckPassword("newPassword", in.NewPassword, user); err != nil {
		return err
	}
	hash, err := d.passwords.Hash(ctx, in.NewPassword)
	if err != nil {
		return err
	}
	return d.write(ctx, by, func(tx *db.Tx) error {
		if err := tx.SetPassword(ctx, user.ID, hash, false, by.SessionID); err != nil {
			return err
		}
		return note(ctx, tx, by, mesa.PasswordChanged, string(user.ID), about{})
	})
}

// checkPresent says that a password is not the account's present one; whoever holds a session cannot guess it faster than a stranger.
func (d *Desk) checkPresent(ctx context.Context, by *mesa.Actor, user *mesa.User, password string) error {
	if err := d.checkLock(ctx, user.Email); err != nil {
		return err
	}
	ok, err := d.passwords.Check(ctx, password, user.PasswordHash)
	if err != nil || ok {
		return err
	}
	if err := d.noteFailure(ctx, by, user.Email, user); err != nil {
		return err
	}
	return mesa.Invalid("currentPassword", "La contraseña actual no es correcta.")
}

// SetPassword gives an account a new password and ends its sessions. One that was drawn for it has to be changed before anything else.
func (d *Desk) SetPassword(ctx context.Context, by *mesa.Actor, email, password string, mustChange bool) error {
	user, err := d.db.UserByEmail(ctx, strings.ToLower(line(email)))
	if err != nil {
		return err
	}
	if err := mesa.CheckPassword("password", password, user); err != nil {
		return err
	}
	hash, err := d.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	return d.write(ctx, by, func(tx *db.Tx) error { return setPassword(ctx, tx, by, user.ID, hash, mustChange) })
}

func setPassword(ctx context.Context, tx *db.Tx, by *mesa.Actor, user mesa.UserID, hash string, mustChange bool) error {
	if err := tx.SetPassword(ctx, user, hash, mustChange, ""); err != nil {
		return err
	}
	return note(ctx, tx, by, mesa.PasswordSet, string(user), about{})
}
