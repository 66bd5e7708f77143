package mesa_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

// term is a deadline of so many business days, with pauses.
func term(filedOn string, days int, pauses ...mesa.Pause) mesa.Deadline {
	return mesa.Deadline{FiledOn: on(filedOn), Source: mesa.DueByType, Term: days, Pauses: pauses}
}

func pause(from, until string) mesa.Pause { return mesa.Pause{From: on(from), Until: on(until)} }

func TestDueOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   mesa.Deadline
		want string // "" for no due date
	}{
		{"thirty days from a Monday in March", term("2026-03-02", 30), "2026-04-15"},
		{"no days: the day itself", term("2026-03-02", 0), "2026-03-02"},
		{"no source", mesa.Deadline{FiledOn: on("2026-03-02"), Source: mesa.DueNone, Term: 30}, ""},
		{"nothing known", mesa.Deadline{}, ""},
		{"never filed", mesa.Deadline{Source: mesa.DueByProcedure, Term: 30}, ""},
		{"the given date wins", mesa.Deadline{FiledOn: on("2026-03-02"), Source: mesa.DueManual, Term: 30, Manual: on("2026-03-05")}, "2026-03-05"},
		{"still observed", term("2026-03-02", 5, mesa.Pause{From: on("2026-03-03")}), ""},
		{"cured after three days", term("2026-03-02", 5, pause("2026-03-03", "2026-03-06")), "2026-03-12"},
		{"the same over a weekend", term("2026-03-02", 5, pause("2026-03-05", "2026-03-10")), "2026-03-12"},
		{"cured the same day", term("2026-03-02", 5, pause("2026-03-03", "2026-03-03")), "2026-03-09"},
		{"two observations add up", term("2026-03-02", 5, pause("2026-03-10", "2026-03-11"), pause("2026-03-03", "2026-03-06")), "2026-03-13"},
		{"the second still open", term("2026-03-02", 5, pause("2026-03-03", "2026-03-06"), mesa.Pause{From: on("2026-03-10")}), ""},
		{"observed on the last day: the day of the cure", term("2026-03-02", 5, pause("2026-03-09", "2026-03-16")), "2026-03-16"},
		{"observed one day late: still one day late", term("2026-03-02", 5, pause("2026-03-10", "2026-03-16")), "2026-03-13"},
		{"told before the filing date", term("2026-03-09", 5, pause("2026-03-06", "2026-03-10")), "2026-03-17"},
		{"overlapping pauses count once", term("2026-03-02", 5, pause("2026-03-03", "2026-03-05"), pause("2026-03-04", "2026-03-06")), "2026-03-12"},
		{"the term starts anew", term("2026-03-02", 5, mesa.Pause{From: on("2026-03-06"), Until: on("2026-03-10"), Reset: true}), "2026-03-17"},
		{
			"a given date has no term to start anew",
			mesa.Deadline{
				FiledOn: on("2026-03-02"), Source: mesa.DueManual, Manual: on("2026-03-09"),
				Pauses: []mesa.Pause{{From: on("2026-03-03"), Until: on("2026-03-06"), Reset: true}},
			},
			"2026-03-12",
		},
	} {
		if got := peru().DueOn(c.in); got.String() != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

func TestNoDueDateWhileTermsAreSuspendedWithoutEnd(t *testing.T) {
	t.Parallel()
	c := mesa.NewCalendar(limaOffset, nil, nil, []mesa.SuspensionRange{{FromOn: on("2026-03-04"), Reason: "Emergencia"}})
	if due := c.DueOn(term("2026-03-02", 5)); !due.IsZero() {
		t.Errorf("due on %v", due)
	}
	if trace := c.DeadlineTrace(term("2026-03-02", 5)); trace == nil || len(trace) != 0 {
		t.Errorf("trace = %v, want an empty list", trace)
	}
}

// anyTerm draws a term with up to three closed pauses, one after the other, that begin while it runs.
func anyTerm(c *mesa.Calendar) *rapid.Generator[mesa.Deadline] {
	return rapid.Custom(func(t *rapid.T) mesa.Deadline {
		in := mesa.Deadline{FiledOn: nearDate().Draw(t, "filed on"), Source: mesa.DueByProcedure, Term: rapid.IntRange(1, 60).Draw(t, "term")}
		from := in.FiledOn
		for range rapid.IntRange(0, 3).Draw(t, "pauses") {
			from = rapid.Map(rapid.Int32Range(int32(from), int32(max(from, c.DueOn(in)))), func(n int32) mesa.Date { return mesa.Date(n) }).Draw(t, "from")
			until := from.AddDays(rapid.IntRange(0, 40).Draw(t, "length"))
			in.Pauses = append(in.Pauses, mesa.Pause{From: from, Until: until})
			from = until
		}
		return in
	})
}

func TestDueDateIsAlwaysACountedDay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := anyCalendar().Draw(t, "calendar")
		in := anyTerm(c).Draw(t, "deadline")
		if due := c.DueOn(in); !c.IsCounted(due) || due <= in.FiledOn {
			t.Fatalf("due on %v: %s", due, c.Reason(due))
		}
	})
}

func TestPausesAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := anyCalendar().Draw(t, "calendar")
		in := anyTerm(c).Draw(t, "deadline")
		excluded := 0
		for _, p := range in.Pauses {
			excluded += walk(c, p.From, p.Until)
		}
		if got, want := c.DueOn(in), c.AddBusinessDays(in.FiledOn, in.Term+excluded); got != want {
			t.Fatalf("due on %v; %d and %d days make %v", got, in.Term, excluded, want)
		}
	})
}

func TestWhatIsLeftAtAPauseIsLeftAfterIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := anyCalendar().Draw(t, "calendar")
		in := mesa.Deadline{FiledOn: nearDate().Draw(t, "filed on"), Source: mesa.DueByType, Term: rapid.IntRange(1, 60).Draw(t, "term")}
		from := in.FiledOn.AddDays(rapid.IntRange(0, 200).Draw(t, "from")) // also when already late
		until := from.AddDays(rapid.IntRange(0, 90).Draw(t, "length"))
		before := c.BusinessDaysBetween(from, c.DueOn(in))
		in.Pauses = []mesa.Pause{{From: from, Until: until}}
		if after := c.BusinessDaysBetween(until, c.DueOn(in)); after != before {
			t.Fatalf("%d days were left on %v, %d on %v", before, from, after, until)
		}
	})
}

func TestDeadlineTrace(t *testing.T) {
	t.Parallel()
	trace := peru().DeadlineTrace(term("2026-07-21", 3, pause("2026-07-22", "2026-07-24")))
	want := []mesa.TraceDay{
		{Date: on("2026-07-22"), Counted: true},
		{Date: on("2026-07-23"), Reason: "Feriado: Día de la Fuerza Aérea del Perú"},
		{Date: on("2026-07-24"), Reason: "Suspendido por observación"},
		{Date: on("2026-07-25"), Reason: "Sábado"},
		{Date: on("2026-07-26"), Reason: "Domingo"},
		{Date: on("2026-07-27"), Counted: true},
		{Date: on("2026-07-28"), Reason: "Feriado: Fiestas Patrias"},
		{Date: on("2026-07-29"), Reason: "Feriado: Fiestas Patrias"},
		{Date: on("2026-07-30"), Counted: true},
	}
	if len(trace) != len(want) {
		t.Fatalf("%d days, want %d: %+v", len(trace), len(want), trace)
	}
	for i := range want {
		if trace[i] != want[i] {
			t.Errorf("day %d = %+v, want %+v", i, trace[i], want[i])
		}
	}
}

func TestDeadlineTraceOfATermStartedAnew(t *testing.T) {
	t.Parallel()
	reset := mesa.Pause{From: on("2026-03-03"), Until: on("2026-03-04"), Reset: true}
	trace := peru().DeadlineTrace(term("2026-03-02", 2, reset))
	want := []mesa.TraceDay{
		{Date: on("2026-03-03"), Reason: "El plazo se reinició al subsanarse la observación"},
		{Date: on("2026-03-04"), Reason: "Suspendido por observación"},
		{Date: on("2026-03-05"), Counted: true},
		{Date: on("2026-03-06"), Counted: true},
	}
	if len(trace) != len(want) {
		t.Fatalf("%+v", trace)
	}
	for i := range want {
		if trace[i] != want[i] {
			t.Errorf("day %d = %+v, want %+v", i, trace[i], want[i])
		}
	}
}

func TestDeadlineTraceCountsTheTerm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := anyCalendar().Draw(t, "calendar")
		in := anyTerm(c).Draw(t, "deadline")
		for i := range in.Pauses {
			in.Pauses[i].Reset = rapid.Bool().Draw(t, "reset")
		}
		trace, counted := c.DeadlineTrace(in), 0
		for i, day := range trace {
			if day.Date != in.FiledOn.AddDays(i+1) || day.Counted != (day.Reason == "") {
				t.Fatalf("day %d is %+v", i, day)
			}
			if day.Counted {
				counted++
			}
		}
		if counted != in.Term {
			t.Fatalf("%d days counted for a term of %d: %+v", counted, in.Term, trace)
		}
	})
}

func TestDeadlineTraceIsBounded(t *testing.T) {
	t.Parallel()
	far := mesa.Deadline{FiledOn: on("2026-03-02"), Source: mesa.DueManual, Manual: on("9999-12-31")}
	if n := len(peru().DeadlineTrace(far)); n != 3660 {
		t.Errorf("%d days", n)
	}
}

func TestManualDueOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wish, today, filedOn string
		want                 string
		code                 mesa.Code
	}{
		{"2026-03-10", "2026-03-02", "2026-03-02", "2026-03-10", ""},
		{"2026-03-02", "2026-03-02", "2026-03-02", "2026-03-02", ""}, // today is in time
		{"2026-03-07", "2026-03-02", "2026-03-02", "2026-03-09", ""}, // Saturday moves to Monday
		{"2026-07-28", "2026-03-02", "2026-03-02", "2026-07-30", ""},
		{"2026-03-01", "2026-03-02", "2026-02-02", "", mesa.DeadlineInPast},
		{"2026-03-07", "2026-03-07", "2026-03-09", "", mesa.DeadlineInPast}, // came in on a Saturday, filed on Monday
	} {
		got, err := peru().ManualDueOn(on(c.wish), on(c.today), on(c.filedOn))
		if got.String() != c.want || mesa.CodeOf(err) != c.code {
			t.Errorf("wish %s on %s: %v, %v; want %s %s", c.wish, c.today, got, err, c.want, c.code)
		}
	}
	if got, err := peru().ManualDueOn(0, on("2026-03-02"), on("2026-03-02")); !got.IsZero() || err != nil {
		t.Errorf("no wish: %v, %v", got, err)
	}
}

func TestLight(t *testing.T) {
	t.Parallel()
	const today = "2026-03-04" // Wednesday
	for _, c := range []struct {
		name       string
		state      mesa.DocumentState
		due, ended string
		paused     bool
		want       mesa.Light
	}{
		{"attended on the last day", mesa.Attended, "2026-03-02", "2026-03-02", false, mesa.LightDoneOnTime},
		{"attended a day later", mesa.Attended, "2026-03-02", "2026-03-03", false, mesa.LightDoneLate},
		{"archived after attention", mesa.Archived, "2026-03-02", "2026-02-27", false, mesa.LightDoneOnTime},
		{"archived as not filed", mesa.Archived, "2026-03-02", "", false, mesa.LightNone},
		{"attended without due date", mesa.Attended, "", "2026-03-02", false, mesa.LightNone},
		{"voided", mesa.Voided, "2026-03-02", "", false, mesa.LightNone},
		{"not filed", mesa.NotFiled, "2026-03-02", "", true, mesa.LightNone},
		{"observed", mesa.Observed, "", "", true, mesa.LightPaused},
		{"observed when late", mesa.Observed, "2026-03-02", "", true, mesa.LightPaused},
		{"no due date", mesa.InProcess, "", "", false, mesa.LightNone},
		{"due yesterday", mesa.InProcess, "2026-03-03", "", false, mesa.LightOverdue},
		{"due today", mesa.Registered, "2026-03-04", "", false, mesa.LightRed},
		{"one day left", mesa.InProcess, "2026-03-05", "", false, mesa.LightAmber},
		{"three days left", mesa.InProcess, "2026-03-09", "", false, mesa.LightAmber},
		{"four days left", mesa.InProcess, "2026-03-10", "", false, mesa.LightGreen},
		{"reopened: the former attention does not count", mesa.InProcess, "2026-03-10", "2026-03-02", false, mesa.LightGreen},
	} {
		due, _ := mesa.ParseDate(c.due) // "" is no date
		ended, _ := mesa.ParseDate(c.ended)
		if got := peru().Light(c.state, due, ended, on(today), c.paused); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestOverdueBeginsAtMidnightAlsoOnASaturday(t *testing.T) {
	t.Parallel()
	if got := peru().Light(mesa.InProcess, on("2026-03-06"), 0, on("2026-03-07"), false); got != mesa.LightOverdue {
		t.Errorf("on Saturday after a Friday it is %s", got)
	}
}

func TestAmberUntil(t *testing.T) {
	t.Parallel()
	if got := peru().AmberUntil(on("2026-03-04")); got != on("2026-03-09") {
		t.Errorf("from a Wednesday until %v", got)
	}
	if got := peru().AmberUntil(on("2026-03-02")); got != on("2026-03-05") {
		t.Errorf("from a Monday until %v", got)
	}
	idle := mesa.NewCalendar(limaOffset, []mesa.WorkSchedule{{}}, nil, nil)
	if got := idle.AmberUntil(on("2026-03-02")); got != on("9999-12-31") {
		t.Errorf("without any work until %v", got)
	}
}

func TestAmberUntilIsTheLastDateWithThreeDaysLeft(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, today := anyCalendar().Draw(t, "calendar"), nearDate().Draw(t, "today")
		until := c.AmberUntil(today)
		if c.BusinessDaysBetween(today, until) > 3 || c.BusinessDaysBetween(today, until+1) <= 3 {
			t.Fatalf("from %v until %v: %d days left", today, until, c.BusinessDaysBetween(today, until))
		}
	})
}
