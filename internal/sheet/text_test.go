package sheet

import (
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func TestNeutral(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                       "",
		"   ":                    "   ",
		"Solicita = licencia":    "Solicita = licencia",
		"=1+1":                   "'=1+1",
		"+51 999":                "'+51 999",
		"-1":                     "'-1",
		"@SUM(A1)":               "'@SUM(A1)",
		"\t=1":                   "'\t=1",
		"\rx":                    "'\rx",
		"\nx":                    "'\nx",
		"\x00x":                  "'\x00x",
		"  =1":                   "'  =1",
		"\uFEFF=1":               "'\uFEFF=1",
		"\u00A0\u200B\uFEFF =1":  "'\u00A0\u200B\uFEFF =1",
		"\x01=1":                 "'\x01=1",
		"＝1":                     "'＝1",
		"＋1":                     "'＋1",
		"－1":                     "'－1",
		"＠x":                     "'＠x",
		"'=1":                    "'=1",
		"–1 (raya, no es signo)": "–1 (raya, no es signo)",
	} {
		if got := neutral(in); got != want {
			t.Errorf("neutral(%q) is %q, not %q", in, got, want)
		}
	}
}

// Text of the characters that matter, in any order.
var oddText = rapid.Custom(func(t *rapid.T) string {
	parts := rapid.SliceOf(rapid.OneOf(
		rapid.SampledFrom([]string{"=", "+", "-", "@", "\t", "\r", "\n", "\r\n", "\x00", "\x01", "＝", "＋", "－", "＠", " ", "\u00A0",
			"\uFEFF", "\u200B", "'", `"`, `""`, ",", ";", "a", "ñ", "😀", "\xff", "_x0041_"}),
		rapid.StringN(0, 3, -1),
	)).Draw(t, "parts")
	return strings.Join(parts, "")
})

func TestNeutralTextStartsNoFormula(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := oddText.Draw(t, "text")
		got := neutral(s)
		if got != s && got != "'"+s {
			t.Fatalf("neutral(%q) is %q: more than an apostrophe", s, got)
		}
		if neutral(got) != got {
			t.Fatalf("neutral(%q) is not neutral", got)
		}
		if begins := strings.TrimLeft(got, " \u00A0\uFEFF\u200B\x01"); strings.HasPrefix(got, "'") == false &&
			begins != "" && strings.ContainsRune("=+-@\t\r\n\x00＝＋－＠", []rune(begins)[0]) {
			t.Fatalf("neutral(%q) is %q", s, got)
		}
	})
}

func TestCellTextIsWhatExcelTakes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := cellText(oddText.Draw(t, "text") + strings.Repeat(rapid.SampledFrom([]string{"a", "ñ", "😀"}).Draw(t, "filling"), 100))
		if neutral(s) != s {
			t.Fatalf("%q is not neutral", s)
		}
		if strings.ContainsAny(s, "\x00\x01\x0B\x1F\uFFFE\uFFFF") {
			t.Fatalf("%q is no XML", s)
		}
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, n := strings.ToValidUTF8(oddText.Draw(t, "text"), "?"), rapid.IntRange(1, 20).Draw(t, "n")
		got := cut(s, n)
		if units := len(utf16.Encode([]rune(got))); units > n {
			t.Fatalf("cut(%q, %d) is %q, of %d", s, n, got, units)
		}
		if kept, shorter := strings.CutSuffix(got, "…"); got != s && (!shorter || !strings.HasPrefix(s, kept)) {
			t.Fatalf("cut(%q, %d) is %q", s, n, got)
		}
		if got != s && len(utf16.Encode([]rune(s))) <= n {
			t.Fatalf("cut(%q, %d) is %q without need", s, n, got)
		}
	})
}

func TestGrouped(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		x        float64
		decimals int
		want     string
	}{
		{0, 0, "0"}, {999, 0, "999"}, {1000, 0, "1,000"}, {-1234567.891, 2, "-1,234,567.89"}, {-0.001, 2, "0.00"}, {87.5, 1, "87.5"}, {12.25, 1, "12.3"},
	} {
		if got := grouped(c.x, c.decimals); got != c.want {
			t.Errorf("grouped(%v, %d) is %q, not %q", c.x, c.decimals, got, c.want)
		}
	}
}
