package mesa

import (
	"fmt"
	"strings"
)

// MaxTargets is how many areas one derivation goes to at most.
const MaxTargets = 20

// Derive hands the document on to other areas (D1). from is the sending area; HolderFor finds it.
func (f *File) Derive(from AreaID, targets []DerivationTargetInput) ([]*Derivation, error) {
	if err := f.checkDerivable(); err != nil {
		return nil, err
	}
	sends, err := f.checkTargets(from, targets, "targets")
	if err != nil {
		return nil, err
	}
	held := f.receivedIn(from)
	legs := f.send(from, held, sends)
	if held != nil && hasAction(legs) {
		f.close(held, LegAttended)
		held.Resolution = Forwarded
		f.event(DerivationForwarded, held, "Derivado por "+f.cat.AreaName(from))
	}
	if f.Doc.State == Registered && hasAction(legs) {
		f.Doc.State = InProcess
	}
	f.eventDerived(from, legs)
	f.settle()
	return legs, nil
}

// checkDerivable says whether the state of the document allows to derive at all.
func (f *File) checkDerivable() error {
	if f.Doc.State == Observed {
		return Fail(ObservationPending, "", "El expediente está observado: espere la subsanación.")
	}
	if !documentMoves.allows(f.Doc.State, ActDerive) {
		return invalidTransition(f.Doc.State)
	}
	return nil
}

// HolderFor is the area from which the actor may derive: the desk of a registered document, an area with a RECEIVED ACTION leg
// of one in process. NotHolder when the document lies elsewhere, Forbidden when the actor derives nowhere.
func (f *File) HolderFor(p Permission) (AreaID, error) {
	if !f.by.MayAnywhere(p) {
		return "", ErrForbidden(p)
	}
	if err := f.checkDerivable(); err != nil {
		return "", err
	}
	if f.Doc.State == Registered {
		if f.by.May(p, f.Doc.DeskAreaID) {
			return f.Doc.DeskAreaID, nil
		}
		return "", f.notHolder()
	}
	var found *Derivation
	for _, leg := range f.Legs {
		if leg.Kind == ForAction && leg.State == LegReceived && f.by.May(p, leg.ToID) && (found == nil || leg.IsLead && !found.IsLead) {
			found = leg
		}
	}
	if found == nil {
		return "", f.notHolder()
	}
	return found.ToID, nil
}

func (f *File) notHolder() error {
	return Fail(NotHolder, "", "El expediente no está en su área.").With("state", string(f.Doc.State))
}

// receivedIn is the RECEIVED ACTION leg of an area, the lead first, then the oldest; nil when there is none.
func (f *File) receivedIn(area AreaID) *Derivation {
	var found *Derivation
	for _, leg := range f.Legs {
		if leg.Kind == ForAction && leg.State == LegReceived && leg.ToID == area && (found == nil || leg.IsLead && !found.IsLead) {
			found = leg
		}
	}
	return found
}

// checkTargets checks the targets and fills in their defaults.
func (f *File) checkTargets(from AreaID, targets []DerivationTargetInput, field string) ([]DerivationTargetInput, error) {
	if len(targets) == 0 {
		return nil, Invalid(field, "Indique al menos un área de destino.")
	}
	if len(targets) > MaxTargets {
		return nil, Fail(LimitExceeded, field, "Se admiten %d destinos como máximo.", MaxTargets).With("limit", MaxTargets)
	}
	var v Violations
	out, seen := make([]DerivationTargetInput, len(targets)), map[AreaID]bool{}
	for i, t := range targets {
		at := fmt.Sprintf("%s.%d", field, i)
		t.Kind = f.kindOf(t)
		v.Add(f.checkTarget(from, t, at, seen))
		checkText(&v, at+".instructions", t.Instructions, 3, 2000)
		if t.PurposeCode != "" {
			v.Check(f.cat.Purpose(string(t.PurposeCode)) != nil, at+".purposeCode", "El motivo de derivación no existe.")
		}
		due, err := f.legDue(t)
		if e, ok := err.(*Error); ok {
			e.Field = at + ".dueOn"
			v.Add(e)
		}
		t.DueOn = due
		seen[t.AreaID] = true
		out[i] = t
	}
	return out, v.Err()
}

func (f *File) kindOf(t DerivationTargetInput) *DerivationKind {
	if t.Kind != nil {
		return t.Kind
	}
	kind := ForAction
	if p := f.cat.Purpose(string(t.PurposeCode)); p != nil {
		kind = p.KindDefault
	}
	return &kind
}

func (f *File) checkTarget(from AreaID, t DerivationTargetInput, at string, seen map[AreaID]bool) error {
	area := f.cat.Area(t.AreaID)
	switch {
	case area == nil:
		return ErrNotFound(at + ".areaId")
	case !area.IsActive:
		return Fail(AreaInactive, at+".areaId", "El área %s no está activa.", area.Code)
	case t.AreaID == from:
		return Fail(SameArea, at+".areaId", "El destino es la misma área; use la asignación interna.")
	case seen[t.AreaID]:
		return Fail(DuplicateTarget, at+".areaId", "El área %s se repite en la lista.", area.Code)
	case *t.Kind == ForAction && f.openActionIn(t.AreaID) != nil:
		return Fail(DuplicateTarget, at+".areaId", "El área %s ya tiene este expediente por atender.", area.Code)
	}
	return nil
}

// legDue is the due date of a new leg: the wished one, else by the purpose's term, else the document's.
func (f *File) legDue(t DerivationTargetInput) (Date, error) {
	if *t.Kind == ForCopy {
		return 0, nil
	}
	if !t.DueOn.IsZero() {
		return f.cat.Calendar.ManualDueOn(t.DueOn, f.today(), f.Doc.FiledOn)
	}
	if p := f.cat.Purpose(string(t.PurposeCode)); p != nil && p.DefaultTermBusinessDays > 0 {
		return f.cat.Calendar.AddBusinessDays(f.today(), int(p.DefaultTermBusinessDays)), nil
	}
	return f.Doc.DueOn, nil
}

// send adds the legs of one batch. Exactly one of its ACTION legs leads when the leg it continues led, or when nothing does yet.
func (f *File) send(from AreaID, held *Derivation, targets []DerivationTargetInput) []*Derivation {
	batch, lead := f.ids.Batch(f.at), leadIndex(targets)
	if held != nil && !held.IsLead {
		lead = -1
	}
	legs := make([]*Derivation, len(targets))
	for i, t := range targets {
		leg := &Derivation{
			BatchID: batch, Kind: *t.Kind, PurposeCode: string(t.PurposeCode), FromID: from, ToID: t.AreaID, AssigneeID: t.AssigneeID,
			Origin: OriginSend, IsLead: i == lead, Instructions: t.Instructions, Urgent: t.Urgent, RequiresResponse: t.RequiresResponse, DueOn: t.DueOn,
		}
		if held != nil {
			leg.PreviousID = held.ID
		}
		legs[i] = f.addLeg(leg)
	}
	return legs
}

// leadIndex is the flagged ACTION target, else the first ACTION one, -1 when all are copies.
func leadIndex(targets []DerivationTargetInput) int {
	first := -1
	for i, t := range targets {
		if *t.Kind != ForAction {
			continue
		}
		if t.Lead {
			return i
		}
		if first < 0 {
			first = i
		}
	}
	return first
}

func hasAction(legs []*Derivation) bool {
	for _, leg := range legs {
		if leg.Kind == ForAction {
			return true
		}
	}
	return false
}

// eventDerived appends one event for the document and one for each leg.
func (f *File) eventDerived(from AreaID, legs []*Derivation) {
	names := make([]string, len(legs))
	for i, leg := range legs {
		names[i] = f.cat.AreaName(leg.ToID)
		text := "Derivado de " + f.cat.AreaName(from) + " a " + names[i]
		if leg.Kind == ForCopy {
			text = "Copia de " + f.cat.AreaName(from) + " para " + names[i]
		}
		f.event(DerivationCreated, leg, text)
	}
	f.event(DocumentDerived, nil, "Derivado a "+strings.Join(names, ", "), from)
}
