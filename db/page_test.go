package db

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

// everyKind is an order with a column of each kind.
var everyKind = keyset{name: "EVERY", keys: []key{{"a", timeKey}, {"b", dateKey}, {"c", numberKey}, {"d", textKey}}}

func TestCursorsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-62135596800_000_000, 253402300799_999_999).Draw(rt, "micros")).UTC()
		on := mesa.NewDate(1, 1, 1).AddDays(rapid.IntRange(0, 3652058).Draw(rt, "days"))
		number := rapid.Int64Range(-1<<53, 1<<53).Draw(rt, "number")
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abcñ\"\\_ áé🙂")), 0, 30, -1).Draw(rt, "text")
		place, err := everyKind.place(everyKind.cursor(at, on, number, text), "after")
		if err != nil {
			rt.Fatal(err)
		}
		if got := place[0].(time.Time); !got.Equal(at) || place[1] != on || place[2] != number || place[3] != text {
			rt.Fatalf("%v %v %d %q came back as %v", at, on, number, text, place)
		}
	})
}

// listed is the cursor of a JSON text.
func listed(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestCursorsOfOtherListsAreRefused(t *testing.T) {
	t.Parallel()
	good := `["EVERY","2026-03-18T17:00:00Z","2026-03-18",1,"x"]`
	if _, err := everyKind.place(listed(good), "after"); err != nil {
		t.Fatal(err)
	}
	for _, cursor := range []string{
		"", "!", "%%%%", listed(""), listed("null"), listed("{}"), listed("[]"), listed(`["EVERY"]`), listed(good + "x"), listed(strings.Replace(good, "EVERY", "OTHER", 1)),
		listed(strings.Replace(good, "1,", `"1",`, 1)), listed(strings.Replace(good, "1,", "1.5,", 1)), listed(strings.Replace(good, "1,", "1e300,", 1)),
		listed(strings.Replace(good, "2026-03-18T", "0000-03-18T", 1)), listed(strings.Replace(good, "2026-03-18T", "12026-03-18T", 1)),
		listed(strings.Replace(good, `"2026-03-18"`, `"2026-02-30"`, 1)), listed(strings.Replace(good, `"x"`, `"a\u0000"`, 1)),
		listed(strings.Replace(good, `"x"`, "null", 1)), listed(strings.Replace(good, `"x"`, `"`+strings.Repeat("x", 600)+`"`, 1)),
	} {
		_, err := everyKind.place(cursor, "after")
		if e, ok := err.(*mesa.Error); !ok || e.Code != mesa.ValidationFailed || e.Field != "after" {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}

// A stranger's cursor is a place that the database understands, or it is refused.
func FuzzCursor(f *testing.F) {
	f.Add(everyKind.cursor(time.Unix(0, 0), mesa.NewDate(2026, 3, 18), int64(7), "doc_1"))
	f.Add(listed(`["EVERY","2026-03-18T17:00:00.123456789+05:00","0001-01-01",-9007199254740993,"\ud800"]`))
	f.Add("")
	f.Add("bnVsbA")
	f.Fuzz(func(t *testing.T, cursor string) {
		place, err := everyKind.place(cursor, "after")
		if err != nil {
			if mesa.CodeOf(err) != mesa.ValidationFailed {
				t.Fatal(err)
			}
			return
		}
		if at := place[0].(time.Time); at.Year() < 1 || at.Year() > 9999 || at.Location() != time.UTC {
			t.Errorf("instant %v", at)
		}
		if text := place[3].(string); strings.ContainsRune(text, 0) {
			t.Errorf("text %q", text)
		}
		again, err := everyKind.place(everyKind.cursor(place...), "after")
		if err != nil {
			t.Fatalf("the cursor of its place is refused: %v", err)
		}
		one, _ := json.Marshal(place)
		two, _ := json.Marshal(again)
		if string(one) != string(two) {
			t.Errorf("%s became %s", one, two)
		}
	})
}

func TestSizesOfPages(t *testing.T) {
	t.Parallel()
	n := func(n int) *int { return &n }
	for _, c := range []struct {
		page    Page
		size    int
		fromEnd bool
		code    mesa.Code
		field   string
	}{
		{Page{}, 20, false, "", ""}, {Page{First: n(0)}, 0, false, "", ""}, {Page{First: n(200)}, 200, false, "", ""}, {Page{Last: n(3)}, 3, true, "", ""},
		{Page{Before: "x"}, 20, true, "", ""}, {Page{After: "x", Before: "y"}, 20, false, "", ""},
		{Page{First: n(201)}, 0, false, mesa.LimitExceeded, "first"}, {Page{Last: n(201)}, 0, false, mesa.LimitExceeded, "last"},
		{Page{First: n(-1)}, 0, false, mesa.ValidationFailed, "first"}, {Page{Last: n(-1)}, 0, false, mesa.ValidationFailed, "last"},
		{Page{First: n(1), Last: n(1)}, 0, false, mesa.ValidationFailed, "last"},
	} {
		size, fromEnd, err := c.page.size()
		if size != c.size || fromEnd != c.fromEnd || mesa.CodeOf(err) != c.code {
			t.Errorf("%+v: %d, %v, %v", c.page, size, fromEnd, err)
		}
		if e, ok := err.(*mesa.Error); ok && e.Field != c.field {
			t.Errorf("%+v: field %q", c.page, e.Field)
		}
	}
}
