package mesa_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

// legVerbs are the verbs about one leg.
var legVerbs = []mesa.Action{
	mesa.ActReceive, mesa.ActAttend, mesa.ActReject, mesa.ActReturn, mesa.ActRecall, mesa.ActReassign, mesa.ActAssign, mesa.ActAcknowledge, mesa.ActExtend,
}

// verb is an action with good input; i is the leg it is about, -1 for the document. Nil when no good input is left.
func (m *matter) verb(by string, act mesa.Action, i int) func(*mesa.File) error {
	switch act {
	case mesa.ActRegister:
		return registerSubmission
	case mesa.ActDecline:
		return decline
	case mesa.ActUpdate:
		return func(f *mesa.File) error { notes := m.doc.Notes + "."; return f.Update(mesa.Update{Notes: &notes}) }
	case mesa.ActDerive:
		from, err := m.file(by).HolderFor(mesa.MayDerive)
		target := m.freeArea(from)
		if err == nil && target == "" {
			return nil
		}
		return derive(action(target))
	case mesa.ActReceive:
		return m.receive(i)
	case mesa.ActAttend:
		return m.attend(i)
	case mesa.ActReject:
		return m.reject(i)
	case mesa.ActReturn:
		return m.giveBack(i)
	case mesa.ActRecall:
		return m.recall(i)
	case mesa.ActReassign:
		target := m.freeArea(m.legs[i].ToID)
		if target == "" {
			return nil
		}
		return m.reassign(i, target)
	case mesa.ActAssign:
		return m.assign(i, m.people[by].UserID)
	case mesa.ActAcknowledge:
		return m.acknowledge(i)
	case mesa.ActExtend:
		return m.extend(i, m.cat.Today(m.at).AddDays(1))
	case mesa.ActReopen:
		return reopen(atLegal)
	case mesa.ActArchive:
		return archive
	case mesa.ActRestore:
		return restore(atLegal)
	case mesa.ActVoid:
		return void
	}
	panic(act)
}

// freeArea is an active area, other than one, that has nothing to act on; "" when there is none.
func (m *matter) freeArea(but mesa.AreaID) mesa.AreaID {
	for _, area := range openAreas {
		busy := slices.ContainsFunc(m.legs, func(l *mesa.Derivation) bool { return l.IsOpenAction() && l.ToID == area })
		if area != but && !busy {
			return area
		}
	}
	return ""
}

// works tries an action on a copy of the file: on each leg, if it is about legs. It says whether one succeeded.
func (m *matter) works(by string, act mesa.Action) (ok, decided bool) {
	places := []int{-1}
	if slices.Contains(legVerbs, act) {
		places = nil
		for i := range m.legs {
			places = append(places, i)
		}
	}
	for _, i := range places {
		verb := m.verb(by, act, i)
		if verb == nil {
			return false, false
		}
		if verb(m.file(by)) == nil {
			return true, true
		}
	}
	return false, true
}

// agrees compares AvailableActions with what the verbs do.
func (m *matter) agrees(by string) {
	m.t.Helper()
	available := mesa.AvailableActions(m.people[by], m.doc, m.legs)
	for _, act := range mesa.Actions {
		if act == mesa.ActSubmit {
			continue
		}
		if ok, decided := m.works(by, act); decided && ok != slices.Contains(available, act) {
			m.t.Errorf("%s in %s: %s works: %v, available: %v", by, m.state(), act, ok, available)
		}
	}
}

func (m *matter) state() string {
	s := string(m.doc.State)
	for _, leg := range m.legs {
		s += fmt.Sprintf(" [%s %s→%s %s %s]", leg.Kind, leg.FromID, leg.ToID, leg.Origin, leg.State)
	}
	return s
}

// Every state of a document with one leg of every kind, origin and state, and everybody: the verbs, the tables and AvailableActions
// say the same. Only what can be: an open leg to act on goes with a document in process or observed.
func TestVerbsTablesAndAvailableActionsAgree(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	n := 0
	for _, state := range mesa.DocumentStates {
		m.doc.State, m.legs, m.records = state, nil, nil
		if state == mesa.Archived {
			m.doc.CameFrom, m.records = mesa.Attended, []*mesa.ArchiveRecord{{ID: "arc_1", State: mesa.ArchiveActive}}
		}
		for _, name := range m.everybody() {
			m.agrees(name)
		}
		m.agreesWithDocumentTable()
		for _, kind := range mesa.DerivationKinds {
			for _, legState := range mesa.DerivationStates {
				for _, origin := range []mesa.DerivationOrigin{mesa.OriginSend, mesa.OriginReturn, mesa.OriginReopen} {
					leg := &mesa.Derivation{
						ID: "der_1", DocumentID: m.doc.ID, Kind: kind, FromID: atDesk, ToID: atLegal, State: legState, Origin: origin, IsLead: kind == mesa.ForAction,
						SentAt: monday, SentByID: "usr_clerk", BatchID: "bat_1", Instructions: "Atienda", Version: 1,
					}
					if legState != mesa.LegPending {
						leg.ReceivedAt = monday
					}
					if leg.IsOpenAction() != (state == mesa.InProcess || state == mesa.Observed) {
						continue
					}
					m.legs = []*mesa.Derivation{leg}
					for _, name := range m.everybody() {
						m.agrees(name)
					}
					m.agreesWithLegTables(leg)
					m.agreesWithDocumentTable()
					n++
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("looked at %d legs only", n)
	}
}

// agreesWithLegTables: the administrator lacks no right, so the tables alone decide.
func (m *matter) agreesWithLegTables(leg *mesa.Derivation) {
	m.t.Helper()
	for _, act := range []mesa.Action{mesa.ActReceive, mesa.ActAttend, mesa.ActReject, mesa.ActReturn, mesa.ActRecall, mesa.ActReassign, mesa.ActAcknowledge} {
		_, ofAction, ofCopy := act.Moves(m.doc.State, leg.State)
		allowed := ofAction
		if leg.Kind == mesa.ForCopy {
			allowed = ofCopy
		}
		switch {
		case act == mesa.ActRecall && (leg.Origin == mesa.OriginReopen || leg.Origin == mesa.OriginRestore):
			allowed = false // nobody held it before
		case act == mesa.ActAttend && m.doc.State == mesa.Observed:
			allowed = false
		}
		if ok, _ := m.works("admin", act); ok != allowed {
			m.t.Errorf("%s: %s works: %v, the table allows it: %v", m.state(), act, ok, allowed)
		}
	}
}

func (m *matter) agreesWithDocumentTable() {
	m.t.Helper()
	for _, act := range []mesa.Action{mesa.ActRegister, mesa.ActDecline, mesa.ActReopen, mesa.ActArchive, mesa.ActRestore, mesa.ActVoid} {
		allowed, _, _ := act.Moves(m.doc.State, "")
		if act == mesa.ActVoid && slices.ContainsFunc(m.legs, func(l *mesa.Derivation) bool { return l.Kind == mesa.ForAction }) {
			allowed = false // it was derived
		}
		if ok, _ := m.works("admin", act); ok != allowed {
			m.t.Errorf("%s: %s works: %v, the table allows it: %v", m.state(), act, ok, allowed)
		}
	}
}

// Anybody does anything, mostly with good input: after each verb everything fits, and each change is one of the tables.
func TestRandomLives(t *testing.T) {
	t.Parallel()
	verbs := slices.DeleteFunc(slices.Clone(mesa.Actions), func(a mesa.Action) bool { return a == mesa.ActSubmit })
	rapid.Check(t, func(rt *rapid.T) {
		m := newMatter(rt)
		if rapid.Bool().Draw(rt, "from a machine") {
			m = submitted(rt)
		}
		everybody := m.everybody()
		for range rapid.IntRange(1, 25).Draw(rt, "verbs") {
			by := rapid.SampledFrom(everybody).Draw(rt, "by")
			act := rapid.SampledFrom(verbs).Draw(rt, "verb")
			if likely := mesa.AvailableActions(m.people[by], m.doc, m.legs); len(likely) > 0 && rapid.IntRange(0, 9).Draw(rt, "daring") > 0 {
				act = rapid.SampledFrom(likely).Draw(rt, "likely verb")
			}
			verb := m.drawn(rt, by, act)
			if verb == nil {
				continue
			}
			docBefore, before := *m.doc, clones(m.legs)
			if err := m.try(by, verb); err == nil {
				m.moved(act, docBefore.State, before)
			}
			m.agrees(rapid.SampledFrom(everybody).Draw(rt, "looks"))
		}
	})
}

// drawn is a verb with random input.
func (m *matter) drawn(rt *rapid.T, by string, act mesa.Action) func(*mesa.File) error {
	i := -1
	if slices.Contains(legVerbs, act) {
		if len(m.legs) == 0 {
			return nil
		}
		i = rapid.IntRange(0, len(m.legs)-1).Draw(rt, "leg")
	}
	area := rapid.SampledFrom(append(slices.Clone(openAreas), atOld)).Draw(rt, "area")
	targets := func(least int) (list []mesa.DerivationTargetInput) {
		for range rapid.IntRange(least, 3).Draw(rt, "targets") {
			target := action(rapid.SampledFrom(openAreas).Draw(rt, "target"))
			if rapid.IntRange(0, 3).Draw(rt, "copy") == 0 {
				target = copyTo(target.AreaID)
			}
			target.Lead = rapid.Bool().Draw(rt, "lead")
			list = append(list, target)
		}
		return list
	}
	switch act {
	case mesa.ActDerive:
		return derive(targets(1)...)
	case mesa.ActAttend:
		return m.attend(i, targets(0)...)
	case mesa.ActReassign:
		return m.reassign(i, area)
	case mesa.ActAssign:
		return m.assign(i, rapid.SampledFrom([]mesa.UserID{"", "usr_lawyer", "usr_stores user", m.people[by].UserID}).Draw(rt, "assignee"))
	case mesa.ActReopen:
		return reopen(area)
	case mesa.ActRestore:
		return restore(area)
	default:
		return m.verb(by, act, i)
	}
}

// moved checks that a verb changed states only as the tables say. A recall may open the leg before again.
func (m *matter) moved(by mesa.Action, from mesa.DocumentState, before []*mesa.Derivation) {
	m.t.Helper()
	if m.doc.State != from && !mesa.DocumentLeads(from, by, m.doc.State) {
		m.t.Errorf("%s led from %s to %s", by, from, m.doc.State)
	}
	for i, old := range before {
		leg := m.legs[i]
		reopened := by == mesa.ActRecall && !old.State.IsOpen() && leg.State.IsOpen() &&
			slices.ContainsFunc(m.legs, func(l *mesa.Derivation) bool { return l.State == mesa.LegRecalled && l.PreviousID == leg.ID })
		if leg.State != old.State && !reopened && !mesa.LegLeads(old.Kind, old.State, by, leg.State) {
			m.t.Errorf("%s led a leg from %s to %s", by, old.State, leg.State)
		}
	}
}
