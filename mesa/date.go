package mesa

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Date is a calendar date without a clock or zone, from 0001-01-01 to 9999-12-31: the days since 0001-01-01 plus one.
// Zero means "no date" and reads as null everywhere. Dates are compared with < and ==; arithmetic that would leave the range
// stops at its edge, and arithmetic on "no date" is "no date".
type Date int32

const (
	minDate Date = 1
	maxDate Date = 3652059 // 9999-12-31

	secondsPerDay = 24 * 60 * 60
	yearOneUnix   = -62135596800 // 0001-01-01T00:00:00Z
)

// NewDate is the date of a year, month and day; days and months beyond the end carry over as in time.Date.
func NewDate(y int, m time.Month, d int) Date { return inRange(serial(y, m, d)) }

// DateOf is the local date of an instant; no date for the zero instant.
func DateOf(t time.Time, zone *time.Location) Date {
	if t.IsZero() {
		return 0
	}
	return NewDate(t.In(zone).Date())
}

// ParseDate reads exactly YYYY-MM-DD and accepts only days that exist.
func ParseDate(s string) (Date, error) {
	d, ok := parseDate(s)
	if !ok {
		return 0, Invalid("", "La fecha no existe o no tiene el formato AAAA-MM-DD.")
	}
	return d, nil
}

// parseDate takes the digits by hand: time.Parse would accept year 0 and is several times slower.
func parseDate(s string) (Date, bool) {
	if len(s) != len("YYYY-MM-DD") || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	y, okY := digits(s[:4])
	m, okM := digits(s[5:7])
	d, okD := digits(s[8:])
	if !okY || !okM || !okD || y == 0 {
		return 0, false
	}
	date := NewDate(y, time.Month(m), d)
	return date, date.String() == s // 30 February has carried over
}

func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// serial is the day number of a date, also of one out of range.
func serial(y int, m time.Month, d int) int64 {
	return (time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix()-yearOneUnix)/secondsPerDay + 1
}

func inRange(n int64) Date { return Date(min(max(n, int64(minDate)), int64(maxDate))) }

// IsZero says that there is no date.
func (d Date) IsZero() bool { return d == 0 }

// String is YYYY-MM-DD, "" for no date.
func (d Date) String() string {
	if d == 0 {
		return ""
	}
	return d.utc().Format(time.DateOnly)
}

// Spanish is DD/MM/YYYY, the way people in Peru write it; "" for no date.
func (d Date) Spanish() string {
	if d == 0 {
		return ""
	}
	return d.utc().Format("02/01/2006")
}

// YMD is the year, month and day; zeros for no date.
func (d Date) YMD() (year int, month time.Month, day int) {
	if d == 0 {
		return 0, 0, 0
	}
	return d.utc().Date()
}

// Weekday is the day of the week; meaningless for no date.
func (d Date) Weekday() time.Weekday { return time.Weekday(d % 7) } // day one was a Monday

// AddDays is the date n calendar days later, or earlier when n is negative.
func (d Date) AddDays(n int) Date {
	if d == 0 {
		return 0
	}
	n = min(max(n, -int(maxDate)), int(maxDate)) // so that the sum cannot overflow
	return inRange(int64(d) + int64(n))
}

// AddYears is the same day n years later; 29 February becomes 28 February in a common year.
func (d Date) AddYears(n int) Date {
	if d == 0 {
		return 0
	}
	n = min(max(n, -9999), 9999)
	y, m, day := d.YMD()
	if m == time.February && day == 29 {
		day = min(day, NewDate(y+n, time.March, 1).AddDays(-1).utc().Day())
	}
	return NewDate(y+n, m, day)
}

// In is the first instant of the date in a zone: local midnight, or the end of the gap where clocks skip midnight.
// It is the zero instant for no date.
func (d Date) In(zone *time.Location) time.Time {
	if d == 0 {
		return time.Time{}
	}
	y, m, day := d.YMD()
	t := time.Date(y, m, day, 0, 0, 0, 0, zone)
	if t.Day() != day { // time.Date took the offset of the other side of the change
		t = t.Add(24*time.Hour - sinceMidnight(t))
	}
	return t
}

// sinceMidnight is what a wall clock shows.
func sinceMidnight(t time.Time) time.Duration {
	h, m, s := t.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second +
		time.Duration(t.Nanosecond())
}

func (d Date) utc() time.Time { return time.Unix(yearOneUnix+int64(d-1)*secondsPerDay, 0).UTC() }

// MarshalGQL writes "YYYY-MM-DD", null for no date.
func (d Date) MarshalGQL(w io.Writer) {
	b, _ := d.MarshalJSON()
	w.Write(b)
}

// UnmarshalGQL reads "YYYY-MM-DD" or null.
func (d *Date) UnmarshalGQL(v any) (err error) {
	switch v := v.(type) {
	case nil:
		*d = 0
	case string:
		*d, err = ParseDate(v)
	default:
		err = fmt.Errorf("%T is not a date", v)
	}
	return err
}

// MarshalJSON writes "YYYY-MM-DD", null for no date.
func (d Date) MarshalJSON() ([]byte, error) {
	if d == 0 {
		return []byte("null"), nil
	}
	b := make([]byte, 0, len(`"2006-01-02"`))
	return append(d.utc().AppendFormat(append(b, '"'), time.DateOnly), '"'), nil
}

// UnmarshalJSON reads "YYYY-MM-DD" or null.
func (d *Date) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	return d.UnmarshalGQL(v)
}

// Value is what the database stores: the text YYYY-MM-DD, NULL for no date.
func (d Date) Value() (driver.Value, error) {
	if d == 0 {
		return nil, nil
	}
	return d.String(), nil
}

// Scan reads what drivers hand over for a date column: NULL, a time (taken as it reads in its own zone), or a text, which some
// drivers lengthen by a time of day.
func (d *Date) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*d = 0
	case time.Time:
		*d = NewDate(v.Date())
	case []byte:
		return d.scanText(string(v))
	case string:
		return d.scanText(v)
	default:
		return fmt.Errorf("scan date: unexpected %T", src)
	}
	return nil
}

func (d *Date) scanText(s string) error {
	text := s
	if len(text) > len(time.DateOnly) && (text[10] == 'T' || text[10] == ' ') {
		text = text[:10]
	}
	date, ok := parseDate(text)
	if !ok {
		return fmt.Errorf("scan date: %q is not one", s)
	}
	*d = date
	return nil
}
