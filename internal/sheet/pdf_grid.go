package sheet

import "strings"

const (
	gridLines   = 4   // of a cell; more end in an ellipsis
	gridText    = 400 // units of text that a cell keeps
	gridPadding = 0.8
	letterWidth = 0.52 // of the height, on average
	minLetters  = 5.5
	maxLetters  = 8.5
)

// grid is a table on paper.
type grid struct {
	columns []Column
	widths  []float64
	size    float64 // of letters
}

func (g grid) width() (sum float64) {
	for _, w := range g.widths {
		sum += w
	}
	return sum
}

func (g grid) lineHeight() float64 { return g.size * point * 1.2 }

// layout shares the width of the page as the columns ask for it; few columns do not fill it. The letters follow, and no word is broken
// that its column could hold at the cost of others.
func (p *pages) layout(columns []Column, head []string, rows [][]string) grid {
	g := grid{columns: columns}
	characters := 0.0
	for _, c := range columns {
		characters += c.width()
	}
	character := min(p.width/characters, maxLetters*point*letterWidth*1.1)
	for _, c := range columns {
		g.widths = append(g.widths, c.width()*character)
	}
	g.size = min(max(character/point/letterWidth, minLetters), maxLetters)
	g.widen(p.longest(g, head, rows))
	return g
}

// longest measures the longest word of each column, a very long one in part.
func (p *pages) longest(g grid, head []string, rows [][]string) []float64 {
	words := make([]float64, len(g.columns))
	measure := func(row []string) {
		for i, text := range row {
			for word := range strings.FieldsSeq(text) {
				words[i] = max(words[i], min(p.doc.GetStringWidth(word)+2*gridPadding+0.2, p.width/8))
			}
		}
	}
	p.letters("", g.size, ink)
	for _, row := range rows {
		measure(row)
	}
	p.letters("B", g.size, white)
	measure(head)
	return words
}

// widen gives each column what its longest word needs, and shares the rest among the others in proportion.
func (g grid) widen(words []float64) {
	given, total := make([]bool, len(words)), g.width()
	for again := true; again; {
		again = false
		taken, asked := 0.0, 0.0
		for i, w := range g.widths {
			if given[i] {
				taken += w
			} else {
				asked += w
			}
		}
		for i := range words {
			if given[i] {
				continue
			}
			g.widths[i] *= max(total-taken, 0) / asked
			if g.widths[i] < words[i] {
				g.widths[i], given[i], again = words[i], true, true
			}
		}
	}
	if wide := g.width(); wide > total { // the words alone are too wide: all give in
		for i := range g.widths {
			g.widths[i] *= total / wide
		}
	}
}

// spell is a row as it is read.
func (p *pages) spell(columns []Column, row []any) []string {
	cells := make([]string, len(row))
	for i, v := range row {
		cells[i] = p.face.clean(cut(spoken(v, columns[i].Kind), gridText))
	}
	return cells
}

// grid writes a table; its header stands on each of its pages.
func (p *pages) grid(title string, columns []Column, rows [][]string) error {
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = p.face.line(c.Title)
	}
	g := p.layout(columns, head, rows)
	p.need(10 + 6*g.lineHeight())
	if title != "" {
		p.paragraph(title, "B", 10, deep)
		p.y++
	}
	p.gridHead(g, head)
	for i, row := range rows {
		if i%100 == 0 && p.stopped() != nil {
			return p.stopped()
		}
		p.gridRow(g, head, row)
	}
	if len(rows) == 0 {
		p.paragraph("Sin filas.", "", g.size, grey)
	}
	p.y += 4
	return p.stopped()
}

func (p *pages) gridHead(g grid, titles []string) {
	p.letters("B", g.size, white)
	cells, height := p.wrapRow(g, titles)
	p.fill(deep)
	p.doc.Rect(margin, p.y, g.width(), height, "F")
	p.printRow(g, cells, height)
}

func (p *pages) gridRow(g grid, head, row []string) {
	p.letters("", g.size, ink)
	cells, height := p.wrapRow(g, row)
	if p.need(height) {
		p.gridHead(g, head)
		p.letters("", g.size, ink)
	}
	p.printRow(g, cells, height)
	p.draw(light, 0.1)
	p.doc.Line(margin, p.y, margin+g.width(), p.y)
}

// wrapRow breaks the texts of a row into lines; the row is as high as its tallest cell.
func (p *pages) wrapRow(g grid, row []string) (cells [][]string, height float64) {
	tallest := 1
	for i, text := range row {
		cells = append(cells, p.wrap(text, g.widths[i]-2*gridPadding, gridLines))
		tallest = max(tallest, len(cells[i]))
	}
	return cells, float64(tallest)*g.lineHeight() + 2*gridPadding
}

func (p *pages) printRow(g grid, cells [][]string, height float64) {
	x := margin
	for i, lines := range cells {
		for n, line := range lines {
			y := p.y + gridPadding + g.size*point*0.95 + float64(n)*g.lineHeight()
			if g.columns[i].Kind.isNumber() {
				p.right(x+g.widths[i]-gridPadding, y, line)
			} else {
				p.doc.Text(x+gridPadding, y, line)
			}
		}
		x += g.widths[i]
	}
	p.y += height
}
