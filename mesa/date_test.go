package mesa_test

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

// on writes a date the way people read it.
func on(s string) mesa.Date {
	d, err := mesa.ParseDate(s)
	if err != nil {
		panic(s + " is not a date")
	}
	return d
}

// anyDate draws a date from the years that desks meet.
func anyDate() *rapid.Generator[mesa.Date] {
	first, last := on("1990-01-01"), on("2060-12-31")
	return rapid.Map(rapid.Int32Range(int32(first), int32(last)), func(n int32) mesa.Date { return mesa.Date(n) })
}

func lima(t *testing.T) *time.Location { return zone(t, "America/Lima") }

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Skip("no time zone database: ", err)
	}
	return z
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"0001-01-01", "2024-02-29", "2000-02-29", "2026-07-28", "9999-12-31"} {
		if d, err := mesa.ParseDate(good); err != nil || d.String() != good {
			t.Errorf("ParseDate(%q) = %v, %v", good, d, err)
		}
	}
	for _, bad := range []string{
		"", "0000-01-01", "2023-02-29", "1900-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00", "10000-01-01",
		"2026-1-01", "26-01-01", "2026/01/01", "2026-01-01 ", " 2026-01-01", "2026-01-01T00:00:00Z", "+026-01-01", "２026-01-01",
	} {
		if d, err := mesa.ParseDate(bad); mesa.CodeOf(err) != mesa.ValidationFailed || !d.IsZero() {
			t.Errorf("ParseDate(%q) = %v, %v; want VALIDATION_FAILED", bad, d, err)
		}
	}
}

func TestDateCountsFromYearOne(t *testing.T) {
	t.Parallel()
	if d := mesa.NewDate(1, time.January, 1); d != 1 || d.Weekday() != time.Monday {
		t.Errorf("first day = %d, %v", d, d.Weekday())
	}
	if d := on("9999-12-31"); d != 3652059 {
		t.Errorf("last day = %d", d)
	}
	if d := mesa.NewDate(2026, time.February, 30); d != on("2026-03-02") {
		t.Errorf("30 February carries over to %v", d)
	}
}

func TestNoDate(t *testing.T) {
	t.Parallel()
	var none mesa.Date
	if !none.IsZero() || none.String() != "" || !none.In(time.UTC).IsZero() || mesa.DateOf(time.Time{}, time.UTC) != none {
		t.Error("the zero Date is no date")
	}
	if none.Spanish() != "" || on("2026-07-08").Spanish() != "08/07/2026" {
		t.Error("people read day, month and year")
	}
	if none.AddDays(5) != none || none.AddYears(5) != none {
		t.Error("arithmetic on no date is no date")
	}
	if y, m, d := none.YMD(); y != 0 || m != 0 || d != 0 {
		t.Errorf("YMD = %d %d %d", y, m, d)
	}
}

func TestDateArithmetic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		got  mesa.Date
		want string
	}{
		{on("2024-02-28").AddDays(1), "2024-02-29"},
		{on("2026-01-01").AddDays(-1), "2025-12-31"},
		{on("2024-02-29").AddYears(1), "2025-02-28"},
		{on("2024-02-29").AddYears(4), "2028-02-29"},
		{on("2024-02-29").AddYears(-124), "1900-02-28"},
		{on("2026-07-28").AddYears(10), "2036-07-28"},
		{on("9999-12-31").AddDays(1), "9999-12-31"},
		{on("0001-01-01").AddDays(math.MinInt), "0001-01-01"},
		{on("2026-01-01").AddDays(math.MaxInt), "9999-12-31"},
		{on("2026-01-01").AddYears(math.MaxInt), "9999-12-31"},
	} {
		if c.got.String() != c.want {
			t.Errorf("got %v, want %s", c.got, c.want)
		}
	}
}

func TestDateAgreesWithTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := mesa.Date(rapid.Int32Range(1, 3652059).Draw(t, "day"))
		noon := d.In(time.UTC).Add(12 * time.Hour)
		if d.String() != noon.Format(time.DateOnly) || d.Weekday() != noon.Weekday() || mesa.DateOf(noon, time.UTC) != d {
			t.Fatalf("%v differs from %v", d, noon)
		}
		if d != mesa.NewDate(d.YMD()) || d != on(d.String()) {
			t.Fatalf("%v does not survive the round trip", d)
		}
	})
}

func TestDateOfDependsOnZone(t *testing.T) {
	t.Parallel()
	instant := time.Date(2026, 3, 2, 3, 30, 0, 0, time.UTC) // 22:30 of the day before in Lima
	if d := mesa.DateOf(instant, lima(t)); d != on("2026-03-01") {
		t.Errorf("in Lima it is %v", d)
	}
	if d := mesa.DateOf(instant, time.UTC); d != on("2026-03-02") {
		t.Errorf("in UTC it is %v", d)
	}
}

func TestDateInWhereClocksChangeAtMidnight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, date, want string }{
		{"America/Lima", "2026-03-02", "2026-03-02T00:00:00-05:00"},
		{"America/Santiago", "2022-09-11", "2022-09-11T01:00:00-03:00"}, // midnight is skipped
		{"America/Santiago", "2022-04-03", "2022-04-03T00:00:00-04:00"}, // 23:00 comes twice the day before
		{"America/Havana", "2022-03-13", "2022-03-13T01:00:00-04:00"},
		{"America/Havana", "2022-11-06", "2022-11-06T00:00:00-04:00"}, // midnight comes twice
	} {
		if got := on(c.date).In(zone(t, c.zone)).Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %s starts at %s, want %s", c.date, c.zone, got, c.want)
		}
	}
}

func TestDateInGraphQLAndJSON(t *testing.T) {
	t.Parallel()
	for date, text := range map[mesa.Date]string{0: `null`, on("2026-07-28"): `"2026-07-28"`} {
		var graph bytes.Buffer
		date.MarshalGQL(&graph)
		b, err := json.Marshal(date)
		if err != nil || graph.String() != text || string(b) != text {
			t.Errorf("%v is written %s and %s (%v), want %s", date, graph.String(), b, err, text)
		}
		back := mesa.Date(1)
		if err := json.Unmarshal([]byte(text), &back); err != nil || back != date {
			t.Errorf("%s reads as %v, %v", text, back, err)
		}
	}
	var d mesa.Date
	if d.UnmarshalGQL(20260728) == nil || d.UnmarshalGQL("28/07/2026") == nil || json.Unmarshal([]byte(`{}`), &d) == nil {
		t.Error("only a text in the right form is a date")
	}
}

func TestDateInTheDatabase(t *testing.T) {
	t.Parallel()
	want := on("2026-07-28")
	for _, stored := range []any{
		"2026-07-28", []byte("2026-07-28"), "2026-07-28T00:00:00Z", "2026-07-28 00:00:00+00:00",
		time.Date(2026, 7, 28, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 28, 0, 0, 0, 0, time.FixedZone("", -5*3600)),
	} {
		var d mesa.Date
		if err := d.Scan(stored); err != nil || d != want {
			t.Errorf("%#v scans as %v, %v", stored, d, err)
		}
	}
	d := want
	if err := d.Scan(nil); err != nil || !d.IsZero() {
		t.Errorf("NULL scans as %v, %v", d, err)
	}
	for _, broken := range []any{"", "2026-07-28x", "2026-02-30", 20260728, "28/07/2026"} {
		if err := d.Scan(broken); err == nil || mesa.CodeOf(err) != mesa.Internal {
			t.Errorf("%#v scans with %v, want an internal error", broken, err)
		}
	}
	if v, err := want.Value(); v != "2026-07-28" || err != nil {
		t.Errorf("stored as %v, %v", v, err)
	}
	if v, err := mesa.Date(0).Value(); v != nil || err != nil {
		t.Errorf("no date is stored as %v, %v", v, err)
	}
}

func FuzzParseDate(f *testing.F) {
	for _, seed := range []string{"2026-07-28", "2024-02-29", "2023-02-29", "0000-00-00", "9999-12-31", "2026-7-28", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := mesa.ParseDate(s)
		standard, standardErr := time.Parse(time.DateOnly, s)
		if real := standardErr == nil && standard.Year() > 0; real != (err == nil) {
			t.Fatalf("ParseDate(%q): %v; the standard library says %v", s, err, standardErr)
		}
		if err == nil && d.String() != s {
			t.Fatalf("%q came back as %q", s, d)
		}
	})
}
