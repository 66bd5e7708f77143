package graph

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/mesa"
)

// openTo is Forbidden when a machine asks for something that the schema does not open to API keys: a root field without @apiKey, one whose
// scope the key lacks, or anything @staff below. People are let through: what they may is for the verbs to say.
func (g guard) openTo(actor *mesa.Actor, set ast.SelectionSet) error {
	if actor == nil || actor.Key == nil {
		return nil
	}
	w := machineWalk{schema: g.schema, actor: actor, seen: map[string]bool{}}
	return w.selections(set, true)
}

// machineWalk looks at all that an operation selects. Each fragment is looked at once.
type machineWalk struct {
	schema *ast.Schema
	actor  *mesa.Actor
	seen   map[string]bool
}

func (w *machineWalk) selections(set ast.SelectionSet, atRoot bool) (err error) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			err = w.field(s, atRoot)
		case *ast.InlineFragment:
			err = w.selections(s.SelectionSet, atRoot)
		case *ast.FragmentSpread:
			if !w.seen[s.Name] {
				w.seen[s.Name] = true
				err = w.selections(s.Definition.SelectionSet, atRoot)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *machineWalk) field(f *ast.Field, atRoot bool) error {
	if strings.HasPrefix(f.Name, "__") {
		return nil // the schema is no secret from who has a key
	}
	if d := f.Definition.Directives.ForName("apiKey"); d != nil {
		if err := w.actor.RequireScope(mesa.KeyScope(argument(d, "scope"))); err != nil {
			return err
		}
	} else if atRoot && f.Definition.Directives.ForName("public") == nil {
		return mesa.ErrNotForKeys().With("fieldName", f.Name)
	}
	def := w.schema.Types[f.Definition.Type.Name()]
	if f.Definition.Directives.ForName("staff") != nil || def != nil && def.Directives.ForName("staff") != nil {
		return mesa.ErrNotForKeys().With("fieldName", f.Name)
	}
	return w.selections(f.SelectionSet, false)
}
