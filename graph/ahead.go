package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"golang.org/x/sync/errgroup"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Looking ahead: once a page is read, what the operation selects of its items is loaded at once and put into the loaders, so that no
// field waits for others to ask. An error is left to the field, whose loader will meet it again and knows the path. Loaders still
// batch whatever nobody looked ahead for; docs/decisions/0003-loaders.md has the measurements.

// preloadDocuments loads what is selected of documents that were just read. sets are the selections on a document.
func preloadDocuments(ctx context.Context, docs []*mesa.Document, sets ...ast.SelectionSet) {
	if len(docs) == 0 {
		return
	}
	l := loadersOf(ctx)
	for _, doc := range docs {
		l.Document.Prime(doc.ID, doc)
	}
	var work errgroup.Group
	for _, set := range sets {
		for _, field := range graphql.CollectFields(graphql.GetOperationContext(ctx), set, []string{"Document", "Node"}) {
			if load := l.ahead(field.Name); load != nil {
				work.Go(func() error { load(ctx, field, docs); return nil })
			}
		}
	}
	_ = work.Wait() // nothing fails
}

// ahead is how a field of documents is loaded for all of them, nil when it needs nothing.
func (l *loaders) ahead(field string) func(context.Context, graphql.CollectedField, []*mesa.Document) {
	switch field {
	case "derivations":
		return l.derivationsAhead
	case "timeline":
		return func(ctx context.Context, field graphql.CollectedField, docs []*mesa.Document) {
			pages, _ := l.view.TimelinePages(ctx, childPages(ctx, field, docs))
			prime(l.TimelinePages, pages)
		}
	case "availableActions":
		return func(ctx context.Context, _ graphql.CollectedField, docs []*mesa.Document) {
			legs, _ := l.view.LegsByDocument(ctx, idsOf(docs))
			prime(l.LegsByDocument, legs)
		}
	case "archiveRecords":
		return func(ctx context.Context, _ graphql.CollectedField, docs []*mesa.Document) {
			records, _ := l.view.ArchiveRecordsByDocument(ctx, idsOf(docs))
			prime(l.ArchiveRecordsByDocument, records)
		}
	}
	return nil
}

func (l *loaders) derivationsAhead(ctx context.Context, field graphql.CollectedField, docs []*mesa.Document) {
	pages, _ := l.view.DerivationPages(ctx, childPages(ctx, field, docs))
	for _, page := range pages {
		for _, leg := range page.Items {
			l.Derivation.Prime(leg.ID, leg) // a leg is often the previous one of another
		}
	}
	prime(l.DerivationPages, pages)
}

// preloadTray loads the documents and legs of a tray.
func preloadTray(ctx context.Context, items []*mesa.TrayItem) {
	l := loadersOf(ctx)
	var (
		documents, legs bool
		sets            []ast.SelectionSet
	)
	for _, set := range itemSelections(ctx) {
		for _, field := range graphql.CollectFields(graphql.GetOperationContext(ctx), set, nil) {
			documents = documents || field.Name == "document"
			legs = legs || field.Name == "derivation"
			if field.Name == "document" {
				sets = append(sets, field.Selections)
			}
		}
	}
	var work errgroup.Group
	if documents && len(items) > 0 {
		work.Go(func() error {
			found, _ := l.view.DocumentsByID(ctx, distinct(items, func(i *mesa.TrayItem) mesa.DocumentID { return i.DocumentID }))
			docs := make([]*mesa.Document, 0, len(found))
			for _, doc := range found {
				docs = append(docs, doc)
			}
			preloadDocuments(ctx, docs, sets...)
			return nil
		})
	}
	if ids := distinct(items, func(i *mesa.TrayItem) mesa.DerivationID { return i.DerivationID }); legs && len(ids) > 0 {
		work.Go(func() error {
			found, _ := l.view.DerivationsByID(ctx, ids)
			prime(l.Derivation, found)
			return nil
		})
	}
	_ = work.Wait() // nothing fails
}

// itemSelections are the selections on the items of the connection that is being resolved: below nodes and below edges.
func itemSelections(ctx context.Context) (sets []ast.SelectionSet) {
	op := graphql.GetOperationContext(ctx)
	for _, field := range graphql.CollectFieldsCtx(ctx, nil) {
		switch field.Name {
		case "nodes":
			sets = append(sets, field.Selections)
		case "edges":
			for _, below := range graphql.CollectFields(op, field.Selections, nil) {
				if below.Name == "node" {
					sets = append(sets, below.Selections)
				}
			}
		}
	}
	return sets
}

// ownSelections are the selections on the thing that is being resolved.
func ownSelections(ctx context.Context) ast.SelectionSet {
	return graphql.GetFieldContext(ctx).Field.Selections
}

// childPages are the pages that a field asks for, one per document, as the field's resolver will name them.
func childPages(ctx context.Context, field graphql.CollectedField, docs []*mesa.Document) []db.ChildPage[mesa.DocumentID] {
	op := graphql.GetOperationContext(ctx)
	args := field.ArgumentMap(op.Variables)
	first, errFirst := graphql.UnmarshalInt(args["first"])
	after, _ := args["after"].(string)
	page := db.ChildPage[mesa.DocumentID]{First: db.DefaultPage, After: after, WithTotal: selectsOf(op, field.Selections, "totalCount")}
	if args["first"] != nil && errFirst == nil {
		page.First = first
	}
	keys := make([]db.ChildPage[mesa.DocumentID], len(docs))
	for i, doc := range docs {
		page.Parent = doc.ID
		keys[i] = page
	}
	return keys
}

func idsOf(docs []*mesa.Document) []mesa.DocumentID {
	ids := make([]mesa.DocumentID, len(docs))
	for i, doc := range docs {
		ids[i] = doc.ID
	}
	return ids
}

// distinct lists the keys of items, each once, empty ones left out.
func distinct[T any, K ~string](items []T, key func(T) K) []K {
	keys, seen := make([]K, 0, len(items)), make(map[K]bool, len(items))
	for _, item := range items {
		if k := key(item); k != "" && !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	return keys
}
