package db_test

import (
	"slices"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// naiveTray looks through the archive for what is in a box: each document with the newest leg that puts it there.
func (a *archive) naiveTray(by *mesa.Actor, area mesa.AreaID, box mesa.TrayBox) map[mesa.DocumentID]mesa.DerivationID {
	held := func(d *mesa.Document) bool { return d.CurrentAreaID == area || a.openIn(d, area) }
	amber := a.cat.Calendar.AmberUntil(a.today)
	ofDocument := map[mesa.TrayBox]func(*mesa.Document) bool{
		mesa.TrayToRegister: func(d *mesa.Document) bool { return d.State == mesa.Submitted && d.CurrentAreaID == area },
		mesa.TrayToDerive:   func(d *mesa.Document) bool { return d.State == mesa.Registered && d.CurrentAreaID == area },
		mesa.TrayObserved:   func(d *mesa.Document) bool { return d.State == mesa.Observed && d.CurrentAreaID == area },
		mesa.TrayOverdue: func(d *mesa.Document) bool {
			return a.isRunning(d) && !d.DueOn.IsZero() && d.DueOn < a.today && held(d)
		},
		mesa.TrayDueSoon: func(d *mesa.Document) bool {
			return a.isRunning(d) && d.DueOn >= a.today && d.DueOn <= amber && held(d)
		},
		mesa.TrayToArchive: func(d *mesa.Document) bool {
			return (d.State == mesa.Attended || d.State == mesa.NotFiled) && d.CurrentAreaID == area
		},
		mesa.TrayWatched: func(d *mesa.Document) bool { return slices.Contains(a.watches[by.UserID], d.ID) },
	}
	ofLeg := map[mesa.TrayBox]func(*mesa.Document, *mesa.Derivation) bool{
		mesa.TrayToReceive: func(_ *mesa.Document, l *mesa.Derivation) bool {
			return l.ToID == area && l.Kind == mesa.ForAction && l.State == mesa.LegPending
		},
		mesa.TrayInHand: func(_ *mesa.Document, l *mesa.Derivation) bool {
			return l.ToID == area && l.Kind == mesa.ForAction && l.State == mesa.LegReceived
		},
		mesa.TrayCopies: func(_ *mesa.Document, l *mesa.Derivation) bool {
			return l.ToID == area && l.Kind == mesa.ForCopy && l.State == mesa.LegPending
		},
		mesa.TrayReturned: func(_ *mesa.Document, l *mesa.Derivation) bool {
			return l.ToID == area && l.State == mesa.LegPending && l.Origin == mesa.OriginReturn
		},
		mesa.TraySent: func(_ *mesa.Document, l *mesa.Derivation) bool { return l.FromID == area && l.State.IsOpen() },
		mesa.TrayAttended: func(d *mesa.Document, l *mesa.Derivation) bool {
			return l.ToID == area && l.Kind == mesa.ForAction && l.State == mesa.LegAttended && d.State == mesa.Attended
		},
	}
	in := map[mesa.DocumentID]mesa.DerivationID{}
	for _, d := range a.docs {
		if !a.sees(by, d) {
			continue
		}
		for _, leg := range a.legs[d.ID] { // oldest first: the newest stays
			if is := ofLeg[box]; is != nil && is(d, leg) {
				in[d.ID] = leg.ID
			}
		}
		if is := ofDocument[box]; is != nil && is(d) {
			in[d.ID] = ""
			for _, leg := range a.legs[d.ID] {
				if leg.IsOpenAction() && leg.ToID == area {
					in[d.ID] = leg.ID
				}
			}
		}
	}
	return in
}

func TestTraysListAndCountWhatALookThroughFinds(t *testing.T) {
	onArchive(t, func(a *archive) {
		met, ctx := map[mesa.TrayBox]int{}, a.Context()
		for i, by := range []*mesa.Actor{mesa.System(a.cat, "test"), a.as("mesa1"), a.as("jefe.gg"), a.as("consulta")} {
			view := a.db.View(by)
			for j, area := range a.cat.Areas {
				if i > 0 && j%3 != 0 && !area.IsDesk { // a third of the areas for each
					continue
				}
				counts, err := view.TrayCounts(ctx, area.ID)
				a.ok(err)
				if len(counts) != len(mesa.TrayBoxes) {
					a.Fatalf("%d counts", len(counts))
				}
				for k, box := range mesa.TrayBoxes {
					want := a.naiveTray(by, area.ID, box)
					met[box] += len(want)
					if counts[k].Box != box || counts[k].Count != len(want) {
						a.Errorf("%s counts %d in %s of %s, want %d", by.Name, counts[k].Count, box, area.Code, len(want))
					}
					if len(want) > 0 || j == 0 {
						a.lists(view, area, box, want)
					}
				}
			}
		}
		for _, box := range mesa.TrayBoxes {
			if met[box] == 0 {
				a.Errorf("nothing was ever in %s: the archive is too small", box)
			}
		}
	})
}

// lists pages through a box, forwards and backwards.
func (a *archive) lists(view *db.View, area *mesa.Area, box mesa.TrayBox, want map[mesa.DocumentID]mesa.DerivationID) {
	a.Helper()
	size := 7
	if len(want) > 40 {
		size = 60
	}
	var walks [2][]mesa.TrayItem
	for i, page := range []db.Page{{First: &size, WithTotal: true}, {Last: &size, WithTotal: true}} {
		for {
			s, err := view.Tray(a.Context(), area.ID, box, page)
			a.ok(err)
			if s.Total != len(want) {
				a.Errorf("%s of %s has a total of %d, want %d", box, area.Code, s.Total, len(want))
			}
			items, more := []mesa.TrayItem{}, s.HasNext
			for _, item := range s.Items {
				items = append(items, *item)
			}
			walks[i] = append(walks[i], items...)
			if i == 1 {
				walks[i], more = append(items, walks[i][:len(walks[i])-len(items)]...), s.HasPrevious
			}
			if !more {
				break
			}
			page.After = s.Cursor(s.Items[len(s.Items)-1])
			if i == 1 {
				page.After, page.Before = "", s.Cursor(s.Items[0])
			}
		}
	}
	if !slices.Equal(walks[0], walks[1]) {
		a.Errorf("%s of %s reads otherwise backwards", box, area.Code)
	}
	seen := map[mesa.DocumentID]bool{}
	for _, item := range walks[0] {
		if leg, there := want[item.DocumentID]; !there || seen[item.DocumentID] || leg != item.DerivationID {
			a.Errorf("%s of %s lists %s by %q, want %q; twice: %v", box, area.Code, item.DocumentID, item.DerivationID, leg, seen[item.DocumentID])
		}
		seen[item.DocumentID] = true
	}
	if len(seen) != len(want) {
		a.Errorf("%s of %s lists %d documents, want %d", box, area.Code, len(seen), len(want))
	}
}
