package desk

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// How long a session goes on after it was opened or renewed: with the same token, and until it can no longer be renewed.
const (
	SessionLasts = 60 * time.Minute
	RefreshLasts = 7 * 24 * time.Hour
)

// Tokens are a prefix and 256 random bits. API keys begin like the first and have another length.
const (
	tokenPrefix   = "mesa_"
	refreshPrefix = "mesar_"
	tokenBytes    = 32
)

func newToken(prefix string) string {
	b := make([]byte, tokenBytes)
	rand.Read(b)
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// newTokens draws both tokens of a session that is opened or renewed now, and what is stored of them.
func (in *SignedIn) newTokens(s *mesa.Session, now time.Time) *mesa.RefreshToken {
	in.Token, in.ExpiresAt = newToken(tokenPrefix), now.Add(SessionLasts)
	in.RefreshToken, in.RefreshExpiresAt = newToken(refreshPrefix), now.Add(RefreshLasts)
	s.TokenHash, s.ExpiresAt = db.TokenHash(in.Token), in.ExpiresAt
	return &mesa.RefreshToken{TokenHash: db.TokenHash(in.RefreshToken), SessionID: s.ID, CreatedAt: now, ExpiresAt: in.RefreshExpiresAt}
}

func (d *Desk) openSession(ctx context.Context, from mesa.Origin, user *mesa.User, isOperators bool) (*SignedIn, error) {
	by, err := d.db.ActorOf(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	by.Origin = from
	by.MustChangePassword = user.MustChangePassword && !isOperators
	in := &SignedIn{Actor: by}
	err = d.db.InTx(ctx, func(tx *db.Tx) error {
		now := tx.Now()
		session := &mesa.Session{ID: tx.IDs().Session(now), UserID: user.ID, CreatedAt: now, IsOperators: isOperators}
		refresh := in.newTokens(session, now)
		if err := tx.InsertSession(ctx, session, refresh); err != nil {
			return err
		}
		if err := tx.ClearSignInFailures(ctx, user.Email); err != nil {
			return err
		}
		return note(ctx, tx, by, mesa.SignedIn, string(session.ID), about{})
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// Refresh renews a session: it has another token from now on, and the next refresh token. Each works once. One that comes again was taken
// from somebody, so the whole session ends, which is recorded.
func (d *Desk) Refresh(ctx context.Context, from mesa.Origin, token string) (*SignedIn, error) {
	in, stolen := &SignedIn{}, false
	err := d.db.InTx(ctx, func(tx *db.Tx) (err error) {
		stolen, err = in.renew(ctx, tx, from, db.TokenHash(token))
		return err
	})
	if err == nil && stolen {
		err = mesa.ErrUnauthenticated()
	}
	if err == nil {
		in.Actor, err = d.db.Actor(ctx, in.Token)
	}
	if err != nil {
		return nil, err
	}
	in.Actor.Origin = from
	return in, nil
}

func (in *SignedIn) renew(ctx context.Context, tx *db.Tx, from mesa.Origin, hash []byte) (stolen bool, err error) {
	token, session, user, err := tx.Renewal(ctx, hash)
	if err != nil {
		return false, err
	}
	now, by := tx.Now(), &mesa.Actor{Kind: mesa.ActorUser, UserID: user.ID, Name: user.FullName, Origin: from}
	stolen, err = token.Use(now, session, user)
	switch {
	case err != nil:
		return false, err
	case stolen:
		if err := tx.EndSession(ctx, session.ID); err != nil {
			return false, err
		}
		return true, note(ctx, tx, by, mesa.RefreshTokenReused, string(session.ID), about{})
	}
	next := in.newTokens(session, now)
	if err := tx.Renew(ctx, token, session, next); err != nil {
		return false, err
	}
	return false, note(ctx, tx, by, mesa.SessionRenewed, string(session.ID), about{})
}

// SignOut ends the session that the actor's request came with, at once.
func (d *Desk) SignOut(ctx context.Context, by *mesa.Actor) error {
	return d.write(ctx, by, func(tx *db.Tx) error {
		if err := tx.EndSession(ctx, by.SessionID); err != nil {
			return err
		}
		return note(ctx, tx, by, mesa.SignedOut, string(by.SessionID), about{})
	})
}

// SignOutOfAll ends all sessions of the actor's account, at once.
func (d *Desk) SignOutOfAll(ctx context.Context, by *mesa.Actor) error {
	return d.write(ctx, by, func(tx *db.Tx) error {
		if err := tx.EndSessions(ctx, by.UserID, ""); err != nil {
			return err
		}
		return note(ctx, tx, by, mesa.SignedOutOfAll, string(by.UserID), about{})
	})
}
