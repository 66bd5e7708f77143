package graph

import (
	"context"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph/model"
	"github.com/mesapartes/mesa/mesa"
)

// integration finds an integration; nil when there is none.
func (r *Resolver) integration(ctx context.Context, id string) (*mesa.Integration, error) {
	if err := r.Desk.MayExchange(ctx, actorOf(ctx)); err != nil {
		return nil, err
	}
	return maybe(ctx, loadersOf(ctx).Integration, mesa.IntegrationID(id))
}

func (r *Resolver) integrations(ctx context.Context, p db.Page) (*model.IntegrationConnection, error) {
	s, err := r.Desk.Integrations(ctx, actorOf(ctx), p)
	if err != nil {
		return nil, err
	}
	return &model.IntegrationConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.Integration) *model.IntegrationEdge {
			return &model.IntegrationEdge{Cursor: c, Node: n}
		})}, nil
}

func (r *Resolver) messages(ctx context.Context, id mesa.IntegrationID, first *int, after *string) (*model.ExchangeMessageConnection, error) {
	s, err := loadersOf(ctx).MessagePages.Load(ctx, childPage(ctx, id, first, after))
	if err != nil {
		return nil, err
	}
	return &model.ExchangeMessageConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, *s), TotalCount: s.Total,
		Edges: edges(ctx, *s, func(c string, n *mesa.ExchangeMessage) *model.ExchangeMessageEdge {
			return &model.ExchangeMessageEdge{Cursor: c, Node: n}
		})}, nil
}

// seesExchange says whether the actor may look at integrations and what was sent to them. What is known of them changes without an event
// each time that somebody is called, so an answer made from it is not kept.
func seesExchange(ctx context.Context) bool {
	mesa.SawOneself(ctx)
	return viewOf(ctx).Actor().MayEverywhere(mesa.MayExchange)
}

// integrationOfKey is the integration that a key belongs to; nil when there is none or the actor may not look at integrations.
func integrationOfKey(ctx context.Context, key *mesa.APIKey) (*mesa.Integration, error) {
	if !seesExchange(ctx) {
		return nil, nil
	}
	return maybe(ctx, loadersOf(ctx).Integration, key.IntegrationID)
}

func integrationPayload(i *mesa.Integration, err error) (*model.IntegrationPayload, error) {
	if err != nil {
		return nil, err
	}
	return &model.IntegrationPayload{Integration: i}, nil
}

func (r *Resolver) probe(ctx context.Context, in desk.ProbeIntegrationInput) (*model.ProbeIntegrationPayload, error) {
	i, call, err := r.Desk.Probe(ctx, actorOf(ctx), in)
	if err != nil {
		return nil, err
	}
	return &model.ProbeIntegrationPayload{
		Ok: call.ErrorCode == "", LatencyMs: int(call.Took.Milliseconds()), Error: given(call.ErrorCode), Message: given(call.Problem), RemoteVersion: given(call.Version),
		CertificateExpiresAt: since(call.CertificateExpires), Integration: i,
	}, nil
}

// given is nil for the empty text.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func since(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func messagePayload(ctx context.Context, m *mesa.ExchangeMessage, err error) (*model.SendDocumentPayload, error) {
	if err != nil {
		return nil, err
	}
	payload := &model.SendDocumentPayload{Message: m}
	if selects(ctx, "job") {
		payload.Job, err = maybe(ctx, loadersOf(ctx).Job, m.JobID)
	}
	return payload, err
}

// service is what this server is.
func (r *Resolver) service(ctx context.Context) *model.Service {
	return &model.Service{Version: r.Version, Institution: catalogueOf(ctx).Institution.Name}
}
