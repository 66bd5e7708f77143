package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/mesapartes/mesa/mesa"
)

const (
	summarySheet = "Resumen"
	listSheet    = "Documentos"
)

// xlsx writes a workbook. The list comes first, since the summary tells how many rows it had; the summary is the first sheet all the same.
func (j *job) xlsx(w io.Writer) (err error) {
	// The stream writer would keep everything in memory if it could not make its file, so it gets a folder of which that is known.
	dir, err := os.MkdirTemp("", "sheet-")
	if err != nil {
		return fmt.Errorf("folder for temporary files: %w", err)
	}
	defer os.RemoveAll(dir)
	file := excelize.NewFile(excelize.Options{TmpDir: dir})
	defer file.Close()
	b := &workbook{job: j, file: file}
	b.properties()
	if err := errors.Join(b.makeStyles(), file.SetSheetName("Sheet1", summarySheet)); err != nil {
		return err
	}
	if j.List != nil {
		if err := b.list(); err != nil {
			return err
		}
	}
	if err := b.summary(); err != nil {
		return err
	}
	return b.pack(w)
}

type workbook struct {
	*job
	file   *excelize.File
	styles styles
}

type styles struct{ title, section, label, header, integer, decimal, percent, date, instant int }

func (b *workbook) makeStyles() (err error) {
	add := func(id *int, s excelize.Style) {
		if err == nil {
			*id, err = b.file.NewStyle(&s)
		}
	}
	number := func(id *int, format string) { add(id, excelize.Style{CustomNumFmt: &format}) }
	s := &b.styles
	add(&s.title, excelize.Style{Font: &excelize.Font{Bold: true, Size: 14}})
	add(&s.section, excelize.Style{Font: &excelize.Font{Bold: true, Size: 12, Color: "1F4E79"}})
	add(&s.label, excelize.Style{Font: &excelize.Font{Color: "595959"}})
	add(&s.header, excelize.Style{
		Font:      &excelize.Font{Bold: true, Color: "FFFFFF"},
		Fill:      excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"1F4E79"}},
		Alignment: &excelize.Alignment{Vertical: "center"},
	})
	number(&s.integer, "#,##0")
	number(&s.decimal, "#,##0.00")
	number(&s.percent, "0.0%")
	number(&s.date, "dd/mm/yyyy")
	number(&s.instant, "dd/mm/yyyy hh:mm")
	return err
}

// properties says what the file is. SetDocProps would write the same without prefixes, which is right but which some readers refuse.
func (b *workbook) properties() {
	at := b.AsOf.UTC().Format(time.RFC3339)
	var core bytes.Buffer
	core.WriteString(xml.Header + `<cp:coreProperties` +
		` xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/"` +
		` xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>`)
	xml.EscapeText(&core, []byte(cellText(b.Title)))
	core.WriteString(`</dc:title><dc:creator>`)
	xml.EscapeText(&core, []byte(cellText(b.By)))
	fmt.Fprintf(&core, `</dc:creator><dc:language>es-PE</dc:language><dcterms:created xsi:type="dcterms:W3CDTF">%s</dcterms:created>`+
		`<dcterms:modified xsi:type="dcterms:W3CDTF">%[1]s</dcterms:modified></cp:coreProperties>`, at)
	b.file.Pkg.Store("docProps/core.xml", core.Bytes())
}

// list streams the long table.
func (b *workbook) list() error {
	name := b.List.Title
	if name == "" {
		name = listSheet
	}
	if strings.EqualFold(name, summarySheet) {
		return fmt.Errorf("the sheet of the list cannot be called %q", name)
	}
	if _, err := b.file.NewSheet(name); err != nil {
		return fmt.Errorf("sheet %q: %w", name, err)
	}
	stream, err := b.file.NewStreamWriter(name)
	if err != nil {
		return err
	}
	if err := b.listHead(stream); err != nil {
		return err
	}
	if err := b.listRows(stream); err != nil {
		return err
	}
	// A table filters by itself; an AutoFilter after a stream writes nothing. It needs a row of data, even an empty one.
	last, err := excelize.CoordinatesToCellName(len(b.List.Columns), 1+max(b.rows, 1))
	if err != nil {
		return err
	}
	if err := stream.AddTable(&excelize.Table{Range: "A1:" + last, Name: "Lista", StyleName: "TableStyleLight1"}); err != nil {
		return err
	}
	return stream.Flush()
}

// listHead writes what must come before the first row of data.
func (b *workbook) listHead(stream *excelize.StreamWriter) error {
	for i, c := range b.List.Columns {
		if err := stream.SetColWidth(i+1, i+1, min(c.width(), excelize.MaxColumnWidth)); err != nil {
			return err
		}
	}
	frozen := &excelize.Panes{
		Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft",
		Selection: []excelize.Selection{{SQRef: "A2", ActiveCell: "A2", Pane: "bottomLeft"}},
	}
	if err := stream.SetPanes(frozen); err != nil {
		return err
	}
	var header []any
	for _, c := range b.List.Columns {
		header = append(header, excelize.Cell{StyleID: b.styles.header, Value: cellText(c.Title)})
	}
	return stream.SetRow("A1", header, excelize.RowOpts{Height: 20})
}

func (b *workbook) listRows(stream *excelize.StreamWriter) error {
	cells := make([]excelize.Cell, len(b.List.Columns))
	values := make([]any, len(cells))
	return b.eachOfList(func(row []any) error {
		for i, v := range row {
			cells[i].Value, cells[i].StyleID = b.cell(v, b.List.Columns[i].Kind)
			if values[i] = &cells[i]; v == nil {
				values[i] = nil
			}
		}
		return stream.SetRow("A"+strconv.Itoa(b.rows+2), values)
	})
}

// cell is a plain value and the style of its cell.
func (b *workbook) cell(v any, kind Kind) (value any, style int) {
	switch x := v.(type) {
	case string:
		return cellText(x), 0
	case mesa.Date:
		if days := serial(x); days > 0 {
			return days, b.styles.date
		}
		return x.Spanish(), 0
	case time.Time:
		h, m, s := x.Clock()
		if days := serial(mesa.DateOf(x, b.zone)); days > 0 {
			return float64(days) + float64(h*3600+m*60+s)/86400, b.styles.instant
		}
		return x.Format(spanishInstant), 0
	}
	return b.numberCell(v, kind)
}

func (b *workbook) numberCell(v any, kind Kind) (value any, style int) {
	switch kind {
	case Integer:
		style = b.styles.integer
	case Decimal:
		style = b.styles.decimal
	case Percent:
		if x, ok := number(v); ok {
			v = x / 100
		}
		style = b.styles.percent
	}
	return v, style
}

// serial is the number that a workbook keeps for a date; 0 for one before March 1900, when Excel's calendar has a day too many.
func serial(d mesa.Date) int {
	if d < mesa.NewDate(1900, time.March, 1) {
		return 0
	}
	return int(d - mesa.NewDate(1899, time.December, 30))
}

// pack writes the workbook straight to w; excelize alone would first make the whole file in memory.
func (b *workbook) pack(w io.Writer) error {
	b.file.SetZipWriter(func(io.Writer) excelize.ZipWriter { return parts{zip.NewWriter(w)} })
	_, err := b.file.WriteTo(io.Discard)
	return err
}

// parts are the files of a workbook. Excel opens none above 4 GiB whose archive was written as a stream.
type parts struct{ *zip.Writer }

func (p parts) Create(name string) (io.Writer, error) {
	w, err := p.Writer.Create(name)
	return &part{w, math.MaxUint32}, err
}

type part struct {
	w    io.Writer
	left int
}

func (p *part) Write(b []byte) (int, error) {
	if p.left -= len(b); p.left < 0 {
		return 0, errors.New("a sheet of more than 4 GiB")
	}
	return p.w.Write(b)
}
