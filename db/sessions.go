package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mesapartes/mesa/mesa"
)

// InsertSession stores a new session with the token that renews it.
func (tx *Tx) InsertSession(ctx context.Context, s *mesa.Session, refresh *mesa.RefreshToken) error {
	if _, err := tx.NewInsert().Model(s).Exec(ctx); err != nil {
		return fmt.Errorf("insert session: %w", err)
	}
	if _, err := tx.NewInsert().Model(refresh).Exec(ctx); err != nil {
		return fmt.Errorf("insert refresh token: %w", err)
	}
	_, err := tx.NewRaw("UPDATE users SET last_sign_in_at = ? WHERE id = ?", s.CreatedAt, s.UserID).Exec(ctx)
	return err
}

// Renewal is a refresh token under lock, with the session that it renews and whose it is. Unauthenticated when there is no such token.
func (tx *Tx) Renewal(ctx context.Context, hash []byte) (*mesa.RefreshToken, *mesa.Session, *mesa.User, error) {
	token, session, user := &mesa.RefreshToken{}, &mesa.Session{}, &mesa.User{}
	err := tx.db.dialect.forUpdate(tx.NewSelect().Model(token).Where("token_hash = ?", hash), "refresh_token").Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, nil, mesa.ErrUnauthenticated()
	}
	if err == nil {
		err = tx.db.dialect.forUpdate(tx.NewSelect().Model(session).Where("id = ?", token.SessionID), "session").Scan(ctx)
	}
	if err == nil {
		err = tx.NewSelect().Model(user).Where("id = ?", session.UserID).Scan(ctx)
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read what a token renews: %w", err)
	}
	return token, session, user, nil
}

// Renew stores that a refresh token is used, the session's new token, and the refresh token after that.
func (tx *Tx) Renew(ctx context.Context, used *mesa.RefreshToken, s *mesa.Session, next *mesa.RefreshToken) error {
	if _, err := tx.NewUpdate().Model(used).Column("used_at").WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("use refresh token: %w", err)
	}
	if _, err := tx.NewUpdate().Model(s).Column("token_hash", "expires_at").WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	if _, err := tx.NewInsert().Model(next).Exec(ctx); err != nil {
		return fmt.Errorf("insert refresh token: %w", err)
	}
	return nil
}

// EndSession ends a session now.
func (tx *Tx) EndSession(ctx context.Context, id mesa.SessionID) error {
	_, err := tx.NewRaw("UPDATE sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL", tx.Now(), id).Exec(ctx)
	return err
}

// EndSessions ends the sessions of an account now, but one ("" for none).
func (tx *Tx) EndSessions(ctx context.Context, of mesa.UserID, but mesa.SessionID) error {
	_, err := tx.NewRaw("UPDATE sessions SET ended_at = ? WHERE user_id = ? AND id <> ? AND ended_at IS NULL", tx.Now(), of, but).Exec(ctx)
	return err
}

// ForgetRefreshTokens deletes at most limit tokens that have run out, and says how many there were. Their sessions stay as the log of sign-ins.
func (db *DB) ForgetRefreshTokens(ctx context.Context, limit int) (int64, error) {
	result, err := db.write.NewRaw("DELETE FROM refresh_tokens WHERE token_hash IN (SELECT token_hash FROM refresh_tokens WHERE expires_at < ? LIMIT ?)", db.Now(), limit).Exec(ctx)
	if err != nil {
		return 0, fmt.Errorf("forget refresh tokens: %w", err)
	}
	return result.RowsAffected()
}
