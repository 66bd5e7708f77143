package db

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/mesapartes/mesa/mesa"
)

// shapes lends buffers.
var shapes = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// shape appends a statement without what differs between executions: bun writes arguments into the text, and neither logs nor figures
// may hold them. Strings and numbers become ?, lists of them one ?, rows of them one row, and blanks one blank.
func shape(to []byte, query string) []byte {
	for i := 0; i < len(query); {
		switch c := query[i]; {
		case c == '\'':
			i = afterString(query, i)
			to = placeholder(to)
		case c == '"':
			end := afterQuoted(query, i)
			to = append(to, query[i:end]...)
			i = end
		case isDigit(c):
			for i < len(query) && (isWord(query[i]) || query[i] == '.') {
				i++
			}
			to = placeholder(to)
		case isWord(c):
			start := i
			for i < len(query) && isWord(query[i]) {
				i++
			}
			to = appendWord(to, query[start:i])
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			if len(to) > 0 && to[len(to)-1] != ' ' {
				to = append(to, ' ')
			}
			i++
		case c == ')':
			to = append(to, c)
			if bytes.HasSuffix(to, []byte("(?), (?)")) {
				to = to[:len(to)-len(", (?)")]
			}
			i++
		default:
			to = append(to, c)
			i++
		}
	}
	return to
}

// placeholder appends a ?, unless it would be the next of a list.
func placeholder(to []byte) []byte {
	if list := bytes.TrimRight(to, " "); bytes.HasSuffix(list, []byte("?,")) {
		return list[:len(list)-1]
	}
	return append(to, '?')
}

// appendWord appends a keyword or name. In lists NULL, TRUE and FALSE are values like others.
func appendWord(to []byte, word string) []byte {
	before := bytes.TrimRight(to, " ")
	if isValue(word) && (bytes.HasSuffix(before, []byte("(")) || bytes.HasSuffix(before, []byte("?,"))) {
		return placeholder(to)
	}
	return append(to, word...)
}

func isValue(word string) bool {
	for _, value := range []string{"NULL", "TRUE", "FALSE", "DEFAULT"} {
		if strings.EqualFold(word, value) {
			return true
		}
	}
	return false
}

// afterString is where the string that begins at i ends; a text without an end is one string.
func afterString(query string, i int) int {
	for i++; i < len(query); i++ {
		if query[i] != '\'' {
			continue
		}
		if i+1 < len(query) && query[i+1] == '\'' {
			i++
			continue
		}
		return i + 1
	}
	return len(query)
}

func afterQuoted(query string, i int) int {
	if end := strings.IndexByte(query[i+1:], '"'); end >= 0 {
		return i + end + 2
	}
	return len(query)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

// text is as much of a statement or of its shape as is kept or shown.
func text[T string | []byte](statement T) string {
	return strings.ToValidUTF8(string(statement[:min(len(statement), mesa.MaxStatement)]), "")
}

// withoutLiterals is the shape of a statement or of a part of one, to be kept or shown.
func withoutLiterals(statement string) string { return text(shape(nil, statement)) }
