package db

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// InsertReport stores a run whose job is in this transaction, too.
func (tx *Tx) InsertReport(ctx context.Context, run *mesa.ReportRun) error {
	if _, err := tx.NewInsert().Model(run).Exec(ctx); err != nil {
		return fmt.Errorf("insert report: %w", err)
	}
	return nil
}

// LiveReports counts the runs of a user that wait or run.
func (tx *Tx) LiveReports(ctx context.Context, user mesa.UserID) (n int64, err error) {
	n, err = tx.NewSelect().Model((*mesa.ReportRun)(nil)).Join("JOIN jobs AS j ON j.id = report_run.job_id").
		Where("report_run.requested_by_id = ? AND j.state IN ('QUEUED', 'RUNNING')", user).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("count reports: %w", err)
	}
	return n, nil
}

// ReportFile is a file that was written.
type ReportFile struct {
	Key, Name, SHA256 string
	Size, Rows        int64
}

// KeepReport notes the file of a run, in the transaction that ends its job.
func (tx *Tx) KeepReport(ctx context.Context, id mesa.ReportID, f ReportFile) error {
	_, err := tx.NewRaw("UPDATE report_runs SET storage_key = ?, file_name = ?, sha256 = ?, size = ?, rows = ?, expires_at = ? WHERE id = ?",
		f.Key, f.Name, f.SHA256, f.Size, f.Rows, tx.Now().Add(mesa.ReportKeptFor), id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep report: %w", err)
	}
	return nil
}

// reports selects runs with their jobs.
func reports(idb bun.IDB, into *[]*mesa.ReportRun) *bun.SelectQuery {
	return idb.NewSelect().Model(into).Relation("Job")
}

// ReportsByID finds runs with their jobs; the others are missing from the map. Whoever asks has checked that they may.
func (db *DB) ReportsByID(ctx context.Context, ids []mesa.ReportID) (map[mesa.ReportID]*mesa.ReportRun, error) {
	var rows []*mesa.ReportRun
	if err := reports(db.read, &rows).Where("report_run.id IN (?)", bun.List(ids)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("reports by id: %w", err)
	}
	return byID(rows, func(r *mesa.ReportRun) mesa.ReportID { return r.ID }), nil
}

// Report is a run with its job, from within the transaction; NotFound when there is none.
func (tx *Tx) Report(ctx context.Context, id mesa.ReportID) (*mesa.ReportRun, error) {
	var rows []*mesa.ReportRun
	if err := reports(tx.Tx, &rows).Where("report_run.id = ?", id).Scan(ctx); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	if len(rows) == 0 {
		return nil, mesa.ErrNotFound("reportId")
	}
	return rows[0], nil
}

var reportOrder = keyset{name: "reports", keys: []key{{"report_run.id", textKey}}, desc: true}

// Reports lists the runs that a user asked for, the latest first.
func (db *DB) Reports(ctx context.Context, user mesa.UserID, p Page) (Slice[*mesa.ReportRun], error) {
	q := db.read.NewSelect().Where("report_run.requested_by_id = ?", user)
	return list(ctx, q, reportOrder, func(r *mesa.ReportRun) []any { return []any{r.ID} }, p, "Job")
}

// UnfinishedReports lists the runs of a user that wait or run.
func (db *DB) UnfinishedReports(ctx context.Context, user mesa.UserID) (ids []mesa.ReportID, err error) {
	err = db.read.NewRaw(`SELECT r.id FROM report_runs AS r JOIN jobs AS j ON j.id = r.job_id
		WHERE r.requested_by_id = ? AND j.state IN ('QUEUED', 'RUNNING') ORDER BY r.id`, user).Scan(ctx, &ids)
	if err != nil {
		return nil, fmt.Errorf("unfinished reports: %w", err)
	}
	return ids, nil
}

// ExpireReports lets go of at most limit files whose time is over, or whose runs are about to be forgotten, and returns their keys: they
// can be deleted now, because nothing leads to them any more.
func (db *DB) ExpireReports(ctx context.Context, limit int) (keys []string, err error) {
	err = db.InTx(ctx, func(tx *Tx) error {
		keys = nil
		var rows []struct {
			ID         mesa.ReportID
			JobID      mesa.JobID
			StorageKey string
		}
		err := tx.NewRaw("SELECT id, job_id, storage_key FROM report_runs WHERE storage_key IS NOT NULL AND expires_at < ? ORDER BY expires_at LIMIT ?", tx.Now(), limit).Scan(ctx, &rows)
		if err != nil || len(rows) == 0 {
			return err
		}
		ids := make([]mesa.ReportID, len(rows))
		for i, row := range rows {
			ids[i] = row.ID
			keys = append(keys, row.StorageKey)
			tx.touched.job(row.JobID)
		}
		_, err = tx.NewRaw("UPDATE report_runs SET storage_key = NULL WHERE id IN (?)", bun.List(ids)).Exec(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("expire reports: %w", err)
	}
	return keys, nil
}

// KnownFiles says which of some keys are those of files that runs lead to.
func (db *DB) KnownFiles(ctx context.Context, keys []string) (map[string]bool, error) {
	var found []string
	if err := db.read.NewRaw("SELECT storage_key FROM report_runs WHERE storage_key IN (?)", bun.List(keys)).Scan(ctx, &found); err != nil {
		return nil, fmt.Errorf("look for files: %w", err)
	}
	known := make(map[string]bool, len(found))
	for _, key := range found {
		known[key] = true
	}
	return known, nil
}

// InSnapshot lets do look at one state of the database, as an actor may see it, for as long as ctx lasts: what it does between its looks
// may be slow. On SQLite it keeps what was written meanwhile from being tidied up, so it should not take longer than it must.
func (db *DB) InSnapshot(ctx context.Context, actor *mesa.Actor, do func(v *View) error) error {
	return db.read.RunInTx(ctx, db.dialect.snapshot(), func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, db.dialect.steady()); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		v := db.View(actor)
		v.idb = tx
		return do(v)
	})
}

// AsOf is the present instant of the view's database.
func (v *View) AsOf() time.Time { return v.db.Now() }

// streamBatch is how many documents EachDocument reads with one statement.
const streamBatch = 1000

// CountDocuments is how many visible documents meet a filter.
func (v *View) CountDocuments(ctx context.Context, f mesa.DocumentFilter) (int, error) {
	v.sawAll(ctx)
	n, err := v.where(v.visible(v.idb.NewSelect().Model((*mesa.Document)(nil))), f).Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("count documents: %w", err)
	}
	return int(n), nil
}

// EachDocument goes through all visible documents that meet a filter, however many there are.
func (v *View) EachDocument(ctx context.Context, f mesa.DocumentFilter, by mesa.DocumentOrder) iter.Seq2[*mesa.Document, error] {
	v.sawAll(ctx)
	order := documentOrders[by]
	return func(yield func(*mesa.Document, error) bool) {
		var last *mesa.Document
		for {
			var rows []*mesa.Document
			q := v.where(v.visible(v.idb.NewSelect().Model(&rows)), f).OrderExpr(order.order(false)).Limit(streamBatch)
			if last != nil {
				q = q.Where(order.beyond(false), order.values(last)...)
			}
			if err := q.Scan(ctx); err != nil {
				yield(nil, fmt.Errorf("read documents: %w", err))
				return
			}
			for _, d := range rows {
				if !yield(d, nil) {
					return
				}
			}
			if len(rows) < streamBatch {
				return
			}
			last = rows[len(rows)-1]
		}
	}
}
