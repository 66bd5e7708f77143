package sheet_test

import (
	"bytes"
	"compress/zlib"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/internal/sheet"
)

var (
	contents = regexp.MustCompile(`(?s)/Filter /FlateDecode /Length (\d+)>>\nstream\n`)
	shown    = regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\) ?Tj`)
	pageOf   = regexp.MustCompile(`/Type /Page\n`)
)

// pdfPages reads the texts of each page back, one a line.
func pdfPages(t *testing.T, b []byte) (pages []string) {
	t.Helper()
	if !bytes.HasPrefix(b, []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimSpace(b), []byte("%%EOF")) {
		t.Fatal("no whole PDF")
	}
	for _, at := range contents.FindAllSubmatchIndex(b, -1) {
		length, err := strconv.Atoi(string(b[at[2]:at[3]]))
		if err != nil {
			t.Fatal(err)
		}
		r, err := zlib.NewReader(bytes.NewReader(b[at[1] : at[1]+length]))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if page := pageText(content); page != "" {
			pages = append(pages, page)
		}
	}
	if n := len(pageOf.FindAll(b, -1)); n != len(pages) {
		t.Fatalf("%d pages, %d with text", n, len(pages))
	}
	return pages
}

// pageText decodes the strings that a page shows: UTF-16 with escapes.
func pageText(content []byte) string {
	var text strings.Builder
	unescape := strings.NewReplacer(`\\`, `\`, `\(`, `(`, `\)`, `)`, `\r`, "\r")
	for _, found := range shown.FindAllSubmatch(content, -1) {
		raw := unescape.Replace(string(found[1]))
		var units []uint16
		for i := 0; i+1 < len(raw); i += 2 {
			units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
		}
		text.WriteString(string(utf16.Decode(units)) + "\n")
	}
	return text.String()
}

func TestPDF(t *testing.T) {
	t.Parallel()
	r := register()
	r.List.Title = "Documentos"
	pages := pdfPages(t, write(t, sheet.PDF, r))
	all := strings.Join(pages, "")
	for _, want := range []string{
		"Registro de expedientes\n", "Municipalidad Distrital de Ñaña\n", "Filtro: Período: del 01/01/2026 al 31/01/2026\n",
		"Datos al: 31/01/2026 22:30\n", "Generado por: Rosa Quispe\n", "Filas: 2\n", "Recibidos\n1,234\n", "Eficiencia\n87.5 %\n", "Mediana\n",
		"Tendencia\n", "05/01/2026\n12\n-3\n", "=Logística\n1\n25.0 %\n", "Documentos\n", "15/01/2026\n", "2.13\n",
		"Página 1 de " + strconv.Itoa(len(pages)) + "\n",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("lacks %q:\n%s", want, all)
		}
	}
}

func TestPDFRepeatsTheHeaderOnEachPage(t *testing.T) {
	t.Parallel()
	r := register()
	r.Tables, r.List = nil, list(documents(100), 100)
	pages := pdfPages(t, write(t, sheet.PDF, r))
	if len(pages) < 3 || len(pages) > 40 {
		t.Fatalf("%d pages", len(pages))
	}
	for i, page := range pages {
		for _, want := range []string{
			"Municipalidad Distrital de Ñaña\nRegistro de expedientes\n", "Remitente\n", "Asunto\n",
			"Página " + strconv.Itoa(i+1) + " de " + strconv.Itoa(len(pages)) + "\n",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("page %d lacks %q:\n%s", i+1, want, page)
			}
		}
	}
}

// Nothing of the clock or of the order of a map comes into the file.
func TestPDFIsTheSameForTheSameReport(t *testing.T) {
	t.Parallel()
	first := write(t, sheet.PDF, register())
	for range 2 {
		if !bytes.Equal(first, write(t, sheet.PDF, register())) {
			t.Fatal("two files of one report differ")
		}
	}
}

func TestPDFCutsWhatIsTooTall(t *testing.T) {
	t.Parallel()
	r := &sheet.Report{Tables: []sheet.Table{{
		Key: "t", Title: "T", Columns: []sheet.Column{{Key: "a", Title: "A", Width: 20}},
		Rows: [][]any{{strings.Repeat("palabra ", 10_000)}, {strings.Repeat("x", 10_000)}, {strings.Repeat("\n", 1000) + "fin"}},
	}}}
	pages := pdfPages(t, write(t, sheet.PDF, r))
	if len(pages) != 1 || strings.Count(pages[0], "…\n") != 3 {
		t.Errorf("%d pages: %s", len(pages), pages[0])
	}
}

func TestPDFShowsABoxForWhatTheFontLacks(t *testing.T) {
	t.Parallel()
	r := &sheet.Report{Title: "汉字 😀 e\u0301 \U0010FFFF\uE1E2 {nb} (a\\b)"}
	if page := pdfPages(t, write(t, sheet.PDF, r))[0]; !strings.Contains(page, "□□ □ é □□ {nb} (a\\b)\n") {
		t.Error(page)
	}
}

// A document for many texts and figures, since fonts make each one slow to write.
func TestPDFTakesAnyTextAndFigure(t *testing.T) {
	t.Parallel()
	texts := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.StringOf(rapid.Rune())), 60, 60)
	figures := rapid.SliceOfN(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, -1, 1, 1e-300, math.MaxFloat64, -math.MaxFloat64})), 60, 60)
	for seed, chart := range []sheet.Chart{sheet.None, sheet.Bars, sheet.Columns, sheet.Lines, sheet.Pie} {
		text, figure := texts.Example(seed), figures.Example(seed)
		table := byArea(chart)
		table.Title, table.Columns[0].Title, table.Values = text[0]+"!", text[1]+"!", []int{1, 2}
		for i := range text {
			table.Rows = append(table.Rows, []any{text[i], figure[i], nil})
		}
		r := &sheet.Report{
			Title: text[2], Institution: text[3], By: text[4], Filters: text[5:15], Tables: []sheet.Table{table},
			Indicators: []sheet.Indicator{{Key: "a", Label: text[15], Value: text[16]}},
		}
		content := strings.Join(pdfPages(t, write(t, sheet.PDF, r)), "")
		if strings.ContainsAny(content, "\x00\r\uFEFF") || !strings.Contains(content, "Página 1 de ") {
			t.Errorf("%q", content)
		}
	}
}
