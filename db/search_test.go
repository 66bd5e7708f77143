package db

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestSearchTerms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                        "",
		" ¿…! ":                   "",
		"Solicita Información":    "solicita* informacion*",
		"ÑANDÚ ñandú":             "nandu*",
		"EXP-2026-000123":         "exp* 2026 123",
		"000 0":                   "0",
		"OFICIO N.° 0045-2026-GM": "oficio* n* 45 2026 gm*",
		"F001-22":                 "f001* 22",
		"ﬁnal Ⅳ":                  "final* iv*",
		"a'b\"c:*&|!()<->d":       "a* b* c* d*",
		"İstanbul STRAẞE":         "istanbul* straße*",
		strings.Repeat("x", 70):   strings.Repeat("x", 60) + "*",
		strings.Repeat("9", 70):   strings.Repeat("9", 60),
	} {
		var got []string
		for _, term := range searchTerms(text) {
			got = append(got, term.word+map[bool]string{true: "*"}[term.isPrefix])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q is cut into %q, want %q", text, got, want)
		}
	}
	if got := searchText("Uno uno ÚNO 007 7"); got != "uno 7" {
		t.Errorf("stored as %q", got)
	}
}

// Terms are safe to write into a search expression of either database, and what is stored of a text has all of its terms.
func FuzzSearchTerms(f *testing.F) {
	f.Add("EXP-2026-000123")
	f.Add("Ñandú & 'comillas' \"dobles\" \\ \x00 (a|b):*")
	f.Add("\xff\xfe ٣٤ ௧ ½ ǅ ﷺ")
	f.Fuzz(func(t *testing.T, text string) {
		terms, stored := searchTerms(text), strings.Fields(searchText(text))
		for _, term := range terms {
			if term.word == "" || len([]rune(term.word)) > 60 {
				t.Errorf("term %q", term.word)
			}
			for _, r := range term.word {
				if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
					t.Errorf("term %q holds %q", term.word, r)
				}
			}
			if !slices.Contains(stored, term.word) {
				t.Errorf("%q is a term but is not stored in %q", term.word, stored)
			}
		}
		for _, term := range terms { // what is found once is found again by what is shown
			if again := searchTerms(term.word); len(again) != 1 || again[0] != term {
				t.Errorf("%+v is cut again into %+v", term, again)
			}
		}
	})
}
