package demo

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// life is one document on its way.
type life struct {
	*history
	doc     *mesa.Document
	legs    []*mesa.Derivation
	records []*mesa.ArchiveRecord
	events  []*mesa.Event
	grants  []string
	typ     *documentType
	topic   *category

	tasks   []task
	want    int     // legs
	pace    float64 // working minutes that a step takes on average
	shelved bool    // whether archiving has been thought of since it was attended
	freeze  int     // after so many steps nobody touches it any more; -1 never
}

// task is something that will be done.
type task struct {
	at  time.Time
	leg mesa.DerivationID // "" is about the document
}

// keep adds the document as it is now to the bulk.
func (l *life) keep() {
	out := &l.out
	out.Documents, out.Derivations, out.Records = append(out.Documents, l.doc), append(out.Derivations, l.legs...), append(out.Records, l.records...)
	out.Events = append(out.Events, l.events...)
	for _, g := range l.grants {
		out.Access = append(out.Access, db.Access{DocumentID: l.doc.ID, Grantee: g})
	}
	out.Watches = append(out.Watches, db.Watch{UserID: l.doc.RegisteredByID, DocumentID: l.doc.ID})
	if l.doc.Priority != mesa.NormalPriority && len(l.legs) > 0 && l.chance(30) {
		if p := l.places[l.legs[0].ToID]; p != nil {
			out.Watches = append(out.Watches, db.Watch{UserID: p.heads[0].UserID, DocumentID: l.doc.ID})
		}
	}
}

// do runs one verb of the rules and notes what it changed.
func (l *life) do(by *mesa.Actor, at time.Time, verb func(*mesa.File) error) error {
	f := mesa.OpenFile(by, at, &l.ids, l.doc, l.legs, l.records)
	if err := verb(f); err != nil {
		return err
	}
	l.note(f)
	return nil
}

func (l *life) note(f *mesa.File) {
	changes := f.Changes()
	l.legs, l.records = f.Legs, f.Records
	l.events = append(l.events, changes.Events...)
	for _, g := range changes.Grants {
		if !slices.Contains(l.grants, g) {
			l.grants = append(l.grants, g)
		}
	}
}

// plan draws how long the document takes, how far it travels and whether it gets stuck.
func (l *life) plan(at time.Time) {
	l.want = 1
	for extra := l.history.legs - 1; extra > 0 && l.rnd.Float64() < extra/(extra+1) && l.want < 18; {
		l.want++
	}
	term := l.doc.TermDays
	if term == 0 {
		term = 12
	}
	share := 0.1 + 0.65*l.rnd.Float64()
	if l.chance(12) {
		share = 1 + 1.2*l.rnd.Float64() // late
	}
	if l.doc.Priority == mesa.UrgentPriority {
		share /= 2
	}
	l.pace = share * float64(term) * dayLen / float64(l.want+1)
	age := l.now.Sub(at).Hours() / 24
	if l.rnd.Float64() < 0.15+0.8*math.Exp(-age/60) {
		l.freeze = 1 + l.rnd.IntN(4)
	}
	wait := 15 + l.around(100)
	if l.chance(6) || age < 9 && l.chance(40) {
		wait += float64(1+l.rnd.IntN(4)) * dayLen
	}
	l.later(at, wait, "")
}

// later plans something after so many working minutes.
func (l *life) later(from time.Time, minutes float64, leg mesa.DerivationID) {
	l.tasks = append(l.tasks, task{workTime(l.cat.Calendar, from, minutes, l.rnd), leg})
}

// step does what is to be done about a leg or the document.
func (l *life) step(t task) error {
	if err := l.act(t); err != nil {
		return err
	}
	l.planNext(t.at)
	return nil
}

// planNext sees to it that whatever is open has a task.
func (l *life) planNext(at time.Time) {
	planned := func(id mesa.DerivationID) bool {
		return slices.ContainsFunc(l.tasks, func(t task) bool { return t.leg == id })
	}
	for _, leg := range l.legs {
		switch {
		case !leg.IsOpenAction() || planned(leg.ID):
		case leg.State == mesa.LegPending:
			l.later(at, l.reception(), leg.ID)
		default:
			l.later(at, l.around(l.pace), leg.ID)
		}
	}
	switch l.doc.State {
	case mesa.Registered:
		if !planned("") {
			l.later(at, l.around(120), "")
		}
	case mesa.Attended:
		if !planned("") && !l.shelved {
			l.shelved = true // one chance; what is not archived then stays on the list of what could be
			if l.chance(88) {
				l.later(at, l.around(25*dayLen), "")
			}
		}
	default:
		l.shelved = false
	}
}

// act does one thing.
func (l *life) act(t task) error {
	if t.leg == "" {
		return l.documentStep(t.at)
	}
	i := slices.IndexFunc(l.legs, func(leg *mesa.Derivation) bool { return leg.ID == t.leg })
	leg := l.legs[i]
	to := l.places[leg.ToID]
	switch {
	case !leg.State.IsOpen() || to == nil:
		return nil
	case leg.Kind == mesa.ForCopy:
		return l.do(l.someone(to), t.at, func(f *mesa.File) error { _, err := f.Acknowledge(leg.ID); return err })
	case leg.State == mesa.LegPending:
		return l.pendingStep(t.at, leg, to)
	}
	return l.receivedStep(t.at, leg, to)
}

func (l *life) someone(p *place) *mesa.Actor { return pick(l.rnd, p.staff) }

// documentStep is what the desk or the archive does with the document as a whole.
func (l *life) documentStep(at time.Time) error {
	desk := l.places[l.doc.DeskAreaID]
	switch l.doc.State {
	case mesa.Registered:
		if len(l.legs) == 0 && l.chance(1.2) {
			return l.do(desk.heads[0], at, func(f *mesa.File) error {
				return f.Void(pick(l.rnd, []string{
					"Registrado por duplicado en la ventanilla", "El administrado se desistió antes de la derivación", "Se registró con un remitente equivocado",
				}))
			})
		}
		by := desk.whoMay(mesa.MayDerive, l.rnd.IntN(100))
		return l.do(by, at, func(f *mesa.File) error { return l.derive(f, desk.area.ID) })
	case mesa.Attended:
		return l.attendedStep(at)
	case mesa.Archived:
		return l.do(pick(l.rnd, l.archivists), at, func(f *mesa.File) error {
			return f.Restore(l.legs[len(l.legs)-1].ToID, "Se requiere el expediente para atender un pedido del administrado")
		})
	}
	return nil
}

// lastToAttend is where a leg was attended last; nil when the area is not part of the demo.
func (l *life) lastToAttend() *place {
	for _, leg := range slices.Backward(l.legs) {
		if leg.State == mesa.LegAttended {
			return l.places[leg.ToID]
		}
	}
	return nil
}

// attendedStep archives an attended document, or reopens it.
func (l *life) attendedStep(at time.Time) error {
	last := l.lastToAttend()
	if last != nil && l.chance(2.5) {
		return l.do(last.heads[0], at, func(f *mesa.File) error {
			return f.Reopen(last.area.ID, "El administrado presentó nueva documentación sobre lo resuelto")
		})
	}
	by := l.places[l.doc.DeskAreaID].heads[0]
	if len(l.archivists) > 0 && l.chance(80) {
		by = pick(l.rnd, l.archivists)
	}
	policy := pick(l.rnd, l.typ.policies)
	if l.cat.Policy(policy) == nil {
		policy = l.cat.Policies[0].Code
	}
	place := mesa.Text(fmt.Sprintf("Ambiente %d, estante %c, nivel %d, caja %03d", 1+l.rnd.IntN(2), 'A'+rune(l.rnd.IntN(8)), 1+l.rnd.IntN(5), 1+l.rnd.IntN(240)))
	if err := l.do(by, at, func(f *mesa.File) error { _, err := f.Archive(l.typ.class, policy, place); return err }); err != nil {
		return err
	}
	if len(l.archivists) > 0 && l.chance(2.5) {
		l.later(at, l.around(40*dayLen), "")
	}
	return nil
}

// pendingStep receives a leg; sometimes it is sent back, taken back or sent elsewhere instead.
func (l *life) pendingStep(at time.Time, leg *mesa.Derivation, to *place) error {
	sender := l.senderOf(leg)
	switch x := l.rnd.Float64() * 100; {
	case x < 2.2 && leg.Origin == mesa.OriginSend && l.places[leg.FromID] != nil:
		return l.do(l.someone(to), at, func(f *mesa.File) error {
			_, _, err := f.Reject(leg.ID, "No corresponde a las funciones de esta área; derivar a la competente")
			return err
		})
	case x < 3.4 && leg.Origin == mesa.OriginSend && sender != nil:
		return l.do(sender, at, func(f *mesa.File) error {
			_, err := f.Recall(leg.ID, "Se derivó por error a un área que no corresponde")
			return err
		})
	case x < 4.8 && !to.area.IsDesk && to.heads[0].May(mesa.MayReassign, to.area.ID):
		if other := l.anotherArea(to.area.ID); other != nil {
			return l.do(to.heads[0], at, func(f *mesa.File) error {
				_, _, err := f.Reassign(leg.ID, other.area.ID, "", 0, "La materia corresponde a otra unidad orgánica")
				return err
			})
		}
	}
	who := l.someone(to)
	err := l.do(who, at, func(f *mesa.File) error { _, err := f.Receive(leg.ID); return err })
	if err != nil || !l.chance(45) {
		return err
	}
	by, worker := to.heads[0], pick(l.rnd, to.staff)
	if l.chance(30) && who.May(mesa.MayAssignSelf, to.area.ID) {
		by, worker = who, who
	}
	return l.do(by, at.Add(time.Duration(1+l.rnd.IntN(20))*time.Second), func(f *mesa.File) error {
		if f.At().After(l.now) {
			return nil
		}
		_, err := f.Assign(leg.ID, worker.UserID)
		return err
	})
}

// receivedStep hands a leg on, sends it back or ends it.
func (l *life) receivedStep(at time.Time, leg *mesa.Derivation, to *place) error {
	deriver := to.whoMay(mesa.MayDerive, l.rnd.IntN(100))
	if leg.Origin == mesa.OriginSend && l.chance(2) && l.places[leg.FromID] != nil {
		return l.do(l.someone(to), at, func(f *mesa.File) error {
			_, _, err := f.Return(leg.ID, "Falta el informe técnico que sustenta lo solicitado")
			return err
		})
	}
	if deriver != nil && (len(l.legs) < l.want || to.area.IsDesk) {
		return l.do(deriver, at, func(f *mesa.File) error { return l.derive(f, to.area.ID) })
	}
	by := l.someone(to)
	if u := l.assignee(leg, to); u != nil {
		by = u
	}
	outcome := pick(l.rnd, l.typ.outcomes)
	return l.do(by, at, func(f *mesa.File) error {
		_, err := f.Attend(leg.ID, closingNotes[outcome], outcome, nil)
		return err
	})
}

var closingNotes = map[mesa.Outcome]string{
	mesa.OutcomeResponded:        "Se emitió carta de respuesta al administrado.",
	mesa.OutcomeApproved:         "Se declaró procedente lo solicitado.",
	mesa.OutcomeDenied:           "Se declaró improcedente; se notificó la resolución.",
	mesa.OutcomePartial:          "Se atendió en parte lo solicitado.",
	mesa.OutcomeNoAction:         "Se toma conocimiento; no requiere acción adicional.",
	mesa.OutcomeForwardedOutside: "Se trasladó a la entidad competente.",
}

// reception is how long a leg waits for being received, in working minutes.
func (l *life) reception() float64 { return 10 + l.around(min(l.pace/3, 0.8*dayLen)) }

func (l *life) assignee(leg *mesa.Derivation, at *place) *mesa.Actor {
	for _, a := range at.staff {
		if a.UserID == leg.AssigneeID {
			return a
		}
	}
	return nil
}

// senderOf is who sent a leg, nil when they are not of the area any more.
func (l *life) senderOf(leg *mesa.Derivation) *mesa.Actor {
	if from := l.places[leg.FromID]; from != nil {
		for _, a := range from.staff {
			if a.UserID == leg.SentByID {
				return a
			}
		}
	}
	return nil
}

var (
	actionPurposes = []mesa.Text{"ATENCION", "ATENCION", "INFORME", "OPINION", "RESPUESTA", "TRAMITE", "VISTO"}
	instructions   = map[mesa.Text]string{
		"ATENCION": "Para su atención conforme a sus competencias.", "INFORME": "Emitir informe técnico sobre lo solicitado.",
		"OPINION": "Emitir opinión y devolver con los actuados.", "RESPUESTA": "Preparar proyecto de respuesta al administrado.",
		"TRAMITE": "Continuar con el trámite que corresponda.", "VISTO": "Revisar y visar, de encontrarlo conforme.",
		"CONOCIMIENTO": "Para conocimiento y fines.",
	}
)

// derive sends the document on: to one area mostly, with a copy now and then.
func (l *life) derive(f *mesa.File, from mesa.AreaID) error {
	targets := []mesa.DerivationTargetInput{}
	add := func(p *place, purpose mesa.Text) {
		if p == nil || p.area.ID == from || slices.ContainsFunc(targets, func(t mesa.DerivationTargetInput) bool { return t.AreaID == p.area.ID }) {
			return
		}
		if l.cat.Purpose(string(purpose)) == nil {
			purpose = ""
		}
		kind := mesa.ForAction
		if purpose == "CONOCIMIENTO" {
			kind = mesa.ForCopy
		}
		targets = append(targets, mesa.DerivationTargetInput{
			AreaID: p.area.ID, Kind: &kind, PurposeCode: purpose, Instructions: instructionOf(purpose),
			Urgent: l.doc.Priority == mesa.UrgentPriority, RequiresResponse: purpose == "RESPUESTA",
		})
	}
	add(l.anotherArea(from), pick(l.rnd, actionPurposes))
	if left := l.want - len(l.legs); left > 1 {
		if l.chance(12) {
			add(l.anotherArea(from), "OPINION")
		}
		if l.chance(25) {
			add(pick(l.rnd, l.areas), "CONOCIMIENTO")
		}
	}
	if len(targets) == 0 {
		return nil // every area has it already; later, perhaps
	}
	legs, err := f.Derive(from, targets)
	if err != nil {
		return err
	}
	for _, leg := range legs {
		if leg.Kind == mesa.ForCopy && l.chance(85) {
			l.later(f.At(), 3*l.reception(), leg.ID)
		}
	}
	return nil
}

func instructionOf(purpose mesa.Text) string {
	if text := instructions[purpose]; text != "" {
		return text
	}
	return "Para los fines pertinentes."
}

// anotherArea is where the document goes next: an area that deals with its category, else any; none that has it already.
func (l *life) anotherArea(from mesa.AreaID) *place {
	free := func(p *place) bool { return p != nil && p.area.ID != from && !l.holds(p.area.ID) }
	if l.chance(70) {
		if p := l.byCode(pick(l.rnd, l.topic.areas)); free(p) {
			return p
		}
	}
	for range 20 {
		if p := pick(l.rnd, l.areas); free(p) {
			return p
		}
	}
	return nil
}

// holds says whether an area has an open ACTION leg.
func (l *life) holds(area mesa.AreaID) bool {
	return slices.ContainsFunc(l.legs, func(leg *mesa.Derivation) bool { return leg.ToID == area && leg.IsOpenAction() })
}
