package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"github.com/mesapartes/mesa/graph/exec"
)

// written answers fields of a query by writers; what these cannot do the executor does (docs/decisions/0015-writers.md).
func (r *Resolver) written(schema graphql.ExecutableSchema) graphql.FieldMiddleware {
	return func(ctx context.Context, next graphql.Resolver) (any, error) {
		v, err := next(ctx)
		if err != nil || v == nil || r.NoWriters || graphql.GetFieldContext(ctx).Object != "Query" {
			return v, err
		}
		if json := exec.Write(ctx, schema, v); json != nil {
			return json, nil
		}
		return v, nil
	}
}

// resolvers are the root, with those of objects that come in lists made once instead of for each field.
type resolvers struct {
	*Resolver
	document   exec.DocumentResolver
	derivation exec.DerivationResolver
	event      exec.EventResolver
}

func resolversOf(r *Resolver) *resolvers {
	return &resolvers{Resolver: r, document: r.Document(), derivation: r.Derivation(), event: r.Event()}
}

func (r *resolvers) Document() exec.DocumentResolver     { return r.document }
func (r *resolvers) Derivation() exec.DerivationResolver { return r.derivation }
func (r *resolvers) Event() exec.EventResolver           { return r.event }
