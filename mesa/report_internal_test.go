package mesa

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// filters are filters with any of their conditions.
func filters() *rapid.Generator[DocumentFilter] {
	text := rapid.String()
	dates := rapid.Custom(func(t *rapid.T) DateRange {
		day := rapid.IntRange(0, int(maxDate))
		return DateRange{Date(day.Draw(t, "from")), Date(day.Draw(t, "to"))}
	})
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "instant")).UTC()
	})
	times := rapid.Custom(func(t *rapid.T) DateTimeRange {
		return DateTimeRange{rapid.Ptr(instant, true).Draw(t, "from"), rapid.Ptr(instant, true).Draw(t, "to")}
	})
	return rapid.Custom(func(t *rapid.T) DocumentFilter {
		return DocumentFilter{
			Text: text.Draw(t, "text"), States: rapid.SliceOf(rapid.SampledFrom(DocumentStates)).Draw(t, "states"),
			Types: []DocumentTypeID{DocumentTypeID(text.Draw(t, "type"))}, Priorities: rapid.SliceOf(rapid.SampledFrom(Priorities)).Draw(t, "priorities"),
			AreaID: AreaID(text.Draw(t, "area")), AreaMode: rapid.SampledFrom(AreaModes).Draw(t, "mode"), TagsAny: rapid.SliceOf(text).Draw(t, "any"),
			FiledOn: rapid.Ptr(dates, true).Draw(t, "filed"), RegisteredAt: rapid.Ptr(times, true).Draw(t, "registered"), DueOn: rapid.Ptr(dates, true).Draw(t, "due"),
			Overdue: rapid.Ptr(rapid.Bool(), true).Draw(t, "overdue"), RelatedToID: DocumentID(text.Draw(t, "related")), Archived: ArchivedOnly,
		}
	})
}

// What was asked of a report is stored as JSON: it comes back as it was.
func TestParametersOfReportsSurviveTheirStorage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		day := rapid.IntRange(0, int(maxDate))
		before := ReportParameters{
			Filter: rapid.Ptr(filters(), true).Draw(t, "filter"), From: Date(day.Draw(t, "from")), To: Date(day.Draw(t, "to")), AreaID: AreaID(rapid.String().Draw(t, "area")),
			Days: rapid.Ptr(rapid.Int(), true).Draw(t, "days"), DocumentID: DocumentID(rapid.String().Draw(t, "document")), Bucket: MonthBucket,
		}
		stored, err := json.Marshal(before)
		if err != nil {
			t.Fatal(err)
		}
		var after ReportParameters
		if err := json.Unmarshal(stored, &after); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%+v was stored as %s and came back as %+v", before, stored, after)
		}
	})
}

func TestWhatMayBeAskedOfReports(t *testing.T) {
	t.Parallel()
	all := map[ReportParameter]ReportParameters{
		TakesFilter: {Filter: &DocumentFilter{}}, TakesPeriod: {To: 1}, TakesArea: {AreaID: "x"}, TakesDays: {Days: new(1)}, TakesDocument: {DocumentID: "x"}, TakesBucket: {Bucket: DayBucket},
	}
	for _, info := range ReportCatalog {
		for what, p := range all {
			takes := false
			for _, one := range info.Takes {
				takes = takes || one == what
			}
			if info.Type == RoutingSlip {
				p.DocumentID = "x"
			}
			if err := p.Check(info); (err == nil) != takes {
				t.Errorf("%s with %s: %v", info.Type, what, err)
			}
		}
	}
	for field, p := range map[string]ReportParameters{"period.from": {From: 2, To: 1}, "days": {Days: new(-1)}, "documentId": {}} {
		err, _ := p.Check(&ReportInfo{Takes: ReportParameterNames}).(*Error)
		if err == nil || err.Code != ValidationFailed || err.Field != field {
			t.Errorf("%+v: %v, want something wrong with %s", p, err, field)
		}
	}
}

func TestWhatAReportTellsOfItself(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)
	job := &Job{State: JobSucceeded, Rev: 7}
	run := &ReportRun{Job: job, StorageKey: "reports/x", ExpiresAt: new(now.Add(time.Hour)), Rows: new(int64(3))}
	if run.State() != "SUCCEEDED" || run.Rev() != 7 || run.RowsDone() != 3 || !run.HasFile(now) || run.HasFile(now.Add(time.Hour)) {
		t.Errorf("done: %s %d %d", run.State(), run.Rev(), run.RowsDone())
	}
	run.StorageKey = ""
	if run.State() != ReportExpired || run.Rev() != 8 || run.HasFile(now) {
		t.Errorf("its file deleted: %s %d", run.State(), run.Rev())
	}
	*job = Job{State: JobFailed, ErrorCode: "SOMETHING", LastError: "dial tcp 10.0.0.1"}
	if run.ErrorMessage() != "El reporte no se pudo generar; vuelva a intentarlo." {
		t.Errorf("it failed: %s", run.ErrorMessage())
	}
	for code, text := range reportFailures {
		if job.ErrorCode = code; run.ErrorMessage() != Text(text) {
			t.Errorf("%s: %s", code, run.ErrorMessage())
		}
	}
	if job.State = JobQueued; run.ErrorCode() != "" || run.ErrorMessage() != "" {
		t.Error("what is tried again has not failed")
	}
}
