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

// Effective rights = (roles ∪ grants) − denials, for the area in question.
func TestExceptionsToRoles(t *testing.T) {
	t.Parallel()
	o := newOffice()
	with := func(list ...mesa.PermissionOverride) *mesa.Actor {
		return mesa.NewActor(o.cat, &mesa.User{ID: "usr_x"}, []mesa.RoleGrant{{Role: mesa.DeskClerk}}, []mesa.AreaID{atDesk}, list...)
	}
	is := func(e mesa.Effect, p mesa.Permission, area mesa.AreaID) mesa.PermissionOverride {
		return mesa.PermissionOverride{Effect: e, Permission: p, AreaID: area}
	}
	a := with(is(mesa.Deny, mesa.MayRegister, ""), is(mesa.Grant, mesa.MayRegister, atDesk), is(mesa.Grant, mesa.MayVoid, atBranch))
	if a.MayAnywhere(mesa.MayRegister) || a.May(mesa.MayRegister, atDesk) {
		t.Error("a denial does not beat role and grant")
	}
	if !a.May(mesa.MayVoid, atBranch) || a.May(mesa.MayVoid, atDesk) || a.MayEverywhere(mesa.MayVoid) {
		t.Error("a grant holds where it says and nowhere else")
	}
	if a = with(is(mesa.Grant, mesa.MayVoid, ""), is(mesa.Deny, mesa.MayVoid, atBranch)); !a.May(mesa.MayVoid, atDesk) || a.May(mesa.MayVoid, atBranch) || a.MayEverywhere(mesa.MayVoid) || !a.MayAnywhere(mesa.MayVoid) {
		t.Error("a denial in one area leaves the others")
	}
	if a = with(is(mesa.Deny, mesa.MayReadAll, "")); len(a.Scope().Open) != 0 || !slices.Equal(a.Scope().Grantees, []string{"are_mp", "usr_x"}) {
		t.Errorf("without reading all: %+v", a.Scope())
	}
	if a = with(is(mesa.Deny, mesa.MayReadDocuments, "")); len(a.Scope().Open)+len(a.Scope().Grantees) != 0 || a.SeesArea(atDesk) {
		t.Errorf("without reading: %+v", a.Scope())
	}
	if a = with(is(mesa.Deny, mesa.MayReadDocuments, atDesk), is(mesa.Grant, mesa.MayReadDocuments, atLegal)); !slices.Equal(a.Visible(), []mesa.AreaID{atLegal}) {
		t.Errorf("sees %v", a.Visible())
	}
	keys := map[string]bool{}
	for _, list := range [][]mesa.PermissionOverride{nil, {is(mesa.Deny, mesa.MayWatch, "")}, {is(mesa.Deny, mesa.MayWatch, atDesk)}, {is(mesa.Grant, mesa.MayVoid, atDesk)}, {is(mesa.Grant, mesa.MayVoid, "")}} {
		keys[with(list...).RightsKey()] = true
	}
	if len(keys) != 5 {
		t.Errorf("%d keys for five sets of rights", len(keys))
	}
	clerk := o.people["clerk"].RightsKey()
	if clerk != mesa.NewActor(o.cat, &mesa.User{ID: "usr_y"}, []mesa.RoleGrant{{Role: mesa.DeskClerk}}, []mesa.AreaID{atDesk}).RightsKey() {
		t.Error("two clerks have different rights")
	}
}
