package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/mesa"
)

// guarded are the fields of a document that say what is in it, and whether they do so in a list, too: its rows tell who sent it and what it
// is about.
var guarded = map[string]bool{
	"sender": false, "subject": false, "externalNumber": false,
	"annexDescription": true, "notes": true, "voidReason": true, "notFiledText": true, "derivations": true, "timeline": true,
}

// discloseWithin collects what confidential documents an operation discloses. What a subscription is to tell is read ahead of its answer.
func discloseWithin(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	opened, listed := discloses(graphql.GetOperationContext(ctx).Operation.SelectionSet, map[*ast.FragmentDefinition]bool{})
	return next(mesa.WithDisclosed(ctx, opened, listed))
}

// recordReads records who is given what is in confidential documents, one entry for each document of an answer, before the answer is given; when
// that fails it is not given (docs/decisions/0018-reads-of-confidential-documents.md).
func (r *Resolver) recordReads(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	answer := next(ctx)
	ids := mesa.TakeDisclosed(ctx)
	if answer == nil || len(ids) == 0 || len(answer.Data) == 0 || string(answer.Data) == "null" {
		return answer
	}
	actor, err := callerOf(ctx).actor()
	if err == nil {
		err = r.Desk.RecordReads(ctx, actor, ids)
	}
	if err != nil {
		return &graphql.Response{Errors: gqlerror.List{r.present()(ctx, err)}}
	}
	return answer
}

// discloses says whether a selection says what is in documents that are opened, and in those of lists.
func discloses(set ast.SelectionSet, seen map[*ast.FragmentDefinition]bool) (opened, listed bool) {
	for _, s := range set {
		var below ast.SelectionSet
		switch s := s.(type) {
		case *ast.Field:
			if inLists, ok := guarded[s.Name]; ok && s.ObjectDefinition.Name == "Document" {
				opened, listed = true, listed || inLists
			}
			below = s.SelectionSet
		case *ast.InlineFragment:
			below = s.SelectionSet
		case *ast.FragmentSpread:
			if seen[s.Definition] {
				continue
			}
			seen[s.Definition] = true
			below = s.Definition.SelectionSet
		}
		o, l := discloses(below, seen)
		opened, listed = opened || o, listed || l
	}
	return opened, listed
}
