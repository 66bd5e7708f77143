package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// SeedOptions say how much Seed adds; zero values are sensible.
type SeedOptions struct {
	Documents int     // default 10 000
	Legs      float64 // derivations per document, on average; at least 1, default 3
	Months    int     // back to when; default 18
	Seed      uint64  // default random. The same seed on the same state of a database adds the same documents
	NoEvents  bool    // leave out all events but the registrations: faster, but timelines are empty

	Progress func(Seeded) // called after each chunk, nil for nobody
}

// Seeded is what Seed has added.
type Seeded struct{ Documents, Derivations, Events int }

// chunkDocuments is how many documents are made and stored at once: enough to be fast, few enough that nobody at the counter
// waits long for a number.
const chunkDocuments = 5000

// Seed adds many documents to the institution of the database, with its areas and people, in chunks of one transaction each. Their
// numbers go on from the present ones. Chunks are made while earlier ones are stored. On an error it says what it had added.
func Seed(ctx context.Context, database *db.DB, o SeedOptions) (done Seeded, err error) {
	o = o.orDefault()
	w, err := loadWorld(ctx, database)
	if err != nil {
		return done, err
	}
	given, err := database.NumbersGiven(ctx)
	if err != nil {
		return done, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := seeder{SeedOptions: o, world: w, now: database.Now(), state: uint64(given)}
	s.arrivals = newArrivals(w.cat.Calendar, s.now, o.Months)
	chunks := make(chan chunk, 1)
	go s.make(ctx, chunks)
	defer func() {
		cancel()
		for range chunks { // until the maker has left
		}
	}()
	for c := range chunks {
		if c.err != nil {
			return done, c.err
		}
		if err := database.BulkInsert(ctx, w.cat, c.bulk); err != nil {
			return done, fmt.Errorf("after %d documents: %w", done.Documents, err)
		}
		done.Documents += len(c.bulk.Documents)
		done.Derivations += len(c.bulk.Derivations)
		done.Events += len(c.bulk.Events)
		if o.Progress != nil {
			o.Progress(done)
		}
	}
	return done, ctx.Err()
}

func (o SeedOptions) orDefault() SeedOptions {
	if o.Documents == 0 {
		o.Documents = 10_000
	}
	if o.Legs == 0 {
		o.Legs = 3
	}
	o.Legs = max(o.Legs, 1)
	if o.Months == 0 {
		o.Months = demoMonths
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	return o
}

// loadWorld is the institution of a database with its people.
func loadWorld(ctx context.Context, database *db.DB) (*world, error) {
	cat, err := database.Catalogue(ctx, 0)
	if err != nil {
		return nil, err
	}
	var actors []*mesa.Actor
	for _, u := range cat.Users {
		if !u.IsActive {
			continue
		}
		actor, err := database.ActorOf(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		actors = append(actors, actor)
		if len(actors) == seedPeople {
			break
		}
	}
	return newWorld(cat, actors)
}

// seedPeople is how many people act at most; reading the rights of more would only take longer.
const seedPeople = 1000

// seeder makes chunks.
type seeder struct {
	SeedOptions
	*world
	now      time.Time
	state    uint64 // of the database, so that a second run makes other documents
	arrivals *arrivals
}

// unfinished makes up for the documents that have not got all their legs yet.
const unfinished = 1.22

type chunk struct {
	bulk db.Bulk
	err  error
}

// make sends all chunks and closes the channel; it ends early with ctx or after an error.
func (s *seeder) make(ctx context.Context, to chan<- chunk) {
	defer close(to)
	for first := 0; first < s.Documents; first += chunkDocuments {
		c := s.chunk(first, min(first+chunkDocuments, s.Documents))
		select {
		case to <- c:
		case <-ctx.Done():
			return
		}
		if c.err != nil {
			return
		}
	}
}

func (s *seeder) chunk(from, to int) chunk {
	h := newHistory(s.world, s.now, 1+(s.Legs-1)*unfinished, s.Seed, s.state<<20+uint64(from/chunkDocuments)+3)
	for i := from; i < to; i++ {
		if err := h.add(s.arrivals.at(i, s.Documents, h.rnd)); err != nil {
			return chunk{err: err}
		}
	}
	if s.NoEvents {
		kept := h.out.Events[:0]
		for _, e := range h.out.Events {
			if e.Type == mesa.DocumentRegistered {
				kept = append(kept, e)
			}
		}
		h.out.Events = kept
	}
	sortEvents(h.out.Events)
	if to == s.Documents {
		e := mesa.NewEvent(&h.ids, mesa.System(s.cat, "mesa"), s.now, mesa.DataSeeded)
		e.Text = fmt.Sprintf("%d expedientes sembrados", s.Documents)
		h.out.Events = append(h.out.Events, e)
	}
	return chunk{bulk: h.out}
}
