package mesa_test

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

func TestCheckIdentity(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   mesa.PartyKind
		idType mesa.IDType
		number string
		ok     bool
	}{
		{mesa.PersonParty, mesa.DNI, "45678912", true},
		{mesa.PersonParty, mesa.DNI, "4567891", false},
		{mesa.PersonParty, mesa.DNI, "4567891X", false},
		{mesa.PersonParty, mesa.DNI, "45678912\n", false},
		{mesa.PersonParty, mesa.DNI, "４５６７８９１２", false},
		{mesa.CompanyParty, mesa.RUC, "20100070970", true},
		{mesa.PublicEntityParty, mesa.RUC, "20131312955", true},
		{mesa.CompanyParty, mesa.RUC, "20100070971", false}, // check digit
		{mesa.CompanyParty, mesa.RUC, "30100070970", false}, // no such prefix
		{mesa.CompanyParty, mesa.RUC, "2010007097", false},
		{mesa.PersonParty, mesa.CE, "000123456", true},
		{mesa.PersonParty, mesa.CE, "12345", false},
		{mesa.PersonParty, mesa.CE, "abc123456", false},
		{mesa.PersonParty, mesa.PTP, "AB123", true},
		{mesa.PersonParty, mesa.Passport, "XDB0123456", true},
		{mesa.PersonParty, mesa.Passport, "XDB-0123456", false},
		{mesa.PersonParty, mesa.NoID, "", true},
		{mesa.PersonParty, mesa.NoID, "1", false},
		{mesa.AnonymousParty, mesa.NoID, "", true},
		{mesa.AnonymousParty, mesa.NoID, "45678912", false},
		{mesa.AnonymousParty, mesa.DNI, "45678912", false},
		{mesa.PersonParty, "LIBRETA", "1", false},
		{mesa.PersonParty, "", "", false},
	} {
		err := mesa.CheckIdentity(c.kind, c.idType, c.number)
		if (err == nil) != c.ok {
			t.Errorf("CheckIdentity(%s, %s, %q) = %v", c.kind, c.idType, c.number, err)
		}
		if e, _ := errors.AsType[*mesa.Error](err); err != nil && (e.Code != mesa.ValidationFailed || e.Field != "idNumber") {
			t.Errorf("%s %q fails with %s on %q", c.idType, c.number, e.Code, e.Field)
		}
	}
}

func TestRUCCheckDigit(t *testing.T) {
	t.Parallel()
	for first10, want := range map[string]byte{
		"2010007097": '0', "2013131295": '5', "201000709": 0, "20100070970": 0, "2010007O97": 0, "": 0,
	} {
		if got := mesa.RUCCheckDigit(first10); got != want {
			t.Errorf("RUCCheckDigit(%q) = %q, want %q", first10, got, want)
		}
	}
}

// Only one last digit fits the ten before it.
func TestRUCNoticesWrongLastDigit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first10 := rapid.StringMatching(`(10|15|16|17|20)[0-9]{8}`).Draw(t, "first ten")
		fitting := 0
		for last := range 10 {
			if mesa.CheckIdentity(mesa.CompanyParty, mesa.RUC, fmt.Sprint(first10, last)) == nil {
				fitting++
			}
		}
		if fitting != 1 {
			t.Fatalf("%d digits fit %s", fitting, first10)
		}
	})
}

func TestMaskEmail(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]string{"": "…@", "ñandu@muni.pe": "ñ…@muni.pe", "a@b@c": "a…@b@c", "una clave": "u…@"} {
		if got := mesa.MaskEmail(email); got != want {
			t.Errorf("MaskEmail(%q) = %q, want %q", email, got, want)
		}
	}
}

func TestMaskID(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"": "", "1": "*", "AB123": "***23", "45678912": "*****912", "20100070970": "********970",
	} {
		if got := mesa.MaskID(number); got != want {
			t.Errorf("MaskID(%q) = %q, want %q", number, got, want)
		}
	}
}
