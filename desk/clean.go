package desk

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/mesapartes/mesa/mesa"
)

// line cleans a one-line text: Unicode NFC, no control characters, inner white space as it is, ends trimmed.
func line(s string) string {
	return clean(s, func(r rune) bool { return unicode.IsControl(r) })
}

// lines cleans a text of several lines: line breaks and tabs stay.
func lines(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return clean(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
}

func clean(s string, drop func(rune) bool) string {
	s = strings.Map(func(r rune) rune {
		if drop(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(norm.NFC.String(s))
}

func optionalLine(s *string) mesa.Text {
	if s == nil {
		return ""
	}
	return mesa.Text(line(*s))
}

func optionalLines(s *string) mesa.Text {
	if s == nil {
		return ""
	}
	return mesa.Text(lines(*s))
}

// cleanTargets cleans the texts of targets into a copy.
func cleanTargets(targets []mesa.DerivationTargetInput) []mesa.DerivationTargetInput {
	out := make([]mesa.DerivationTargetInput, len(targets))
	for i, t := range targets {
		t.Instructions = lines(t.Instructions)
		out[i] = t
	}
	return out
}
