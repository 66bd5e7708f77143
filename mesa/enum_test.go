package mesa_test

import (
	"bytes"
	"io"
	"strconv"
	"testing"

	"github.com/mesapartes/mesa/mesa"
)

// enum is an enum type as GraphQL reads and writes it.
type enum[T any] interface {
	*T
	UnmarshalGQL(v any) error
}

type written interface {
	~string
	MarshalGQL(w io.Writer)
}

func checkEnum[T written, P enum[T]](t *testing.T, values []T) {
	t.Helper()
	seen := map[T]bool{}
	for _, value := range values {
		var b bytes.Buffer
		value.MarshalGQL(&b)
		var back T
		if err := P(&back).UnmarshalGQL(string(value)); err != nil || back != value || b.String() != strconv.Quote(string(value)) || seen[value] {
			t.Errorf("%T %s is written as %s and read as %s, %v; twice: %v", value, value, b.String(), back, err, seen[value])
		}
		seen[value] = true
	}
	var none T
	var b bytes.Buffer
	none.MarshalGQL(&b)
	if b.String() != "null" {
		t.Errorf("%T without a value is written as %s", none, b.String())
	}
	some := values[0]
	if err := P(&some).UnmarshalGQL(nil); err != nil || some != "" {
		t.Errorf("%T reads null as %q, %v", none, some, err)
	}
	for _, bad := range []any{"", "nothing", "public", 1, true} {
		if err := P(&some).UnmarshalGQL(bad); err == nil {
			t.Errorf("%T reads %v", none, bad)
		}
	}
}

func TestEnumsAreReadAndWritten(t *testing.T) {
	t.Parallel()
	checkEnum(t, mesa.DocumentStates)
	checkEnum(t, mesa.DerivationStates)
	checkEnum(t, mesa.DerivationKinds)
	checkEnum(t, mesa.DerivationOrigins)
	checkEnum(t, mesa.Resolutions)
	checkEnum(t, mesa.NotFiledReasons)
	checkEnum(t, mesa.Outcomes)
	checkEnum(t, mesa.Channels)
	checkEnum(t, mesa.Priorities)
	checkEnum(t, mesa.Confidentialities)
	checkEnum(t, mesa.ArchiveClassifications)
	checkEnum(t, mesa.ArchiveStates)
	checkEnum(t, mesa.TrayBoxes)
	checkEnum(t, mesa.ActorKinds)
	checkEnum(t, mesa.PartyKinds)
	checkEnum(t, mesa.IDTypes)
	checkEnum(t, mesa.DueSources)
	checkEnum(t, mesa.Lights)
	checkEnum(t, mesa.Actions)
	checkEnum(t, mesa.AreaModes)
	checkEnum(t, mesa.ArchivedModes)
	checkEnum(t, mesa.DocumentOrderFields)
	checkEnum(t, mesa.OrderDirections)
	checkEnum(t, mesa.DayKinds)
	checkEnum(t, mesa.FilingPolicies)
}

func TestTextIsNullWhenEmpty(t *testing.T) {
	t.Parallel()
	for text, want := range map[mesa.Text]string{"": "null", "a\nñ": `"a\nñ"`} {
		var b bytes.Buffer
		text.MarshalGQL(&b)
		if b.String() != want {
			t.Errorf("%q is written as %s", text, b.String())
		}
	}
	text := mesa.Text("x")
	if err := text.UnmarshalGQL(nil); err != nil || text != "" {
		t.Errorf("null reads as %q, %v", text, err)
	}
	if err := text.UnmarshalGQL("y"); err != nil || text != "y" {
		t.Errorf("y reads as %q, %v", text, err)
	}
	if err := text.UnmarshalGQL(1); err == nil {
		t.Error("a number reads as a text")
	}
}

func TestEveryStateHasALabel(t *testing.T) {
	t.Parallel()
	for _, s := range mesa.DocumentStates {
		if mesa.Label(string(s)) == string(s) {
			t.Errorf("%s has no label", s)
		}
	}
	for _, s := range mesa.DerivationStates {
		if mesa.Label(string(s)) == string(s) {
			t.Errorf("%s has no label", s)
		}
	}
	for _, r := range mesa.NotFiledReasons {
		if mesa.Label(string(r)) == string(r) {
			t.Errorf("%s has no label", r)
		}
	}
	if mesa.Label("NADA") != "NADA" {
		t.Error("an unknown identifier should stand for itself")
	}
}

func TestEveryClassHasACode(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range mesa.ArchiveClassifications {
		if code := mesa.ClassCode(c); len(code) != 2 || seen[code] {
			t.Errorf("%s has code %q", c, code)
		} else {
			seen[code] = true
		}
	}
}
