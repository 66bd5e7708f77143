package db

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// Change is what a committed transaction moved, and the entries of the journal by which others find out.
type Change struct {
	Tags    []mesa.Tag
	Entries []string
	Jobs    JobChange
}

// JobChange is what a committed transaction did to jobs.
type JobChange struct {
	Queued  []*mesa.Job  // that may be taken now or later
	Changed []mesa.JobID // of which something that can be seen changed
}

// manyEntries is the number from which on a change moves everything rather than each thing.
const manyEntries = 1000

// touched collects what a transaction does.
type touched struct {
	tags      map[mesa.Tag]bool
	documents map[mesa.DocumentID]bool
	entries   []string
	jobs      JobChange
	anew      bool // nobody knows which grants are new: take all of them to be
}

func (t *touched) tag(tags ...mesa.Tag) {
	if t.tags == nil {
		t.tags = map[mesa.Tag]bool{}
	}
	for _, tag := range tags {
		t.tags[tag] = true
	}
}

func (t *touched) events(events []*mesa.Event) {
	for _, e := range events {
		t.entries = append(t.entries, string(e.ID))
		t.tag(e.Moves()...)
		if e.DocumentID != "" && e.Type.IsShown() {
			if t.documents == nil {
				t.documents = map[mesa.DocumentID]bool{}
			}
			t.documents[e.DocumentID] = true
		}
	}
}

// job notes that subscribers may see a job change.
func (t *touched) job(id mesa.JobID) { t.jobs.Changed = append(t.jobs.Changed, id) }

// queued notes that workers may take a job.
func (t *touched) queued(jobs ...*mesa.Job) { t.jobs.Queued = append(t.jobs.Queued, jobs...) }

func (t *touched) catalogue(version int64) {
	t.tag(mesa.TheCatalogue)
	t.entries = append(t.entries, catalogueEntry(version))
}

// commit ends the transaction and says what it moved.
func (tx *Tx) commit(ctx context.Context) (Change, error) {
	change, err := tx.change(ctx)
	if err != nil {
		return Change{}, err
	}
	if err := tx.Commit(); err != nil {
		return Change{}, fmt.Errorf("commit: %w", err)
	}
	return change, nil
}

// change works out what the transaction moved, if somebody wants to know. Who takes part in a document is read before the commit, so
// that nothing stands between the commit and telling of it.
func (tx *Tx) change(ctx context.Context) (Change, error) {
	t := &tx.touched
	change := Change{Jobs: t.jobs}
	switch {
	case tx.db.changed == nil || len(t.tags) == 0:
		return change, nil
	case len(t.entries) > manyEntries || t.tags[mesa.Everything]:
		change.Tags, change.Entries = []mesa.Tag{mesa.Everything}, t.entries[:min(len(t.entries), manyEntries)]
		return change, nil
	}
	tags, err := t.all(ctx, tx.Tx)
	change.Tags, change.Entries = tags, t.entries
	return change, err
}

// all lists everything that was touched, those included who take part in the documents, sorted.
func (t *touched) all(ctx context.Context, idb bun.IDB) ([]mesa.Tag, error) {
	if len(t.documents) > 0 {
		var grantees []string
		err := idb.NewRaw("SELECT DISTINCT grantee FROM document_access WHERE document_id IN (?)", bun.List(slices.Collect(maps.Keys(t.documents)))).Scan(ctx, &grantees)
		if err != nil {
			return nil, fmt.Errorf("read who takes part: %w", err)
		}
		for _, g := range grantees {
			t.tag(mesa.ParticipantTag(g))
			if t.anew && mesa.KindOf(g) == mesa.UserNode {
				t.tag(mesa.GrantsTag(mesa.UserID(g)))
			}
		}
	}
	return slices.Sorted(maps.Keys(t.tags)), nil
}
