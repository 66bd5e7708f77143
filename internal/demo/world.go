package demo

import (
	"errors"
	"slices"

	"github.com/mesapartes/mesa/mesa"
)

// world is who can act where: the stage of a history. It is only read once made.
type world struct {
	cat        *mesa.Catalogue
	places     map[mesa.AreaID]*place
	desks      []*place // the main one first
	areas      []*place // the others, where there is somebody to receive
	archivists []*mesa.Actor
}

// place is an area and the people who can act there.
type place struct {
	area  *mesa.Area
	heads []*mesa.Actor // may assign and reopen
	staff []*mesa.Actor // may receive, attend, derive; heads too
}

// errNoPeople: documents need a desk with a registrar and areas with people.
var errNoPeople = errors.New("there is nobody to work with: no desk where a user registers, or no two areas with users (create the demo institution first)")

func newWorld(cat *mesa.Catalogue, actors []*mesa.Actor) (*world, error) {
	w := &world{cat: cat, places: map[mesa.AreaID]*place{}}
	for _, area := range cat.Areas {
		if !area.IsActive {
			continue
		}
		p := &place{area: area}
		for _, a := range actors {
			if !slices.Contains(a.Areas, area.ID) || !a.May(mesa.MayAttend, area.ID) || !a.May(mesa.MayReceive, area.ID) || a.MayEverywhere(mesa.MayManageUsers) {
				continue
			}
			p.staff = append(p.staff, a)
			if a.May(mesa.MayAssign, area.ID) {
				p.heads = append(p.heads, a)
			}
		}
		canDerive := slices.ContainsFunc(p.staff, func(a *mesa.Actor) bool { return a.May(mesa.MayDerive, area.ID) })
		if len(p.heads) == 0 || !canDerive {
			continue
		}
		w.places[area.ID] = p
		if area.IsDesk {
			w.desks = append(w.desks, p)
		} else {
			w.areas = append(w.areas, p)
		}
	}
	for _, a := range actors {
		if a.MayAnywhere(mesa.MayRestore) && slices.Contains(a.Roles, mesa.Archivist) {
			w.archivists = append(w.archivists, a)
		}
	}
	slices.SortStableFunc(w.desks, func(a, b *place) int { return len(b.staff) - len(a.staff) })
	if len(w.desks) == 0 || len(w.areas) < 2 {
		return nil, errNoPeople
	}
	return w, nil
}

// byCode is the place with a code, nil when it has none or nobody works there.
func (w *world) byCode(code string) *place {
	for _, p := range w.areas {
		if p.area.Code == code {
			return p
		}
	}
	return nil
}

// whoMay chooses somebody of the place who has a permission there; nil when nobody has.
func (p *place) whoMay(permission mesa.Permission, n int) *mesa.Actor {
	for i := range p.staff {
		if a := p.staff[(n+i)%len(p.staff)]; a.May(permission, p.area.ID) {
			return a
		}
	}
	return nil
}
