package db

import (
	"strings"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// term is one word that a search looks for. Words with letters match the start of a word; numbers match whole, whatever zeros
// lead them, so that 123 finds EXP-2026-000123 and not 1234.
type term struct {
	word     string
	isPrefix bool
}

// maxTerms is how many words of a search count; more would only make it slower.
const maxTerms = 12

// searchTerms cuts a text into words without case, accents and punctuation.
func searchTerms(text string) []term {
	fold := transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.Mn)))
	folded, _, err := transform.String(fold, text)
	if err != nil {
		folded = text
	}
	words := strings.FieldsFunc(strings.ToLower(folded), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	terms := make([]term, len(words))
	for i, w := range words {
		terms[i] = newTerm(w)
	}
	return terms
}

func newTerm(word string) term {
	if strings.Trim(word, "0123456789") != "" {
		return term{word: truncate(word, 60), isPrefix: true}
	}
	if word = strings.TrimLeft(word, "0"); word == "" {
		word = "0"
	}
	return term{word: truncate(word, 60)}
}

func truncate(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// searchText is what is stored of a text to be found by searchTerms: its words, each once, one space between.
func searchText(text string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, t := range searchTerms(text) {
		if seen[t.word] {
			continue
		}
		seen[t.word] = true
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(t.word)
	}
	return b.String()
}
