package db

import (
	"strings"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"github.com/mesapartes/mesa/mesa"
)

// term is one word that a search looks for. Words with letters match the start of a word; numbers match whole, whatever zeros
// lead them, so that 123 finds EXP-2026-000123 and not 1234.
type term struct {
	word     string
	isPrefix bool
}

// maxTerms is how many words a search may have.
const maxTerms = 12

// CheckSearch is ValidationFailed for a text with more words than a search may have; a repeated one counts once.
func CheckSearch(text string) error { return checkTerms(searchTerms(text)) }

func checkTerms(terms []term) error {
	if len(terms) > maxTerms {
		return mesa.Invalid("filter.text", "Se buscan %d palabras distintas como máximo.", maxTerms).With("limit", maxTerms)
	}
	return nil
}

// searchTerms cuts a text into words without case, accents and punctuation, each once.
func searchTerms(text string) []term {
	fold := transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.Mn)))
	folded, _, err := transform.String(fold, text)
	if err != nil {
		folded = text
	}
	words := strings.FieldsFunc(strings.ToLower(folded), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	terms, seen := make([]term, 0, len(words)), make(map[string]bool, len(words))
	for _, w := range words {
		if t := newTerm(w); !seen[t.word] {
			seen[t.word] = true
			terms = append(terms, t)
		}
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
	for i, t := range searchTerms(text) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(t.word)
	}
	return b.String()
}
