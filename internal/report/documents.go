package report

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/sheet"
	"github.com/mesapartes/mesa/mesa"
)

// column is a column of a list of documents with what is in it.
type column struct {
	sheet.Column
	value func(b *builder, d *mesa.Document) any
}

// registerColumns are the columns of the register.
var registerColumns = []column{
	{sheet.Column{Key: "fileNumber", Title: "Número Expediente", Width: 18}, func(_ *builder, d *mesa.Document) any { return string(d.FileNumber) }},
	{sheet.Column{Key: "documentType", Title: "Tipo Documento", Width: 20}, func(b *builder, d *mesa.Document) any { return b.typeName(d.TypeID) }},
	{sheet.Column{Key: "sender", Title: "Remitente", Width: 30}, func(_ *builder, d *mesa.Document) any { return d.Sender.Name }},
	{sheet.Column{Key: "subject", Title: "Asunto", Width: 45}, func(_ *builder, d *mesa.Document) any { return d.Subject }},
	{sheet.Column{Key: "externalNumber", Title: "N.º Documento", Width: 18}, func(_ *builder, d *mesa.Document) any { return string(d.ExternalNumber) }},
	{sheet.Column{Key: "folios", Title: "Folios", Kind: sheet.Integer}, func(_ *builder, d *mesa.Document) any { return d.Folios }},
	{sheet.Column{Key: "channel", Title: "Canal", Width: 14}, func(_ *builder, d *mesa.Document) any { return mesa.Label(string(d.Channel)) }},
	{sheet.Column{Key: "submittedAt", Title: "Fecha Presentación", Kind: sheet.DateTime}, func(_ *builder, d *mesa.Document) any { return d.SubmittedAt }},
	{sheet.Column{Key: "filedOn", Title: "Fecha Legal", Kind: sheet.Date}, func(_ *builder, d *mesa.Document) any { return d.FiledOn }},
	{sheet.Column{Key: "dueOn", Title: "Fecha Límite", Kind: sheet.Date}, func(_ *builder, d *mesa.Document) any { return d.DueOn }},
	{sheet.Column{Key: "state", Title: "Estado", Width: 14}, func(_ *builder, d *mesa.Document) any { return mesa.Label(string(d.State)) }},
	{sheet.Column{Key: "priority", Title: "Prioridad", Width: 10}, func(_ *builder, d *mesa.Document) any { return mesa.Label(string(d.Priority)) }},
	{sheet.Column{Key: "currentArea", Title: "Área Actual", Width: 26}, func(b *builder, d *mesa.Document) any { return b.cat.AreaName(d.CurrentAreaID) }},
	{sheet.Column{Key: "elapsedDays", Title: "Días Transcurridos", Kind: sheet.Integer}, (*builder).elapsed},
	{sheet.Column{Key: "remainingDays", Title: "Días Restantes", Kind: sheet.Integer}, (*builder).remaining},
	{sheet.Column{Key: "light", Title: "Semáforo", Width: 16}, (*builder).light},
}

func (b *builder) typeName(id mesa.DocumentTypeID) string {
	if t := b.cat.Type(id); t != nil {
		return t.Name
	}
	return ""
}

// elapsed is the business days from the filing to the attention, or to today.
func (b *builder) elapsed(d *mesa.Document) any {
	until := b.v.Today()
	if !d.AttendedOn.IsZero() && !d.State.IsOpen() {
		until = d.AttendedOn
	}
	return b.cat.Calendar.BusinessDaysBetween(d.FiledOn, until)
}

// remaining is the business days that are left, negative when it is late; empty without a due date or when nothing runs.
func (b *builder) remaining(d *mesa.Document) any {
	if d.DueOn.IsZero() || !d.State.IsOpen() {
		return nil
	}
	return b.cat.Calendar.BusinessDaysBetween(b.v.Today(), d.DueOn)
}

func (b *builder) light(d *mesa.Document) any {
	light := b.cat.Calendar.Light(d.State, d.DueOn, d.AttendedOn, b.v.Today(), d.IsPaused())
	if light == mesa.LightNone {
		return nil
	}
	return mesa.Label(string(light))
}

// documents makes the long list of a report, and counts what is in it.
func (b *builder) documents(f mesa.DocumentFilter, by mesa.DocumentOrder, columns []column) error {
	n, err := b.v.CountDocuments(b.ctx, f)
	if err != nil {
		return err
	}
	b.indicate("documents", "Documentos", sheet.Integer, n)
	b.List = &sheet.List{Title: "Documentos", Total: n, Rows: b.rows(f, by, columns)}
	for _, c := range columns {
		b.List.Columns = append(b.List.Columns, c.Column)
	}
	return nil
}

func (b *builder) rows(f mesa.DocumentFilter, by mesa.DocumentOrder, columns []column) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		row := make([]any, len(columns))
		for d, err := range b.v.EachDocument(b.ctx, f, by) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i, c := range columns {
				row[i] = c.value(b, d)
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// register lists the documents that were filed in the period.
func (b *builder) register() error {
	f := mesa.DocumentFilter{AreaID: b.p.AreaID, AreaMode: mesa.AreaEver}
	if !b.p.From.IsZero() || !b.p.To.IsZero() {
		f.FiledOn = &mesa.DateRange{From: b.p.From, To: b.p.To}
		b.sayPeriod(b.p.From, b.p.To)
	}
	return b.documents(f, mesa.DocumentOrder{Field: mesa.OrderByFiledOn, Direction: mesa.Ascending}, registerColumns)
}

// search lists what a search finds.
func (b *builder) search() error {
	var f mesa.DocumentFilter
	if b.p.Filter != nil {
		f = *b.p.Filter
		b.sayFilter(f)
		if err := b.sayRelated(f.RelatedToID); err != nil {
			return err
		}
	}
	return b.documents(f, mesa.LatestFirst, registerColumns)
}

var (
	nearestFirst = mesa.DocumentOrder{Field: mesa.OrderByDueOn, Direction: mesa.Ascending}

	lateColumn = column{sheet.Column{Key: "lateDays", Title: "Días de atraso", Kind: sheet.Integer}, func(b *builder, d *mesa.Document) any {
		return b.cat.Calendar.BusinessDaysBetween(d.DueOn, b.v.Today())
	}}
	assigneeColumn = column{sheet.Column{Key: "assignee", Title: "Responsable", Width: 26}, func(b *builder, d *mesa.Document) any {
		if u := b.cat.User(d.AssigneeID); u != nil {
			return u.FullName
		}
		return nil
	}}
)

// overdue lists what is late, by at least so many calendar days.
func (b *builder) overdue() error {
	f := mesa.DocumentFilter{AreaID: b.p.AreaID, Overdue: new(true)}
	if b.p.Days != nil && *b.p.Days > 0 {
		f.DueOn = &mesa.DateRange{To: b.v.Today().AddDays(-*b.p.Days)}
		b.say("Atraso", "al menos "+strconv.Itoa(*b.p.Days)+" días calendario")
	}
	return b.documents(f, nearestFirst, slices.Concat(registerColumns, []column{lateColumn, assigneeColumn}))
}

// dueSoon lists what is due within so many business days, today included.
func (b *builder) dueSoon() error {
	days := mesa.DueSoonDays
	if b.p.Days != nil {
		days = *b.p.Days
	}
	today := b.v.Today()
	b.say("Vencen", "en "+strconv.Itoa(days)+" días hábiles o menos")
	f := mesa.DocumentFilter{
		AreaID: b.p.AreaID, States: []mesa.DocumentState{mesa.Submitted, mesa.Registered, mesa.InProcess},
		DueOn: &mesa.DateRange{From: today, To: b.cat.Calendar.LastWithin(today, days)},
	}
	return b.documents(f, nearestFirst, slices.Concat(registerColumns, []column{assigneeColumn}))
}

// sayFilter puts the conditions of a search into words.
func (b *builder) sayFilter(f mesa.DocumentFilter) {
	if f.Text != "" {
		b.say("Texto", f.Text)
	}
	sayLabels(b, "Estado", f.States)
	sayLabels(b, "Prioridad", f.Priorities)
	sayLabels(b, "Canal", f.Channels)
	sayLabels(b, "Semáforo", f.Lights)
	sayLabels(b, "Confidencialidad", f.Confidentiality)
	sayNames(b, "Tipo", f.Types, func(id mesa.DocumentTypeID) string {
		for _, t := range b.cat.Types {
			if t.ID == id || t.Code == string(id) {
				return t.Name
			}
		}
		return ""
	})
	sayNames(b, "Categoría", f.Categories, func(id mesa.CategoryID) string {
		if c := b.cat.Category(id); c != nil {
			return c.Name
		}
		return ""
	})
	if f.AreaID != "" {
		label := map[mesa.AreaMode]string{mesa.AreaEver: "Pasó por el área", mesa.AreaRegistered: "Registrado en el área"}[f.AreaMode]
		b.say(cmp.Or(label, "Área"), b.cat.AreaName(f.AreaID))
	}
	if f.SenderIDNumber != "" {
		b.say("Documento del remitente", f.SenderIDNumber)
	}
	sayNames(b, "Registrado por", one(f.RegisteredByID), b.userName)
	sayNames(b, "Responsable", one(f.AssigneeID), b.userName)
	sayNames(b, "Con todas las etiquetas", f.TagsAll, func(tag string) string { return tag })
	sayNames(b, "Con alguna de las etiquetas", f.TagsAny, func(tag string) string { return tag })
	for _, r := range []struct {
		label string
		dates *mesa.DateRange
	}{{"Fecha legal", f.FiledOn}, {"Fecha límite", f.DueOn}} {
		if r.dates != nil {
			b.say(r.label, between(r.dates.From.Spanish(), r.dates.To.Spanish()))
		}
	}
	for _, r := range []struct {
		label string
		times *mesa.DateTimeRange
	}{{"Registrado", f.RegisteredAt}, {"Atendido", f.AttendedAt}} {
		if r.times != nil {
			b.say(r.label, between(b.instant(r.times.From), b.instant(r.times.To)))
		}
	}
	if f.Overdue != nil {
		b.say("Vencido", map[bool]string{true: "sí", false: "no"}[*f.Overdue])
	}
	switch f.Archived {
	case mesa.ArchivedOnly:
		b.say("Archivados", "solo archivados")
	case mesa.ArchivedExclude:
		b.say("Archivados", "sin archivados")
	}
}

// sayRelated names the document to which the others are related, by its id when it cannot be seen.
func (b *builder) sayRelated(id mesa.DocumentID) error {
	if id == "" {
		return nil
	}
	name := string(id)
	d, err := b.v.Document(b.ctx, db.DocumentBy{ID: id})
	switch {
	case err == nil && d.FileNumber != "":
		name = string(d.FileNumber)
	case err != nil && mesa.CodeOf(err) != mesa.NotFound:
		return err
	}
	b.say("Relacionados con", name)
	return nil
}

func one[T ~string](value T) []T {
	if value == "" {
		return nil
	}
	return []T{value}
}

func (b *builder) userName(id mesa.UserID) string {
	if u := b.cat.User(id); u != nil {
		return u.FullName
	}
	return ""
}

func sayLabels[T ~string](b *builder, label string, values []T) {
	sayNames(b, label, values, func(v T) string { return mesa.Label(string(v)) })
}

// sayNames names values; one without a name is written as it is.
func sayNames[T ~string](b *builder, label string, values []T, name func(T) string) {
	if len(values) == 0 {
		return
	}
	names := make([]string, len(values))
	for i, v := range values {
		if names[i] = name(v); names[i] == "" {
			names[i] = string(v)
		}
	}
	b.say(label, strings.Join(names, ", "))
}

// instant is a time of day where the institution is, "" for none.
func (b *builder) instant(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.In(b.Zone).Format("02/01/2006 15:04")
}

// between puts two ends into words; an open end is "".
func between(from, to string) string {
	switch {
	case from == "" && to == "":
		return "todas las fechas"
	case from == "":
		return "hasta el " + to
	case to == "":
		return "desde el " + from
	}
	return "del " + from + " al " + to
}
