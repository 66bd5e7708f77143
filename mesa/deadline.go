package mesa

import (
	"cmp"
	"io"
	"slices"
)

// DueSource says where a due date comes from.
type DueSource string

// The values of DueSource, the strongest first.
const (
	DueManual      DueSource = "MANUAL"
	DueByProcedure DueSource = "PROCEDURE"
	DueByType      DueSource = "TYPE"
	DueNone        DueSource = "NONE"
)

// DueSources lists them in the order of the schema.
var DueSources = []DueSource{DueManual, DueByProcedure, DueByType, DueNone}

// MarshalGQL writes the name, null for none.
func (s DueSource) MarshalGQL(w io.Writer) { writeEnum(w, s) }

// UnmarshalGQL reads a name.
func (s *DueSource) UnmarshalGQL(v any) error { return readEnum(v, s, DueSources) }

// Deadline is all that a due date depends on besides the calendar.
type Deadline struct {
	FiledOn Date
	Source  DueSource
	Term    int     // business days, for PROCEDURE and TYPE
	Manual  Date    // for MANUAL; it already allows for pauses that ended before it was given
	Pauses  []Pause // in any order
}

// Pause is an observation: the counted days d with From < d ≤ Until do not count.
type Pause struct {
	From  Date // notified
	Until Date // cured, zero while still open
	Reset bool // the whole term runs anew after Until; a MANUAL date has no term and is only moved
}

// DueOn is the due date: the term after filing, or the manual date, moved by the pauses one after the other.
// What was left of the term, or how late it was, at the start of a pause is the same at its end. There is no due date without a
// filing date or source, while a pause is open, and while terms are suspended without an end.
func (c *Calendar) DueOn(in Deadline) Date {
	due := c.unpaused(in)
	for _, p := range in.pauses() {
		switch days := c.BusinessDaysBetween(p.From, p.Until); {
		case due.IsZero() || p.Until.IsZero():
			return 0
		case in.resets(p):
			due = c.AddBusinessDays(p.Until, in.Term)
		case days > 0:
			due = c.AddBusinessDays(due, days)
		}
	}
	return due
}

// unpaused is the due date as if nothing had been observed.
func (c *Calendar) unpaused(in Deadline) Date {
	switch {
	case in.FiledOn.IsZero():
		return 0
	case in.Source == DueManual:
		return in.Manual
	case in.Source == DueByProcedure || in.Source == DueByType:
		return c.AddBusinessDays(in.FiledOn, in.Term)
	default:
		return 0
	}
}

// pauses is the pauses in order, cut so that no day is left out twice and none before the filing date.
func (in Deadline) pauses() []Pause {
	list := slices.SortedStableFunc(slices.Values(in.Pauses), func(a, b Pause) int { return cmp.Compare(a.From, b.From) })
	edge := in.FiledOn
	for i := range list {
		p := &list[i]
		p.From = max(p.From, edge)
		if !p.Until.IsZero() {
			p.Until = max(p.Until, p.From)
			edge = p.Until
		}
	}
	return list
}

func (in Deadline) resets(p Pause) bool { return p.Reset && in.Source != DueManual }

// TraceDay is one day between filing and due date.
type TraceDay struct {
	Date    Date
	Counted bool
	Reason  Text // es-PE, why the day is not counted; "" when it is
}

// maxTrace keeps the explanation of a due date in the far future readable: ten years and no more.
const maxTrace = 3660

// DeadlineTrace explains a due date: every day after the filing date up to and including the due date, at most ten years.
// It is empty, never nil, when there is no due date.
func (c *Calendar) DeadlineTrace(in Deadline) []TraceDay {
	trace := []TraceDay{}
	due, pauses := c.DueOn(in), in.pauses()
	for d := in.FiledOn + 1; d <= due && len(trace) < maxTrace; d++ {
		reason := c.Reason(d)
		if reason == "" {
			reason = in.whyPaused(d, pauses)
		}
		trace = append(trace, TraceDay{Date: d, Counted: reason == "", Reason: Text(reason)})
	}
	return trace
}

// whyPaused says in es-PE why a counted day is not part of the term, "" when it is.
func (in Deadline) whyPaused(d Date, pauses []Pause) string {
	for _, p := range pauses {
		if p.From < d && d <= p.Until {
			return "Suspendido por observación"
		}
	}
	for _, p := range pauses {
		if in.resets(p) && d <= p.From {
			return "El plazo se reinició al subsanarse la observación"
		}
	}
	return ""
}

// ManualDueOn is the date that a wish becomes: itself, or the next business day. A wish before today or before the filing date
// fails with DEADLINE_IN_PAST. No wish stays no date.
func (c *Calendar) ManualDueOn(wish, today, filedOn Date) (Date, error) {
	switch {
	case wish.IsZero():
		return 0, nil
	case wish < today:
		return 0, Fail(DeadlineInPast, "dueOn", "La fecha de vencimiento no puede ser anterior a hoy.")
	case wish < filedOn:
		return 0, Fail(DeadlineInPast, "dueOn", "La fecha de vencimiento no puede ser anterior a la fecha de presentación.")
	}
	return c.NextBusinessDay(wish), nil
}

// Light is the traffic light of a due date.
type Light string

// The values of Light.
const (
	LightDoneOnTime Light = "DONE_ON_TIME"
	LightDoneLate   Light = "DONE_LATE"
	LightPaused     Light = "PAUSED"
	LightNone       Light = "NONE"
	LightOverdue    Light = "OVERDUE"
	LightRed        Light = "RED"
	LightAmber      Light = "AMBER"
	LightGreen      Light = "GREEN"
)

// Lights lists them in the order of the schema.
var Lights = []Light{
	LightDoneOnTime, LightDoneLate, LightPaused, LightNone, LightOverdue, LightRed, LightAmber, LightGreen,
}

// MarshalGQL writes the name, null for none.
func (l Light) MarshalGQL(w io.Writer) { writeEnum(w, l) }

// UnmarshalGQL reads a name.
func (l *Light) UnmarshalGQL(v any) error { return readEnum(v, l, Lights) }

// Light shows how a document stands to its due date. NONE is for what has no due date, was voided or not
// filed, or was archived without having been attended. AMBER is all between today and AmberUntil, so that SQL can say the same.
func (c *Calendar) Light(state DocumentState, dueOn, attendedOn, today Date, paused bool) Light {
	switch state {
	case NotFiled, Voided:
		return LightNone
	case Attended, Archived:
		return doneLight(dueOn, attendedOn)
	}
	switch {
	case paused:
		return LightPaused
	case dueOn.IsZero():
		return LightNone
	case dueOn < today:
		return LightOverdue
	case dueOn == today:
		return LightRed
	case dueOn <= c.AmberUntil(today):
		return LightAmber
	default:
		return LightGreen
	}
}

func doneLight(dueOn, attendedOn Date) Light {
	switch {
	case dueOn.IsZero() || attendedOn.IsZero():
		return LightNone
	case attendedOn <= dueOn:
		return LightDoneOnTime
	default:
		return LightDoneLate
	}
}

// amberDays is how many business days may remain for a document to be AMBER.
const amberDays = 3

// AmberUntil is the last date with at most three business days remaining from today.
func (c *Calendar) AmberUntil(today Date) Date { return c.LastWithin(today, amberDays) }

// LastWithin is the last date with at most n business days remaining from today: the day before the next one after those; the last date
// of all when there is no next one.
func (c *Calendar) LastWithin(today Date, n int) Date {
	next := c.AddBusinessDays(today, n+1)
	if next.IsZero() {
		return maxDate
	}
	return next.AddDays(-1)
}
