package mesa

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// File is a document with all its legs, as a verb of the desk works on it. The rules (docs/rules.md) are its methods; each checks
// everything before it changes anything, so a File that returned an error is as it was. Desk loads it under lock, calls one
// method and saves what Changes reports; the demo data is made by the same methods without a database.
type File struct {
	Doc     *Document
	Legs    []*Derivation // in order of creation
	Records []*ArchiveRecord

	cat    *Catalogue
	by     *Actor
	at     time.Time
	ids    *IDs
	before Document                        // the document as it was loaded
	states map[*Derivation]DerivationState // of the legs as they were loaded
	isNew  bool

	newLegs  []*Derivation
	touched  []*Derivation
	events   []*Event
	newGrant []string
	relieved []UserID
	record   *ArchiveRecord // archived or restored by this verb
}

// OpenFile prepares a loaded document for one verb by an actor at an instant.
func OpenFile(by *Actor, at time.Time, ids *IDs, doc *Document, legs []*Derivation, records []*ArchiveRecord) *File {
	f := &File{Doc: doc, Legs: legs, Records: records, cat: by.Catalogue, by: by, at: latest(at, doc.OpenedAt), ids: ids, before: *doc, states: make(map[*Derivation]DerivationState, len(legs))}
	for _, leg := range legs {
		f.states[leg] = leg.State
		f.at = latest(f.at, leg.SentAt, leg.ReceivedAt, leg.ClosedAt) // clocks of several machines differ; dates stay monotone
	}
	return f
}

// Changes is what a verb did to a file.
type Changes struct {
	IsNew    bool           // the document is new
	NewLegs  []*Derivation  // to be numbered and inserted
	Legs     []*Derivation  // to be updated
	Events   []*Event       // to be appended, in this order
	Grants   []string       // areas and users that see the document from now on
	Relieved []UserID       // no longer assigned to any leg: they see it no longer for having been so
	Record   *ArchiveRecord // to be stored; its LocationCode is still empty when it is new
}

// Changes reports what has been done since OpenFile. Every change of a document or of one of its legs raises its version by one.
func (f *File) Changes() Changes {
	return Changes{IsNew: f.isNew, NewLegs: f.newLegs, Legs: f.touched, Events: f.events, Grants: f.newGrant, Relieved: f.relieved, Record: f.record}
}

// At is the instant of the verb: now, or the latest instant in the file if that is later still.
func (f *File) At() time.Time { return f.at }

// Catalogue is the snapshot that the file's rules look things up in.
func (f *File) Catalogue() *Catalogue { return f.cat }

func latest(t time.Time, others ...time.Time) time.Time {
	for _, o := range others {
		if o.After(t) {
			t = o
		}
	}
	return t
}

func (f *File) today() Date { return f.cat.Today(f.at) }

// ExpectVersion is ConflictVersion unless the caller's version is nil or the present one.
func ExpectVersion(expected *int, present int) error {
	if expected != nil && *expected != present {
		return Fail(ConflictVersion, "expectedVersion", "El registro fue modificado por otra persona; vuelva a leerlo.").With("version", present)
	}
	return nil
}

// CheckReason asks for 10 to 1000 characters.
func CheckReason(reason string) error {
	if n := len([]rune(reason)); n < 10 || n > 1000 {
		return Invalid("reason", "El motivo debe tener entre 10 y 1000 caracteres.")
	}
	return nil
}

// Leg finds a leg of the file, nil when there is none.
func (f *File) Leg(id DerivationID) *Derivation {
	for _, leg := range f.Legs {
		if leg.ID == id {
			return leg
		}
	}
	return nil
}

// openActionIn is the open ACTION leg that an area has to act on, the lead first, then the oldest; nil when there is none.
func (f *File) openActionIn(area AreaID) *Derivation {
	var found *Derivation
	for _, leg := range f.Legs {
		if leg.IsOpenAction() && leg.ToID == area && (found == nil || leg.IsLead && !found.IsLead) {
			found = leg
		}
	}
	return found
}

// addLeg appends a new PENDING leg and lets both areas see the document.
func (f *File) addLeg(leg *Derivation) *Derivation {
	leg.ID, leg.DocumentID, leg.State, leg.Version = f.ids.Derivation(f.at), f.Doc.ID, LegPending, 1
	leg.SentAt, leg.SentByID = f.at, f.by.UserID
	f.Legs = append(f.Legs, leg)
	f.newLegs = append(f.newLegs, leg)
	f.grant(string(leg.FromID), string(leg.ToID))
	if leg.AssigneeID != "" {
		f.grant(string(leg.AssigneeID))
	}
	return leg
}

func (f *File) grant(grantees ...string) {
	for _, g := range grantees {
		if !slices.Contains(f.newGrant, g) {
			f.newGrant = append(f.newGrant, g)
		}
	}
}

// relieve takes the document from somebody who was assigned to a leg, unless another one, open or closed, is theirs.
func (f *File) relieve(user UserID) {
	if user != "" && !slices.ContainsFunc(f.Legs, func(l *Derivation) bool { return l.AssigneeID == user }) {
		f.relieved = append(f.relieved, user)
	}
}

// touch notes that a leg changes.
func (f *File) touch(leg *Derivation) {
	if !slices.Contains(f.touched, leg) && !slices.Contains(f.newLegs, leg) {
		f.touched = append(f.touched, leg)
		leg.Version++
	}
}

// close ends a leg.
func (f *File) close(leg *Derivation, state DerivationState) {
	f.touch(leg)
	leg.State, leg.ClosedAt, leg.ClosedOn, leg.ClosedByID = state, f.at, f.today(), f.by.UserID
}

// event appends an event about the document or one of its legs (nil for the document itself).
func (f *File) event(typ EventType, leg *Derivation, text string, areas ...AreaID) *Event {
	e := NewEvent(f.ids, f.by, f.at, typ)
	e.DocumentID, e.Text = f.Doc.ID, text
	if leg != nil {
		e.DerivationID = leg.ID
		e.change("derivation.state", f.states[leg], leg.State)
		areas = append(areas, leg.FromID, leg.ToID)
	}
	e.concern(append(areas, f.before.CurrentAreaID, f.Doc.CurrentAreaID)...)
	f.events = append(f.events, e)
	return e
}

// settle works out again what follows from the legs (holder, lead, assignee) and raises the version: the last step of each verb.
func (f *File) settle() {
	d := f.Doc
	lead, areas := f.lead(), []AreaID{}
	for _, leg := range f.Legs {
		if leg.IsOpenAction() && !slices.Contains(areas, leg.ToID) {
			areas = append(areas, leg.ToID)
		}
	}
	d.CurrentAreaID, d.CurrentAreaIDs, d.AssigneeID = d.DeskAreaID, areas, ""
	if lead != nil {
		d.CurrentAreaID, d.AssigneeID = lead.ToID, lead.AssigneeID
	}
	d.Version++
	f.noteChanges()
}

// lead is the open lead leg; when none leads any more, the oldest open ACTION leg takes over. Nil when nothing is open.
func (f *File) lead() *Derivation {
	var oldest *Derivation
	for _, leg := range f.Legs {
		if !leg.IsOpenAction() {
			continue
		}
		if leg.IsLead {
			return leg
		}
		if oldest == nil {
			oldest = leg
		}
	}
	if oldest != nil {
		f.touch(oldest)
		oldest.IsLead = true
	}
	return oldest
}

// noteChanges puts what follows from the verb, the document's state and holder, into its last event, with all areas that notice.
func (f *File) noteChanges() {
	if len(f.events) == 0 {
		return
	}
	last := f.events[len(f.events)-1]
	last.change("state", f.before.State, f.Doc.State)
	last.change("currentAreaId", f.before.CurrentAreaID, f.Doc.CurrentAreaID)
	last.concern(f.Doc.CurrentAreaID)
	for _, leg := range f.touched {
		last.concern(leg.FromID, leg.ToID)
	}
}

// concern adds areas whose trays may have changed.
func (e *Event) concern(areas ...AreaID) {
	for _, area := range areas {
		if area != "" && !slices.Contains(e.AreaIDs, area) {
			e.AreaIDs = append(e.AreaIDs, area)
		}
	}
}

func (e *Event) change(field string, before, after any) {
	if reflect.DeepEqual(before, after) {
		return
	}
	if e.Changes == nil {
		e.Changes = map[string]Change{}
	}
	e.Changes[field] = Change{Before: nilIfZero(before), After: nilIfZero(after)}
}

func nilIfZero(v any) any {
	if v == nil || reflect.ValueOf(v).IsZero() {
		return nil
	}
	return v
}

// endIfDone makes the document ATTENDED when no ACTION leg is open and one closed FINAL since it was last opened (T11).
func (f *File) endIfDone(by Action) {
	d := f.Doc
	if !documentMoves.leads(d.State, by, Attended) {
		return
	}
	finished := false
	for _, leg := range f.Legs {
		if leg.IsOpenAction() {
			return
		}
		finished = finished || leg.Resolution == Final && f.isAttendedAnew(leg)
	}
	if finished {
		d.State, d.AttendedAt, d.AttendedOn = Attended, f.at, f.today()
		f.event(DocumentAttended, nil, "Expediente atendido", f.areasOfLegs()...)
	}
}

// isAttendedAnew says whether a leg was attended since the document was last opened.
func (f *File) isAttendedAnew(leg *Derivation) bool {
	return leg.State == LegAttended && !leg.ClosedAt.Before(f.Doc.OpenedAt)
}

func (f *File) areasOfLegs() []AreaID {
	var areas []AreaID
	for _, leg := range f.Legs {
		areas = append(areas, leg.ToID)
	}
	return areas
}

// requireLeg finds the leg a verb is about and checks that it is of a kind and in a state to allow it.
func (f *File) requireLeg(id DerivationID, by Action) (*Derivation, error) {
	leg := f.Leg(id)
	if leg == nil {
		return nil, ErrNotFound("derivationId")
	}
	table := legMoves
	if leg.Kind == ForCopy {
		table = copyMoves
	}
	if table.allows(leg.State, by) {
		return leg, nil
	}
	if leg.Kind == ForCopy && by != ActAcknowledge && by != ActRecall {
		return nil, Fail(CopyNotActionable, "derivationId", "Es una copia: solo se toma conocimiento.")
	}
	return nil, invalidTransition(leg.State)
}

func fieldPath(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ".")
}
