package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// naming turns the name of a document into its text, and refuses texts that may not run, on every transport. Over HTTP that has
// happened already, and happens again for the few that are not answered from the cache.
type naming struct{ *Resolver }

var _ interface {
	graphql.HandlerExtension
	graphql.OperationParameterMutator
} = naming{}

// ExtensionName names the extension.
func (naming) ExtensionName() string { return "Naming" }

// Validate has nothing to check.
func (naming) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters finds the text.
func (n naming) MutateOperationParameters(ctx context.Context, p *graphql.RawParams) *gqlerror.Error {
	found, err := n.Documents.resolve(ctx, named{Query: p.Query, OperationName: p.OperationName, Extensions: p.Extensions}, n.Cache)
	if err == nil {
		p.Query = found.Text
	}
	return err
}
