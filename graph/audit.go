package graph

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph/model"
	"github.com/mesapartes/mesa/mesa"
)

func (r *Resolver) auditEntries(ctx context.Context, f mesa.AuditFilter, p db.Page) (*model.AuditEntryConnection, error) {
	if err := r.require(ctx, mesa.MayReadAudit); err != nil {
		return nil, err
	}
	s, err := r.DB.AuditEntries(ctx, f, p)
	if err != nil {
		return nil, err
	}
	return &model.AuditEntryConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.Event) *model.AuditEntryEdge { return &model.AuditEntryEdge{Cursor: c, Node: n} })}, nil
}

func (r *Resolver) auditCheckpoints(ctx context.Context, p db.Page) (*model.AuditCheckpointConnection, error) {
	if err := r.require(ctx, mesa.MayReadAudit); err != nil {
		return nil, err
	}
	s, err := r.DB.AuditCheckpoints(ctx, p)
	if err != nil {
		return nil, err
	}
	return &model.AuditCheckpointConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.AuditCheckpoint) *model.AuditCheckpointEdge {
			return &model.AuditCheckpointEdge{Cursor: c, Node: n}
		})}, nil
}

func (r *Resolver) verifyAudit(ctx context.Context, from, to *int) (*mesa.AuditVerification, error) {
	if err := r.require(ctx, mesa.MayReadAudit); err != nil {
		return nil, err
	}
	for field, n := range map[string]*int{"from": from, "to": to} {
		if n != nil && *n < 1 {
			return nil, mesa.Invalid(field, "Las entradas se numeran desde 1.")
		}
	}
	return r.DB.VerifyAudit(ctx, int64(deref(from)), int64(deref(to)))
}

// entryShown says whether the viewer may know what an entry says: who reads the audit trail need not be allowed to see confidential documents.
func entryShown(ctx context.Context, e *mesa.Event) (bool, error) {
	if e.DocumentID == "" {
		return true, nil
	}
	document, err := maybe(ctx, loadersOf(ctx).Document, e.DocumentID)
	return document != nil, err
}

// ofEntry is a text of an entry, nil when it is empty or the viewer may not know it.
func ofEntry(ctx context.Context, e *mesa.Event, text string) (*string, error) {
	shown, err := entryShown(ctx, e)
	if err != nil || !shown {
		return nil, err
	}
	return given(text), nil
}

// entryChanges lists what changed, by the names of the fields, nil when the viewer may not know it.
func entryChanges(ctx context.Context, e *mesa.Event) ([]*model.AuditChange, error) {
	shown, err := entryShown(ctx, e)
	if err != nil || !shown {
		return nil, err
	}
	list := make([]*model.AuditChange, 0, len(e.Changes))
	for _, field := range slices.Sorted(maps.Keys(e.Changes)) {
		c := e.Changes[field]
		list = append(list, &model.AuditChange{Field: field, Before: jsonOf(c.Before), After: jsonOf(c.After)})
	}
	return list, nil
}

// jsonOf is a value as JSON, nil for none.
func jsonOf(v any) *string {
	if v == nil {
		return nil
	}
	b, _ := json.Marshal(v) // it was read from JSON
	return given(string(b))
}
