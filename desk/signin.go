package desk

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Rules of sign-in.
const (
	SessionLasts   = 60 * time.Minute
	lockAfter      = 5
	lockWindow     = 15 * time.Minute
	tokenPrefix    = "mesa_"
	tokenBytes     = 32
	maxEmailLength = 254
)

// SignInInput is an e-mail and a password.
type SignInInput struct {
	Email    string
	Password string
}

// SignedIn is an opened session.
type SignedIn struct {
	Token     string // shown once; only its hash is stored
	ExpiresAt time.Time
	Actor     *mesa.Actor
}

// SignIn opens a session of one hour. Wrong e-mail and wrong password look alike and take the same time. Five failures in a quarter
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
		return nil, d.signInFailed(ctx, email, user, since)
	}
	return d.openSession(ctx, user)
}

// checkLock is RateLimited when an account is locked.
func (d *Desk) checkLock(ctx context.Context, email string, since time.Time) error {
	failures, err := d.db.SignInFailures(ctx, email, since)
	if err == nil && failures >= lockAfter {
		return mesa.Fail(mesa.RateLimited, "", "Demasiados intentos fallidos: espere unos minutos.").With("retryAfter", int(lockWindow.Seconds()))
	}
	return err
}

// signInFailed notes the failure, and that it locks the account, and says no more than that e-mail or password are wrong.
func (d *Desk) signInFailed(ctx context.Context, email string, user *mesa.User, since time.Time) error {
	err := d.db.InTx(ctx, func(tx *db.Tx) error {
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
	if err != nil {
		return err
	}
	return mesa.Fail(mesa.Unauthenticated, "", "El correo o la contraseña no son correctos.")
}

func (d *Desk) openSession(ctx context.Context, user *mesa.User) (*SignedIn, error) {
	by, err := d.db.ActorOf(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	in := &SignedIn{Actor: by, Token: newToken()}
	err = d.db.InTx(ctx, func(tx *db.Tx) error {
		now := tx.Now()
		in.ExpiresAt = now.Add(SessionLasts)
		session := &mesa.Session{ID: tx.IDs().Session(now), TokenHash: db.TokenHash(in.Token), UserID: user.ID, CreatedAt: now, ExpiresAt: in.ExpiresAt}
		if err := tx.InsertSession(ctx, session); err != nil {
			return err
		}
		if err := tx.ClearSignInFailures(ctx, user.Email); err != nil {
			return err
		}
		e := mesa.NewEvent(tx.IDs(), by, now, mesa.SignedIn)
		e.ObjectID = string(session.ID)
		return tx.AppendEvents(ctx, []*mesa.Event{e})
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

func newToken() string {
	b := make([]byte, tokenBytes)
	rand.Read(b)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// SignOut ends the session that the actor's request came with, at once.
func (d *Desk) SignOut(ctx context.Context, by *mesa.Actor) error {
	return d.write(ctx, by, func(tx *db.Tx) error {
		if err := tx.EndSession(ctx, by.SessionID); err != nil {
			return err
		}
		e := mesa.NewEvent(tx.IDs(), by, tx.Now(), mesa.SignedOut)
		e.ObjectID = string(by.SessionID)
		return tx.AppendEvents(ctx, []*mesa.Event{e})
	})
}
