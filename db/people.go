package db

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
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
	Overrides json.RawMessage

	MustChangePassword bool
}

// rightsOf are the columns with the roles, memberships and overrides of the account that an expression names.
func (db *DB) rightsOf(account string) string {
	objects := db.dialect.jsonObjects
	return `
		(SELECT ` + objects("'Role'", "r.role", "'AreaID'", "r.area_id", "'UntilOn'", "r.until_on") + ` FROM role_assignments AS r WHERE r.user_id = ` + account + `) AS roles,
		(SELECT ` + objects("'AreaID'", "m.area_id", "'Primary'", "m.is_primary", "'FromOn'", "m.from_on", "'UntilOn'", "m.until_on") + `
			FROM memberships AS m WHERE m.user_id = ` + account + `) AS areas,
		(SELECT ` + objects("'Permission'", "o.permission", "'AreaID'", "o.area_id", "'Effect'", "o.effect", "'UntilOn'", "o.until_on") + `
			FROM permission_overrides AS o WHERE o.user_id = ` + account + `) AS overrides`
}

// Actor is who holds the token now, a session's or the secret of an API key, and the catalogue that their request works with.
// Unauthenticated when the token is unknown, ended, revoked or expired, or the account inactive. It is one statement: permission changes
// bite on the next request.
func (db *DB) Actor(ctx context.Context, token string) (*mesa.Actor, error) {
	if mesa.IsKeySecret(token) {
		return db.machine(ctx, token)
	}
	now := db.Now()
	rows, err := prepared[signedIn](ctx, db, db.read, `SELECT u.id, u.full_name, u.must_change_password AND NOT s.is_operators AS must_change_password, s.id AS session_id, s.expires_at, v.version,`+db.rightsOf("u.id")+`
		FROM sessions AS s JOIN users AS u ON u.id = s.user_id CROSS JOIN catalogue_version AS v
		WHERE s.token_hash = ? AND s.ended_at IS NULL AND s.expires_at > ? AND u.is_active`, TokenHash(token), now)
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	if len(rows) == 0 {
		return nil, mesa.ErrUnauthenticated()
	}
	row := rows[0]
	cat, err := db.Catalogue(ctx, row.Version)
	if err != nil {
		return nil, err
	}
	actor, err := row.actor(cat, &mesa.User{ID: row.ID, FullName: row.FullName}, now)
	if err != nil {
		return nil, err
	}
	actor.SessionID, actor.ExpiresAt, actor.MustChangePassword = row.SessionID, row.ExpiresAt, row.MustChangePassword
	return actor, nil
}

// actor is the account with the rights that it has at an instant.
func (s signedIn) actor(cat *mesa.Catalogue, user *mesa.User, now time.Time) (*mesa.Actor, error) {
	today := cat.Today(now)
	grants, areas, err := s.inForce(today)
	if err != nil {
		return nil, err
	}
	var overrides []mesa.PermissionOverride
	if err := json.Unmarshal(s.Overrides, &overrides); err != nil {
		return nil, fmt.Errorf("permissions of %s: %w", s.ID, err)
	}
	overrides = slices.DeleteFunc(overrides, func(o mesa.PermissionOverride) bool { return !o.UntilOn.IsZero() && o.UntilOn < today })
	return mesa.NewActor(cat, user, grants, areas, overrides...), nil
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
		Role    mesa.RoleCode
		AreaID  mesa.AreaID
		UntilOn mesa.Date
	}
	if err := json.Unmarshal(s.Roles, &roles); err != nil {
		return nil, nil, fmt.Errorf("roles of %s: %w", s.ID, err)
	}
	var memberships []struct {
		AreaID          mesa.AreaID
		Primary         flag
		FromOn, UntilOn mesa.Date
	}
	if err := json.Unmarshal(s.Areas, &memberships); err != nil {
		return nil, nil, fmt.Errorf("memberships of %s: %w", s.ID, err)
	}
	var grants []mesa.RoleGrant
	for _, r := range roles {
		if r.UntilOn.IsZero() || r.UntilOn >= today {
			grants = append(grants, mesa.RoleGrant{Role: r.Role, Area: r.AreaID})
		}
	}
	areas := []mesa.AreaID{}
	for _, m := range memberships {
		if m.FromOn > today || !m.UntilOn.IsZero() && m.UntilOn < today {
			continue
		}
		if m.Primary {
			areas = append([]mesa.AreaID{m.AreaID}, areas...)
		} else {
			areas = append(areas, m.AreaID)
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

// AccountOf finds an account, active or not; NotFound when there is none.
func (db *DB) AccountOf(ctx context.Context, id mesa.UserID) (*mesa.User, error) {
	user := &mesa.User{}
	if err := db.read.NewSelect().Model(user).Where("id = ?", id).Scan(ctx); err != nil {
		return nil, notFound(err, "userId", "find user")
	}
	return user, nil
}

// LockUser finds an account under lock; NotFound of the field when there is none.
func (tx *Tx) LockUser(ctx context.Context, id mesa.UserID, field string) (*mesa.User, error) {
	user := &mesa.User{}
	if err := tx.db.dialect.forUpdate(tx.NewSelect().Model(user).Where("id = ?", id), "user").Scan(ctx); err != nil {
		return nil, notFound(err, field, "lock user")
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
	return db.actorOf(ctx, db.read, cat, user)
}

// ActorOf is the actor of an account as the transaction sees it, with the catalogue that the caller works with.
func (tx *Tx) ActorOf(ctx context.Context, cat *mesa.Catalogue, user *mesa.User) (*mesa.Actor, error) {
	return tx.db.actorOf(ctx, tx.Tx, cat, user)
}

func (db *DB) actorOf(ctx context.Context, idb bun.IDB, cat *mesa.Catalogue, user *mesa.User) (*mesa.Actor, error) {
	row := signedIn{ID: user.ID}
	if err := idb.NewRaw("SELECT "+db.rightsOf("?0"), user.ID).Scan(ctx, &row); err != nil {
		return nil, fmt.Errorf("read rights: %w", err)
	}
	return row.actor(cat, user, db.Now())
}

// SignInFailures are the instants of the failed sign-ins of an e-mail since another one, the latest first.
func (db *DB) SignInFailures(ctx context.Context, email string, since time.Time) ([]time.Time, error) {
	return signInFailures(ctx, db.read, email, since)
}

func signInFailures(ctx context.Context, idb bun.IDB, email string, since time.Time) (at []time.Time, err error) {
	if err := idb.NewRaw("SELECT at FROM sign_in_failures WHERE email = ? AND at > ? ORDER BY at DESC", email, since).Scan(ctx, &at); err != nil {
		return nil, fmt.Errorf("read failed sign-ins: %w", err)
	}
	return at, nil
}

// AddSignInFailure notes one, forgets those before an instant and tells those that the e-mail has now, the latest first.
func (tx *Tx) AddSignInFailure(ctx context.Context, email string, forget time.Time) ([]time.Time, error) {
	if _, err := tx.NewRaw("DELETE FROM sign_in_failures WHERE at <= ?", forget).Exec(ctx); err != nil {
		return nil, err
	}
	if _, err := tx.NewRaw("INSERT INTO sign_in_failures (email, at) VALUES (?, ?)", email, tx.Now()).Exec(ctx); err != nil {
		return nil, err
	}
	return signInFailures(ctx, tx.Tx, email, forget)
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

// InsertUser stores an account. Invalid when the e-mail is taken.
func (tx *Tx) InsertUser(ctx context.Context, u *mesa.User) error {
	if _, err := tx.NewInsert().Model(u).Exec(ctx); err != nil {
		return tx.emailTaken(err, "insert user")
	}
	return tx.TouchCatalogue(ctx)
}

// SaveUser stores who an account belongs to and whether it is active. Invalid when the e-mail is taken.
func (tx *Tx) SaveUser(ctx context.Context, u *mesa.User) error {
	if _, err := tx.NewUpdate().Model(u).Column("email", "full_name", "job_title", "is_active").WherePK().Exec(ctx); err != nil {
		return tx.emailTaken(err, "save user")
	}
	return tx.TouchCatalogue(ctx)
}

func (tx *Tx) emailTaken(err error, what string) error {
	if tx.db.dialect.isUnique(err) {
		return mesa.Invalid("email", "Ya existe una cuenta con ese correo.")
	}
	return fmt.Errorf("%s: %w", what, err)
}

// MembershipsOf lists the areas that an account works in now or later, the primary one first.
func (tx *Tx) MembershipsOf(ctx context.Context, id mesa.UserID) (areas []mesa.AreaID, err error) {
	err = tx.NewRaw("SELECT area_id FROM memberships WHERE user_id = ? ORDER BY is_primary DESC, from_on, area_id", id).Scan(ctx, &areas)
	if err != nil {
		return nil, fmt.Errorf("read memberships: %w", err)
	}
	return areas, nil
}

// SetMemberships makes an account work in these areas and no others, the first one being primary. Whoever works there already does so
// since the day they began.
func (tx *Tx) SetMemberships(ctx context.Context, id mesa.UserID, areas []mesa.AreaID, today mesa.Date) error {
	var were []*mesa.Membership
	if err := tx.NewSelect().Model(&were).Where("user_id = ?", id).Scan(ctx); err != nil {
		return fmt.Errorf("read memberships: %w", err)
	}
	if _, err := tx.NewRaw("DELETE FROM memberships WHERE user_id = ?", id).Exec(ctx); err != nil {
		return fmt.Errorf("end memberships: %w", err)
	}
	began := map[mesa.AreaID]mesa.Date{}
	for _, m := range were {
		if m.UntilOn.IsZero() || m.UntilOn >= today {
			began[m.AreaID] = m.FromOn
		}
	}
	memberships := make([]*mesa.Membership, len(areas))
	for i, area := range areas {
		memberships[i] = &mesa.Membership{UserID: id, AreaID: area, IsPrimary: i == 0, FromOn: min(cmp.Or(began[area], today), today)}
	}
	if len(memberships) > 0 {
		if _, err := tx.NewInsert().Model(&memberships).Exec(ctx); err != nil {
			return fmt.Errorf("insert memberships: %w", err)
		}
	}
	return tx.TouchCatalogue(ctx)
}

// SetPassword stores a hash, and whether it has to be changed, and ends the sessions of the account but one ("" for none).
func (tx *Tx) SetPassword(ctx context.Context, id mesa.UserID, hash string, mustChange bool, but mesa.SessionID) error {
	if _, err := tx.NewRaw("UPDATE users SET password_hash = ?, must_change_password = ? WHERE id = ?", hash, mustChange, id).Exec(ctx); err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	return tx.EndSessions(ctx, id, but)
}

// GrantRole gives an account a role in one area, or ("") in the whole institution, and until when; it says whether that is new.
func (tx *Tx) GrantRole(ctx context.Context, grant *mesa.RoleAssignment) (bool, error) {
	return tx.changedPeople(ctx)(tx.NewInsert().Model(grant).On("CONFLICT (user_id, role, area_id) DO UPDATE").
		Set("until_on = excluded.until_on, granted_by_id = excluded.granted_by_id, granted_at = excluded.granted_at").
		Where("role_assignment.until_on IS DISTINCT FROM excluded.until_on").Returning("NULL").Exec(ctx))
}

// RevokeRole takes a role away; it says whether the account had it.
func (tx *Tx) RevokeRole(ctx context.Context, user mesa.UserID, role mesa.RoleCode, area mesa.AreaID) (bool, error) {
	return tx.changedPeople(ctx)(tx.NewRaw("DELETE FROM role_assignments WHERE user_id = ? AND role = ? AND area_id = ?", user, role, area).Exec(ctx))
}

// OverridePermission stores an exception in place of the one that the account has for the permission there; it says whether that is new.
func (tx *Tx) OverridePermission(ctx context.Context, o *mesa.PermissionOverride) (bool, error) {
	return tx.changedPeople(ctx)(tx.NewInsert().Model(o).On("CONFLICT (user_id, permission, area_id) DO UPDATE").
		Set("effect = excluded.effect, reason = excluded.reason, until_on = excluded.until_on, granted_by_id = excluded.granted_by_id, granted_at = excluded.granted_at").
		Where("permission_override.effect <> excluded.effect OR permission_override.reason <> excluded.reason OR permission_override.until_on IS DISTINCT FROM excluded.until_on").
		Returning("NULL").Exec(ctx))
}

// ClearPermission takes an exception back; it says whether there was one.
func (tx *Tx) ClearPermission(ctx context.Context, user mesa.UserID, p mesa.Permission, area mesa.AreaID) (bool, error) {
	return tx.changedPeople(ctx)(tx.NewRaw("DELETE FROM permission_overrides WHERE user_id = ? AND permission = ? AND area_id = ?", user, p, area).Exec(ctx))
}

// HasOtherAdmin says whether there is an active administrator of the whole institution besides one account, who was not denied to
// administer. It locks the accounts, so
// that two administrators cannot remove each other.
func (tx *Tx) HasOtherAdmin(ctx context.Context, but mesa.UserID, today mesa.Date) (bool, error) {
	var ids []mesa.UserID
	q := tx.NewSelect().Model((*mesa.User)(nil)).Column("id").Where("is_active").
		Where("id IN (SELECT r.user_id FROM role_assignments AS r WHERE r.role = ? AND r.area_id = '' AND (r.until_on IS NULL OR r.until_on >= ?))", mesa.Admin, today).
		Where("NOT EXISTS (SELECT 1 FROM permission_overrides AS o WHERE o.user_id = ?TableAlias.id AND o.effect = ? AND o.permission IN (?) AND (o.until_on IS NULL OR o.until_on >= ?))",
			mesa.Deny, bun.List([]mesa.Permission{mesa.MayManageUsers, mesa.MayManageRoles}), today).Order("id")
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
