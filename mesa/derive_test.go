package mesa_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/mesa"
)

func TestTheFirstDerivationPutsADocumentInProcess(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal), copyTo(atStores), action(atContracts)))
	m.want("IN_PROCESS held by are_oaj; 0 PENDING lead, 1 PENDING, 2 PENDING")
	m.told(mesa.DerivationCreated, mesa.DerivationCreated, mesa.DerivationCreated, mesa.DocumentDerived)
	batch := m.legs[0].BatchID
	for i, leg := range m.legs {
		if leg.BatchID != batch || leg.FromID != atDesk || leg.SentByID != "usr_clerk" || leg.Origin != mesa.OriginSend || leg.PreviousID != "" {
			t.Errorf("leg %d: %+v", i, leg)
		}
	}
	last := m.did.Events[3]
	if last.Text != "Derivado a Jurídica, Logística, Contratos" || last.Changes["state"] != (mesa.Change{Before: mesa.Registered, After: mesa.InProcess}) {
		t.Errorf("the last event says %q, %v", last.Text, last.Changes)
	}
}

func TestTheFlaggedTargetLeadsElseTheFirstToAct(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		targets []mesa.DerivationTargetInput
		leads   mesa.AreaID
	}{
		{"the first", []mesa.DerivationTargetInput{action(atLegal), action(atStores)}, atLegal},
		{"the flagged one", []mesa.DerivationTargetInput{action(atLegal), lead(atStores)}, atStores},
		{"the first flagged one", []mesa.DerivationTargetInput{action(atContracts), lead(atStores), lead(atLegal)}, atStores},
		{"not a copy", []mesa.DerivationTargetInput{copyTo(atContracts), action(atLegal)}, atLegal},
	} {
		m := newMatter(t)
		m.must("clerk", derive(c.targets...))
		if m.doc.CurrentAreaID != c.leads {
			t.Errorf("%s: held by %s, want %s", c.name, m.doc.CurrentAreaID, c.leads)
		}
	}
}

func TestCopiesAloneLeaveTheDocumentWhereItIs(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(copyTo(atLegal)))
	m.want("REGISTERED held by are_mp; 0 PENDING")
	m.must("clerk", derive(action(atStores)))
	m.must("stores user", m.receive(1))
	m.must("stores user", derive(copyTo(atContracts)))
	m.want("IN_PROCESS held by are_log; 0 PENDING, 1 RECEIVED lead, 2 PENDING")
}

func TestForwardingEndsTheLegOfTheSender(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal)))
	m.must("lawyer", m.receive(0))
	m.must("lawyer", derive(action(atStores), copyTo(atDesk)))
	m.want("IN_PROCESS held by are_log; 0 ATTENDED FORWARDED, 1 PENDING lead, 2 PENDING")
	m.told(mesa.DerivationForwarded, mesa.DerivationCreated, mesa.DerivationCreated, mesa.DocumentDerived)
	if m.legs[1].PreviousID != m.leg(0) || m.legs[0].ClosedByID != "usr_lawyer" {
		t.Errorf("leg 1 continues %q; leg 0 closed by %q", m.legs[1].PreviousID, m.legs[0].ClosedByID)
	}
}

func TestASideBranchDoesNotTakeTheLead(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(lead(atLegal), action(atStores)))
	m.must("stores user", m.receive(1))
	m.must("stores user", derive(lead(atContracts)))
	m.want("IN_PROCESS held by are_oaj; 0 PENDING lead, 1 ATTENDED FORWARDED, 2 PENDING")
}

func TestWhoHoldsADocumentDerivesIt(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.refuses("branch clerk", mesa.NotHolder, derive(action(atLegal)))
	m.refuses("lawyer", mesa.NotHolder, derive(action(atStores)))
	for _, nobody := range []string{"archivist", "auditor", "viewer"} {
		m.refuses(nobody, mesa.Forbidden, derive(action(atLegal)))
	}
	m.must("clerk", derive(action(atLegal)))
	for _, other := range []string{"clerk", "lawyer", "stores user"} { // the lawyer has it pending: receive first
		m.refuses(other, mesa.NotHolder, derive(action(atContracts)))
	}
	m.must("lawyer", m.receive(0))
	m.refuses("contracts head", mesa.NotHolder, derive(action(atStores)))
	m.must("legal head", derive(action(atContracts)))
}

func TestOfTwoLegsInAnAreaTheLeadIsForwarded(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal), lead(atStores)))
	m.must("lawyer", m.receive(0))
	m.must("lawyer", derive(action(atContracts)))  // leg 2, off the lead
	m.must("stores user", m.receive(1))            // the lead
	m.must("stores user", derive(action(atLegal))) // leg 3 leads, back in Legal
	m.must("contracts user", m.reject(2))          // leg 4, in Legal too
	m.must("lawyer", m.receive(4))                 // received before the lead
	m.must("lawyer", m.receive(3))
	m.must("lawyer", derive(action(atStores)))
	m.want("IN_PROCESS held by are_log; 0 ATTENDED FORWARDED, 1 ATTENDED FORWARDED, 2 REJECTED, 3 ATTENDED FORWARDED, 4 RECEIVED, 5 PENDING lead")
}

func TestNothingIsDerivedFromAClosedDocument(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal)))
	m.must("lawyer", m.receive(0))
	m.must("lawyer", m.attend(0))
	if e := m.refuses("admin", mesa.InvalidTransition, derive(action(atLegal))); e.Details["state"] != "ATTENDED" {
		t.Errorf("the error names %v", e.Details)
	}
	m.doc.State = mesa.Observed
	m.refuses("admin", mesa.ObservationPending, derive(action(atLegal)))
	v := newMatter(t)
	v.must("desk head", void)
	v.refuses("admin", mesa.InvalidTransition, derive(action(atLegal)))
}

func TestTargetsAreChecked(t *testing.T) {
	t.Parallel()
	many := []mesa.DerivationTargetInput{}
	for range mesa.MaxTargets + 1 {
		many = append(many, action(atLegal))
	}
	with := func(change func(*mesa.DerivationTargetInput)) []mesa.DerivationTargetInput {
		target := action(atLegal)
		change(&target)
		return []mesa.DerivationTargetInput{target}
	}
	for _, c := range []struct {
		name    string
		targets []mesa.DerivationTargetInput
		code    mesa.Code
		field   string
	}{
		{"none", nil, mesa.ValidationFailed, "targets"},
		{"too many", many, mesa.LimitExceeded, "targets"},
		{"unknown", []mesa.DerivationTargetInput{action("are_nowhere")}, mesa.NotFound, "targets.0.areaId"},
		{"closed", []mesa.DerivationTargetInput{action(atOld)}, mesa.AreaInactive, "targets.0.areaId"},
		{"a copy to a closed one", []mesa.DerivationTargetInput{copyTo(atOld)}, mesa.AreaInactive, "targets.0.areaId"},
		{"the sender", []mesa.DerivationTargetInput{action(atLegal), action(atDesk)}, mesa.SameArea, "targets.1.areaId"},
		{"twice", []mesa.DerivationTargetInput{action(atLegal), action(atLegal)}, mesa.DuplicateTarget, "targets.1.areaId"},
		{"twice, once as a copy", []mesa.DerivationTargetInput{action(atLegal), copyTo(atLegal)}, mesa.DuplicateTarget, "targets.1.areaId"},
		{"short", with(func(t *mesa.DerivationTargetInput) { t.Instructions = "Ya" }), mesa.ValidationFailed, "targets.0.instructions"},
		{"long", with(func(t *mesa.DerivationTargetInput) { t.Instructions = strings.Repeat("ñ", 2001) }), mesa.ValidationFailed, "targets.0.instructions"},
		{"no such purpose", with(func(t *mesa.DerivationTargetInput) { t.PurposeCode = "NADA" }), mesa.ValidationFailed, "targets.0.purposeCode"},
		{"due yesterday", with(func(t *mesa.DerivationTargetInput) { t.DueOn = on("2026-03-01") }), mesa.DeadlineInPast, "targets.0.dueOn"},
	} {
		m := newMatter(t)
		if e := m.refuses("clerk", c.code, derive(c.targets...)); e.Field != c.field {
			t.Errorf("%s: field %q, want %q", c.name, e.Field, c.field)
		}
	}
	m := newMatter(t)
	m.must("clerk", derive(with(func(t *mesa.DerivationTargetInput) { t.Instructions = strings.Repeat("ñ", 2000) })...))
	all := m.refuses("admin", mesa.NotHolder, derive(action(atStores)))
	if all.Violations != nil {
		t.Error("one error lists violations")
	}
	n := newMatter(t)
	if e := n.refuses("clerk", mesa.AreaInactive, derive(action(atOld), action("are_nowhere"))); len(e.Violations) != 2 {
		t.Errorf("two bad targets make %d violations", len(e.Violations))
	}
}

func TestAnAreaGetsADocumentToActOnOnce(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal), action(atStores)))
	m.must("lawyer", m.receive(0))
	m.refuses("lawyer", mesa.DuplicateTarget, derive(action(atStores)))
	m.must("lawyer", derive(copyTo(atStores))) // a copy does no harm
	m.must("stores user", m.receive(1))
	m.must("stores user", derive(action(atContracts)))
	m.must("lawyer", derive(action(atStores))) // it has none to act on any more
}

func TestPurposesGiveKindAndTerm(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	inform := mesa.DerivationTargetInput{AreaID: atLegal, PurposeCode: "INFORME", Instructions: "Informe"}
	know := mesa.DerivationTargetInput{AreaID: atStores, PurposeCode: "CONOCIMIENTO", Instructions: "Conozca", DueOn: on("2026-03-20")}
	plain := mesa.DerivationTargetInput{AreaID: atContracts, Instructions: "Atienda"}
	wished := mesa.DerivationTargetInput{AreaID: atBranch, PurposeCode: "INFORME", Instructions: "Atienda", DueOn: on("2026-03-07")}
	m.must("clerk", derive(inform, know, plain, wished))
	var got []string
	for _, leg := range m.legs {
		got = append(got, string(leg.Kind)+" "+leg.DueOn.String())
	}
	// Seven business days from Monday 2 March; nothing for a copy; the document's own; the Monday after the wished Saturday.
	if want := []string{"ACTION 2026-03-11", "COPY ", "ACTION " + m.doc.DueOn.String(), "ACTION 2026-03-09"}; !slices.Equal(got, want) {
		t.Errorf("legs %q, want %q", got, want)
	}
}

func TestTheAssigneeOfATargetSeesTheDocument(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	target := action(atLegal)
	target.AssigneeID = "usr_lawyer"
	m.must("clerk", derive(target))
	if m.doc.AssigneeID != "usr_lawyer" || !slices.Contains(m.did.Grants, "usr_lawyer") {
		t.Errorf("assigned to %q, granted %v", m.doc.AssigneeID, m.did.Grants)
	}
}
