package mesa

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// StateShare is how many received documents stand in a state.
type StateShare struct {
	State      DocumentState
	Count      int
	Percentage *float64 // of the received, see Percentage; so in the other shares
}

// PriorityShare is how many received documents have a priority.
type PriorityShare struct {
	Priority   Priority
	Count      int
	Percentage *float64
}

// TypeShare is how many received documents are of a type.
type TypeShare struct {
	TypeID     DocumentTypeID
	Count      int
	Percentage *float64
}

// TypeAttention is how documents of a type were attended.
type TypeAttention struct {
	Attended int
	Days     Spread // business days from filing to attention
}

// CategoryShare is how many received documents are of a category.
type CategoryShare struct {
	CategoryID CategoryID
	Count      int
	Percentage *float64
}

// ChannelShare is how many received documents came by a channel.
type ChannelShare struct {
	Channel    Channel
	Count      int
	Percentage *float64
}

// SenderKindShare is how many received documents came from a kind of sender.
type SenderKindShare struct {
	Kind       PartyKind
	Count      int
	Percentage *float64
}

// AreaStatistics are the figures of one area over its ACTION legs.
type AreaStatistics struct {
	AreaID           AreaID
	LegsReceived     int // in the period
	LegsAttended     int // in the period
	PendingReception int // now
	InHand           int // now
	OverdueLegs      int // now
	Efficiency       *float64
	ReturnRate       *float64
	ReceptionHours   Spread
	HandlingDays     Spread
}

// BusiestFirst orders areas: most legs attended, then most received, then by name.
func (c *Catalogue) BusiestFirst(a, b *AreaStatistics) int {
	return cmp.Or(cmp.Compare(b.LegsAttended, a.LegsAttended), cmp.Compare(b.LegsReceived, a.LegsReceived), c.byName(a, b))
}

// TopArea is the one that attended most legs; ties go to the more efficient, then by name. It is nil when none attended any.
func (c *Catalogue) TopArea(areas []*AreaStatistics) *AreaStatistics {
	var top *AreaStatistics
	for _, a := range areas {
		if a.LegsAttended > 0 && (top == nil || c.better(a, top) < 0) {
			top = a
		}
	}
	return top
}

func (c *Catalogue) better(a, b *AreaStatistics) int {
	efficiency := func(s *AreaStatistics) float64 {
		if s.Efficiency == nil {
			return -1
		}
		return *s.Efficiency
	}
	return cmp.Or(cmp.Compare(b.LegsAttended, a.LegsAttended), cmp.Compare(efficiency(b), efficiency(a)), c.byName(a, b))
}

func (c *Catalogue) byName(a, b *AreaStatistics) int {
	return cmp.Or(strings.Compare(c.AreaName(a.AreaID), c.AreaName(b.AreaID)), cmp.Compare(a.AreaID, b.AreaID))
}

// TrendPoint is one step of a trend.
type TrendPoint struct {
	Start         Date // may lie before the period, of which the step then has only the days inside
	Received      int
	Attended      int
	BacklogChange int // received − attended − not filed
}

// DayCounts are documents by day.
type DayCounts struct{ Received, Attended, NotFiled map[Date]int }

// Trend adds days up to the steps of a period, in order; steps in which nothing happened are there too.
func (n DayCounts) Trend(bucket TrendBucket, from, to Date) []TrendPoint {
	points := []TrendPoint{}
	for d := from; d <= to; d++ {
		if start := bucket.Start(d); len(points) == 0 || points[len(points)-1].Start != start {
			points = append(points, TrendPoint{Start: start})
		}
		p := &points[len(points)-1]
		p.Received += n.Received[d]
		p.Attended += n.Attended[d]
		p.BacklogChange += n.Received[d] - n.Attended[d] - n.NotFiled[d]
	}
	return points
}

// Start is the first day of the step that a date belongs to: itself, its Monday, or the first of its month.
func (t TrendBucket) Start(d Date) Date {
	switch t {
	case ISOWeekBucket:
		return d.AddDays(-(int(d.Weekday()) - int(time.Monday) + 7) % 7)
	case MonthBucket:
		y, m, _ := d.YMD()
		return NewDate(y, m, 1)
	}
	return d
}

// BusinessDaysIn is how many business days a period has, both ends included.
func (c *Calendar) BusinessDaysIn(from, to Date) int {
	n := 0
	for d := from; d <= to; d++ {
		if c.IsBusinessDay(d) {
			n++
		}
	}
	return n
}

// AttentionDays are the business days that a document took: none when it was attended before the day on which it counts as filed.
func (c *Calendar) AttentionDays(filed, attended Date) int {
	return max(0, c.BusinessDaysBetween(filed, attended))
}

// Spread says how values are distributed. All fields are nil when there are no values.
type Spread struct{ Average, Median, P90, Min, Max *float64 }

// Histogram is values with how often each occurs, always more than zero times.
type Histogram map[int]int

// Add counts a value another n times.
func (h Histogram) Add(value, n int) {
	if n > 0 {
		h[value] += n
	}
}

// Spread is the distribution of the values divided by unit: 1, or 10 for a histogram of tenths.
func (h Histogram) Spread(unit int) Spread {
	values := slices.Sorted(maps.Keys(h))
	n, sum := 0, 0
	for value, times := range h {
		n += times
		sum += value * times
	}
	if n == 0 {
		return Spread{}
	}
	in := func(value int) *float64 { return Quotient(value, unit) }
	return Spread{
		Average: Quotient(sum, n*unit), Median: in(h.nearestRank(values, n, 50)), P90: in(h.nearestRank(values, n, 90)),
		Min: in(values[0]), Max: in(values[len(values)-1]),
	}
}

// Percentile is the smallest value such that at least percent of the values are not above it; 0 when there are none.
func (h Histogram) Percentile(percent int) int {
	n := 0
	for _, times := range h {
		n += times
	}
	if n == 0 {
		return 0
	}
	return h.nearestRank(slices.Sorted(maps.Keys(h)), n, percent)
}

// nearestRank is the smallest value such that at least percent of the n values are not above it.
func (h Histogram) nearestRank(sorted []int, n, percent int) int {
	rank := (percent*n + 99) / 100
	for _, value := range sorted {
		if rank -= h[value]; rank <= 0 {
			return value
		}
	}
	return sorted[len(sorted)-1]
}

// Percentage is how many in a hundred a part is, as Quotient; nil when the whole is empty.
func Percentage(part, whole int) *float64 { return Quotient(100*part, whole) }

// Quotient is a ÷ b with one decimal, halves up; nil when b is zero. b is a count and never negative.
func Quotient(a, b int) *float64 {
	if b <= 0 {
		return nil
	}
	doubled, twice := 20*a+b, 2*b // rounding down (a·10 ÷ b + ½), exactly
	tenths := doubled / twice
	if doubled%twice < 0 {
		tenths--
	}
	f := float64(tenths) / 10
	return &f
}
