package graph

import (
	"context"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/graph/exec"
)

// New texts wait for their turn; who does not wait for it is told nothing else, and what has proven valid needs none.
func TestNewTextsTakeTurns(t *testing.T) {
	t.Parallel()
	schema := exec.NewExecutableSchema(exec.Config{})
	parsed := cache.NewBounded[*ast.QueryDocument](parsedMemory, parsedTimes)
	f, run := newFront(&Resolver{}, schema.Schema(), parsed), executor.New(schema)
	run.SetQueryCache(parsed)
	a := &asked{Query: "{ __typename }"}
	document := resolution{Text: a.Query, Hash: hashOf(a.Query)}
	for range cap(f.turns) {
		f.turns <- struct{}{}
	}
	gone, leave := context.WithCancel(graphql.StartOperationTrace(t.Context()))
	leave()
	if _, errs := f.create(gone, run, a, document, nil); len(errs) != 1 || errs[0].Extensions["code"] != "CANCELED" {
		t.Errorf("without a turn: %v", errs)
	}
	<-f.turns
	if _, errs := f.create(graphql.StartOperationTrace(t.Context()), run, a, document, nil); errs != nil || len(f.turns) != cap(f.turns)-1 {
		t.Fatalf("with a turn: %v; %d of %d are taken afterwards", errs, len(f.turns), cap(f.turns))
	}
	f.turns <- struct{}{}
	if _, errs := f.create(gone, run, a, document, nil); errs != nil {
		t.Errorf("a text that is known: %v", errs)
	}
}
