package mesa_test

import (
	"strings"
	"testing"

	"github.com/mesapartes/mesa/mesa"
)

// Domain 4.12, copied from the specification by hand: ● everywhere, ◐ in the own areas, – not at all.
// ADMIN, DESK_HEAD, DESK_CLERK, AREA_HEAD, AREA_USER, ARCHIVIST, AUDITOR, VIEWER.
var specified = map[string]string{
	"document.read":               "● ● ● ◐ ◐ ◐ ● ●",
	"document.readAll":            "● ● ● – – – ● ●",
	"document.readRestricted":     "● ● ● – – – ● –", // "readAll needs DESK/AUDITOR/ADMIN"
	"document.readConfidential":   "– – – – – – ● –",
	"document.register":           "● ◐ ◐ – – – – –",
	"document.update":             "● ◐ ◐ ◐ – – – –",
	"document.correctSender":      "● ◐ – – – – – –", // 4.3: "needs the desk head"
	"document.backdate":           "● ◐ – – – – – –",
	"document.void":               "● ◐ – – – – – –",
	"document.observe":            "● ◐ ◐ ◐ ◐ – – –",
	"document.reopen":             "● ◐ – ◐ – – – –",
	"document.setConfidentiality": "● ◐ – ◐ – – – –",
	"document.extendDeadline":     "● ● – ◐ – – – –",
	"document.tag":                "● ● ● ◐ ◐ ◐ – –",
	"watch":                       "● ● ● ◐ ◐ ◐ – ●",
	"derivation.create":           "● ◐ ◐ ◐ ◐ – – –",
	"derivation.bulk":             "● ◐ ◐ ◐ ◐ – – –",
	"derivation.receive":          "● ◐ ◐ ◐ ◐ ◐ – –",
	"derivation.attend":           "● ◐ ◐ ◐ ◐ ◐ – –",
	"derivation.return":           "● ◐ ◐ ◐ ◐ ◐ – –",
	"derivation.recall":           "● ◐ – ◐ – – – –",
	"derivation.recallOwn":        "● ◐ ◐ ◐ ◐ – – –",
	"derivation.reassign":         "● ● – ◐ – – – –",
	"derivation.assign":           "● ◐ – ◐ – – – –",
	"derivation.assignSelf":       "● ◐ ◐ ◐ ◐ – – –",
	"archive.create":              "● ● ● – – ● – –",
	"archive.restore":             "● ● – – – ● – –",
	"archive.manage":              "● ● – – – ● – –",
	"statistics.read":             "● ● ● ◐ ◐ ◐ ● ●",
	"report.run":                  "● ● ● ◐ – ◐ ● –",
	"integration.use":             "● ● ● – – – – –",
	"integration.configure":       "● – – – – – – –",
	"apikey.manage":               "● – – – – – – –",
	"user.manage":                 "● – – – – – – –",
	"role.manage":                 "● – – – – – – –",
	"catalog.manage":              "● ● – – – – – –",
	"job.manage":                  "● – – – – – – –",
	"settings.manage":             "● – – – – – – –",
	"audit.read":                  "● – – – – – ● –",
}

var roles = []mesa.RoleCode{mesa.Admin, mesa.DeskHead, mesa.DeskClerk, mesa.AreaHead, mesa.AreaUser, mesa.Archivist, mesa.Auditor, mesa.Viewer}

// where is how far a cell reaches: "everywhere", "own" or "nowhere".
func where(row string, role int) string {
	return map[string]string{"●": "everywhere", "◐": "own", "–": "nowhere"}[strings.Fields(row)[role]]
}

func TestTheRolesHaveTheSpecifiedRights(t *testing.T) {
	t.Parallel()
	o := newOffice()
	if len(mesa.RolePermissions) != len(specified) {
		t.Errorf("%d permissions, %d specified", len(mesa.RolePermissions), len(specified))
	}
	for i, role := range roles {
		everywhere := mesa.NewActor(o.cat, &mesa.User{ID: "usr_x"}, []mesa.RoleGrant{{Role: role}}, []mesa.AreaID{atLegal})
		inArea := mesa.NewActor(o.cat, &mesa.User{ID: "usr_x"}, []mesa.RoleGrant{{Role: role, Area: atStores}}, []mesa.AreaID{atLegal})
		for permission, row := range specified {
			p, reach := mesa.Permission(permission), where(row, i)
			if got := everywhere.May(p, atLegal); got != (reach != "nowhere") {
				t.Errorf("%s %s in the own area: %v", role, p, got)
			}
			if got := everywhere.May(p, atStores); got != (reach == "everywhere") || everywhere.MayEverywhere(p) != got {
				t.Errorf("%s %s elsewhere: %v", role, p, got)
			}
			if got := everywhere.MayAnywhere(p); got != (reach != "nowhere") {
				t.Errorf("%s %s anywhere: %v", role, p, got)
			}
			// A role given in one area reaches that area alone, whatever it is in the table.
			if got := inArea.May(p, atStores); got != (reach != "nowhere") || inArea.May(p, atLegal) || inArea.MayEverywhere(p) {
				t.Errorf("%s of an area, %s there: %v, in the own area %v, everywhere %v", role, p, got, inArea.May(p, atLegal), inArea.MayEverywhere(p))
			}
		}
	}
}

// Eight roles and every verb, in the own area and in another: what the table says is what happens.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	at := func(area mesa.AreaID) *matter { // registered there
		m := &matter{office: newOffice(), t: t, at: monday}
		m.register("clerk", area, m.registration())
		return m
	}
	sent := func(from, to mesa.AreaID, target mesa.DerivationTargetInput) *matter {
		m := at(from)
		target.AreaID = to
		m.must("admin", derive(target))
		return m
	}
	received := func(area mesa.AreaID) *matter {
		m := sent(atArchive, area, action(""))
		m.must("admin", m.receive(0))
		return m
	}
	attended := func(area mesa.AreaID) *matter {
		m := received(area)
		m.must("admin", m.attend(0))
		return m
	}
	archived := func(area mesa.AreaID) *matter {
		m := attended(area)
		m.must("admin", archive)
		return m
	}
	update := func(u mesa.Update) func(*matter, string) func(*mesa.File) error {
		return func(*matter, string) func(*mesa.File) error { return func(f *mesa.File) error { return f.Update(u) } }
	}
	plain := func(verb func(*mesa.File) error) func(*matter, string) func(*mesa.File) error {
		return func(*matter, string) func(*mesa.File) error { return verb }
	}
	first := func(verb func(*matter, int) func(*mesa.File) error) func(*matter, string) func(*mesa.File) error {
		return func(m *matter, _ string) func(*mesa.File) error { return verb(m, 0) }
	}
	pending := func(area mesa.AreaID) *matter { return sent(atArchive, area, action("")) }
	for _, c := range []struct {
		name string
		row  string // of the roles; the stricter one when a verb asks for two
		make func(area mesa.AreaID) *matter
		verb func(m *matter, by string) func(*mesa.File) error
	}{
		{"update", specified["document.update"], at, update(mesa.Update{Notes: ptr(mesa.Text("Nota"))})},
		{"tag", "● ● ● ● ● ● – –", at, update(mesa.Update{Tags: &[]string{"obras"}})}, // where one sees it, which is for db to say
		{"grade", specified["document.setConfidentiality"], at, update(mesa.Update{Confidentiality: ptr(mesa.Restricted)})},
		{"later date", "● ◐ – ◐ – – – –", at, update(mesa.Update{DueOn: ptr(on("2026-12-01")), Reason: because})},
		{"subject once derived", specified["document.correctSender"], func(area mesa.AreaID) *matter { return sent(area, atContracts, action("")) },
			update(mesa.Update{Subject: ptr("Otro asunto")})},
		{"derive what is registered", specified["derivation.create"], at, plain(derive(action(atContracts)))},
		{"derive what is in hand", specified["derivation.create"], received, plain(derive(action(atContracts)))},
		{"receive", specified["derivation.receive"], pending, first((*matter).receive)},
		{"attend", specified["derivation.attend"], received, first(func(m *matter, i int) func(*mesa.File) error { return m.attend(i) })},
		{"reject", specified["derivation.return"], pending, first((*matter).reject)},
		{"return", specified["derivation.return"], received, first((*matter).giveBack)},
		{"recall what others sent", specified["derivation.recall"], func(area mesa.AreaID) *matter { return sent(area, atContracts, action("")) }, first((*matter).recall)},
		{"recall the own", specified["derivation.recallOwn"], func(area mesa.AreaID) *matter { return sent(area, atContracts, action("")) },
			func(m *matter, by string) func(*mesa.File) error {
				m.legs[0].SentByID = m.people[by].UserID
				return m.recall(0)
			}},
		{"reassign", specified["derivation.reassign"], pending, first(func(m *matter, i int) func(*mesa.File) error { return m.reassign(i, atContracts) })},
		{"assign another", specified["derivation.assign"], pending, first(func(m *matter, i int) func(*mesa.File) error { return m.assign(i, "usr_contracts user") })},
		{"assign oneself", specified["derivation.assignSelf"], pending,
			func(m *matter, by string) func(*mesa.File) error { return m.assign(0, m.people[by].UserID) }},
		{"acknowledge", specified["derivation.receive"], func(area mesa.AreaID) *matter { return sent(atArchive, area, copyTo("")) }, first((*matter).acknowledge)},
		{"extend", specified["derivation.assign"], pending, first(func(m *matter, i int) func(*mesa.File) error { return m.extend(i, on("2026-03-10")) })},
		{"extend beyond the document's date", "● ◐ – ◐ – – – –", pending, first(func(m *matter, i int) func(*mesa.File) error { return m.extend(i, on("2026-12-01")) })},
		{"reopen", specified["document.reopen"], attended, plain(reopen(atContracts))},
		{"archive", specified["archive.create"], attended, plain(archive)},
		{"restore", specified["archive.restore"], archived, plain(restore(atContracts))},
		{"register a submission", specified["document.register"], func(area mesa.AreaID) *matter { return submittedAt(t, area) }, plain(registerSubmission)},
		{"decline", specified["document.observe"], func(area mesa.AreaID) *matter { return submittedAt(t, area) }, plain(decline)},
		{"void", specified["document.void"], at, plain(void)},
	} {
		for i, role := range roles {
			for _, own := range []bool{true, false} {
				area := map[bool]mesa.AreaID{true: atLegal, false: atStores}[own]
				m := c.make(area)
				m.people["somebody"] = mesa.NewActor(m.cat, &mesa.User{ID: "usr_somebody", FullName: "Alguien"}, []mesa.RoleGrant{{Role: role}}, []mesa.AreaID{atLegal})
				reach := where(c.row, i)
				allowed := reach == "everywhere" || reach == "own" && own
				err := m.try("somebody", c.verb(m, "somebody"))
				// Deriving from elsewhere is NOT_HOLDER for who derives somewhere.
				refused := mesa.CodeOf(err) == mesa.Forbidden || mesa.CodeOf(err) == mesa.NotHolder && strings.HasPrefix(c.name, "derive") && reach == "own"
				if allowed && err != nil || !allowed && !refused {
					t.Errorf("%s by %s, in the own area: %v: %v", c.name, role, own, err)
				}
			}
		}
	}
}

func TestRolesHaveLabels(t *testing.T) {
	t.Parallel()
	for _, role := range mesa.RoleCodes {
		if name := mesa.RoleOf(role).Name; name == "" || name == string(role) {
			t.Errorf("%s is called %q", role, name)
		}
	}
}
