package graph

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph/exec"
	"github.com/mesapartes/mesa/mesa"
)

// What each field of documents, legs and events is made from.
var (
	documentReads = readsOf[mesa.Document]("Document")
	legReads      = readsOf[mesa.Derivation]("Derivation")
	eventReads    = readsOf[mesa.Event]("Event")
)

func readsOf[T any](object string) map[string]db.Fields {
	reads := map[string]db.Fields{"__typename": 0}
	for field, names := range exec.Reads[object] {
		reads[field] = db.FieldsOf[T](names...)
	}
	return reads
}

// reading is what a query reads of them, wherever it selects them: loaders share them between all its fields.
type reading struct {
	documents, legs, events db.Fields
	fragments               map[*ast.FragmentDefinition]bool
}

// view is what an actor sees, with as much of documents, legs and timelines as a query selects; a mutation or subscription reads them whole.
func (r *Resolver) view(op *graphql.OperationContext, actor *mesa.Actor) *db.View {
	view := r.DB.View(actor)
	if op.Operation == nil || op.Operation.Operation != ast.Query || r.NoWriters {
		return view
	}
	reads := reading{fragments: map[*ast.FragmentDefinition]bool{}}
	reads.add(op.Operation.SelectionSet)
	return view.Reading(reads.documents, reads.legs, reads.events)
}

func (r *reading) add(set ast.SelectionSet) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			switch s.ObjectDefinition.Name {
			case "Document":
				r.documents |= read(documentReads, s.Name)
			case "Derivation":
				r.legs |= read(legReads, s.Name)
			case "Event":
				r.events |= read(eventReads, s.Name)
			}
			r.add(s.SelectionSet)
		case *ast.InlineFragment:
			r.add(s.SelectionSet)
		case *ast.FragmentSpread:
			if !r.fragments[s.Definition] {
				r.fragments[s.Definition] = true
				r.add(s.Definition.SelectionSet)
			}
		}
	}
}

// read is what a field is made from: all, unless it is known.
func read(reads map[string]db.Fields, field string) db.Fields {
	if set, ok := reads[field]; ok {
		return set
	}
	return db.AllFields
}
