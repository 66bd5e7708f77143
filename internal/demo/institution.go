package demo

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// areaPlan is an area of the invented institution and who works there.
type areaPlan struct {
	code, parent, name string
	staff              int // beside the head
	headTitle          string
}

// areaPlans is the tree, parents first.
var areaPlans = []areaPlan{
	{"GG", "", "Gerencia General", 2, "Gerente General"},
	{"SG", "GG", "Secretaría General", 2, "Secretario(a) General"},
	{"MP", "SG", "Mesa de Partes", 4, "Jefe(a) de Mesa de Partes"},
	{"ARC", "SG", "Archivo Central", 2, "Jefe(a) del Archivo Central"},
	{"IMG", "SG", "Unidad de Imagen Institucional", 2, "Jefe(a) de Imagen Institucional"},
	{"OAJ", "GG", "Oficina de Asesoría Jurídica", 3, "Jefe(a) de Asesoría Jurídica"},
	{"OPP", "GG", "Oficina de Planeamiento y Presupuesto", 2, "Jefe(a) de Planeamiento y Presupuesto"},
	{"OCI", "GG", "Órgano de Control Institucional", 2, "Jefe(a) del Órgano de Control Institucional"},
	{"OTI", "GG", "Oficina de Tecnologías de la Información", 2, "Jefe(a) de Tecnologías de la Información"},
	{"OA", "GG", "Oficina de Administración", 2, "Jefe(a) de Administración"},
	{"LOG", "OA", "Unidad de Logística", 3, "Jefe(a) de Logística"},
	{"RRHH", "OA", "Unidad de Recursos Humanos", 2, "Jefe(a) de Recursos Humanos"},
	{"TES", "OA", "Unidad de Tesorería", 2, "Tesorero(a)"},
	{"CONT", "OA", "Unidad de Contabilidad", 2, "Contador(a) General"},
	{"DCV", "GG", "Dirección de Caminos y Vías", 3, "Director(a) de Caminos y Vías"},
	{"SEP", "DCV", "Subdirección de Estudios y Proyectos", 2, "Subdirector(a) de Estudios y Proyectos"},
	{"SOM", "DCV", "Subdirección de Obras y Mantenimiento", 3, "Subdirector(a) de Obras y Mantenimiento"},
	{"DPI", "GG", "Dirección de Patrimonio e Investigación Vial", 2, "Director(a) de Patrimonio e Investigación Vial"},
	{"SRC", "DPI", "Subdirección de Registro y Catastro", 2, "Subdirector(a) de Registro y Catastro"},
	{"DDS", "GG", "Dirección Desconcentrada Sur", 2, "Director(a) Desconcentrado(a) Sur"},
	{"MPS", "DDS", "Mesa de Partes – Sede Cusco", 2, "Jefe(a) de Mesa de Partes – Sede Cusco"},
}

// specials are people beyond the heads and staff of the plan.
var specials = []struct {
	email, area, title string
	role               mesa.RoleCode
}{
	{"admin", "OTI", "Administrador(a) del sistema", mesa.Admin},
	{"auditor", "OCI", "Auditor(a)", mesa.Auditor},
	{"consulta", "GG", "Asesor(a) de la Gerencia General", mesa.Viewer},
}

const emailDomain = "@demo.mesa.pe"

// keyUsers are the accounts whose passwords are told: every role, most of them for a first look around.
var keyUsers = []string{
	"admin", "jefe.mesa", "mesa1", "mesa2", "mesas1", "jefe.gg", "jefe.oaj", "oaj1", "jefe.log", "som1", "archivo1", "auditor", "consulta",
}

// Institution is the invented institution: areas, people, catalogue. Nobody can sign in yet: the password hashes are empty.
func Institution(seed uint64, now time.Time, ids *mesa.IDs) *db.Setup {
	s := &db.Setup{
		Institution: &mesa.Institution{
			ID: 1, Name: "Instituto Peruano de Caminos y Patrimonio Vial", ShortName: "IPCAVI",
			RUC: "2099999999" + string(rune(mesa.RUCCheckDigit("2099999999"))), TimeZone: "America/Lima", Locale: "es-PE",
			FilingPolicy: mesa.SameDay24h, OfficeCutoff: 16*60 + 30, DefaultTermBusinessDays: 30, MaxBackdateBusinessDays: 3,
		},
	}
	addCatalogue(s, now, ids)
	p := people{Setup: s, names: newNames(rand.New(rand.NewPCG(seed, 1))), ids: ids, since: now.AddDate(-3, 0, 0)}
	byCode := map[string]*mesa.Area{}
	for _, plan := range areaPlans {
		area := &mesa.Area{
			ID: ids.Area(now), Code: plan.code, Name: plan.name, IsDesk: plan.code == deskCode || plan.code == branchCode, IsActive: true,
			Email: mesa.Text(strings.ToLower(plan.code) + emailDomain),
		}
		if parent := byCode[plan.parent]; parent != nil {
			area.ParentID = parent.ID
		}
		byCode[plan.code] = area
		s.Areas = append(s.Areas, area)
		p.staffArea(area, plan)
	}
	for _, x := range specials {
		p.add(x.email, x.title, x.role, byCode[x.area].ID)
	}
	s.Registries = []*mesa.Registry{
		{ID: ids.Registry(now), Code: "EXP", Name: "Registro general de expedientes", Pattern: mesa.DefaultPattern, IsYearly: true, IsDefault: true},
		{ID: ids.Registry(now), Code: "CUS", Name: "Expedientes de la sede Cusco", Pattern: "{code}-{year}-{seq:5}", IsYearly: true, DeskAreaID: byCode[branchCode].ID},
	}
	return s
}

const branchCode = "MPS"

// people adds users to a setup.
type people struct {
	*db.Setup
	names *names
	ids   *mesa.IDs
	since time.Time
}

// staffArea adds the head and the staff of an area: jefe.x, x1, x2, …
func (p *people) staffArea(area *mesa.Area, plan areaPlan) {
	headRole, staffRole, title, short := mesa.AreaHead, mesa.AreaUser, "Especialista", strings.ToLower(plan.code)
	switch {
	case area.IsDesk:
		headRole, staffRole, title = mesa.DeskHead, mesa.DeskClerk, "Operador(a) de mesa de partes"
		short = strings.Replace(short, "mp", "mesa", 1)
	case plan.code == "ARC":
		staffRole, title, short = mesa.Archivist, "Archivero(a)", "archivo"
	}
	area.HeadID = p.add("jefe."+short, plan.headTitle, headRole, area.ID).ID
	for i := range plan.staff {
		p.add(fmt.Sprintf("%s%d", short, i+1), title, staffRole, area.ID)
	}
}

func (p *people) add(local, title string, role mesa.RoleCode, area mesa.AreaID) *mesa.User {
	female := p.names.rnd.IntN(2) == 0
	u := &mesa.User{
		ID: p.ids.User(p.since), Email: local + emailDomain, FullName: p.names.person(female), JobTitle: mesa.Text(forms(title, female)),
		IsActive: true, CreatedAt: p.since,
	}
	p.Users = append(p.Users, u)
	p.Memberships = append(p.Memberships, &mesa.Membership{UserID: u.ID, AreaID: area, IsPrimary: true, FromOn: mesa.DateOf(p.since, time.UTC)})
	p.Roles = append(p.Roles, &mesa.RoleAssignment{UserID: u.ID, Role: role, GrantedAt: p.since})
	return u
}

// forms picks the grammatical gender of a title: "Jefe(a)" is "Jefe" or "Jefa", "Director(a)" is "Director" or "Directora".
func forms(title string, female bool) string {
	if !female {
		return strings.ReplaceAll(title, "(a)", "")
	}
	for _, pair := range [][2]string{{"efe(a)", "efa"}, {"ero(a)", "era"}, {"ario(a)", "aria"}, {"ado(a)", "ada"}, {"or(a)", "ora"}} {
		title = strings.ReplaceAll(title, pair[0], pair[1])
	}
	return title
}

// actorsOf are the people of a setup as they act, in the order of their e-mails.
func actorsOf(s *db.Setup, cat *mesa.Catalogue) []*mesa.Actor {
	grants, areas := map[mesa.UserID][]mesa.RoleGrant{}, map[mesa.UserID][]mesa.AreaID{}
	for _, r := range s.Roles {
		grants[r.UserID] = append(grants[r.UserID], mesa.RoleGrant{Role: r.Role, Area: r.AreaID})
	}
	for _, m := range s.Memberships {
		areas[m.UserID] = append(areas[m.UserID], m.AreaID)
	}
	users := slices.SortedFunc(slices.Values(s.Users), func(a, b *mesa.User) int { return cmp.Compare(a.Email, b.Email) })
	actors := make([]*mesa.Actor, len(users))
	for i, u := range users {
		actors[i] = mesa.NewActor(cat, u, grants[u.ID], areas[u.ID])
	}
	return actors
}
