package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/mesa"
)

type apiKeyCmd struct {
	Create createAPIKeyCmd `cmd:"" help:"Create a key for a machine; its secret is printed once."`
	List   listAPIKeysCmd  `cmd:"" help:"List the keys, the newest first."`
	Revoke revokeAPIKeyCmd `cmd:"" help:"End a key, from its next request on."`
}

type createAPIKeyCmd struct {
	Name    string          `required:"" help:"Name of the machine, as the audit trail calls it."`
	Scope   []mesa.KeyScope `required:"" help:"What it may do: documents:submit, exchange:status."`
	Desk    []string        `help:"Code of a desk that it hands documents in to, such as MP, the usual one first."`
	Expires time.Time       `help:"When it stops working, such as 2027-01-01T00:00:00-05:00; default: never by itself."`
}

// Run creates the key.
func (c *createAPIKeyCmd) Run(out *streams, s *settings) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error {
		in := desk.CreateAPIKeyInput{Name: c.Name, Scopes: c.Scope}
		for _, code := range c.Desk {
			in.AreaIDs = append(in.AreaIDs, areaCoded(by.Catalogue, code))
		}
		if !c.Expires.IsZero() {
			in.ExpiresAt = &c.Expires
		}
		key, secret, err := d.CreateAPIKey(out.ctx, by, in)
		if err != nil {
			return err
		}
		fmt.Fprintf(out.stdout, "created %s\nsecret: %s\n", key.ID, secret)
		return nil
	})
}

// areaCoded is the id of an area; one that is no area's when there is none, for the rules to refuse.
func areaCoded(cat *mesa.Catalogue, code string) mesa.AreaID {
	for _, a := range cat.Areas {
		if strings.EqualFold(a.Code, code) {
			return a.ID
		}
	}
	return mesa.AreaID(code)
}

type listAPIKeysCmd struct{}

// Run prints a line for each key.
func (listAPIKeysCmd) Run(out *streams, s *settings) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error {
		size, p := db.MaxPage, db.Page{}
		for p.First = &size; ; {
			page, err := d.APIKeys(out.ctx, by, p)
			if err != nil {
				return err
			}
			for _, k := range page.Items {
				printKey(out.stdout, by.Catalogue, k)
			}
			if !page.HasNext {
				return nil
			}
			p.After = page.Cursor(page.Items[len(page.Items)-1])
		}
	})
}

func printKey(w io.Writer, cat *mesa.Catalogue, k *mesa.APIKey) {
	scopes, desks := make([]string, len(k.Scopes)), []string{}
	for i, s := range k.Scopes {
		scopes[i] = string(s)
	}
	for _, a := range cat.AreasOf(k.AreaIDs) {
		desks = append(desks, a.Code)
	}
	fmt.Fprintf(w, "%s  %s…  %q  %s  %s  created %s, last used %s", k.ID, k.Prefix, k.Name, strings.Join(scopes, ","), cmp.Or(strings.Join(desks, ","), "–"),
		instant(k.CreatedAt), instant(k.LastUsedAt))
	if !k.ExpiresAt.IsZero() {
		fmt.Fprintf(w, ", expires %s", instant(k.ExpiresAt))
	}
	if !k.RevokedAt.IsZero() {
		fmt.Fprintf(w, ", revoked %s", instant(k.RevokedAt))
	}
	fmt.Fprintln(w)
}

func instant(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

type revokeAPIKeyCmd struct {
	ID mesa.APIKeyID `required:"" name:"id" help:"Id of the key, such as key_06h0s0ydaxwmq001zv7ehf5psr."`
}

// Run ends the key.
func (c *revokeAPIKeyCmd) Run(out *streams, s *settings) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error {
		key, err := d.RevokeAPIKey(out.ctx, by, desk.RevokeAPIKeyInput{APIKeyID: c.ID})
		if err == nil {
			fmt.Fprintf(out.stdout, "revoked %s (%s)\n", key.ID, key.Name)
		}
		return err
	})
}
