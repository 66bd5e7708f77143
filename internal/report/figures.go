package report

import (
	"slices"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/sheet"
	"github.com/mesapartes/mesa/mesa"
)

// summary is the figures of the period, with trend and distributions.
func (b *builder) summary() error {
	f, err := b.figures()
	if err != nil {
		return err
	}
	if err := b.totals(f); err != nil {
		return err
	}
	trend, err := b.trendTable(f)
	if err != nil {
		return err
	}
	b.Tables = append(b.Tables, trend)
	return b.distributions(f)
}

func (b *builder) totals(f *db.Figures) error {
	for _, total := range []struct {
		key, label string
		read       func() (int, error)
	}{
		{"received", "Recibidos", func() (int, error) { return f.Received(b.ctx) }},
		{"receivedToday", "Recibidos hoy", func() (int, error) { return f.ReceivedToday(b.ctx) }},
		{"notFiled", "No presentados", func() (int, error) { return f.NotFiled(b.ctx) }},
		{"attended", "Atendidos", func() (int, error) { return f.Attended(b.ctx) }},
		{"open", "Abiertos", func() (int, error) { return f.Open(b.ctx) }},
		{"urgentOpen", "Abiertos urgentes", func() (int, error) { return f.UrgentOpen(b.ctx) }},
		{"overdue", "Vencidos", func() (int, error) { return f.Overdue(b.ctx) }},
		{"dueSoon", "Por vencer", func() (int, error) { return f.DueSoon(b.ctx) }},
		{"backlogChange", "Saldo del período", func() (int, error) { return f.BacklogChange(b.ctx) }},
	} {
		n, err := total.read()
		if err != nil {
			return err
		}
		b.indicate(total.key, total.label, sheet.Integer, n)
	}
	rate, err := f.OnTimeRate(b.ctx)
	if err != nil {
		return err
	}
	days, err := f.AttentionDays(b.ctx)
	if err != nil {
		return err
	}
	average, err := f.DailyAverage(b.ctx)
	if err != nil {
		return err
	}
	hops, err := f.Hops(b.ctx)
	if err != nil {
		return err
	}
	b.indicate("onTimeRate", "Atendidos en plazo", sheet.Percent, rate)
	b.indicate("dailyAverage", "Recibidos por día hábil", sheet.Decimal, average)
	b.indicate("hops", "Derivaciones por expediente", sheet.Decimal, hops)
	b.indicate("attentionAverage", "Días hábiles de atención, promedio", sheet.Decimal, days.Average)
	b.indicate("attentionMedian", "Días hábiles de atención, mediana", sheet.Decimal, days.Median)
	b.indicate("attentionP90", "Días hábiles de atención, P90", sheet.Decimal, days.P90)
	return nil
}

// shareTable is a distribution of the received.
func shareTable(key, title, name string, rows [][]any) sheet.Table {
	return sheet.Table{Key: key, Title: title, Rows: rows, Chart: sheet.Bars, Values: []int{1}, Columns: []sheet.Column{
		{Key: "name", Title: name, Width: 30}, {Key: "count", Title: "Cantidad", Kind: sheet.Integer}, {Key: "percentage", Title: "%", Kind: sheet.Percent},
	}}
}

func (b *builder) distributions(f *db.Figures) error {
	states, err := f.ByState(b.ctx)
	if err != nil {
		return err
	}
	priorities, err := f.ByPriority(b.ctx)
	if err != nil {
		return err
	}
	channels, err := f.ByChannel(b.ctx)
	if err != nil {
		return err
	}
	types, err := f.ByType(b.ctx)
	if err != nil {
		return err
	}
	b.Tables = append(b.Tables,
		shareTable("byState", "Por estado", "Estado", rowsOf(states, func(s mesa.StateShare) []any { return []any{mesa.Label(string(s.State)), s.Count, s.Percentage} })),
		shareTable("byPriority", "Por prioridad", "Prioridad", rowsOf(priorities, func(s mesa.PriorityShare) []any {
			return []any{mesa.Label(string(s.Priority)), s.Count, s.Percentage}
		})),
		shareTable("byChannel", "Por canal", "Canal", rowsOf(channels, func(s mesa.ChannelShare) []any { return []any{mesa.Label(string(s.Channel)), s.Count, s.Percentage} })),
		shareTable("byType", "Por tipo", "Tipo", rowsOf(types, func(s mesa.TypeShare) []any { return []any{b.typeName(s.TypeID), s.Count, s.Percentage} })))
	return nil
}

func rowsOf[T any](list []T, row func(T) []any) [][]any {
	rows := make([][]any, len(list))
	for i, item := range list {
		rows[i] = row(item)
	}
	return rows
}

// areaTable is a table with a row for each area that had legs.
func (b *builder) areaTable(key, title string, chart []int, columns []sheet.Column, row func(a *mesa.AreaStatistics) []any) error {
	f, err := b.figures()
	if err != nil {
		return err
	}
	areas, err := f.EveryArea(b.ctx)
	if err != nil {
		return err
	}
	columns = append([]sheet.Column{{Key: "area", Title: "Área", Width: 34}}, columns...)
	b.Tables = append(b.Tables, sheet.Table{Key: key, Title: title, Columns: columns, Chart: sheet.Bars, Values: chart,
		Rows: rowsOf(areas, func(a *mesa.AreaStatistics) []any { return append([]any{b.cat.AreaName(a.AreaID)}, row(a)...) })})
	return nil
}

func number(key, title string) sheet.Column {
	return sheet.Column{Key: key, Title: title, Kind: sheet.Integer}
}
func percent(key, title string) sheet.Column {
	return sheet.Column{Key: key, Title: title, Kind: sheet.Percent}
}
func decimal(key, title string) sheet.Column {
	return sheet.Column{Key: key, Title: title, Kind: sheet.Decimal}
}

// byArea shows what each area received, has and attended.
func (b *builder) byArea() error {
	total := 0
	err := b.areaTable("areas", b.Title, []int{1, 4}, []sheet.Column{
		number("received", "Recibidos"), number("inHand", "En mano"), number("pendingReception", "Por recibir"), number("attended", "Atendidos"),
		number("overdue", "Vencidos"), percent("share", "% del total"),
	}, func(a *mesa.AreaStatistics) []any {
		total += a.LegsReceived
		return []any{a.LegsReceived, a.InHand, a.PendingReception, a.LegsAttended, a.OverdueLegs, a.LegsReceived}
	})
	if err != nil {
		return err
	}
	for _, row := range b.Tables[0].Rows { // the share can be told only now
		last := len(row) - 1
		row[last] = mesa.Percentage(row[last].(int), total)
	}
	return nil
}

// attentionTimes shows how long each area takes.
func (b *builder) attentionTimes() error {
	return b.areaTable("areas", b.Title, []int{2, 3}, []sheet.Column{
		number("attended", "Atendidos"), decimal("average", "Promedio (días hábiles)"), decimal("median", "Mediana"), decimal("p90", "P90"),
		decimal("min", "Mín"), decimal("max", "Máx"), decimal("receptionHours", "Recepción promedio (h)"),
	}, func(a *mesa.AreaStatistics) []any {
		d := a.HandlingDays
		return []any{a.LegsAttended, d.Average, d.Median, d.P90, d.Min, d.Max, a.ReceptionHours.Average}
	})
}

// productivity shows what each area made of what it received.
func (b *builder) productivity() error {
	return b.areaTable("areas", b.Title, []int{1, 2}, []sheet.Column{
		number("received", "Recibidos"), number("attended", "Atendidos"), percent("efficiency", "Eficiencia %"), percent("returned", "Devueltos %"),
		number("load", "Carga actual"),
	}, func(a *mesa.AreaStatistics) []any {
		return []any{a.LegsReceived, a.LegsAttended, a.Efficiency, a.ReturnRate, a.InHand + a.PendingReception}
	})
}

// byType shows what was received and attended of each type, and how long that took. Types of which nothing was received come last.
func (b *builder) byType() error {
	f, err := b.figures()
	if err != nil {
		return err
	}
	types, err := f.ByType(b.ctx)
	if err != nil {
		return err
	}
	attention, err := f.AttentionByType(b.ctx)
	if err != nil {
		return err
	}
	received := 0
	for _, s := range types {
		received += s.Count
	}
	for _, typ := range b.cat.Types {
		isListed := slices.ContainsFunc(types, func(s mesa.TypeShare) bool { return s.TypeID == typ.ID })
		if attention[typ.ID].Attended > 0 && !isListed {
			types = append(types, mesa.TypeShare{TypeID: typ.ID, Percentage: mesa.Percentage(0, received)})
		}
	}
	b.Tables = append(b.Tables, sheet.Table{Key: "types", Title: b.Title, Chart: sheet.Bars, Values: []int{1, 3}, Columns: []sheet.Column{
		{Key: "type", Title: "Tipo", Width: 34}, number("count", "Cantidad"), percent("percentage", "%"), number("attended", "Atendidos"),
		decimal("median", "Mediana (días hábiles)"),
	}, Rows: rowsOf(types, func(s mesa.TypeShare) []any {
		done := attention[s.TypeID]
		return []any{b.typeName(s.TypeID), s.Count, s.Percentage, done.Attended, done.Days.Median}
	})})
	return nil
}

// trends shows received and attended step by step.
func (b *builder) trends() error {
	f, err := b.figures()
	if err != nil {
		return err
	}
	table, err := b.trendTable(f)
	b.Tables = append(b.Tables, table)
	return err
}

// bucket is the step asked for, or one that leaves some dozens of steps.
func (b *builder) bucket(from, to mesa.Date) mesa.TrendBucket {
	const manyDays, manyWeeks = 62, 366
	switch days := int(to - from); {
	case b.p.Bucket != "":
		return b.p.Bucket
	case days > manyWeeks:
		return mesa.MonthBucket
	case days > manyDays:
		return mesa.ISOWeekBucket
	}
	return mesa.DayBucket
}

func (b *builder) trendTable(f *db.Figures) (sheet.Table, error) {
	bucket := b.bucket(f.From, f.To)
	points, err := f.Trend(b.ctx, bucket)
	title := map[mesa.TrendBucket]string{mesa.DayBucket: "Tendencia por día", mesa.ISOWeekBucket: "Tendencia por semana", mesa.MonthBucket: "Tendencia por mes"}[bucket]
	return sheet.Table{Key: "trend", Title: title, Chart: sheet.Lines, Values: []int{1, 2}, Columns: []sheet.Column{
		{Key: "start", Title: "Desde", Kind: sheet.Date}, number("received", "Recibidos"), number("attended", "Atendidos"), number("balance", "Saldo"),
	}, Rows: rowsOf(points, func(p mesa.TrendPoint) []any { return []any{p.Start, p.Received, p.Attended, p.BacklogChange} })}, err
}
