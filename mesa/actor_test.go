package mesa_test

import (
	"slices"
	"testing"

	"github.com/mesapartes/mesa/mesa"
)

func TestScopeOfEachRole(t *testing.T) {
	t.Parallel()
	o := newOffice()
	for _, c := range []struct {
		by       string
		open     []mesa.Confidentiality
		grantees []string
	}{
		{"admin", []mesa.Confidentiality{mesa.Public, mesa.Restricted}, []string{"are_arc", "usr_admin"}},
		{"desk head", []mesa.Confidentiality{mesa.Public, mesa.Restricted}, []string{"are_mp", "usr_desk head"}},
		{"clerk", []mesa.Confidentiality{mesa.Public, mesa.Restricted}, []string{"are_mp", "usr_clerk"}},
		{"legal head", nil, []string{"are_con", "are_oaj", "usr_legal head"}}, // with the areas below
		{"lawyer", nil, []string{"are_oaj", "usr_lawyer"}},
		{"contracts head", nil, []string{"are_con", "usr_contracts head"}},
		{"archivist", nil, []string{"are_arc", "usr_archivist"}},
		{"auditor", []mesa.Confidentiality{mesa.Public, mesa.Restricted, mesa.Confidential}, []string{"are_oaj", "usr_auditor"}},
		{"viewer", []mesa.Confidentiality{mesa.Public}, []string{"are_oaj", "usr_viewer"}},
	} {
		s := o.people[c.by].Scope()
		if !slices.Equal(s.Open, c.open) || !slices.Equal(s.Grantees, c.grantees) {
			t.Errorf("%s: open %v, grantees %v; want %v, %v", c.by, s.Open, s.Grantees, c.open, c.grantees)
		}
	}
}

func TestRolesAddUp(t *testing.T) {
	t.Parallel()
	o := newOffice()
	a := mesa.NewActor(o.cat, &mesa.User{ID: "usr_x", FullName: "X"}, []mesa.RoleGrant{
		{Role: mesa.AreaUser}, {Role: mesa.AreaHead, Area: atStores}, {Role: mesa.DeskHead, Area: atBranch}, {Role: mesa.AreaUser, Area: atDesk},
	}, []mesa.AreaID{atLegal, atContracts})
	for area, want := range map[mesa.AreaID]bool{atLegal: true, atContracts: true, atStores: true, atBranch: true, atDesk: true, atArchive: false} {
		if got := a.May(mesa.MayDerive, area); got != want {
			t.Errorf("derive in %s: %v", area, got)
		}
	}
	if a.May(mesa.MayReassign, atLegal) || !a.May(mesa.MayReassign, atBranch) || a.MayEverywhere(mesa.MayReassign) {
		t.Error("a desk head of one desk reassigns there and nowhere else")
	}
	if !a.SeesArea(atBranch) || a.SeesArea(atArchive) || a.MayEverywhere(mesa.MayReadAll) {
		t.Error("roles in areas do not make one see everything")
	}
	if !slices.Equal(a.Roles, []mesa.RoleCode{mesa.AreaUser, mesa.AreaHead, mesa.DeskHead}) {
		t.Errorf("roles %v", a.Roles)
	}
	if err := a.Require(mesa.MayVoid, atLegal); mesa.CodeOf(err) != mesa.Forbidden {
		t.Errorf("void in Legal: %v", err)
	}
	if err := a.Require(mesa.MayVoid, atBranch); err != nil {
		t.Errorf("void at the branch: %v", err)
	}
}

func TestSomebodyWithoutRolesMayNothing(t *testing.T) {
	t.Parallel()
	o := newOffice()
	a := mesa.NewActor(o.cat, &mesa.User{ID: "usr_x"}, nil, []mesa.AreaID{atLegal})
	if list := a.Permissions(); len(list) != 0 || list == nil {
		t.Errorf("permissions %v", list)
	}
	if s := a.Scope(); len(s.Open) != 0 || !slices.Equal(s.Grantees, []string{"usr_x"}) || a.SeesArea(atLegal) {
		t.Errorf("scope %+v", s)
	}
}

func TestTheSystemMayEverything(t *testing.T) {
	t.Parallel()
	a := mesa.System(newOffice().cat, "mesa")
	for _, row := range mesa.RolePermissions {
		if !a.MayEverywhere(row.Permission) || !a.May(row.Permission, "are_any") {
			t.Errorf("the system may not %s", row.Permission)
		}
	}
	if got := len(a.Permissions()); got != len(mesa.RolePermissions) {
		t.Errorf("%d permissions", got)
	}
	if e := mesa.NewEvent(&mesa.IDs{}, a, monday, mesa.DocumentUpdated); e.ActorKind != mesa.ActorSystem || e.Actor().UserID != "" || e.Actor().Name != "mesa" {
		t.Errorf("the system appears as %+v", e.Actor())
	}
}
