package sheet

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mesapartes/mesa/mesa"
)

const (
	spanishInstant = "02/01/2006 15:04"
	maxCellText    = 32_767 // UTF-16 units that Excel takes
	rowsLabel      = "Filas"
)

// neutral keeps a spreadsheet from taking text for a formula: an apostrophe goes before text that begins, after blanks and whatever
// cannot be seen, with a sign that starts one. A person may have written that text anywhere, for instance in the subject of a document.
func neutral(s string) string {
	for _, r := range s {
		switch r {
		case '=', '+', '-', '@', '\t', '\r', '\n', 0, '＝', '＋', '－', '＠':
			return "'" + s
		}
		if !unicode.IsSpace(r) && !unicode.In(r, unicode.Cc, unicode.Cf) { // Cf has the byte order mark
			break
		}
	}
	return s
}

// cellText is text as a cell of a workbook takes it: without what XML forbids, neutral, and not too long.
func cellText(s string) string { return cut(neutral(strings.Map(inXML, s)), maxCellText) }

// inXML drops characters that XML 1.0 has no way to write.
func inXML(r rune) rune {
	if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
		return -1
	}
	return r
}

// cut shortens text to n UTF-16 units, the last of which is then an ellipsis.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	units, end := 0, 0 // end is where the text stops if it must
	for i, r := range s {
		if units <= n-1 {
			end = i
		}
		if units += utf16Len(r); units > n {
			return s[:end] + "…"
		}
	}
	return s
}

func utf16Len(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// appendPlain writes a value for a program that reads text: all digits, a decimal point, dates as in Peru.
func appendPlain(b []byte, v any) []byte {
	switch x := v.(type) {
	case string:
		return append(b, x...)
	case int:
		return strconv.AppendInt(b, int64(x), 10)
	case int64:
		return strconv.AppendInt(b, x, 10)
	case float64:
		return strconv.AppendFloat(b, x, 'f', -1, 64)
	case mesa.Date:
		return append(b, x.Spanish()...)
	case time.Time:
		return x.AppendFormat(b, spanishInstant)
	}
	return b
}

// spoken writes a value for people: numbers as their kind says, with a comma between thousands.
func spoken(v any, kind Kind) string {
	x, ok := number(v)
	if !ok || kind == Text {
		return string(appendPlain(nil, v))
	}
	switch kind {
	case Decimal:
		return grouped(x, 2)
	case Percent:
		return grouped(x, 1) + " %"
	}
	if x == math.Trunc(x) {
		return grouped(x, 0)
	}
	return grouped(x, 2)
}

// grouped writes a number with a fixed count of decimals and commas between thousands. Halves are rounded away from zero, as Excel does.
func grouped(x float64, decimals int) string {
	power := math.Pow10(decimals)
	if rounded := math.Round(x*power) / power; !math.IsInf(rounded, 0) {
		x = rounded
	}
	s := strconv.FormatFloat(math.Abs(x), 'f', decimals, 64)
	whole, _, _ := strings.Cut(s, ".")
	var b strings.Builder
	if x < 0 && strings.Trim(s, "0.") != "" {
		b.WriteByte('-')
	}
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	return b.String() + s[len(whole):]
}

// line is one key of the head of a report with what stands beside it.
type line struct{ label, text string }

// head is what every report says of itself. The rows must have been counted.
func (j *job) head() (lines []line) {
	for _, f := range j.Filters {
		lines = append(lines, line{"Filtro", f})
	}
	lines = append(lines, line{"Datos al", j.AsOf.In(j.zone).Format(spanishInstant)})
	if j.By != "" {
		lines = append(lines, line{"Generado por", j.By})
	}
	return append(lines, line{rowsLabel, grouped(float64(j.rows), 0)})
}

// validText is text in UTF-8, also when it was not.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, string(utf8.RuneError))
}
