package sheet

import (
	"strings"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/text/unicode/norm"
)

const (
	family  = "go"
	unknown = '□'
)

// face is the font of the pages: Go, which is free, has the letters of Europe, and comes as data. It has no emoji and no Chinese, and
// fpdf breaks on characters that no font of 16 bits has, so all text passes through clean.
type face struct {
	font *sfnt.Font
	buf  sfnt.Buffer
	has  map[rune]bool // asked before
}

func newFace() (*face, error) {
	font, err := sfnt.Parse(goregular.TTF)
	return &face{font: font, has: map[rune]bool{}}, err
}

func (f *face) register(doc *fpdf.Fpdf) {
	doc.AddUTF8FontFromBytes(family, "", goregular.TTF)
	doc.AddUTF8FontFromBytes(family, "B", gobold.TTF)
}

// clean is text that the font can show: letters and their accents put together, a box for what it lacks, nothing for what has no shape.
// Ends of lines stay.
func (f *face) clean(s string) string {
	return strings.Map(f.shown, norm.NFC.String(s))
}

// line is clean text in one line.
func (f *face) line(s string) string { return strings.Join(strings.Fields(f.clean(s)), " ") }

func (f *face) shown(r rune) rune {
	switch {
	case r == '\n':
		return r
	case unicode.IsSpace(r):
		return ' '
	case unicode.In(r, unicode.Cc, unicode.Cf):
		return -1
	case f.knows(r):
		return r
	case unicode.Is(unicode.M, r): // an accent that found no letter, the variant of an emoji
		return -1
	}
	return unknown
}

func (f *face) knows(r rune) bool {
	known, asked := f.has[r]
	if !asked {
		glyph, err := f.font.GlyphIndex(&f.buf, r)
		known = err == nil && glyph != 0 && r <= 0xFFFF && !unicode.Is(unicode.Co, r)
		f.has[r] = known
	}
	return known
}
