package desk_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/exchange"
	"github.com/mesapartes/mesa/internal/outbound"
	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/mesa"
)

// exchanging lets a desk keep keys of other institutions; ring "" is none.
func (c *counter) exchanging(d *desk.Desk, ring string) *desk.Desk {
	c.Helper()
	var keys *secret.Keyring
	if ring != "" {
		var err error
		keys, err = secret.Parse(ring)
		c.ok(err)
	}
	calls := outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	return d.Exchanging(exchange.New(func() (*secret.Keyring, error) { return keys, nil }, calls))
}

func neighbour() desk.CreateIntegrationInput {
	return desk.CreateIntegrationInput{
		Code: "VECINA", Name: "Municipalidad vecina", Kind: mesa.KindMesa, BaseURL: "http://127.0.0.1:9/", APIKey: ptr("mesa_their_key"), CanSend: true, Active: true,
		TimeoutSeconds: 30, MaxAttempts: 8,
	}
}

func TestTheKeyOfAnotherInstitutionIsSealed(t *testing.T) {
	onEach(t, func(c *counter) {
		ring := secret.Generate()
		c.exchanging(c.desk, ring)
		i, err := c.desk.CreateIntegration(c.ctx, c.as("admin"), neighbour())
		c.ok(err)
		all, err := c.db.AllIntegrations(c.ctx, true)
		c.ok(err)
		if len(all) != 1 || all[0].BaseURL != "http://127.0.0.1:9" || !all[0].HasCredentials() || strings.Contains(string(all[0].SealedCredentials), "their_key") {
			c.Errorf("stored %+v", all[0])
		}
		other := *all[0]
		other.ID = "int_another"
		for name, open := range map[string]struct {
			ring string
			row  *mesa.Integration
			ok   bool
		}{
			"its ring": {ring, all[0], true}, "a newer ring": {secret.Generate() + "," + ring, all[0], true}, "another ring": {secret.Generate(), all[0], false},
			"moved to another": {ring, &other, false},
		} {
			keys, err := secret.Parse(open.ring)
			c.ok(err)
			peers := exchange.New(func() (*secret.Keyring, error) { return keys, nil }, outbound.New(outbound.Options{}))
			if err := peers.Check(open.row); (err == nil) != open.ok {
				c.Errorf("%s: %v", name, err)
			}
		}
		_, err = c.desk.UpdateIntegration(c.ctx, c.as("admin"), desk.UpdateIntegrationInput{IntegrationID: i.ID, APIKey: ptr("mesa_new_key"), Name: ptr("Otra")})
		c.ok(err)
		for _, e := range append(c.events(mesa.IntegrationCreated), c.events(mesa.IntegrationUpdated)...) {
			if strings.Contains(string(e.Text), "key") || e.ObjectID != string(i.ID) {
				c.Errorf("told %+v", e)
			}
			if e.Type == mesa.IntegrationUpdated && (len(e.Changes) != 2 || e.Changes["apiKey"].After != true) {
				c.Errorf("changes %+v", e.Changes)
			}
		}
	})
}

func TestWithoutKeysNoKeyIsKept(t *testing.T) {
	onEach(t, func(c *counter) {
		_, err := c.desk.CreateIntegration(c.ctx, c.as("admin"), neighbour())
		c.fails(err, mesa.FeatureDisabled)
		c.exchanging(c.desk, "")
		_, err = c.desk.CreateIntegration(c.ctx, c.as("admin"), neighbour())
		if e := c.fails(err, mesa.FeatureDisabled); !strings.Contains(e.In("en"), "MESA_KEYS") {
			c.Errorf("told %s", e.In("en"))
		}
		keyless := neighbour()
		keyless.APIKey = nil
		i, err := c.desk.CreateIntegration(c.ctx, c.as("admin"), keyless)
		c.ok(err)
		_, err = c.desk.Send(c.ctx, c.as("mesa1"), desk.SendDocumentInput{DocumentID: c.register("mesa1").ID, IntegrationID: i.ID})
		c.fails(err, mesa.ValidationFailed)
	})
}

// Whoever sends at once, a document is on its way to an institution once; and whatever happens to its message, one job at most sends it.
func TestADocumentIsOnItsWayOnce(t *testing.T) {
	onEach(t, func(c *counter) {
		ring := secret.Generate()
		c.exchanging(c.desk, ring)
		i, err := c.desk.CreateIntegration(c.ctx, c.as("admin"), neighbour())
		c.ok(err)
		other := c.exchanging(desk.New(c.handle(), nil), ring)
		one, two := c.as("mesa1"), c.as("mesa2")
		for range 5 {
			in := desk.SendDocumentInput{DocumentID: c.register("mesa1").ID, IntegrationID: i.ID, ExpectedVersion: ptr(1)}
			var first, second *mesa.ExchangeMessage
			for _, err := range atOnce(
				func() (err error) { first, err = c.desk.Send(c.ctx, one, in); return err },
				func() (err error) { second, err = other.Send(c.ctx, two, in); return err },
			) {
				c.ok(err)
			}
			if first.ID != second.ID {
				c.Errorf("two messages: %s and %s", first.ID, second.ID)
			}
			c.oneWins(atOnce(
				func() error {
					_, err := c.desk.CancelMessage(c.ctx, one, desk.MessageInput{MessageID: first.ID})
					return err
				},
				func() error {
					_, err := other.CancelMessage(c.ctx, two, desk.MessageInput{MessageID: first.ID})
					return err
				},
			), mesa.InvalidTransition)
			list, err := c.desk.Messages(c.ctx, one, in.DocumentID)
			c.ok(err)
			if len(list) != 1 || list[0].State != mesa.MessageCancelled {
				c.Errorf("messages %+v", list)
			}
		}
		waiting, err := c.db.Jobs(c.ctx, mesa.JobFilter{States: []mesa.JobState{mesa.JobQueued}}, db.Page{})
		c.ok(err)
		if len(waiting.Items) != 0 {
			c.Errorf("%d jobs wait", len(waiting.Items))
		}
		in := desk.SendDocumentInput{DocumentID: c.register("mesa1").ID, IntegrationID: i.ID, ExpectedVersion: ptr(7)}
		_, err = c.desk.Send(c.ctx, one, in)
		c.fails(err, mesa.ConflictVersion)
		in.ExpectedVersion = nil
		_, err = c.desk.Send(c.ctx, c.as("log1"), in)
		c.fails(err, mesa.Forbidden)
		in.IntegrationID = "int_none"
		_, err = c.desk.Send(c.ctx, one, in)
		if e := c.fails(err, mesa.NotFound); e.Field != "integrationId" {
			c.Errorf("missing is %s", e.Field)
		}
		in.IntegrationID, in.IdempotencyKey = i.ID, ptr("s1")
		first, err := c.desk.Send(c.ctx, one, in)
		c.ok(err)
		again, err := c.desk.Send(c.ctx, one, in)
		c.ok(err)
		if again.ID != first.ID {
			c.Error("a repeat is another message")
		}
		c.consistent()
	})
}
