package desk

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Rules of sign-in.
const (
	lockAfter      = 5
	lockLasts      = 15 * time.Minute // as long as the failures that lock may lie apart
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
// of an hour lock the account for a quarter of an hour from the fifth.
func (d *Desk) SignIn(ctx context.Context, from mesa.Origin, in SignInInput) (*SignedIn, error) {
	email := strings.ToLower(line(in.Email))
	if len(email) > maxEmailLength {
		email = email[:maxEmailLength]
	}
	if err := d.checkLock(ctx, email); err != nil {
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
	if err := d.checkLock(ctx, email); err != nil { // others guessed while this one waited for its turn
		return nil, err
	}
	if !ok {
		stranger := &mesa.Actor{Kind: mesa.ActorPublic, Name: "—", Origin: from}
		if err := d.noteFailure(ctx, stranger, email, user); err != nil {
			return nil, err
		}
		return nil, mesa.Fail(mesa.Unauthenticated, "", "El correo o la contraseña no son correctos.")
	}
	return d.openSession(ctx, from, user, false)
}

// checkLock is RateLimited when an account is locked.
func (d *Desk) checkLock(ctx context.Context, email string) error {
	now := d.db.Now()
	failures, err := d.db.SignInFailures(ctx, email, now.Add(-2*lockLasts))
	if err != nil {
		return err
	}
	if left := lockedUntil(failures).Sub(now); left > 0 {
		return mesa.Fail(mesa.RateLimited, "", "Demasiados intentos fallidos: espere unos minutos.").With("retryAfter", int(math.Ceil(left.Seconds())))
	}
	return nil
}

// lockedUntil is until when an account is locked, or was the last time, by its failures, the latest first; zero when it never was.
func lockedUntil(failures []time.Time) time.Time {
	for i := range len(failures) - lockAfter + 1 {
		if failures[i].Sub(failures[i+lockAfter-1]) < lockLasts {
			return failures[i].Add(lockLasts)
		}
	}
	return time.Time{}
}

// noteFailure notes that a password was wrong, and that this locks the e-mail; user is nil when there is no such account.
func (d *Desk) noteFailure(ctx context.Context, by *mesa.Actor, email string, user *mesa.User) error {
	return d.db.InTx(ctx, func(tx *db.Tx) error {
		failures, err := tx.AddSignInFailure(ctx, email, tx.Now().Add(-2*lockLasts))
		if err != nil {
			return err
		}
		types := []mesa.EventType{mesa.SignInFailed}
		if lockedUntil(failures).After(tx.Now()) && !lockedUntil(failures[1:]).After(tx.Now()) {
			types = append(types, mesa.AccountLocked)
		}
		account := ""
		if user != nil {
			account = string(user.ID)
		}
		for _, typ := range types {
			if err := note(ctx, tx, by, typ, account, about{Text: mesa.MaskEmail(email)}); err != nil {
				return err
			}
		}
		return nil
	})
}
