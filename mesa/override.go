package mesa

import (
	"io"
	"slices"
	"time"
)

// Effect is what an override does to a permission.
type Effect string

// The two effects. DENY beats everything.
const (
	Grant Effect = "GRANT"
	Deny  Effect = "DENY"
)

// PermissionOverride gives one permission to an account, or keeps it from it, whatever its roles say: in one area, or (AreaID empty) everywhere.
type PermissionOverride struct {
	UserID      UserID     `bun:",pk"`
	Permission  Permission `bun:",pk"`
	AreaID      AreaID     `bun:",pk"` // "" for the whole institution
	Effect      Effect
	Reason      string
	GrantedByID UserID `bun:",nullzero"`
	GrantedAt   time.Time
	UntilOn     Date `bun:",nullzero"` // last day, zero means open ended
}

// Check collects what is wrong with an override that is to be stored.
func (o *PermissionOverride) Check(cat *Catalogue, today Date) error {
	var v Violations
	v.Check(o.Permission.Exists(), "permission", "El permiso no existe.")
	v.Check(o.AreaID == "" || cat.Area(o.AreaID) != nil, "areaId", "El área no existe.")
	v.Check(o.UntilOn.IsZero() || o.UntilOn >= today, "untilOn", "El último día no puede ser anterior a hoy.")
	v.Add(CheckReason(o.Reason))
	return v.Err()
}

// override changes the rights that roles gave: grants first, so that a denial beats them.
func (a *Actor) override(list []PermissionOverride) {
	for _, o := range list {
		if o.Effect == Grant {
			a.grant(o.Permission, o.AreaID)
		}
	}
	for _, o := range list {
		if o.Effect == Deny {
			a.deny(o.Permission, o.AreaID)
		}
	}
}

func (a *Actor) grant(p Permission, area AreaID) {
	r := a.rights[p]
	if area == "" {
		r.everywhere = true
	} else {
		r.areas = append(slices.Clone(r.areas), area)
		if p == MayReadDocuments {
			a.visible = append(a.visible, area)
		}
	}
	a.rights[p] = r
}

// deny takes a permission away. Who may not read in an area does not see what it took part in.
func (a *Actor) deny(p Permission, area AreaID) {
	r := a.rights[p]
	if area == "" {
		r = right{deniedEverywhere: true}
	} else {
		r.areas = slices.DeleteFunc(slices.Clone(r.areas), func(id AreaID) bool { return id == area })
		r.denied = append(slices.Clone(r.denied), area)
	}
	a.rights[p] = r
	if p == MayReadDocuments {
		a.visible = slices.DeleteFunc(a.visible, func(id AreaID) bool { return area == "" || id == area })
	}
}

// Effects lists them.
var Effects = []Effect{Grant, Deny}

// MarshalGQL writes the name.
func (e Effect) MarshalGQL(w io.Writer) { writeEnum(w, e) }

// UnmarshalGQL reads a name.
func (e *Effect) UnmarshalGQL(v any) error { return readEnum(v, e, Effects) }
