package desk_test

import (
	"slices"
	"testing"

	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/mesa"
)

// sender is an integration, and the holder of a key of it with these desks.
func (c *counter) sender(in desk.CreateIntegrationInput, desks ...string) (*mesa.Integration, *mesa.Actor) {
	c.Helper()
	c.exchanging(c.desk, secret.Generate())
	i, err := c.desk.CreateIntegration(c.ctx, c.as("admin"), in)
	c.ok(err)
	key := desk.CreateAPIKeyInput{Name: i.Name, Scopes: mesa.KeyScopes, IntegrationID: i.ID}
	for _, code := range desks {
		key.AreaIDs = append(key.AreaIDs, c.area(code))
	}
	made, token, err := c.desk.CreateAPIKey(c.ctx, c.as("admin"), key)
	c.ok(err)
	by := c.holder(token)
	if made.IntegrationID != i.ID || by.Key.IntegrationID != i.ID {
		c.Errorf("the key is of %q, its holder of %q", made.IntegrationID, by.Key.IntegrationID)
	}
	return i, by
}

// receiving is an institution that hands in documents.
func receiving() desk.CreateIntegrationInput {
	in := neighbour()
	in.APIKey, in.CanReceive = nil, true
	return in
}

func (c *counter) typeID(code string) mesa.DocumentTypeID {
	c.Helper()
	i := slices.IndexFunc(c.cat.Types, func(t *mesa.DocumentType) bool { return t.Code == code })
	if i < 0 {
		c.Fatalf("no type %s", code)
	}
	return c.cat.Types[i].ID
}

// However often and at once it is sent, what is registered at once is one document with one number.
func TestWhatIsRegisteredAtOnceGetsOneNumber(t *testing.T) {
	onEach(t, func(c *counter) {
		in := receiving()
		in.AutoRegister, in.DefaultAreaID = true, c.area("MP")
		_, machine := c.sender(in)
		other := desk.New(c.handle(), nil)
		const n = 10
		docs, verbs := make([]*mesa.Document, n), make([]func() error, n)
		for i := range n {
			verbs[i] = func() (err error) {
				docs[i], _, err = []*desk.Desk{c.desk, other}[i%2].Submit(c.ctx, machine, c.parcel("once"))
				return err
			}
		}
		for _, err := range atOnce(verbs...) {
			c.ok(err)
		}
		for _, doc := range docs {
			if doc.ID != docs[0].ID || doc.State != mesa.Registered || doc.FileNumber != "EXP-2026-000001" || doc.DueOn.IsZero() || doc.RegisteredByID != "" || doc.Channel != mesa.Exchange ||
				doc.DeskAreaID != c.area("MP") || len(doc.Tags) > 0 {
				c.Errorf("registered as %+v", doc)
			}
		}
		told := c.events(mesa.DocumentSubmitted, mesa.DocumentRegistered)
		if len(told) != 2 || told[0].Type != mesa.DocumentSubmitted || told[1].Type != mesa.DocumentRegistered || told[1].ActorKind != mesa.ActorAPIKey || told[1].ActorID != machine.ID() {
			c.Errorf("told %+v", told)
		}
		if doc := c.register("mesa1"); doc.FileNumber != "EXP-2026-000002" {
			c.Errorf("the next number is %s", doc.FileNumber)
		}
		_, err := c.desk.RegisterSubmission(c.ctx, c.as("mesa1"), desk.RegisterSubmissionInput{DocumentID: docs[0].ID})
		c.fails(err, mesa.InvalidTransition)
		c.derive("mesa1", docs[0].ID, c.area("LOG"))
		c.consistent()
	})
}

func TestAnUnknownTypeIsTakenForTheDefaultOne(t *testing.T) {
	onEach(t, func(c *counter) {
		in := receiving()
		in.DefaultTypeID = c.typeID("CAR")
		i, machine := c.sender(in, "MP")
		unknown := c.parcel("1")
		unknown.TypeCode = "MEMO-X"
		doc := c.submit(machine, unknown)
		if doc.TypeID != c.typeID("CAR") || !slices.Equal(doc.Tags, []string{mesa.TagUnknownType}) || doc.State != mesa.Submitted {
			c.Errorf("submitted as %+v", doc)
		}
		if doc := c.submit(machine, c.parcel("2")); doc.Channel != mesa.Exchange || doc.TypeID != c.typeID("SOL") || len(doc.Tags) > 0 {
			c.Errorf("a known type became %+v", doc)
		}
		_, err := c.desk.UpdateIntegration(c.ctx, c.as("admin"), desk.UpdateIntegrationInput{IntegrationID: i.ID, DefaultTypeID: ptr(mesa.DocumentTypeID(""))})
		c.ok(err)
		_, duplicate, err := c.desk.Submit(c.ctx, machine, unknown)
		c.ok(err)
		if !duplicate {
			c.Error("a repeat is not one")
		}
		unknown.ExternalID = "3"
		_, _, err = c.desk.Submit(c.ctx, machine, unknown)
		if e := c.fails(err, mesa.ValidationFailed); e.Field != "typeCode" {
			c.Errorf("field %q", e.Field)
		}
		_, own, _ := c.key(submits, "MP")
		_, _, err = c.desk.Submit(c.ctx, own, unknown)
		c.fails(err, mesa.ValidationFailed)
		c.consistent()
	})
}

func TestAnIntegrationThatDoesNotReceive(t *testing.T) {
	onEach(t, func(c *counter) {
		i, machine := c.sender(receiving(), "MP")
		first := c.submit(machine, c.parcel("1"))
		for name, in := range map[string]desk.UpdateIntegrationInput{
			"receives nothing": {CanReceive: ptr(false), Active: ptr(true)}, "inactive": {CanReceive: ptr(true), Active: ptr(false)},
		} {
			in.IntegrationID = i.ID
			_, err := c.desk.UpdateIntegration(c.ctx, c.as("admin"), in)
			c.ok(err)
			_, _, err = c.desk.Submit(c.ctx, machine, c.parcel("2"))
			if e := c.fails(err, mesa.Forbidden); e.In("en") != "The integration of this API key does not receive documents for now." {
				c.Errorf("%s: told %s", name, e.In("en"))
			}
			doc, duplicate, err := c.desk.Submit(c.ctx, machine, c.parcel("1"))
			c.ok(err)
			if !duplicate || doc.ID != first.ID {
				c.Errorf("%s: the repeat is %v %s", name, duplicate, doc.ID)
			}
		}
		if n := len(c.all()); n != 1 {
			c.Errorf("%d documents are stored", n)
		}
		if n := len(c.events(mesa.AccessDenied)); n != 2 {
			c.Errorf("%d denials recorded", n)
		}
		_, err := c.desk.UpdateIntegration(c.ctx, c.as("admin"), desk.UpdateIntegrationInput{IntegrationID: i.ID, Active: ptr(true), CanReceive: ptr(true)})
		c.ok(err)
		c.submit(machine, c.parcel("2")) // what was refused has not used the id up
		c.consistent()
	})
}

func TestWhereAnIntegrationHandsIn(t *testing.T) {
	onEach(t, func(c *counter) {
		in := receiving()
		in.DefaultAreaID = c.area("MPS")
		i, machine := c.sender(in)
		if doc := c.submit(machine, c.parcel("1")); doc.DeskAreaID != c.area("MPS") {
			c.Errorf("it arrives at %s", c.cat.AreaName(doc.DeskAreaID))
		}
		elsewhere := c.parcel("2")
		elsewhere.DeskAreaID = c.area("MP")
		_, _, err := c.desk.Submit(c.ctx, machine, elsewhere)
		if e := c.fails(err, mesa.Forbidden); e.Field != "deskAreaId" {
			c.Errorf("field %q", e.Field)
		}
		change := desk.UpdateIntegrationInput{IntegrationID: i.ID, DefaultAreaID: ptr(c.area("LOG"))}
		_, err = c.desk.UpdateIntegration(c.ctx, c.as("admin"), change)
		if e := c.fails(err, mesa.ValidationFailed); e.Field != "defaultAreaId" {
			c.Errorf("field %q", e.Field)
		}
		change.DefaultAreaID = ptr(mesa.AreaID(""))
		changed, err := c.desk.UpdateIntegration(c.ctx, c.as("admin"), change)
		c.ok(err)
		if e := c.events(mesa.IntegrationUpdated); changed.DefaultAreaID != "" || len(e) != 1 || len(e[0].Changes) != 1 || e[0].Changes["defaultAreaId"].Before != string(c.area("MPS")) {
			c.Errorf("changed to %+v, told %+v", changed, e)
		}
		_, _, err = c.desk.Submit(c.ctx, machine, c.parcel("3"))
		c.fails(err, mesa.Forbidden)
		key := desk.CreateAPIKeyInput{Name: "Vecina", Scopes: submits, IntegrationID: i.ID}
		_, _, err = c.desk.CreateAPIKey(c.ctx, c.as("admin"), key)
		if e := c.fails(err, mesa.ValidationFailed); e.Field != "areaIds" {
			c.Errorf("field %q", e.Field)
		}
		key.IntegrationID = "int_none"
		_, _, err = c.desk.CreateAPIKey(c.ctx, c.as("admin"), key)
		if e := c.fails(err, mesa.NotFound); e.Field != "integrationId" {
			c.Errorf("field %q", e.Field)
		}
	})
}
