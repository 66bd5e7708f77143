package graph

import (
	"cmp"
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph/exec"
	"github.com/mesapartes/mesa/mesa"
)

// Of how many kinds of statements is told.
const (
	fewStatements = 20 // unless more are asked for
	maxStatements = 200
)

func (r *Resolver) slowQueries(ctx context.Context, first *int, days int) ([]*mesa.StatementStats, error) {
	if err := r.require(ctx, mesa.MayManageSettings); err != nil {
		return nil, err
	}
	limit, err := upTo(maxStatements, first, fewStatements)
	if err != nil {
		return nil, err
	}
	if days < 0 || days >= db.SlowDays {
		return nil, mesa.Invalid("days", "Pida entre 0 y %d días.", db.SlowDays-1)
	}
	return r.DB.SlowStatements(ctx, days, limit)
}

func (r *Resolver) queryStats(ctx context.Context, first *int) ([]*mesa.StatementStats, error) {
	if err := r.require(ctx, mesa.MayManageSettings); err != nil {
		return nil, err
	}
	limit, err := upTo(maxStatements, first, fewStatements)
	if err != nil {
		return nil, err
	}
	return r.DB.StatementStats(limit), nil
}

// Question is a query to be explained.
type Question struct {
	Query         string
	OperationName string // "" when there is one only
	Variables     map[string]any
}

const explainWithin = 30 * time.Second

func (r *Resolver) explain(ctx context.Context, q Question) (*mesa.Explanation, error) {
	if err := r.require(ctx, mesa.MayManageSettings); err != nil {
		return nil, err
	}
	return r.Explain(ctx, actorOf(ctx), q)
}

// Explain runs a query as an actor, within the limits of any other and without the cache, and says how the database carries out each
// statement that it causes. Invalid when it is no query, or explains another; other errors of the query are told in the explanation.
func (r *Resolver) Explain(ctx context.Context, actor *mesa.Actor, q Question) (*mesa.Explanation, error) {
	if db.IsRecorded(ctx) {
		return nil, mesa.Invalid("query", "Una explicación no se explica.")
	}
	own, cancel := context.WithTimeout(context.Background(), explainWithin) // it is an operation of its own, not a field of the present one
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	own = actAs(WithLocale(own, locale(ctx)), actor, false)
	recorded, recording := db.RecordStatements(graphql.StartOperationTrace(own))
	began := time.Now()
	errs, err := r.run(recorded, q)
	if err != nil {
		return nil, err
	}
	explanation := &mesa.Explanation{DurationMs: float64(time.Since(began).Microseconds()) / 1000, Errors: []string{}}
	for _, e := range errs {
		explanation.Errors = append(explanation.Errors, e.Message)
	}
	explanation.Statements, err = r.DB.Explain(own, recording)
	return explanation, err
}

// run executes a query as a server does and tells the errors of its answer; err says why it was not executed.
func (r *Resolver) run(ctx context.Context, q Question) (gqlerror.List, error) {
	if err := cmp.Or(r.Limits.checkVariables(q.Variables), r.Limits.checkText(q.Query)); err != nil {
		return nil, err
	}
	schema := exec.NewExecutableSchema(exec.Config{Resolvers: resolversOf(r)})
	e := executor.New(schema)
	e.SetDefaultRulesFn(textRules)
	r.prepare(e, schema, true)
	op, refused := e.CreateOperationContext(ctx, &graphql.RawParams{Query: q.Query, OperationName: q.OperationName, Variables: q.Variables})
	if refused != nil {
		return nil, refused[0]
	}
	if op.Operation.Operation != ast.Query {
		return nil, mesa.Invalid("query", "Solo se explican consultas.")
	}
	responses, ctx := e.DispatchOperation(ctx, op)
	answer := responses(ctx)
	if answer == nil {
		return nil, context.Cause(ctx)
	}
	return answer.Errors, nil
}

// Cause says which GraphQL operation, and which of its fields or loaders, a statement under ctx is for.
func Cause(ctx context.Context) (operation, field string) {
	if !graphql.HasOperationContext(ctx) {
		return "", ""
	}
	if op := graphql.GetOperationContext(ctx); op.Operation != nil {
		operation = op.Operation.Name
		if operation == "" {
			operation = string(op.Operation.Operation)
		}
	}
	if name, ok := ctx.Value(loaderKey{}).(string); ok {
		return operation, name
	}
	if f := graphql.GetFieldContext(ctx); f != nil {
		field = f.Path().String()
	}
	return operation, field
}

// loaderKey is for the name of the loader that a statement is for.
type loaderKey struct{}
