package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// RequestReportInput is a report that somebody wants.
type RequestReportInput struct {
	Type           mesa.ReportType
	Format         mesa.ReportFormat
	Filter         *mesa.DocumentFilter
	Period         *mesa.DateRange
	AreaID         mesa.AreaID
	DocumentID     mesa.DocumentID
	Days           *int
	Bucket         mesa.TrendBucket
	Locale         *string
	IdempotencyKey *string
}

func (in *RequestReportInput) parameters() mesa.ReportParameters {
	p := mesa.ReportParameters{Filter: in.Filter, AreaID: in.AreaID, Days: in.Days, DocumentID: in.DocumentID, Bucket: in.Bucket}
	if in.Period != nil {
		p.From, p.To = in.Period.From, in.Period.To
	}
	return p
}

// check tells what is wrong with what was asked for.
func (in *RequestReportInput) check(cat *mesa.Catalogue, p *mesa.ReportParameters) error {
	info := in.Type.Info()
	if !slices.Contains(info.Formats, in.Format) {
		return mesa.Invalid("format", "Este reporte no existe en ese formato.")
	}
	if in.Locale != nil && *in.Locale != cat.Institution.Locale {
		return mesa.Invalid("locale", "Los reportes se escriben en %s.", cat.Institution.Locale)
	}
	if p.Filter != nil {
		if err := db.CheckSearch(p.Filter.Text); err != nil {
			return err
		}
	}
	return p.Check(info)
}

// RequestReport queues a report; its file is made with the rights that the actor has by then. The same report that the actor asked for and
// that still waits or runs comes back instead of a second one.
func (d *Desk) RequestReport(ctx context.Context, by *mesa.Actor, in RequestReportInput) (run *mesa.ReportRun, err error) {
	p := in.parameters()
	if err := in.check(by.Catalogue, &p); err != nil {
		return nil, err
	}
	err = d.write(ctx, by, func(tx *db.Tx) error {
		run = nil
		if err := mayReport(ctx, tx, by, in.Type.Info(), &p); err != nil {
			return err
		}
		var result struct{ ID mesa.ReportID }
		err := tx.Once(ctx, by, in.IdempotencyKey, in, &result, func() (err error) {
			result.ID, err = d.requestReport(ctx, tx, by, in, &p)
			return err
		})
		if err == nil {
			run, err = tx.Report(ctx, result.ID)
		}
		return err
	})
	return run, err
}

// mayReport checks permission, area, period and document.
func mayReport(ctx context.Context, tx *db.Tx, by *mesa.Actor, info *mesa.ReportInfo, p *mesa.ReportParameters) error {
	if !by.MayAnywhere(mesa.MayRunReport) {
		return mesa.ErrForbidden(mesa.MayRunReport)
	}
	if p.AreaID != "" {
		if by.Catalogue.Area(p.AreaID) == nil {
			return mesa.ErrNotFound("areaId")
		}
		if !by.SeesArea(p.AreaID) {
			return mesa.ErrForbidden(mesa.MayRunReport)
		}
	}
	if info.Figures {
		if err := mayCount(ctx, tx, by, p); err != nil {
			return err
		}
	}
	if p.DocumentID == "" {
		return nil
	}
	_, err := tx.View(by).Document(ctx, db.DocumentBy{ID: p.DocumentID})
	if e, ok := err.(*mesa.Error); ok {
		e.Field = "documentId"
	}
	return err
}

// mayCount checks what the figures of a report would be refused for. It reads nothing.
func mayCount(ctx context.Context, tx *db.Tx, by *mesa.Actor, p *mesa.ReportParameters) error {
	_, err := tx.View(by).Statistics(ctx, mesa.StatisticsFilter{From: p.From, To: p.To, AreaID: p.AreaID})
	if e, ok := err.(*mesa.Error); ok && e.Field == "from" {
		e.Field = "period.from"
	}
	return err
}

func (d *Desk) requestReport(ctx context.Context, tx *db.Tx, by *mesa.Actor, in RequestReportInput, p *mesa.ReportParameters) (mesa.ReportID, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("parameters of a report: %w", err)
	}
	sum := sha256.Sum256(text)
	id := tx.IDs().Report(tx.Now())
	job, isNew, err := tx.Enqueue(ctx, db.NewJob{
		Kind: mesa.JobReport, Args: struct{}{}, About: string(id), RequestedBy: by.UserID,
		UniqueKey: fmt.Sprintf("report:%s:%s:%s:%s", by.UserID, in.Type, in.Format, hex.EncodeToString(sum[:12])),
	})
	if err != nil {
		return "", err
	}
	if !isNew {
		return mesa.ReportID(job.About), nil
	}
	live, err := tx.LiveReports(ctx, by.UserID)
	if err != nil {
		return "", err
	}
	if live >= mesa.MaxLiveReports {
		return "", mesa.Fail(mesa.LimitExceeded, "", "Tiene %d reportes en curso; espere a que terminen o cancele alguno.", mesa.MaxLiveReports).With("limit", mesa.MaxLiveReports)
	}
	run := &mesa.ReportRun{ID: id, JobID: job.ID, Type: in.Type, Format: in.Format, Parameters: text, RequestedByID: by.UserID, RequestedAt: tx.Now()}
	if err := tx.InsertReport(ctx, run); err != nil {
		return "", err
	}
	return id, note(ctx, tx, by, mesa.ReportRequested, string(id), about{})
}

// CancelReport cancels a run that the actor asked for, or (with the permission to manage jobs) anybody's. One that ended stays as it is.
func (d *Desk) CancelReport(ctx context.Context, by *mesa.Actor, id mesa.ReportID) (run *mesa.ReportRun, err error) {
	err = d.write(ctx, by, func(tx *db.Tx) error {
		if run, err = tx.Report(ctx, id); err != nil {
			return err
		}
		if run.RequestedByID != by.UserID && !by.MayEverywhere(mesa.MayManageJobs) {
			return mesa.ErrNotFound("reportId")
		}
		if run.Job, err = tx.LockJob(ctx, run.JobID); err != nil {
			return err
		}
		_, err := tx.CancelJob(ctx, run.Job)
		return err
	})
	return run, err
}

// ReportDownloaded notes that somebody fetched the file of a run.
func (d *Desk) ReportDownloaded(ctx context.Context, by *mesa.Actor, id mesa.ReportID) error {
	return d.write(ctx, by, func(tx *db.Tx) error { return note(ctx, tx, by, mesa.ReportFetched, string(id), about{}) })
}
