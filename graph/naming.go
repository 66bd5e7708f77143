package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/mesapartes/mesa/cache"
)

// naming turns the name of a document into its text, and refuses texts that may not run or are too large, on every transport. Over HTTP that has
// happened already, and happens again for the few that are not answered from the cache.
type naming struct {
	*Resolver
	parsed cache.Bounded[*ast.QueryDocument] // texts that were valid
}

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
	if err != nil {
		return err
	}
	p.Query = found.Text
	if err := n.Limits.checkVariables(p.Variables); err != nil {
		return n.exceeded(ctx, err)
	}
	if _, known := n.parsed.Get(ctx, p.Query); known {
		return nil
	}
	return n.admit(ctx, p.Query)
}

// admit lets a text that is not known be parsed and validated, when its turn comes.
func (n naming) admit(ctx context.Context, text string) *gqlerror.Error {
	if err := n.checkTexts(ctx); err != nil {
		return err
	}
	if err := n.Limits.checkText(text); err != nil {
		n.oweForText(ctx)
		return n.exceeded(ctx, err)
	}
	if !turnOf(ctx).take(ctx) {
		n.refused.add("turns")
		return peerOf(ctx).retryAfter(ctx, 1, "turns")
	}
	return nil
}
