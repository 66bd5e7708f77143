package demo

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// Opening hours of the simulated days, in minutes since midnight.
const (
	opens  = 8 * 60
	closes = 16*60 + 30
	dayLen = closes - opens
)

// arrivals says when documents come in: document i of n, ever later.
type arrivals struct {
	cal    *mesa.Calendar
	now    time.Time
	days   []mesa.Date
	before []float64 // share of the documents before each day; one more entry than days
}

// newArrivals spreads documents over the months up to now: more each month, busy Mondays, hardly any on days off.
func newArrivals(cal *mesa.Calendar, now time.Time, months int) *arrivals {
	a := &arrivals{cal: cal, now: now}
	today, sum := mesa.DateOf(now, cal.Zone()), 0.0
	first := mesa.DateOf(now.AddDate(0, -months, 0), cal.Zone())
	for d := first; d <= today; d++ {
		weight := map[time.Weekday]float64{
			time.Monday: 1.3, time.Tuesday: 1.1, time.Wednesday: 1, time.Thursday: 1, time.Friday: 0.8, time.Saturday: 0.06, time.Sunday: 0.02,
		}[d.Weekday()]
		if !cal.IsBusinessDay(d) {
			weight = min(weight, 0.05)
		}
		weight *= 1 + 0.9*float64(d-first)/float64(today-first+1)
		if d == today {
			weight *= float64(a.lastMinute(d)-opens) / dayLen
		}
		if weight <= 0 {
			continue
		}
		a.days, a.before = append(a.days, d), append(a.before, sum)
		sum += weight
	}
	a.before = append(a.before, sum)
	for i := range a.before {
		a.before[i] /= sum
	}
	return a
}

// lastMinute is when the counter closes on a day; today that may be now.
func (a *arrivals) lastMinute(d mesa.Date) int {
	if local := a.now.In(a.cal.Zone()); d == mesa.DateOf(a.now, a.cal.Zone()) {
		return max(opens, min(closes, local.Hour()*60+local.Minute()-1))
	}
	return closes
}

// at is when document i of n comes in.
func (a *arrivals) at(i, n int, rnd *rand.Rand) time.Time {
	share := (float64(i) + 0.05 + 0.9*rnd.Float64()) / float64(n)
	day := min(sort.SearchFloat64s(a.before, share), len(a.days)) - 1
	day = max(day, 0)
	part := (share - a.before[day]) / (a.before[day+1] - a.before[day])
	part += 0.12 * math.Sin(2*math.Pi*part) / (2 * math.Pi) * 4 // most come in the morning and after lunch; still rising
	minutes := max(0, min(1, part)) * float64(a.lastMinute(a.days[day])-opens)
	return a.days[day].In(a.cal.Zone()).Add(opens*time.Minute + time.Duration(minutes*float64(time.Minute))).UTC().Truncate(time.Microsecond)
}

// workTime is the instant after so many working minutes; now and then somebody stays late or comes on a Saturday.
func workTime(cal *mesa.Calendar, from time.Time, minutes float64, rnd *rand.Rand) time.Time {
	local := from.In(cal.Zone())
	day, minute := mesa.DateOf(from, cal.Zone()), float64(local.Hour()*60+local.Minute())+float64(local.Second())/60
	if !cal.IsBusinessDay(day) || minute >= closes {
		day, minute = cal.NextBusinessDay(day.AddDays(1)), opens
	}
	done := max(minute, opens) - opens + minutes
	whole := int(done) / dayLen
	if whole > 0 {
		day = cal.AddBusinessDays(day, whole)
	}
	to := day.In(cal.Zone()).Add(opens*time.Minute + time.Duration((done-float64(whole*dayLen))*float64(time.Minute)))
	switch x := rnd.IntN(100); {
	case x < 4 && minutes > 60:
		to = to.Add(time.Duration(60+rnd.IntN(180)) * time.Minute)
	case x == 4 && day.Weekday() == time.Friday:
		to = to.AddDate(0, 0, 1)
	}
	to = to.Add(time.Duration(rnd.IntN(59_000_000)) * time.Microsecond).UTC().Truncate(time.Microsecond)
	if !to.After(from) {
		to = from.Add(time.Minute)
	}
	return to
}
