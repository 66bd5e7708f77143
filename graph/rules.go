package graph

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/mesapartes/mesa/mesa"
)

// textRules are what the text of an operation has to keep: the rules of GraphQL, and that its literals can be read and stored.
func textRules() *rules.Rules {
	r := rules.NewDefaultRules()
	r.AddRule("UsableLiterals", usableLiterals)
	return r
}

// usableLiterals refuses numbers beyond 64 bits: GraphQL leaves those of other scalars than its own to the scalar, but the arguments of a field
// cannot even be taken apart with one in them. And it refuses texts with a NUL, as checkStorable does in variables.
func usableLiterals(observers *core.Events, refuse core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, v *ast.Value) {
		switch v.Kind {
		case ast.IntValue, ast.FloatValue:
			if _, err := v.Value(nil); err != nil {
				refuse(core.Message("A number is out of range."), core.At(v.Position))
			}
		case ast.StringValue, ast.BlockValue:
			if strings.ContainsRune(v.Raw, 0) {
				refuse(core.Message("A text has a NUL character."), core.At(v.Position))
			}
		}
	})
}

// checkStorable refuses variables with a NUL in some text, which no database stores and nobody types.
func checkStorable(variables map[string]any) *mesa.Error {
	if hasNUL(variables) {
		return mesa.Invalid("variables", "Un texto tiene un carácter nulo.")
	}
	return nil
}

// hasNUL looks into a value that came as JSON.
func hasNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.ContainsRune(v, 0)
	case []any:
		for _, one := range v {
			if hasNUL(one) {
				return true
			}
		}
	case map[string]any:
		for name, one := range v {
			if hasNUL(name) || hasNUL(one) {
				return true
			}
		}
	}
	return false
}
