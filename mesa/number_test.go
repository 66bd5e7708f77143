package mesa_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

func TestFormatNumber(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		seq     int64
		want    string
	}{
		{mesa.DefaultPattern, 1, "EXP-2026-000001"},
		{mesa.DefaultPattern, 999_999, "EXP-2026-999999"},
		{mesa.DefaultPattern, 1_000_000, "EXP-2026-1000000"}, // the width is a minimum
		{"{seq:1}-{year}/{area}", 42, "42-2026/OGA-1"},
		{"N.{seq:12}", 7, "N.000000000007"},
		{"DER-{year}-{seq:6}", 15, "DER-2026-000015"},
	} {
		if got := mesa.FormatNumber(c.pattern, "EXP", 2026, c.seq, "OGA-1"); got != c.want {
			t.Errorf("%s with %d = %s, want %s", c.pattern, c.seq, got, c.want)
		}
	}
}

func TestFormatNumberTakesValuesLiterally(t *testing.T) {
	t.Parallel()
	if got := mesa.FormatNumber("{code}-{seq:2}", "{year}", 2026, 3, ""); got != "{year}-03" {
		t.Errorf("got %s", got)
	}
}

func TestCheckPattern(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		yearly  bool
		ok      bool
	}{
		{mesa.DefaultPattern, true, true},
		{"{seq:6}", false, true},
		{"{seq:6}", true, false}, // the numbers of two years would collide
		{"{code}-{year}", true, false},
		{"{code}-{year}-{seq}", true, false}, // a width is needed
		{"{code}-{year}-{seq:0}", true, false},
		{"{code}-{year}-{seq:13}", true, false},
		{"{seq:2}-{year}-{seq:2}", true, false},
		{"{code}-{year}-{month}-{seq:2}", true, false},
		{"{code-{year}-{seq:2}", true, false},
		{"{year}-{seq:2}}", true, false},
		{"{year}-{seq:2}<b>", true, false},
		{"{year}-{seq:2}ñ", true, false},
		{"{area}-{year}-{seq:4}", true, true},
		{"{seq:4}/{area} {year}", true, true},
		{"{area}{seq:4}-{year}", true, false},
		{"{area}{year}{seq:4}", true, false},
		{"{year}-{seq:4}X{area}", true, false},
		{"", false, false},
		{"{seq:2}" + strings.Repeat("x", 60), false, false},
	} {
		err := mesa.CheckPattern(c.pattern, c.yearly)
		if (err == nil) != c.ok {
			t.Errorf("CheckPattern(%q, %v) = %v", c.pattern, c.yearly, err)
		}
		if err != nil && mesa.CodeOf(err) != mesa.ValidationFailed {
			t.Errorf("CheckPattern(%q) fails with %s", c.pattern, mesa.CodeOf(err))
		}
	}
}

// Within one series, different counters never make the same number, whatever the area.
func TestNumbersNeverCollide(t *testing.T) {
	t.Parallel()
	token := rapid.SampledFrom([]string{"{code}", "{year}", "{area}", "-", "/", "1", "A"})
	number := rapid.SampledFrom([]string{"{seq:1}", "{seq:3}"})
	area := rapid.StringMatching(`[A1-]{2,4}`)
	seq := rapid.Int64Range(1, 3000)
	rapid.Check(t, func(t *rapid.T) {
		tokens := append(rapid.SliceOfN(token, 0, 5).Draw(t, "tokens"), "{year}", number.Draw(t, "number"))
		pattern := strings.Join(rapid.Permutation(tokens).Draw(t, "pattern"), "")
		if mesa.CheckPattern(pattern, true) != nil {
			t.SkipNow()
		}
		s1, s2 := seq.Draw(t, "seq"), seq.Draw(t, "seq")
		one := mesa.FormatNumber(pattern, "EXP", 2026, s1, area.Draw(t, "area"))
		other := mesa.FormatNumber(pattern, "EXP", 2026, s2, area.Draw(t, "area"))
		if s1 != s2 && one == other {
			t.Fatalf("%s: %d and %d both make %s", pattern, s1, s2, one)
		}
	})
}

// A pattern that is accepted makes numbers that no two counters of a series share, and that are bounded.
func FuzzFileNumber(f *testing.F) {
	f.Add(mesa.DefaultPattern, "A1", "A", int64(1), int64(11), true)
	f.Add("{area}/{seq:1} {area}", "1-1", "1", int64(1), int64(2), false)
	f.Add("{seq:12}{year}{code}.{area}", "-1-", "--", int64(999999999999), int64(1000000000000), true)
	area := regexp.MustCompile(`^[A-Z0-9-]{2,12}$`)
	f.Fuzz(func(t *testing.T, pattern, area1, area2 string, seq1, seq2 int64, yearly bool) {
		if err := mesa.CheckPattern(pattern, yearly); err != nil {
			if mesa.CodeOf(err) != mesa.ValidationFailed {
				t.Fatal(err)
			}
			return
		}
		if !area.MatchString(area1) || !area.MatchString(area2) || seq1 < 1 || seq2 < 1 {
			return
		}
		one, other := mesa.FormatNumber(pattern, "EXP", 2026, seq1, area1), mesa.FormatNumber(pattern, "EXP", 2026, seq2, area2)
		if seq1 != seq2 && one == other {
			t.Errorf("%q: %d of %s and %d of %s both make %q", pattern, seq1, area1, seq2, area2, one)
		}
		if len(one) > 20*len(pattern) || strings.ContainsAny(one, "{}") {
			t.Errorf("%q makes %q", pattern, one)
		}
	})
}
