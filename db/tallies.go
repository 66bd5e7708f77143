package db

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// Tallies say how many documents or legs count under a key on a day, for each measure. Triggers keep them: what a statement changes is added to
// tally_changes, in the same transaction and without waiting for anybody, and tallies and changes add up to the truth at every instant. Merging
// makes them fewer and changes no sum. docs/decisions/0016-statistics.md.

// MergeTallies adds the changes of committed transactions to the tallies; without any it writes nothing. Any process may at any time.
func (db *DB) MergeTallies(ctx context.Context) error {
	var waiting bool
	if err := db.read.NewRaw("SELECT EXISTS (SELECT 1 FROM tally_changes)").Scan(ctx, &waiting); err != nil {
		return fmt.Errorf("look for changes of tallies: %w", err)
	}
	if !waiting {
		return nil
	}
	return db.InTx(ctx, func(tx *Tx) error {
		for _, statement := range db.dialect.mergeTallies() {
			if _, err := tx.NewRaw(statement).Exec(ctx); err != nil {
				return fmt.Errorf("merge tallies: %w", err)
			}
		}
		return nil
	})
}

// addToTallies adds rows of changes up, always in the same order, so that two who merge do not lock each other out.
const addToTallies = `INSERT INTO tallies (measure, day, key, since, n) SELECT measure, day, key, since, sum(n) FROM changes GROUP BY measure, day, key, since HAVING sum(n) <> 0
	ORDER BY measure, day, key, since ON CONFLICT (measure, day, key, since) DO UPDATE SET n = tallies.n + excluded.n`

// RepairTallies adds what the tallies lack of the truth, or takes what they have too much, and says how many were wrong: after changes that no trigger
// saw, such as a restore with other tools. Others may write meanwhile: what is wrong is found in one look, and they count their own changes. It
// reads all documents and legs.
func (db *DB) RepairTallies(ctx context.Context) (wrong int64, err error) {
	err = db.InTx(ctx, func(tx *Tx) error {
		if err := db.dialect.lockMigrations(ctx, tx); err != nil { // two who repair would both add what is lacking
			return err
		}
		result, err := tx.NewRaw(`INSERT INTO tally_changes (measure, day, key, since, n) SELECT measure, day, key, since, sum(n) FROM
			(SELECT measure, day, key, since, n FROM tallied UNION ALL SELECT measure, day, key, since, -n FROM tally) AS lacking
			GROUP BY measure, day, key, since HAVING sum(n) <> 0`).Exec(ctx)
		if err != nil {
			return fmt.Errorf("repair tallies: %w", err)
		}
		wrong, err = result.RowsAffected()
		return err
	})
	return wrong, err
}

// isTallied says that the figures of documents are those of the whole institution, which tallies have. What somebody sees, what areas took part
// in and other conditions are counted one by one.
func (f *Figures) isTallied() bool { return f.readsAll() && f.took == nil && f.isUnfiltered() }

func (f *Figures) isUnfiltered() bool {
	return f.filter.TypeID == "" && f.filter.Channel == "" && f.filter.Priority == ""
}

// tallies selects what some measures add up to, in groups; empty ones are left out.
func (f *Figures) tallies(groups string, measures ...string) *bun.SelectQuery {
	q := f.v.idb.NewSelect().TableExpr("tally").Where("measure IN (?)", bun.List(measures))
	if groups != "" {
		q = q.GroupExpr(groups).Having("sum(n) <> 0")
	}
	return q
}

// talliesInPeriod is the same for the days of the period.
func (f *Figures) talliesInPeriod(groups string, measures ...string) *bun.SelectQuery {
	return f.inPeriod(f.tallies(groups, measures...), "day")
}

// summed is an SQL expression: the sum of the tallies for which a condition holds.
func summed(condition string) string {
	return "CAST(coalesce(sum(CASE WHEN " + condition + " THEN n END), 0) AS BIGINT)"
}

func (f *Figures) talliedStanding(today, amber mesa.Date) (open, filed *bun.SelectQuery) {
	open = f.tallies("", "running", "paused").ColumnExpr(summed("TRUE")+" AS open").
		ColumnExpr(summed("key = ?")+" AS urgent", mesa.UrgentPriority).
		ColumnExpr(summed("measure = 'running' AND day < ?")+" AS overdue", today).
		ColumnExpr(summed("measure = 'running' AND day BETWEEN ? AND ?")+" AS due_soon", today, amber)
	return open, f.tallies("", "state").Where("day = ?", today).ColumnExpr(summed("TRUE") + " AS filed_today")
}

// talliedAreas is areasQuery from tallies. How long reception took has too many values to be tallied.
func (f *Figures) talliedAreas() *bun.RawQuery {
	handled := f.ofShown(f.talliesInPeriod("key, since, day", "handled"), "key").
		ColumnExpr("'handled' AS measure, key AS area_id, NULLIF(since, '9999-12-31') AS received_on, day AS closed_on, 0 AS tenths, CAST(sum(n) AS BIGINT) AS n, 0 AS hits")
	received := f.receivedLegs()
	if f.withoutReception {
		received = f.ofShown(f.talliesInPeriod("key", "received", "effective"), "key").
			ColumnExpr("'received', key, NULL, NULL, 0, " + summed("measure = 'received'") + ", " + summed("measure = 'effective'"))
	}
	zone := f.v.cat.Calendar.Zone()
	begin, end := f.From.In(zone).UTC(), f.To.AddDays(1).In(zone).UTC()
	first, last := mesa.DateOf(begin, time.UTC), mesa.DateOf(end, time.UTC) // days of UTC: the first and the one after the last whole one
	if first.In(time.UTC).Before(begin) {
		first++
	}
	sent := f.ofShown(f.tallies("key", "sent", "sent back"), "key").Where("day >= ? AND day < ?", first, last).
		ColumnExpr("'sent', key, NULL, NULL, 0, " + summed("measure = 'sent'") + ", " + summed("measure = 'sent back'"))
	open := f.ofShown(f.tallies("measure, key", "pending", "in hand"), "key").
		ColumnExpr("measure, key, NULL, NULL, 0, CAST(sum(n) AS BIGINT), "+summed("day < ?"), f.v.today)
	return f.v.idb.NewRaw("? UNION ALL ? UNION ALL ? UNION ALL ? UNION ALL ? UNION ALL ?", handled, received, sent, f.sentLegs(begin, first.In(time.UTC)), f.sentLegs(last.In(time.UTC), end), open)
}
