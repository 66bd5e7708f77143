package mesa_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// The areas of the institution of these tests: Contratos lies below Jurídica, and the old unit is closed.
const (
	atDesk      mesa.AreaID = "are_mp"
	atBranch    mesa.AreaID = "are_mps"
	atLegal     mesa.AreaID = "are_oaj"
	atContracts mesa.AreaID = "are_con"
	atStores    mesa.AreaID = "are_log"
	atArchive   mesa.AreaID = "are_arc"
	atOld       mesa.AreaID = "are_old"
)

var openAreas = []mesa.AreaID{atDesk, atBranch, atLegal, atContracts, atStores, atArchive}

// office is the institution; people are named by what they are.
type office struct {
	cat    *mesa.Catalogue
	people map[string]*mesa.Actor
}

func newOffice() *office {
	o := madeOnce()
	return &office{cat: o.cat, people: maps.Clone(o.people)}
}

var madeOnce = sync.OnceValue(makeOffice)

func makeOffice() *office {
	cat := (&mesa.Catalogue{
		Version: 1,
		Institution: &mesa.Institution{
			ID: 1, Name: "Municipalidad", ShortName: "Muni", TimeZone: "America/Lima", FilingPolicy: mesa.OfficeHours, OfficeCutoff: 16*60 + 30,
			MaxBackdateBusinessDays: 3,
		},
		Calendar: peru(),
		Areas: []*mesa.Area{
			{ID: atArchive, Code: "ARC", Name: "Archivo", IsActive: true},
			{ID: atContracts, Code: "CON", Name: "Contratos", ParentID: atLegal, IsActive: true},
			{ID: atStores, Code: "LOG", Name: "Logística", IsActive: true},
			{ID: atDesk, Code: "MP", Name: "Mesa de Partes", IsDesk: true, IsActive: true},
			{ID: atBranch, Code: "MPS", Name: "Mesa Sur", IsDesk: true, IsActive: true},
			{ID: atLegal, Code: "OAJ", Name: "Jurídica", IsActive: true},
			{ID: atOld, Code: "OLD", Name: "Antigua", IsDesk: true},
		},
		Types: []*mesa.DocumentType{
			{ID: "typ_car", Code: "CAR", Name: "Carta", IsActive: true, DefaultConfidentiality: mesa.Public},
			{ID: "typ_den", Code: "DEN", Name: "Denuncia", IsActive: true, AllowsAnonymous: true, DefaultConfidentiality: mesa.Restricted},
			{ID: "typ_old", Code: "OLD", Name: "Antiguo", DefaultConfidentiality: mesa.Public},
			{ID: "typ_sol", Code: "SOL", Name: "Solicitud", IsActive: true, DefaultTermBusinessDays: 30, DefaultConfidentiality: mesa.Public},
		},
		Categories: []*mesa.Category{
			{ID: "cat_info", TypeID: "typ_sol", Code: "INFO", IsActive: true}, {ID: "cat_old", TypeID: "typ_sol", Code: "OLD"},
			{ID: "cat_den", TypeID: "typ_den", Code: "FUNC", IsActive: true},
		},
		Purposes: []*mesa.Purpose{
			{Code: "ATENCION", KindDefault: mesa.ForAction}, {Code: "INFORME", KindDefault: mesa.ForAction, DefaultTermBusinessDays: 7},
			{Code: "CONOCIMIENTO", KindDefault: mesa.ForCopy},
		},
		Policies: []*mesa.RetentionPolicy{{Code: "PERMANENT", Name: "Permanente"}, {Code: "Y5", Name: "5 años", Years: 5}},
	})
	cat.Index() // heads see the areas below theirs
	o := &office{cat: cat, people: map[string]*mesa.Actor{}}
	for _, p := range []struct {
		name string
		role mesa.RoleCode
		area mesa.AreaID
	}{
		{"admin", mesa.Admin, atArchive}, {"desk head", mesa.DeskHead, atDesk}, {"clerk", mesa.DeskClerk, atDesk}, {"branch clerk", mesa.DeskClerk, atBranch},
		{"legal head", mesa.AreaHead, atLegal}, {"lawyer", mesa.AreaUser, atLegal}, {"contracts head", mesa.AreaHead, atContracts},
		{"contracts user", mesa.AreaUser, atContracts}, {"stores head", mesa.AreaHead, atStores}, {"stores user", mesa.AreaUser, atStores},
		{"archivist", mesa.Archivist, atArchive}, {"auditor", mesa.Auditor, atLegal}, {"viewer", mesa.Viewer, atLegal},
	} {
		user := &mesa.User{ID: mesa.UserID("usr_" + p.name), FullName: p.name, IsActive: true}
		cat.Users = append(cat.Users, user)
		o.people[p.name] = mesa.NewActor(cat, user, []mesa.RoleGrant{{Role: p.role}}, []mesa.AreaID{p.area})
	}
	cat.Index() // now with the people
	return o
}

// everybody lists the people in a fixed order.
func (o *office) everybody() []string {
	names := make([]string, 0, len(o.people))
	for name := range o.people {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// tb is what a testing.T and a rapid.T have in common.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

const because = "Porque así lo pide la prueba."

// matter is a document under way with the clock of its test: each verb is a minute later.
type matter struct {
	*office
	t       tb
	at      time.Time
	ids     mesa.IDs
	doc     *mesa.Document
	legs    []*mesa.Derivation
	records []*mesa.ArchiveRecord
	did     mesa.Changes // by the last verb
}

// monday is a Monday morning in Lima.
var monday = at("2026-03-02 09:00:00")

func (o *office) registration() mesa.Registration {
	return mesa.Registration{
		TypeID: "typ_sol", Subject: "Solicita copia de planos", Folios: 3,
		Sender: mesa.Sender{Kind: mesa.PersonParty, IDType: mesa.DNI, IDNumber: "12345678", Name: "Ana Quispe"},
	}
}

// newMatter registers a document at the desk.
func newMatter(t tb) *matter {
	t.Helper()
	m := &matter{office: newOffice(), t: t, at: monday}
	m.register("clerk", atDesk, m.registration())
	return m
}

func (m *matter) register(by string, desk mesa.AreaID, r mesa.Registration) {
	m.t.Helper()
	if err := r.Check(m.people[by], desk, m.at); err != nil {
		m.t.Fatalf("registration: %v", err)
	}
	f, err := mesa.Register(m.people[by], m.at, &m.ids, desk, "ABCDEFGHJKMNP", r)
	if err != nil {
		m.t.Fatalf("register: %v", err)
	}
	m.doc, m.did = f.Doc, f.Changes()
	m.consistent()
}

func clones[T any](list []*T) []*T {
	out := make([]*T, len(list))
	for i, v := range list {
		c := *v
		out[i] = &c
	}
	return out
}

// file opens a copy of the matter for a person.
func (m *matter) file(by string) *mesa.File {
	doc := *m.doc
	doc.Tags, doc.CurrentAreaIDs = slices.Clone(m.doc.Tags), slices.Clone(m.doc.CurrentAreaIDs)
	return mesa.OpenFile(m.people[by], m.at, &m.ids, &doc, clones(m.legs), clones(m.records))
}

// try runs a verb; a file that refused must be as it was.
func (m *matter) try(by string, verb func(f *mesa.File) error) error {
	m.t.Helper()
	m.at = m.at.Add(time.Minute)
	f := m.file(by)
	if err := verb(f); err != nil {
		m.unchanged(f, err)
		return err
	}
	m.accept(f)
	return nil
}

func (m *matter) unchanged(f *mesa.File, cause error) {
	m.t.Helper()
	if mesa.CodeOf(cause) == mesa.Internal {
		m.t.Errorf("not an error for people: %v", cause)
	}
	if !reflect.DeepEqual(f.Doc, m.doc) || !reflect.DeepEqual(f.Legs, clones(m.legs)) || !reflect.DeepEqual(f.Records, clones(m.records)) {
		m.t.Errorf("a verb that failed (%v) changed the file", cause)
	}
	if c := f.Changes(); len(c.Events)+len(c.NewLegs)+len(c.Legs)+len(c.Grants) > 0 || c.Record != nil {
		m.t.Errorf("a verb that failed (%v) reports changes: %+v", cause, c)
	}
}

// accept takes over what a verb did, after a look at versions and events.
func (m *matter) accept(f *mesa.File) {
	m.t.Helper()
	did := f.Changes()
	raised := 1
	if len(did.Events) == 0 {
		raised = 0
	}
	if f.Doc.Version != m.doc.Version+raised {
		m.t.Errorf("the version went from %d to %d", m.doc.Version, f.Doc.Version)
	}
	for i, leg := range f.Legs {
		switch {
		case i >= len(m.legs):
			if leg.Version != 1 || !slices.Contains(did.NewLegs, leg) || slices.Contains(did.Legs, leg) {
				m.t.Errorf("a new leg has version %d or is not reported as new", leg.Version)
			}
			for _, area := range []mesa.AreaID{leg.FromID, leg.ToID} {
				if !slices.Contains(did.Grants, string(area)) {
					m.t.Errorf("%s takes part in a new leg but is not granted access", area)
				}
			}
		case reflect.DeepEqual(leg, m.legs[i]):
			if slices.Contains(did.Legs, leg) {
				m.t.Errorf("leg %d is reported but did not change", i)
			}
		case leg.Version != m.legs[i].Version+1 || !slices.Contains(did.Legs, leg):
			m.t.Errorf("leg %d changed from version %d to %d, reported: %v", i, m.legs[i].Version, leg.Version, slices.Contains(did.Legs, leg))
		}
	}
	var told []mesa.AreaID
	for _, e := range did.Events {
		if e.DocumentID != f.Doc.ID || e.Text == "" || e.At.Before(m.at) {
			m.t.Errorf("event %s of %s at %v: %q", e.Type, e.DocumentID, e.At, e.Text)
		}
		told = append(told, e.AreaIDs...)
	}
	concerned := []mesa.AreaID{m.doc.CurrentAreaID, f.Doc.CurrentAreaID}
	for _, leg := range slices.Concat(did.NewLegs, did.Legs) {
		concerned = append(concerned, leg.FromID, leg.ToID)
	}
	for _, area := range concerned {
		if len(did.Events) > 0 && !slices.Contains(told, area) {
			m.t.Errorf("the trays of %s changed, but no event tells it", area)
		}
	}
	m.doc, m.legs, m.records, m.did = f.Doc, f.Legs, f.Records, did
	m.consistent()
}

// consistent checks what is true of every document after every verb.
func (m *matter) consistent() {
	m.t.Helper()
	var lead *mesa.Derivation
	open := []mesa.AreaID{}
	for i, leg := range m.legs {
		if leg.IsOpenAction() {
			if !slices.Contains(open, leg.ToID) {
				open = append(open, leg.ToID)
			}
			if leg.IsLead && lead != nil {
				m.t.Errorf("two open legs lead: %s and %s", lead.ID, leg.ID)
			}
			if leg.IsLead {
				lead = leg
			}
		}
		if leg.Kind == mesa.ForCopy && leg.IsLead {
			m.t.Errorf("copy %d leads", i)
		}
		if !leg.ReceivedAt.IsZero() && leg.ReceivedAt.Before(leg.SentAt) || !leg.ClosedAt.IsZero() && (leg.ClosedAt.Before(leg.SentAt) || leg.ClosedAt.Before(leg.ReceivedAt)) {
			m.t.Errorf("leg %d: sent %v, received %v, closed %v", i, leg.SentAt, leg.ReceivedAt, leg.ClosedAt)
		}
		if leg.SentAt.Before(m.doc.RegisteredAt) {
			m.t.Errorf("leg %d was sent before the registration", i)
		}
		if leg.ClosedAt.IsZero() != leg.State.IsOpen() || leg.ReceivedAt.IsZero() && leg.State == mesa.LegReceived ||
			!leg.ReceivedAt.IsZero() && leg.State == mesa.LegPending || (leg.Resolution != "") != (leg.State == mesa.LegAttended) {
			m.t.Errorf("leg %d is %s, received %v, closed %v, %q", i, leg.State, leg.ReceivedAt, leg.ClosedAt, leg.Resolution)
		}
	}
	holder, assignee := m.doc.DeskAreaID, mesa.UserID("")
	if lead != nil {
		holder, assignee = lead.ToID, lead.AssigneeID
	} else if len(open) > 0 {
		m.t.Errorf("no open leg leads, open in %v", open)
	}
	if m.doc.CurrentAreaID != holder || m.doc.AssigneeID != assignee || !slices.Equal(m.doc.CurrentAreaIDs, open) {
		m.t.Errorf("held by %s (%q) in %v, want %s (%q) in %v", m.doc.CurrentAreaID, m.doc.AssigneeID, m.doc.CurrentAreaIDs, holder, assignee, open)
	}
	if (m.doc.State == mesa.InProcess) != (len(open) > 0) {
		m.t.Errorf("%s with open legs in %v", m.doc.State, open)
	}
	if done := m.doc.State == mesa.Attended; done && m.doc.AttendedAt.IsZero() || m.doc.State.IsOpen() && (!m.doc.AttendedAt.IsZero() || m.doc.AttendedOn != 0) {
		m.t.Errorf("%s and attended at %v", m.doc.State, m.doc.AttendedAt)
	}
	active := 0
	for _, r := range m.records {
		if r.State == mesa.ArchiveActive {
			active++
		}
	}
	if want := map[bool]int{true: 1}[m.doc.State == mesa.Archived]; active != want {
		m.t.Errorf("%s with %d active archive records", m.doc.State, active)
	}
}

// must runs a verb that has to succeed.
func (m *matter) must(by string, verb func(f *mesa.File) error) {
	m.t.Helper()
	if err := m.try(by, verb); err != nil {
		m.t.Fatalf("%s: %v", by, err)
	}
}

// refuses runs a verb that has to fail with a code.
func (m *matter) refuses(by string, want mesa.Code, verb func(f *mesa.File) error) *mesa.Error {
	m.t.Helper()
	err := m.try(by, verb)
	if mesa.CodeOf(err) != want {
		m.t.Fatalf("%s: %v, want %s", by, err, want)
	}
	return err.(*mesa.Error)
}

// The verbs, with good input; legs are named by their place in the order of creation.

func (m *matter) leg(i int) mesa.DerivationID { return m.legs[i].ID }

func derive(targets ...mesa.DerivationTargetInput) func(*mesa.File) error {
	return func(f *mesa.File) error {
		from, err := f.HolderFor(mesa.MayDerive)
		if err == nil {
			_, err = f.Derive(from, targets)
		}
		return err
	}
}

func (m *matter) receive(i int) func(*mesa.File) error {
	return func(f *mesa.File) error { _, err := f.Receive(m.leg(i)); return err }
}

func (m *matter) attend(i int, next ...mesa.DerivationTargetInput) func(*mesa.File) error {
	return func(f *mesa.File) error {
		_, err := f.Attend(m.leg(i), "Hecho.", mesa.OutcomeResponded, next)
		return err
	}
}

func (m *matter) reject(i int) func(*mesa.File) error {
	return func(f *mesa.File) error { _, _, err := f.Reject(m.leg(i), because); return err }
}

func (m *matter) giveBack(i int) func(*mesa.File) error {
	return func(f *mesa.File) error { _, _, err := f.Return(m.leg(i), because); return err }
}

func (m *matter) recall(i int) func(*mesa.File) error {
	return func(f *mesa.File) error { _, err := f.Recall(m.leg(i), because); return err }
}

func (m *matter) reassign(i int, to mesa.AreaID) func(*mesa.File) error {
	return func(f *mesa.File) error { _, _, err := f.Reassign(m.leg(i), to, "", 0, because); return err }
}

func (m *matter) assign(i int, to mesa.UserID) func(*mesa.File) error {
	return func(f *mesa.File) error { _, err := f.Assign(m.leg(i), to); return err }
}

func (m *matter) acknowledge(i int) func(*mesa.File) error {
	return func(f *mesa.File) error { _, err := f.Acknowledge(m.leg(i)); return err }
}

func (m *matter) extend(i int, until mesa.Date) func(*mesa.File) error {
	return func(f *mesa.File) error { _, err := f.Extend(m.leg(i), until, because); return err }
}

func reopen(to mesa.AreaID) func(*mesa.File) error {
	return func(f *mesa.File) error { return f.Reopen(to, because) }
}

func restore(to mesa.AreaID) func(*mesa.File) error {
	return func(f *mesa.File) error { return f.Restore(to, because) }
}

func archive(f *mesa.File) error {
	_, err := f.Archive(mesa.ArchiveLegal, "Y5", "")
	return err
}

func void(f *mesa.File) error { return f.Void(because) }

func action(area mesa.AreaID) mesa.DerivationTargetInput {
	kind := mesa.ForAction
	return mesa.DerivationTargetInput{AreaID: area, Kind: &kind, Instructions: "Para su atención"}
}

func lead(area mesa.AreaID) mesa.DerivationTargetInput {
	t := action(area)
	t.Lead = true
	return t
}

func copyTo(area mesa.AreaID) mesa.DerivationTargetInput {
	kind := mesa.ForCopy
	return mesa.DerivationTargetInput{AreaID: area, Kind: &kind, Instructions: "Para conocimiento"}
}

// want checks where the document stands, e.g. "IN_PROCESS held by are_oaj; 0 ATTENDED FORWARDED, 1 PENDING lead".
func (m *matter) want(state string) {
	m.t.Helper()
	got := fmt.Sprintf("%s held by %s", m.doc.State, m.doc.CurrentAreaID)
	for i, leg := range m.legs {
		sign := map[bool]string{true: ";", false: ","}[i == 0]
		got += fmt.Sprintf("%s %d %s", sign, i, leg.State)
		if leg.Resolution != "" {
			got += " " + string(leg.Resolution)
		}
		if leg.IsOpenAction() && leg.IsLead {
			got += " lead"
		}
	}
	if got != state {
		m.t.Fatalf("got  %s\nwant %s", got, state)
	}
}

// told checks the types of the events of the last verb.
func (m *matter) told(want ...mesa.EventType) {
	m.t.Helper()
	var got []mesa.EventType
	for _, e := range m.did.Events {
		got = append(got, e.Type)
	}
	if !slices.Equal(got, want) {
		m.t.Fatalf("events %v, want %v", got, want)
	}
}

func TestDatesStayInOrderWhenClocksDiffer(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	behind := func() { m.at = monday.Add(-time.Hour) } // the verbs come from a machine whose clock is an hour late
	behind()
	m.must("clerk", derive(action(atLegal)))
	if !m.legs[0].SentAt.Equal(monday) {
		t.Errorf("sent at %v, before or long after the registration at %v", m.legs[0].SentAt, monday)
	}
	behind()
	m.must("lawyer", m.receive(0))
	behind()
	m.must("lawyer", m.attend(0))
	if m.doc.AttendedAt.Before(monday) {
		t.Errorf("attended at %v", m.doc.AttendedAt)
	}
	behind()
	m.must("legal head", reopen(atStores))
	behind()
	m.must("stores user", m.receive(1))
}

func TestExpectVersion(t *testing.T) {
	t.Parallel()
	three := 3
	if err := mesa.ExpectVersion(nil, 5); err != nil {
		t.Errorf("nothing expected: %v", err)
	}
	if err := mesa.ExpectVersion(&three, 3); err != nil {
		t.Errorf("as expected: %v", err)
	}
	err := mesa.ExpectVersion(&three, 5)
	if mesa.CodeOf(err) != mesa.ConflictVersion || err.(*mesa.Error).Details["version"] != 5 {
		t.Errorf("another version: %v", err)
	}
}

func TestReasonsHave10To1000Characters(t *testing.T) {
	t.Parallel()
	for n, ok := range map[int]bool{0: false, 9: false, 10: true, 1000: true, 1001: false} {
		reason := ""
		for range n {
			reason += "ñ"
		}
		if err := mesa.CheckReason(reason); (err == nil) != ok {
			t.Errorf("%d characters: %v", n, err)
		}
	}
}
