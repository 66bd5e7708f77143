package mesa

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// TrackingCode lets anyone who holds it follow a document: twelve random symbols and a check symbol, stored without hyphens and
// shown as XXXX-XXXX-XXXX-X. "" means none and reads as null.
type TrackingCode string

// crockford is the base-32 alphabet without the letters that people misread.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const trackingSymbols = 12 // 60 random bits

// NewTrackingCode draws a code; nil entropy means crypto/rand. It fails only when entropy does.
func NewTrackingCode(entropy io.Reader) (TrackingCode, error) {
	if entropy == nil {
		entropy = rand.Reader
	}
	symbols := make([]byte, trackingSymbols, trackingSymbols+1)
	if _, err := io.ReadFull(entropy, symbols); err != nil {
		return "", fmt.Errorf("draw tracking code: %w", err)
	}
	for i, b := range symbols {
		symbols[i] = crockford[b%32] // 256 is a multiple of 32, so no symbol is favoured
	}
	return TrackingCode(append(symbols, checkSymbol(string(symbols)))), nil
}

// ParseTrackingCode reads a code as people type it: either case, hyphens and spaces anywhere, O for 0, I or L for 1. Any single
// wrong symbol is noticed. The error does not repeat the input.
func ParseTrackingCode(s string) (TrackingCode, error) {
	code := strings.Map(canonicalSymbol, s)
	if len(code) != trackingSymbols+1 || strings.Trim(code, crockford) != "" ||
		checkSymbol(code[:trackingSymbols]) != code[trackingSymbols] {
		return "", Invalid("trackingCode", "El código de seguimiento no es válido.")
	}
	return TrackingCode(code), nil
}

// canonicalSymbol drops what only separates and undoes what people misread.
func canonicalSymbol(r rune) rune {
	switch {
	case r == '-' || unicode.IsSpace(r):
		return -1
	case r >= 'a' && r <= 'z':
		r -= 'a' - 'A'
	}
	switch r {
	case 'O':
		return '0'
	case 'I', 'L':
		return '1'
	}
	return r
}

// checkSymbol is Luhn's algorithm modulo 32. Doubling is a permutation of the symbols, which is why every single error shows.
func checkSymbol(symbols string) byte {
	sum := 0
	for i := range len(symbols) {
		v := strings.IndexByte(crockford, symbols[len(symbols)-1-i])
		if i%2 == 0 {
			v = v*2/32 + v*2%32
		}
		sum += v
	}
	return crockford[(32-sum%32)%32]
}

// String is XXXX-XXXX-XXXX-X, "" for none.
func (c TrackingCode) String() string {
	if len(c) != trackingSymbols+1 {
		return string(c)
	}
	return string(c[:4] + "-" + c[4:8] + "-" + c[8:12] + "-" + c[12:])
}

// MarshalGQL writes the code with hyphens, null for none.
func (c TrackingCode) MarshalGQL(w io.Writer) {
	if c == "" {
		io.WriteString(w, "null")
		return
	}
	writeString(w, c.String())
}

// UnmarshalGQL reads a code as ParseTrackingCode does, or null.
func (c *TrackingCode) UnmarshalGQL(v any) (err error) {
	switch v := v.(type) {
	case nil:
		*c = ""
	case string:
		*c, err = ParseTrackingCode(v)
	default:
		err = fmt.Errorf("%T is not a tracking code", v)
	}
	return err
}
