package mesa

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// DefaultPattern is the pattern of file numbers unless a registry says otherwise.
const DefaultPattern = "{code}-{year}-{seq:6}"

const maxPattern = 60

// numberToken is one token of a pattern; seq carries its least width, 1 to 12.
var numberToken = regexp.MustCompile(`\{(code|year|area|seq:([1-9]|1[0-2]))\}`)

// CheckPattern says whether a registry can number documents by a pattern of the tokens {code}, {year}, {seq:N} and {area}, and
// of letters, digits, spaces and -/._ between them. There must be exactly one {seq:N}, a {year} when the series starts anew each
// year, and a separator between {seq:N} and {area}: else area A1 with 1 and area A with 11 would make the same number.
func CheckPattern(pattern string, yearly bool) error {
	literal := numberToken.ReplaceAllLiteralString(pattern, "")
	switch {
	case len(pattern) > maxPattern || strings.ContainsFunc(literal, notInNumbers):
		return Invalid("pattern", "El patrón admite {code}, {year}, {seq:N}, {area}, letras, dígitos, espacios y -/._ hasta %d caracteres.", maxPattern)
	case strings.Count(pattern, "{seq:") != 1:
		return Invalid("pattern", "El patrón debe contener {seq:N} una sola vez.")
	case yearly && !strings.Contains(pattern, "{year}"):
		return Invalid("pattern", "El patrón de una numeración anual debe contener {year}.")
	case seqTouchesArea.MatchString(pattern):
		return Invalid("pattern", "El patrón debe separar {area} de {seq:N} con un espacio o uno de los signos -/._")
	}
	return nil
}

// seqTouchesArea finds {area} and {seq:N}, in either order, with nothing between them that ends a word.
var seqTouchesArea = regexp.MustCompile(`\{area\}[^-/._ ]*\{seq|\{seq:\d+\}[^-/._ ]*\{area`)

func notInNumbers(r rune) bool {
	isWord := r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
	return !isWord && !strings.ContainsRune("-/._ ", r)
}

// FormatNumber fills in a pattern that CheckPattern accepts. N is the least width: after 999999 comes 1000000.
func FormatNumber(pattern, code string, year int, seq int64, area string) string {
	return numberToken.ReplaceAllStringFunc(pattern, func(token string) string {
		switch token {
		case "{code}":
			return code
		case "{area}":
			return area
		case "{year}":
			return fmt.Sprintf("%04d", year)
		}
		width, _ := strconv.Atoi(token[len("{seq:") : len(token)-1])
		return fmt.Sprintf("%0*d", width, seq)
	})
}
