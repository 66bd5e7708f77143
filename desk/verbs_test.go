package desk_test

import (
	"slices"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/mesa"
)

// The whole life of a document as people at their desks live it: what each verb stores is what the next one finds.
func TestALifeOfADocument(t *testing.T) {
	onEach(t, func(c *counter) {
		doc := c.register("mesa1")
		leg := c.derive("mesa1", doc.ID, c.area("LOG"))[0]
		_, back, err := c.desk.Reject(c.ctx, c.as("log1"), desk.DerivationReasonInput{DerivationID: leg.ID, Reason: because})
		c.ok(err)
		c.receive("mesa2", back.ID)
		leg = c.derive("mesa2", doc.ID, c.area("OAJ"))[0]
		_, leg, err = c.desk.Reassign(c.ctx, c.as("jefe.oaj"), desk.ReassignDerivationInput{DerivationID: leg.ID, AreaID: c.area("RRHH"), Reason: because})
		c.ok(err)
		_, err = c.desk.Assign(c.ctx, c.as("jefe.rrhh"), desk.AssignDerivationInput{DerivationID: leg.ID, UserID: c.user("rrhh1")})
		c.ok(err)
		_, err = c.desk.Assign(c.ctx, c.as("jefe.rrhh"), desk.AssignDerivationInput{DerivationID: leg.ID, UserID: c.user("log1")})
		c.fails(err, mesa.ValidationFailed) // not of the area
		_, err = c.desk.Extend(c.ctx, c.as("jefe.rrhh"), desk.ExtendDeadlineInput{DerivationID: leg.ID, DueOn: mesa.NewDate(2026, 6, 30), Reason: because})
		c.ok(err)
		c.receive("rrhh1", leg.ID)
		_, back, err = c.desk.Return(c.ctx, c.as("rrhh1"), desk.DerivationReasonInput{DerivationID: leg.ID, Reason: because})
		c.ok(err)
		c.receive("oaj1", back.ID)
		_, done, err := c.desk.Attend(c.ctx, c.as("oaj1"), desk.AttendDerivationInput{DerivationID: back.ID, Outcome: mesa.OutcomeApproved, Next: copies(c.area("LOG"))})
		c.ok(err)
		if done.State != mesa.Attended {
			c.Fatalf("an answer with a copy leaves the document %s", done.State)
		}
		_, err = c.desk.Reopen(c.ctx, c.as("jefe.mesa"), desk.ReopenDocumentInput{DocumentID: doc.ID, AreaID: c.area("TES"), Reason: because})
		c.ok(err)
		legs, err := c.db.View(c.as("tes1")).LegsByDocument(c.ctx, []mesa.DocumentID{doc.ID})
		c.ok(err)
		last := legs[doc.ID][len(legs[doc.ID])-1]
		c.receive("tes1", last.ID)
		_, _, err = c.desk.Attend(c.ctx, c.as("tes1"), desk.AttendDerivationInput{DerivationID: last.ID})
		c.ok(err)
		_, _, err = c.desk.Archive(c.ctx, c.as("archivo1"), desk.ArchiveDocumentInput{DocumentID: doc.ID, Classification: mesa.ArchiveLegal, PolicyCode: "Y5"})
		c.ok(err)
		_, err = c.desk.Restore(c.ctx, c.as("archivo1"), desk.RestoreDocumentInput{DocumentID: doc.ID, AreaID: c.area("LOG"), Reason: because})
		c.ok(err)
		if got := c.find(doc.ID); got.State != mesa.InProcess || got.CurrentAreaID != c.area("LOG") || got.DueOn != mesa.NewDate(2026, 6, 30) || got.Version != 17 {
			c.Errorf("at last %s in %s, due %v, version %d", got.State, got.CurrentAreaID, got.DueOn, got.Version)
		}
		c.consistent()
	})
}

func TestUpdateTellsNullFromMissing(t *testing.T) {
	onEach(t, func(c *counter) {
		in := c.letter()
		in.Notes, in.ExternalNumber = ptr("Ojo"), ptr("OF-7")
		doc, err := c.desk.Register(c.ctx, c.as("mesa1"), in)
		c.ok(err)
		doc, err = c.desk.Update(c.ctx, c.as("mesa1"), desk.UpdateDocumentInput{DocumentID: doc.ID, Given: []string{"notes"}})
		c.ok(err)
		if found := c.find(doc.ID); found.Notes != "" || found.ExternalNumber != "OF-7" || found.Version != 2 {
			c.Errorf("notes %q, number %q, version %d", found.Notes, found.ExternalNumber, found.Version)
		}
		for _, field := range []string{"subject", "priority", "folios", "confidentiality"} {
			_, err := c.desk.Update(c.ctx, c.as("jefe.mesa"), desk.UpdateDocumentInput{DocumentID: doc.ID, Given: []string{field}})
			if e := c.fails(err, mesa.ValidationFailed); e.Field != field {
				c.Errorf("null for %s blames %q", field, e.Field)
			}
		}
		doc, err = c.desk.Update(c.ctx, c.as("mesa1"), desk.UpdateDocumentInput{DocumentID: doc.ID, Subject: ptr("Pide ópalo"), Given: []string{"subject"}})
		c.ok(err)
		page, err := c.db.View(c.as("mesa1")).Documents(c.ctx, mesa.DocumentFilter{Text: "opalo"}, mesa.LatestFirst, db.Page{})
		c.ok(err)
		if len(page.Items) != 1 {
			c.Error("the new subject is not found")
		}
		before := len(c.events())
		same, err := c.desk.Update(c.ctx, c.as("mesa1"), desk.UpdateDocumentInput{DocumentID: doc.ID, Subject: ptr(" Pide ópalo "), Given: []string{"subject"}})
		c.ok(err)
		if same.Version != doc.Version || len(c.events()) != before {
			c.Error("nothing changed, yet something happened")
		}
	})
}

func TestWatching(t *testing.T) {
	onEach(t, func(c *counter) {
		doc := c.register("mesa1")
		watch := func(local string, on bool) error {
			_, err := c.desk.Watch(c.ctx, c.as(local), desk.WatchDocumentInput{DocumentID: doc.ID}, on)
			return err
		}
		for range 2 { // twice is the same as once
			c.ok(watch("consulta", true))
		}
		c.ok(watch("consulta", false))
		c.fails(watch("auditor", true), mesa.Forbidden)
		c.fails(watch("log1", true), mesa.NotFound)
		if started, ended := len(c.events(mesa.WatchStarted)), len(c.events(mesa.WatchEnded)); started != 1 || ended != 1 {
			c.Errorf("started %d times, ended %d times", started, ended)
		}
	})
}

func TestTheSameKeyIsTheSameDerivationAttentionAndArchiving(t *testing.T) {
	onEach(t, func(c *counter) {
		doc, key := c.register("mesa1"), ptr("clave")
		derive := desk.DeriveDocumentInput{DocumentID: doc.ID, Targets: to(c.area("LOG"), c.area("OAJ")), IdempotencyKey: key}
		_, first, err := c.desk.Derive(c.ctx, c.as("mesa1"), derive)
		c.ok(err)
		_, again, err := c.desk.Derive(c.ctx, c.as("mesa1"), derive)
		c.ok(err)
		if len(again) != 2 || again[0].ID != first[0].ID || again[1].ID != first[1].ID {
			c.Errorf("derived anew: %v", again)
		}
		derive.Targets = to(c.area("TES"))
		_, _, err = c.desk.Derive(c.ctx, c.as("mesa1"), derive)
		c.fails(err, mesa.IdempotencyMismatch)
		for i, local := range []string{"log1", "oaj1"} {
			c.receive(local, first[i].ID)
			for range 2 {
				leg, got, err := c.desk.Attend(c.ctx, c.as(local), desk.AttendDerivationInput{DerivationID: first[i].ID, IdempotencyKey: key})
				c.ok(err)
				if leg.State != mesa.LegAttended || got.ID != doc.ID {
					c.Errorf("attended as %s of %s", leg.State, got.ID)
				}
			}
		}
		var records [2]*mesa.ArchiveRecord
		for i := range records {
			_, record, err := c.desk.Archive(c.ctx, c.as("archivo1"), desk.ArchiveDocumentInput{
				DocumentID: doc.ID, Classification: mesa.ArchiveLegal, PolicyCode: "Y5", IdempotencyKey: key,
			})
			c.ok(err)
			records[i] = record
		}
		if records[0].ID != records[1].ID || records[1].LocationCode != "EST-LG-2026-0001" {
			c.Errorf("archived as %+v and %+v", records[0], records[1])
		}
		c.consistent()
	})
}

// Whatever makes a leg makes it once for one key, and a repeat tells of the same one.
func TestTheSameKeyMakesNoSecondLeg(t *testing.T) {
	onEach(t, func(c *counter) {
		doc, key := c.register("mesa1"), ptr("clave")
		_, legs, err := c.desk.Derive(c.ctx, c.as("mesa1"), desk.DeriveDocumentInput{DocumentID: doc.ID, Targets: slices.Concat(to(c.area("LOG")), copies(c.area("RRHH")))})
		c.ok(err)
		twice := func(what string, verb func() (leg, made *mesa.Derivation, err error)) *mesa.Derivation {
			c.Helper()
			first, made, err := verb()
			c.ok(err)
			again, same, err := verb()
			c.ok(err)
			if again.ID != first.ID || same.ID != made.ID || again.State != first.State {
				c.Errorf("%s made %s of %s, then %s of %s", what, made.ID, first.ID, same.ID, again.ID)
			}
			return made
		}
		why := func(leg mesa.DerivationID) desk.DerivationReasonInput {
			return desk.DerivationReasonInput{DerivationID: leg, Reason: because, IdempotencyKey: key}
		}
		back := twice("reject", func() (leg, made *mesa.Derivation, err error) {
			return c.desk.Reject(c.ctx, c.as("log1"), why(legs[0].ID))
		})
		_, _, err = c.desk.Return(c.ctx, c.as("log1"), why(legs[0].ID)) // another verb with the same input
		c.fails(err, mesa.IdempotencyMismatch)
		take := desk.DerivationInput{DerivationID: back.ID, IdempotencyKey: key}
		twice("receive", func() (leg, made *mesa.Derivation, err error) {
			leg, err = c.desk.Receive(c.ctx, c.as("mesa1"), take)
			return leg, leg, err
		})
		_, legs, err = c.desk.Derive(c.ctx, c.as("mesa1"), desk.DeriveDocumentInput{DocumentID: doc.ID, Targets: to(c.area("OAJ"))})
		c.ok(err)
		c.receive("oaj1", legs[0].ID)
		back = twice("return", func() (leg, made *mesa.Derivation, err error) {
			return c.desk.Return(c.ctx, c.as("oaj1"), why(legs[0].ID))
		})
		c.receive("mesa1", back.ID)
		_, legs, err = c.desk.Derive(c.ctx, c.as("mesa1"), desk.DeriveDocumentInput{DocumentID: doc.ID, Targets: to(c.area("LOG"))})
		c.ok(err)
		move := desk.ReassignDerivationInput{DerivationID: legs[0].ID, AreaID: c.area("OAJ"), Reason: because, IdempotencyKey: key}
		moved := twice("reassign", func() (leg, made *mesa.Derivation, err error) { return c.desk.Reassign(c.ctx, c.as("jefe.mesa"), move) })
		c.receive("oaj1", moved.ID)
		attend := desk.AttendDerivationInput{DerivationID: moved.ID, Outcome: mesa.OutcomeApproved, IdempotencyKey: ptr("atiende")}
		attended := func() (leg, made *mesa.Derivation, err error) {
			leg, _, err = c.desk.Attend(c.ctx, c.as("oaj1"), attend)
			return leg, leg, err
		}
		twice("attend", attended)
		c.change(`UPDATE idempotency_keys SET result = '{"IDs":null}' WHERE key = 'atiende'`) // as it was remembered before
		twice("attend", attended)
		for range 2 {
			got, err := c.desk.Reopen(c.ctx, c.as("jefe.mesa"), desk.ReopenDocumentInput{DocumentID: doc.ID, AreaID: c.area("LOG"), Reason: because, IdempotencyKey: ptr("reabre")})
			c.ok(err)
			if got.State != mesa.InProcess {
				c.Errorf("reopened as %s", got.State)
			}
		}
		if n := len(c.events(mesa.DocumentReopened)); n != 1 {
			c.Errorf("reopened %d times", n)
		}
		other := c.attended()
		_, _, err = c.desk.Archive(c.ctx, c.as("archivo1"), desk.ArchiveDocumentInput{DocumentID: other.ID, Classification: mesa.ArchiveLegal, PolicyCode: "Y5"})
		c.ok(err)
		for range 2 {
			_, err := c.desk.Restore(c.ctx, c.as("archivo1"), desk.RestoreDocumentInput{DocumentID: other.ID, AreaID: c.area("LOG"), Reason: because, IdempotencyKey: ptr("restaura")})
			c.ok(err)
		}
		c.consistent()
	})
}

func TestBulkVerbs(t *testing.T) {
	onEach(t, func(c *counter) {
		ids := []mesa.DocumentID{c.register("mesa1").ID, "doc_nothing", c.register("mesa1").ID, c.register("mesa1").ID}
		void, err := c.desk.Void(c.ctx, c.as("jefe.mesa"), desk.VoidDocumentInput{DocumentID: ids[2], Reason: because})
		c.ok(err)
		for range 2 { // the repeat changes nothing
			tagged, err := c.desk.BulkTag(c.ctx, c.as("mesa1"), desk.BulkTagInput{DocumentIDs: ids, Add: []string{"b", "a", "b"}, Remove: []string{"c"}, IdempotencyKey: ptr("t")})
			c.ok(err)
			c.became(tagged, "", mesa.NotFound, mesa.DocumentClosed, "")
			if version := c.find(ids[0]).Version; version != 2 {
				c.Errorf("version %d", version)
			}
		}
		if got := c.find(ids[0]).Tags; !slices.Equal(got, []string{"a", "b"}) {
			c.Errorf("tags %v", got)
		}
		in := desk.BulkDeriveInput{DocumentIDs: ids, Targets: slices.Concat(to(c.area("LOG")), copies(c.area("OAJ"))), IdempotencyKey: ptr(string(slices.Repeat([]byte("k"), 128)))}
		derived, err := c.desk.BulkDerive(c.ctx, c.as("mesa1"), in)
		c.ok(err)
		c.became(derived, "", mesa.NotFound, mesa.InvalidTransition, "")
		again, err := c.desk.BulkDerive(c.ctx, c.as("mesa1"), in)
		c.ok(err)
		c.became(again, "", mesa.NotFound, mesa.InvalidTransition, "")
		if len(derived[0].Legs) != 2 || len(again[0].Legs) != 2 || again[0].Legs[0].ID != derived[0].Legs[0].ID {
			c.Error("the same key derived again")
		}
		other := in
		other.DocumentIDs = ids[:1]
		_, err = c.desk.BulkDerive(c.ctx, c.as("mesa1"), other)
		c.fails(err, mesa.IdempotencyMismatch)
		legs := []mesa.DerivationID{derived[0].Legs[0].ID, derived[3].Legs[0].ID, derived[0].Legs[1].ID}
		for range 2 {
			received, err := c.desk.BulkReceive(c.ctx, c.as("log1"), desk.BulkDerivationsInput{DerivationIDs: legs, IdempotencyKey: ptr("r")})
			c.ok(err)
			c.became(received, "", "", mesa.Forbidden)
			noted, err := c.desk.BulkAcknowledge(c.ctx, c.as("oaj1"), desk.BulkDerivationsInput{DerivationIDs: []mesa.DerivationID{derived[0].Legs[1].ID}, IdempotencyKey: ptr("n")})
			c.ok(err)
			c.became(noted, "")
		}
		_, err = c.desk.BulkAcknowledge(c.ctx, c.as("log1"), desk.BulkDerivationsInput{DerivationIDs: legs, IdempotencyKey: ptr("r")})
		c.fails(err, mesa.IdempotencyMismatch)
		noted, err := c.desk.BulkAcknowledge(c.ctx, c.as("oaj1"), desk.BulkDerivationsInput{DerivationIDs: []mesa.DerivationID{derived[0].Legs[1].ID}})
		c.ok(err)
		c.became(noted, mesa.InvalidTransition)
		_, _, err = c.desk.Attend(c.ctx, c.as("log1"), desk.AttendDerivationInput{DerivationID: legs[0]})
		c.ok(err)
		archived, err := c.desk.BulkArchive(c.ctx, c.as("archivo1"), desk.BulkArchiveInput{
			DocumentIDs: []mesa.DocumentID{ids[0], ids[3], void.ID}, Classification: mesa.ArchiveLegal, PolicyCode: "Y5",
		})
		c.ok(err)
		c.became(archived, "", mesa.InvalidTransition, mesa.InvalidTransition)
		c.consistent()
	})
}

func (c *counter) became(results any, want ...mesa.Code) {
	c.Helper()
	var got []mesa.Code
	switch list := results.(type) {
	case []desk.Result[mesa.DocumentID]:
		for _, r := range list {
			got = append(got, mesa.CodeOf(r.Err))
		}
	case []desk.Result[mesa.DerivationID]:
		for _, r := range list {
			got = append(got, mesa.CodeOf(r.Err))
		}
	}
	if !slices.Equal(got, want) {
		c.Errorf("became %q, want %q", got, want)
	}
}

func TestBulkLimits(t *testing.T) {
	onEach(t, func(c *counter) {
		_, err := c.desk.BulkReceive(c.ctx, c.as("log1"), desk.BulkDerivationsInput{DerivationIDs: make([]mesa.DerivationID, 101)})
		if e := c.fails(err, mesa.LimitExceeded); e.Field != "derivationIds" || e.Details["limit"] != 100 {
			c.Errorf("field %q, %v", e.Field, e.Details)
		}
		_, err = c.desk.BulkTag(c.ctx, c.as("log1"), desk.BulkTagInput{})
		c.fails(err, mesa.ValidationFailed)
	})
}

// A tag that a document has already does not count twice against the limit.
func TestTenTagsStayTen(t *testing.T) {
	onEach(t, func(c *counter) {
		in := c.letter()
		in.Tags = []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
		doc, err := c.desk.Register(c.ctx, c.as("mesa1"), in)
		c.ok(err)
		results, err := c.desk.BulkTag(c.ctx, c.as("mesa1"), desk.BulkTagInput{DocumentIDs: []mesa.DocumentID{doc.ID}, Add: []string{"a"}})
		c.ok(err)
		c.became(results, "")
		results, err = c.desk.BulkTag(c.ctx, c.as("mesa1"), desk.BulkTagInput{DocumentIDs: []mesa.DocumentID{doc.ID}, Add: []string{"k"}})
		c.ok(err)
		c.became(results, mesa.ValidationFailed)
	})
}
