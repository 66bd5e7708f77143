package mesa

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Institution is the one body that a deployment serves.
type Institution struct {
	ID                      int `bun:",pk"` // always 1
	Name                    string
	ShortName               string
	RUC                     string `bun:"ruc"`
	TimeZone                string // IANA name
	Locale                  string
	PublicBaseURL           Text `bun:"public_base_url,nullzero"`
	FilingPolicy            FilingPolicy
	OfficeCutoff            TimeOfDay
	DefaultTermBusinessDays int
	MaxBackdateBusinessDays int
}

// Area is a unit of the institution; a desk is an area that registers.
type Area struct {
	ID       AreaID `bun:",pk"`
	Code     string // ^[A-Z0-9-]{2,12}$, unique
	Name     string
	ParentID AreaID `bun:",nullzero"`
	HeadID   UserID `bun:",nullzero"`
	Email    Text   `bun:",nullzero"`
	IsDesk   bool
	IsActive bool
}

// User is a member of staff who can sign in.
type User struct {
	ID           UserID `bun:",pk"`
	Email        string // lower case, unique
	FullName     string
	JobTitle     Text   `bun:",nullzero"`
	PasswordHash string // argon2id, PHC string format
	IsActive     bool
	LastSignInAt time.Time `bun:",nullzero"`
	CreatedAt    time.Time

	MustChangePassword bool // somebody else gave it the password
}

// maxEmail is what an address may have at most, in bytes.
const maxEmail = 254

// Check collects what is wrong with the facts of an account.
func (u *User) Check() error {
	var v Violations
	checkEmail(&v, u.Email)
	checkText(&v, "fullName", u.FullName, 2, 120)
	checkText(&v, "jobTitle", string(u.JobTitle), 0, 120)
	return v.Err()
}

func checkEmail(v *Violations, email string) {
	local, domain, found := strings.Cut(email, "@")
	v.Check(found && local != "" && domain != "" && !strings.ContainsAny(email, " ,;<>\"") && len(email) <= maxEmail, "email", "El correo no es válido.")
}

// CheckAreas says what is wrong with the areas that a person works in: one that is not there or not active, or is named twice.
func CheckAreas(field string, ids []AreaID, cat *Catalogue) error {
	var v Violations
	for i, id := range ids {
		area := cat.Area(id)
		at := fmt.Sprintf("%s.%d", field, i)
		v.Check(area != nil && area.IsActive, at, "El área no existe o no está activa.")
		v.Check(!slices.Contains(ids[:i], id), at, "El área se repite.")
	}
	return v.Err()
}

// Check collects what is wrong with a role that is to be given; prefix stands before the names of fields.
func (r *RoleAssignment) Check(prefix string, cat *Catalogue, today Date) error {
	var v Violations
	v.Check(slices.Contains(RoleCodes, r.Role), prefix+"role", "El rol no existe.")
	v.Check(r.AreaID == "" || cat.Area(r.AreaID) != nil, prefix+"areaId", "El área no existe.")
	v.Check(r.UntilOn.IsZero() || r.UntilOn >= today, prefix+"untilOn", "El último día no puede ser anterior a hoy.")
	return v.Err()
}

// Account is what only administrators see of a user.
type Account struct {
	UserID             UserID
	LastSignInAt       time.Time
	MustChangePassword bool
	Memberships        []*Membership         // the primary one first
	Roles              []*RoleAssignment     // also those that are over
	Overrides          []*PermissionOverride // also those that are over
}

// Membership says that a user works in an area.
type Membership struct {
	UserID    UserID `bun:",pk"`
	AreaID    AreaID `bun:",pk"`
	IsPrimary bool
	FromOn    Date
	UntilOn   Date `bun:",nullzero"` // last day, zero means open ended
}

// RoleAssignment gives a user a role, in one area or everywhere.
type RoleAssignment struct {
	UserID      UserID   `bun:",pk"`
	Role        RoleCode `bun:",pk"`
	AreaID      AreaID   `bun:",pk"` // "" for the whole institution
	GrantedByID UserID   `bun:",nullzero"`
	GrantedAt   time.Time
	UntilOn     Date `bun:",nullzero"` // last day, zero means open ended
}

// Session is a sign-in and what it is renewed to. Only the SHA-256 of its token is stored.
type Session struct {
	ID        SessionID `bun:",pk"`
	TokenHash []byte    // of the present one
	UserID    UserID
	CreatedAt time.Time
	ExpiresAt time.Time // of the token
	EndedAt   time.Time `bun:",nullzero"`

	IsOperators bool // whether the operator opened it without a password: then none has to be changed first
}

// RefreshToken renews a session, once. Only its SHA-256 is stored.
type RefreshToken struct {
	TokenHash []byte `bun:",pk"`
	SessionID SessionID
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time `bun:",nullzero"`
}

// Use marks the token used. It is stolen when somebody used it before, in a session that has not ended: either they or whoever comes now
// took it from the other, and nobody can tell who. Unauthenticated when it does not hold any more.
func (t *RefreshToken) Use(now time.Time, of *Session, by *User) (stolen bool, err error) {
	switch {
	case !of.EndedAt.IsZero() || !by.IsActive:
		return false, ErrUnauthenticated()
	case !t.UsedAt.IsZero():
		return true, nil
	case !t.ExpiresAt.After(now):
		return false, ErrUnauthenticated()
	}
	t.UsedAt = now
	return false, nil
}

// IsNode marks types that node(id:) finds.
func (User) IsNode() {}

// IsNode marks types that node(id:) finds.
func (Area) IsNode() {}
