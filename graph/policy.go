package graph

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/graph/exec"
	"github.com/mesapartes/mesa/mesa"
)

// plan is what is known of an operation of a document before it runs.
type plan struct {
	operation ast.Operation
	name      string
	root      string     // its first root field
	variables []string   // that it declares, sorted; others do not matter
	tier      cache.Tier // "" when its answers are not kept
	reach     mesa.Reach // for whom an answer is the same
}

// plans remembers the plans of operations that were valid.
type plans struct {
	known cache.Bounded[*plan]
}

// planMemory is what plans may take, in bytes.
const planMemory = 4 << 20

func newPlans() plans { return plans{cache.NewBounded[*plan](planMemory, 4)} }

func planKey(hash, operationName string) string { return hash + operationName }

// find is the plan of an operation, nil when it has not been seen yet.
func (p plans) find(hash, operationName string) *plan {
	found, _ := p.known.Get(context.Background(), planKey(hash, operationName))
	return found
}

// learn makes the plan of a valid operation and remembers it.
func (p plans) learn(hash, operationName string, schema *ast.Schema, op *graphql.OperationContext) *plan {
	made := planOf(schema, op.Operation)
	p.known.Add(context.Background(), planKey(hash, operationName), made)
	return made
}

var (
	tiers  = []cache.Tier{cache.Hot, cache.Warm, cache.Cold} // the shortest first
	scopes = map[cache.Scope]mesa.Reach{cache.Public: mesa.ForAll, cache.Shared: mesa.ForScope, cache.Viewer: mesa.ForOneself}
)

// planOf works out how an operation may be kept: as its least cacheable part allows. Each root field needs a tier; mutations,
// subscriptions and explorations of the schema are never kept.
func planOf(schema *ast.Schema, op *ast.OperationDefinition) *plan {
	p := &plan{operation: op.Operation, name: strings.Clone(op.Name), tier: cache.Cold}
	for _, v := range op.VariableDefinitions {
		p.variables = append(p.variables, strings.Clone(v.Variable)) // else they would hold the whole text
	}
	slices.Sort(p.variables)
	w := policyWalk{schema: schema, plan: p, seen: map[string]bool{}}
	w.selections(op.SelectionSet, true)
	if op.Operation != ast.Query {
		p.tier = ""
	}
	p.root = cmp.Or(p.root, "__typename")
	return p
}

// policyWalk narrows a plan by all that an operation selects. Each fragment is looked at once.
type policyWalk struct {
	schema *ast.Schema
	plan   *plan
	seen   map[string]bool
}

func (w *policyWalk) selections(set ast.SelectionSet, atRoot bool) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			w.field(s, atRoot)
		case *ast.InlineFragment:
			w.selections(s.SelectionSet, atRoot)
		case *ast.FragmentSpread:
			if !w.seen[s.Name] {
				w.seen[s.Name] = true
				w.selections(s.Definition.SelectionSet, atRoot)
			}
		}
	}
}

func (w *policyWalk) field(f *ast.Field, atRoot bool) {
	if f.Name == "__typename" {
		return
	}
	if atRoot && w.plan.root == "" {
		w.plan.root = f.Definition.Name // not that of the text, which it would hold
	}
	tier := w.narrow(f.Definition.Directives)
	if def := w.schema.Types[f.Definition.Type.Name()]; def != nil {
		if ofType := w.narrow(def.Directives); tier == "" {
			tier = ofType
		}
	}
	if atRoot && tier == "" {
		w.plan.tier = ""
	}
	w.selections(f.SelectionSet, false)
}

// narrow applies a @cacheControl to the plan and returns its tier, "" when it gives none.
func (w *policyWalk) narrow(directives ast.DirectiveList) cache.Tier {
	d := directives.ForName("cacheControl")
	if d == nil {
		return ""
	}
	w.plan.reach = max(w.plan.reach, scopes[cache.Scope(argument(d, "scope"))])
	tier := cache.Tier(argument(d, "tier"))
	if tier == "" {
		return ""
	}
	if w.plan.tier != "" && slices.Index(tiers, tier) < slices.Index(tiers, w.plan.tier) {
		w.plan.tier = tier
	}
	return tier
}

// Version names what answers look like: a program with another schema, or another build, does not read what this one kept.
func Version(build string) string {
	var sdl strings.Builder
	formatter.NewFormatter(&sdl).FormatSchema(exec.NewExecutableSchema(exec.Config{}).Schema())
	h := sha256.New()
	part(h, build, sdl.String())
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// CachePolicy is what the schema says of a field.
type CachePolicy struct {
	Field string // Query.documents
	Tier  cache.Tier
	Scope cache.Scope
}

// CachePolicies lists the root fields of queries, and the other fields that narrow what they are part of.
func CachePolicies() (list []CachePolicy) {
	schema := exec.NewExecutableSchema(exec.Config{}).Schema()
	for _, name := range slices.Sorted(maps.Keys(schema.Types)) {
		def := schema.Types[name]
		if def.Kind != ast.Object {
			continue
		}
		for _, f := range def.Fields {
			d := f.Directives.ForName("cacheControl")
			if strings.HasPrefix(f.Name, "__") || d == nil && def != schema.Query {
				continue
			}
			row := CachePolicy{Field: name + "." + f.Name}
			if d != nil {
				row.Tier, row.Scope = cache.Tier(argument(d, "tier")), cache.Scope(argument(d, "scope"))
			}
			list = append(list, row)
		}
	}
	return list
}

func argument(d *ast.Directive, name string) string {
	if a := d.Arguments.ForName(name); a != nil {
		return a.Value.Raw
	}
	return ""
}
