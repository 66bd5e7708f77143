package sheet

import (
	"context"
	"fmt"
	"io"
	"slices"

	"codeberg.org/go-pdf/fpdf"
)

// Sizes are in millimetres, of letters in points.
const (
	margin     = 12.0
	headerAt   = 8.0  // base line of the line on top of each page
	bodyAt     = 14.0 // where the body begins
	footerSize = 7.0
	point      = 25.4 / 72

	portraitColumns = 7 // more of them need a page that lies

	// Stands for the number of pages until it is known. It is a character of private use, which face.clean lets nobody write, and its two
	// bytes can be no halves of others: text with accents is kept as UTF-16.
	pageCount = "\uE1E2"
)

// pdf writes pages. The rows are read first, since the first page says how many there are; their number is small.
func (j *job) pdf(w io.Writer) error {
	p, err := j.newPages()
	if err != nil {
		return err
	}
	var rows [][]string
	if j.List != nil {
		if err := j.eachOfList(func(row []any) error {
			rows = append(rows, p.spell(j.List.Columns, row))
			return nil
		}); err != nil {
			return err
		}
	}
	p.doc.AddPage()
	p.head()
	if err := p.indicators(); err != nil {
		return err
	}
	for i := range j.Tables {
		if err := p.table(&j.Tables[i]); err != nil {
			return err
		}
	}
	if j.List != nil {
		if err := p.grid(j.List.Title, j.List.Columns, rows); err != nil {
			return err
		}
	}
	return p.doc.Output(w)
}

// pages is the document while it is written, from the top down.
type pages struct {
	*job
	doc           *fpdf.Fpdf
	face          *face
	width, bottom float64 // of the body
	y             float64 // where the next thing goes
}

func (j *job) newPages() (*pages, error) {
	face, err := newFace()
	if err != nil {
		return nil, err
	}
	p := &pages{job: j, face: face, doc: fpdf.New(j.orientation(), "mm", "A4", "")}
	width, height := p.doc.GetPageSize()
	p.width, p.bottom = width-2*margin, height-margin-4
	face.register(p.doc)
	p.doc.AliasNbPages(pageCount)
	p.doc.SetAutoPageBreak(false, 0)
	p.doc.SetCellMargin(0)
	p.doc.SetCatalogSort(true) // with the dates below: the same report is the same file
	p.doc.SetCreationDate(j.AsOf.UTC())
	p.doc.SetModificationDate(j.AsOf.UTC())
	p.doc.SetTitle(p.face.line(j.Title), true)
	p.doc.SetAuthor(p.face.line(j.Institution), true)
	p.doc.SetLang("es-PE")
	p.doc.SetHeaderFunc(p.header)
	p.doc.SetFooterFunc(p.footer)
	return p, p.doc.Error()
}

func (j *job) orientation() string {
	if j.List != nil && len(j.List.Columns) > portraitColumns ||
		slices.ContainsFunc(j.Tables, func(t Table) bool { return len(t.Columns) > portraitColumns }) {
		return "L"
	}
	return "P"
}

// header is on top of each page.
func (p *pages) header() {
	p.letters("", footerSize, grey)
	p.doc.Text(margin, headerAt, p.fit(p.Institution, p.width/2-2))
	p.right(margin+p.width, headerAt, p.fit(p.Title, p.width/2-2))
	p.rule(headerAt + 2)
	p.y = bodyAt
}

// footer is at the end of each page.
func (p *pages) footer() {
	p.letters("", footerSize, grey)
	y := p.bottom + 8
	p.rule(p.bottom + 4)
	p.doc.Text(margin, y, fmt.Sprintf("Página %d de %s", p.doc.PageNo(), pageCount))
	p.right(margin+p.width, y, "Datos al "+p.AsOf.In(p.zone).Format(spanishInstant))
}

// head says on the first page what the report is.
func (p *pages) head() {
	p.paragraph(p.Title, "B", 15, ink)
	p.paragraph(p.Institution, "", 10, ink)
	p.y += 2
	for _, l := range p.job.head() {
		p.paragraph(l.label+": "+l.text, "", 8.5, grey)
	}
	p.y += 4
}

// indicators stand in boxes, four side by side.
func (p *pages) indicators() error {
	const across, height, gap = 4, 14.0, 3.0
	width := (p.width - (across-1)*gap) / across
	for i, in := range p.Indicators {
		value, err := p.plain(in.Value, in.Kind)
		if err != nil {
			return err
		}
		if i%across == 0 {
			p.need(height)
		}
		x := margin + float64(i%across)*(width+gap)
		p.fill(pale)
		p.doc.Rect(x, p.y, width, height, "F")
		p.letters("", 7.5, grey)
		p.doc.Text(x+2, p.y+4.5, p.fit(in.Label, width-4))
		p.letters("B", 13, ink)
		p.doc.Text(x+2, p.y+11, p.fit(spoken(value, in.Kind), width-4))
		if i%across == across-1 || i == len(p.Indicators)-1 {
			p.y += height + gap
		}
	}
	p.y += 2
	return nil
}

// table writes a table with its chart.
func (p *pages) table(t *Table) error {
	var rows [][]string
	err := p.eachOfTable(t, func(row []any) error {
		rows = append(rows, p.spell(t.Columns, row))
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.grid(t.Title, t.Columns, rows); err != nil {
		return err
	}
	return p.chart(t)
}

// need begins a new page when less than height is left of this one.
func (p *pages) need(height float64) (turned bool) {
	if p.y+height <= p.bottom {
		return false
	}
	p.doc.AddPage()
	return true
}

// stopped is the cause when nobody waits for the document any more.
func (p *pages) stopped() error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	return p.doc.Error()
}

// paragraph writes text as wide as the page.
func (p *pages) paragraph(text, style string, size float64, c colour) {
	p.letters(style, size, c)
	for _, line := range p.wrap(p.face.line(text), p.width, 12) {
		p.need(size * point * 1.3)
		p.letters(style, size, c) // a new page has used others
		p.doc.Text(margin, p.y+size*point, line)
		p.y += size * point * 1.3
	}
}

// right writes text that ends at x.
func (p *pages) right(x, y float64, text string) {
	p.doc.Text(x-p.doc.GetStringWidth(text), y, text)
}

// fit is text cut to one line of a width.
func (p *pages) fit(text string, width float64) string {
	if lines := p.wrap(p.face.line(text), width, 1); len(lines) > 0 {
		return lines[0]
	}
	return ""
}

// wrap breaks clean text into at most n lines, the last of which ends in an ellipsis when there is more.
func (p *pages) wrap(text string, width float64, n int) []string {
	if text == "" {
		return nil
	}
	lines := p.doc.SplitText(text, width)
	if len(lines) <= n {
		return lines
	}
	last := []rune(lines[n-1])
	for len(last) > 0 && p.doc.GetStringWidth(string(last)+"…") > width {
		last = last[:len(last)-1]
	}
	return append(lines[:n-1], string(last)+"…")
}

// colour is red, green, blue.
type colour [3]int

var (
	ink    = colour{33, 37, 41}
	grey   = colour{89, 89, 89}
	light  = colour{200, 205, 210}
	pale   = colour{238, 242, 247}
	white  = colour{255, 255, 255}
	deep   = colour{31, 78, 121}
	series = []colour{deep, {237, 125, 49}, {112, 173, 71}, {127, 96, 160}, {255, 192, 0}, {90, 155, 213}}
)

func (p *pages) letters(style string, size float64, c colour) {
	p.doc.SetFont(family, style, size)
	p.doc.SetTextColor(c[0], c[1], c[2])
}

func (p *pages) fill(c colour) { p.doc.SetFillColor(c[0], c[1], c[2]) }

func (p *pages) draw(c colour, width float64) {
	p.doc.SetDrawColor(c[0], c[1], c[2])
	p.doc.SetLineWidth(width)
}

func (p *pages) rule(y float64) {
	p.draw(light, 0.15)
	p.doc.Line(margin, y, margin+p.width, y)
}
