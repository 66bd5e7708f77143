package mesa

import (
	"cmp"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"
	"time"
)

// DayKind is what a calendar day is marked as.
type DayKind string

// The values of DayKind.
const (
	NationalHoliday    DayKind = "NATIONAL_HOLIDAY"
	PublicSectorDayOff DayKind = "PUBLIC_SECTOR_DAY_OFF"
	RegionalHoliday    DayKind = "REGIONAL_HOLIDAY"
	InstitutionClosed  DayKind = "INSTITUTION_CLOSED"
	TermsSuspended     DayKind = "TERMS_SUSPENDED" // open for filing, but no term runs
	ExtraWorkday       DayKind = "EXTRA_WORKDAY"   // worked although the schedule has no window
)

// DayKinds lists them in the order of the schema.
var DayKinds = []DayKind{
	NationalHoliday, PublicSectorDayOff, RegionalHoliday, InstitutionClosed, TermsSuspended, ExtraWorkday,
}

// MarshalGQL writes the name, null for none.
func (k DayKind) MarshalGQL(w io.Writer) { writeEnum(w, k) }

// UnmarshalGQL reads a name.
func (k *DayKind) UnmarshalGQL(v any) error { return readEnum(v, k, DayKinds) }

// FilingPolicy says which day counts as the day of filing, see Calendar.FiledOn.
type FilingPolicy string

// The values of FilingPolicy.
const (
	SameDay24h  FilingPolicy = "SAME_DAY_24H"
	OfficeHours FilingPolicy = "OFFICE_HOURS"
)

// FilingPolicies lists them in the order of the schema.
var FilingPolicies = []FilingPolicy{SameDay24h, OfficeHours}

// MarshalGQL writes the name, null for none.
func (p FilingPolicy) MarshalGQL(w io.Writer) { writeEnum(w, p) }

// UnmarshalGQL reads a name.
func (p *FilingPolicy) UnmarshalGQL(v any) error { return readEnum(v, p, FilingPolicies) }

// CalendarDay marks a date. A disabled row counts as absent; for a NATIONAL_HOLIDAY it switches off the one made by rule.
type CalendarDay struct {
	Date       Date    `bun:"date,pk"`
	Kind       DayKind `bun:"kind,pk"`
	Name       string  // es-PE
	LegalBasis string
	IsDisabled bool
}

// SuspensionRange is a stretch of days on which no term runs, as if each were TERMS_SUSPENDED.
type SuspensionRange struct {
	ID      string `bun:",pk"`
	FromOn  Date
	UntilOn Date   `bun:",nullzero"` // last day, zero means open ended
	Reason  string // es-PE
}

// WorkSchedule is when the institution is open in an ordinary week, from a date until the next schedule takes over.
type WorkSchedule struct {
	ValidFrom Date `bun:",pk"`
	Windows   Week `bun:",type:jsonb"` // no window, no work
}

// Week is the opening hours by time.Weekday. It scans itself, because bun reads no JSON into an array.
type Week [7][]Window

// Value is the JSON that the database stores.
func (w Week) Value() (driver.Value, error) {
	b, err := json.Marshal([7][]Window(w))
	return string(b), err
}

// Scan reads it back.
func (w *Week) Scan(src any) error {
	switch v := src.(type) {
	case []byte:
		return json.Unmarshal(v, (*[7][]Window)(w))
	case string:
		return json.Unmarshal([]byte(v), (*[7][]Window)(w))
	}
	return fmt.Errorf("scan week: unexpected %T", src)
}

// Window is a stretch of opening hours; To is the minute at which it ends.
type Window struct {
	From TimeOfDay `json:"from"`
	To   TimeOfDay `json:"to"`
}

// DefaultSchedule is Monday to Friday from 08:00 to 16:30. It holds on dates before the first schedule.
func DefaultSchedule() WorkSchedule {
	var s WorkSchedule
	for day := time.Monday; day <= time.Friday; day++ {
		s.Windows[day] = []Window{{From: 8 * 60, To: 16*60 + 30}}
	}
	return s
}

// TimeOfDay is a wall-clock time in minutes since midnight, from 00:00 to 24:00, the end of the day.
type TimeOfDay int16

const endOfDay TimeOfDay = 24 * 60

// ParseTimeOfDay reads exactly HH:MM.
func ParseTimeOfDay(s string) (TimeOfDay, error) {
	if len(s) == len("HH:MM") && s[2] == ':' {
		h, okH := digits(s[:2])
		m, okM := digits(s[3:])
		if t := TimeOfDay(h*60 + m); okH && okM && m < 60 && t <= endOfDay {
			return t, nil
		}
	}
	return 0, Invalid("", "La hora no existe o no tiene el formato HH:MM.")
}

// String is HH:MM.
func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", t/60, t%60) }

// MarshalText writes HH:MM; JSON uses it.
func (t TimeOfDay) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads HH:MM.
func (t *TimeOfDay) UnmarshalText(b []byte) (err error) {
	*t, err = ParseTimeOfDay(string(b))
	return err
}

// Value is what the database stores: the text HH:MM.
func (t TimeOfDay) Value() (driver.Value, error) { return t.String(), nil }

// Scan reads the text HH:MM.
func (t *TimeOfDay) Scan(src any) error {
	var s string
	switch v := src.(type) {
	case string:
		s = v
	case []byte:
		s = string(v)
	default:
		return fmt.Errorf("scan time of day: unexpected %T", src)
	}
	parsed, err := ParseTimeOfDay(s)
	if err != nil {
		return fmt.Errorf("scan time of day: %q is not one", s)
	}
	*t = parsed
	return nil
}

// NationalHolidays are the sixteen of Peru in a year, in order, by the rule in force today: also for years before their laws.
func NationalHolidays(year int) []CalendarDay {
	easter := easterSunday(year)
	fixed := func(m time.Month, d int) Date { return NewDate(year, m, d) }
	holidays := []CalendarDay{
		{Date: fixed(time.January, 1), Name: "Año Nuevo"},
		{Date: easter.AddDays(-3), Name: "Jueves Santo"},
		{Date: easter.AddDays(-2), Name: "Viernes Santo"},
		{Date: fixed(time.May, 1), Name: "Día del Trabajo"},
		{Date: fixed(time.June, 7), Name: "Batalla de Arica y Día de la Bandera"},
		{Date: fixed(time.June, 29), Name: "San Pedro y San Pablo"},
		{Date: fixed(time.July, 23), Name: "Día de la Fuerza Aérea del Perú"},
		{Date: fixed(time.July, 28), Name: "Fiestas Patrias"},
		{Date: fixed(time.July, 29), Name: "Fiestas Patrias"},
		{Date: fixed(time.August, 6), Name: "Batalla de Junín"},
		{Date: fixed(time.August, 30), Name: "Santa Rosa de Lima"},
		{Date: fixed(time.October, 8), Name: "Combate de Angamos"},
		{Date: fixed(time.November, 1), Name: "Todos los Santos"},
		{Date: fixed(time.December, 8), Name: "Inmaculada Concepción"},
		{Date: fixed(time.December, 9), Name: "Batalla de Ayacucho"},
		{Date: fixed(time.December, 25), Name: "Navidad"},
	}
	for i := range holidays {
		holidays[i].Kind = NationalHoliday
	}
	return holidays
}

// easterSunday is the Gregorian computus (Meeus, Jones and Butcher).
func easterSunday(year int) Date {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return NewDate(year, time.Month(n/31), n%31+1)
}

// Calendar answers which days the institution works and on which days terms run. It never changes and may be shared by
// goroutines. What it has worked out about a year it keeps, so that counting does not walk from day to day.
type Calendar struct {
	zone        *time.Location
	schedules   []WorkSchedule // the latest first, windows in order and apart
	rows        map[int][]CalendarDay
	suspensions []SuspensionRange
	years       sync.Map // int → *calendarYear
}

// NewCalendar makes a calendar from the rows of its tables, in any order. National holidays need no rows.
func NewCalendar(zone *time.Location, schedules []WorkSchedule, days []CalendarDay, suspensions []SuspensionRange) *Calendar {
	c := &Calendar{zone: zone, rows: map[int][]CalendarDay{}, suspensions: slices.Clone(suspensions)}
	for _, s := range append(slices.Clone(schedules), DefaultSchedule()) {
		for i := range s.Windows {
			s.Windows[i] = tidyWindows(s.Windows[i])
		}
		c.schedules = append(c.schedules, s)
	}
	slices.SortStableFunc(c.schedules, func(a, b WorkSchedule) int { return cmp.Compare(b.ValidFrom, a.ValidFrom) })
	for _, day := range days {
		year, _, _ := day.Date.YMD()
		c.rows[year] = append(c.rows[year], day)
	}
	return c
}

// tidyWindows drops empty windows and joins those that touch or overlap.
func tidyWindows(windows []Window) []Window {
	var tidy []Window
	sorted := slices.SortedFunc(slices.Values(windows), func(a, b Window) int { return cmp.Compare(a.From, b.From) })
	for _, w := range sorted {
		w.From, w.To = max(w.From, 0), min(w.To, endOfDay)
		switch last := len(tidy) - 1; {
		case w.From >= w.To:
		case last >= 0 && w.From <= tidy[last].To:
			tidy[last].To = max(tidy[last].To, w.To)
		default:
			tidy = append(tidy, w)
		}
	}
	return tidy
}

// Zone is the institution's time zone.
func (c *Calendar) Zone() *time.Location { return c.zone }

// IsBusinessDay says whether the institution works on a date.
func (c *Calendar) IsBusinessDay(d Date) bool { return !d.IsZero() && c.day(d).isBusiness }

// IsCounted says whether terms run on a date: on business days, unless terms are suspended.
func (c *Calendar) IsCounted(d Date) bool { return !d.IsZero() && c.day(d).reason == "" }

// Reason says in es-PE why a date is not counted, "" when it is.
func (c *Calendar) Reason(d Date) string {
	if d.IsZero() {
		return ""
	}
	return c.day(d).reason
}

// horizonYears is how far ahead a day is looked for: suspended terms without an end, or a calendar without work, must not
// keep anybody searching.
const horizonYears = 100

// NextBusinessDay is the first business day on or after d; d itself when there is none until the end of the hundredth year after.
func (c *Calendar) NextBusinessDay(d Date) Date {
	year, _, _ := d.YMD()
	last := NewDate(year+horizonYears, time.December, 31)
	for next := d; !d.IsZero() && next <= last; next++ {
		if c.day(next).isBusiness {
			return next
		}
	}
	return d
}

// AddBusinessDays is the n-th counted day after start; for n ≤ 0 it is NextBusinessDay(start). It is no date when the n-th day
// does not come until the end of the hundredth year after, as while terms are suspended without an end, and for no start.
func (c *Calendar) AddBusinessDays(start Date, n int) Date {
	switch {
	case start.IsZero() || n > (horizonYears+1)*366:
		return 0
	case n <= 0:
		return c.NextBusinessDay(start)
	}
	y, i := c.yearOf(start)
	n += y.counted[i+1]
	for last := min(y.number+horizonYears, 9999); n > y.total(); y = c.year(y.number + 1) {
		if y.number == last {
			return 0
		}
		n -= y.total()
	}
	return y.nth(n)
}

// BusinessDaysBetween counts the counted days d with a < d ≤ b; it is negative when b is before a, and 0 when either is no date.
// The effort grows with the years between them, not with the days.
func (c *Calendar) BusinessDaysBetween(a, b Date) int {
	switch {
	case a.IsZero() || b.IsZero():
		return 0
	case b < a:
		return -c.BusinessDaysBetween(b, a)
	}
	ya, ia := c.yearOf(a)
	yb, ib := c.yearOf(b)
	n := yb.counted[ib+1] - ya.counted[ia+1]
	for y := ya; y.number < yb.number; y = c.year(y.number + 1) {
		n += y.total()
	}
	return n
}

// FiledOn is the legal filing date of what came in at an instant: the local date, or the next business day when that is none or
// when the policy is OFFICE_HOURS and the local time is past the cutoff, to the minute and inclusive.
func (c *Calendar) FiledOn(submittedAt time.Time, policy FilingPolicy, cutoff TimeOfDay) Date {
	d := DateOf(submittedAt, c.zone)
	if policy == OfficeHours && c.IsBusinessDay(d) && minuteOf(submittedAt.In(c.zone)) > cutoff {
		d = d.AddDays(1)
	}
	return c.NextBusinessDay(d)
}

func minuteOf(t time.Time) TimeOfDay { return TimeOfDay(t.Hour()*60 + t.Minute()) }

// BusinessMinutesBetween is how many full minutes the institution was open between two instants; 0 when b is not after a or
// either is the zero instant. An extra workday has the hours of the first day in the week, from Monday on, that has any.
func (c *Calendar) BusinessMinutesBetween(a, b time.Time) int {
	if a.IsZero() || !b.After(a) {
		return 0
	}
	ya, openA := c.openBefore(a)
	yb, openB := c.openBefore(b)
	open := openB - openA
	for y := ya; y.number < yb.number; y = c.year(y.number + 1) {
		open += y.opened[len(y.days)]
	}
	return int(max(open, 0) / time.Minute) // negative only where clocks are set back during opening hours
}

// openBefore is how long the institution was open in the year of an instant before it.
func (c *Calendar) openBefore(t time.Time) (*calendarYear, time.Duration) {
	t = t.In(c.zone)
	y, i := c.yearOf(NewDate(t.Date()))
	return y, y.opened[i] + openUntil(y.days[i].windows, sinceMidnight(t))
}

// openUntil is how much of the windows is over at a time of day.
func openUntil(windows []Window, clock time.Duration) (open time.Duration) {
	for _, w := range windows {
		from, to := time.Duration(w.From)*time.Minute, time.Duration(w.To)*time.Minute
		open += max(min(clock, to)-from, 0)
	}
	return open
}

// calendarYear is all that is known about a year. Prefix sums have one more entry than days: entry i is about the days before i.
type calendarYear struct {
	number  int
	first   Date
	days    []calendarDay
	counted []int
	opened  []time.Duration
}

type calendarDay struct {
	isBusiness bool
	reason     string   // "" when counted
	windows    []Window // none unless isBusiness
}

// total is how many counted days the year has.
func (y *calendarYear) total() int { return y.counted[len(y.days)] }

// nth is the n-th counted day of the year, 1 ≤ n ≤ total.
func (y *calendarYear) nth(n int) Date {
	return y.first + Date(sort.SearchInts(y.counted, n)) - 1
}

func (c *Calendar) day(d Date) calendarDay {
	y, i := c.yearOf(d)
	return y.days[i]
}

// yearOf is the year of a date and the date's place in it.
func (c *Calendar) yearOf(d Date) (*calendarYear, int) {
	number, _, _ := d.YMD()
	y := c.year(number)
	return y, int(d - y.first)
}

// year builds a year at its first use. Two goroutines may both build it; the results are equal and one is kept.
func (c *Calendar) year(number int) *calendarYear {
	if y, ok := c.years.Load(number); ok {
		return y.(*calendarYear)
	}
	y, _ := c.years.LoadOrStore(number, c.build(number))
	return y.(*calendarYear)
}

func (c *Calendar) build(number int) *calendarYear {
	y := &calendarYear{number: number, first: Date(serial(number, time.January, 1)), counted: []int{0}, opened: []time.Duration{0}}
	marks := c.marks(number)
	end := Date(serial(number+1, time.January, 1))
	for d := y.first; d < end; d++ {
		day := c.look(d, marks[d])
		counted, opened := y.counted[len(y.days)], y.opened[len(y.days)]
		if day.reason == "" {
			counted++
		}
		y.days = append(y.days, day)
		y.counted = append(y.counted, counted)
		y.opened = append(y.opened, opened+openUntil(day.windows, 24*time.Hour))
	}
	return y
}

// dayMarks are the marks of one date: their names by kind.
type dayMarks map[DayKind]string

// marks are those of a year: the rows and, where no row speaks of the same date, the national holidays by rule.
func (c *Calendar) marks(year int) map[Date]dayMarks {
	marks := map[Date]dayMarks{}
	for _, day := range slices.Concat(NationalHolidays(year), c.rows[year]) {
		if marks[day.Date] == nil {
			marks[day.Date] = dayMarks{}
		}
		if day.IsDisabled {
			delete(marks[day.Date], day.Kind)
		} else {
			marks[day.Date][day.Kind] = day.Name
		}
	}
	return marks
}

// look works out a date from the schedule and its marks.
func (c *Calendar) look(d Date, marks dayMarks) calendarDay {
	if reason := whyClosed(marks); reason != "" {
		return calendarDay{reason: reason}
	}
	windows := c.windows(d)
	if _, extra := marks[ExtraWorkday]; len(windows[d.Weekday()]) == 0 && !extra {
		return calendarDay{reason: weekdays[d.Weekday()]}
	}
	return calendarDay{isBusiness: true, reason: c.whySuspended(d, marks), windows: hoursOn(d, windows)}
}

// closing is the kinds that close the institution, in the order in which they are given as reason.
var closing = []struct {
	kind  DayKind
	label string
}{
	{NationalHoliday, "Feriado"},
	{RegionalHoliday, "Feriado"},
	{PublicSectorDayOff, "Día no laborable"},
	{InstitutionClosed, "Cerrado"},
}

var weekdays = [7]string{"Domingo", "Lunes", "Martes", "Miércoles", "Jueves", "Viernes", "Sábado"}

func whyClosed(marks dayMarks) string {
	for _, c := range closing {
		if name, marked := marks[c.kind]; marked {
			return labelled(c.label, name)
		}
	}
	return ""
}

func (c *Calendar) whySuspended(d Date, marks dayMarks) string {
	const label = "Plazos suspendidos"
	if name, marked := marks[TermsSuspended]; marked {
		return labelled(label, name)
	}
	for _, s := range c.suspensions {
		if s.FromOn <= d && (s.UntilOn.IsZero() || d <= s.UntilOn) {
			return labelled(label, s.Reason)
		}
	}
	return ""
}

func labelled(label, name string) string {
	if name == "" {
		return label
	}
	return label + ": " + name
}

// windows is the week of the schedule in force; the default schedule has no ValidFrom and so is always found.
func (c *Calendar) windows(d Date) [7][]Window {
	i := slices.IndexFunc(c.schedules, func(s WorkSchedule) bool { return s.ValidFrom <= d })
	return c.schedules[i].Windows
}

// hoursOn is the opening hours of a business day.
func hoursOn(d Date, week [7][]Window) []Window {
	if own := week[d.Weekday()]; len(own) > 0 {
		return own
	}
	for i := range week {
		if usual := week[(int(time.Monday)+i)%7]; len(usual) > 0 {
			return usual
		}
	}
	return nil
}

// CalendarDate is what the calendar says of one day.
type CalendarDate struct {
	Date          Date
	IsBusinessDay bool
	Reason        Text // es-PE, why terms do not run on it; "" when they do
}

// Dates says of each day of a period whether it counts; empty when to is before from.
func (c *Calendar) Dates(from, to Date) []CalendarDate {
	days := []CalendarDate{}
	for d := from; d <= to; d++ {
		days = append(days, CalendarDate{Date: d, IsBusinessDay: c.IsBusinessDay(d), Reason: Text(c.Reason(d))})
	}
	return days
}
