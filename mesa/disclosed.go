package mesa

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// disclosed collects the confidential documents that answers tell of, while they are made. It may be used from several goroutines.
type disclosed struct {
	opened, listed bool // what counts
	mu             sync.Mutex
	ids            map[DocumentID]bool
}

type disclosedKey struct{}

// WithDisclosed makes ctx collect the confidential documents that are opened under it, or found in lists, if these count.
func WithDisclosed(ctx context.Context, opened, listed bool) context.Context {
	return context.WithValue(ctx, disclosedKey{}, &disclosed{opened: opened, listed: listed, ids: map[DocumentID]bool{}})
}

// Opened notes that an answer tells of documents that were asked for one by one. It does nothing when nobody collects.
func Opened(ctx context.Context, documents ...*Document) {
	if d, ok := ctx.Value(disclosedKey{}).(*disclosed); ok && d.opened {
		d.add(ctx, documents)
	}
}

// Listed notes that an answer tells of documents among others. It does nothing when nobody collects.
func Listed(ctx context.Context, documents ...*Document) {
	if d, ok := ctx.Value(disclosedKey{}).(*disclosed); ok && d.listed {
		d.add(ctx, documents)
	}
}

// add notes those that are confidential. Their answer is for nobody else: who gets it is recorded.
func (d *disclosed) add(ctx context.Context, documents []*Document) {
	for _, doc := range documents {
		if doc.Confidentiality == Confidential {
			SawWithin(ctx, ForNobody, nil)
			d.mu.Lock()
			d.ids[doc.ID] = true
			d.mu.Unlock()
		}
	}
}

// TakeDisclosed lists what was collected under ctx since it was last called, sorted.
func TakeDisclosed(ctx context.Context) []DocumentID {
	d, isCollected := ctx.Value(disclosedKey{}).(*disclosed)
	if !isCollected {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := slices.Sorted(maps.Keys(d.ids))
	clear(d.ids)
	return ids
}
