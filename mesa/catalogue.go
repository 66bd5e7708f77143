package mesa

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Term is a number of business days or years; 0 means that there is none, and reads as null.
type Term int

// MarshalGQL writes the number, null for none.
func (t Term) MarshalGQL(w io.Writer) {
	if t == 0 {
		io.WriteString(w, "null")
		return
	}
	io.WriteString(w, strconv.Itoa(int(t)))
}

// UnmarshalGQL reads a number; terms are never inputs today.
func (t *Term) UnmarshalGQL(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("%T is not a number", v)
	}
	*t = Term(n)
	return nil
}

// DocumentType is a kind of document with its defaults.
type DocumentType struct {
	ID                      DocumentTypeID `bun:",pk"`
	Code                    string
	Name                    string
	IsActive                bool
	DefaultTermBusinessDays Term `bun:",nullzero"`
	DefaultConfidentiality  Confidentiality
	AllowsAnonymous         bool
}

// Category refines a document type.
type Category struct {
	ID       CategoryID `bun:",pk"`
	TypeID   DocumentTypeID
	Code     string // unique within its type
	Name     string
	IsActive bool
}

// Purpose says what a derivation is for.
type Purpose struct {
	Code                    string `bun:",pk"`
	Label                   string // es-PE
	KindDefault             DerivationKind
	DefaultTermBusinessDays Term `bun:",nullzero"`
	Position                int
}

// Registry is a number series.
type Registry struct {
	ID         RegistryID `bun:",pk"`
	Code       string
	Name       string
	Pattern    string // see FormatNumber
	IsYearly   bool
	DeskAreaID AreaID `bun:",nullzero"`
	IsDefault  bool
}

// RetentionPolicy says how long an archived document is kept.
type RetentionPolicy struct {
	Code  string `bun:",pk"`
	Name  string
	Years Term `bun:",nullzero"`
}

// Catalogue is everything that changes seldom and is asked for all the time, held in memory: a snapshot of one Version of the
// catalogue tables. It never changes; db loads another when the version moves.
type Catalogue struct {
	Version     int64
	Institution *Institution
	Calendar    *Calendar
	Areas       []*Area // by code
	Types       []*DocumentType
	Categories  []*Category
	Purposes    []*Purpose
	Registries  []*Registry
	Policies    []*RetentionPolicy
	Users       []*User // by name

	areas      map[AreaID]*Area
	types      map[DocumentTypeID]*DocumentType
	categories map[CategoryID]*Category
	purposes   map[string]*Purpose
	users      map[UserID]*User
	children   map[AreaID][]AreaID
}

// Index makes the look-ups work; call it once after filling the lists.
func (c *Catalogue) Index() *Catalogue {
	c.areas = index(c.Areas, func(a *Area) AreaID { return a.ID })
	c.types = index(c.Types, func(t *DocumentType) DocumentTypeID { return t.ID })
	c.categories = index(c.Categories, func(t *Category) CategoryID { return t.ID })
	c.purposes = index(c.Purposes, func(p *Purpose) string { return p.Code })
	c.users = index(c.Users, func(u *User) UserID { return u.ID })
	c.children = map[AreaID][]AreaID{}
	for _, a := range c.Areas {
		if a.ParentID != "" {
			c.children[a.ParentID] = append(c.children[a.ParentID], a.ID)
		}
	}
	return c
}

func index[K comparable, V any](list []V, key func(V) K) map[K]V {
	m := make(map[K]V, len(list))
	for _, v := range list {
		m[key(v)] = v
	}
	return m
}

// Area finds an area, nil when there is none.
func (c *Catalogue) Area(id AreaID) *Area { return c.areas[id] }

// AreaByCode finds an area by its code in any case, nil when there is none.
func (c *Catalogue) AreaByCode(code string) *Area {
	return find(c.Areas, func(a *Area) bool { return strings.EqualFold(a.Code, code) })
}

// UserByEmail finds a user by their address in any case, nil when there is none.
func (c *Catalogue) UserByEmail(email string) *User {
	return find(c.Users, func(u *User) bool { return strings.EqualFold(u.Email, email) })
}

func find[T any](list []*T, is func(*T) bool) *T {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i]
	}
	return nil
}

// AreasOf finds areas in the order of their ids; what is not there is left out. Never nil.
func (c *Catalogue) AreasOf(ids []AreaID) []*Area {
	list := make([]*Area, 0, len(ids))
	for _, id := range ids {
		if a := c.areas[id]; a != nil {
			list = append(list, a)
		}
	}
	return list
}

// Type finds a document type, nil when there is none.
func (c *Catalogue) Type(id DocumentTypeID) *DocumentType { return c.types[id] }

// Category finds a category, nil when there is none.
func (c *Catalogue) Category(id CategoryID) *Category { return c.categories[id] }

// Purpose finds a purpose, nil when there is none.
func (c *Catalogue) Purpose(code string) *Purpose { return c.purposes[code] }

// User finds a user, nil when there is none.
func (c *Catalogue) User(id UserID) *User { return c.users[id] }

// CategoriesOf lists the categories of a type by code; empty, never nil.
func (c *Catalogue) CategoriesOf(id DocumentTypeID) []*Category {
	list := []*Category{}
	for _, cat := range c.Categories {
		if cat.TypeID == id {
			list = append(list, cat)
		}
	}
	return list
}

// Policy finds a retention policy, nil when there is none.
func (c *Catalogue) Policy(code string) *RetentionPolicy {
	for _, p := range c.Policies {
		if p.Code == code {
			return p
		}
	}
	return nil
}

// SubAreas is an area and all areas below it. A cycle in the data ends the walk rather than hanging it.
func (c *Catalogue) SubAreas(id AreaID) []AreaID {
	list := []AreaID{id}
	for i := 0; i < len(list); i++ {
		for _, child := range c.children[list[i]] {
			if !slices.Contains(list, child) {
				list = append(list, child)
			}
		}
	}
	return list
}

// RegistryFor is the number series of a desk: its own, else the default one, nil when there is neither.
func (c *Catalogue) RegistryFor(desk AreaID) *Registry {
	var fallback *Registry
	for _, r := range c.Registries {
		if r.DeskAreaID == desk && desk != "" {
			return r
		}
		if r.IsDefault {
			fallback = r
		}
	}
	return fallback
}

// Today is the local calendar date of an instant.
func (c *Catalogue) Today(now time.Time) Date { return DateOf(now, c.Calendar.Zone()) }

// AreaName is the name for texts that people read; the bare id when the area is unknown.
func (c *Catalogue) AreaName(id AreaID) string {
	a := c.areas[id]
	if a == nil {
		return string(id)
	}
	return a.Name
}

// Desks lists the active desk areas by code.
func (c *Catalogue) Desks() []*Area {
	desks := []*Area{}
	for _, a := range c.Areas {
		if a.IsDesk && a.IsActive {
			desks = append(desks, a)
		}
	}
	slices.SortFunc(desks, func(a, b *Area) int { return strings.Compare(a.Code, b.Code) })
	return desks
}

// IsNode marks types that node(id:) finds.
func (DocumentType) IsNode() {}

// IsNode marks types that node(id:) finds.
func (Category) IsNode() {}
