package graph

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph/model"
	"github.com/mesapartes/mesa/mesa"
)

// selects says whether the operation selects a field below the present one.
func selects(ctx context.Context, name string) bool {
	return selectsOf(graphql.GetOperationContext(ctx), graphql.GetFieldContext(ctx).Field.Selections, name)
}

func selectsOf(op *graphql.OperationContext, set ast.SelectionSet, name string) bool {
	mayBe := false
	for _, s := range set {
		f, isField := s.(*ast.Field)
		if isField && f.Name == name && len(f.Directives) == 0 {
			return true
		}
		mayBe = mayBe || !isField || f.Name == name
	}
	if !mayBe {
		return false // without collecting the fields: this is asked for each object of a list
	}
	for _, f := range graphql.CollectFields(op, set, nil) {
		if f.Name == name {
			return true
		}
	}
	return false
}

// selectsBelow is the same of fields below one of some fields of the present one.
func selectsBelow(ctx context.Context, fields []string, name string) bool {
	op := graphql.GetOperationContext(ctx)
	return slices.ContainsFunc(graphql.CollectFieldsCtx(ctx, nil), func(f graphql.CollectedField) bool {
		return slices.Contains(fields, f.Name) && selectsOf(op, f.Selections, name)
	})
}

func page(ctx context.Context, first, last *int, after, before *string) db.Page {
	return db.Page{First: first, Last: last, After: deref(after), Before: deref(before), WithTotal: selects(ctx, "totalCount")}
}

func childPage[K ~string](ctx context.Context, parent K, first *int, after *string) db.ChildPage[K] {
	p := db.ChildPage[K]{Parent: parent, First: db.DefaultPage, After: deref(after), WithTotal: selects(ctx, "totalCount")}
	if first != nil {
		p.First = *first
	}
	return p
}

// upTo is how many are asked for, usual when nobody says; Invalid unless it is between one and most.
func upTo(most int, first *int, usual int) (int, error) {
	n := usual
	if first != nil {
		n = *first
	}
	if n < 1 || n > most {
		return 0, mesa.Invalid("first", "Pida entre 1 y %d.", most)
	}
	return n, nil
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// pageInfo is nil, like edges, when nobody asks: cursors are not for free.
func pageInfo[T any](ctx context.Context, s db.Slice[T]) *model.PageInfo {
	if !selects(ctx, "pageInfo") {
		return nil
	}
	info := &model.PageInfo{HasNextPage: s.HasNext, HasPreviousPage: s.HasPrevious}
	if n := len(s.Items); n > 0 {
		start, end := s.Cursor(s.Items[0]), s.Cursor(s.Items[n-1])
		info.StartCursor, info.EndCursor = &start, &end
	}
	return info
}

// edges pairs items with their cursors.
func edges[T, E any](ctx context.Context, s db.Slice[T], edge func(cursor string, node T) *E) []*E {
	if !selects(ctx, "edges") {
		return nil
	}
	list := make([]*E, len(s.Items))
	for i, item := range s.Items {
		list[i] = edge(s.Cursor(item), item)
	}
	return list
}

func documentConnection(ctx context.Context, s db.Slice[*mesa.Document]) *model.DocumentConnection {
	return &model.DocumentConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.Document) *model.DocumentEdge { return &model.DocumentEdge{Cursor: c, Node: n} })}
}

func derivationConnection(ctx context.Context, s db.Slice[*mesa.Derivation]) *model.DerivationConnection {
	return &model.DerivationConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.Derivation) *model.DerivationEdge {
			return &model.DerivationEdge{Cursor: c, Node: n}
		})}
}

func eventConnection(ctx context.Context, s db.Slice[*mesa.Event]) *model.EventConnection {
	return &model.EventConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.Event) *model.EventEdge { return &model.EventEdge{Cursor: c, Node: n} })}
}

func trayConnection(ctx context.Context, s db.Slice[*mesa.TrayItem]) *model.TrayConnection {
	return &model.TrayConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.TrayItem) *model.TrayEdge { return &model.TrayEdge{Cursor: c, Node: n} })}
}

func keyConnection(ctx context.Context, s db.Slice[*mesa.APIKey]) *model.APIKeyConnection {
	return &model.APIKeyConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.APIKey) *model.APIKeyEdge { return &model.APIKeyEdge{Cursor: c, Node: n} })}
}

func userConnection(ctx context.Context, s db.Slice[*mesa.User]) *model.UserConnection {
	return &model.UserConnection{Nodes: s.Items, PageInfo: pageInfo(ctx, s), TotalCount: s.Total,
		Edges: edges(ctx, s, func(c string, n *mesa.User) *model.UserEdge { return &model.UserEdge{Cursor: c, Node: n} })}
}
