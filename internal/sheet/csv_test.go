package sheet_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/internal/sheet"
)

// readCSV reads a file back and says whether it has the mark of UTF-8 and no line end but CRLF between its rows.
func readCSV(t interface{ Fatalf(string, ...any) }, b []byte) [][]string {
	rest, marked := bytes.CutPrefix(b, []byte("\uFEFF"))
	if !marked || !bytes.HasSuffix(b, []byte("\r\n")) {
		t.Fatalf("%q begins without a mark or does not end with CRLF", b)
	}
	records, err := csv.NewReader(bytes.NewReader(rest)).ReadAll()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return records
}

func TestCSVIsTheList(t *testing.T) {
	t.Parallel()
	records := readCSV(t, write(t, sheet.CSV, register()))
	if len(records) != 3 {
		t.Fatalf("%d records", len(records))
	}
	want := []string{
		"EXP-2026-000002", "Solicitud", "Asociación de Vecinos “El Ángel”",
		"Solicita licencia de funcionamiento n.º 2, con informe técnico", "S/N", "2", "Ventanilla", "15/01/2026 21:05", "15/01/2026",
		"30/01/2026", "En proceso", "Normal", "Tesorería", "2", "2.125", "Verde",
	}
	same(t, records[2], want)
	if records[0][7] != "Fecha Presentación" {
		t.Errorf("header %q", records[0])
	}
}

func TestCSVWithoutAListIsTheOnlyTable(t *testing.T) {
	t.Parallel()
	r := register()
	r.List, r.Tables = nil, []sheet.Table{byArea(sheet.None)}
	records := readCSV(t, write(t, sheet.CSV, r))
	same(t, records[0], []string{"Área", "Cantidad", "% del total"})
	same(t, records[2], []string{"'=Logística", "1", "25"})
}

func TestCSVOfSeveralTablesIsOneFigureALine(t *testing.T) {
	t.Parallel()
	r := register()
	r.List = nil
	records := readCSV(t, write(t, sheet.CSV, r))
	if len(records) != 1+3+3*2+2*2 {
		t.Fatalf("%d records", len(records))
	}
	same(t, records[0], []string{"Sección", "Fila", "Indicador", "Valor"})
	same(t, records[2], []string{"Indicadores", "", "Eficiencia", "87.5"})
	same(t, records[3], []string{"Indicadores", "", "Mediana", ""})
	same(t, records[5], []string{"Tendencia", "05/01/2026", "Saldo", "-3"})
	same(t, records[12], []string{"Por área", "'=Logística", "Cantidad", "1"})
}

func TestCSVLeavesEmptyWhatIsNoValue(t *testing.T) {
	t.Parallel()
	for _, record := range readCSV(t, write(t, sheet.CSV, values()))[1:] {
		if record[1] != "" {
			t.Errorf("%q", record)
		}
	}
}

func TestCSVGivesTextsBack(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[=+\-@, ;"'\r\n\ta-c]{0,6}`))
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(text, 2, 2), 1, 5).Draw(t, "rows")
		table := sheet.Table{Key: "t", Title: "T", Columns: []sheet.Column{{Key: "a", Title: "A"}, {Key: "b", Title: "B"}}}
		for _, row := range rows {
			table.Rows = append(table.Rows, []any{row[0], row[1]})
		}
		var b bytes.Buffer
		if _, err := sheet.Write(t.Context(), &b, sheet.CSV, &sheet.Report{Tables: []sheet.Table{table}}, nil); err != nil {
			t.Fatal(err)
		}
		for i, record := range readCSV(t, b.Bytes())[1:] {
			for c, got := range record {
				want := strings.ReplaceAll(rows[i][c], "\r\n", "\n") // the reader does so; the file has both
				if got != want && got != "'"+want {
					t.Fatalf("%q came back as %q", want, got)
				}
			}
		}
	})
}

func TestCSVOfOneColumnHasNoEmptyLines(t *testing.T) {
	t.Parallel()
	r := &sheet.Report{Tables: []sheet.Table{{
		Key: "t", Title: "T", Columns: []sheet.Column{{Key: "a", Title: "A"}}, Rows: [][]any{{nil}, {"x"}},
	}}}
	if records := readCSV(t, write(t, sheet.CSV, r)); len(records) != 3 {
		t.Errorf("%q", records)
	}
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
