package db

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// TokenHash is what is stored of a bearer token.
func TokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// signedIn is what one statement tells about a token: the account, its rights and the version of the catalogue.
type signedIn struct {
	ID        mesa.UserID
	FullName  string
	SessionID mesa.SessionID
	ExpiresAt time.Time
	Version   int64
	Roles     json.RawMessage
	Areas     json.RawMessage
}

// Actor is who holds the token now, a session's or the secret of an API key, and the catalogue that their request works with.
// Unauthenticated when the token is unknown, ended, revoked or expired, or the account inactive. It is one statement: permission changes
// bite on the next request.
func (db *DB) Actor(ctx context.Context, token string) (*mesa.Actor, error) {
	if mesa.IsKeySecret(token) {
		return db.machine(ctx, token)
	}
	now, row := db.Now(), signedIn{}
	err := db.read.NewRaw(`SELECT u.id, u.full_name, s.id AS session_id, s.expires_at, v.version,
		(SELECT `+db.dialect.jsonObjects("'Role'", "r.role", "'Area'", "r.area_id", "'Until'", "r.until_on")+` FROM role_assignments AS r WHERE r.user_id = u.id) AS roles,
		(SELECT `+db.dialect.jsonObjects("'Area'", "m.area_id", "'Primary'", "m.is_primary", "'From'", "m.from_on", "'Until'", "m.until_on")+` FROM memberships AS m WHERE m.user_id = u.id) AS areas
		FROM sessions AS s JOIN users AS u ON u.id = s.user_id CROSS JOIN catalogue_version AS v
		WHERE s.token_hash = ? AND s.ended_at IS NULL AND s.expires_at > ? AND u.is_active`, TokenHash(token), now).Scan(ctx, &row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mesa.ErrUnauthenticated()
	}
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	cat, err := db.Catalogue(ctx, row.Version)
	if err != nil {
		return nil, err
	}
	grants, areas, err := row.inForce(cat.Today(now))
	if err != nil {
		return nil, err
	}
	actor := mesa.NewActor(cat, &mesa.User{ID: row.ID, FullName: row.FullName}, grants, areas)
	actor.SessionID, actor.ExpiresAt = row.SessionID, row.ExpiresAt
	return actor, nil
}

// manyGrants is how many documents that were given to a user in person are looked at one by one.
const manyGrants = 500

// SeesMore says whether the actor sees what others with the same rights do not: a document that was given to them in person, or their tray
// of followed ones. It is true, too, for whoever was given so many documents that finding out would take long.
func (db *DB) SeesMore(ctx context.Context, actor *mesa.Actor) (yes bool, err error) {
	mesa.Saw(ctx, mesa.GrantsTag(actor.UserID), mesa.WatchesTag(actor.UserID))
	err = db.read.NewRaw(`SELECT count(*) > ? OR coalesce(max(CASE WHEN EXISTS (
			SELECT 1 FROM document_access AS theirs WHERE theirs.document_id = own.document_id AND theirs.grantee IN (?)) THEN 0 ELSE 1 END), 0) = 1
			OR EXISTS (SELECT 1 FROM watches AS w WHERE w.user_id = ?)
		FROM (SELECT a.document_id FROM document_access AS a WHERE a.grantee = ? LIMIT ?) AS own`,
		manyGrants, bun.List(append(slices.Clone(actor.Visible()), "")), actor.UserID, actor.UserID, manyGrants+1).Scan(ctx, &yes)
	if err != nil {
		return false, fmt.Errorf("read what was given in person: %w", err)
	}
	return yes, nil
}

// inForce keeps the roles and memberships that hold on a day, the primary area first.
func (s signedIn) inForce(today mesa.Date) ([]mesa.RoleGrant, []mesa.AreaID, error) {
	var roles []struct {
		Role  mesa.RoleCode
		Area  mesa.AreaID
		Until mesa.Date
	}
	if err := json.Unmarshal(s.Roles, &roles); err != nil {
		return nil, nil, fmt.Errorf("roles of %s: %w", s.ID, err)
	}
	var memberships []struct {
		Area        mesa.AreaID
		Primary     flag
		From, Until mesa.Date
	}
	if err := json.Unmarshal(s.Areas, &memberships); err != nil {
		return nil, nil, fmt.Errorf("memberships of %s: %w", s.ID, err)
	}
	var grants []mesa.RoleGrant
	for _, r := range roles {
		if r.Until.IsZero() || r.Until >= today {
			grants = append(grants, mesa.RoleGrant{Role: r.Role, Area: r.Area})
		}
	}
	areas := []mesa.AreaID{}
	for _, m := range memberships {
		if m.From > today || !m.Until.IsZero() && m.Until < today {
			continue
		}
		if m.Primary {
			areas = append([]mesa.AreaID{m.Area}, areas...)
		} else {
			areas = append(areas, m.Area)
		}
	}
	return grants, areas, nil
}

// flag reads a boolean from JSON made by either database: true or 1.
type flag bool

// UnmarshalJSON reads true, false, 1 or 0.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = string(b) == "true" || string(b) == "1"
	return nil
}

// UserByEmail finds an active account; NotFound when there is none.
func (db *DB) UserByEmail(ctx context.Context, email string) (*mesa.User, error) {
	user := &mesa.User{}
	err := db.read.NewSelect().Model(user).Where("email = ?", email).Where("is_active").Scan(ctx)
	if err != nil {
		return nil, notFound(err, "email", "find user")
	}
	return user, nil
}

// ActorOf is the actor of an account outside a request, for the command line and tests; NotFound when it does not exist.
func (db *DB) ActorOf(ctx context.Context, id mesa.UserID) (*mesa.Actor, error) {
	cat, err := db.Catalogue(ctx, 0)
	if err != nil {
		return nil, err
	}
	user := cat.User(id)
	if user == nil {
		return nil, mesa.ErrNotFound("id")
	}
	row := signedIn{ID: id}
	err = db.read.NewRaw(`SELECT
		(SELECT `+db.dialect.jsonObjects("'Role'", "r.role", "'Area'", "r.area_id", "'Until'", "r.until_on")+` FROM role_assignments AS r WHERE r.user_id = ?0) AS roles,
		(SELECT `+db.dialect.jsonObjects("'Area'", "m.area_id", "'Primary'", "m.is_primary", "'From'", "m.from_on", "'Until'", "m.until_on")+` FROM memberships AS m WHERE m.user_id = ?0) AS areas`,
		id).Scan(ctx, &row)
	if err != nil {
		return nil, fmt.Errorf("read rights: %w", err)
	}
	grants, areas, err := row.inForce(cat.Today(db.Now()))
	if err != nil {
		return nil, err
	}
	return mesa.NewActor(cat, user, grants, areas), nil
}

// InsertSession stores a new session.
func (tx *Tx) InsertSession(ctx context.Context, s *mesa.Session) error {
	if _, err := tx.NewInsert().Model(s).Exec(ctx); err != nil {
		return fmt.Errorf("insert session: %w", err)
	}
	_, err := tx.NewRaw("UPDATE users SET last_sign_in_at = ? WHERE id = ?", s.CreatedAt, s.UserID).Exec(ctx)
	return err
}

// EndSession ends a session now.
func (tx *Tx) EndSession(ctx context.Context, id mesa.SessionID) error {
	_, err := tx.NewRaw("UPDATE sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL", tx.Now(), id).Exec(ctx)
	return err
}

// SignInFailures counts the failed sign-ins of an e-mail since an instant.
func (db *DB) SignInFailures(ctx context.Context, email string, since time.Time) (n int, err error) {
	err = db.read.NewRaw("SELECT count(*) FROM sign_in_failures WHERE email = ? AND at > ?", email, since).Scan(ctx, &n)
	return n, err
}

// AddSignInFailure notes one, forgets those before an instant and says how many the e-mail has now.
func (tx *Tx) AddSignInFailure(ctx context.Context, email string, forget time.Time) (n int, err error) {
	if _, err := tx.NewRaw("DELETE FROM sign_in_failures WHERE at <= ?", forget).Exec(ctx); err != nil {
		return 0, err
	}
	if _, err := tx.NewRaw("INSERT INTO sign_in_failures (email, at) VALUES (?, ?)", email, tx.Now()).Exec(ctx); err != nil {
		return 0, err
	}
	err = tx.NewRaw("SELECT count(*) FROM sign_in_failures WHERE email = ?", email).Scan(ctx, &n)
	return n, err
}

// ClearSignInFailures forgets the failures of an e-mail.
func (tx *Tx) ClearSignInFailures(ctx context.Context, email string) error {
	_, err := tx.NewRaw("DELETE FROM sign_in_failures WHERE email = ?", email).Exec(ctx)
	return err
}

// IsMember says whether an active user works in an area on a day.
func (tx *Tx) IsMember(ctx context.Context, user mesa.UserID, area mesa.AreaID, on mesa.Date) (bool, error) {
	n, err := tx.NewSelect().TableExpr("memberships AS m").Join("JOIN users AS u ON u.id = m.user_id").
		Where("m.user_id = ? AND m.area_id = ? AND u.is_active", user, area).Where("m.from_on <= ? AND (m.until_on IS NULL OR m.until_on >= ?)", on, on).
		Count(ctx)
	return n > 0, err
}

// FindOrAddParty finds the party with the same identity or stores this one; the id is set either way. A party without an identity
// number is always a new one.
func (tx *Tx) FindOrAddParty(ctx context.Context, p *mesa.Party) error {
	p.ID, p.CreatedAt = tx.IDs().Party(tx.Now()), tx.Now()
	insert := tx.NewInsert().Model(p)
	if p.IDType != mesa.NoID {
		insert = insert.On("CONFLICT (id_type, id_number) WHERE id_type <> 'NONE' DO UPDATE").
			Set("email = coalesce(party.email, excluded.email)").Set("phone = coalesce(party.phone, excluded.phone)").Returning("id")
	}
	if _, err := insert.Exec(ctx); err != nil {
		return fmt.Errorf("store party: %w", err)
	}
	return nil
}

// InsertUser stores an account with one role and, unless area is empty, one membership. Invalid when the e-mail is taken.
func (tx *Tx) InsertUser(ctx context.Context, u *mesa.User, role mesa.RoleCode, area mesa.AreaID, today mesa.Date) error {
	if _, err := tx.NewInsert().Model(u).Exec(ctx); err != nil {
		if tx.db.dialect.isUnique(err) {
			return mesa.Invalid("email", "Ya existe una cuenta con ese correo.")
		}
		return fmt.Errorf("insert user: %w", err)
	}
	grant := &mesa.RoleAssignment{UserID: u.ID, Role: role, GrantedAt: u.CreatedAt}
	if _, err := tx.NewInsert().Model(grant).Exec(ctx); err != nil {
		return fmt.Errorf("insert role: %w", err)
	}
	if area != "" {
		membership := &mesa.Membership{UserID: u.ID, AreaID: area, IsPrimary: true, FromOn: today}
		if _, err := tx.NewInsert().Model(membership).Exec(ctx); err != nil {
			return fmt.Errorf("insert membership: %w", err)
		}
	}
	return tx.TouchCatalogue(ctx)
}

// SetPassword stores a hash and ends the sessions of the account.
func (tx *Tx) SetPassword(ctx context.Context, id mesa.UserID, hash string) error {
	if _, err := tx.NewRaw("UPDATE users SET password_hash = ? WHERE id = ?", hash, id).Exec(ctx); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	_, err := tx.NewRaw("UPDATE sessions SET ended_at = ? WHERE user_id = ? AND ended_at IS NULL", tx.Now(), id).Exec(ctx)
	return err
}

// GrantRole gives an account a role in one area, or ("") in the whole institution; it says whether that is new.
func (tx *Tx) GrantRole(ctx context.Context, grant *mesa.RoleAssignment) (bool, error) {
	return tx.changedPeople(ctx)(tx.NewInsert().Model(grant).On("CONFLICT DO NOTHING").Returning("NULL").Exec(ctx))
}

// RevokeRole takes a role away; it says whether the account had it.
func (tx *Tx) RevokeRole(ctx context.Context, user mesa.UserID, role mesa.RoleCode, area mesa.AreaID) (bool, error) {
	return tx.changedPeople(ctx)(tx.NewRaw("DELETE FROM role_assignments WHERE user_id = ? AND role = ? AND area_id = ?", user, role, area).Exec(ctx))
}

// SetActive lets an account sign in and act, or no longer; it says whether that changed.
func (tx *Tx) SetActive(ctx context.Context, user mesa.UserID, active bool) (bool, error) {
	return tx.changedPeople(ctx)(tx.NewRaw("UPDATE users SET is_active = ? WHERE id = ? AND is_active <> ?", active, user, active).Exec(ctx))
}

// HasOtherAdmin says whether there is an active administrator of the whole institution besides one account. It locks the accounts, so
// that two administrators cannot remove each other.
func (tx *Tx) HasOtherAdmin(ctx context.Context, but mesa.UserID, today mesa.Date) (bool, error) {
	var ids []mesa.UserID
	q := tx.NewSelect().Model((*mesa.User)(nil)).Column("id").Where("is_active").
		Where("id IN (SELECT r.user_id FROM role_assignments AS r WHERE r.role = ? AND r.area_id = '' AND (r.until_on IS NULL OR r.until_on >= ?))", mesa.Admin, today).Order("id")
	if err := tx.db.dialect.forUpdate(q, "user").Scan(ctx, &ids); err != nil {
		return false, fmt.Errorf("find administrators: %w", err)
	}
	return slices.ContainsFunc(ids, func(id mesa.UserID) bool { return id != but }), nil
}

// changedPeople says whether a statement changed a row, and if so makes every process read anew who may do what.
func (tx *Tx) changedPeople(ctx context.Context) func(sql.Result, error) (bool, error) {
	return func(result sql.Result, err error) (bool, error) {
		if err != nil {
			return false, fmt.Errorf("change an account: %w", err)
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return false, err
		}
		return true, tx.TouchCatalogue(ctx)
	}
}
