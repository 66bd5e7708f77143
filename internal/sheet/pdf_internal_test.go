package sheet

import (
	"math"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestCleanTextIsWhatTheFontHas(t *testing.T) {
	t.Parallel()
	f, err := newFace()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.Rune()), oddText).Draw(t, "text")
		for _, r := range f.clean(s) {
			if r != '\n' && !f.knows(r) || r > 0xFFFF {
				t.Fatalf("clean(%q) has %U", s, r)
			}
		}
		if strings.ContainsAny(f.line(s), "\r\n") {
			t.Fatalf("line(%q) is %q", s, f.line(s))
		}
	})
	for _, spanish := range []string{"Ñandú, ¿qué? ¡Güe! n.º 5.ª “así” – 10 °C", "áéíóúüñ ÁÉÍÓÚÜÑ", "S/ 10.50 €"} {
		if got := f.clean(norm.NFD.String(spanish)); got != spanish {
			t.Errorf("%q becomes %q", spanish, got)
		}
	}
}

func TestTheAxisHoldsAllFigures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		figure := rapid.OneOf(rapid.Float64Range(-huge, huge), rapid.Float64Range(-100, 100), rapid.SampledFrom([]float64{0, math.NaN(), 1e-300}))
		d := drawing{figures: rapid.SliceOfN(rapid.SliceOfN(figure, 0, 5), 1, 3).Draw(t, "figures")}
		d.scale()
		if marks := (d.high - d.low) / d.step; !(marks >= 1 && marks <= 8) || math.Abs(marks-math.Round(marks)) > 1e-6 {
			t.Fatalf("from %v to %v by %v", d.low, d.high, d.step)
		}
		for _, x := range append(slices.Concat(d.figures...), 0) {
			if share := d.share(x); !math.IsNaN(x) && !(share >= -1e-9 && share <= 1+1e-9) {
				t.Fatalf("%v lies at %v from %v to %v", x, share, d.low, d.high)
			}
		}
	})
}

func TestWordsAreWholeWhereThereIsRoom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "columns")
		width := rapid.Float64Range(1, 60)
		g := grid{widths: rapid.SliceOfN(width, n, n).Draw(t, "widths")}
		words, total := rapid.SliceOfN(width, n, n).Draw(t, "words"), g.width()
		g.widen(words)
		if math.Abs(g.width()-total) > 1e-6 && g.width() > total {
			t.Fatalf("%v instead of %v", g.width(), total)
		}
		needed := 0.0
		for _, w := range words {
			needed += w
		}
		for i := range words {
			if needed <= total && g.widths[i] < words[i]-1e-6 {
				t.Fatalf("column %d has %v of %v", i, g.widths[i], words[i])
			}
		}
	})
}
