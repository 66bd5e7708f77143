package mesa_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/mesa"
)

func registerSubmission(f *mesa.File) error { return f.RegisterSubmission(mesa.Acceptance{}) }

func decline(f *mesa.File) error { return f.Decline(mesa.Illegible, because) }

// machine is the holder of a key that submits to the desk.
func (o *office) machine(scopes ...mesa.KeyScope) *mesa.Actor {
	return mesa.NewMachine(o.cat, &mesa.APIKey{ID: "key_erp", Name: "ERP", Scopes: scopes, AreaIDs: []mesa.AreaID{atOld, atDesk, atBranch}})
}

// submitted is a document that a machine has handed in.
func submitted(t tb) *matter {
	t.Helper()
	return submittedAt(t, atDesk)
}

func submittedAt(t tb, desk mesa.AreaID) *matter {
	t.Helper()
	m := &matter{office: newOffice(), t: t, at: monday}
	s, by := mesa.Submission{Registration: m.registration(), ExternalID: "A-1"}, m.machine(mesa.ScopeSubmit)
	if err := s.Check(by, desk, m.at); err != nil {
		t.Fatalf("submission: %v", err)
	}
	f, err := mesa.Submit(by, m.at, &m.ids, desk, "ABCDEFGHJKMNP", s)
	if err != nil {
		t.Fatalf("submit: %v", err)
	}
	m.doc, m.did = f.Doc, f.Changes()
	m.consistent()
	return m
}

func TestASubmissionWaitsForTheDesk(t *testing.T) {
	t.Parallel()
	m := submitted(t)
	m.want("SUBMITTED held by are_mp")
	m.told(mesa.DocumentSubmitted)
	d := m.doc
	if d.Channel != mesa.API || !d.RegisteredAt.IsZero() || d.RegisteredByID != "" || !d.SubmittedAt.Equal(monday) || !d.ListedAt.Equal(monday) ||
		d.FiledOn != on("2026-03-02") || !d.DueOn.IsZero() || d.DueSource != mesa.DueNone || d.ExternalID != "A-1" || d.IntegrationID != "key_erp" || d.Version != 1 {
		t.Errorf("submitted as %+v", d)
	}
	e := m.did.Events[0]
	if e.ActorKind != mesa.ActorAPIKey || e.ActorID != "key_erp" || e.ActorName != "ERP" || !slices.Equal(e.AreaIDs, []mesa.AreaID{atDesk}) || e.Actor().UserID != "" {
		t.Errorf("told as %+v", e)
	}
	if !m.did.IsNew || !slices.Equal(m.did.Grants, []string{"are_mp", "key_erp"}) {
		t.Errorf("new: %v, granted %v", m.did.IsNew, m.did.Grants)
	}
	m.refuses("desk head", mesa.InvalidTransition, derive(action(atLegal)))
	m.refuses("desk head", mesa.InvalidTransition, func(f *mesa.File) error { return f.Update(mesa.Update{DueOn: ptr(on("2026-04-01")), Reason: because}) })
	for by, want := range map[string][]mesa.Action{
		"desk head": {mesa.ActRegister, mesa.ActDecline, mesa.ActUpdate, mesa.ActVoid}, "clerk": {mesa.ActRegister, mesa.ActDecline, mesa.ActUpdate},
		"branch clerk": {}, "lawyer": {}, "auditor": {},
	} {
		if got := mesa.AvailableActions(m.people[by], m.doc, nil); !slices.Equal(got, want) {
			t.Errorf("%s may %v, want %v", by, got, want)
		}
	}
}

// What is registered at once has both behind it, and nobody's name as the registrar.
func TestASubmissionRegisteredAtOnce(t *testing.T) {
	t.Parallel()
	m := &matter{office: newOffice(), t: t, at: monday}
	f, err := mesa.Submit(m.machine(mesa.ScopeSubmit), m.at, &m.ids, atDesk, "ABCDEFGHJKMNP", mesa.Submission{Registration: m.registration(), ExternalID: "A-1", AtOnce: true})
	if err != nil {
		t.Fatal(err)
	}
	m.doc, m.did = f.Doc, f.Changes()
	m.consistent()
	m.want("REGISTERED held by are_mp")
	m.told(mesa.DocumentSubmitted, mesa.DocumentRegistered)
	d := m.doc
	if d.RegisteredByID != "" || !d.RegisteredAt.Equal(monday) || d.Channel != mesa.API || d.DueOn.IsZero() || d.DueSource != mesa.DueByType || d.ExternalID != "A-1" || d.Version != 1 {
		t.Errorf("registered as %+v", d)
	}
	if e := m.did.Events[1]; e.ActorKind != mesa.ActorAPIKey || e.ActorID != "key_erp" {
		t.Errorf("told as %+v", e)
	}
	m.refuses("clerk", mesa.InvalidTransition, registerSubmission)
	m.must("clerk", derive(action(atLegal)))
}

func TestSubmissionsAreChecked(t *testing.T) {
	t.Parallel()
	o := newOffice()
	for _, c := range []struct {
		name, fields string
		with         func(*mesa.Submission)
	}{
		{"as it is", "", func(*mesa.Submission) {}},
		{"high", "", func(s *mesa.Submission) { s.Priority = mesa.HighPriority }},
		{"urgent", "", func(s *mesa.Submission) { s.Priority = mesa.UrgentPriority }},
		{"no id", "externalId", func(s *mesa.Submission) { s.ExternalID = "" }},
		{"100 ñ", "", func(s *mesa.Submission) { s.ExternalID = strings.Repeat("ñ", 100) }},
		{"101", "externalId", func(s *mesa.Submission) { s.ExternalID = strings.Repeat("a", 101) }},
		{"a wrong DNI, and more", "externalId subject sender.idNumber", func(s *mesa.Submission) { s.Sender.IDNumber, s.Subject, s.ExternalID = "1", "", "" }},
	} {
		s := mesa.Submission{Registration: o.registration(), ExternalID: "A-1"}
		c.with(&s)
		err := s.Check(o.machine(mesa.ScopeSubmit), atDesk, monday)
		fields := []string{}
		if e, ok := err.(*mesa.Error); ok {
			for _, v := range append(slices.Clone(e.Violations), e)[:max(1, len(e.Violations))] {
				fields = append(fields, v.Field)
			}
		}
		if got := strings.Join(fields, " "); got != c.fields {
			t.Errorf("%s: %q, want %q: %v", c.name, got, c.fields, err)
		}
	}
}

// A submission that is registered is from then on like a document that was brought to the counter.
func TestRegisteringASubmission(t *testing.T) {
	t.Parallel()
	m := submitted(t)
	m.at = at("2026-03-05 10:00:00") // three days later; the filing date stays
	m.refuses("branch clerk", mesa.Forbidden, registerSubmission)
	m.refuses("lawyer", mesa.Forbidden, registerSubmission)
	m.must("clerk", registerSubmission)
	m.want("REGISTERED held by are_mp")
	m.told(mesa.DocumentRegistered)
	d := m.doc
	if d.RegisteredByID != "usr_clerk" || !d.RegisteredAt.Equal(m.at) || !d.ListedAt.Equal(m.at) || !d.OpenedAt.Equal(m.at) || !d.SubmittedAt.Equal(monday) ||
		d.FiledOn != on("2026-03-02") || d.DueOn != m.cat.Calendar.AddBusinessDays(d.FiledOn, 30) || d.DueSource != mesa.DueByType || d.TermDays != 30 {
		t.Errorf("registered as %+v", d)
	}
	if changes := m.did.Events[0].Changes; len(changes) != 1 || changes["state"].After != mesa.Registered {
		t.Errorf("changes %v", changes)
	}
	m.refuses("clerk", mesa.InvalidTransition, registerSubmission)
	m.refuses("clerk", mesa.InvalidTransition, decline)
	m.must("clerk", derive(action(atLegal)))
	m.want("IN_PROCESS held by are_oaj; 0 PENDING lead")
}

func TestTheDeskDecidesHowASubmissionIsRegistered(t *testing.T) {
	t.Parallel()
	with := func(a mesa.Acceptance) func(*mesa.File) error {
		return func(f *mesa.File) error { return f.RegisterSubmission(a) }
	}
	m := submitted(t)
	for _, c := range []struct {
		code  mesa.Code
		field string
		a     mesa.Acceptance
	}{
		{mesa.ValidationFailed, "typeId", mesa.Acceptance{TypeID: "typ_old"}},
		{mesa.ValidationFailed, "typeId", mesa.Acceptance{TypeID: "typ_none"}},
		{mesa.ValidationFailed, "categoryId", mesa.Acceptance{CategoryID: "cat_den"}},
		{mesa.ValidationFailed, "tags.0", mesa.Acceptance{Tags: &[]string{"No"}}},
		{mesa.DeadlineInPast, "dueOn", mesa.Acceptance{TypeID: "typ_den", Priority: mesa.UrgentPriority, DueOn: on("2026-02-27")}},
	} {
		err := m.try("clerk", with(c.a))
		if e, ok := err.(*mesa.Error); !ok || e.Code != c.code || e.Field != c.field {
			t.Errorf("%+v: %v", c.a, err)
		}
	}
	m.must("clerk", with(mesa.Acceptance{
		TypeID: "typ_den", CategoryID: "cat_den", Priority: mesa.UrgentPriority, Tags: &[]string{"b", "a", "b"}, Notes: ptr(mesa.Text("Ojo")), DueOn: on("2026-03-14"),
	}))
	d := m.doc
	if d.TypeID != "typ_den" || d.CategoryID != "cat_den" || d.PriorityRank != 1 || d.Confidentiality != mesa.Restricted || !slices.Equal(d.Tags, []string{"a", "b"}) ||
		d.Notes != "Ojo" || d.DueOn != on("2026-03-16") || d.DueSource != mesa.DueManual || d.TermDays != 0 {
		t.Errorf("registered as %+v", d)
	}
	changes := m.did.Events[0].Changes
	for _, field := range []string{"typeId", "categoryId", "priority", "confidentiality", "tags", "notes", "state"} {
		if _, noted := changes[field]; !noted {
			t.Errorf("%s is not noted in %v", field, changes)
		}
	}
	m = submitted(t)
	m.must("clerk", func(f *mesa.File) error { return f.Update(mesa.Update{CategoryID: ptr(mesa.CategoryID("cat_info"))}) })
	m.must("clerk", with(mesa.Acceptance{TypeID: "typ_den", Confidentiality: mesa.Public}))
	if m.doc.CategoryID != "" || m.doc.Confidentiality != mesa.Public {
		t.Errorf("another type with category %q, %s", m.doc.CategoryID, m.doc.Confidentiality)
	}
}

// Registering a submission may make it stricter; to open it is for whoever may set the confidentiality.
func TestRegisteringASubmissionDoesNotDeclassifyIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		by   string
		a    mesa.Acceptance
		code mesa.Code // "" when it is registered
		want mesa.Confidentiality
	}{
		{"clerk", mesa.Acceptance{}, "", mesa.Restricted},
		{"clerk", mesa.Acceptance{TypeID: "typ_car"}, "", mesa.Restricted}, // whose default is PUBLIC
		{"clerk", mesa.Acceptance{Confidentiality: mesa.Public}, mesa.Forbidden, ""},
		{"clerk", mesa.Acceptance{TypeID: "typ_car", Confidentiality: mesa.Public}, mesa.Forbidden, ""},
		{"clerk", mesa.Acceptance{Confidentiality: mesa.Confidential}, "", mesa.Confidential},
		{"desk head", mesa.Acceptance{TypeID: "typ_car"}, "", mesa.Restricted},
		{"desk head", mesa.Acceptance{Confidentiality: mesa.Public}, "", mesa.Public},
	} {
		m := submitted(t)
		m.must("desk head", func(f *mesa.File) error { return f.Update(mesa.Update{Confidentiality: ptr(mesa.Restricted)}) })
		err := m.try(c.by, func(f *mesa.File) error { return f.RegisterSubmission(c.a) })
		if mesa.CodeOf(err) != c.code || err == nil && m.doc.Confidentiality != c.want {
			t.Errorf("%s registers it with %+v: %v, %s", c.by, c.a, err, m.doc.Confidentiality)
		}
	}
}

func TestDeclining(t *testing.T) {
	t.Parallel()
	m := submitted(t)
	m.refuses("lawyer", mesa.Forbidden, decline)
	for _, text := range []string{"", "muy corto", strings.Repeat("a", 1001)} {
		m.refuses("clerk", mesa.ValidationFailed, func(f *mesa.File) error { return f.Decline(mesa.Spam, text) })
	}
	m.must("clerk", decline)
	m.want("NOT_FILED held by are_mp")
	m.told(mesa.DocumentNotFiled)
	e := m.did.Events[0]
	if m.doc.NotFiledReason != mesa.Illegible || m.doc.NotFiledText != because || e.Reason != because || e.Text != "No presentado: Ilegible" ||
		e.Changes["notFiledReason"].After != mesa.Illegible {
		t.Errorf("declined as %s %q, told as %+v", m.doc.NotFiledReason, m.doc.NotFiledText, e)
	}
	m.refuses("admin", mesa.InvalidTransition, registerSubmission)
	m.refuses("admin", mesa.InvalidTransition, void)
	m.refuses("admin", mesa.DocumentClosed, func(f *mesa.File) error { return f.Update(mesa.Update{Notes: ptr(mesa.Text("x"))}) })
	m.must("archivist", archive)
	m.must("archivist", restore(atLegal))
	m.want("NOT_FILED held by are_mp")
}

func TestASubmissionMayBeVoided(t *testing.T) {
	t.Parallel()
	m := submitted(t)
	m.refuses("clerk", mesa.Forbidden, void)
	m.must("desk head", void)
	m.want("VOIDED held by are_mp")
}
