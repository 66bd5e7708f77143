package mesa

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Actor is who acts: a user with the rights in force at the instant of the request, or a machine with its API key. It is made once per
// request or subscription event and never changes.
type Actor struct {
	Kind   ActorKind
	UserID UserID  // "" for the system and for machines
	Key    *APIKey // of a machine, nil for everybody else
	Name   string  // snapshot for the audit trail
	Roles  []RoleCode
	Areas  []AreaID // memberships in force, the primary one first

	Catalogue *Catalogue // the snapshot that the request works with

	MustChangePassword bool // and until then do nothing else

	Impersonal bool // sees only what everybody with the same rights sees, nothing that was given in person

	Origin              // of the request; outside one empty, but for the client of who opens a session from the command line
	SessionID SessionID // of the token that the request came with, "" outside one
	ExpiresAt time.Time // end of that session

	rights  map[Permission]right
	visible []AreaID // areas whose participation makes a document visible
}

// Origin is where a request comes from, for the audit trail. What nobody knows is empty.
type Origin struct {
	RequestID string // correlation id, as in the log and in X-Request-Id
	Address   string // IP address of the sender
	Client    string // what the sender's program calls itself, its User-Agent; at most MaxClient bytes
}

// MaxClient bounds Origin.Client.
const MaxClient = 200

// ID names the actor in the audit trail: the id of a user or of an API key, "" for the system.
func (a *Actor) ID() string {
	if a.Key != nil {
		return string(a.Key.ID)
	}
	return string(a.UserID)
}

// RightsKey is the same for two actors of the same catalogue exactly when they have the same rights in the same areas, so that they
// see the same, apart from documents that were given to one of them in person.
func (a *Actor) RightsKey() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%q|%q", a.Kind, a.visible, a.Areas)
	if a.Key != nil {
		fmt.Fprintf(&b, "|%s", a.Key.ID) // a key shares nothing with anybody
	}
	for _, row := range RolePermissions {
		r := a.rights[row.Permission]
		if r.everywhere {
			b.WriteString("|*")
		} else {
			fmt.Fprintf(&b, "|%q", sorted(r.areas))
		}
		if r.deniedEverywhere || len(r.denied) > 0 {
			fmt.Fprintf(&b, "-%t%q", r.deniedEverywhere, sorted(r.denied))
		}
	}
	return b.String()
}

// sorted lists ids in order, each once.
func sorted(ids []AreaID) []AreaID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Visible lists the areas whose documents the actor sees because they work there or head them.
func (a *Actor) Visible() []AreaID { return a.visible }

// right is where a permission holds: where it is given and not denied.
type right struct {
	everywhere bool
	areas      []AreaID // none of denied is among them

	deniedEverywhere bool
	denied           []AreaID
}

// RoleGrant is a role held by a user: in one area, or (Area empty) in the whole institution.
type RoleGrant struct {
	Role RoleCode
	Area AreaID
}

// NewActor works out the rights of a user from role grants, memberships and overrides (domain rule: (roles ∪ grants) − denials, evaluated
// for the area in question). Heads see what the areas below theirs take part in.
func NewActor(cat *Catalogue, user *User, grants []RoleGrant, memberships []AreaID, overrides ...PermissionOverride) *Actor {
	a := &Actor{Kind: ActorUser, UserID: user.ID, Name: user.FullName, Areas: memberships, Catalogue: cat, rights: map[Permission]right{}}
	for _, grant := range grants {
		own := memberships
		if grant.Area != "" {
			own = []AreaID{grant.Area}
		}
		a.add(grant, own)
		for _, area := range own {
			if grant.Role == AreaHead || grant.Role == DeskHead {
				a.visible = append(a.visible, cat.SubAreas(area)...)
			} else {
				a.visible = append(a.visible, area)
			}
		}
		if !slices.Contains(a.Roles, grant.Role) {
			a.Roles = append(a.Roles, grant.Role)
		}
	}
	a.override(overrides)
	slices.Sort(a.visible)
	a.visible = slices.Compact(a.visible)
	return a
}

func (a *Actor) add(grant RoleGrant, own []AreaID) {
	for permission, reach := range rolePermissions[grant.Role] {
		r := a.rights[permission]
		switch {
		case reach == nowhere:
			continue
		case reach == everywhere && grant.Area == "":
			r.everywhere = true
		default:
			r.areas = append(slices.Clone(r.areas), own...)
		}
		a.rights[permission] = r
	}
}

// System is the desk itself acting, in jobs and from the command line. It may do everything.
func System(cat *Catalogue, name string) *Actor {
	a := &Actor{Kind: ActorSystem, Name: name, Catalogue: cat, rights: map[Permission]right{}}
	for _, row := range RolePermissions {
		a.rights[row.Permission] = right{everywhere: true}
	}
	return a
}

// May says whether the permission holds in an area.
func (a *Actor) May(p Permission, area AreaID) bool {
	r := a.rights[p]
	return r.everywhere && !slices.Contains(r.denied, area) || slices.Contains(r.areas, area)
}

// MayAnywhere says whether the permission holds in at least one area.
func (a *Actor) MayAnywhere(p Permission) bool {
	r := a.rights[p]
	return r.everywhere || len(r.areas) > 0
}

// MayEverywhere says whether the permission holds in the whole institution; one that is denied in an area does not.
func (a *Actor) MayEverywhere(p Permission) bool {
	r := a.rights[p]
	return r.everywhere && len(r.denied) == 0
}

// Permissions lists the permissions that hold somewhere, in the order of RolePermissions.
func (a *Actor) Permissions() []string {
	list := []string{}
	for _, row := range RolePermissions {
		if a.MayAnywhere(row.Permission) {
			list = append(list, string(row.Permission))
		}
	}
	return list
}

// Scope is what an actor may see, in the form that SQL needs.
type Scope struct {
	Open     []Confidentiality // documents of these grades are visible whoever took part
	Grantees []string          // ids of areas, of a user or of an API key; a document they were given access to is visible
}

// Scope works out what the actor may see.
func (a *Actor) Scope() Scope {
	var s Scope
	if a.rights[MayReadDocuments].deniedEverywhere {
		return s
	}
	if a.MayEverywhere(MayReadAll) {
		s.Open = append(s.Open, Public)
		if a.MayEverywhere(MayReadRestricted) {
			s.Open = append(s.Open, Restricted)
		}
	}
	if a.MayEverywhere(MayReadConfidential) {
		s.Open = append(s.Open, Confidential)
	}
	for _, area := range a.visible {
		s.Grantees = append(s.Grantees, string(area))
	}
	if a.UserID != "" && !a.Impersonal {
		s.Grantees = append(s.Grantees, string(a.UserID))
	}
	if a.HasScope(ScopeStatus) {
		s.Grantees = append(s.Grantees, string(a.Key.ID))
	}
	return s
}

// SeesArea says whether the actor may look at the trays and figures of an area.
func (a *Actor) SeesArea(area AreaID) bool {
	return a.MayEverywhere(MayReadAll) && !a.rights[MayReadDocuments].deniedEverywhere || slices.Contains(a.visible, area)
}

// Administers says whether the actor administers accounts or rights.
func (a *Actor) Administers() bool {
	return a.MayEverywhere(MayManageUsers) || a.MayEverywhere(MayManageRoles)
}

// RequireEverywhere is ErrForbidden unless the permission holds in the whole institution.
func (a *Actor) RequireEverywhere(p Permission) error {
	if !a.MayEverywhere(p) {
		return ErrForbidden(p)
	}
	return nil
}

// Require is ErrForbidden unless the permission holds in the area.
func (a *Actor) Require(p Permission, area AreaID) error {
	if !a.May(p, area) {
		return ErrForbidden(p)
	}
	return nil
}
