package sheet

import (
	"math"
	"slices"
)

const (
	chartHeight = 62.0
	huge        = 1e15 // what is beyond is drawn as this
	maxBars     = 25   // of lying ones, in XLSX too; columns and lines take what fits, however thin
)

// chart draws a table below its numbers.
func (p *pages) chart(t *Table) error {
	values := t.drawn()
	if values == nil {
		return nil
	}
	d := &drawing{pages: p, table: t, lines: t.Chart == Lines}
	if err := d.read(values); err != nil {
		return err
	}
	lying := t.Chart == Bars || t.Chart == Pie
	if lying {
		d.first(maxBars)
	}
	d.scale()
	d.height = chartHeight
	if lying {
		d.height = float64(len(d.categories)) * d.lane()
	}
	p.need(d.height + 14)
	d.legend(values)
	if lying {
		d.bars()
	} else {
		d.columns()
	}
	p.y += 6
	return p.stopped()
}

// drawing is a chart while it is drawn. A figure that is missing is NaN.
type drawing struct {
	*pages
	table      *Table
	lines      bool
	categories []string
	figures    [][]float64 // by series
	kinds      []Kind
	low, high  float64 // of the axis; zero lies between
	step       float64 // from one mark to the next
	height     float64
}

func (d *drawing) read(values []int) error {
	d.figures = make([][]float64, len(values))
	for _, column := range values {
		d.kinds = append(d.kinds, d.table.Columns[column].Kind)
	}
	return d.eachOfTable(d.table, func(row []any) error {
		d.categories = append(d.categories, d.face.line(spoken(row[0], d.table.Columns[0].Kind)))
		for i, column := range values {
			x, ok := number(row[column])
			if !ok {
				x = math.NaN()
			}
			d.figures[i] = append(d.figures[i], max(-huge, min(x, huge)))
		}
		return nil
	})
}

func (d *drawing) first(n int) {
	n = min(n, len(d.categories))
	d.categories = d.categories[:n]
	for i := range d.figures {
		d.figures[i] = d.figures[i][:n]
	}
}

// scale finds the ends of the axis: whole steps of 1, 2 or 5 around all figures and zero.
func (d *drawing) scale() {
	for _, x := range slices.Concat(d.figures...) {
		if !math.IsNaN(x) {
			d.low, d.high = min(d.low, x), max(d.high, x)
		}
	}
	if d.high-d.low < 1e-9 {
		d.high = 1
	}
	rough := d.high/4 - d.low/4
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	d.step = 10 * power
	for _, n := range []float64{1, 2, 5} {
		if n*power >= rough {
			d.step = n * power
			break
		}
	}
	d.low, d.high = d.step*math.Floor(d.low/d.step), d.step*math.Ceil(d.high/d.step)
}

// share is where a figure lies on the axis, from 0 to 1.
func (d *drawing) share(x float64) float64 { return (x - d.low) / (d.high - d.low) }

func (d *drawing) legend(values []int) {
	if len(values) == 1 {
		return
	}
	x := margin
	for i, column := range values {
		title := d.face.line(d.table.Columns[column].Title)
		d.letters("", 7, grey)
		width := d.doc.GetStringWidth(title) + 9
		if x+width > margin+d.width {
			x, d.y = margin, d.y+4
		}
		d.fill(series[i%len(series)])
		d.doc.Rect(x, d.y, 2.5, 2.5, "F")
		d.doc.Text(x+3.5, d.y+2.3, title)
		x += width
	}
	d.y += 6
}

// lane is the height of a category whose bars lie.
func (d *drawing) lane() float64 { return 4*float64(len(d.figures)) + 1.5 }

// bars lie, one below the other, with the category before and the figure behind.
func (d *drawing) bars() {
	label, room := d.width*0.28, 16.0
	left, length := margin+label, d.width-label-room
	for c, category := range d.categories {
		d.letters("", 7, ink)
		d.doc.Text(margin, d.y+d.lane()/2+0.6, d.fit(category, label-2))
		for i, figures := range d.figures {
			if !math.IsNaN(figures[c]) {
				d.bar(i, figures[c], left, length, d.y+4*float64(i))
			}
		}
		d.y += d.lane()
	}
	d.draw(grey, 0.2)
	zero := left + length*d.share(0)
	d.doc.Line(zero, d.y-d.height, zero, d.y)
}

func (d *drawing) bar(i int, x, left, length, y float64) {
	from, to := left+length*d.share(min(x, 0)), left+length*d.share(max(x, 0))
	d.fill(series[i%len(series)])
	d.doc.Rect(from, y, to-from, 3.6, "F")
	d.doc.Text(to+1, y+2.7, spoken(x, d.kinds[i]))
}

// columns stand side by side, or are the points of lines, above the categories.
func (d *drawing) columns() {
	const label = 18.0
	left, width := margin+label, d.width-label
	d.axis(left, width)
	lane := width / float64(len(d.categories))
	for i, figures := range d.figures {
		if d.lines {
			d.curve(i, figures, left, lane)
		} else {
			d.stand(i, figures, left, lane)
		}
	}
	d.names(left, lane)
	d.y += d.height + 5
}

// level is the height of a figure on the page.
func (d *drawing) level(x float64) float64 { return d.y + d.height*(1-d.share(x)) }

func (d *drawing) axis(left, width float64) {
	d.letters("", 6.5, grey)
	for n := range int(math.Round((d.high-d.low)/d.step)) + 1 {
		x := d.low + float64(n)*d.step
		d.draw(light, 0.1)
		if math.Abs(x) < d.step/2 {
			d.draw(grey, 0.2)
		}
		d.doc.Line(left, d.level(x), left+width, d.level(x))
		d.right(left-1.5, d.level(x)+0.8, d.mark(x))
	}
}

// mark writes a figure of the axis with no more decimals than the step has.
func (d *drawing) mark(x float64) string {
	decimals := max(0, int(-math.Floor(math.Log10(d.step)+1e-9)))
	return grouped(x, decimals)
}

func (d *drawing) stand(i int, figures []float64, left, lane float64) {
	width := lane * 0.8 / float64(len(d.figures))
	d.fill(series[i%len(series)])
	for c, x := range figures {
		if !math.IsNaN(x) {
			top, foot := d.level(max(x, 0)), d.level(min(x, 0))
			d.doc.Rect(left+lane*(float64(c)+0.1)+width*float64(i), top, width, foot-top, "F")
		}
	}
}

func (d *drawing) curve(i int, figures []float64, left, lane float64) {
	d.draw(series[i%len(series)], 0.5)
	d.fill(series[i%len(series)])
	last := math.NaN()
	for c, x := range figures {
		at := left + lane*(float64(c)+0.5)
		if !math.IsNaN(x) {
			d.doc.Rect(at-0.5, d.level(x)-0.5, 1, 1, "F")
			if !math.IsNaN(last) {
				d.doc.Line(at-lane, d.level(last), at, d.level(x))
			}
		}
		last = x
	}
}

// names writes the categories below, each so many that they do not touch.
func (d *drawing) names(left, lane float64) {
	d.letters("", 6.5, grey)
	every := max(1, int(math.Ceil(16/lane)))
	for c := 0; c < len(d.categories); c += every {
		name := d.fit(d.categories[c], lane*float64(every)-1)
		d.doc.Text(left+lane*(float64(c)+0.5)-d.doc.GetStringWidth(name)/2, d.y+d.height+3.5, name)
	}
}
