package mesa

import "time"

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

// Session is a sign-in. Only the SHA-256 of its token is stored.
type Session struct {
	ID        SessionID `bun:",pk"`
	TokenHash []byte
	UserID    UserID
	CreatedAt time.Time
	ExpiresAt time.Time
	EndedAt   time.Time `bun:",nullzero"`
}

// IsNode marks types that node(id:) finds.
func (User) IsNode() {}

// IsNode marks types that node(id:) finds.
func (Area) IsNode() {}
