package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

const storeSlowEvery = time.Minute

// SlowDays is for how many days figures of slow statements are kept.
const SlowDays = 30

// slowRow is the figures of a kind of statement that was slow, of one process on one day (UTC).
type slowRow struct {
	bun.BaseModel `bun:"table:slow_statements,alias:slow"`

	Day     mesa.Date
	Process string
	mesa.StatementStats
}

// StatementStats are the figures of the statements of this process since its start, or since midnight (UTC) when RecordSlow runs: at
// most limit kinds, those first that took most time together.
func (db *DB) StatementStats(limit int) []*mesa.StatementStats {
	return mostTime(db.statements.copies(func(*mesa.StatementStats) bool { return true }), limit)
}

func mostTime(list []*mesa.StatementStats, limit int) []*mesa.StatementStats {
	slices.SortFunc(list, func(a, b *mesa.StatementStats) int {
		return cmp.Or(cmp.Compare(b.TotalUs, a.TotalUs), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return list[:min(limit, len(list))]
}

// SlowStatements are the figures of the kinds of statements that were slow today (UTC) and on so many days before, of all processes together: at
// most limit, those first that took most time together. Other processes tell theirs within a minute.
func (db *DB) SlowStatements(ctx context.Context, days, limit int) ([]*mesa.StatementStats, error) {
	if err := db.storeSlow(ctx); err != nil {
		return nil, err
	}
	var rows []*slowRow
	if err := db.read.NewSelect().Model(&rows).Where("day >= ?", db.slowToday().AddDays(-days)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("slow statements: %w", err)
	}
	byFingerprint := map[string]*mesa.StatementStats{}
	list := []*mesa.StatementStats{}
	for _, row := range rows {
		if known := byFingerprint[row.Fingerprint]; known != nil {
			known.Merge(&row.StatementStats)
			continue
		}
		byFingerprint[row.Fingerprint] = &row.StatementStats
		list = append(list, &row.StatementStats)
	}
	return mostTime(list, limit), nil
}

func (db *DB) slowToday() mesa.Date { return mesa.DateOf(db.Now(), time.UTC) }

// RecordSlow stores the figures of slow statements every minute until ctx ends, then once more. It blocks.
func (db *DB) RecordSlow(ctx context.Context) {
	ticker := time.NewTicker(storeSlowEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		if err := db.storeSlow(last); err != nil {
			db.log.WarnContext(ctx, "figures of slow statements not stored", "error", err)
		}
		cancel()
	}
}

// storeSlow stores the figures of today that are not stored yet, and begins anew on another day: what the minute after midnight has
// brought counts for the day before.
func (db *DB) storeSlow(ctx context.Context) error {
	db.slowMu.Lock()
	defer db.slowMu.Unlock()
	today := db.slowToday()
	if db.slowDay.IsZero() {
		db.slowDay = today
	}
	slow := db.statements.copies(func(s *mesa.StatementStats) bool { return s.Slow > db.slowStored[s.Fingerprint] })
	if len(slow) > 0 {
		rows := make([]*slowRow, len(slow))
		for i, s := range slow {
			rows[i] = &slowRow{Day: db.slowDay, Process: db.process, StatementStats: *s}
		}
		upsert := db.write.NewInsert().Model(&rows).On("CONFLICT (day, process, fingerprint) DO UPDATE")
		for _, column := range []string{"operation", "field", "count", "slow", "failed", "rows", "total_us", "max_us", "times", "last_seen_at"} {
			upsert = upsert.Set("? = excluded.?", bun.Ident(column), bun.Ident(column))
		}
		if _, err := upsert.Exec(ctx); err != nil {
			return fmt.Errorf("store slow statements: %w", err)
		}
	}
	for _, s := range slow {
		db.slowStored[s.Fingerprint] = s.Slow
	}
	if today != db.slowDay {
		db.slowDay = today
		db.statements.clear()
		clear(db.slowStored)
	}
	return nil
}

// ForgetSlow deletes the figures of slow statements that are older than SlowDays, and says how many there were.
func (db *DB) ForgetSlow(ctx context.Context) (int64, error) {
	result, err := db.write.NewDelete().Model((*slowRow)(nil)).Where("day < ?", db.slowToday().AddDays(-SlowDays)).Exec(ctx)
	if err != nil {
		return 0, fmt.Errorf("forget slow statements: %w", err)
	}
	return result.RowsAffected()
}
