package mesa

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// disclosed collects the confidential documents that answers are made from, while they are made. It may be used from several goroutines.
type disclosed struct {
	mu  sync.Mutex
	ids map[DocumentID]bool
}

type disclosedKey struct{}

// WithDisclosed makes ctx collect what is disclosed under it.
func WithDisclosed(ctx context.Context) context.Context {
	return context.WithValue(ctx, disclosedKey{}, &disclosed{ids: map[DocumentID]bool{}})
}

// Disclose notes that an answer is made from documents. One that is made from a confidential one is for nobody else: who gets it is recorded.
func Disclose(ctx context.Context, documents ...*Document) {
	d, isCollected := ctx.Value(disclosedKey{}).(*disclosed)
	for _, doc := range documents {
		if doc.Confidentiality != Confidential {
			continue
		}
		SawWithin(ctx, ForNobody, nil)
		if isCollected {
			d.mu.Lock()
			d.ids[doc.ID] = true
			d.mu.Unlock()
		}
	}
}

// TakeDisclosed lists the confidential documents that were disclosed under ctx since it was last called, sorted.
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
