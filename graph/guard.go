package graph

import (
	"context"
	"math"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// Bounds of one operation. The largest operation of the contract costs 19,600 with a page of 200.
const (
	maxDepth = 15
	maxCost  = 50_000 // fields, each as often as its lists can be long
)

// guard refuses, before anything is executed, what would cost more than an operation may.
type guard struct {
	resolver      *Resolver
	schema        *ast.Schema
	introspection bool // whether strangers may explore the schema
	present       graphql.ErrorPresenterFunc
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationContextMutator
} = guard{}

// ExtensionName names the extension.
func (guard) ExtensionName() string { return "Guard" }

// Validate has nothing to check.
func (guard) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext measures the operation.
func (g guard) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	c := callerOf(ctx)
	if c.isSocket || c.known.Load() == nil {
		g.resolver.identify(ctx, c)
	}
	actor, why := c.actor()
	if actor == nil && !g.only(op.Operation.SelectionSet, g.isPublic, map[string]bool{}) {
		return g.present(ctx, why)
	}
	if actor != nil && actor.MustChangePassword && !g.only(op.Operation.SelectionSet, opensWithGivenPassword, map[string]bool{}) {
		return g.present(ctx, mesa.ErrPasswordChangeDue())
	}
	if err := g.openTo(actor, op.Operation.SelectionSet); err != nil {
		return g.present(ctx, g.resolver.Desk.Deny(ctx, actor, err))
	}
	op.DisableIntrospection = !g.introspection && actor == nil // isPublic has refused it already
	m := measure{variables: op.Variables, fragments: map[string]weight{}}
	w := m.selections(op.Operation.SelectionSet)
	switch {
	case m.deferred:
		return refuse(ctx, mesa.Invalid("", "La directiva @defer no está disponible."))
	case w.depth > maxDepth:
		return refuse(ctx, mesa.Fail(mesa.LimitExceeded, "", "La consulta tiene %d niveles; el máximo es %d.", w.depth, maxDepth).With("limit", maxDepth))
	case w.cost > maxCost:
		return refuse(ctx, mesa.Fail(mesa.LimitExceeded, "", "La consulta cuesta %d; el máximo es %d. Pida páginas más pequeñas.", w.cost, maxCost).With("limit", maxCost))
	}
	return nil
}

// isPublic says whether a root field needs nobody to be signed in: it is marked @public in the schema, or explores the schema itself where
// strangers may.
func (g guard) isPublic(f *ast.Field) bool {
	return f.Name == "__typename" || g.introspection && strings.HasPrefix(f.Name, "__") || f.Definition.Directives.ForName("public") != nil
}

// opensWithGivenPassword says whether a root field is open to an account whose password somebody else gave it.
func opensWithGivenPassword(f *ast.Field) bool {
	d := f.Definition.Directives
	return strings.HasPrefix(f.Name, "__") || d.ForName("public") != nil || d.ForName("givenPassword") != nil
}

// only says whether all root fields of an operation are of one kind. Each fragment is looked at once; seen names them.
func (g guard) only(set ast.SelectionSet, is func(*ast.Field) bool, seen map[string]bool) bool {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if !is(s) {
				return false
			}
		case *ast.InlineFragment:
			if !g.only(s.SelectionSet, is, seen) {
				return false
			}
		case *ast.FragmentSpread:
			if seen[s.Name] {
				continue
			}
			seen[s.Name] = true
			if !g.only(s.Definition.SelectionSet, is, seen) {
				return false
			}
		}
	}
	return true
}

func refuse(ctx context.Context, e *mesa.Error) *gqlerror.Error { return tell(ctx, e, nil) }

// weight is how deep and how costly a part of an operation is.
type weight struct{ depth, cost int }

// measure walks an operation. Each fragment is weighed once: spreading it often makes a small text expensive to walk otherwise.
type measure struct {
	variables map[string]any
	fragments map[string]weight
	deferred  bool
}

func (m *measure) selections(set ast.SelectionSet) weight {
	total := weight{}
	for _, s := range set {
		w := m.selection(s)
		total.cost = add(total.cost, w.cost)
		total.depth = max(total.depth, w.depth)
	}
	return total
}

func (m *measure) selection(s ast.Selection) weight {
	switch s := s.(type) {
	case *ast.Field:
		if strings.HasPrefix(s.Name, "__") {
			return weight{} // introspection has a rule of its own
		}
		w := m.selections(s.SelectionSet)
		return weight{depth: w.depth + 1, cost: add(1, multiply(m.times(s), w.cost))}
	case *ast.InlineFragment:
		m.deferred = m.deferred || s.Directives.ForName("defer") != nil
		return m.selections(s.SelectionSet)
	case *ast.FragmentSpread:
		m.deferred = m.deferred || s.Directives.ForName("defer") != nil
		w, known := m.fragments[s.Name]
		if !known {
			w = m.selections(s.Definition.SelectionSet)
			m.fragments[s.Name] = w
		}
		return w
	}
	return weight{}
}

// times is how often what is below a field may be there: once for each id, the page asked for, a page by default, once for everything
// else.
func (m *measure) times(f *ast.Field) int {
	args := f.ArgumentMap(m.variables)
	if ids, ok := args["ids"].([]any); ok {
		return clamp(int64(len(ids)))
	}
	if f.Definition == nil || f.Definition.Arguments.ForName("first") == nil {
		return 1
	}
	for _, name := range []string{"first", "last"} {
		switch n := args[name].(type) {
		case int64:
			return clamp(n)
		case int:
			return clamp(int64(n))
		}
	}
	return db.DefaultPage
}

// clamp: what is out of range is refused by the field itself.
func clamp(n int64) int { return int(min(max(n, 1), db.MaxPage)) }

func add(a, b int) int {
	if a > math.MaxInt32-b {
		return math.MaxInt32
	}
	return a + b
}

func multiply(a, b int) int {
	if b != 0 && a > math.MaxInt32/b {
		return math.MaxInt32
	}
	return a * b
}
