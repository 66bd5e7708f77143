package mesa_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

func TestSecretsOfKeys(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		secret := mesa.NewKeySecret()
		if !mesa.IsKeySecret(secret) || seen[secret] || len(mesa.SecretPrefix(secret)) != 13 || !strings.HasPrefix(secret, mesa.SecretPrefix(secret)) {
			t.Errorf("drew %s, shown as %s", secret, mesa.SecretPrefix(secret))
		}
		seen[secret] = true
	}
	for _, other := range []string{"", "mesa_", "mesa_" + strings.Repeat("A", 43), strings.Repeat("a", 45)} {
		if mesa.IsKeySecret(other) {
			t.Errorf("%q passes for the secret of a key", other)
		}
	}
}

func TestKeysAreChecked(t *testing.T) {
	t.Parallel()
	o := newOffice()
	for _, c := range []struct {
		name, field string
		with        func(*mesa.APIKey)
	}{
		{"as it is", "", func(*mesa.APIKey) {}},
		{"without a name", "name", func(k *mesa.APIKey) { k.Name = "" }},
		{"that may nothing", "scopes", func(k *mesa.APIKey) { k.Scopes = nil }},
		{"with a scope that does nothing", "scopes.0", func(k *mesa.APIKey) { k.Scopes = []mesa.KeyScope{"documents:read"} }},
		{"that submits nowhere", "areaIds", func(k *mesa.APIKey) { k.AreaIDs = nil }},
		{"that only looks", "", func(k *mesa.APIKey) { k.AreaIDs, k.Scopes = nil, []mesa.KeyScope{mesa.ScopeStatus} }},
		{"of an area that is no desk", "areaIds.1", func(k *mesa.APIKey) { k.AreaIDs = []mesa.AreaID{atDesk, atLegal} }},
		{"of a desk that is closed", "areaIds.0", func(k *mesa.APIKey) { k.AreaIDs = []mesa.AreaID{atOld} }},
		{"of no area at all", "areaIds.0", func(k *mesa.APIKey) { k.AreaIDs = []mesa.AreaID{"are_none"} }},
		{"until now", "expiresAt", func(k *mesa.APIKey) { k.ExpiresAt = monday }},
		{"until later", "", func(k *mesa.APIKey) { k.ExpiresAt = monday.Add(time.Second) }},
	} {
		k := &mesa.APIKey{Name: "ERP", Scopes: []mesa.KeyScope{mesa.ScopeSubmit}, AreaIDs: []mesa.AreaID{atDesk}}
		c.with(k)
		field := ""
		if e, ok := k.Check(o.cat, monday, nil).(*mesa.Error); ok {
			field = e.Field
		}
		if field != c.field {
			t.Errorf("a key %s: wrong is %q, want %q", c.name, field, c.field)
		}
	}
	k := &mesa.APIKey{Name: "Municipalidad", Scopes: []mesa.KeyScope{mesa.ScopeSubmit}}
	if k.Check(o.cat, monday, &mesa.Integration{}) == nil || k.Check(o.cat, monday, &mesa.Integration{DefaultAreaID: atDesk}) != nil {
		t.Error("a key without desks needs an integration with a default desk")
	}
}

func TestRotatingAKey(t *testing.T) {
	t.Parallel()
	secret := mesa.NewKeySecret()
	k := &mesa.APIKey{SecretHash: []byte("one"), Prefix: "mesa_one"}
	for _, hours := range []int{-1, 73} {
		if err := k.Rotate(monday, hours, secret, []byte("two")); mesa.CodeOf(err) != mesa.ValidationFailed || string(k.SecretHash) != "one" {
			t.Errorf("an overlap of %d hours: %v", hours, err)
		}
	}
	if err := k.Rotate(monday, 24, secret, []byte("two")); err != nil || string(k.SecretHash) != "two" || string(k.PreviousHash) != "one" ||
		!k.PreviousUntil.Equal(monday.Add(24*time.Hour)) || k.Prefix != mesa.SecretPrefix(secret) {
		t.Errorf("rotated to %+v: %v", k, err)
	}
	for _, ended := range []*mesa.APIKey{{RevokedAt: monday}, {ExpiresAt: monday}} {
		if err := ended.Rotate(monday, 24, secret, nil); mesa.CodeOf(err) != mesa.InvalidTransition {
			t.Errorf("%+v was rotated: %v", ended, err)
		}
	}
}

// A machine has no permission of any role, and sees what it handed in if it may ask for that.
func TestAMachineHasItsScopesAndNothingElse(t *testing.T) {
	t.Parallel()
	o := newOffice()
	everything := o.machine(mesa.KeyScopes...)
	for _, row := range mesa.RolePermissions {
		if everything.MayAnywhere(row.Permission) || everything.May(row.Permission, atDesk) || everything.MayEverywhere(row.Permission) {
			t.Errorf("a machine has %s", row.Permission)
		}
	}
	if everything.SeesArea(atDesk) || len(everything.Permissions()) > 0 || len(everything.Roles) > 0 || everything.ID() != "key_erp" {
		t.Errorf("a machine is %+v", everything)
	}
	if s := everything.Scope(); len(s.Open) > 0 || !slices.Equal(s.Grantees, []string{"key_erp"}) {
		t.Errorf("with %s it sees %+v", mesa.ScopeStatus, s)
	}
	submitter := o.machine(mesa.ScopeSubmit)
	if s := submitter.Scope(); len(s.Open)+len(s.Grantees) > 0 {
		t.Errorf("without %s it sees %+v", mesa.ScopeStatus, s)
	}
	if submitter.RequireScope(mesa.ScopeSubmit) != nil || mesa.CodeOf(submitter.RequireScope(mesa.ScopeStatus)) != mesa.Forbidden ||
		mesa.CodeOf(o.people["admin"].RequireScope(mesa.ScopeSubmit)) != mesa.Forbidden || mesa.CodeOf(mesa.System(o.cat, "").RequireScope(mesa.ScopeSubmit)) != mesa.Forbidden {
		t.Error("scopes are held by the wrong ones")
	}
	other := *submitter.Key
	other.ID = "key_other"
	nobody := mesa.NewActor(o.cat, &mesa.User{ID: "usr_x"}, nil, nil)
	if a, b := submitter.RightsKey(), mesa.NewMachine(o.cat, &other).RightsKey(); a == b || a == nobody.RightsKey() {
		t.Errorf("keys share what they see: %s", a)
	}
}

func TestAKeySubmitsToItsOpenDesks(t *testing.T) {
	t.Parallel()
	o := newOffice()
	key := o.machine(mesa.ScopeSubmit).Key
	for asked, want := range map[mesa.AreaID]mesa.AreaID{"": atDesk, atDesk: atDesk, atBranch: atBranch} { // the first of its desks is closed
		if got, err := key.SubmittingDesk(o.cat, asked, ""); err != nil || got != want {
			t.Errorf("asked for %q: %s, %v", asked, got, err)
		}
	}
	for asked, want := range map[mesa.AreaID]mesa.Code{atLegal: mesa.ValidationFailed, atOld: mesa.ValidationFailed, "are_none": mesa.ValidationFailed} {
		if _, err := key.SubmittingDesk(o.cat, asked, ""); mesa.CodeOf(err) != want {
			t.Errorf("asked for %q: %v", asked, err)
		}
	}
	for _, c := range []struct {
		usual, asked, want mesa.AreaID
		own                []mesa.AreaID
	}{
		{usual: atBranch, want: atBranch, own: key.AreaIDs},              // the usual desk comes before the first
		{usual: atBranch, asked: atDesk, want: atDesk, own: key.AreaIDs}, // the one asked for before the usual
		{usual: atOld, want: atDesk, own: key.AreaIDs},                   // a closed one is passed over
		{usual: atBranch, want: atDesk, own: []mesa.AreaID{atDesk}},      // not the key's
		{usual: atBranch, asked: atBranch, want: "", own: []mesa.AreaID{atDesk}},
		{usual: atBranch, want: atBranch},
		{usual: atBranch, asked: atBranch, want: atBranch},
		{usual: atBranch, asked: atDesk, want: ""},
		{usual: atOld, want: ""},
	} {
		k := &mesa.APIKey{AreaIDs: c.own}
		if got, err := k.SubmittingDesk(o.cat, c.asked, c.usual); got != c.want || c.want == "" && mesa.CodeOf(err) != mesa.Forbidden {
			t.Errorf("%+v: %s, %v", c, got, err)
		}
	}
	key.AreaIDs = []mesa.AreaID{atBranch}
	if _, err := key.SubmittingDesk(o.cat, atDesk, ""); mesa.CodeOf(err) != mesa.Forbidden {
		t.Errorf("a desk of others: %v", err)
	}
	key.AreaIDs = []mesa.AreaID{atOld}
	if _, err := key.SubmittingDesk(o.cat, "", ""); mesa.CodeOf(err) != mesa.Forbidden {
		t.Errorf("no open desk: %v", err)
	}
}
