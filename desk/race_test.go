package desk_test

import (
	"sync"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/mesa"
)

// atOnce runs verbs at the same moment and returns their errors.
func atOnce(verbs ...func() error) []error {
	errs, start := make([]error, len(verbs)), make(chan struct{})
	var all sync.WaitGroup
	for i, verb := range verbs {
		all.Go(func() { <-start; errs[i] = verb() })
	}
	close(start)
	all.Wait()
	return errs
}

// oneWins checks that exactly one verb succeeded and the others failed with a code.
func (c *counter) oneWins(errs []error, code mesa.Code) (winner int) {
	c.Helper()
	winner = -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			c.Errorf("verbs %d and %d both won", winner, i)
		case err == nil:
			winner = i
		case mesa.CodeOf(err) != code:
			c.Errorf("the loser got %v, want %s", err, code)
		}
	}
	if winner < 0 {
		c.Errorf("nobody won: %v", errs)
	}
	return winner
}

func TestRecallOrReceiveButNotBoth(t *testing.T) {
	onEach(t, func(c *counter) {
		other := desk.New(c.handle(), nil)
		sender, receiver := c.as("mesa1"), c.as("log1")
		wins := [2]int{}
		for range 20 {
			doc := c.register("mesa1")
			leg := c.derive("mesa1", doc.ID, c.area("LOG"))[0]
			errs := atOnce(
				func() error {
					_, _, err := c.desk.Recall(c.ctx, sender, desk.DerivationReasonInput{DerivationID: leg.ID, Reason: because})
					return err
				},
				func() error {
					_, err := other.Receive(c.ctx, receiver, desk.DerivationInput{DerivationID: leg.ID})
					return err
				},
			)
			winner := c.oneWins(errs, mesa.InvalidTransition)
			if winner < 0 {
				return
			}
			wins[winner]++
			want := []mesa.DocumentState{mesa.Registered, mesa.InProcess}[winner]
			if got := c.find(doc.ID).State; got != want {
				c.Errorf("the document is %s, want %s", got, want)
			}
		}
		c.Logf("recalled %d, received %d", wins[0], wins[1])
		c.consistent()
	})
}

func TestOfTwoDerivationsOneWins(t *testing.T) {
	onEach(t, func(c *counter) {
		other := desk.New(c.handle(), nil)
		one, two := c.as("mesa1"), c.as("mesa2")
		derive := func(d *desk.Desk, by *mesa.Actor, doc mesa.DocumentID, area string) func() error {
			target := to(c.area(area))
			return func() error {
				_, _, err := d.Derive(c.ctx, by, desk.DeriveDocumentInput{DocumentID: doc, Targets: target})
				return err
			}
		}
		for range 10 {
			doc := c.register("mesa1")
			c.oneWins(atOnce(derive(c.desk, one, doc.ID, "LOG"), derive(other, two, doc.ID, "OAJ")), mesa.NotHolder)
		}
		c.consistent()
	})
}

func TestOfTwoWithTheSameVersionOneWins(t *testing.T) {
	onEach(t, func(c *counter) {
		doc := c.register("mesa1")
		clerk, version := c.as("mesa1"), doc.Version
		update := func(notes string) func() error {
			return func() error {
				_, err := c.desk.Update(c.ctx, clerk, desk.UpdateDocumentInput{DocumentID: doc.ID, ExpectedVersion: &version, Notes: &notes, Given: []string{"notes"}})
				return err
			}
		}
		c.oneWins(atOnce(update("a"), update("b"), update("c"), update("d")), mesa.ConflictVersion)
		if got := c.find(doc.ID).Version; got != version+1 {
			c.Errorf("version %d", got)
		}
	})
}

// The legs of one document end in different areas at the same moment: exactly one of them ends the document.
func TestTheLastLegEndsTheDocumentOnce(t *testing.T) {
	onEach(t, func(c *counter) {
		people := []string{"log1", "oaj1", "rrhh1", "tes1"}
		areas := []mesa.AreaID{c.area("LOG"), c.area("OAJ"), c.area("RRHH"), c.area("TES")}
		for range 5 {
			doc := c.register("mesa1")
			verbs := make([]func() error, len(people))
			for i, leg := range c.derive("mesa1", doc.ID, areas...) {
				c.receive(people[i], leg.ID)
				by := c.as(people[i])
				verbs[i] = func() error {
					_, _, err := c.desk.Attend(c.ctx, by, desk.AttendDerivationInput{DerivationID: leg.ID})
					return err
				}
			}
			for _, err := range atOnce(verbs...) {
				c.ok(err)
			}
			if got := c.find(doc.ID); got.State != mesa.Attended || got.CurrentAreaID != c.area("MP") {
				c.Errorf("%s at %s", got.State, got.CurrentAreaID)
			}
		}
		if n := len(c.events(mesa.DocumentAttended)); n != 5 {
			c.Errorf("%d times attended", n)
		}
		c.consistent()
	})
}

// Archived from two sides, restored from two sides, again and again: locations have no gaps, and there is one record at a time.
func TestArchiveRaces(t *testing.T) {
	onEach(t, func(c *counter) {
		doc, one, two := c.attended(), c.as("archivo1"), c.as("archivo2")
		for range 5 {
			archive := func(by *mesa.Actor) func() error {
				return func() error {
					_, _, err := c.desk.Archive(c.ctx, by, desk.ArchiveDocumentInput{DocumentID: doc.ID, Classification: mesa.ArchiveLegal, PolicyCode: "Y5"})
					return err
				}
			}
			restore := func(by *mesa.Actor) func() error {
				return func() error {
					_, err := c.desk.Restore(c.ctx, by, desk.RestoreDocumentInput{DocumentID: doc.ID, AreaID: c.area("LOG"), Reason: because})
					return err
				}
			}
			c.oneWins(atOnce(archive(one), archive(two)), mesa.InvalidTransition)
			c.oneWins(atOnce(restore(one), restore(two)), mesa.InvalidTransition)
			legs, err := c.db.View(mesa.System(c.cat, "test")).LegsByDocument(c.ctx, []mesa.DocumentID{doc.ID})
			c.ok(err)
			last := legs[doc.ID][len(legs[doc.ID])-1]
			c.receive("log1", last.ID)
			_, _, err = c.desk.Attend(c.ctx, c.as("log1"), desk.AttendDerivationInput{DerivationID: last.ID})
			c.ok(err)
		}
		records, err := c.db.View(mesa.System(c.cat, "test")).ArchiveRecordsByDocument(c.ctx, []mesa.DocumentID{doc.ID})
		c.ok(err)
		if n := len(records[doc.ID]); n != 5 || records[doc.ID][4].LocationCode != "EST-LG-2026-0005" {
			c.Errorf("%d records, the last at %s", n, records[doc.ID][n-1].LocationCode)
		}
		c.consistent()
	})
}

// Many people work at once, each verb locking a document and counters in its own order: nobody fails with a deadlock.
func TestABusyDay(t *testing.T) {
	onEach(t, func(c *counter) {
		handles := []*desk.Desk{c.desk, desk.New(c.handle(), nil)}
		clerk, logistics, legal, archivist := c.as("mesa1"), c.as("log1"), c.as("oaj1"), c.as("archivo1")
		var all sync.WaitGroup
		for i := range 24 {
			all.Go(func() {
				d := handles[i%2]
				if err := func() error {
					doc, err := d.Register(c.ctx, clerk, c.letter())
					if err != nil {
						return err
					}
					_, legs, err := d.Derive(c.ctx, clerk, desk.DeriveDocumentInput{DocumentID: doc.ID, Targets: to(c.area("LOG"))})
					if err != nil {
						return err
					}
					if _, err = d.Receive(c.ctx, logistics, desk.DerivationInput{DerivationID: legs[0].ID}); err != nil {
						return err
					}
					_, _, err = d.Attend(c.ctx, logistics, desk.AttendDerivationInput{DerivationID: legs[0].ID, Next: to(c.area("OAJ"))})
					if err != nil {
						return err
					}
					found, err := c.db.View(legal).LegsByDocument(c.ctx, []mesa.DocumentID{doc.ID})
					if err != nil {
						return err
					}
					last := found[doc.ID][1].ID
					if _, err = d.Receive(c.ctx, legal, desk.DerivationInput{DerivationID: last}); err != nil {
						return err
					}
					if _, _, err = d.Attend(c.ctx, legal, desk.AttendDerivationInput{DerivationID: last}); err != nil {
						return err
					}
					_, _, err = d.Archive(c.ctx, archivist, desk.ArchiveDocumentInput{DocumentID: doc.ID, Classification: mesa.ArchiveGeneral, PolicyCode: "Y5"})
					return err
				}(); err != nil {
					c.Errorf("document %d: %v", i, err)
				}
			})
		}
		all.Wait()
		page, err := c.db.View(archivist).Documents(c.ctx, mesa.DocumentFilter{Archived: mesa.ArchivedOnly}, mesa.LatestFirst, db.Page{WithTotal: true})
		c.ok(err)
		if page.Total != 24 {
			c.Errorf("%d documents archived", page.Total)
		}
		c.consistent()
	})
}
