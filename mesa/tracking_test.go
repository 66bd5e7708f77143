package mesa_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// anyCode draws a tracking code.
func anyCode() *rapid.Generator[mesa.TrackingCode] {
	return rapid.Map(rapid.SliceOfN(rapid.Byte(), 12, 12), func(entropy []byte) mesa.TrackingCode {
		code, err := mesa.NewTrackingCode(bytes.NewReader(entropy))
		if err != nil {
			panic(err)
		}
		return code
	})
}

func TestTrackingCodeIsShownInGroups(t *testing.T) {
	t.Parallel()
	code, err := mesa.NewTrackingCode(strings.NewReader("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"))
	if err != nil || code != "0123456789ABT" || code.String() != "0123-4567-89AB-T" {
		t.Errorf("code = %q, shown %q, %v", string(code), code, err)
	}
	var graph bytes.Buffer
	code.MarshalGQL(&graph)
	mesa.TrackingCode("").MarshalGQL(&graph)
	if graph.String() != `"0123-4567-89AB-T"null` {
		t.Errorf("GraphQL shows %s", graph.String())
	}
}

func TestTrackingCodeAsPeopleTypeIt(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{
		"0123-4567-89AB-T", "0123456789abt", " o123 4567 89ab t ", "OI23-4567-89AB-T", "0l23--4567-89ab-t\n", "0\u00a0123456789ABT",
	} {
		if code, err := mesa.ParseTrackingCode(typed); err != nil || code != "0123456789ABT" {
			t.Errorf("%q reads as %q, %v", typed, string(code), err)
		}
	}
	for _, wrong := range []string{"", "0123-4567-89AB", "0123-4567-89AB-H", "0123-4567-89AB-TT", "U123-4567-89AB-T", "0123456789ABÑ", "EXP-2026-000001"} {
		if code, err := mesa.ParseTrackingCode(wrong); mesa.CodeOf(err) != mesa.ValidationFailed || code != "" {
			t.Errorf("%q reads as %q, %v; want VALIDATION_FAILED", wrong, string(code), err)
		}
	}
}

func TestTrackingCodeNeedsEntropy(t *testing.T) {
	t.Parallel()
	if code, err := mesa.NewTrackingCode(strings.NewReader("short")); err == nil || code != "" {
		t.Errorf("five bytes make %q, %v", string(code), err)
	}
	one, _ := mesa.NewTrackingCode(nil)
	other, err := mesa.NewTrackingCode(nil)
	if err != nil || one == other {
		t.Errorf("two codes from the system: %v, %v, %v", one, other, err)
	}
}

func TestTrackingCodeReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		code := anyCode().Draw(t, "code")
		var back mesa.TrackingCode
		if err := back.UnmarshalGQL(strings.ToLower(code.String())); err != nil || back != code {
			t.Fatalf("%v read back as %v, %v", code, back, err)
		}
	})
}

func TestTrackingCodeNoticesAnyWrongSymbol(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		code := anyCode().Draw(t, "code")
		for i := range len(code) {
			for _, wrong := range []byte(crockford) {
				typo := string(code[:i]) + string(wrong) + string(code[i+1:])
				if _, err := mesa.ParseTrackingCode(typo); (err == nil) != (typo == string(code)) {
					t.Fatalf("%q for %q: %v", typo, string(code), err)
				}
			}
		}
	})
}

func FuzzParseTrackingCode(f *testing.F) {
	for _, seed := range []string{"0123-4567-89AB-T", "oi23 4567 89ab t", "", "U", "0123456789ABÑ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code, err := mesa.ParseTrackingCode(s)
		if err != nil {
			return
		}
		if len(code) != 13 || strings.Trim(string(code), crockford) != "" {
			t.Fatalf("%q reads as %q", s, string(code))
		}
		if again, err := mesa.ParseTrackingCode(code.String()); err != nil || again != code {
			t.Fatalf("%q reads as %q and then as %q, %v", s, string(code), string(again), err)
		}
	})
}
