package mesa_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

func shown(f *float64) any {
	if f == nil {
		return nil
	}
	return *f
}

func TestQuotientHasOneDecimalHalvesUp(t *testing.T) {
	for _, c := range []struct {
		a, b int
		want any
	}{
		{0, 0, nil}, {5, 0, nil}, {0, 7, 0.0},
		{1, 3, 0.3}, {2, 3, 0.7}, {7, 1, 7.0},
		{1, 20, 0.1}, {1, 4, 0.3}, {9, 4, 2.3}, // halves go up
		{-1, 20, 0.0}, {-1, 4, -0.2}, {-1, 3, -0.3}, {-2, 3, -0.7}, // up, not away from zero
		{math.MaxInt32, 1, float64(math.MaxInt32)},
	} {
		if got := shown(mesa.Quotient(c.a, c.b)); got != c.want {
			t.Errorf("%d ÷ %d = %v, want %v", c.a, c.b, got, c.want)
		}
	}
	for _, c := range []struct {
		part, whole int
		want        any
	}{{0, 0, nil}, {0, 9, 0.0}, {9, 9, 100.0}, {1, 3, 33.3}, {2, 3, 66.7}, {1, 16, 6.3}, {1, 2000, 0.1}, {1, 2001, 0.0}} {
		if got := shown(mesa.Percentage(c.part, c.whole)); got != c.want {
			t.Errorf("%d of %d is %v %%, want %v", c.part, c.whole, got, c.want)
		}
	}
}

func TestSpreadByExample(t *testing.T) {
	days := mesa.Histogram{}
	if s := days.Spread(1); s != (mesa.Spread{}) {
		t.Errorf("no values: %+v", s)
	}
	days.Add(3, 0) // none at all
	for _, d := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 20} {
		days.Add(d, 1)
	}
	s := days.Spread(1)
	if *s.Average != 6.5 || *s.Median != 5 || *s.P90 != 9 || *s.Min != 1 || *s.Max != 20 {
		t.Errorf("average %v median %v p90 %v min %v max %v", *s.Average, *s.Median, *s.P90, *s.Min, *s.Max)
	}
	one := mesa.Histogram{25: 1}.Spread(10)
	if *one.Average != 2.5 || *one.Median != 2.5 || *one.P90 != 2.5 || *one.Min != 2.5 || *one.Max != 2.5 {
		t.Errorf("one value: %v", one)
	}
}

// A percentile by nearest rank is the value at place ⌈p·n⌉ of the sorted list.
func TestSpreadIsThatOfTheSortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.IntRange(-5, 40), 1, 60).Draw(t, "values")
		h, sum := mesa.Histogram{}, 0
		for _, v := range list {
			h.Add(v, 1)
			sum += v
		}
		slices.Sort(list)
		rank := func(p float64) float64 { return float64(list[int(math.Ceil(p*float64(len(list))/100))-1]) }
		average := math.Floor(10*float64(sum)/float64(len(list))+0.5) / 10
		s := h.Spread(1)
		if *s.Median != rank(50) || *s.P90 != rank(90) || *s.Min != float64(list[0]) || *s.Max != float64(list[len(list)-1]) || *s.Average != average {
			t.Fatalf("%v: average %v median %v p90 %v min %v max %v", list, *s.Average, *s.Median, *s.P90, *s.Min, *s.Max)
		}
	})
}

// What comes on a Sunday counts as filed on Monday; whoever attends it on Sunday is not early by a day.
func TestAttentionDays(t *testing.T) {
	for attended, want := range map[string]int{"2026-03-01": 0, "2026-03-02": 0, "2026-03-03": 1, "2026-03-08": 4} {
		if got := peru().AttentionDays(on("2026-03-02"), on(attended)); got != want {
			t.Errorf("attended on %s: %d, want %d", attended, got, want)
		}
	}
}

func TestTrendHasEveryStep(t *testing.T) {
	day := func(m time.Month, d int) mesa.Date { return mesa.NewDate(2026, m, d) }
	counts := mesa.DayCounts{
		Received: map[mesa.Date]int{day(1, 30): 3, day(2, 1): 2, day(2, 2): 1, day(3, 1): 9},
		Attended: map[mesa.Date]int{day(2, 2): 4}, NotFiled: map[mesa.Date]int{day(1, 30): 1},
	}
	for _, c := range []struct {
		bucket mesa.TrendBucket
		want   []mesa.TrendPoint
	}{
		{mesa.DayBucket, []mesa.TrendPoint{{day(1, 30), 3, 0, 2}, {Start: day(1, 31)}, {day(2, 1), 2, 0, 2}, {day(2, 2), 1, 4, -3}, {Start: day(2, 3)}}},
		{mesa.ISOWeekBucket, []mesa.TrendPoint{{day(1, 26), 5, 0, 4}, {day(2, 2), 1, 4, -3}}}, // 1 February 2026 is a Sunday
		{mesa.MonthBucket, []mesa.TrendPoint{{day(1, 1), 3, 0, 2}, {day(2, 1), 3, 4, -1}}},
	} {
		if got := counts.Trend(c.bucket, day(1, 30), day(2, 3)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.bucket, got, c.want)
		}
	}
	last := mesa.NewDate(9999, 12, 31)
	if got := (mesa.DayCounts{}).Trend(mesa.ISOWeekBucket, last, last); len(got) != 1 {
		t.Errorf("at the end of all dates: %v", got)
	}
}

func TestTopAreaBreaksTiesByEfficiencyThenName(t *testing.T) {
	cat := (&mesa.Catalogue{Areas: []*mesa.Area{{ID: "1", Name: "Logística"}, {ID: "2", Name: "Archivo"}, {ID: "3", Name: "Caja"}}}).Index()
	half, full := 50.0, 100.0
	areas := []*mesa.AreaStatistics{
		{AreaID: "1", LegsAttended: 4, LegsReceived: 9, Efficiency: &half},
		{AreaID: "2", LegsAttended: 4, LegsReceived: 4, Efficiency: &full},
		{AreaID: "3", LegsAttended: 4, LegsReceived: 4, Efficiency: &full},
		{AreaID: "4", LegsAttended: 4},
	}
	if top := cat.TopArea(areas); top.AreaID != "2" {
		t.Errorf("top area is %s", top.AreaID)
	}
	if top := cat.TopArea([]*mesa.AreaStatistics{{AreaID: "1", LegsReceived: 3}}); top != nil {
		t.Errorf("nobody attended anything, yet %s is on top", top.AreaID)
	}
	slices.SortFunc(areas, cat.BusiestFirst)
	order := ""
	for _, a := range areas {
		order += string(a.AreaID)
	}
	if order != "1234" {
		t.Errorf("busiest first: %s", order)
	}
}
