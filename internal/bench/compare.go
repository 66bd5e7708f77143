package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/mesapartes/mesa/cache"
)

// How answers are kept in the rows of a table. What is kept is asked for again and again: all answers but those of writes are hits. A hit
// in memory is found in this process, one in Redis has to be fetched from there each time.
var (
	uncached     = []cacheCase{{name: "none"}}
	cachedOrElse = []cacheCase{{name: "none"}, {name: "memory", share: hits}, {name: "Redis", redis: true, memory: enoughForSessions, cold: true, share: fetched}}
)

// comparison measures operations beside their hand-written handlers.
type comparison struct {
	options
	*desk
	list []operation
	site *site // without a cache
	out  io.Writer
}

func compareOn(o options, d *desk, list []operation, stdout io.Writer) (*comparison, error) {
	s, err := serve(d, list)
	return &comparison{o, d, list, s, stdout}, err
}

func (c *comparison) stop() { c.site.stop() }

// row is an operation with the p50 in ms that its requests took without a cache at the first number of clients, and the hand-written ones.
type row struct {
	name         string
	ours, theirs float64
}

// rows writes a table of the chosen operations.
func (c *comparison) rows(ctx context.Context, ways []cacheCase) (all []row, err error) {
	t := table{out: c.out, header: c.header()}
	for _, op := range c.list {
		if !c.chose(op.name) {
			continue
		}
		for _, way := range ways {
			text, times, err := c.measure(ctx, op, way)
			if err != nil {
				return nil, fmt.Errorf("%s, cache %s: %w", op.name, way.name, err)
			}
			t.row(text)
			if way.share == nil {
				all = append(all, times)
			}
		}
		if op.pool != nil {
			if err := op.pool.leave(ctx); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (c *comparison) header() string {
	columns := "| operation | cache | statements | allocs | KB | CPU ms | hand |"
	line := "|---|---|--:|--:|--:|--:|--:|"
	for _, n := range c.clients {
		columns += fmt.Sprintf(" per second @%d | p50 ms | p99 | CPU ms | ratio |", n)
		line += "--:|--:|--:|--:|--:|"
	}
	return columns + "\n" + line + "\n"
}

// measure measures one operation in one way.
func (c *comparison) measure(ctx context.Context, op operation, way cacheCase) (text string, times row, err error) {
	s, stats := c.site, func() cache.Stats { return cache.Stats{} }
	if way.share != nil {
		n, err := way.start(ctx, c.desk)
		if err != nil {
			return "", row{}, err
		}
		defer n.stop()
		n.add(c.list)
		s, stats = n.site, n.cache.Stats
	}
	r := s.rivals(op, way)
	if err := s.warm(ctx, op, way, r); err != nil {
		return "", row{}, err
	}
	before, asked := stats(), 0
	text, err = s.prices(ctx, r, c.seconds/4)
	if err != nil {
		return "", row{}, err
	}
	text = fmt.Sprintf("| %s | %s |%s", op.name, way.name, text)
	times.name = op.name
	for i, clients := range c.clients {
		if c.seconds == 0 {
			text += " | | | | |"
			continue
		}
		ours, theirs, err := s.race(ctx, clients, c.seconds, r)
		if err != nil {
			return "", row{}, err
		}
		if asked += len(ours.times); i == 0 {
			times.ours, times.theirs = ours.ms(50), theirs.ms(50)
		}
		text += fmt.Sprintf(" %.0f | %.2f | %.2f | %.2f | %s |", ours.rate(), ours.ms(50), ours.ms(99), ours.cpuMs(), ratio(ours.ms(50), theirs.ms(50)))
	}
	if way.share != nil && op.pool == nil && asked > 0 {
		_, err = way.shareOf(stats(), before, asked)
	}
	return text, times, err
}

// rivals are the requests for an operation and to its hand-written handler.
func (s *site) rivals(op operation, way cacheCase) rivals {
	if op.pool != nil {
		return rivals{op.pool.ask(s, "/graphql", op), op.pool.ask(s, s.handPath(op), op), op.pool.fill}
	}
	return rivals{program: inTurn(way.programs(s, op)), against: s.byHand(op)}
}

// warm compares what the two do, when answers are where they are to be found.
func (s *site) warm(ctx context.Context, op operation, way cacheCase, r rivals) error {
	if op.pool != nil {
		return op.pool.compareDeriving(ctx, s, r)
	}
	for range way.texts(op) {
		if _, err := s.direct(ctx, r.program()); err != nil {
			return err
		}
	}
	return errors.Join(s.compare(ctx, r.program, r.against), s.compare(ctx, r.program, r.against))
}

// prices are the columns of what one request costs alone.
func (s *site) prices(ctx context.Context, r rivals, seconds float64) (string, error) {
	var costs [2]cost
	for i, a := range []ask{r.program, r.against} {
		if err := r.begin(ctx); err != nil {
			return "", err
		}
		var err error
		if costs[i], err = s.price(ctx, a, seconds); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf(" %.3g | %.0f | %.0f | %.2f | %.2f |", costs[0].statements, costs[0].allocs, costs[0].bytes/1024, costs[0].cpu, costs[1].cpu), nil
}

// ratio is bold when the first is more than the second.
func ratio(a, b float64) string {
	if a > b {
		return fmt.Sprintf("**%.2f**", a/b)
	}
	return fmt.Sprintf("%.2f", a/b)
}
