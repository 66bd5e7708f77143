package mesa_test

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

// peru is a calendar in the zone of Lima without daylight saving, with the rows that a test cares about.
func peru(days ...mesa.CalendarDay) *mesa.Calendar {
	return mesa.NewCalendar(limaOffset, nil, days, nil)
}

var limaOffset = time.FixedZone("Lima", -5*60*60)

// at is a local instant.
func at(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, limaOffset)
	if err != nil {
		panic(err)
	}
	return t
}

// anyCalendar draws a calendar with a few marked days, suspensions and another schedule, all of them in 2024 to 2027, where
// nearDate draws too. Every week keeps some work, and suspensions end, so that due dates exist.
func anyCalendar() *rapid.Generator[*mesa.Calendar] {
	day := rapid.Custom(func(t *rapid.T) mesa.CalendarDay {
		return mesa.CalendarDay{
			Date:       nearDate().Draw(t, "date"),
			Kind:       rapid.SampledFrom(mesa.DayKinds).Draw(t, "kind"),
			IsDisabled: rapid.Bool().Draw(t, "disabled"),
		}
	})
	suspension := rapid.Custom(func(t *rapid.T) mesa.SuspensionRange {
		from := nearDate().Draw(t, "from")
		return mesa.SuspensionRange{FromOn: from, UntilOn: from.AddDays(rapid.IntRange(0, 90).Draw(t, "length"))}
	})
	schedule := rapid.Custom(func(t *rapid.T) mesa.WorkSchedule {
		s := mesa.WorkSchedule{ValidFrom: nearDate().Draw(t, "valid from")}
		for _, d := range rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 1, 7, rapid.ID).Draw(t, "weekdays") {
			s.Windows[d] = []mesa.Window{{From: 9 * 60, To: 13 * 60}, {From: 14 * 60, To: 18 * 60}}
		}
		return s
	})
	return rapid.Custom(func(t *rapid.T) *mesa.Calendar {
		return mesa.NewCalendar(limaOffset,
			rapid.SliceOfN(schedule, 0, 2).Draw(t, "schedules"),
			rapid.SliceOfN(day, 0, 30).Draw(t, "days"),
			rapid.SliceOfN(suspension, 0, 3).Draw(t, "suspensions"))
	})
}

func nearDate() *rapid.Generator[mesa.Date] {
	return rapid.Map(rapid.IntRange(0, 4*365), func(n int) mesa.Date { return on("2024-01-01").AddDays(n) })
}

// walk counts days the slow way.
func walk(c *mesa.Calendar, a, b mesa.Date) (n int) {
	for d := a + 1; d <= b; d++ {
		if c.IsCounted(d) {
			n++
		}
	}
	return n
}

func TestNationalHolidays(t *testing.T) {
	t.Parallel()
	var dates []string
	for _, h := range mesa.NationalHolidays(2026) {
		if h.Kind != mesa.NationalHoliday || h.Name == "" || h.IsDisabled {
			t.Errorf("%+v", h)
		}
		dates = append(dates, h.Date.String())
	}
	want := []string{
		"2026-01-01", "2026-04-02", "2026-04-03", "2026-05-01", "2026-06-07", "2026-06-29", "2026-07-23", "2026-07-28",
		"2026-07-29", "2026-08-06", "2026-08-30", "2026-10-08", "2026-11-01", "2026-12-08", "2026-12-09", "2026-12-25",
	}
	if !slices.Equal(dates, want) {
		t.Errorf("holidays of 2026:\n got %v\nwant %v", dates, want)
	}
}

func TestEasterMovesTheHolidays(t *testing.T) {
	t.Parallel()
	for year, easter := range map[int]string{
		1818: "1818-03-22", 1943: "1943-04-25", 1961: "1961-04-02", 2000: "2000-04-23", 2016: "2016-03-27",
		2024: "2024-03-31", 2025: "2025-04-20", 2026: "2026-04-05", 2038: "2038-04-25", 2285: "2285-03-22",
	} {
		holidays := mesa.NationalHolidays(year)
		if got := holidays[2].Date.AddDays(2); got != on(easter) || holidays[1].Date != on(easter).AddDays(-3) {
			t.Errorf("Easter of %d = %v, want %s", year, got, easter)
		}
	}
}

func TestReasonOfADay(t *testing.T) {
	t.Parallel()
	c := mesa.NewCalendar(limaOffset, nil, []mesa.CalendarDay{
		{Date: on("2026-01-02"), Kind: mesa.PublicSectorDayOff, Name: "Puente de Año Nuevo"},
		{Date: on("2026-06-29"), Kind: mesa.NationalHoliday, IsDisabled: true},
		{Date: on("2026-08-15"), Kind: mesa.RegionalHoliday, Name: "Aniversario de Arequipa"},
		{Date: on("2026-09-01"), Kind: mesa.InstitutionClosed},
		{Date: on("2026-09-02"), Kind: mesa.InstitutionClosed, Name: "Fumigación"},
		{Date: on("2026-09-03"), Kind: mesa.TermsSuspended, Name: "Huelga"},
		{Date: on("2026-09-05"), Kind: mesa.ExtraWorkday, Name: "Recuperación"},
		{Date: on("2026-09-07"), Kind: mesa.RegionalHoliday, Name: "Ya no", IsDisabled: true},
		{Date: on("2026-11-01"), Kind: mesa.ExtraWorkday},
		{Date: on("2026-12-25"), Kind: mesa.NationalHoliday, Name: "Natividad"},
	}, []mesa.SuspensionRange{
		{FromOn: on("2026-09-10"), UntilOn: on("2026-09-14"), Reason: "Emergencia sanitaria"},
	})
	for _, day := range []struct {
		date       string
		isBusiness bool
		reason     string
	}{
		{"2026-01-02", false, "Día no laborable: Puente de Año Nuevo"},
		{"2026-06-29", true, ""}, // the holiday by rule is switched off
		{"2026-07-28", false, "Feriado: Fiestas Patrias"},
		{"2026-07-30", true, ""},
		{"2026-08-15", false, "Feriado: Aniversario de Arequipa"}, // a Saturday: the holiday is the better reason
		{"2026-08-22", false, "Sábado"},
		{"2026-08-23", false, "Domingo"},
		{"2026-08-30", false, "Feriado: Santa Rosa de Lima"},
		{"2026-09-01", false, "Cerrado"},
		{"2026-09-02", false, "Cerrado: Fumigación"},
		{"2026-09-03", true, "Plazos suspendidos: Huelga"},
		{"2026-09-05", true, ""}, // Saturday worked
		{"2026-09-07", true, ""},
		{"2026-09-10", true, "Plazos suspendidos: Emergencia sanitaria"},
		{"2026-09-12", false, "Sábado"},
		{"2026-09-14", true, "Plazos suspendidos: Emergencia sanitaria"},
		{"2026-09-15", true, ""},
		{"2026-11-01", false, "Feriado: Todos los Santos"}, // an extra workday does not undo a holiday
		{"2026-12-25", false, "Feriado: Natividad"},        // a row renames the holiday by rule
	} {
		d := on(day.date)
		if c.IsBusinessDay(d) != day.isBusiness || c.Reason(d) != day.reason || c.IsCounted(d) != (day.reason == "") {
			t.Errorf("%v: business %v, counted %v, %q; want %v, %q", d, c.IsBusinessDay(d), c.IsCounted(d), c.Reason(d), day.isBusiness, day.reason)
		}
	}
}

func TestScheduleChangesWithTime(t *testing.T) {
	t.Parallel()
	saturdays := mesa.WorkSchedule{ValidFrom: on("2026-03-01")}
	saturdays.Windows[time.Saturday] = []mesa.Window{{From: 9 * 60, To: 12 * 60}}
	c := mesa.NewCalendar(limaOffset, []mesa.WorkSchedule{saturdays}, nil, nil)
	for date, reason := range map[string]string{
		"2026-02-27": "", "2026-02-28": "Sábado", // the default schedule
		"2026-03-06": "Viernes", "2026-03-07": "",
	} {
		if got := c.Reason(on(date)); got != reason {
			t.Errorf("%s: %q, want %q", date, got, reason)
		}
	}
}

func TestAddBusinessDays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		start string
		n     int
		want  string
	}{
		{"2026-07-22", 1, "2026-07-24"}, // over the 23rd, a holiday
		{"2026-07-24", 1, "2026-07-27"}, // over a weekend
		{"2026-07-27", 1, "2026-07-30"}, // over Fiestas Patrias
		{"2026-07-27", 0, "2026-07-27"},
		{"2026-07-28", 0, "2026-07-30"},
		{"2026-07-28", -5, "2026-07-30"}, // negative is zero
		{"2026-07-28", 1, "2026-07-30"},
		{"2025-12-30", 2, "2026-01-02"}, // over the turn of the year
		{"2026-03-02", 30, "2026-04-15"},
	} {
		if got := peru().AddBusinessDays(on(c.start), c.n); got != on(c.want) {
			t.Errorf("%s + %d = %v, want %s", c.start, c.n, got, c.want)
		}
	}
}

func TestBusinessDaysBetween(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"2026-07-27", "2026-07-27", 0},
		{"2026-07-27", "2026-07-30", 1},
		{"2026-07-30", "2026-07-27", -1},
		{"2026-07-25", "2026-07-26", 0},
		{"2025-01-01", "2026-01-01", 249}, // 261 weekdays less 12 holidays that fall on them
	} {
		if got := peru().BusinessDaysBetween(on(c.a), on(c.b)); got != c.want {
			t.Errorf("between %s and %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
	if n := peru().BusinessDaysBetween(0, on("2026-01-01")); n != 0 {
		t.Errorf("from no date: %d", n)
	}
}

func TestDaysOffAreFoundByRule(t *testing.T) {
	t.Parallel()
	c := peru()
	rapid.Check(t, func(t *rapid.T) {
		d := anyDate().Draw(t, "date")
		year, _, _ := d.YMD()
		isHoliday := slices.ContainsFunc(mesa.NationalHolidays(year), func(h mesa.CalendarDay) bool { return h.Date == d })
		isWeekend := d.Weekday() == time.Saturday || d.Weekday() == time.Sunday
		if c.IsBusinessDay(d) == (isHoliday || isWeekend) || c.IsCounted(d) != c.IsBusinessDay(d) {
			t.Fatalf("%v: %q", d, c.Reason(d))
		}
	})
}

func TestCountingEqualsWalking(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, a, b := anyCalendar().Draw(t, "calendar"), nearDate().Draw(t, "a"), nearDate().Draw(t, "b")
		if got, want := c.BusinessDaysBetween(min(a, b), max(a, b)), walk(c, min(a, b), max(a, b)); got != want {
			t.Fatalf("between %v and %v: %d, walked %d", a, b, got, want)
		}
		if c.BusinessDaysBetween(a, b) != -c.BusinessDaysBetween(b, a) {
			t.Fatal("the way back is not the negative")
		}
		m := nearDate().Draw(t, "between")
		if c.BusinessDaysBetween(a, m)+c.BusinessDaysBetween(m, b) != c.BusinessDaysBetween(a, b) {
			t.Fatalf("by way of %v it is another distance", m)
		}
	})
}

func TestAddingUndoesCounting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, start, n := anyCalendar().Draw(t, "calendar"), nearDate().Draw(t, "start"), rapid.IntRange(1, 800).Draw(t, "n")
		end := c.AddBusinessDays(start, n)
		if !c.IsCounted(end) || c.BusinessDaysBetween(start, end) != n {
			t.Fatalf("%v + %d = %v, which is %d days away", start, n, end, c.BusinessDaysBetween(start, end))
		}
		if next := c.AddBusinessDays(end, 1); next != c.AddBusinessDays(start, n+1) {
			t.Fatalf("%v is not the day after %v", next, end)
		}
		if first := c.AddBusinessDays(start, 0); first != c.NextBusinessDay(start) || first > c.AddBusinessDays(start, 1) {
			t.Fatalf("%v + 0 = %v", start, first)
		}
	})
}

func TestLaterStartNeverEndsEarlier(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, start, n := anyCalendar().Draw(t, "calendar"), nearDate().Draw(t, "start"), rapid.IntRange(0, 100).Draw(t, "n")
		later := start.AddDays(rapid.IntRange(0, 30).Draw(t, "later"))
		if c.AddBusinessDays(later, n) < c.AddBusinessDays(start, n) || c.NextBusinessDay(later) < c.NextBusinessDay(start) {
			t.Fatalf("%d days after %v come before those after %v", n, later, start)
		}
	})
}

func TestNoWorkAtAll(t *testing.T) {
	t.Parallel()
	idle := mesa.NewCalendar(limaOffset, []mesa.WorkSchedule{{}}, nil, nil)
	d := on("2026-03-02")
	if idle.IsBusinessDay(d) || idle.NextBusinessDay(d) != d || !idle.AddBusinessDays(d, 1).IsZero() {
		t.Errorf("next %v, tomorrow %v", idle.NextBusinessDay(d), idle.AddBusinessDays(d, 1))
	}
	if n := idle.BusinessDaysBetween(d, d.AddYears(50)); n != 0 {
		t.Errorf("%d business days", n)
	}
	if got := idle.FiledOn(at("2026-03-02 10:00:00"), mesa.OfficeHours, 0); got != d {
		t.Errorf("filed on %v", got)
	}
}

func TestTermsSuspendedWithoutEnd(t *testing.T) {
	t.Parallel()
	c := mesa.NewCalendar(limaOffset, nil, nil, []mesa.SuspensionRange{{FromOn: on("2026-03-16"), Reason: "Emergencia"}})
	if got := c.AddBusinessDays(on("2026-03-11"), 2); got != on("2026-03-13") {
		t.Errorf("before the suspension: %v", got)
	}
	if got := c.AddBusinessDays(on("2026-03-11"), 3); !got.IsZero() {
		t.Errorf("a term that nobody knows the end of ends on %v", got)
	}
	if got := c.NextBusinessDay(on("2026-03-21")); got != on("2026-03-23") {
		t.Errorf("the desk stays open, but the next day is %v", got)
	}
}

func TestEdgesOfTheCalendar(t *testing.T) {
	t.Parallel()
	c, last := peru(), on("9999-12-31") // a Friday
	if c.NextBusinessDay(last) != last || !c.AddBusinessDays(last, 1).IsZero() || c.AddBusinessDays(last.AddDays(-1), 1) != last {
		t.Error("no day comes after the last one")
	}
	if !c.AddBusinessDays(last, 1<<62).IsZero() || c.AddBusinessDays(on("0001-01-01"), 1) != on("0001-01-02") {
		t.Error("the first and the farthest day")
	}
	if c.IsBusinessDay(0) || c.IsCounted(0) || c.Reason(0) != "" || c.NextBusinessDay(0) != 0 || c.AddBusinessDays(0, 3) != 0 {
		t.Error("no date is no day")
	}
}

func TestFiledOn(t *testing.T) {
	t.Parallel()
	c := peru(mesa.CalendarDay{Date: on("2026-03-03"), Kind: mesa.TermsSuspended})
	cutoff, err := mesa.ParseTimeOfDay("16:30")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		submitted    string
		sameDay, hrs string
	}{
		{"2026-03-02 00:00:00", "2026-03-02", "2026-03-02"},
		{"2026-03-02 16:30:59", "2026-03-02", "2026-03-02"}, // inclusive to the minute
		{"2026-03-02 16:31:00", "2026-03-02", "2026-03-03"}, // suspended, yet open for filing
		{"2026-03-06 16:31:00", "2026-03-06", "2026-03-09"}, // Friday evening
		{"2026-03-07 09:00:00", "2026-03-09", "2026-03-09"}, // Saturday
		{"2026-03-08 23:59:59", "2026-03-09", "2026-03-09"},
		{"2026-07-27 20:00:00", "2026-07-27", "2026-07-30"},
	} {
		utc := at(f.submitted).UTC()
		if got := c.FiledOn(utc, mesa.SameDay24h, cutoff); got != on(f.sameDay) {
			t.Errorf("%s, same day: %v, want %s", f.submitted, got, f.sameDay)
		}
		if got := c.FiledOn(utc, mesa.OfficeHours, cutoff); got != on(f.hrs) {
			t.Errorf("%s, office hours: %v, want %s", f.submitted, got, f.hrs)
		}
	}
}

func TestFilingIsNeverEarlierThanItCameIn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := anyCalendar().Draw(t, "calendar")
		day, minute := nearDate().Draw(t, "day"), rapid.IntRange(0, 1439).Draw(t, "minute")
		submitted := day.In(limaOffset).Add(time.Duration(minute) * time.Minute)
		sameDay := c.FiledOn(submitted, mesa.SameDay24h, 16*60+30)
		office := c.FiledOn(submitted, mesa.OfficeHours, 16*60+30)
		if sameDay < day || office < sameDay || !c.IsBusinessDay(sameDay) || !c.IsBusinessDay(office) {
			t.Fatalf("came in on %v, filed on %v or %v", day, sameDay, office)
		}
	})
}

func TestBusinessMinutesBetween(t *testing.T) {
	t.Parallel()
	c := peru(mesa.CalendarDay{Date: on("2026-03-07"), Kind: mesa.ExtraWorkday}, mesa.CalendarDay{Date: on("2026-03-11"), Kind: mesa.TermsSuspended})
	for _, m := range []struct {
		a, b string
		want int
	}{
		{"2026-03-02 09:00:00", "2026-03-02 10:30:00", 90},
		{"2026-03-02 09:00:30", "2026-03-02 09:01:29", 0}, // full minutes only
		{"2026-03-02 06:00:00", "2026-03-02 08:01:00", 1}, // before opening
		{"2026-03-02 16:00:00", "2026-03-03 09:00:00", 90},
		{"2026-03-02 20:00:00", "2026-03-03 07:00:00", 0},
		{"2026-03-02 10:00:00", "2026-03-02 09:00:00", 0},
		{"2026-03-06 16:00:00", "2026-03-08 09:00:00", 30 + 510}, // an extra Saturday has the hours of Monday
		{"2026-03-13 16:00:00", "2026-03-16 08:30:00", 60},       // over a weekend
		{"2026-03-11 08:00:00", "2026-03-11 09:00:00", 60},       // suspended terms do not close the doors
		{"2025-12-31 16:00:00", "2026-01-02 08:30:00", 60},       // over the turn of the year
	} {
		if got := c.BusinessMinutesBetween(at(m.a).UTC(), at(m.b)); got != m.want {
			t.Errorf("from %s to %s: %d, want %d", m.a, m.b, got, m.want)
		}
	}
	if n := c.BusinessMinutesBetween(time.Time{}, at("2026-03-02 09:00:00")); n != 0 {
		t.Errorf("since the zero instant: %d", n)
	}
}

func TestBusinessMinutesEqualWalking(t *testing.T) {
	t.Parallel()
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return nearDate().Draw(t, "day").In(limaOffset).Add(time.Duration(rapid.IntRange(0, 1439).Draw(t, "minute")) * time.Minute)
	})
	rapid.Check(t, func(t *rapid.T) {
		c, a := anyCalendar().Draw(t, "calendar"), instant.Draw(t, "a")
		b := a.Add(time.Duration(rapid.IntRange(0, 10*24*60).Draw(t, "length")) * time.Minute)
		var walked int
		for m := a; m.Before(b); m = m.Add(time.Minute) {
			walked += c.BusinessMinutesBetween(m, m.Add(time.Minute))
		}
		if got := c.BusinessMinutesBetween(a, b); got != walked {
			t.Fatalf("from %v to %v: %d, walked %d", a, b, got, walked)
		}
	})
}

func TestWindowsMayOverlapAndComeInAnyOrder(t *testing.T) {
	t.Parallel()
	var untidy mesa.WorkSchedule
	untidy.Windows[time.Monday] = []mesa.Window{
		{From: 14 * 60, To: 16 * 60}, {From: 9 * 60, To: 11 * 60}, {From: 10 * 60, To: 12 * 60}, {From: 18 * 60, To: 17 * 60},
	}
	before := slices.Clone(untidy.Windows[time.Monday])
	c := mesa.NewCalendar(limaOffset, []mesa.WorkSchedule{untidy}, nil, nil)
	if got := c.BusinessMinutesBetween(at("2026-03-02 00:00:00"), at("2026-03-03 00:00:00")); got != 5*60 {
		t.Errorf("open for %d minutes", got)
	}
	if !slices.Equal(before, untidy.Windows[time.Monday]) {
		t.Error("the caller's schedule was changed")
	}
}

func TestCalendarIsSharedByGoroutines(t *testing.T) {
	t.Parallel()
	c := peru()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := c.AddBusinessDays(on("2020-01-01"), 2000); got != on("2028-01-17") {
				t.Errorf("got %v", got)
			}
		})
	}
	wg.Wait()
}

func TestTimeOfDay(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]mesa.TimeOfDay{"00:00": 0, "08:05": 485, "16:30": 990, "24:00": 1440} {
		got, err := mesa.ParseTimeOfDay(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s reads as %d (%v), %v", text, got, got, err)
		}
		var back mesa.TimeOfDay
		stored, _ := got.Value()
		if err := back.Scan(stored); err != nil || back != want {
			t.Errorf("%v scans as %v, %v", stored, back, err)
		}
	}
	for _, wrong := range []string{"", "8:00", "24:01", "23:60", "99:00", "16:30:00", "16.30", "-1:00"} {
		if got, err := mesa.ParseTimeOfDay(wrong); mesa.CodeOf(err) != mesa.ValidationFailed {
			t.Errorf("%q reads as %v, %v", wrong, got, err)
		}
	}
	var none mesa.TimeOfDay
	for _, wrong := range []any{nil, 990, "noon"} {
		if err := none.Scan(wrong); mesa.CodeOf(err) != mesa.Internal {
			t.Errorf("%v scans with %v", wrong, err)
		}
	}
}

func TestScheduleIsStoredReadably(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(mesa.DefaultSchedule().Windows[time.Monday])
	if err != nil || string(b) != `[{"from":"08:00","to":"16:30"}]` {
		t.Errorf("%s, %v", b, err)
	}
	var back []mesa.Window
	if err := json.Unmarshal(b, &back); err != nil || back[0] != (mesa.Window{From: 480, To: 990}) {
		t.Errorf("%v, %v", back, err)
	}
}

func BenchmarkBusinessDaysBetween(b *testing.B) {
	c, from, to := peru(), on("2016-03-01"), on("2026-11-24")
	for b.Loop() {
		c.BusinessDaysBetween(from, to)
	}
}

func BenchmarkAddBusinessDays(b *testing.B) {
	c, from := peru(), on("2026-11-24")
	for b.Loop() {
		c.AddBusinessDays(from, 30)
	}
}
