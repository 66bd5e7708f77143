// Package report says what is in each kind of report, in es-PE, as an actor may see it. Package sheet makes files of it.
package report

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/sheet"
	"github.com/mesapartes/mesa/mesa"
)

// builder puts one report together.
type builder struct {
	*sheet.Report
	ctx context.Context
	v   *db.View
	cat *mesa.Catalogue
	p   mesa.ReportParameters
}

// contents is what is in each kind of report.
var contents = map[mesa.ReportType]func(b *builder) error{
	mesa.DocumentRegister: (*builder).register,
	mesa.SearchExport:     (*builder).search,
	mesa.GeneralSummary:   (*builder).summary,
	mesa.ByArea:           (*builder).byArea,
	mesa.AttentionTimes:   (*builder).attentionTimes,
	mesa.OverdueReport:    (*builder).overdue,
	mesa.DueSoonReport:    (*builder).dueSoon,
	mesa.AreaProductivity: (*builder).productivity,
	mesa.ByType:           (*builder).byType,
	mesa.Trends:           (*builder).trends,
	mesa.RoutingSlip:      (*builder).routingSlip,
}

// Build describes a report of what a view sees. Its list, if there is one, is read from the view while the report is written. NotFound and
// Forbidden come back as the view says them.
func Build(ctx context.Context, v *db.View, kind mesa.ReportType, p mesa.ReportParameters) (*sheet.Report, error) {
	content := contents[kind]
	if content == nil {
		return nil, fmt.Errorf("no report of kind %s", kind)
	}
	cat := v.Catalogue()
	b := &builder{ctx: ctx, v: v, cat: cat, p: p, Report: &sheet.Report{
		Institution: cat.Institution.Name, Title: kind.Info().Title, AsOf: v.AsOf(), Zone: cat.Calendar.Zone(), By: v.Actor().Name,
	}}
	if p.AreaID != "" {
		b.say("Área", cat.AreaName(p.AreaID))
	}
	if err := content(b); err != nil {
		return nil, err
	}
	return b.Report, nil
}

// FileName names the file of a report, such as registro-de-expedientes_20261124-0930.xlsx.
func FileName(title string, at time.Time, f sheet.Format) string {
	plain := strings.NewReplacer("á", "a", "é", "e", "í", "i", "ó", "o", "ú", "u", "ñ", "n", " ", "-").Replace(strings.ToLower(title))
	return plain + "_" + at.Format("20060102-1504") + f.Extension()
}

// say adds a condition in words.
func (b *builder) say(label, text string) { b.Filters = append(b.Filters, label+": "+text) }

// figures are the statistics of the period and area asked for.
func (b *builder) figures() (*db.Figures, error) {
	f, err := b.v.Statistics(b.ctx, mesa.StatisticsFilter{From: b.p.From, To: b.p.To, AreaID: b.p.AreaID, IncludeSubareas: true})
	if err == nil {
		b.sayPeriod(f.From, f.To)
	}
	return f, err
}

func (b *builder) sayPeriod(from, to mesa.Date) {
	switch {
	case from.IsZero() && to.IsZero():
	case from.IsZero():
		b.say("Período", "hasta el "+to.Spanish())
	case to.IsZero():
		b.say("Período", "desde el "+from.Spanish())
	default:
		b.say("Período", "del "+from.Spanish()+" al "+to.Spanish())
	}
}

// indicate adds a key figure.
func (b *builder) indicate(key, label string, kind sheet.Kind, value any) {
	b.Indicators = append(b.Indicators, sheet.Indicator{Key: key, Label: label, Kind: kind, Value: value})
}
