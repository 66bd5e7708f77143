package graph

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/graph/model"
	"github.com/mesapartes/mesa/mesa"
)

// cacheStats adds up the figures of all processes; Forbidden unless the actor administers the institution's settings.
func (r *Resolver) cacheStats(ctx context.Context) (*model.CacheStats, error) {
	if err := r.require(ctx, mesa.MayManageSettings); err != nil {
		return nil, err
	}
	if r.Cache == nil {
		return &model.CacheStats{Backend: "NONE", State: model.CacheState(cache.Open), Since: r.DB.Now(), InvalidationsByTag: []*model.CacheInvalidations{}, Processes: []*model.CacheProcess{}}, nil
	}
	peers := r.Cache.Peers(ctx)
	own := peers[0]
	s := &model.CacheStats{Enabled: true, Backend: own.Backend, State: model.CacheState(own.State), Since: own.Since}
	if own.Problem != "" {
		s.Problem = &own.Problem
	}
	var all cache.Stats
	moved := map[string]int{}
	for _, p := range peers {
		all.Hits, all.Misses = all.Hits+p.Hits, all.Misses+p.Misses
		s.Bypasses += int(p.Bypasses)
		s.Fetched += int(p.Fetched)
		s.Joined += int(p.Joined)
		s.Refreshes += int(p.Refreshes)
		s.Late += int(p.Late)
		s.Entries += p.Entries
		s.Bytes += int(p.Bytes)
		s.MaxBytes += int(p.MaxBytes)
		s.Evicted += int(p.Evicted)
		s.Found += int(p.Found)
		s.Failures += int(p.Failures)
		s.Invalidations += int(p.Invalidations())
		for kind, n := range p.Moved {
			moved[kind] += int(n)
		}
		s.Processes = append(s.Processes, &model.CacheProcess{
			Name: p.Process, At: p.At, State: model.CacheState(p.State), Hits: int(p.Hits), Misses: int(p.Misses), Bypasses: int(p.Bypasses), Entries: p.Entries, Bytes: int(p.Bytes),
		})
	}
	s.Hits, s.Misses, s.HitRate = int(all.Hits), int(all.Misses), all.HitRate()
	s.InvalidationsByTag = []*model.CacheInvalidations{}
	for _, kind := range slices.Sorted(maps.Keys(moved)) {
		s.InvalidationsByTag = append(s.InvalidationsByTag, &model.CacheInvalidations{Tag: kind, Count: moved[kind]})
	}
	slices.SortStableFunc(s.InvalidationsByTag, func(a, b *model.CacheInvalidations) int { return b.Count - a.Count })
	return s, nil
}

// documentUsage lists the operations that were asked for most.
func (r *Resolver) documentUsage(first int) ([]*model.DocumentUsage, error) {
	if _, err := upTo(maxUsage, &first, maxUsage); err != nil {
		return nil, err
	}
	list := []*model.DocumentUsage{}
	for _, u := range r.Documents.Usage(first) {
		one := &model.DocumentUsage{Hash: u.Hash, Trusted: u.Trusted, Runs: u.Runs, Hits: u.Hits, Errors: u.Errors, MeanMs: float64(u.Mean.Microseconds()) / 1000}
		if name := strings.TrimSpace(u.Name); name != "" {
			one.Name = &name
		}
		list = append(list, one)
	}
	return list, nil
}

// maxUsage is how many operations can be listed.
const maxUsage = 200
