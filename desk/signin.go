package desk

import (
	"context"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Rules of sign-in.
const (
	lockAfter      = 5
	lockWindow     = 15 * time.Minute
	maxEmailLength = 254
)

// SignInInput is an e-mail and a password.
type SignInInput struct {
	Email    string
	Password string
}

// SignedIn is an opened or renewed session. Its tokens are shown once; only their hashes are stored.
type SignedIn struct {
	Token     string
	ExpiresAt time.Time

	RefreshToken     string // renews the session, once
	RefreshExpiresAt time.Time

	Actor *mesa.Actor
}

// SignIn opens a session of one hour, which Refresh renews. Wrong e-mail and wrong password look alike and take the same time. Five failures in a quarter
// of an hour lock the account until the oldest of them is a quarter of an hour old.
func (d *Desk) SignIn(ctx context.Context, in SignInInput) (*SignedIn, error) {
	email := strings.ToLower(line(in.Email))
	if len(email) > maxEmailLength {
		email = email[:maxEmailLength]
	}
	since := d.db.Now().Add(-lockWindow)
	if err := d.checkLock(ctx, email, since); err != nil {
		return nil, err
	}
	user, err := d.db.UserByEmail(ctx, email)
	if err != nil && mesa.CodeOf(err) != mesa.NotFound {
		return nil, err
	}
	hash := ""
	if user != nil {
		hash = user.PasswordHash
	}
	ok, err := d.passwords.Check(ctx, in.Password, hash)
	if err != nil {
		return nil, err
	}
	if err := d.checkLock(ctx, email, since); err != nil { // others guessed while this one waited for its turn
		return nil, err
	}
	if !ok {
		if err := d.noteFailure(ctx, email, user, since); err != nil {
			return nil, err
		}
		return nil, mesa.Fail(mesa.Unauthenticated, "", "El correo o la contraseña no son correctos.")
	}
	return d.openSession(ctx, user, false)
}

// checkLock is RateLimited when an account is locked.
func (d *Desk) checkLock(ctx context.Context, email string, since time.Time) error {
	failures, err := d.db.SignInFailures(ctx, email, since)
	if err == nil && failures >= lockAfter {
		return mesa.Fail(mesa.RateLimited, "", "Demasiados intentos fallidos: espere unos minutos.").With("retryAfter", int(lockWindow.Seconds()))
	}
	return err
}

// noteFailure notes that a password was wrong, and that this locks the account.
func (d *Desk) noteFailure(ctx context.Context, email string, user *mesa.User, since time.Time) error {
	return d.db.InTx(ctx, func(tx *db.Tx) error {
		failures, err := tx.AddSignInFailure(ctx, email, since)
		if err != nil {
			return err
		}
		types := []mesa.EventType{mesa.SignInFailed}
		if failures == lockAfter {
			types = append(types, mesa.AccountLocked)
		}
		events := make([]*mesa.Event, len(types))
		for i, typ := range types {
			events[i] = mesa.NewEvent(tx.IDs(), &mesa.Actor{Kind: mesa.ActorPublic, Name: "—"}, tx.Now(), typ)
			if user != nil {
				events[i].ObjectID = string(user.ID)
			}
		}
		return tx.AppendEvents(ctx, events)
	})
}
