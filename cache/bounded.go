package cache

import (
	"context"

	"github.com/maypok86/otter/v2"
)

// Bounded keeps values that are made from their keys alone, so that nothing can make them stale, in the memory of this process. It forgets
// what is asked for least once the keys and a multiple of their length for the values exceed a bound.
type Bounded[V any] struct{ memory *otter.Cache[string, V] }

// NewBounded makes one for about so many bytes. A value is taken to weigh times as much as its key, and a little more.
func NewBounded[V any](bytes uint64, times int) Bounded[V] {
	return Bounded[V]{otter.Must(&otter.Options[string, V]{
		MaximumWeight: bytes, Weigher: func(key string, _ V) uint32 { return uint32(entryOverhead + len(key)*(1+times)) },
	})}
}

// Get is the value of a key, if it is there.
func (b Bounded[V]) Get(_ context.Context, key string) (V, bool) { return b.memory.GetIfPresent(key) }

// Add keeps a value.
func (b Bounded[V]) Add(_ context.Context, key string, value V) { b.memory.Set(key, value) }
