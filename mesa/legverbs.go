package mesa

import "time"

// Receive takes a pending leg in hand (D2).
func (f *File) Receive(id DerivationID) (*Derivation, error) {
	leg, err := f.requireLegFor(id, ActReceive, MayReceive)
	if err != nil {
		return nil, err
	}
	f.touch(leg)
	leg.State, leg.ReceivedAt, leg.ReceivedOn, leg.ReceivedByID = LegReceived, f.at, f.today(), f.by.UserID
	leg.ReceptionMinutes = f.cat.Calendar.BusinessMinutesBetween(leg.SentAt, f.at)
	f.event(DerivationReceived, leg, "Recibido en "+f.cat.AreaName(leg.ToID))
	f.settle()
	return leg, nil
}

// requireLegFor finds the leg, asks for a permission in its target area, then checks the state: in this order, so that a person
// without the right learns nothing from the state.
func (f *File) requireLegFor(id DerivationID, by Action, p Permission) (*Derivation, error) {
	leg := f.Leg(id)
	if leg == nil {
		return nil, ErrNotFound("derivationId")
	}
	if err := f.by.Require(p, leg.ToID); err != nil {
		return nil, err
	}
	return f.requireLeg(id, by)
}

// Attend ends a received leg (D3): FORWARDED when somebody must act on it next, else FINAL: copies hold nothing up.
func (f *File) Attend(id DerivationID, notes string, outcome Outcome, next []DerivationTargetInput) (*Derivation, error) {
	leg, err := f.requireLegFor(id, ActAttend, MayAttend)
	if err != nil {
		return nil, err
	}
	if f.Doc.State == Observed {
		return nil, Fail(ObservationPending, "", "El expediente está observado: espere la subsanación.")
	}
	var v Violations
	checkText(&v, "closingNotes", notes, 0, 2000)
	if err := v.Err(); err != nil {
		return nil, err
	}
	forwarded := false
	if len(next) > 0 {
		if forwarded, err = f.forwardTo(leg, next); err != nil {
			return nil, err
		}
	}
	f.close(leg, LegAttended)
	leg.ClosingNotes, leg.Resolution = Text(notes), Final
	if outcome != "" {
		f.Doc.Outcome = outcome
	}
	if forwarded {
		leg.Resolution = Forwarded
		f.event(DerivationForwarded, leg, "Derivado por "+f.cat.AreaName(leg.ToID))
	} else {
		f.event(DerivationAttended, leg, "Atendido por "+f.cat.AreaName(leg.ToID))
	}
	f.endIfDone(ActAttend)
	f.settle()
	return leg, nil
}

// forwardTo sends the document on from a leg that is being attended, and says whether somebody must act on it.
func (f *File) forwardTo(leg *Derivation, next []DerivationTargetInput) (bool, error) {
	if err := f.by.Require(MayDerive, leg.ToID); err != nil {
		return false, err
	}
	sends, err := f.checkTargets(leg.ToID, next, "next")
	if err != nil {
		return false, err
	}
	legs := f.send(leg.ToID, leg, sends)
	f.eventDerived(leg.ToID, legs)
	return hasAction(legs), nil
}

// Reject sends a pending leg back unopened (D4); Return sends a received one back (D5). Both make a leg to the sender.
func (f *File) Reject(id DerivationID, reason string) (leg, back *Derivation, err error) {
	return f.sendBack(id, reason, ActReject, LegRejected, DerivationRejected, "Rechazado por ")
}

// Return sends a received leg back to the area that sent it (D5).
func (f *File) Return(id DerivationID, reason string) (leg, back *Derivation, err error) {
	return f.sendBack(id, reason, ActReturn, LegReturned, DerivationReturned, "Devuelto por ")
}

func (f *File) sendBack(id DerivationID, reason string, by Action, to DerivationState, typ EventType, text string) (leg, back *Derivation, err error) {
	if leg, err = f.requireLegFor(id, by, MayReturn); err != nil {
		return nil, nil, err
	}
	if err = f.checkActive(leg.FromID); err != nil {
		return nil, nil, err
	}
	if err = CheckReason(reason); err != nil {
		return nil, nil, err
	}
	f.close(leg, to)
	leg.Reason = Text(reason)
	back = f.addLeg(&Derivation{
		BatchID: f.ids.Batch(f.at), Kind: ForAction, PurposeCode: leg.PurposeCode, FromID: leg.ToID, ToID: leg.FromID, PreviousID: leg.ID,
		Origin: OriginReturn, IsLead: leg.IsLead, Instructions: reason, Urgent: leg.Urgent,
		RequiresResponse: leg.RequiresResponse, DueOn: leg.DueOn,
	})
	e := f.event(typ, leg, text+f.cat.AreaName(leg.ToID))
	e.Reason = Text(reason)
	f.settle()
	return leg, back, nil
}

// checkActive is AreaInactive when nobody works any more in the area that sent a leg: nothing can go back there.
func (f *File) checkActive(from AreaID) error {
	if area := f.cat.Area(from); area != nil && !area.IsActive {
		return Fail(AreaInactive, "derivationId", "El área %s ya no está activa: reasigne el expediente.", area.Code)
	}
	return nil
}

// Recall takes a pending leg back before it is received (D6).
func (f *File) Recall(id DerivationID, reason string) (*Derivation, error) {
	leg := f.Leg(id)
	if leg == nil {
		return nil, ErrNotFound("derivationId")
	}
	if !f.mayTakeBack(leg) {
		return nil, ErrForbidden(MayRecall)
	}
	if !leg.isRecallable() {
		return nil, Fail(InvalidTransition, "derivationId", "Una reapertura no se recupera: reasígnela.").With("state", string(leg.State))
	}
	if _, err := f.requireLeg(id, ActRecall); err != nil {
		return nil, err
	}
	if err := CheckReason(reason); err != nil {
		return nil, err
	}
	givesBack := leg.Kind == ForAction && !f.batchLives(leg) && f.openActionIn(leg.FromID) == nil
	if givesBack {
		if err := f.checkActive(leg.FromID); err != nil {
			return nil, err
		}
	}
	f.close(leg, LegRecalled)
	leg.Reason = Text(reason)
	e := f.event(DerivationRecalled, leg, "Recuperado por "+f.cat.AreaName(leg.FromID))
	e.Reason = Text(reason)
	if givesBack {
		f.giveBack(leg)
	}
	f.endIfDone(ActRecall)
	f.settle()
	return leg, nil
}

// mayTakeBack says whether the actor sent the leg or may recall for the area that did.
func (f *File) mayTakeBack(leg *Derivation) bool {
	own := leg.SentByID == f.by.UserID && f.by.UserID != "" && f.by.May(MayRecallOwn, leg.FromID)
	return own || f.by.May(MayRecall, leg.FromID)
}

// isRecallable excludes the legs of a reopening or restoring: there is no earlier holder to give the document back to.
func (l *Derivation) isRecallable() bool {
	return l.Origin != OriginReopen && l.Origin != OriginRestore
}

func (f *File) mayRecall(leg *Derivation) bool {
	return leg.State == LegPending && leg.isRecallable() && f.mayTakeBack(leg)
}

func (f *File) mayAssign(leg *Derivation) bool {
	return leg.State.IsOpen() && (f.by.May(MayAssign, leg.ToID) || f.by.May(MayAssignSelf, leg.ToID))
}

// batchLives says whether another ACTION leg of the same batch is open or attended.
func (f *File) batchLives(recalled *Derivation) bool {
	for _, leg := range f.Legs {
		if leg != recalled && leg.BatchID == recalled.BatchID && leg.Kind == ForAction && (leg.State.IsOpen() || leg.State == LegAttended) {
			return true
		}
	}
	return false
}

// giveBack makes the sender hold the document again: its previous leg is open as before, or the desk has it REGISTERED again.
func (f *File) giveBack(recalled *Derivation) {
	previous := f.Leg(recalled.PreviousID)
	if previous == nil {
		if !f.hasOpenAction() && documentMoves.leads(f.Doc.State, ActRecall, Registered) {
			f.Doc.State = Registered
		}
		return
	}
	f.touch(previous)
	previous.State = LegReceived
	if previous.ReceivedAt.IsZero() {
		previous.State = LegPending
	}
	previous.ClosedAt, previous.ClosedOn, previous.ClosedByID, previous.Resolution = time.Time{}, 0, "", ""
	previous.ClosingNotes, previous.Reason = "", ""
	previous.IsLead = recalled.IsLead
	recalled.IsLead = false
}

func (f *File) hasOpenAction() bool {
	for _, leg := range f.Legs {
		if leg.IsOpenAction() {
			return true
		}
	}
	return false
}

// Reassign moves an open leg to another area (D7): the leg ends REASSIGNED and another one, pending, takes its place.
func (f *File) Reassign(id DerivationID, to AreaID, instructions string, dueOn Date, reason string) (leg, replacement *Derivation, err error) {
	if leg, err = f.requireLegFor(id, ActReassign, MayReassign); err != nil {
		return nil, nil, err
	}
	area := f.cat.Area(to)
	switch {
	case area == nil:
		return nil, nil, ErrNotFound("areaId")
	case !area.IsActive:
		return nil, nil, Fail(AreaInactive, "areaId", "El área %s no está activa.", area.Code)
	case to == leg.ToID:
		return nil, nil, Fail(SameArea, "areaId", "El expediente ya está en esa área.")
	case f.openActionIn(to) != nil:
		return nil, nil, Fail(DuplicateTarget, "areaId", "El área %s ya tiene este expediente por atender.", area.Code)
	}
	if err = CheckReason(reason); err != nil {
		return nil, nil, err
	}
	due := leg.DueOn
	if !dueOn.IsZero() {
		if due, err = f.cat.Calendar.ManualDueOn(dueOn, f.today(), f.Doc.FiledOn); err != nil {
			return nil, nil, err
		}
	}
	f.close(leg, LegReassigned)
	leg.Reason = Text(reason)
	replacement = f.addLeg(&Derivation{
		BatchID: f.ids.Batch(f.at), Kind: ForAction, PurposeCode: leg.PurposeCode, FromID: leg.ToID, ToID: to, PreviousID: leg.ID,
		Origin: OriginReassign, IsLead: leg.IsLead, Instructions: cmpOr(instructions, leg.Instructions), Urgent: leg.Urgent,
		RequiresResponse: leg.RequiresResponse, DueOn: due,
	})
	e := f.event(DerivationReassigned, leg, "Reasignado de "+f.cat.AreaName(leg.ToID)+" a "+area.Name, to)
	e.Reason = Text(reason)
	f.settle()
	return leg, replacement, nil
}

// Assign gives an open leg to a member of its area, or (userID empty) to nobody in particular (D8). The caller has made sure
// that the user is an active member.
func (f *File) Assign(id DerivationID, userID UserID) (*Derivation, error) {
	leg := f.Leg(id)
	if leg == nil {
		return nil, ErrNotFound("derivationId")
	}
	self := (userID == f.by.UserID || userID == "" && leg.AssigneeID == f.by.UserID) && f.by.May(MayAssignSelf, leg.ToID)
	if !self && !f.by.May(MayAssign, leg.ToID) {
		return nil, ErrForbidden(MayAssign)
	}
	if !leg.State.IsOpen() {
		return nil, invalidTransition(leg.State)
	}
	before := leg.AssigneeID
	if before == userID {
		return leg, nil
	}
	f.touch(leg)
	leg.AssigneeID = userID
	f.relieve(before)
	text := "Sin responsable asignado"
	if u := f.cat.User(userID); u != nil {
		f.grant(string(userID))
		text = "Asignado a " + u.FullName
	}
	f.event(DerivationAssigned, leg, text).change("assignee", before, userID)
	f.settle()
	return leg, nil
}

// Acknowledge takes note of a copy (D9). Any member of the target area may.
func (f *File) Acknowledge(id DerivationID) (*Derivation, error) {
	leg, err := f.requireLegFor(id, ActAcknowledge, MayReceive)
	if err != nil {
		return nil, err
	}
	f.close(leg, LegAcknowledged)
	f.event(DerivationAcked, leg, "Tomado conocimiento en "+f.cat.AreaName(leg.ToID))
	f.settle()
	return leg, nil
}

// Extend gives an open leg a later due date (D10). Past the document's own due date it needs document.extendDeadline and moves
// that date too.
func (f *File) Extend(id DerivationID, dueOn Date, reason string) (*Derivation, error) {
	leg := f.Leg(id)
	if leg == nil {
		return nil, ErrNotFound("derivationId")
	}
	if !f.by.May(MayAssign, leg.ToID) && !f.by.May(MayAssign, leg.FromID) {
		return nil, ErrForbidden(MayAssign)
	}
	if !leg.IsOpenAction() {
		return nil, invalidTransition(leg.State)
	}
	if err := CheckReason(reason); err != nil {
		return nil, err
	}
	due, err := f.cat.Calendar.ManualDueOn(dueOn, f.today(), f.Doc.FiledOn)
	if err != nil {
		return nil, err
	}
	d := f.Doc
	beyond := !d.DueOn.IsZero() && due > d.DueOn
	if beyond && !f.by.May(MayExtendDeadline, leg.ToID) && !f.by.May(MayExtendDeadline, leg.FromID) {
		return nil, ErrForbidden(MayExtendDeadline)
	}
	f.touch(leg)
	e := f.event(DeadlineChanged, leg, "Plazo ampliado hasta el "+due.Spanish())
	e.Reason = Text(reason)
	e.change("dueOn", leg.DueOn, due)
	leg.DueOn = due
	if beyond {
		e.change("document.dueOn", d.DueOn, due)
		d.DueOn, d.ManualDueOn, d.DueSource = due, due, DueManual
	}
	f.settle()
	return leg, nil
}
