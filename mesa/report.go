package mesa

import (
	"encoding/json"
	"io"
	"slices"
	"time"
)

// ReportType is a kind of report.
type ReportType string

// The kinds of reports.
const (
	DocumentRegister ReportType = "DOCUMENT_REGISTER"
	SearchExport     ReportType = "SEARCH_EXPORT"
	GeneralSummary   ReportType = "GENERAL_SUMMARY"
	ByArea           ReportType = "BY_AREA"
	AttentionTimes   ReportType = "ATTENTION_TIMES"
	OverdueReport    ReportType = "OVERDUE"
	DueSoonReport    ReportType = "DUE_SOON"
	AreaProductivity ReportType = "AREA_PRODUCTIVITY"
	ByType           ReportType = "BY_TYPE"
	Trends           ReportType = "TRENDS"
	RoutingSlip      ReportType = "ROUTING_SLIP"
)

// ReportFormat is a kind of file.
type ReportFormat string

// The formats of reports.
const (
	ReportXLSX   ReportFormat = "XLSX"
	ReportPDF    ReportFormat = "PDF"
	ReportCSV    ReportFormat = "CSV"
	ReportNDJSON ReportFormat = "NDJSON"
)

// ReportFormats lists the formats.
var ReportFormats = []ReportFormat{ReportXLSX, ReportPDF, ReportCSV, ReportNDJSON}

// ReportInfo is what a client chooses a report by.
type ReportInfo struct {
	Type    ReportType
	Title   string // es-PE
	Formats []ReportFormat
	Takes   []ReportParameter // what may be asked of it; anything else is refused
	Figures bool              // whether it is made of statistics, with their limits
}

// ReportParameter is something that may be asked of a report.
type ReportParameter string

// What may be asked of reports.
const (
	TakesFilter   ReportParameter = "FILTER"
	TakesPeriod   ReportParameter = "PERIOD"
	TakesArea     ReportParameter = "AREA"
	TakesDays     ReportParameter = "DAYS"
	TakesDocument ReportParameter = "DOCUMENT" // and cannot do without
	TakesBucket   ReportParameter = "BUCKET"
)

// ReportParameterNames lists what may be asked.
var ReportParameterNames = []ReportParameter{TakesFilter, TakesPeriod, TakesArea, TakesDays, TakesDocument, TakesBucket}

// ReportCatalog is the table of reports.
var ReportCatalog = []*ReportInfo{
	{DocumentRegister, "Registro de expedientes", ReportFormats, []ReportParameter{TakesPeriod, TakesArea}, false},
	{SearchExport, "Resultado de búsqueda", ReportFormats, []ReportParameter{TakesFilter}, false},
	{GeneralSummary, "Resumen general", ReportFormats, []ReportParameter{TakesPeriod, TakesArea, TakesBucket}, true},
	{ByArea, "Documentos por área", ReportFormats, []ReportParameter{TakesPeriod, TakesArea}, true},
	{AttentionTimes, "Tiempos de atención", ReportFormats, []ReportParameter{TakesPeriod, TakesArea}, true},
	{OverdueReport, "Documentos vencidos", ReportFormats, []ReportParameter{TakesArea, TakesDays}, false},
	{DueSoonReport, "Próximos a vencer", ReportFormats, []ReportParameter{TakesArea, TakesDays}, false},
	{AreaProductivity, "Productividad por áreas", ReportFormats, []ReportParameter{TakesPeriod, TakesArea}, true},
	{ByType, "Por tipo", ReportFormats, []ReportParameter{TakesPeriod, TakesArea}, true},
	{Trends, "Tendencias", ReportFormats, []ReportParameter{TakesPeriod, TakesArea, TakesBucket}, true},
	{RoutingSlip, "Hoja de ruta", ReportFormats, []ReportParameter{TakesDocument}, false},
}

// ReportTypes lists the kinds, in the order of ReportCatalog.
var ReportTypes = reportTypes()

func reportTypes() (types []ReportType) {
	for _, r := range ReportCatalog {
		types = append(types, r.Type)
	}
	return types
}

// Info is the row of a kind in ReportCatalog, nil when there is none.
func (t ReportType) Info() *ReportInfo {
	i := slices.Index(ReportTypes, t)
	if i < 0 {
		return nil
	}
	return ReportCatalog[i]
}

// ReportParameters is what was asked of a report. Zero values stand for what the report does by itself.
type ReportParameters struct {
	Filter     *DocumentFilter `json:",omitempty"`
	From, To   Date
	AreaID     AreaID      `json:",omitempty"`
	Days       *int        `json:",omitempty"` // OVERDUE: at least so many days late; DUE_SOON: due within so many business days
	DocumentID DocumentID  `json:",omitempty"`
	Bucket     TrendBucket `json:",omitempty"`
}

// Limits of reports.
const (
	MaxLiveReports = 10   // that one user may have waiting or running
	MaxReportDays  = 3650 // of ReportParameters.Days
	DueSoonDays    = 3    // business days, unless others are asked for
	ReportKeptFor  = 72 * time.Hour
	ReportLinkFor  = 5 * time.Minute // a link to its file works
)

// Check tells what is wrong with parameters for a kind of report.
func (p *ReportParameters) Check(info *ReportInfo) error {
	for _, given := range []struct {
		is    bool
		what  ReportParameter
		field string
	}{
		{p.Filter != nil, TakesFilter, "filter"}, {!p.From.IsZero() || !p.To.IsZero(), TakesPeriod, "period"}, {p.AreaID != "", TakesArea, "areaId"},
		{p.Days != nil, TakesDays, "days"}, {p.DocumentID != "", TakesDocument, "documentId"}, {p.Bucket != "", TakesBucket, "bucket"},
	} {
		if given.is && !slices.Contains(info.Takes, given.what) {
			return Invalid(given.field, "Este reporte no admite ese parámetro.")
		}
	}
	if p.Filter != nil {
		if err := p.Filter.Check(); err != nil {
			return err
		}
	}
	switch {
	case !p.From.IsZero() && !p.To.IsZero() && p.From > p.To:
		return Invalid("period.from", "El periodo empieza después de terminar.")
	case p.Days != nil && (*p.Days < 0 || *p.Days > MaxReportDays):
		return Invalid("days", "Indique un valor de 0 a %d.", MaxReportDays)
	case p.DocumentID == "" && slices.Contains(info.Takes, TakesDocument):
		return Invalid("documentId", "Indique el expediente.")
	}
	return nil
}

// ReportState is where a run of a report stands.
type ReportState string

// The states of a run. The first five are those of its job.
const (
	ReportExpired ReportState = "EXPIRED" // it was done, and its file is deleted
)

// ReportStates lists the states.
var ReportStates = []ReportState{ReportState(JobQueued), ReportState(JobRunning), ReportState(JobSucceeded), ReportState(JobFailed), ReportState(JobCancelled), ReportExpired}

// ReportRun is a report that somebody asked for. Its job says how far it is; the file is there while StorageKey is set.
type ReportRun struct {
	ID            ReportID `bun:",pk"`
	JobID         JobID
	Type          ReportType
	Format        ReportFormat
	Parameters    json.RawMessage `bun:"type:jsonb"`
	RequestedByID UserID
	RequestedAt   time.Time
	FileName      Text `bun:",nullzero"`
	StorageKey    Text `bun:",nullzero"` // ours, never shown
	Size          *int64
	SHA256        Text `bun:"sha256,nullzero"`
	Rows          *int64
	ExpiresAt     *time.Time // of the file
	Job           *Job       `bun:"rel:belongs-to,join:job_id=id"`
}

// IsNode marks a type that node(id:) finds.
func (ReportRun) IsNode() {}

// State is where the run stands.
func (r *ReportRun) State() ReportState {
	if r.Job.State == JobSucceeded && r.StorageKey == "" {
		return ReportExpired
	}
	return ReportState(r.Job.State)
}

// HasFile says whether there is a file that can be fetched at an instant: it may outlive its time until somebody deletes it.
func (r *ReportRun) HasFile(now time.Time) bool {
	return r.StorageKey != "" && r.ExpiresAt != nil && now.Before(*r.ExpiresAt)
}

// Progress is from 0 to 100; it never falls.
func (r *ReportRun) Progress() int { return r.Job.Progress }

// StartedAt is when a worker began, nil before.
func (r *ReportRun) StartedAt() *time.Time { return r.Job.StartedAt }

// FinishedAt is when it ended, nil before.
func (r *ReportRun) FinishedAt() *time.Time { return r.Job.FinishedAt }

// ErrorCode is why it failed, "" while it has not.
func (r *ReportRun) ErrorCode() Text {
	if r.Job.State != JobFailed {
		return ""
	}
	return r.Job.ErrorCode
}

// Title is the kind's in es-PE.
func (r *ReportRun) Title() string { return r.Type.Info().Title }

// Attempts is how often it was begun.
func (r *ReportRun) Attempts() int {
	n := r.Job.Attempt + r.Job.Crashes
	if r.Job.State == JobRunning || r.Job.State == JobSucceeded {
		n++
	}
	return n
}

// Rev rises with every change that can be seen.
func (r *ReportRun) Rev() int {
	if r.State() == ReportExpired {
		return int(r.Job.Rev) + 1
	}
	return int(r.Job.Rev)
}

// RowsTotal is how many rows there will be, nil while nobody knows.
func (r *ReportRun) RowsTotal() *int {
	if r.Rows != nil {
		return new(int(*r.Rows))
	}
	if r.Job.Total > 0 {
		return new(int(r.Job.Total))
	}
	return nil
}

// RowsDone is how many rows are done.
func (r *ReportRun) RowsDone() int {
	if r.Rows != nil {
		return int(*r.Rows)
	}
	return int(r.Job.Done)
}

// Why a report failed, beyond what any job may.
const (
	ReportTooLarge  = "LIMIT_EXCEEDED"
	ReportForbidden = "FORBIDDEN"
	ReportNotFound  = "NOT_FOUND"
	ReportStorage   = "STORAGE_FAILED"
)

var reportFailures = map[Text]string{
	ReportTooLarge:  "El reporte supera las filas que admite su formato: redúzcalo o pida XLSX.",
	ReportForbidden: "Ya no tiene permiso para este reporte.",
	ReportNotFound:  "El expediente no existe o ya no puede verlo.",
	ReportStorage:   "No se pudo guardar el archivo; vuelva a intentarlo más tarde.",
	JobTimedOut:     "El reporte tardó demasiado: redúzcalo.",
}

// ErrorMessage is why it failed in es-PE, without internals; "" while it has not.
func (r *ReportRun) ErrorMessage() Text {
	code := r.ErrorCode()
	if code == "" {
		return ""
	}
	if text, ok := reportFailures[code]; ok {
		return Text(text)
	}
	return "El reporte no se pudo generar; vuelva a intentarlo."
}

// MayDownload says whether an actor may have the file of a run: whoever asked for it, and auditors.
func (a *Actor) MayDownload(r *ReportRun) bool {
	return r.RequestedByID != "" && r.RequestedByID == a.UserID || a.MayEverywhere(MayReadAudit)
}

// MarshalGQL writes the name, null for none.
func (t ReportType) MarshalGQL(w io.Writer) { writeEnum(w, t) }

// UnmarshalGQL reads a name.
func (t *ReportType) UnmarshalGQL(v any) error { return readEnum(v, t, ReportTypes) }

// MarshalGQL writes the name, null for none.
func (f ReportFormat) MarshalGQL(w io.Writer) { writeEnum(w, f) }

// UnmarshalGQL reads a name.
func (f *ReportFormat) UnmarshalGQL(v any) error { return readEnum(v, f, ReportFormats) }

// MarshalGQL writes the name, null for none.
func (s ReportState) MarshalGQL(w io.Writer) { writeEnum(w, s) }

// UnmarshalGQL reads a name.
func (s *ReportState) UnmarshalGQL(v any) error { return readEnum(v, s, ReportStates) }

// MarshalGQL writes the name, null for none.
func (p ReportParameter) MarshalGQL(w io.Writer) { writeEnum(w, p) }

// UnmarshalGQL reads a name.
func (p *ReportParameter) UnmarshalGQL(v any) error { return readEnum(v, p, ReportParameterNames) }
