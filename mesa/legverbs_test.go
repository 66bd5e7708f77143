package mesa_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// sentToLegal is a matter that the desk derived to Legal: leg 0, pending.
func sentToLegal(t tb) *matter {
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal)))
	return m
}

// inLegal is one that Legal has received.
func inLegal(t tb) *matter {
	m := sentToLegal(t)
	m.must("lawyer", m.receive(0))
	return m
}

func TestReceive(t *testing.T) {
	t.Parallel()
	m := sentToLegal(t)
	m.refuses("stores user", mesa.Forbidden, m.receive(0))
	m.refuses("lawyer", mesa.NotFound, func(f *mesa.File) error { _, err := f.Receive("der_nothing"); return err })
	m.at = m.at.Add(90 * time.Minute)
	m.must("lawyer", m.receive(0))
	m.want("IN_PROCESS held by are_oaj; 0 RECEIVED lead")
	m.told(mesa.DerivationReceived)
	leg := m.legs[0]
	if leg.ReceivedByID != "usr_lawyer" || leg.ReceivedOn != on("2026-03-02") || leg.ReceptionMinutes != int(leg.ReceivedAt.Sub(leg.SentAt).Minutes()) {
		t.Errorf("received by %s on %v after %d minutes", leg.ReceivedByID, leg.ReceivedOn, leg.ReceptionMinutes)
	}
	if e := m.refuses("lawyer", mesa.InvalidTransition, m.receive(0)); e.Details["state"] != "RECEIVED" {
		t.Errorf("the error names %v", e.Details)
	}
}

func TestCopiesAreOnlyAcknowledged(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(copyTo(atLegal)))
	for _, verb := range []func(*mesa.File) error{m.receive(0), m.attend(0), m.reject(0), m.giveBack(0), m.reassign(0, atStores)} {
		m.refuses("legal head", mesa.CopyNotActionable, verb)
	}
	m.refuses("stores user", mesa.Forbidden, m.acknowledge(0))
	m.must("lawyer", m.acknowledge(0))
	m.told(mesa.DerivationAcked)
	m.refuses("lawyer", mesa.InvalidTransition, m.acknowledge(0))
	a := sentToLegal(t)
	a.refuses("lawyer", mesa.InvalidTransition, a.acknowledge(0)) // not a copy
}

func TestCopiesBlockNothing(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal), copyTo(atStores)))
	m.must("lawyer", m.receive(0))
	m.must("lawyer", m.attend(0))
	m.want("ATTENDED held by are_mp; 0 ATTENDED FINAL, 1 PENDING")
	m.must("archivist", archive)
	m.must("stores user", m.acknowledge(1)) // also after the end
	m.must("archivist", restore(atLegal))
}

func TestAttend(t *testing.T) {
	t.Parallel()
	m := sentToLegal(t)
	m.refuses("lawyer", mesa.InvalidTransition, m.attend(0)) // receive first
	m.must("lawyer", m.receive(0))
	m.refuses("stores user", mesa.Forbidden, m.attend(0))
	m.refuses("lawyer", mesa.ValidationFailed, func(f *mesa.File) error {
		_, err := f.Attend(m.leg(0), strings.Repeat("ñ", 2001), "", nil)
		return err
	})
	m.must("lawyer", m.attend(0))
	m.want("ATTENDED held by are_mp; 0 ATTENDED FINAL")
	m.told(mesa.DerivationAttended, mesa.DocumentAttended)
	leg := m.legs[0]
	if m.doc.Outcome != mesa.OutcomeResponded || !m.doc.AttendedAt.Equal(m.at) || m.doc.AttendedOn != on("2026-03-02") || leg.ClosingNotes != "Hecho." || leg.ClosedByID != "usr_lawyer" {
		t.Errorf("attended at %v with %s, leg %+v", m.doc.AttendedAt, m.doc.Outcome, leg)
	}
	m.refuses("lawyer", mesa.InvalidTransition, m.attend(0))
}

func TestAnObservedDocumentIsNotAttended(t *testing.T) {
	t.Parallel()
	m := inLegal(t)
	m.doc.State = mesa.Observed
	m.refuses("lawyer", mesa.ObservationPending, m.attend(0))
	m.refuses("lawyer", mesa.ObservationPending, derive(action(atStores)))
}

func TestTheLastLegEndsTheDocument(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal), action(atStores), action(atContracts)))
	m.must("lawyer", m.receive(0))
	m.must("lawyer", m.attend(0))
	m.want("IN_PROCESS held by are_log; 0 ATTENDED FINAL, 1 PENDING lead, 2 PENDING") // the oldest leads now
	m.must("contracts user", m.receive(2))
	m.must("contracts user", m.attend(2))
	m.want("IN_PROCESS held by are_log; 0 ATTENDED FINAL, 1 PENDING lead, 2 ATTENDED FINAL")
	m.must("stores user", m.receive(1))
	m.must("stores user", m.attend(1))
	m.want("ATTENDED held by are_mp; 0 ATTENDED FINAL, 1 ATTENDED FINAL, 2 ATTENDED FINAL")
}

func TestAttendAndSendOn(t *testing.T) {
	t.Parallel()
	m := inLegal(t)
	m.refuses("lawyer", mesa.SameArea, m.attend(0, action(atLegal)))
	if e := m.refuses("lawyer", mesa.AreaInactive, m.attend(0, action(atOld))); e.Field != "next.0.areaId" {
		t.Errorf("field %q", e.Field)
	}
	m.must("lawyer", m.attend(0, action(atStores), copyTo(atDesk)))
	m.want("IN_PROCESS held by are_log; 0 ATTENDED FORWARDED, 1 PENDING lead, 2 PENDING")
	m.told(mesa.DerivationCreated, mesa.DerivationCreated, mesa.DocumentDerived, mesa.DerivationForwarded)

	a := inLegal(t)
	a.must("admin", a.reassign(0, atArchive))
	a.must("archivist", a.receive(1))
	a.refuses("archivist", mesa.Forbidden, a.attend(1, action(atStores))) // may attend, may not derive
	a.must("archivist", a.attend(1))
}

// An answer with copies of it ends the matter: nobody has to act on a copy.
func TestAttendWithCopiesAloneIsFinal(t *testing.T) {
	t.Parallel()
	m := inLegal(t)
	m.must("lawyer", m.attend(0, copyTo(atStores)))
	m.want("ATTENDED held by are_mp; 0 ATTENDED FINAL, 1 PENDING")
	m.told(mesa.DerivationCreated, mesa.DocumentDerived, mesa.DerivationAttended, mesa.DocumentAttended)
}

func TestRejectAndReturnSendBack(t *testing.T) {
	t.Parallel()
	m := sentToLegal(t)
	m.refuses("lawyer", mesa.InvalidTransition, m.giveBack(0)) // not received yet: reject
	m.refuses("stores user", mesa.Forbidden, m.reject(0))
	m.refuses("lawyer", mesa.ValidationFailed, func(f *mesa.File) error { _, _, err := f.Reject(m.leg(0), "corto"); return err })
	m.must("lawyer", m.reject(0))
	m.want("IN_PROCESS held by are_mp; 0 REJECTED, 1 PENDING lead")
	m.told(mesa.DerivationRejected)
	back := m.legs[1]
	if back.Origin != mesa.OriginReturn || back.FromID != atLegal || back.ToID != atDesk || back.PreviousID != m.leg(0) || back.DueOn != m.legs[0].DueOn || back.Instructions != because {
		t.Errorf("sent back with %+v", back)
	}
	if m.did.Events[0].Reason != because || m.legs[0].Reason != because {
		t.Error("the reason is lost")
	}
	m.must("clerk", m.receive(1)) // a return leg is an ordinary one
	m.refuses("clerk", mesa.InvalidTransition, m.reject(1))
	m.must("clerk", derive(action(atStores)))
	m.must("stores user", m.receive(2))
	m.must("stores user", m.giveBack(2))
	m.want("IN_PROCESS held by are_mp; 0 REJECTED, 1 ATTENDED FORWARDED, 2 RETURNED, 3 PENDING lead")
	m.told(mesa.DerivationReturned)
	m.must("desk head", m.receive(3))
	m.must("desk head", m.attend(3))
	if m.doc.State != mesa.Attended {
		t.Errorf("after the desk attended it itself: %s", m.doc.State)
	}
}

func TestWhatIsSentBackIsAsUrgentAndExpectsAnAnswerAsBefore(t *testing.T) {
	t.Parallel()
	m, target := newMatter(t), action(atLegal)
	target.Urgent, target.RequiresResponse, target.DueOn = true, true, on("2026-03-10")
	m.must("clerk", derive(target))
	m.must("lawyer", m.reject(0))
	if back := m.legs[1]; !back.Urgent || !back.RequiresResponse || back.DueOn != on("2026-03-10") {
		t.Errorf("sent back as %+v", back)
	}
}

// An area that was closed meanwhile gets nothing back; reassigning is the way out.
func TestNothingGoesBackToAClosedArea(t *testing.T) {
	t.Parallel()
	m := sentToLegal(t)
	m.legs[0].FromID = atOld
	if e := m.refuses("lawyer", mesa.AreaInactive, m.reject(0)); e.Field != "derivationId" {
		t.Errorf("field %q", e.Field)
	}
	m.refuses("admin", mesa.AreaInactive, m.recall(0))
	m.must("lawyer", m.receive(0))
	m.refuses("lawyer", mesa.AreaInactive, m.giveBack(0))
	m.must("legal head", m.reassign(0, atStores))
	m.want("IN_PROCESS held by are_log; 0 REASSIGNED, 1 PENDING lead")
	c := newMatter(t)
	c.must("clerk", derive(copyTo(atLegal)))
	c.legs[0].FromID = atOld
	c.must("admin", c.recall(0)) // a copy comes back to nobody
}

func TestASideLegSentBackDoesNotLead(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal), action(atStores)))
	m.must("stores user", m.reject(1))
	m.want("IN_PROCESS held by are_oaj; 0 PENDING lead, 1 REJECTED, 2 PENDING")
}

func TestRecallOfTheFirstLegGivesTheDocumentBackToTheDesk(t *testing.T) {
	t.Parallel()
	m := sentToLegal(t)
	m.refuses("lawyer", mesa.Forbidden, m.recall(0))
	m.refuses("branch clerk", mesa.Forbidden, m.recall(0))
	m.refuses("clerk", mesa.ValidationFailed, func(f *mesa.File) error { _, err := f.Recall(m.leg(0), ""); return err })
	m.must("clerk", m.recall(0))
	m.want("REGISTERED held by are_mp; 0 RECALLED")
	m.told(mesa.DerivationRecalled)
	if c := m.did.Events[0].Changes["state"]; c.After != mesa.Registered {
		t.Errorf("the event says %v", m.did.Events[0].Changes)
	}
	m.refuses("clerk", mesa.InvalidTransition, m.recall(0))
	m.refuses("desk head", mesa.InvalidTransition, void) // it was derived once
	m.must("clerk", derive(action(atLegal)))             // to the same area again
	m.want("IN_PROCESS held by are_oaj; 0 RECALLED, 1 PENDING lead")
}

func TestRecallGivesTheDocumentBackToThePreviousLeg(t *testing.T) {
	t.Parallel()
	m := inLegal(t)
	received := m.legs[0].ReceivedAt
	m.must("lawyer", derive(action(atStores)))
	m.must("legal head", m.recall(1)) // of the area, though another sent it
	m.want("IN_PROCESS held by are_oaj; 0 RECEIVED lead, 1 RECALLED")
	if leg := m.legs[0]; !leg.ReceivedAt.Equal(received) || leg.ClosedByID != "" || leg.ClosedOn != 0 || leg.Resolution != "" {
		t.Errorf("the previous leg is not as it was: %+v", leg)
	}
	m.must("lawyer", derive(action(atStores)))
	m.want("IN_PROCESS held by are_log; 0 ATTENDED FORWARDED, 1 RECALLED, 2 PENDING lead")
}

func TestRecallOfALegWithSiblingsLeavesThemAlone(t *testing.T) {
	t.Parallel()
	m := inLegal(t)
	m.must("lawyer", derive(action(atStores), action(atContracts), copyTo(atDesk)))
	m.must("lawyer", m.recall(1))
	m.want("IN_PROCESS held by are_con; 0 ATTENDED FORWARDED, 1 RECALLED, 2 PENDING lead, 3 PENDING")
	m.must("lawyer", m.recall(2)) // the last one to act: now Legal has it again
	m.want("IN_PROCESS held by are_oaj; 0 RECEIVED lead, 1 RECALLED, 2 RECALLED, 3 PENDING")
	m.must("lawyer", m.recall(3)) // the copy
	m.want("IN_PROCESS held by are_oaj; 0 RECEIVED lead, 1 RECALLED, 2 RECALLED, 3 RECALLED")
}

func TestRecallOfTheLastOpenLegEndsTheDocumentWhenASiblingWasAttended(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal), action(atStores)))
	m.must("lawyer", m.receive(0))
	m.must("lawyer", m.attend(0))
	m.must("clerk", m.recall(1))
	m.want("ATTENDED held by are_mp; 0 ATTENDED FINAL, 1 RECALLED")
	m.told(mesa.DerivationRecalled, mesa.DocumentAttended)
}

func TestRecallOfAReturnLegGivesBackWhatWasRejected(t *testing.T) {
	t.Parallel()
	m := sentToLegal(t)
	m.must("lawyer", m.reject(0))
	m.must("lawyer", m.recall(1)) // it was never received, so it waits again
	m.want("IN_PROCESS held by are_oaj; 0 PENDING lead, 1 RECALLED")
	m.must("lawyer", m.receive(0))
	m.must("lawyer", m.giveBack(0))
	m.must("lawyer", m.recall(2)) // it was received, so it is in hand again
	m.want("IN_PROCESS held by are_oaj; 0 RECEIVED lead, 1 RECALLED, 2 RECALLED")
	if m.legs[0].Reason != "" {
		t.Error("the reason of the return stays on a leg that is open again")
	}
}

func TestWhatIsReceivedOrReopenedIsNotRecalled(t *testing.T) {
	t.Parallel()
	m := inLegal(t)
	m.refuses("clerk", mesa.InvalidTransition, m.recall(0))
	m.must("lawyer", m.attend(0))
	m.must("desk head", reopen(atStores))
	m.refuses("desk head", mesa.InvalidTransition, m.recall(1))
}

func TestReassign(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(action(atLegal), action(atStores)))
	m.refuses("lawyer", mesa.Forbidden, m.reassign(0, atContracts))
	m.refuses("stores head", mesa.Forbidden, m.reassign(0, atContracts)) // of another area
	m.refuses("legal head", mesa.NotFound, m.reassign(0, "are_nowhere"))
	m.refuses("legal head", mesa.AreaInactive, m.reassign(0, atOld))
	m.refuses("legal head", mesa.SameArea, m.reassign(0, atLegal))
	m.refuses("legal head", mesa.DuplicateTarget, m.reassign(0, atStores))
	m.refuses("legal head", mesa.ValidationFailed, func(f *mesa.File) error { _, _, err := f.Reassign(m.leg(0), atContracts, "", 0, ""); return err })
	m.refuses("legal head", mesa.DeadlineInPast, func(f *mesa.File) error {
		_, _, err := f.Reassign(m.leg(0), atContracts, "", on("2026-03-01"), because)
		return err
	})
	m.must("desk head", m.reassign(0, atContracts)) // anywhere
	m.want("IN_PROCESS held by are_con; 0 REASSIGNED, 1 PENDING, 2 PENDING lead")
	m.told(mesa.DerivationReassigned)
	old, leg := m.legs[0], m.legs[2]
	if leg.Origin != mesa.OriginReassign || leg.FromID != atLegal || leg.PreviousID != old.ID || leg.DueOn != old.DueOn || leg.Instructions != old.Instructions || old.Reason != because {
		t.Errorf("reassigned with %+v", leg)
	}
	if e := m.did.Events[0]; !slices.Contains(e.AreaIDs, atContracts) || e.Reason != because {
		t.Errorf("told to %v because %q", e.AreaIDs, e.Reason)
	}
	m.must("stores user", m.receive(1)) // received ones move too, and wait again
	m.must("stores head", func(f *mesa.File) error {
		_, _, err := f.Reassign(m.leg(1), atBranch, "Vea esto", on("2026-03-20"), because)
		return err
	})
	m.want("IN_PROCESS held by are_con; 0 REASSIGNED, 1 REASSIGNED, 2 PENDING lead, 3 PENDING")
	if leg := m.legs[3]; leg.Instructions != "Vea esto" || leg.DueOn != on("2026-03-20") {
		t.Errorf("reassigned with %q until %v", leg.Instructions, leg.DueOn)
	}
	m.refuses("desk head", mesa.InvalidTransition, m.reassign(0, atArchive))
}

func TestAssign(t *testing.T) {
	t.Parallel()
	m := sentToLegal(t)
	m.refuses("lawyer", mesa.Forbidden, m.assign(0, "usr_legal head")) // only oneself
	m.refuses("stores head", mesa.Forbidden, m.assign(0, "usr_lawyer"))
	m.refuses("lawyer", mesa.NotFound, func(f *mesa.File) error { _, err := f.Assign("der_nothing", "usr_lawyer"); return err })
	m.must("lawyer", m.assign(0, "usr_lawyer"))
	m.told(mesa.DerivationAssigned)
	if m.doc.AssigneeID != "usr_lawyer" || !slices.Contains(m.did.Grants, "usr_lawyer") || m.did.Events[0].Text != "Asignado a lawyer" {
		t.Errorf("assigned to %q, granted %v, told %q", m.doc.AssigneeID, m.did.Grants, m.did.Events[0].Text)
	}
	m.must("lawyer", m.assign(0, "usr_lawyer"))
	m.told() // nothing happened
	m.must("lawyer", m.assign(0, ""))
	if m.doc.AssigneeID != "" || m.did.Events[0].Changes["assignee"] != (mesa.Change{Before: mesa.UserID("usr_lawyer")}) {
		t.Errorf("assigned to %q, changes %v", m.doc.AssigneeID, m.did.Events[0].Changes)
	}
	m.must("legal head", m.assign(0, "usr_lawyer"))
	m.refuses("stores user", mesa.Forbidden, m.assign(0, ""))
	m.must("lawyer", m.receive(0))
	m.must("lawyer", m.attend(0))
	if m.doc.AssigneeID != "" {
		t.Errorf("attended and still assigned to %q", m.doc.AssigneeID)
	}
	m.refuses("legal head", mesa.InvalidTransition, m.assign(0, ""))
}

// A document leaves a former assignee with the last leg that was theirs, open or closed.
func TestAFormerAssigneeIsRelieved(t *testing.T) {
	t.Parallel()
	m := sentToLegal(t)
	relieved := func(want ...mesa.UserID) {
		t.Helper()
		if !slices.Equal(m.did.Relieved, want) {
			t.Errorf("relieved %v, want %v", m.did.Relieved, want)
		}
	}
	m.must("legal head", m.assign(0, "usr_lawyer"))
	relieved()
	m.must("legal head", m.assign(0, "usr_legal head"))
	relieved("usr_lawyer")
	m.must("lawyer", m.receive(0))
	m.must("lawyer", derive(action(atStores), copyTo(atDesk)))
	m.must("stores user", m.reject(1))
	m.must("legal head", m.assign(3, "usr_legal head"))
	m.must("legal head", m.assign(3, ""))
	relieved() // leg 0 ended as theirs
}

func TestACopyCanBeAssignedToo(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", derive(copyTo(atLegal)))
	m.must("legal head", m.assign(0, "usr_lawyer"))
	if m.legs[0].AssigneeID != "usr_lawyer" || m.doc.AssigneeID != "" {
		t.Errorf("leg %q, document %q", m.legs[0].AssigneeID, m.doc.AssigneeID)
	}
}

func TestExtend(t *testing.T) {
	t.Parallel()
	m := sentToLegal(t)
	docDue, manual := m.doc.DueOn, on("2026-03-10")
	m.refuses("lawyer", mesa.Forbidden, m.extend(0, manual))
	m.refuses("stores head", mesa.Forbidden, m.extend(0, manual))
	m.refuses("legal head", mesa.NotFound, func(f *mesa.File) error { _, err := f.Extend("der_nothing", manual, because); return err })
	m.refuses("legal head", mesa.ValidationFailed, func(f *mesa.File) error { _, err := f.Extend(m.leg(0), manual, "corto"); return err })
	m.refuses("legal head", mesa.DeadlineInPast, m.extend(0, on("2026-03-01")))
	m.must("legal head", m.extend(0, manual))
	m.told(mesa.DeadlineChanged)
	if m.legs[0].DueOn != manual || m.doc.DueOn != docDue || m.doc.DueSource != mesa.DueByType {
		t.Errorf("leg due %v, document %v by %s", m.legs[0].DueOn, m.doc.DueOn, m.doc.DueSource)
	}
	if c := m.did.Events[0].Changes["dueOn"]; c.Before != docDue || c.After != manual {
		t.Errorf("the old date is lost: %v", m.did.Events[0].Changes)
	}
	beyond := docDue.AddDays(7)
	m.must("desk head", m.extend(0, beyond)) // of the sending area; past the document's own date
	if m.legs[0].DueOn != beyond || m.doc.DueOn != beyond || m.doc.ManualDueOn != beyond || m.doc.DueSource != mesa.DueManual {
		t.Errorf("leg due %v, document %v by %s", m.legs[0].DueOn, m.doc.DueOn, m.doc.DueSource)
	}
	if c := m.did.Events[0].Changes["document.dueOn"]; c.Before != docDue || c.After != beyond {
		t.Errorf("the document's old date is lost: %v", m.did.Events[0].Changes)
	}
	m.must("lawyer", m.receive(0))
	m.must("lawyer", m.attend(0))
	m.refuses("legal head", mesa.InvalidTransition, m.extend(0, beyond))
	c := newMatter(t)
	c.must("clerk", derive(copyTo(atLegal)))
	c.refuses("legal head", mesa.InvalidTransition, c.extend(0, manual)) // nothing is due of a copy
}
