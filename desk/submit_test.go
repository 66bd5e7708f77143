package desk_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// key creates an API key and returns it with its holder and secret.
func (c *counter) key(scopes []mesa.KeyScope, desks ...string) (*mesa.APIKey, *mesa.Actor, string) {
	c.Helper()
	in := desk.CreateAPIKeyInput{Name: "ERP", Scopes: scopes}
	for _, code := range desks {
		in.AreaIDs = append(in.AreaIDs, c.area(code))
	}
	key, secret, err := c.desk.CreateAPIKey(c.ctx, c.as("admin"), in)
	c.ok(err)
	return key, c.holder(secret), secret
}

func (c *counter) holder(secret string) *mesa.Actor {
	c.Helper()
	by, err := c.db.Actor(c.ctx, secret)
	c.ok(err)
	return by
}

var submits = []mesa.KeyScope{mesa.ScopeSubmit}

// parcel is a document as a machine hands it in.
func (c *counter) parcel(externalID string) desk.SubmitDocumentInput {
	return desk.SubmitDocumentInput{ExternalID: externalID, TypeCode: "SOL", Subject: "Solicita información", Folios: 2, Sender: c.letter().Sender}
}

func (c *counter) submit(by *mesa.Actor, in desk.SubmitDocumentInput) *mesa.Document {
	c.Helper()
	doc, duplicate, err := c.desk.Submit(c.ctx, by, in)
	c.ok(err)
	if duplicate {
		c.Errorf("%s was handed in before", in.ExternalID)
	}
	return doc
}

func TestASubmissionIsStoredAndRegistered(t *testing.T) {
	onEach(t, func(c *counter) {
		key, machine, _ := c.key(submits, "MP", "MPS")
		in := c.parcel("  OF-7\n ")
		in.TypeCode, in.Priority, in.ExternalNumber = " sol ", mesa.HighPriority, ptr(" OFICIO 7 ")
		doc := c.submit(machine, in)
		if doc.State != mesa.Submitted || doc.Channel != mesa.API || doc.FileNumber != "" || doc.Seq != 0 || doc.ExternalID != "OF-7" || doc.IntegrationID != string(key.ID) ||
			doc.DeskAreaID != c.area("MP") || doc.ExternalNumber != "OFICIO 7" || doc.PriorityRank != 2 || doc.TrackingCode == "" {
			c.Errorf("submitted as %+v", doc)
		}
		if e := c.events(mesa.DocumentSubmitted); len(e) != 1 || e[0].DocumentID != doc.ID || e[0].ActorKind != mesa.ActorAPIKey || e[0].ActorID != string(key.ID) || e[0].ActorName != "ERP" {
			c.Errorf("events %+v", e)
		}
		waits := func() int {
			list, err := c.db.View(c.as("mesa1")).Tray(c.ctx, c.area("MP"), mesa.TrayToRegister, db.Page{WithTotal: true})
			c.ok(err)
			if len(list.Items) != list.Total {
				c.Errorf("%d to register, counted %d", len(list.Items), list.Total)
			}
			return list.Total
		}
		if waits() != 1 {
			c.Error("it does not wait for the desk")
		}
		c.consistent()
		c.register("mesa1") // takes the first number
		again := desk.RegisterSubmissionInput{DocumentID: doc.ID, ExpectedVersion: ptr(1), Tags: []string{"erp"}, IdempotencyKey: ptr("k")}
		for range 2 { // the repeat changes nothing
			registered, err := c.desk.RegisterSubmission(c.ctx, c.as("mesa1"), again)
			c.ok(err)
			if registered.State != mesa.Registered || registered.FileNumber != "EXP-2026-000002" || registered.RegisteredByID != c.user("mesa1") || registered.DueOn.IsZero() ||
				registered.Version != 2 || registered.Channel != mesa.API || registered.ExternalID != "OF-7" {
				c.Errorf("registered as %+v", registered)
			}
		}
		if n := len(c.events(mesa.DocumentRegistered)); n != 2 || waits() != 0 {
			c.Errorf("%d registrations told, %d still wait", n, waits())
		}
		watched, err := c.db.View(c.as("mesa1")).Tray(c.ctx, c.area("MP"), mesa.TrayWatched, db.Page{})
		c.ok(err)
		if len(watched.Items) != 2 {
			c.Errorf("the registrar follows %d documents", len(watched.Items))
		}
		c.derive("mesa1", doc.ID, c.area("LOG"))
		c.consistent()
	})
}

func TestASubmissionIsDeclinedVoidedOrRegisteredOnce(t *testing.T) {
	onEach(t, func(c *counter) {
		_, machine, _ := c.key(submits, "MP")
		decline := desk.DeclineSubmissionInput{Reason: mesa.WrongRecipient, Text: " No es de esta\r\nentidad "}
		declined := c.submit(machine, c.parcel("1"))
		decline.DocumentID = declined.ID
		_, err := c.desk.Decline(c.ctx, c.as("log1"), decline)
		c.fails(err, mesa.NotFound)
		_, err = c.desk.Decline(c.ctx, c.as("mesas1"), decline)
		c.fails(err, mesa.Forbidden)
		doc, err := c.desk.Decline(c.ctx, c.as("mesa1"), decline)
		c.ok(err)
		if doc.State != mesa.NotFiled || doc.NotFiledReason != mesa.WrongRecipient || doc.NotFiledText != "No es de esta\nentidad" || doc.FileNumber != "" {
			c.Errorf("declined as %+v", doc)
		}
		_, _, err = c.desk.Archive(c.ctx, c.as("mesa1"), desk.ArchiveDocumentInput{DocumentID: doc.ID, Classification: mesa.ArchiveGeneral, PolicyCode: "Y5"})
		c.ok(err)
		voided := c.submit(machine, c.parcel("2"))
		_, err = c.desk.Void(c.ctx, c.as("jefe.mesa"), desk.VoidDocumentInput{DocumentID: voided.ID, Reason: because})
		c.ok(err)
		_, err = c.desk.RegisterSubmission(c.ctx, c.as("mesa1"), desk.RegisterSubmissionInput{DocumentID: voided.ID})
		c.fails(err, mesa.InvalidTransition)

		other := desk.New(c.handle(), nil)
		one, two := c.as("mesa1"), c.as("mesa2")
		for i := range 10 {
			decline.DocumentID = c.submit(machine, c.parcel("race-"+string(rune('a'+i)))).ID
			c.oneWins(atOnce(
				func() error {
					_, err := c.desk.RegisterSubmission(c.ctx, one, desk.RegisterSubmissionInput{DocumentID: decline.DocumentID})
					return err
				},
				func() error { _, err := other.Decline(c.ctx, two, decline); return err },
			), mesa.InvalidTransition)
		}
		c.consistent()
	})
}

// The machine's own id of a document makes a repeat harmless, for each key by itself.
func TestARepeatIsToldAsOne(t *testing.T) {
	onEach(t, func(c *counter) {
		_, machine, _ := c.key(submits, "MP")
		first := c.submit(machine, c.parcel("A-1"))
		_, err := c.desk.RegisterSubmission(c.ctx, c.as("mesa1"), desk.RegisterSubmissionInput{DocumentID: first.ID})
		c.ok(err)
		c.clock.advance(100 * 24 * time.Hour) // for ever
		c.change("UPDATE document_types SET is_active = ?", false)
		c.change("UPDATE catalogue_version SET version = version + 1")
		c.cat, err = c.db.Catalogue(c.ctx, 0)
		c.ok(err)
		machine.Catalogue = c.cat
		doc, duplicate, err := c.desk.Submit(c.ctx, machine, c.parcel("A-1"))
		c.ok(err)
		if !duplicate || doc.ID != first.ID || doc.State != mesa.Registered {
			c.Errorf("the repeat: %v, %s %s", duplicate, doc.ID, doc.State)
		}
		_, _, err = c.desk.Submit(c.ctx, machine, c.parcel("A-2"))
		if e := c.fails(err, mesa.ValidationFailed); e.Field != "typeCode" {
			c.Errorf("field %q", e.Field)
		}
		c.change("UPDATE document_types SET is_active = ?", true)
		c.change("UPDATE catalogue_version SET version = version + 1")
		machine.Catalogue, err = c.db.Catalogue(c.ctx, 0)
		c.ok(err)
		c.submit(machine, c.parcel("A-2")) // what was refused has not used the id up
		another := c.parcel("A-1")
		another.Folios++
		_, _, err = c.desk.Submit(c.ctx, machine, another)
		if e := c.fails(err, mesa.IdempotencyMismatch); e.Field != "externalId" {
			c.Errorf("field %q", e.Field)
		}
		_, neighbour, _ := c.key(submits, "MP")
		if doc := c.submit(neighbour, c.parcel("A-1")); doc.ID == first.ID {
			c.Error("another key was given the same document")
		}
		for _, id := range []string{"", " \n", strings.Repeat("x", 101), strings.Repeat("x", 100_000)} {
			in := c.parcel(id)
			in.Subject = "x"
			_, _, err := c.desk.Submit(c.ctx, machine, in)
			if e := c.fails(err, mesa.ValidationFailed); e.Field != "externalId" || len(e.Violations) != 2 {
				c.Errorf("an id of %d bytes: %v", len(id), e.Violations)
			}
		}
		c.consistent()
	})
}

// A machine that is not sure sends again, at once and by every process: there is one document, and all are told of it.
func TestTwentyAtOnceAreOneDocument(t *testing.T) {
	onEach(t, func(c *counter) {
		_, machine, _ := c.key(submits, "MP")
		other := desk.New(c.handle(), nil)
		const n = 20
		ids, duplicates, verbs := make([]mesa.DocumentID, n), make([]bool, n), make([]func() error, n)
		for i := range n {
			verbs[i] = func() error {
				d := []*desk.Desk{c.desk, other}[i%2]
				doc, duplicate, err := d.Submit(c.ctx, machine, c.parcel("once"))
				if err == nil {
					ids[i], duplicates[i] = doc.ID, duplicate
				}
				return err
			}
		}
		for _, err := range atOnce(verbs...) {
			c.ok(err)
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 1 || len(c.all()) != 1 {
			c.Errorf("told of %v, there are %d documents", ids, len(c.all()))
		}
		firsts := len(slices.DeleteFunc(duplicates, func(d bool) bool { return d }))
		if firsts != 1 || len(c.events(mesa.DocumentSubmitted)) != 1 {
			c.Errorf("%d were the first, %d events", firsts, len(c.events(mesa.DocumentSubmitted)))
		}
		c.consistent()
	})
}

func TestWhatAKeySees(t *testing.T) {
	onEach(t, func(c *counter) {
		_, reader, _ := c.key(mesa.KeyScopes, "MP")
		_, neighbour, _ := c.key(mesa.KeyScopes, "MP")
		_, branch, _ := c.key(mesa.KeyScopes, "MPS")
		_, writer, _ := c.key(submits, "MP")
		counter := c.register("mesa1")
		its, written := c.submit(reader, c.parcel("1")), c.submit(writer, c.parcel("1"))
		sees := func(by *mesa.Actor, want ...mesa.DocumentID) {
			c.Helper()
			page, err := c.db.View(by).Documents(c.ctx, mesa.DocumentFilter{}, mesa.LatestFirst, db.Page{WithTotal: true})
			c.ok(err)
			if page.Total != len(want) || len(page.Items) != len(want) {
				c.Errorf("%d listed, %d counted, want %d", len(page.Items), page.Total, len(want))
			}
			for _, doc := range []*mesa.Document{counter, its, written} {
				_, err := c.db.View(by).Document(c.ctx, db.DocumentBy{ID: doc.ID})
				if (err == nil) != slices.Contains(want, doc.ID) || err != nil && mesa.CodeOf(err) != mesa.NotFound {
					c.Errorf("%s: %v", doc.Subject, err)
				}
			}
		}
		sees(reader, its.ID)
		sees(neighbour)
		sees(branch)
		sees(writer) // it may hand in and no more
		_, err := c.desk.RegisterSubmission(c.ctx, c.as("mesa1"), desk.RegisterSubmissionInput{DocumentID: its.ID})
		c.ok(err)
		c.derive("mesa1", its.ID, c.area("LOG"))
		sees(reader, its.ID)
		in := c.parcel("2")
		for area, want := range map[string]mesa.Code{"MPS": mesa.Forbidden, "LOG": mesa.ValidationFailed} {
			in.DeskAreaID = c.area(area)
			_, _, err := c.desk.Submit(c.ctx, reader, in)
			if e := c.fails(err, want); e.Field != "deskAreaId" {
				c.Errorf("field %q", e.Field)
			}
		}
		for _, by := range []*mesa.Actor{c.as("mesa1"), c.as("admin"), mesa.System(c.cat, "test")} {
			_, _, err := c.desk.Submit(c.ctx, by, c.parcel("3"))
			c.fails(err, mesa.Forbidden)
		}
		c.consistent()
	})
}

// A machine may not do what people do, whatever way it finds past the door.
func TestAKeyMayDoNothingElse(t *testing.T) {
	onEach(t, func(c *counter) {
		_, machine, _ := c.key(mesa.KeyScopes, "MP")
		doc := c.submit(machine, c.parcel("1"))
		view := c.db.View(machine)
		if _, err := view.Statistics(c.ctx, mesa.StatisticsFilter{}); mesa.CodeOf(err) != mesa.Forbidden {
			c.Errorf("statistics: %v", err)
		}
		if actions := mesa.AvailableActions(machine, doc, nil); len(actions) > 0 {
			c.Errorf("it could %v", actions)
		}
		for name, verb := range map[string]func() error{
			"register": func() error { _, err := c.desk.Register(c.ctx, machine, c.letter()); return err },
			"accept": func() error {
				_, err := c.desk.RegisterSubmission(c.ctx, machine, desk.RegisterSubmissionInput{DocumentID: doc.ID})
				return err
			},
			"decline": func() error {
				_, err := c.desk.Decline(c.ctx, machine, desk.DeclineSubmissionInput{DocumentID: doc.ID, Reason: mesa.Spam, Text: because})
				return err
			},
			"update": func() error {
				_, err := c.desk.Update(c.ctx, machine, desk.UpdateDocumentInput{DocumentID: doc.ID, Notes: ptr("x"), Given: []string{"notes"}})
				return err
			},
			"void": func() error {
				_, err := c.desk.Void(c.ctx, machine, desk.VoidDocumentInput{DocumentID: doc.ID, Reason: because})
				return err
			},
			"derive": func() error {
				_, _, err := c.desk.Derive(c.ctx, machine, desk.DeriveDocumentInput{DocumentID: doc.ID, Targets: to(c.area("LOG"))})
				return err
			},
			"watch": func() error {
				_, err := c.desk.Watch(c.ctx, machine, desk.WatchDocumentInput{DocumentID: doc.ID}, true)
				return err
			},
			"create key": func() error { _, _, err := c.desk.CreateAPIKey(c.ctx, machine, desk.CreateAPIKeyInput{}); return err },
			"list keys":  func() error { _, err := c.desk.APIKeys(c.ctx, machine, db.Page{}); return err },
			"revoke key": func() error {
				_, err := c.desk.RevokeAPIKey(c.ctx, machine, desk.RevokeAPIKeyInput{APIKeyID: machine.Key.ID})
				return err
			},
		} {
			if err := verb(); mesa.CodeOf(err) != mesa.Forbidden {
				c.Errorf("%s: %v", name, err)
			}
		}
		if denied := c.events(mesa.AccessDenied); len(denied) != 10 || denied[0].ActorKind != mesa.ActorAPIKey || denied[0].ActorID != machine.ID() {
			c.Errorf("%d denials recorded", len(denied))
		}
		if got := c.find(doc.ID); got.Version != 1 {
			c.Errorf("something was done: %+v", got)
		}
	})
}

func TestKeysAreCreatedRotatedAndRevoked(t *testing.T) {
	onEach(t, func(c *counter) {
		admin := c.as("admin")
		in := desk.CreateAPIKeyInput{
			Name: " ERP\n", Scopes: []mesa.KeyScope{mesa.ScopeSubmit, mesa.ScopeStatus, mesa.ScopeSubmit}, AreaIDs: []mesa.AreaID{c.area("MPS"), c.area("MP"), c.area("MPS")},
			ExpiresAt: ptr(wednesday.Add(100 * time.Hour)), IdempotencyKey: ptr("k"),
		}
		key, secret, err := c.desk.CreateAPIKey(c.ctx, admin, in)
		c.ok(err)
		if key.Name != "ERP" || !slices.Equal(key.Scopes, mesa.KeyScopes) || !slices.Equal(key.AreaIDs, []mesa.AreaID{c.area("MPS"), c.area("MP")}) || key.CreatedByID != admin.UserID {
			c.Errorf("created %+v", key)
		}
		again, shown, err := c.desk.CreateAPIKey(c.ctx, admin, in)
		c.ok(err)
		if again.ID != key.ID || shown != "" {
			c.Errorf("a repeat created %s and shows %q", again.ID, shown)
		}
		in.Name = "Otro"
		_, _, err = c.desk.CreateAPIKey(c.ctx, admin, in)
		c.fails(err, mesa.IdempotencyMismatch)

		var stored []string
		c.ok(c.db.InTx(c.ctx, func(tx *db.Tx) error {
			return tx.NewRaw("SELECT name || prefix || scopes || area_ids FROM api_keys").Scan(c.ctx, &stored)
		}))
		if len(stored) != 1 || strings.Contains(stored[0], secret[13:]) {
			c.Errorf("stored as %q", stored)
		}
		if by := c.holder(secret); by.Name != "ERP" || by.ID() != string(key.ID) || !by.HasScope(mesa.ScopeStatus) {
			c.Errorf("the holder is %+v", by)
		}
		refused := func(secret string) {
			c.Helper()
			_, err := c.db.Actor(c.ctx, secret)
			c.fails(err, mesa.Unauthenticated)
		}
		refused(mesa.NewKeySecret())
		refused(strings.ToUpper(secret))

		rotate := func(hours int) string {
			c.Helper()
			_, next, err := c.desk.RotateAPIKey(c.ctx, admin, desk.RotateAPIKeyInput{APIKeyID: key.ID, OverlapHours: hours})
			c.ok(err)
			return next
		}
		second := rotate(24)
		c.holder(secret)
		if c.holder(second).ID() != string(key.ID) {
			c.Error("another key after rotation")
		}
		third := rotate(1)
		refused(secret) // of three secrets the oldest ends
		c.holder(second)
		c.clock.advance(time.Hour)
		refused(second)
		c.holder(third)
		fourth := rotate(0)
		refused(third)
		c.holder(fourth)
		c.clock.advance(100 * time.Hour)
		refused(fourth) // expired
		_, _, err = c.desk.RotateAPIKey(c.ctx, admin, desk.RotateAPIKeyInput{APIKeyID: key.ID})
		c.fails(err, mesa.InvalidTransition)

		other, _, live := c.key(submits, "MP")
		for range 2 {
			revoked, err := c.desk.RevokeAPIKey(c.ctx, admin, desk.RevokeAPIKeyInput{APIKeyID: other.ID})
			c.ok(err)
			if revoked.RevokedAt.IsZero() {
				c.Error("not revoked")
			}
		}
		refused(live)
		_, err = c.desk.RevokeAPIKey(c.ctx, admin, desk.RevokeAPIKeyInput{APIKeyID: "key_none"})
		if e := c.fails(err, mesa.NotFound); e.Field != "apiKeyId" {
			c.Errorf("field %q", e.Field)
		}
		var told []mesa.EventType
		for _, e := range c.events(mesa.APIKeyCreated, mesa.APIKeyRotated, mesa.APIKeyRevoked) {
			told = append(told, e.Type)
			if e.Text != "ERP" || e.ActorID != string(admin.UserID) || e.DocumentID != "" {
				c.Errorf("told %+v", e)
			}
		}
		if want := []mesa.EventType{mesa.APIKeyCreated, mesa.APIKeyRotated, mesa.APIKeyRotated, mesa.APIKeyRotated, mesa.APIKeyCreated, mesa.APIKeyRevoked}; !slices.Equal(told, want) {
			c.Errorf("told %v", told)
		}
		for _, who := range []string{"jefe.mesa", "mesa1", "auditor", "consulta"} {
			_, _, err := c.desk.CreateAPIKey(c.ctx, c.as(who), in)
			c.fails(err, mesa.Forbidden)
			_, err = c.desk.APIKeys(c.ctx, c.as(who), db.Page{})
			c.fails(err, mesa.Forbidden)
		}
	})
}

// What a key handed in stays its own when its secret changes.
func TestARotatedKeyGoesOn(t *testing.T) {
	onEach(t, func(c *counter) {
		key, machine, _ := c.key(mesa.KeyScopes, "MP")
		first := c.submit(machine, c.parcel("1"))
		_, secret, err := c.desk.RotateAPIKey(c.ctx, c.as("admin"), desk.RotateAPIKeyInput{APIKeyID: key.ID})
		c.ok(err)
		doc, duplicate, err := c.desk.Submit(c.ctx, c.holder(secret), c.parcel("1"))
		c.ok(err)
		if !duplicate || doc.ID != first.ID {
			c.Errorf("%v %s", duplicate, doc.ID)
		}
	})
}

// The last use is written once a minute at most, so that nearly all requests write nothing for it.
func TestTheLastUseOfAKeyIsNoted(t *testing.T) {
	onEach(t, func(c *counter) {
		key, _, secret := c.key(submits, "MP")
		used := func() time.Time {
			list, err := c.desk.APIKeys(c.ctx, c.as("admin"), db.Page{WithTotal: true})
			c.ok(err)
			if len(list.Items) != 1 || list.Total != 1 || list.Items[0].ID != key.ID {
				c.Fatalf("listed %+v", list)
			}
			return list.Items[0].LastUsedAt
		}
		first := used()
		if first.IsZero() {
			c.Error("the first use is not noted")
		}
		ctx, counter := db.CountStatements(c.ctx)
		for range 5 {
			_, err := c.db.Actor(ctx, secret)
			c.ok(err)
		}
		if !used().Equal(first) || counter.Statements() != 5 {
			c.Errorf("noted anew at %v, %d statements", used(), counter.Statements())
		}
		c.clock.advance(time.Minute)
		c.holder(secret)
		if !used().After(first) {
			c.Error("a use a minute later is not noted")
		}
	})
}

func TestKeysAreListedInPages(t *testing.T) {
	t.Parallel()
	url := testkit.SQLiteClone(t, "institution", institution)
	c := open(t, url)
	var made []mesa.APIKeyID
	for range 5 {
		key, _, _ := c.key(submits, "MP")
		made = append(made, key.ID)
	}
	slices.Reverse(made)
	var seen []mesa.APIKeyID
	for after := ""; ; {
		page, err := c.desk.APIKeys(c.ctx, c.as("admin"), db.Page{First: ptr(2), After: after})
		c.ok(err)
		for _, k := range page.Items {
			seen = append(seen, k.ID)
		}
		if !page.HasNext {
			break
		}
		after = page.Cursor(page.Items[len(page.Items)-1])
	}
	if !slices.Equal(seen, made) {
		t.Errorf("listed %v, want %v", seen, made)
	}
}
