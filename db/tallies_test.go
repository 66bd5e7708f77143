package db_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// amend gives a stored document or leg other contents, in the books and in the database.
func (d *statisticsDesk) amend(t *testing.T, random *rand.Rand) {
	t.Helper()
	other := &statisticsDesk{cat: d.cat, access: map[mesa.DocumentID][]string{}}
	for len(other.legs) == 0 {
		other.fill(random, 1)
	}
	err := d.db.InTx(t.Context(), func(tx *db.Tx) error {
		if random.Intn(2) == 0 {
			doc, was := other.docs[0], pick(random, d.docs)
			doc.ID, doc.TrackingCode = was.ID, was.TrackingCode
			*was = *doc
			_, err := tx.NewUpdate().Model(was).WherePK().Exec(t.Context())
			return err
		}
		leg, was := other.legs[0], pick(random, d.legs)
		leg.ID, leg.Number, leg.DocumentID, leg.Kind, leg.Origin = was.ID, was.Number, was.DocumentID, was.Kind, was.Origin // these never change
		*was = *leg
		_, err := tx.NewUpdate().Model(was).WherePK().Exec(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A walk of new and amended documents and legs, with merges in between: after each step figures from tallies are those of a recount.
func TestTalliesFollowEveryChange(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		random := rand.New(rand.NewSource(16))
		d.fill(random, 30)
		d.store(t)
		viewer := d.actor(mesa.Viewer, "")
		for step := range 60 {
			if random.Intn(3) == 0 {
				d.fill(random, 1)
				d.store(t)
			} else {
				d.amend(t, random)
			}
			if random.Intn(3) == 0 {
				d.merge(t)
			}
			filter := mesa.StatisticsFilter{From: mesa.NewDate(2026, 1, 1).AddDays(random.Intn(60))}
			compareFigures(t, fmt.Sprintf("step %d, %+v", step, filter), mustFigures(t, d, viewer, filter), d.recount(viewer, filter))
			if t.Failed() {
				return
			}
		}
	})
}

func (d *statisticsDesk) merge(t *testing.T) {
	t.Helper()
	if err := d.db.MergeTallies(t.Context()); err != nil {
		t.Error(err)
	}
}

// talliesHold says that tallies add up to what is there.
func talliesHold(t *testing.T, database *db.DB) {
	t.Helper()
	faults, err := database.Inconsistencies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		if strings.HasPrefix(fault, "tallies") {
			t.Error(fault)
		}
	}
}

// Several write documents of the same day while others merge and read: no figure is ever of half a change.
func TestTalliesAreWholeWhileOthersWriteAndMerge(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		for range 8 {
			d.add(mesa.Document{FiledOn: march(17)}, mesa.Derivation{ToID: inLegal, State: mesa.LegPending, SentAt: lima(3, 17, 9, 0)})
		}
		d.store(t)
		viewer := d.actor(mesa.Viewer, "")
		var writing, others sync.WaitGroup
		done := make(chan struct{})
		for writer := range 4 {
			writing.Go(func() {
				for i := range 20 {
					state := []mesa.DocumentState{mesa.InProcess, mesa.Registered}[i%2]
					runIn(t.Context(), t, d.db, fmt.Sprintf("UPDATE documents SET state = '%s' WHERE id IN ('doc_%05d', 'doc_%05d')", state, 2*writer+1, 2*writer+2))
				}
			})
		}
		for range 2 {
			others.Go(func() {
				for open := true; open; {
					select {
					case <-done:
						open = false
					default:
					}
					d.merge(t)
					got := mustFigures(t, d, viewer, mesa.StatisticsFilter{})
					compareFigures(t, "meanwhile", got, map[string]any{"received": 8, "open": 8})
				}
			})
		}
		writing.Wait()
		close(done)
		others.Wait()
		compareFigures(t, "afterwards", mustFigures(t, d, viewer, mesa.StatisticsFilter{}), d.recount(viewer, mesa.StatisticsFilter{}))
	})
}

// Whoever writes in a long transaction keeps nobody from writing documents of the same day, nor from merging; its own changes count once it ends.
func TestTalliesLetNobodyWait(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		if d.db.Backend() == "sqlite" {
			return // it has one writer
		}
		d.add(mesa.Document{FiledOn: march(17)})
		d.add(mesa.Document{FiledOn: march(17)})
		d.store(t)
		states := func() any {
			return mustFigures(t, d, d.actor(mesa.Viewer, ""), mesa.StatisticsFilter{})["byState"]
		}
		err := d.db.InTx(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.ExecContext(t.Context(), "UPDATE documents SET state = 'NOT_FILED' WHERE id = 'doc_00001'"); err != nil {
				return err
			}
			runIn(t.Context(), t, d.db, "UPDATE documents SET state = 'OBSERVED' WHERE id = 'doc_00002'")
			d.merge(t)
			if got := asJSON(states()); !strings.Contains(got, "OBSERVED") || strings.Contains(got, "NOT_FILED") {
				t.Errorf("meanwhile %s", got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"before", "after"} {
			if got := asJSON(states()); !strings.Contains(got, "OBSERVED") || !strings.Contains(got, "NOT_FILED") {
				t.Errorf("%s a merge %s", when, got)
			}
			d.merge(t)
		}
	})
}

// A database of before gets its tallies by the migration.
func TestTalliesBeginWithWhatIsThere(t *testing.T) {
	onDemo(t, func(t *testing.T, database *db.DB) {
		undo := []string{"DROP VIEW tally, tallied", "DROP TABLE tallies, tally_changes", "DROP FUNCTION tallies_of_document, tallies_of_leg", "DROP FUNCTION tally_documents, tally_legs CASCADE"}
		if database.Backend() == "sqlite" {
			undo = nil
			for _, table := range []string{"documents", "derivations"} {
				for _, when := range []string{"insert", "update"} {
					undo = append(undo, "DROP TRIGGER "+table+"_tallied_"+when)
				}
			}
			undo = append(undo, "DROP VIEW tally", "DROP VIEW tallied", "DROP VIEW tallies_of_documents", "DROP VIEW tallies_of_legs", "DROP TABLE tallies", "DROP TABLE tally_changes")
		}
		run(t, database, append(undo, "DELETE FROM schema_migrations WHERE name = '0014_tallies'")...)
		applied, err := database.Migrate(t.Context())
		if err != nil || !slices.Equal(applied, []string{"0014_tallies"}) {
			t.Fatalf("%v, %v", applied, err)
		}
		talliesHold(t, database)
		run(t, database, "UPDATE documents SET state = 'NOT_FILED' WHERE state = 'REGISTERED'")
		talliesHold(t, database)
	})
}

// Hours of reception can be left out; nothing else changes.
func TestAreasWithoutReception(t *testing.T) {
	eachStatisticsDesk(t, func(t *testing.T, d *statisticsDesk) {
		d.fill(rand.New(rand.NewSource(3)), 60)
		d.store(t)
		for _, filter := range []mesa.StatisticsFilter{{}, {Channel: mesa.Counter}} {
			var areas [2][]*mesa.AreaStatistics
			for i := range areas {
				f, err := d.db.View(d.actor(mesa.Viewer, "")).Statistics(t.Context(), filter)
				if err != nil {
					t.Fatal(err)
				}
				if i == 1 {
					f.WithoutReception()
				}
				if areas[i], err = f.Areas(t.Context(), nil); err != nil || len(areas[i]) == 0 {
					t.Fatalf("%d areas, %v", len(areas[i]), err)
				}
			}
			for i, area := range areas[0] {
				if area.ReceptionHours == (mesa.Spread{}) && area.LegsReceived > 0 {
					t.Errorf("%s has no hours", area.AreaID)
				}
				area.ReceptionHours = mesa.Spread{}
				if got, want := asJSON(areas[1][i]), asJSON(area); got != want {
					t.Errorf("without: %s, with: %s", got, want)
				}
			}
		}
	})
}

// Tallies that no longer add up, because something was written while their triggers rested, are corrected to what is there.
func TestTalliesAreRepaired(t *testing.T) {
	onDemo(t, func(t *testing.T, database *db.DB) {
		change(t, database, "UPDATE tallies SET n = n + 7 WHERE measure = 'state'")
		change(t, database, "DELETE FROM tallies WHERE measure = 'sent'")
		if faults, err := database.Inconsistencies(t.Context()); err != nil || len(faults) == 0 {
			t.Fatalf("no fault is found, %v", err)
		}
		if wrong, err := database.RepairTallies(t.Context()); err != nil || wrong == 0 {
			t.Errorf("%d corrected, %v", wrong, err)
		}
		wellKept(t, database)
		if wrong, err := database.RepairTallies(t.Context()); err != nil || wrong != 0 {
			t.Errorf("%d corrected once more, %v", wrong, err)
		}
	})
}

// Two who repair tallies at once do not both add what is lacking.
func TestTalliesAreRepairedOnce(t *testing.T) {
	onDemo(t, func(t *testing.T, database *db.DB) {
		change(t, database, "UPDATE tallies SET n = n + 7 WHERE measure = 'state'")
		var all errgroup.Group
		for range 4 {
			all.Go(func() error { _, err := database.RepairTallies(t.Context()); return err })
		}
		if err := all.Wait(); err != nil {
			t.Fatal(err)
		}
		wellKept(t, database)
	})
}
