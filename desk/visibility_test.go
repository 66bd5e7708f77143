package desk_test

import (
	"slices"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/mesa"
)

// One document of each grade goes from Mesa de Partes to Asesoría Jurídica: who sees which, by every way in.
func TestWhoSeesWhat(t *testing.T) {
	onEach(t, func(c *counter) {
		docs, legs := map[mesa.Confidentiality]*mesa.Document{}, map[mesa.Confidentiality]*mesa.Derivation{}
		for _, grade := range mesa.Confidentialities {
			in := c.letter()
			in.Confidentiality, in.Subject = grade, "Solicita zafiro"
			doc, err := c.desk.Register(c.ctx, c.as("mesa1"), in)
			c.ok(err)
			docs[grade], legs[grade] = doc, c.derive("mesa1", doc.ID, c.area("OAJ"))[0]
		}
		events := c.events(mesa.DocumentDerived)
		all := mesa.Confidentialities
		for _, who := range []struct {
			name string
			sees []mesa.Confidentiality
		}{
			{"mesa1", all}, {"mesa2", all}, {"jefe.mesa", all}, // the desk that registered them
			{"oaj1", all}, {"jefe.oaj", all}, // the area that has them
			{"jefe.gg", all}, // its head's head
			{"gg1", nil},     // but not their staff
			{"auditor", all}, // readConfidential
			{"admin", []mesa.Confidentiality{mesa.Public, mesa.Restricted}}, // readAll
			{"mesas1", []mesa.Confidentiality{mesa.Public, mesa.Restricted}},
			{"consulta", []mesa.Confidentiality{mesa.Public}},
			{"log1", nil}, {"jefe.log", nil}, {"archivo1", nil},
		} {
			by := c.as(who.name)
			view := c.db.View(by)
			for _, f := range []mesa.DocumentFilter{{}, {Text: "zafiro"}, {AreaID: c.area("OAJ")}, {AreaID: c.area("MP"), AreaMode: mesa.AreaEver}} {
				page, err := view.Documents(c.ctx, f, mesa.LatestFirst, db.Page{WithTotal: true})
				c.ok(err)
				if page.Total != len(who.sees) || len(page.Items) != len(who.sees) {
					c.Errorf("%s finds %d and counts %d by %+v, want %d", who.name, len(page.Items), page.Total, f, len(who.sees))
				}
			}
			counts, err := view.TrayCounts(c.ctx, c.area("OAJ"))
			c.ok(err)
			list, err := view.Tray(c.ctx, c.area("OAJ"), mesa.TrayToReceive, db.Page{WithTotal: true})
			c.ok(err)
			i := slices.IndexFunc(counts, func(n *mesa.TrayCount) bool { return n.Box == mesa.TrayToReceive })
			if n := len(who.sees); counts[i].Count != n || list.Total != n || len(list.Items) != n {
				c.Errorf("%s counts %d, %d and lists %d to receive, want %d", who.name, counts[i].Count, list.Total, len(list.Items), n)
			}
			for k, grade := range all {
				want := slices.Contains(who.sees, grade)
				doc, leg := docs[grade], legs[grade]
				for _, name := range []db.DocumentBy{{ID: doc.ID}, {FileNumber: string(doc.FileNumber)}, {TrackingCode: doc.TrackingCode.String()}} {
					if _, err := view.Document(c.ctx, name); (err == nil) != want || err != nil && mesa.CodeOf(err) != mesa.NotFound {
						c.Errorf("%s asks for the %s one by %+v: %v", who.name, grade, name, err)
					}
				}
				byID, err := view.DocumentsByID(c.ctx, []mesa.DocumentID{doc.ID})
				c.ok(err)
				legsByID, err := view.DerivationsByID(c.ctx, []mesa.DerivationID{leg.ID})
				c.ok(err)
				eventsByID, err := view.EventsByID(c.ctx, []mesa.EventID{events[k].ID})
				c.ok(err)
				if (len(byID) == 1) != want || (len(legsByID) == 1) != want || (len(eventsByID) == 1) != want {
					c.Errorf("%s gets %d documents, %d legs, %d events of the %s one", who.name, len(byID), len(legsByID), len(eventsByID), grade)
				}
				// A verb on what one does not see answers NOT_FOUND, like one on what does not exist.
				_, err = c.desk.Receive(c.ctx, by, desk.DerivationInput{DerivationID: leg.ID, ExpectedVersion: ptr(99)})
				if code := mesa.CodeOf(err); want != (code == mesa.ConflictVersion) || !want && code != mesa.NotFound {
					c.Errorf("%s receives the %s one: %v", who.name, grade, err)
				}
			}
		}
	})
}

func TestTakingPartMakesVisible(t *testing.T) {
	onEach(t, func(c *counter) {
		in := c.letter()
		in.Confidentiality = mesa.Confidential
		doc, err := c.desk.Register(c.ctx, c.as("mesa1"), in)
		c.ok(err)
		sees := func(local string) bool {
			_, err := c.db.View(c.as(local)).Document(c.ctx, db.DocumentBy{ID: doc.ID})
			return err == nil
		}
		if sees("log1") || sees("oaj1") {
			c.Fatal("a confidential document is visible to strangers")
		}
		_, legs, err := c.desk.Derive(c.ctx, c.as("mesa1"), desk.DeriveDocumentInput{
			DocumentID: doc.ID, Targets: slices.Concat(to(c.area("LOG")), copies(c.area("OAJ"))),
		})
		c.ok(err)
		if !sees("log1") || !sees("oaj1") {
			c.Error("whoever got it, or a copy, should see it")
		}
		_, _, err = c.desk.Recall(c.ctx, c.as("mesa1"), desk.DerivationReasonInput{DerivationID: legs[0].ID, Reason: because})
		c.ok(err)
		if !sees("log1") {
			c.Error("what an area took part in stays visible")
		}
		c.consistent()
	})
}

// Who is taken off a document sees it through their areas alone, by every way in.
func TestAFormerAssigneeSeesNoMoreThanOthers(t *testing.T) {
	onEach(t, func(c *counter) {
		in := c.letter()
		in.Confidentiality = mesa.Confidential
		doc, err := c.desk.Register(c.ctx, c.as("mesa1"), in)
		c.ok(err)
		legs := c.derive("mesa1", doc.ID, c.area("OAJ"), c.area("LOG"))
		assign := func(by string, leg int, to mesa.UserID) {
			c.Helper()
			_, err := c.desk.Assign(c.ctx, c.as(by), desk.AssignDerivationInput{DerivationID: legs[leg].ID, UserID: to})
			c.ok(err)
		}
		assign("jefe.oaj", 0, c.user("oaj1"))
		c.change("UPDATE memberships SET area_id = ? WHERE user_id = ?", c.area("LOG"), c.user("oaj1"))
		assign("jefe.log", 1, c.user("oaj1"))
		c.change("UPDATE memberships SET area_id = ? WHERE user_id = ?", c.area("TES"), c.user("oaj1"))
		sees := func(want int) {
			c.Helper()
			view := c.db.View(c.as("oaj1"))
			page, err := view.Documents(c.ctx, mesa.DocumentFilter{}, mesa.LatestFirst, db.Page{WithTotal: true})
			c.ok(err)
			found, err := view.DocumentsByID(c.ctx, []mesa.DocumentID{doc.ID})
			c.ok(err)
			parts, err := view.DerivationsByID(c.ctx, []mesa.DerivationID{legs[0].ID})
			c.ok(err)
			if page.Total != want || len(page.Items) != want || len(found) != want || len(parts) != want {
				c.Errorf("counts %d, lists %d, finds %d and %d legs, want %d", page.Total, len(page.Items), len(found), len(parts), want)
			}
			c.consistent()
		}
		sees(1)
		assign("jefe.oaj", 0, "")
		sees(1) // the other leg is theirs still
		assign("jefe.log", 1, c.user("log1"))
		sees(0)
	})
}

// An archivist shelves what never passed their area, and sees it from then on; confidential ones stay out of reach.
func TestArchivistsReachWhatTheyShelve(t *testing.T) {
	onEach(t, func(c *counter) {
		doc, by := c.attended(), c.as("archivo1")
		if _, err := c.db.View(by).Document(c.ctx, db.DocumentBy{ID: doc.ID}); mesa.CodeOf(err) != mesa.NotFound {
			c.Fatalf("before: %v", err)
		}
		_, record, err := c.desk.Archive(c.ctx, by, desk.ArchiveDocumentInput{DocumentID: doc.ID, Classification: mesa.ArchiveLegal, PolicyCode: "Y5"})
		c.ok(err)
		if record.LocationCode != "EST-LG-2026-0001" {
			c.Errorf("shelved at %s", record.LocationCode)
		}
		if _, err := c.db.View(by).Document(c.ctx, db.DocumentBy{ID: doc.ID}); err != nil {
			c.Errorf("afterwards: %v", err)
		}
		_, err = c.desk.Restore(c.ctx, by, desk.RestoreDocumentInput{DocumentID: doc.ID, AreaID: c.area("LOG"), Reason: because})
		c.ok(err)
		legs, err := c.db.View(by).LegsByDocument(c.ctx, []mesa.DocumentID{doc.ID})
		c.ok(err)
		c.change("UPDATE memberships SET area_id = ? WHERE user_id = ?", c.area("LOG"), by.UserID)
		for _, to := range []mesa.UserID{by.UserID, ""} {
			_, err = c.desk.Assign(c.ctx, c.as("jefe.log"), desk.AssignDerivationInput{DerivationID: legs[doc.ID][1].ID, UserID: to})
			c.ok(err)
		}
		c.change("UPDATE memberships SET area_id = ? WHERE user_id = ?", c.area("TES"), by.UserID)
		if _, err := c.db.View(c.as("archivo1")).Document(c.ctx, db.DocumentBy{ID: doc.ID}); err != nil {
			c.Errorf("after being assigned to it for a while: %v", err)
		}
		secret := c.attended()
		c.change("UPDATE documents SET confidentiality = 'CONFIDENTIAL' WHERE id = ?", secret.ID)
		_, _, err = c.desk.Archive(c.ctx, by, desk.ArchiveDocumentInput{DocumentID: secret.ID, Classification: mesa.ArchiveLegal, PolicyCode: "Y5"})
		c.fails(err, mesa.NotFound)
		c.consistent()
	})
}
