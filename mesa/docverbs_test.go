package mesa_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.want("REGISTERED held by are_mp")
	m.told(mesa.DocumentRegistered)
	d := m.doc
	if d.Version != 1 || d.Channel != mesa.Counter || d.RegisteredByID != "usr_clerk" || !d.RegisteredAt.Equal(monday) || !d.SubmittedAt.Equal(monday) ||
		!d.ListedAt.Equal(monday) || !d.OpenedAt.Equal(monday) || d.FiledOn != on("2026-03-02") || d.FilingPolicy != mesa.OfficeHours ||
		d.Priority != mesa.NormalPriority || d.PriorityRank != 3 || d.Confidentiality != mesa.Public || d.Tags == nil || d.CurrentAreaIDs == nil {
		t.Errorf("registered as %+v", d)
	}
	if d.DueSource != mesa.DueByType || d.TermDays != 30 || d.DueOn != m.cat.Calendar.AddBusinessDays(d.FiledOn, 30) {
		t.Errorf("due on %v by %s, %d days", d.DueOn, d.DueSource, d.TermDays)
	}
	if !m.did.IsNew || !slices.Equal(m.did.Grants, []string{string(atDesk)}) {
		t.Errorf("new: %v, granted %v", m.did.IsNew, m.did.Grants)
	}
}

func TestRegisterTakesTheGivenOverTheDefaults(t *testing.T) {
	t.Parallel()
	m := &matter{office: newOffice(), t: t, at: at("2026-03-02 20:00:00")} // after hours
	r := m.registration()
	r.DueOn, r.Priority, r.Confidentiality = on("2026-03-14"), mesa.UrgentPriority, mesa.Confidential // a Saturday
	r.Tags, r.CategoryID, r.DocumentDate = []string{"obras", "agua", "obras"}, "cat_info", on("2026-02-27")
	m.register("clerk", atDesk, r)
	d := m.doc
	if d.DueOn != on("2026-03-16") || d.DueSource != mesa.DueManual || d.PriorityRank != 1 || d.Confidentiality != mesa.Confidential ||
		!slices.Equal(d.Tags, []string{"agua", "obras"}) || d.FiledOn != on("2026-03-03") {
		t.Errorf("registered as %+v", d)
	}
	den := &matter{office: newOffice(), t: t, at: monday}
	r = den.registration()
	r.TypeID, r.Sender = "typ_den", mesa.Sender{Kind: mesa.AnonymousParty, IDType: mesa.NoID, Name: "Anónimo"}
	den.register("clerk", atDesk, r)
	if d := den.doc; d.Confidentiality != mesa.Restricted || !d.DueOn.IsZero() || d.DueSource != mesa.DueNone {
		t.Errorf("a complaint is %s, due %v", d.Confidentiality, d.DueOn)
	}
}

func TestRegistrationIsChecked(t *testing.T) {
	t.Parallel()
	o := newOffice()
	for _, c := range []struct {
		name  string
		code  mesa.Code // "" for valid
		field string
		with  func(*mesa.Registration)
	}{
		{"as it is", "", "", func(*mesa.Registration) {}},
		{"no such type", mesa.ValidationFailed, "typeId", func(r *mesa.Registration) { r.TypeID = "typ_none" }},
		{"inactive type", mesa.ValidationFailed, "typeId", func(r *mesa.Registration) { r.TypeID = "typ_old" }},
		{"category of another type", mesa.ValidationFailed, "categoryId", func(r *mesa.Registration) { r.CategoryID = "cat_den" }},
		{"inactive category", mesa.ValidationFailed, "categoryId", func(r *mesa.Registration) { r.CategoryID = "cat_old" }},
		{"short subject", mesa.ValidationFailed, "subject", func(r *mesa.Registration) { r.Subject = "ab" }},
		{"subject of 2000 ñ", "", "", func(r *mesa.Registration) { r.Subject = strings.Repeat("ñ", 2000) }},
		{"subject of 2001", mesa.ValidationFailed, "subject", func(r *mesa.Registration) { r.Subject = strings.Repeat("ñ", 2001) }},
		{"sender without a name", mesa.ValidationFailed, "sender.name", func(r *mesa.Registration) { r.Sender.Name = "" }},
		{"DNI of 7 digits", mesa.ValidationFailed, "sender.idNumber", func(r *mesa.Registration) { r.Sender.IDNumber = "1234567" }},
		{"anonymous where not allowed", mesa.ValidationFailed, "sender.kind", func(r *mesa.Registration) {
			r.Sender = mesa.Sender{Kind: mesa.AnonymousParty, IDType: mesa.NoID, Name: "Anónimo"}
		}},
		{"-1 folios", mesa.ValidationFailed, "folios", func(r *mesa.Registration) { r.Folios = -1 }},
		{"no folios", "", "", func(r *mesa.Registration) { r.Folios = 0 }},
		{"99999 folios", "", "", func(r *mesa.Registration) { r.Folios = 99_999 }},
		{"100000 folios", mesa.ValidationFailed, "folios", func(r *mesa.Registration) { r.Folios = 100_000 }},
		{"long annex", mesa.ValidationFailed, "annexDescription", func(r *mesa.Registration) { r.AnnexText = mesa.Text(strings.Repeat("a", 501)) }},
		{"long external number", mesa.ValidationFailed, "externalNumber", func(r *mesa.Registration) { r.ExternalNumber = mesa.Text(strings.Repeat("a", 101)) }},
		{"long notes", mesa.ValidationFailed, "notes", func(r *mesa.Registration) { r.Notes = mesa.Text(strings.Repeat("a", 2001)) }},
		{"dated today", "", "", func(r *mesa.Registration) { r.DocumentDate = on("2026-03-02") }},
		{"dated tomorrow", mesa.ValidationFailed, "documentDate", func(r *mesa.Registration) { r.DocumentDate = on("2026-03-03") }},
		{"11 tags", mesa.ValidationFailed, "tags", func(r *mesa.Registration) { r.Tags = slices.Repeat([]string{"a"}, 11) }},
		{"tag in capitals", mesa.ValidationFailed, "tags.1", func(r *mesa.Registration) { r.Tags = []string{"a", "B"} }},
		{"empty tag", mesa.ValidationFailed, "tags.0", func(r *mesa.Registration) { r.Tags = []string{""} }},
		{"long tag", mesa.ValidationFailed, "tags.0", func(r *mesa.Registration) { r.Tags = []string{strings.Repeat("a", 41)} }},
		{"submitted later", mesa.ValidationFailed, "submittedAt", func(r *mesa.Registration) { r.SubmittedAt = monday.Add(time.Second) }},
		{"submitted now", "", "", func(r *mesa.Registration) { r.SubmittedAt = monday }},
		{"backdated by a clerk", mesa.Forbidden, "", func(r *mesa.Registration) { r.SubmittedAt, r.Reason = monday.AddDate(0, 0, -1), because }},
	} {
		r := o.registration()
		c.with(&r)
		err := r.Check(o.people["clerk"], atDesk, monday)
		if mesa.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", c.name, err, c.code)
		} else if err != nil && err.(*mesa.Error).Field != c.field {
			t.Errorf("%s: field %q, want %q", c.name, err.(*mesa.Error).Field, c.field)
		}
	}
	bad := mesa.Registration{}
	if e := bad.Check(o.people["clerk"], atDesk, monday).(*mesa.Error); len(e.Violations) < 3 {
		t.Errorf("an empty registration has only %d violations", len(e.Violations))
	}
}

func TestTheDeskHeadBackdatesThreeBusinessDays(t *testing.T) {
	t.Parallel()
	o := newOffice()
	check := func(by string, days int, reason mesa.Text) mesa.Code {
		r := o.registration()
		r.SubmittedAt, r.Reason = monday.AddDate(0, 0, -days), reason
		return mesa.CodeOf(r.Check(o.people[by], atDesk, monday))
	}
	for days, want := range map[int]mesa.Code{1: "", 4: "", 5: "", 6: mesa.ValidationFailed} { // Monday less 5 is Wednesday, over a weekend
		if got := check("desk head", days, because); got != want {
			t.Errorf("%d days: %q, want %q", days, got, want)
		}
	}
	if got := check("desk head", 1, ""); got != mesa.ValidationFailed {
		t.Errorf("without a reason: %q", got)
	}
	r := o.registration()
	r.SubmittedAt, r.Reason = monday.AddDate(0, 0, -1), because
	if got := mesa.CodeOf(r.Check(o.people["desk head"], atBranch, monday)); got != mesa.Forbidden {
		t.Errorf("at another desk: %q", got)
	}
	m := &matter{office: o, t: t, at: monday}
	r.SubmittedAt = at("2026-02-27 10:00:00")
	m.register("desk head", atDesk, r)
	if m.doc.FiledOn != on("2026-02-27") || !m.doc.RegisteredAt.Equal(monday) || m.did.Events[0].Reason != because {
		t.Errorf("filed on %v, registered at %v, because %q", m.doc.FiledOn, m.doc.RegisteredAt, m.did.Events[0].Reason)
	}
}

func TestVoid(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.refuses("clerk", mesa.Forbidden, void)
	m.refuses("desk head", mesa.ValidationFailed, func(f *mesa.File) error { return f.Void("corto") })
	m.must("desk head", void)
	m.want("VOIDED held by are_mp")
	m.told(mesa.DocumentVoided)
	if m.doc.VoidReason != because {
		t.Errorf("voided because %q", m.doc.VoidReason)
	}
	m.refuses("desk head", mesa.InvalidTransition, void)
	m.refuses("admin", mesa.DocumentClosed, func(f *mesa.File) error { return f.Update(mesa.Update{}) })
	m.refuses("admin", mesa.InvalidTransition, archive)
	s := sentToLegal(t)
	s.refuses("desk head", mesa.InvalidTransition, void)
	c := newMatter(t)
	c.must("clerk", derive(copyTo(atLegal)))
	if may := mesa.AvailableActions(c.people["desk head"], c.doc, c.legs); !slices.Contains(may, mesa.ActVoid) {
		t.Errorf("with a copy out they may %v", may)
	}
	c.must("desk head", void)
	c.must("lawyer", c.acknowledge(0))
	c.want("VOIDED held by are_mp; 0 ACKNOWLEDGED")
}

func TestReopen(t *testing.T) {
	t.Parallel()
	m := inLegal(t)
	m.refuses("desk head", mesa.InvalidTransition, reopen(atLegal))
	m.must("lawyer", m.attend(0))
	m.refuses("clerk", mesa.Forbidden, reopen(atLegal))
	m.refuses("stores head", mesa.Forbidden, reopen(atStores)) // took no part
	m.refuses("desk head", mesa.AreaInactive, reopen(atOld))
	m.refuses("desk head", mesa.NotFound, reopen("are_nowhere"))
	m.refuses("desk head", mesa.ValidationFailed, func(f *mesa.File) error { return f.Reopen(atLegal, "") })
	m.must("legal head", reopen(atStores))
	m.want("IN_PROCESS held by are_log; 0 ATTENDED FINAL, 1 PENDING lead")
	m.told(mesa.DocumentReopened)
	if leg := m.legs[1]; leg.Origin != mesa.OriginReopen || leg.FromID != atDesk || m.doc.Outcome != "" || !m.doc.OpenedAt.Equal(m.at) {
		t.Errorf("reopened with %+v, outcome %q", leg, m.doc.Outcome)
	}
	m.must("stores user", m.receive(1))
	m.must("stores user", m.attend(1))
	if !m.doc.AttendedAt.Equal(m.at) {
		t.Errorf("attended at %v, want the last time", m.doc.AttendedAt)
	}
}

// What was attended before the reopening does not count: the reopened leg has to be.
func TestReopenedDocumentsEndAnew(t *testing.T) {
	t.Parallel()
	m := inLegal(t)
	m.must("lawyer", m.attend(0))
	m.must("desk head", reopen(atStores))
	m.must("stores user", m.receive(1))
	m.must("stores user", derive(action(atContracts)))
	m.must("stores user", m.recall(2))
	m.want("IN_PROCESS held by are_log; 0 ATTENDED FINAL, 1 RECEIVED lead, 2 RECALLED")
}

func TestArchiveAndRestore(t *testing.T) {
	t.Parallel()
	m := inLegal(t)
	m.refuses("archivist", mesa.InvalidTransition, archive)
	m.must("lawyer", m.attend(0))
	m.refuses("lawyer", mesa.Forbidden, archive)
	m.refuses("archivist", mesa.ValidationFailed, func(f *mesa.File) error { _, err := f.Archive(mesa.ArchiveLegal, "Y99", ""); return err })
	m.must("archivist", func(f *mesa.File) error { _, err := f.Archive(mesa.ArchiveLegal, "Y5", "Estante 4"); return err })
	m.want("ARCHIVED held by are_mp; 0 ATTENDED FINAL")
	m.told(mesa.DocumentArchived)
	r := m.did.Record
	if r == nil || r.Classification != mesa.ArchiveLegal || r.RetainUntil != on("2031-03-02") || r.Folios != 3 || r.ArchivedByID != "usr_archivist" ||
		r.PhysicalPlace != "Estante 4" || r.LocationCode != "" || m.doc.CameFrom != mesa.Attended {
		t.Errorf("archived with %+v, came from %s", r, m.doc.CameFrom)
	}
	if !slices.Contains(m.did.Grants, "usr_archivist") {
		t.Errorf("the archivist does not see what they archived: %v", m.did.Grants)
	}
	m.refuses("archivist", mesa.InvalidTransition, archive)
	m.refuses("admin", mesa.DocumentClosed, func(f *mesa.File) error { return f.Update(mesa.Update{}) })
	m.refuses("clerk", mesa.Forbidden, restore(atLegal))
	m.refuses("archivist", mesa.AreaInactive, restore(atOld))
	m.refuses("archivist", mesa.ValidationFailed, restore(""))
	m.refuses("archivist", mesa.ValidationFailed, func(f *mesa.File) error { return f.Restore(atLegal, "") })
	m.must("archivist", restore(atStores))
	m.want("IN_PROCESS held by are_log; 0 ATTENDED FINAL, 1 PENDING lead")
	m.told(mesa.DocumentRestored)
	if r := m.records[0]; r.State != mesa.ArchiveRestored || r.RestoredByID != "usr_archivist" || r.RestoreReason != because || m.doc.CameFrom != "" {
		t.Errorf("restored: %+v, came from %q", r, m.doc.CameFrom)
	}
	m.refuses("archivist", mesa.InvalidTransition, restore(atLegal))
	m.must("stores user", m.receive(1))
	m.must("stores user", m.attend(1))
	m.must("clerk", func(f *mesa.File) error { _, err := f.Archive(mesa.ArchiveOther, "PERMANENT", ""); return err })
	if len(m.records) != 2 || !m.did.Record.RetainUntil.IsZero() {
		t.Errorf("%d records, kept until %v", len(m.records), m.did.Record.RetainUntil)
	}
}

func TestADocumentNotFiledIsArchivedAndRestoredAsSuch(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.doc.State = mesa.NotFiled
	m.must("archivist", archive)
	m.refuses("archivist", mesa.ValidationFailed, func(f *mesa.File) error { return f.Restore("", "corto") })
	m.must("archivist", restore(""))
	m.want("NOT_FILED held by are_mp")
	if e := m.did.Events[0]; e.Text != "Desarchivado como no presentado" || e.Reason != because || !slices.Equal(e.AreaIDs, []mesa.AreaID{atDesk}) {
		t.Errorf("told %q to %v because %q", e.Text, e.AreaIDs, e.Reason)
	}
	if len(m.did.NewLegs) != 0 || m.doc.CameFrom != "" {
		t.Errorf("%d new legs, came from %q", len(m.did.NewLegs), m.doc.CameFrom)
	}
}

func TestRetentionEndsOn28FebruaryWhenThereIsNo29th(t *testing.T) {
	t.Parallel()
	m := inLegal(t)
	m.at = at("2028-02-29 10:00:00")
	m.must("lawyer", m.attend(0))
	m.must("archivist", archive)
	if got := m.did.Record.RetainUntil; got != on("2033-02-28") {
		t.Errorf("kept until %v", got)
	}
}

func ptr[T any](v T) *T { return &v }

func TestUpdateEachField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field  string
		update mesa.Update
		get    func(*mesa.Document) any
		want   any
	}{
		{"subject", mesa.Update{Subject: ptr("Otro asunto")}, func(d *mesa.Document) any { return d.Subject }, "Otro asunto"},
		{"notes", mesa.Update{Notes: ptr(mesa.Text("Ojo"))}, func(d *mesa.Document) any { return d.Notes }, mesa.Text("Ojo")},
		{"priority", mesa.Update{Priority: ptr(mesa.HighPriority)}, func(d *mesa.Document) any { return d.Priority }, mesa.HighPriority},
		{"tags", mesa.Update{Tags: &[]string{"b", "a", "b"}}, func(d *mesa.Document) any { return d.Tags }, []string{"a", "b"}},
		{"categoryId", mesa.Update{CategoryID: ptr(mesa.CategoryID("cat_info"))}, func(d *mesa.Document) any { return d.CategoryID }, mesa.CategoryID("cat_info")},
		{"folios", mesa.Update{Folios: ptr(0)}, func(d *mesa.Document) any { return d.Folios }, 0},
		{"externalNumber", mesa.Update{ExternalNumber: ptr(mesa.Text("OF-1"))}, func(d *mesa.Document) any { return d.ExternalNumber }, mesa.Text("OF-1")},
		{"documentDate", mesa.Update{DocumentDate: ptr(on("2026-02-27"))}, func(d *mesa.Document) any { return d.DocumentDate }, on("2026-02-27")},
		{"confidentiality", mesa.Update{Confidentiality: ptr(mesa.Confidential)}, func(d *mesa.Document) any { return d.Confidentiality }, mesa.Confidential},
		{"dueOn", mesa.Update{DueOn: ptr(on("2026-03-14")), Reason: because}, func(d *mesa.Document) any { return d.DueOn }, on("2026-03-16")},
	} {
		m := newMatter(t)
		before := c.get(m.doc)
		if v := reflect.ValueOf(before); v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
			before = nil
		}
		m.must("desk head", func(f *mesa.File) error { return f.Update(c.update) })
		m.told(mesa.DocumentUpdated)
		if got := c.get(m.doc); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s is %v, want %v", c.field, got, c.want)
		}
		changes := m.did.Events[0].Changes
		if len(changes) != 1 {
			t.Errorf("%s: changes %v", c.field, changes)
		}
		if change, noted := changes[c.field]; !noted || c.field != "tags" && !reflect.DeepEqual(change.Before, before) {
			t.Errorf("%s: the change is noted as %+v, was %v", c.field, change, before)
		}
		m.must("desk head", func(f *mesa.File) error { return f.Update(c.update) })
		if c.field != "dueOn" {
			m.told() // the same again is nothing
		}
	}
}

func TestUpdateOfPriorityMovesItsRank(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("clerk", func(f *mesa.File) error { return f.Update(mesa.Update{Priority: ptr(mesa.UrgentPriority)}) })
	if m.doc.PriorityRank != 1 {
		t.Errorf("urgent documents have rank %d", m.doc.PriorityRank)
	}
}

func TestUpdateWithNullClears(t *testing.T) {
	t.Parallel()
	m := &matter{office: newOffice(), t: t, at: monday}
	r := m.registration()
	r.Notes, r.ExternalNumber, r.CategoryID, r.DocumentDate, r.Tags, r.DueOn = "n", "e", "cat_info", on("2026-03-01"), []string{"a"}, on("2026-03-06")
	m.register("clerk", atDesk, r)
	m.must("desk head", func(f *mesa.File) error {
		return f.Update(mesa.Update{
			Notes: ptr(mesa.Text("")), ExternalNumber: ptr(mesa.Text("")), CategoryID: ptr(mesa.CategoryID("")), DocumentDate: ptr(mesa.Date(0)),
			Tags: &[]string{}, DueOn: ptr(mesa.Date(0)), Reason: because,
		})
	})
	d := m.doc
	if d.Notes != "" || d.ExternalNumber != "" || d.CategoryID != "" || d.DocumentDate != 0 || len(d.Tags) != 0 || d.Tags == nil {
		t.Errorf("not all is cleared: %+v", d)
	}
	if d.DueSource != mesa.DueByType || d.ManualDueOn != 0 || d.DueOn != m.cat.Calendar.AddBusinessDays(d.FiledOn, 30) { // back to the type's term
		t.Errorf("due %v by %s", d.DueOn, d.DueSource)
	}
	for field, change := range m.did.Events[0].Changes {
		if field != "dueOn" && field != "tags" && change.After != nil {
			t.Errorf("%s was cleared, but the event says %v", field, change.After)
		}
	}
	m.must("clerk", func(f *mesa.File) error { return f.Update(mesa.Update{}) })
	m.told()
}

func TestUpdateIsChecked(t *testing.T) {
	t.Parallel()
	for field, u := range map[string]mesa.Update{
		"subject":        {Subject: ptr("")},
		"notes":          {Notes: ptr(mesa.Text(strings.Repeat("a", 2001)))},
		"tags.0":         {Tags: &[]string{"MAL"}},
		"categoryId":     {CategoryID: ptr(mesa.CategoryID("cat_den"))},
		"folios":         {Folios: ptr(100_000)},
		"externalNumber": {ExternalNumber: ptr(mesa.Text(strings.Repeat("a", 101)))},
		"documentDate":   {DocumentDate: ptr(on("2026-03-03"))},
		"reason":         {DueOn: ptr(on("2026-03-10"))},
	} {
		m := newMatter(t)
		if e := m.refuses("desk head", mesa.ValidationFailed, func(f *mesa.File) error { return f.Update(u) }); e.Field != field {
			t.Errorf("field %q, want %q", e.Field, field)
		}
	}
	m := newMatter(t)
	m.refuses("desk head", mesa.ValidationFailed, func(f *mesa.File) error { return f.Update(mesa.Update{CategoryID: ptr(mesa.CategoryID("cat_old"))}) })
	m.refuses("desk head", mesa.DeadlineInPast, func(f *mesa.File) error {
		return f.Update(mesa.Update{Subject: ptr("Otro"), DueOn: ptr(on("2026-02-27")), Reason: because})
	})
	m.doc.CategoryID = "cat_old" // from before it was closed: it may stay
	m.must("desk head", func(f *mesa.File) error {
		return f.Update(mesa.Update{CategoryID: ptr(mesa.CategoryID("cat_old")), Folios: ptr(4)})
	})
}

func TestDelicateUpdatesNeedMore(t *testing.T) {
	t.Parallel()
	subject := func(f *mesa.File) error { return f.Update(mesa.Update{Subject: ptr("Otro asunto")}) }
	grade := func(f *mesa.File) error { return f.Update(mesa.Update{Confidentiality: ptr(mesa.Confidential)}) }
	due := func(d mesa.Date) func(f *mesa.File) error {
		return func(f *mesa.File) error { return f.Update(mesa.Update{DueOn: &d, Reason: because}) }
	}
	m := newMatter(t)
	m.must("clerk", subject)
	m.refuses("clerk", mesa.Forbidden, grade)
	m.must("clerk", func(f *mesa.File) error { return f.Update(mesa.Update{Confidentiality: ptr(mesa.Public)}) }) // as it is
	m.refuses("clerk", mesa.Forbidden, due(m.doc.DueOn.AddDays(1)))
	m.must("clerk", due(on("2026-03-10")))
	m.refuses("clerk", mesa.Forbidden, due(0)) // back to the type's term is later, too
	m.must("clerk", derive(action(atLegal)))
	m.refuses("clerk", mesa.Forbidden, func(f *mesa.File) error { return f.Update(mesa.Update{Subject: ptr("Tercer asunto")}) })
	m.must("desk head", func(f *mesa.File) error { return f.Update(mesa.Update{Subject: ptr("Tercer asunto")}) })
	m.refuses("stores head", mesa.Forbidden, grade) // takes no part
	m.must("legal head", grade)
	m.must("legal head", due(0))
	for _, nobody := range []string{"lawyer", "archivist", "auditor", "viewer", "branch clerk"} {
		m.refuses(nobody, mesa.Forbidden, func(f *mesa.File) error { return f.Update(mesa.Update{Notes: ptr(mesa.Text("no"))}) })
	}
}

// A document is changed where somebody acts on it: in its desk and at the ends of a leg for action, not where a copy went or a closed leg was.
func TestWhoseHeadChangesADocument(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	heads := func(want ...string) {
		t.Helper()
		for _, head := range []string{"desk head", "legal head", "stores head", "contracts head"} {
			for _, u := range []mesa.Update{{Confidentiality: ptr(mesa.Restricted)}, {DueOn: ptr(on("2028-06-01")), Reason: because}, {Priority: ptr(mesa.UrgentPriority)}} {
				if err := m.file(head).Update(u); (err == nil) != slices.Contains(want, head) || err != nil && mesa.CodeOf(err) != mesa.Forbidden {
					t.Errorf("%s updates it with %+v: %v", head, u, err)
				}
			}
			may := mesa.AvailableActions(m.people[head], m.doc, m.legs)
			if slices.Contains(may, mesa.ActUpdate) != slices.Contains(want, head) {
				t.Errorf("%s may %v", head, may)
			}
		}
	}
	heads("desk head")
	m.must("clerk", derive(action(atLegal), copyTo(atStores)))
	heads("desk head", "legal head")
	m.must("lawyer", m.receive(0))
	m.must("lawyer", derive(action(atStores)))
	heads("desk head", "legal head", "stores head") // the sender and who has to act
	m.must("stores user", m.receive(2))
	m.must("stores user", derive(action(atContracts), copyTo(atLegal)))
	heads("desk head", "stores head", "contracts head")
	m.must("contracts user", m.receive(3))
	m.must("contracts user", m.attend(3))
	heads("desk head", "legal head", "stores head", "contracts head") // all of them ended a leg
	m.must("contracts head", reopen(atContracts))
	heads("desk head", "contracts head")
	m.must("contracts user", m.receive(5))
	m.must("contracts user", m.attend(5))
	heads("desk head", "contracts head") // that was before it was reopened
	m.refuses("stores head", mesa.Forbidden, reopen(atStores))
}

func TestWhoMayTagMayTag(t *testing.T) {
	t.Parallel()
	m := newMatter(t)
	m.must("lawyer", func(f *mesa.File) error { return f.Update(mesa.Update{Tags: &[]string{"obras"}}) })
	m.refuses("lawyer", mesa.Forbidden, func(f *mesa.File) error { return f.Update(mesa.Update{Tags: &[]string{"agua"}, Folios: ptr(1)}) })
	m.refuses("viewer", mesa.Forbidden, func(f *mesa.File) error { return f.Update(mesa.Update{Tags: &[]string{"agua"}}) })
}
