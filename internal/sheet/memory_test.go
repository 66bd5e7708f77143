package sheet_test

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/sheet"
)

// peak returns the most bytes that objects on the heap took while work ran, above those before.
func peak(work func()) (bytes uint64) {
	heap := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before := heap()
	done, highest := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for most := before; ; {
			select {
			case <-tick.C:
				most = max(most, heap())
			case <-done:
				highest <- max(most, heap())
				return
			}
		}
	}()
	work()
	close(done)
	return <-highest - before
}

// Not parallel: the heap is the process's.
func TestMemoryStaysBounded(t *testing.T) {
	for _, c := range []struct {
		format sheet.Format
		bound  uint64 // of the heap, with the garbage that waits to be collected
	}{
		{sheet.CSV, 32 << 20},
		{sheet.NDJSON, 32 << 20},
		{sheet.XLSX, 128 << 20}, // 16 MB wait in memory for the temporary file, in a buffer that grew by doubling
	} {
		t.Run(string(c.format), func(t *testing.T) {
			rows := 200_000
			if raceDetector || testing.Short() {
				rows = 15_000
			}
			r := register()
			r.List = list(documents(rows), rows)
			used := peak(func() {
				if n, err := sheet.Write(t.Context(), new(nothing), c.format, r, nil); err != nil || n != rows {
					t.Errorf("%d rows, %v", n, err)
				}
			})
			t.Logf("%d rows: %.1f MiB", rows, float64(used)/(1<<20))
			if used > c.bound {
				t.Errorf("%d MiB on the heap, not %d", used>>20, c.bound>>20)
			}
		})
	}
}

func BenchmarkXLSX(b *testing.B)   { benchmark(b, sheet.XLSX, 10_000) }
func BenchmarkPDF(b *testing.B)    { benchmark(b, sheet.PDF, sheet.MaxPDFRows) }
func BenchmarkCSV(b *testing.B)    { benchmark(b, sheet.CSV, 10_000) }
func BenchmarkNDJSON(b *testing.B) { benchmark(b, sheet.NDJSON, 10_000) }

func benchmark(b *testing.B, f sheet.Format, rows int) {
	b.ReportAllocs()
	out := new(counter)
	for b.Loop() {
		r := register()
		r.List = list(documents(rows), rows)
		if _, err := sheet.Write(b.Context(), out, f, r, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(*out)/float64(rows*b.N), "file-B/row")
}

type counter int

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }
