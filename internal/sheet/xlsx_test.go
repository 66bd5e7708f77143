package sheet_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/mesapartes/mesa/internal/sheet"
	"github.com/mesapartes/mesa/mesa"
)

// workbook reads a workbook back.
func workbook(t *testing.T, b []byte) *excelize.File {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func cell(t *testing.T, f *excelize.File, sheet, ref string) (shown, raw string) {
	t.Helper()
	shown, err := f.GetCellValue(sheet, ref)
	if err != nil {
		t.Fatal(err)
	}
	raw, err = f.GetCellValue(sheet, ref, excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	return shown, raw
}

func TestXLSXList(t *testing.T) {
	t.Parallel()
	f := workbook(t, write(t, sheet.XLSX, register()))
	same(t, f.GetSheetList(), []string{"Resumen", "Documentos"})
	if f.GetActiveSheetIndex() != 0 {
		t.Error("the summary is not the active sheet")
	}
	for ref, want := range map[string][2]string{ // as shown, and as stored
		"A1": {"Número Expediente", "Número Expediente"},
		"A3": {"EXP-2026-000002", "EXP-2026-000002"},
		"F3": {"2", "2"},
		"H3": {"15/01/2026 21:05", "46037.8784722222"},
		"I3": {"15/01/2026", "46037"},
		"J3": {"30/01/2026", "46052"},
		"O3": {"2.13", "2.125"},
	} {
		if shown, raw := cell(t, f, "Documentos", ref); shown != want[0] || raw != want[1] {
			t.Errorf("%s reads %q, is %q; want %q", ref, shown, raw, want)
		}
	}
	for ref, want := range map[string]excelize.CellType{
		"A3": excelize.CellTypeInlineString, "F3": excelize.CellTypeUnset, "I3": excelize.CellTypeUnset, // unset is a number
	} {
		if got, err := f.GetCellType("Documentos", ref); got != want || err != nil {
			t.Errorf("%s is of type %v, %v", ref, got, err)
		}
	}
	panes, err := f.GetPanes("Documentos")
	if err != nil || !panes.Freeze || panes.YSplit != 1 || panes.TopLeftCell != "A2" {
		t.Errorf("panes %+v, %v", panes, err)
	}
	tables, err := f.GetTables("Documentos")
	if err != nil || len(tables) != 1 || tables[0].Range != "A1:P3" {
		t.Errorf("tables %+v, %v", tables, err)
	}
	if width, err := f.GetColWidth("Documentos", "D"); width != 50 || err != nil {
		t.Errorf("width %v, %v", width, err)
	}
}

func TestXLSXSummary(t *testing.T) {
	t.Parallel()
	f := workbook(t, write(t, sheet.XLSX, register()))
	rows, err := f.GetRows("Resumen")
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, row := range rows {
		text = append(text, strings.Join(row, " | "))
	}
	all := strings.Join(text, "\n")
	for _, want := range []string{
		"Registro de expedientes\nMunicipalidad Distrital de Ñaña\n\nFiltro | Período: del 01/01/2026 al 31/01/2026\nFiltro | Área: Tesorería\n" +
			"Datos al | 31/01/2026 22:30\nGenerado por | Rosa Quispe\nFilas | 2\n",
		"Indicadores\nRecibidos | 1,234\nEficiencia | 87.5%\nMediana\n",
		"Tendencia\nDía | Recibidos | Saldo\n05/01/2026 | 12 | -3\n06/01/2026 | 9\n07/01/2026 | 30 | 8\n",
		"Por área\nÁrea | Cantidad | % del total\nTesorería | 3 | 75.0%\n'=Logística | 1 | 25.0%",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the summary lacks\n%s\nit is\n%s", want, all)
		}
	}
}

// A chart of hundreds of bars would show none: the first are drawn, all are in the table.
func TestXLSXChartsOfLongTables(t *testing.T) {
	t.Parallel()
	for chart, want := range map[sheet.Chart]int{sheet.Bars: 25, sheet.Pie: 25, sheet.Columns: 210, sheet.Lines: 210} {
		table := byArea(chart)
		table.Rows = slices.Repeat(table.Rows[:1], 210)
		drawn := unzip(t, write(t, sheet.XLSX, &sheet.Report{Title: "Por área", Tables: []sheet.Table{table}}))["xl/charts/chart1.xml"]
		var first, last int
		if _, err := fmt.Sscanf(drawn[strings.Index(drawn, "Resumen!$A$"):], "Resumen!$A$%d:$A$%d<", &first, &last); err != nil || last-first+1 != want {
			t.Errorf("chart %v draws rows %d to %d, not %d of them: %v", chart, first, last, want, err)
		}
	}
}

func TestXLSXChartsAreNative(t *testing.T) {
	t.Parallel()
	parts := unzip(t, write(t, sheet.XLSX, register()))
	for part, wants := range map[string][]string{
		"xl/charts/chart1.xml": {"<barChart>", "Resumen!$A$17:$A$19", "Resumen!$B$17:$B$19", "Resumen!$C$17:$C$19", "Resumen!$C$16"},
		"xl/charts/chart2.xml": {"<pieChart>", "Resumen!$B$34:$B$35"},
	} {
		for _, want := range wants {
			if !strings.Contains(parts[part], want) {
				t.Errorf("%s lacks %s", part, want)
			}
		}
	}
	rows := workbook(t, write(t, sheet.XLSX, register()))
	for ref, want := range map[string]string{"A15": "Tendencia", "C16": "Saldo", "A34": "Tesorería"} { // what the charts refer to
		if shown, _ := cell(t, rows, "Resumen", ref); shown != want {
			t.Errorf("%s reads %q, not %q", ref, shown, want)
		}
	}
}

func unzip(t *testing.T, b []byte) map[string]string {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, file := range archive.File {
		r, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		parts[file.Name] = string(content)
	}
	return parts
}

func TestXLSXSaysWhatItIs(t *testing.T) {
	t.Parallel()
	r := register()
	r.Title = "Registro <A & B>"
	props, err := workbook(t, write(t, sheet.XLSX, r)).GetDocProps()
	if err != nil || props.Title != r.Title || props.Creator != "Rosa Quispe" || props.Created != "2026-02-01T03:30:00Z" {
		t.Errorf("%+v, %v", props, err)
	}
}

// A table needs a row of data: of an empty list it covers an empty row.
func TestXLSXOfAnEmptyList(t *testing.T) {
	t.Parallel()
	r := register()
	r.List = list(documents(0), 0)
	f := workbook(t, write(t, sheet.XLSX, r))
	if tables, err := f.GetTables("Documentos"); err != nil || len(tables) != 1 || tables[0].Range != "A1:P2" {
		t.Errorf("tables %+v, %v", tables, err)
	}
	if rows, err := f.GetRows("Documentos"); err != nil || len(rows) != 1 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestXLSXWithoutAListIsTheSummary(t *testing.T) {
	t.Parallel()
	r := register()
	r.List = nil
	f := workbook(t, write(t, sheet.XLSX, r))
	same(t, f.GetSheetList(), []string{"Resumen"})
	if shown, _ := cell(t, f, "Resumen", "B8"); shown != "5" {
		t.Errorf("rows %q", shown)
	}
}

func TestXLSXNamesTheSheetAfterTheList(t *testing.T) {
	t.Parallel()
	r := register()
	r.List.Title = "Derivaciones"
	same(t, workbook(t, write(t, sheet.XLSX, r)).GetSheetList(), []string{"Resumen", "Derivaciones"})
	for _, name := range []string{"resumen", "a/b", strings.Repeat("largo", 7)} {
		r.List = list(documents(1), 1)
		r.List.Title = name
		if _, err := sheet.Write(t.Context(), new(nothing), sheet.XLSX, r, nil); err == nil {
			t.Errorf("a sheet %q: no error", name)
		}
	}
}

func TestXLSXTakesOddValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ñ", 40_000)
	given := []any{
		"=HYPERLINK(\"http://example.org\")", "a\x00b\x0Bc\uFFFEd", long, "dos\nlíneas", " con espacios ", "_x0041_", "😀 y 汉字", "\xff",
		mesa.NewDate(1850, 7, 28), time.Date(1850, 7, 28, 17, 0, 0, 0, time.UTC), mesa.NewDate(9999, 12, 31), -5,
	}
	want := []string{
		"'=HYPERLINK(\"http://example.org\")", "abcd", long[:2*32_766] + "…", "dos\nlíneas", " con espacios ", "_x0041_", "😀 y 汉字", "\uFFFD",
		"28/07/1850", "28/07/1850 12:00", "31/12/9999", "-5",
	}
	r := &sheet.Report{Zone: lima, List: &sheet.List{
		Columns: []sheet.Column{{Key: "value", Title: "Valor"}},
		Rows: func(yield func([]any, error) bool) {
			for _, v := range given {
				if !yield([]any{v}, nil) {
					return
				}
			}
		},
	}}
	rows, err := workbook(t, write(t, sheet.XLSX, r)).GetRows("Documentos")
	if err != nil || len(rows) != len(want)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, row := range rows[1:] {
		if row[0] != want[i] {
			t.Errorf("%.60q reads %.60q, not %.60q", given[i], row[0], want[i])
		}
	}
}

func TestXLSXLeavesEmptyWhatIsNoValue(t *testing.T) {
	t.Parallel()
	f := workbook(t, write(t, sheet.XLSX, values()))
	rows, err := f.GetRows("Resumen")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[len(rows)-6:] {
		if len(row) != 1 {
			t.Errorf("%q", row)
		}
	}
}
