package sheet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/internal/sheet"
	"github.com/mesapartes/mesa/mesa"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	lima = time.FixedZone("America/Lima", -5*60*60)
	asOf = time.Date(2026, 2, 1, 3, 30, 0, 0, time.UTC) // 31 January, half past ten in the evening in Lima
)

// register is a report of two documents, with everything that a report can have.
func register() *sheet.Report {
	return &sheet.Report{
		Institution: "Municipalidad Distrital de Ñaña",
		Title:       "Registro de expedientes",
		Filters:     []string{"Período: del 01/01/2026 al 31/01/2026", "Área: Tesorería"},
		AsOf:        asOf, Zone: lima, By: "Rosa Quispe",
		Indicators: []sheet.Indicator{
			{Key: "received", Label: "Recibidos", Kind: sheet.Integer, Value: 1234},
			{Key: "efficiency", Label: "Eficiencia", Kind: sheet.Percent, Value: new(87.5)},
			{Key: "median", Label: "Mediana", Kind: sheet.Decimal, Value: (*float64)(nil)},
		},
		Tables: []sheet.Table{trend(sheet.Columns), byArea(sheet.Pie)},
		List:   list(documents(2), 2),
	}
}

func trend(c sheet.Chart) sheet.Table {
	return sheet.Table{
		Key: "trend", Title: "Tendencia", Chart: c,
		Columns: []sheet.Column{
			{Key: "day", Title: "Día", Kind: sheet.Date},
			{Key: "received", Title: "Recibidos", Kind: sheet.Integer},
			{Key: "balance", Title: "Saldo", Kind: sheet.Integer},
		},
		Rows: [][]any{
			{mesa.NewDate(2026, 1, 5), 12, -3},
			{mesa.NewDate(2026, 1, 6), 9, nil},
			{mesa.NewDate(2026, 1, 7), 30, 8},
		},
	}
}

func byArea(c sheet.Chart) sheet.Table {
	return sheet.Table{
		Key: "byArea", Title: "Por área", Chart: c, Values: []int{1},
		Columns: []sheet.Column{
			{Key: "area", Title: "Área"},
			{Key: "count", Title: "Cantidad", Kind: sheet.Integer},
			{Key: "share", Title: "% del total", Kind: sheet.Percent},
		},
		Rows: [][]any{{"Tesorería", 3, 75.0}, {"=Logística", 1, 25.0}},
	}
}

// The columns of the register as the desk knows it.
var columns = []sheet.Column{
	{Key: "fileNumber", Title: "Número Expediente", Width: 20},
	{Key: "type", Title: "Tipo Documento"},
	{Key: "sender", Title: "Remitente", Width: 30},
	{Key: "subject", Title: "Asunto", Width: 50},
	{Key: "documentNumber", Title: "N.º Documento"},
	{Key: "folios", Title: "Folios", Kind: sheet.Integer},
	{Key: "channel", Title: "Canal", Width: 14},
	{Key: "filedAt", Title: "Fecha Presentación", Kind: sheet.DateTime},
	{Key: "filedOn", Title: "Fecha Legal", Kind: sheet.Date},
	{Key: "dueOn", Title: "Fecha Límite", Kind: sheet.Date},
	{Key: "status", Title: "Estado", Width: 14},
	{Key: "priority", Title: "Prioridad", Width: 12},
	{Key: "area", Title: "Área Actual"},
	{Key: "elapsed", Title: "Días Transcurridos", Kind: sheet.Integer},
	{Key: "cost", Title: "Tasa", Kind: sheet.Decimal},
	{Key: "light", Title: "Semáforo", Width: 12},
}

func document(n int) []any {
	due := any(mesa.NewDate(2026, 1, 30))
	if n%3 == 0 {
		due = nil
	}
	return []any{
		fmt.Sprintf("EXP-2026-%06d", n), "Solicitud", "Asociación de Vecinos “El Ángel”",
		fmt.Sprintf("Solicita licencia de funcionamiento n.º %d, con informe técnico", n), "S/N", n % 90, "Ventanilla",
		time.Date(2026, 1, 16, 2, 5, 0, 0, time.UTC), mesa.NewDate(2026, 1, 15), due, "En proceso", "Normal", "Tesorería",
		int64(n % 40), float64(n) + 0.125, "Verde",
	}
}

// documents gives n rows, each in the same slice, as it is allowed to.
func documents(n int) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		row := make([]any, len(columns))
		for i := range n {
			copy(row, document(i+1))
			if !yield(row, nil) {
				return
			}
		}
	}
}

func list(rows iter.Seq2[[]any, error], total int) *sheet.List {
	return &sheet.List{Columns: columns, Rows: rows, Total: total}
}

func write(t testing.TB, f sheet.Format, r *sheet.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := sheet.Write(t.Context(), &b, f, r, nil); err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	return b.Bytes()
}

func eachFormat(t *testing.T, test func(t *testing.T, f sheet.Format)) {
	t.Parallel()
	for _, f := range sheet.Formats {
		t.Run(string(f), func(t *testing.T) { t.Parallel(); test(t, f) })
	}
}

func TestProgressIsToldEvery500Rows(t *testing.T) {
	eachFormat(t, func(t *testing.T, f sheet.Format) {
		r := register()
		r.List = list(documents(1200), -1)
		var told []int
		rows, err := sheet.Write(t.Context(), new(bytes.Buffer), f, r, func(n int) { told = append(told, n) })
		if err != nil || rows != 1200 || !slices.Equal(told, []int{500, 1000, 1200}) {
			t.Errorf("rows %d, told %v, %v", rows, told, err)
		}
	})
}

func TestAReportWithoutAListCountsTheRowsOfItsTables(t *testing.T) {
	eachFormat(t, func(t *testing.T, f sheet.Format) {
		r := register()
		r.List = nil
		var told []int
		rows, err := sheet.Write(t.Context(), new(bytes.Buffer), f, r, func(n int) { told = append(told, n) })
		if err != nil || rows != 5 || !slices.Equal(told, []int{5}) {
			t.Errorf("rows %d, told %v, %v", rows, told, err)
		}
	})
}

func TestAListMayBeEmpty(t *testing.T) {
	eachFormat(t, func(t *testing.T, f sheet.Format) {
		r := register()
		r.List = list(documents(0), 0)
		var told []int
		rows, err := sheet.Write(t.Context(), new(bytes.Buffer), f, r, func(n int) { told = append(told, n) })
		if err != nil || rows != 0 || !slices.Equal(told, []int{0}) {
			t.Errorf("rows %d, told %v, %v", rows, told, err)
		}
	})
}

func TestCancelStopsWithTheCause(t *testing.T) {
	eachFormat(t, func(t *testing.T, f sheet.Format) {
		why := errors.New("the person went home")
		ctx, cancel := context.WithCancelCause(t.Context())
		read := 0
		endless := func(yield func([]any, error) bool) {
			for ; yield(document(read), nil); read++ {
				if read == 700 {
					cancel(why)
				}
			}
		}
		r := register()
		r.List = list(endless, -1)
		rows, err := sheet.Write(ctx, new(bytes.Buffer), f, r, nil)
		if !errors.Is(err, why) || read > 1000 {
			t.Errorf("%d rows written, %d read, %v", rows, read, err)
		}
	})
}

// The rows are read, and the file is being packed or sent, when the person leaves.
func TestCancelAfterTheLastRowStopsToo(t *testing.T) {
	eachFormat(t, func(t *testing.T, f sheet.Format) {
		why := errors.New("the person went home")
		ctx, cancel := context.WithCancelCause(t.Context())
		r := register()
		r.List = list(func(yield func([]any, error) bool) { yield(document(1), nil); cancel(why) }, -1)
		if _, err := sheet.Write(ctx, new(bytes.Buffer), f, r, nil); !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
	})
}

func TestAnErrorOfTheRowsComesBack(t *testing.T) {
	lost := errors.New("connection lost")
	eachFormat(t, func(t *testing.T, f sheet.Format) {
		r := register()
		r.List = list(func(yield func([]any, error) bool) { _ = yield(document(1), nil) && yield(nil, lost) }, -1)
		rows, err := sheet.Write(t.Context(), new(bytes.Buffer), f, r, nil)
		if !errors.Is(err, lost) || rows != 1 || !strings.Contains(err.Error(), "row 2: ") {
			t.Errorf("rows %d, %v", rows, err)
		}
	})
}

func TestAnErrorOfTheWriterComesBack(t *testing.T) {
	eachFormat(t, func(t *testing.T, f sheet.Format) {
		if _, err := sheet.Write(t.Context(), full{}, f, register(), nil); !errors.Is(err, errFull) {
			t.Errorf("%v", err)
		}
	})
}

var errFull = errors.New("no space left")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestTooManyRows(t *testing.T) {
	t.Parallel()
	one := []any{"uno"}
	endless := func(yield func([]any, error) bool) {
		for yield(one, nil) {
		}
	}
	for f, want := range map[sheet.Format]int{sheet.CSV: 500_000, sheet.PDF: 5_000} {
		r := register()
		r.List = &sheet.List{Columns: columns[:1], Rows: endless, Total: -1}
		rows, err := sheet.Write(t.Context(), new(nothing), f, r, nil)
		if !errors.Is(err, sheet.ErrTooManyRows) || rows != want || f.MaxRows() != want {
			t.Errorf("%s: %d rows of at most %d, %v", f, rows, f.MaxRows(), err)
		}
	}
}

func TestTooManyRowsAreRefusedBeforeTheyAreRead(t *testing.T) {
	eachFormat(t, func(t *testing.T, f sheet.Format) {
		if f == sheet.NDJSON {
			return // has no limit
		}
		r := register()
		r.List = list(func(func([]any, error) bool) { t.Error("the rows were read") }, f.MaxRows()+1)
		if rows, err := sheet.Write(t.Context(), new(nothing), f, r, nil); !errors.Is(err, sheet.ErrTooManyRows) || rows != 0 {
			t.Errorf("%d rows, %v", rows, err)
		}
	})
}

type nothing struct{}

func (nothing) Write(b []byte) (int, error) { return len(b), nil }

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	two := func(c ...sheet.Column) *sheet.Report {
		return &sheet.Report{List: &sheet.List{Columns: c, Rows: func(yield func([]any, error) bool) { yield([]any{"a", "b"}, nil) }}}
	}
	a, b := sheet.Column{Key: "a", Title: "A"}, sheet.Column{Key: "b", Title: "B"}
	twin := sheet.Column{Key: "c", Title: "a"}
	cases := map[string]*sheet.Report{
		"two columns of one title": two(a, twin),
		"two columns of one key":   two(a, sheet.Column{Key: "a", Title: "C"}),
		"a column without a key":   two(a, sheet.Column{Title: "C"}),
		"no columns":               two(),
		"a value too many":         two(a),
		"a value too few":          two(a, b, sheet.Column{Key: "c", Title: "C"}),
		"a value of another type": {Tables: []sheet.Table{{
			Key: "t", Title: "T", Columns: []sheet.Column{a}, Rows: [][]any{{true}},
		}}},
		"an indicator of another type": {Indicators: []sheet.Indicator{{Key: "i", Label: "I", Value: []int{1}}}},
	}
	eachFormat(t, func(t *testing.T, f sheet.Format) {
		for what, r := range cases {
			if _, err := sheet.Write(t.Context(), new(nothing), f, r, nil); err == nil {
				t.Errorf("%s: no error", what)
			}
		}
	})
	if _, err := sheet.Write(t.Context(), new(nothing), "DOC", register(), nil); err == nil {
		t.Error("a format that does not exist: no error")
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, f := range sheet.Formats {
		if f.MediaType() == "" || f.Extension() != "."+strings.ToLower(string(f)) {
			t.Errorf("%s: %q, %q", f, f.MediaType(), f.Extension())
		}
	}
}

// Not parallel: the folder for temporary files is the process's.
func TestNoTemporaryFilesAreLeft(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	lost := errors.New("connection lost")
	long := strings.Repeat("largo ", 400)
	seen := 0
	for end, rows := range map[error]int{nil: 1, lost: 1000} { // 1000 are some 22 MB: more than waits in memory
		r := register()
		r.List = list(func(yield func([]any, error) bool) {
			row := document(1)
			for i := range len(row) {
				if columns[i].Kind == sheet.Text {
					row[i] = long
				}
			}
			for range rows {
				if !yield(row, nil) {
					return
				}
			}
			entries, _ := os.ReadDir(dir)
			seen += len(entries)
			if end != nil {
				yield(nil, end)
			}
		}, -1)
		if _, err := sheet.Write(t.Context(), new(nothing), sheet.XLSX, r, nil); !errors.Is(err, end) {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("after %v: %s is left", end, left[0].Name())
		}
	}
	if seen != 2 {
		t.Errorf("the test saw %d temporary folders while the files were written, not 2", seen)
	}
}

// values is a report of one table with every kind of value that can be empty.
func values() *sheet.Report {
	return &sheet.Report{AsOf: asOf, Zone: lima, Title: "Valores", Tables: []sheet.Table{{
		Key: "v", Title: "Valores",
		Columns: []sheet.Column{{Key: "name", Title: "Nombre"}, {Key: "value", Title: "Valor", Kind: sheet.Decimal}},
		Rows: [][]any{
			{"nil", nil}, {"nan", math.NaN()}, {"inf", math.Inf(-1)}, {"pointer", (*float64)(nil)}, {"date", mesa.Date(0)}, {"instant", time.Time{}},
		},
	}}}
}
