package graph

import (
	"context"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph/model"
	"github.com/mesapartes/mesa/mesa"
)

// maxNodes is how many ids nodes(ids:) takes.
const maxNodes = 100

// node finds the thing with an id; nil when there is none or the actor may not see it.
func (r *Resolver) node(ctx context.Context, id string) (model.Node, error) {
	l, cat := loadersOf(ctx), catalogueOf(ctx)
	switch mesa.KindOf(id) {
	case mesa.DocumentNode:
		doc, err := maybe(ctx, l.Document, mesa.DocumentID(id))
		if doc != nil {
			mesa.Opened(ctx, doc)
		}
		return asNode(doc, err)
	case mesa.DerivationNode:
		return asNode(maybe(ctx, l.Derivation, mesa.DerivationID(id)))
	case mesa.ArchiveRecordNode:
		return asNode(maybe(ctx, l.ArchiveRecord, mesa.ArchiveRecordID(id)))
	case mesa.EventNode:
		return asNode(maybe(ctx, l.Event, mesa.EventID(id)))
	case mesa.IntegrationNode:
		if !seesExchange(ctx) {
			return nil, nil
		}
		return asNode(maybe(ctx, l.Integration, mesa.IntegrationID(id)))
	case mesa.MessageNode:
		if !seesExchange(ctx) {
			return nil, nil
		}
		return asNode(maybe(ctx, l.Message, mesa.MessageID(id)))
	case mesa.JobNode:
		mesa.SawOneself(ctx) // jobs change without an event, so an answer made from one is not kept
		job, err := maybe(ctx, l.Job, mesa.JobID(id))
		if job != nil && !seesJob(actorOf(ctx), job) {
			job = nil
		}
		return asNode(job, err)
	case mesa.ReportNode:
		return asNode(r.report(ctx, mesa.ReportID(id)))
	case mesa.AreaNode:
		return asNode(cat.Area(mesa.AreaID(id)), nil)
	case mesa.UserNode:
		return asNode(cat.User(mesa.UserID(id)), nil)
	case mesa.DocumentTypeNode:
		return asNode(cat.Type(mesa.DocumentTypeID(id)), nil)
	case mesa.CategoryNode:
		return asNode(cat.Category(mesa.CategoryID(id)), nil)
	}
	return nil, nil
}

// asNode keeps a nil pointer from becoming an interface that is not nil.
func asNode[T any, P interface {
	*T
	model.Node
}](v P, err error) (model.Node, error) {
	if v == nil || err != nil {
		return nil, err
	}
	return v, nil
}

// document finds a document and what is selected of it; nil when there is none or the actor may not see it.
func (r *Resolver) document(ctx context.Context, by db.DocumentBy) (*mesa.Document, error) {
	doc, err := nilIfNotFound(viewOf(ctx).Document(ctx, by))
	if doc != nil && err == nil {
		preloadDocuments(ctx, []*mesa.Document{doc}, ownSelections(ctx))
	}
	return doc, err
}

// nodes finds many things at once, so that each kind is one statement.
func (r *Resolver) nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	if len(ids) > maxNodes {
		return nil, mesa.Fail(mesa.LimitExceeded, "ids", "Se admiten %d identificadores como máximo.", maxNodes).With("limit", maxNodes)
	}
	list := make([]model.Node, len(ids))
	var group errgroup.Group
	for i, id := range ids {
		group.Go(func() (err error) {
			if list[i], err = r.node(ctx, id); err != nil {
				if e, ok := err.(*mesa.Error); ok {
					e.Field = "ids." + strconv.Itoa(i)
				}
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var docs []*mesa.Document
	for _, node := range list {
		if doc, ok := node.(*mesa.Document); ok {
			docs = append(docs, doc)
		}
	}
	preloadDocuments(ctx, docs, ownSelections(ctx))
	return list, nil
}
