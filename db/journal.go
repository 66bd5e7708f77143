package db

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// The journal tells a process what others committed, whoever they are and whether or not they lived to tell of it. Its entries are the
// events and the versions of the catalogue. Unlike a tail it does not wait for running transactions: an entry is shown as soon as it
// is committed, and shown again until all before it are there.

const catalogueEntryPrefix = "catalogue:"

func catalogueEntry(version int64) string {
	return catalogueEntryPrefix + strconv.FormatInt(version, 10)
}

// journalPlace is a place in the journal.
type journalPlace struct {
	tail    Tail
	version int64 // of the catalogue
}

func (p journalPlace) String() string {
	return fmt.Sprintf("%d.%d.%d", p.tail.Tx, p.tail.Seq, p.version)
}

func parsePlace(s string) (p journalPlace, err error) {
	if _, err = fmt.Sscanf(s, "%d.%d.%d", &p.tail.Tx, &p.tail.Seq, &p.version); err != nil {
		return p, fmt.Errorf("place in the journal %q: %w", s, err)
	}
	return p, nil
}

// JournalEnd is the place after all that is certainly complete now.
func (db *DB) JournalEnd(ctx context.Context) (place string, err error) {
	var p journalPlace
	if p.version, err = db.catalogueVersion(ctx); err != nil {
		return "", err
	}
	if p.tail, err = db.TailEnd(ctx); err != nil {
		return "", err
	}
	return p.String(), nil
}

// JournalAfter lists the entries after a place and says where to go on. Entries after that next place come again. With limit entries
// there may be more.
func (db *DB) JournalAfter(ctx context.Context, place string, limit int) (entries []string, next string, err error) {
	p, err := parsePlace(place)
	if err != nil {
		return nil, "", err
	}
	version, err := db.catalogueVersion(ctx)
	if err != nil {
		return nil, "", err
	}
	if version != p.version {
		p.version, entries = version, append(entries, catalogueEntry(version))
	}
	var rows []struct {
		ID       string
		Tx, Seq  int64
		Complete bool
	}
	where, args, order := db.dialect.after(p.tail)
	err = db.read.NewRaw("SELECT id, tx, seq, "+db.dialect.complete()+" AS complete FROM events WHERE "+where+" ORDER BY "+order+" LIMIT ?", append(args, limit)...).
		Scan(ctx, &rows)
	if err != nil {
		return nil, "", fmt.Errorf("read journal: %w", err)
	}
	for _, row := range rows {
		entries = append(entries, row.ID)
		if row.Complete {
			p.tail = Tail{Tx: row.Tx, Seq: row.Seq}
		}
	}
	return entries, p.String(), nil
}

// JournalHolds says whether there is, or was at the beginning, such a place in the journal of this database.
func (db *DB) JournalHolds(ctx context.Context, place string) (bool, error) {
	p, err := parsePlace(place)
	if err != nil {
		return false, err
	}
	version, err := db.catalogueVersion(ctx)
	if err != nil || version < p.version {
		return false, err
	}
	if p.tail == (Tail{}) {
		return true, nil
	}
	var holds bool
	if err := db.read.NewRaw("SELECT EXISTS (SELECT 1 FROM events WHERE tx = ? AND seq = ?)", p.tail.Tx, p.tail.Seq).Scan(ctx, &holds); err != nil {
		return false, fmt.Errorf("find a place in the journal: %w", err)
	}
	return holds, nil
}

// Moved lists the tags that entries of the journal moved.
func (db *DB) Moved(ctx context.Context, entries []string) ([]mesa.Tag, error) {
	if len(entries) > manyEntries {
		return []mesa.Tag{mesa.Everything}, nil
	}
	t, ids := touched{anew: true}, []string{}
	for _, e := range entries {
		if strings.HasPrefix(e, catalogueEntryPrefix) {
			t.tag(mesa.TheCatalogue)
		} else {
			ids = append(ids, e)
		}
	}
	if len(ids) > 0 {
		var events []*mesa.Event
		err := db.read.NewSelect().Model(&events).Column("id", "type", "actor_id", "object_id", "document_id").Where("id IN (?)", bun.List(ids)).Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("read events of the journal: %w", err)
		}
		t.events(events)
	}
	return t.all(ctx, db.read)
}

func (db *DB) catalogueVersion(ctx context.Context) (version int64, err error) {
	if err := db.read.NewRaw("SELECT version FROM catalogue_version").Scan(ctx, &version); err != nil {
		return 0, fmt.Errorf("read catalogue version: %w", err)
	}
	return version, nil
}
