package graph

import (
	"context"
	"math"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// introspectionCosts are what looks at the schema cost: an answer to __schema is about as large as a page of documents with everything.
var introspectionCosts = map[string]int{"__schema": 5000, "__type": 100}

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
	endTurn(ctx) // the text is valid
	if err := checkStorable(op.Variables); err != nil {
		return refuse(ctx, err)
	}
	if err := checkVariables(g.schema, op); err != nil {
		return err
	}
	c := callerOf(ctx)
	if c.isSocket || c.known.Load() == nil {
		g.resolver.identify(ctx, c)
	}
	actor, why := c.actor()
	if actor == nil && !g.only(op.Operation.SelectionSet, g.isPublic, map[string]bool{}) {
		if err := g.resolver.pay(ctx, nil, 0, nil); err != nil {
			return err
		}
		return g.present(ctx, why)
	}
	if actor != nil && actor.MustChangePassword && !g.only(op.Operation.SelectionSet, opensWithGivenPassword, map[string]bool{}) {
		return g.present(ctx, mesa.ErrPasswordChangeDue())
	}
	if err := g.openTo(actor, op.Operation.SelectionSet); err != nil {
		return g.present(ctx, g.resolver.Desk.Deny(ctx, actor, err))
	}
	op.DisableIntrospection = !g.introspection && actor == nil // isPublic has refused it already
	m := measure{variables: op.Variables, fragments: map[string]weight{}, roots: map[string]int{}}
	w := m.selections(op.Operation.SelectionSet)
	if m.deferred {
		return refuse(ctx, mesa.Invalid("", "La directiva @defer no está disponible."))
	}
	trace.Of(ctx).Int("mesa.cost", w.cost)
	if err := g.check(w, m.countRoots(op.Operation.SelectionSet, map[string]int{})); err != nil {
		return g.resolver.exceeded(ctx, err)
	}
	return g.resolver.pay(ctx, actor, w.cost, m.roots)
}

// check is the error of the first limit that an operation exceeds.
func (g guard) check(w weight, roots int) *mesa.Error {
	for _, c := range []struct {
		limit Limit
		have  int
	}{{LimitRootFields, roots}, {LimitDepth, w.depth}, {LimitIntrospection, w.introspection}, {LimitCost, w.cost}} {
		if err := g.resolver.Limits.check(c.limit, c.have); err != nil {
			return err
		}
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

// weight is how deep and how costly a part of an operation is, and how deep it looks into the schema.
type weight struct{ depth, cost, introspection int }

// measure walks an operation. Each fragment is weighed once: spreading it often makes a small text expensive to walk otherwise.
type measure struct {
	variables map[string]any
	fragments map[string]weight
	roots     map[string]int // how often each root field is asked for
	deferred  bool
}

func (m *measure) selections(set ast.SelectionSet) weight {
	total := weight{}
	for _, s := range set {
		w := m.selection(s)
		total.cost = add(total.cost, w.cost)
		total.depth = max(total.depth, w.depth)
		total.introspection = max(total.introspection, w.introspection)
	}
	return total
}

func (m *measure) selection(s ast.Selection) weight {
	switch s := s.(type) {
	case *ast.Field:
		w := m.selections(s.SelectionSet)
		if strings.HasPrefix(s.Name, "__") {
			return weight{introspection: w.depth, cost: introspectionCosts[s.Name]}
		}
		return weight{depth: w.depth + 1, cost: add(1, multiply(m.times(s), w.cost)), introspection: w.introspection}
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

// countRoots is how many root fields an operation asks for, and notes how often each. Each fragment is looked at once: known says how many
// it has, and fields in fragments that are spread again are noted once.
func (m *measure) countRoots(set ast.SelectionSet, known map[string]int) (n int) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			n++
			m.roots[s.Name]++
		case *ast.InlineFragment:
			n = add(n, m.countRoots(s.SelectionSet, known))
		case *ast.FragmentSpread:
			if _, counted := known[s.Name]; !counted {
				known[s.Name] = m.countRoots(s.Definition.SelectionSet, known)
			}
			n = add(n, known[s.Name])
		}
	}
	return n
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
