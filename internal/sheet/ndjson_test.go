package sheet_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/internal/sheet"
)

func lines(t *testing.T, b []byte) (lines []string) {
	t.Helper()
	whole, ended := strings.CutSuffix(string(b), "\n")
	if !ended {
		t.Fatalf("%q does not end with a new line", b)
	}
	for line := range strings.SplitSeq(whole, "\n") {
		if !json.Valid([]byte(line)) {
			t.Fatalf("%s is no JSON", line)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestNDJSON(t *testing.T) {
	t.Parallel()
	got := lines(t, write(t, sheet.NDJSON, register()))
	want := []string{
		`{"report":{"institution":"Municipalidad Distrital de Ñaña","title":"Registro de expedientes",` +
			`"filters":["Período: del 01/01/2026 al 31/01/2026","Área: Tesorería"],"asOf":"2026-02-01T03:30:00Z","by":"Rosa Quispe","rows":2,` +
			`"indicators":{"received":1234,"efficiency":87.5,"median":null}}}`,
		`{"table":"trend","day":"2026-01-05","received":12,"balance":-3}`,
		`{"table":"trend","day":"2026-01-06","received":9,"balance":null}`,
		`{"table":"trend","day":"2026-01-07","received":30,"balance":8}`,
		`{"table":"byArea","area":"Tesorería","count":3,"share":75}`,
		`{"table":"byArea","area":"=Logística","count":1,"share":25}`,
	}
	same(t, got[:len(want)], want)
	if len(got) != len(want)+2 {
		t.Fatalf("%d lines", len(got))
	}
	for _, part := range []string{
		`{"fileNumber":"EXP-2026-000002","type":"Solicitud",`, `"filedAt":"2026-01-16T02:05:00Z","filedOn":"2026-01-15","dueOn":"2026-01-30",`,
		`"elapsed":2,"cost":2.125,"light":"Verde"}`,
	} {
		if !strings.Contains(got[len(got)-1], part) {
			t.Errorf("%s lacks %s", got[len(got)-1], part)
		}
	}
}

func TestNDJSONOfAnUnknownNumberOfRows(t *testing.T) {
	t.Parallel()
	r := register()
	r.List.Total = -1
	if head := lines(t, write(t, sheet.NDJSON, r))[0]; !strings.Contains(head, `"rows":null`) {
		t.Error(head)
	}
}

func TestNDJSONWritesNullForWhatIsNoValue(t *testing.T) {
	t.Parallel()
	for _, line := range lines(t, write(t, sheet.NDJSON, values()))[1:] {
		if !strings.HasSuffix(line, `"value":null}`) {
			t.Error(line)
		}
	}
}

func TestNDJSONGivesValuesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, figure := rapid.String().Draw(t, "text"), rapid.Float64().Draw(t, "figure")
		r := &sheet.Report{Title: text, Filters: []string{text}, Tables: []sheet.Table{{
			Key: "t", Title: "T", Columns: []sheet.Column{{Key: "text", Title: "A"}, {Key: "figure", Title: "B"}}, Rows: [][]any{{text, figure}},
		}}}
		var b bytes.Buffer
		if _, err := sheet.Write(t.Context(), &b, sheet.NDJSON, r, nil); err != nil {
			t.Fatal(err)
		}
		in := json.NewDecoder(&b)
		var head struct {
			Report struct {
				Title   string
				Filters []string
			}
		}
		var row struct {
			Text   string
			Figure float64
		}
		if err := in.Decode(&head); err != nil {
			t.Fatal(err)
		}
		if err := in.Decode(&row); err != nil {
			t.Fatal(err)
		}
		if head.Report.Title != text || head.Report.Filters[0] != text || row.Text != text || row.Figure != figure {
			t.Fatalf("%q, %v came back as %+v, %+v", text, figure, head, row)
		}
	})
}
