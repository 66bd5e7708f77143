package main

import (
	"database/sql"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// handCursor names a place in the default order as the program does.
func handCursor(listedAt instant, id string) string {
	return cursorOf(string(mesa.OrderByRegisteredAt)+string(mesa.Descending), time.Time(listedAt).UTC().Format(time.RFC3339Nano), id)
}

// cursorOf is base64url of a JSON list of texts that need no escaping.
func cursorOf(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`["` + strings.Join(parts, `","`) + `"]`))
}

// statistics answers Statistics for the default period.
func (d *desk) statistics(caller) http.HandlerFunc {
	const open = "d.state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS')"
	const runs = "d.state IN ('SUBMITTED', 'REGISTERED', 'IN_PROCESS')"
	rows := d.statement(strings.Join([]string{
		"SELECT 'attended' AS part, '' AS k1, '' AS k2, d.filed_on AS d1, d.attended_on AS d2, count(*) AS n, count(d.due_on) AS a, count(CASE WHEN d.attended_on <= d.due_on THEN 1 END) AS b, 0 AS c " +
			"FROM documents AS d WHERE " + signedIn + " AND d.attended_on BETWEEN ?3 AND ?4 AND d.state IN ('ATTENDED', 'ARCHIVED') GROUP BY d.filed_on, d.attended_on",
		"SELECT 'filed', d.state, '', d.filed_on, NULL, count(*), 0, 0, 0 FROM documents AS d WHERE d.filed_on BETWEEN ?3 AND ?4 AND d.state <> 'VOIDED' GROUP BY d.filed_on, d.state",
		"SELECT 'cube', d.priority, d.type_id, NULL, NULL, count(*), 0, 0, 0 FROM documents AS d WHERE d.filed_on BETWEEN ?3 AND ?4 AND d.state <> 'VOIDED' GROUP BY d.priority, d.type_id",
		"SELECT 'open', '', '', NULL, NULL, count(*), count(CASE WHEN d.priority = 'URGENT' THEN 1 END), count(CASE WHEN " + runs + " AND d.due_on < ?4 THEN 1 END), " +
			"count(CASE WHEN " + runs + " AND d.due_on BETWEEN ?4 AND ?5 THEN 1 END) FROM documents AS d WHERE " + open,
		"SELECT 'today', '', '', NULL, NULL, count(*), 0, 0, 0 FROM documents AS d WHERE d.filed_on = ?4 AND d.state <> 'VOIDED'",
		"SELECT 'handled', l.to_id, '', l.received_on, l.closed_on, count(*), 0, 0, 0 FROM derivations AS l WHERE l.kind = 'ACTION' AND l.state = 'ATTENDED' AND l.closed_on BETWEEN ?3 AND ?4 GROUP BY l.to_id, l.received_on, l.closed_on",
		"SELECT 'received', l.to_id, '', NULL, NULL, count(*), count(CASE WHEN l.state = 'ATTENDED' THEN 1 END), 0, 0 FROM derivations AS l WHERE l.kind = 'ACTION' AND l.received_on BETWEEN ?3 AND ?4 GROUP BY l.to_id",
		"SELECT 'held', l.to_id, l.state, NULL, NULL, count(*), count(CASE WHEN l.due_on < ?4 THEN 1 END), 0, 0 FROM derivations AS l WHERE l.kind = 'ACTION' AND l.state IN ('PENDING', 'RECEIVED') GROUP BY l.to_id, l.state",
	}, " UNION ALL "))
	to := d.cat.Today(noon)
	from := to.AddDays(-29)
	args := []any{from, to, d.cat.Calendar.AmberUntil(to)}
	return func(w http.ResponseWriter, r *http.Request) {
		reply(w, func(o *out) error {
			f := newFigures(d.cat)
			err := rows(r.Context(), append(session(r), args...), f.add)
			f.write(o, from, to)
			return err
		})
	}
}

// figures adds the rows of the statement up.
type figures struct {
	cat                                             *mesa.Catalogue
	received, today, attended, withDue, onTime, now int
	urgent, overdue, soon                           int
	states                                          map[string]int
	priorities                                      map[string]int
	types                                           map[mesa.DocumentTypeID]int
	byDay, doneByDay                                map[mesa.Date]int
	days                                            mesa.Histogram
	areas                                           map[mesa.AreaID]*areaFigures
}

type areaFigures struct {
	mesa.AreaStatistics
	attendedByNow int
	handling      mesa.Histogram
}

func newFigures(cat *mesa.Catalogue) *figures {
	return &figures{cat: cat, states: map[string]int{}, priorities: map[string]int{}, types: map[mesa.DocumentTypeID]int{}, byDay: map[mesa.Date]int{},
		doneByDay: map[mesa.Date]int{}, days: mesa.Histogram{}, areas: map[mesa.AreaID]*areaFigures{}}
}

func (f *figures) add(rows *sql.Rows) error {
	var (
		part, k1, k2 string
		d1, d2       mesa.Date
		n, a, b, c   int
	)
	if err := rows.Scan(&part, &k1, &k2, &d1, &d2, &n, &a, &b, &c); err != nil {
		return err
	}
	switch part {
	case "attended":
		f.attended += n
		f.withDue += a
		f.onTime += b
		f.doneByDay[d2] += n
		f.days.Add(f.cat.Calendar.AttentionDays(d1, d2), n)
	case "filed":
		f.received += n
		f.states[k1] += n
		f.byDay[d1] += n
	case "cube":
		f.priorities[k1] += n
		f.types[mesa.DocumentTypeID(k2)] += n
	case "open":
		f.now, f.urgent, f.overdue, f.soon = n, a, b, c
	case "today":
		f.today = n
	default:
		f.addLegs(part, mesa.AreaID(k1), k2, d1, d2, n, a)
	}
	return nil
}

func (f *figures) addLegs(part string, id mesa.AreaID, state string, received, closed mesa.Date, n, hits int) {
	area := f.areas[id]
	if area == nil {
		area = &areaFigures{AreaStatistics: mesa.AreaStatistics{AreaID: id}, handling: mesa.Histogram{}}
		f.areas[id] = area
	}
	switch {
	case part == "handled":
		area.LegsAttended += n
		area.handling.Add(f.cat.Calendar.BusinessDaysBetween(received, closed), n)
	case part == "received":
		area.LegsReceived += n
		area.attendedByNow += hits
	case state == "PENDING":
		area.PendingReception += n
		area.OverdueLegs += hits
	default:
		area.InHand += n
		area.OverdueLegs += hits
	}
}

func (f *figures) write(o *out, from, to mesa.Date) {
	o.raw(`{"data":{"statistics":{`)
	for _, p := range []struct {
		name string
		n    int
	}{{"received", f.received}, {"receivedToday", f.today}, {"attended", f.attended}, {"open", f.now}, {"urgentOpen", f.urgent}, {"overdue", f.overdue}, {"dueSoon", f.soon}} {
		o.key(p.name)
		o.int(p.n)
	}
	o.key("onTimeRate")
	o.float(mesa.Percentage(f.onTime, f.withDue))
	o.raw(`,"byState":[`)
	for _, s := range mesa.DocumentStates {
		f.share(o, `"state":"`+string(s)+`"`, f.states[string(s)])
	}
	o.raw(`],"byPriority":[`)
	for _, p := range mesa.Priorities {
		f.share(o, `"priority":"`+string(p)+`"`, f.priorities[string(p)])
	}
	o.raw(`],"byType":[`)
	ids := []mesa.DocumentTypeID{}
	for id := range f.types {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b mesa.DocumentTypeID) int {
		if f.types[a] != f.types[b] {
			return f.types[b] - f.types[a]
		}
		return strings.Compare(string(a), string(b))
	})
	for _, id := range ids {
		f.share(o, `"type":{"code":"`+f.cat.Type(id).Code+`"}`, f.types[id])
	}
	o.raw(`],"trend":[`)
	for day := from; day <= to; day++ {
		o.comma()
		o.raw(`{"start":`)
		o.date(day)
		o.raw(`,"received":`)
		o.int(f.byDay[day])
		o.raw(`,"attended":`)
		o.int(f.doneByDay[day])
		o.raw(`}`)
	}
	o.raw(`],"attentionDays":`)
	spread := f.days.Spread(1)
	f.spread(o, spread, true)
	o.raw(`,"areas":[`)
	f.writeAreas(o)
	o.raw(`]}}}`)
}

func (f *figures) share(o *out, what string, n int) {
	if n == 0 {
		return
	}
	o.comma()
	o.raw(`{` + what + `,"count":`)
	o.int(n)
	o.raw(`,"percentage":`)
	o.float(mesa.Percentage(n, f.received))
	o.raw(`}`)
}

func (f *figures) spread(o *out, s mesa.Spread, all bool) {
	o.raw(`{"average":`)
	o.float(s.Average)
	o.raw(`,"median":`)
	o.float(s.Median)
	o.raw(`,"p90":`)
	o.float(s.P90)
	if all {
		o.raw(`,"min":`)
		o.float(s.Min)
		o.raw(`,"max":`)
		o.float(s.Max)
	}
	o.raw(`}`)
}

func (f *figures) writeAreas(o *out) {
	list := []*areaFigures{}
	for _, a := range f.areas {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *areaFigures) int { return f.cat.BusiestFirst(&a.AreaStatistics, &b.AreaStatistics) })
	for _, a := range list[:min(10, len(list))] {
		area := f.cat.Area(a.AreaID)
		o.comma()
		o.raw(`{"area":{"code":`)
		o.text(area.Code)
		o.raw(`,"name":`)
		o.text(area.Name)
		o.raw(`}`)
		for _, p := range []struct {
			name string
			n    int
		}{{"legsReceived", a.LegsReceived}, {"legsAttended", a.LegsAttended}, {"pendingReception", a.PendingReception}, {"inHand", a.InHand}, {"overdueLegs", a.OverdueLegs}} {
			o.key(p.name)
			o.int(p.n)
		}
		o.raw(`,"efficiency":`)
		o.float(mesa.Percentage(a.attendedByNow, a.LegsReceived))
		o.raw(`,"handlingDays":`)
		f.spread(o, a.handling.Spread(1), false)
		o.raw(`}`)
	}
}
