package graph

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/mesapartes/mesa/mesa"
)

// textRules are what the text of an operation has to keep: the rules of GraphQL, and that its literals can be read and stored.
func textRules() *rules.Rules {
	r := rules.NewDefaultRules()
	r.AddRule("UsableLiterals", usableLiterals)
	r.AddRule("OneOfVariables", oneOfVariables)
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

// oneOfVariables refuses variables that may be null as the one member of an input object of which one has to be given.
func oneOfVariables(observers *core.Events, refuse core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, v *ast.Value) {
		if v.Kind != ast.ObjectValue || !isOneOf(v.Definition) {
			return
		}
		for _, member := range v.Children {
			if d := member.Value.VariableDefinition; d != nil && !d.Type.NonNull {
				refuse(core.Message(`Variable "$%s" must be non-nullable to be the one member of "%s".`, d.Variable, v.Definition.Name), core.At(member.Position))
			}
		}
	})
}

func isOneOf(def *ast.Definition) bool { return def != nil && def.Directives.ForName("oneOf") != nil }

// checkVariables refuses what the coercion of variables lets through although GraphQL does not: texts for numbers, numbers for texts, and input
// objects of which one member has to be given, when more or none is.
func checkVariables(schema *ast.Schema, op *graphql.OperationContext) *gqlerror.Error {
	for _, d := range op.Operation.VariableDefinitions {
		if err := misfit(schema, d.Type, op.Variables[d.Variable], ast.Path{ast.PathName("variable"), ast.PathName(d.Variable)}); err != nil {
			errcode.Set(err, errcode.ValidationFailed)
			return err
		}
	}
	return nil
}

// misfit says where a value is not what a type takes, nil when it is.
func misfit(schema *ast.Schema, typ *ast.Type, value any, at ast.Path) *gqlerror.Error {
	if typ.Elem != nil {
		return misfitOfList(schema, typ.Elem, reflect.ValueOf(value), at)
	}
	def := schema.Types[typ.NamedType]
	if kind, kinds := kindOf(value), takes[def.Name]; kind != "" && kinds != nil && !slices.Contains(kinds, kind) {
		return gqlerror.ErrorPathf(at, "cannot use %s as %s", kind, def.Name)
	}
	object, isObject := value.(map[string]any)
	if def.Kind != ast.InputObject || !isObject {
		return nil
	}
	if isOneOf(def) && len(object) != 1 {
		return gqlerror.ErrorPathf(at, "must have exactly one member")
	}
	for _, member := range def.Fields {
		given, isGiven := object[member.Name]
		below := append(at[:len(at):len(at)], ast.PathName(member.Name))
		if isOneOf(def) && isGiven && given == nil {
			return gqlerror.ErrorPathf(below, "cannot be null")
		}
		if err := misfit(schema, member.Type, given, below); err != nil {
			return err
		}
	}
	return nil
}

// takes are the kinds of values that the scalars of GraphQL itself take.
var takes = map[string][]string{"Int": {"integer"}, "Float": {"integer", "float"}, "String": {"string"}, "Boolean": {"boolean"}, "ID": {"string", "integer"}}

// kindOf names what came as JSON, or as the default of a variable; "" is null, a list or an object.
func kindOf(value any) string {
	switch v := value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return "float"
		}
		return "integer"
	case float64:
		if v != math.Trunc(v) {
			return "float"
		}
		return "integer"
	case int64:
		return "integer"
	}
	return ""
}

func misfitOfList(schema *ast.Schema, typ *ast.Type, list reflect.Value, at ast.Path) *gqlerror.Error {
	if list.Kind() != reflect.Slice {
		return nil // null: whatever else was given has become a list by now
	}
	for i := range list.Len() {
		if err := misfit(schema, typ, list.Index(i).Interface(), append(at[:len(at):len(at)], ast.PathIndex(i))); err != nil {
			return err
		}
	}
	return nil
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
