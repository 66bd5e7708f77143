package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/report"
	"github.com/mesapartes/mesa/internal/sheet"
	"github.com/mesapartes/mesa/mesa"
)

// Report writes the file of a report, with the rights that who asked for it has by now. Each attempt writes a file of its own, to which
// nothing leads before the transaction that ends the job.
func Report(database *db.DB, store files.Store) Handler {
	return func(ctx context.Context, w *Work) (Done, error) {
		id := mesa.ReportID(w.Job.About)
		runs, err := database.ReportsByID(ctx, []mesa.ReportID{id})
		if err != nil {
			return Done{}, err
		}
		if runs[id] == nil {
			return Done{}, &Failure{Code: mesa.ReportNotFound, Err: fmt.Errorf("no run %s", id), Permanent: true}
		}
		file, err := writeReport(ctx, database, store, w, runs[id])
		if err != nil {
			return Done{}, reportFailure(err)
		}
		return Done{
			Result: file,
			Also:   func(ctx context.Context, tx *db.Tx, _ *mesa.Job) error { return tx.KeepReport(ctx, id, file) },
			Undo:   func(ctx context.Context, _ error) { _ = store.Remove(ctx, file.Key) }, // else it is found later to belong to nobody
		}, nil
	}
}

// reportFailure says which failures there is no use in repeating.
func reportFailure(err error) error {
	code, permanent := "", true
	switch {
	case errors.Is(err, sheet.ErrTooManyRows):
		code = mesa.ReportTooLarge
	case mesa.CodeOf(err) == mesa.Forbidden, mesa.CodeOf(err) == mesa.Unauthenticated:
		code = mesa.ReportForbidden
	case mesa.CodeOf(err) == mesa.NotFound:
		code = mesa.ReportNotFound
	case mesa.CodeOf(err) == mesa.ValidationFailed, mesa.CodeOf(err) == mesa.LimitExceeded:
		code = string(mesa.CodeOf(err))
	case errors.Is(err, errStorage):
		code, permanent = mesa.ReportStorage, false
	default:
		return err
	}
	return &Failure{Code: code, Err: err, Permanent: permanent}
}

var errStorage = errors.New("the file could not be stored")

// requester is who asked for a run, with the rights of now. Forbidden when they may no longer have it.
func requester(ctx context.Context, database *db.DB, run *mesa.ReportRun) (*mesa.Actor, error) {
	actor, err := database.ActorOf(ctx, run.RequestedByID)
	if err != nil {
		return nil, err
	}
	if !actor.Catalogue.User(actor.UserID).IsActive || !actor.MayAnywhere(mesa.MayRunReport) {
		return nil, mesa.ErrForbidden(mesa.MayRunReport)
	}
	return actor, nil
}

func writeReport(ctx context.Context, database *db.DB, store files.Store, w *Work, run *mesa.ReportRun) (file db.ReportFile, err error) {
	var p mesa.ReportParameters
	if err := json.Unmarshal(run.Parameters, &p); err != nil {
		return file, fmt.Errorf("parameters of report %s: %w", run.ID, err)
	}
	actor, err := requester(ctx, database, run)
	if err != nil {
		return file, err
	}
	file.Key = fmt.Sprintf("reports/%s-%d", run.ID, w.Job.Epoch)
	format := sheet.Format(run.Format)
	out, err := store.Create(ctx, file.Key)
	if err != nil {
		return file, errors.Join(errStorage, err)
	}
	defer out.Abort() // after Commit this does nothing
	err = database.InSnapshot(ctx, actor, func(v *db.View) error {
		content, err := report.Build(ctx, v, run.Type, p)
		if err != nil {
			return err
		}
		file.Name = report.FileName(content.Title, content.AsOf.In(content.Zone), format)
		total := int64(0)
		if content.List != nil {
			total = int64(max(content.List.Total, 0))
		}
		w.Progress(0, total)
		rows, err := sheet.Write(ctx, stored{out}, format, content, func(rows int) { w.Progress(int64(rows), max(total, int64(rows))) })
		file.Rows = int64(rows)
		return err
	})
	if err != nil {
		return file, err
	}
	file.Size, file.SHA256, err = out.Commit()
	if err != nil {
		return file, errors.Join(errStorage, err)
	}
	return file, nil
}

// stored marks the errors of the store among those of writing a report.
type stored struct{ files.Writer }

// Write writes to the store.
func (s stored) Write(b []byte) (int, error) {
	n, err := s.Writer.Write(b)
	if err != nil {
		err = errors.Join(errStorage, err)
	}
	return n, err
}

// orphansAfter is how old a file is at least that is deleted because nothing leads to it: who writes it has ended its job by then.
const orphansAfter = time.Hour

// expireReports deletes the files whose time is over, and those that workers left behind.
func expireReports(ctx context.Context, database *db.DB, store files.Store) (expired, orphans int64, err error) {
	for {
		keys, err := database.ExpireReports(ctx, upkeepBatch)
		if err != nil {
			return expired, orphans, err
		}
		for _, key := range keys {
			if err := store.Remove(ctx, key); err != nil {
				return expired, orphans, err
			}
			expired++
		}
		if len(keys) < upkeepBatch {
			break
		}
	}
	orphans, err = removeOrphans(ctx, database, store)
	return expired, orphans, err
}

func removeOrphans(ctx context.Context, database *db.DB, store files.Store) (removed int64, err error) {
	var old []string
	flush := func() error {
		if len(old) == 0 {
			return nil
		}
		known, err := database.KnownFiles(ctx, old)
		if err != nil {
			return err
		}
		for _, key := range old {
			if known[key] {
				continue
			}
			if err := store.Remove(ctx, key); err != nil {
				return err
			}
			removed++
		}
		old = old[:0]
		return nil
	}
	for info, err := range store.List(ctx, "reports/") {
		if err != nil {
			return removed, err
		}
		if time.Since(info.ModTime) > orphansAfter {
			old = append(old, info.Key)
		}
		if len(old) == upkeepBatch {
			if err := flush(); err != nil {
				return removed, err
			}
		}
	}
	return removed, flush()
}
