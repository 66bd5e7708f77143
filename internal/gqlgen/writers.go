package main

import (
	_ "embed"
	"fmt"
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/codegen"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/99designs/gqlgen/codegen/templates"
	"github.com/vektah/gqlparser/v2/ast"
)

//go:embed writers.gotpl
var writersTemplate string

// writers generates functions that append objects as JSON.
type writers struct{}

func (writers) Name() string { return "writers" }

// GenerateCode writes writers.generated.go beside the executor.
func (writers) GenerateCode(data *codegen.Data) error {
	w := &program{data: data}
	for _, o := range data.Objects {
		if !o.Root && !o.Stream && !strings.HasPrefix(o.Name, "__") {
			w.Objects = append(w.Objects, o)
		}
	}
	return templates.Render(templates.Options{
		PackageName: data.Config.Exec.Package, Filename: filepath.Join(data.Config.Exec.DirName, "writers.generated.go"),
		Data: w, Template: writersTemplate, GeneratedHeader: true, Packages: data.Config.Packages,
	})
}

// program is what the template sees.
type program struct {
	Objects codegen.Objects
	data    *codegen.Data
}

// Writes says that a field can be written at once: it is part of the object, or its resolver is @instant or, for what was looked ahead for, @ahead.
func (p *program) Writes(f *codegen.Field) bool {
	switch {
	case strings.HasPrefix(f.Name, "__") || f.Batch || f.Stream || f.HasHaser || f.HasDirectives() || !p.known(f.TypeReference):
		return false
	case f.IsResolver:
		return p.IsMarked(f, "instant") || p.IsMarked(f, "ahead")
	case f.IsMethod():
		return len(f.Args) == 0 && f.NoErr && !f.MethodHasContext && !f.VOkFunc
	}
	return f.IsVariable()
}

// IsMarked says that the schema gives a field a directive.
func (p *program) IsMarked(f *codegen.Field, directive string) bool {
	return f.FieldDefinition.Directives.ForName(directive) != nil
}

// Reads are the fields of the Go struct that a field is made from; none when that is not said.
func (p *program) Reads(f *codegen.Field) (fields []string) {
	if said := f.FieldDefinition.Directives.ForName("reads"); said != nil {
		for _, name := range said.Arguments.ForName("fields").Value.Children {
			fields = append(fields, name.Value.Raw)
		}
		return fields
	}
	if f.IsVariable() && !f.IsResolver {
		return []string{f.GoFieldName}
	}
	return nil
}

// SaysReads says that the schema tells of an object what the resolvers of its fields look at.
func (p *program) SaysReads(o *codegen.Object) bool {
	return slices.ContainsFunc(o.Fields, func(f *codegen.Field) bool { return p.IsMarked(f, "reads") })
}

// known says that values of a type can be written: objects, most scalars, and lists of these.
func (p *program) known(ref *config.TypeReference) bool {
	switch {
	case ref.Definition.Kind == ast.Interface || ref.Definition.Kind == ast.Union:
		return false
	case ref.IsSlice() || ref.IsPtr() && !p.isObject(ref):
		return p.known(ref.Elem())
	}
	return p.isObject(ref) || p.scalar(ref, "v") != leave
}

// leave is code that leaves a value to the executor.
const leave = "return false\n"

// Implementors are the objects of an interface whose Go type no other of them has.
func (p *program) Implementors(i *codegen.Interface) (list []*codegen.Object) {
	named := map[string]bool{}
	for _, impl := range i.Implementors {
		named[impl.Name] = true
	}
	sharing := map[string]int{}
	for _, o := range p.Objects {
		if named[o.Name] {
			sharing[o.Reference().String()]++
			list = append(list, o)
		}
	}
	return slices.DeleteFunc(list, func(o *codegen.Object) bool { return sharing[o.Reference().String()] > 1 })
}

// Interfaces are those of the schema, in the order of their names.
func (p *program) Interfaces() (list []*codegen.Interface) {
	for _, i := range p.data.Interfaces {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b *codegen.Interface) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Value is code that appends the value v of a type; it ends the function with false where the executor has to do it.
func (p *program) Value(ref *config.TypeReference, v string, depth int) string {
	switch {
	case ref.IsSlice():
		item := fmt.Sprintf("v%d", depth+1)
		list := fmt.Sprintf("w.raw('[')\nfor i, %s := range %s {\nif i > 0 { w.raw(',') }\n%s}\nw.raw(']')\n", item, v, p.Value(ref.Elem(), item, depth+1))
		if ref.GQL.NonNull {
			return list
		}
		return fmt.Sprintf("if %s == nil { w.null() } else {\n%s}\n", v, list)
	case ref.IsPtr() && !p.isObject(ref):
		return p.orNull(ref, v, p.Value(ref.Elem(), "*"+v, depth))
	case p.isObject(ref) && ref.IsNilable():
		return p.orNull(ref, v, fmt.Sprintf("if !w.%s(ctx, field.Selections, %s) { return false }\n", ref.Definition.Name, v))
	case p.isObject(ref):
		return fmt.Sprintf("if !w.%s(ctx, field.Selections, &%s) { return false }\n", ref.Definition.Name, v)
	}
	return p.scalar(ref, v)
}

func (p *program) isObject(ref *config.TypeReference) bool {
	return ref.Definition.Kind == ast.Object
}

// orNull writes null for nil, where the schema allows it.
func (p *program) orNull(ref *config.TypeReference, v, value string) string {
	if ref.GQL.NonNull {
		return fmt.Sprintf("if %s == nil { return false }\n%s", v, value)
	}
	return fmt.Sprintf("if %s == nil { w.null() } else {\n%s}\n", v, value)
}

func (p *program) scalar(ref *config.TypeReference, v string) string {
	name := "" // of the function that gqlgen marshals with
	if ref.Marshaler != nil {
		name = ref.Marshaler.Name()
	}
	basic, isBasic := ref.GO.Underlying().(*types.Basic)
	switch {
	case ref.IsContext || ref.HasEnumValues() || ref.IsTargetNilable() && ref.Marshaler != nil:
		return leave
	case ref.IsMarshaler && ref.IsNilable():
		return p.orNull(ref, v, v+".MarshalGQL(w)\n")
	case ref.IsMarshaler:
		return strings.TrimPrefix(v, "*") + ".MarshalGQL(w)\n"
	case (name == "MarshalString" || name == "MarshalID") && isBasic && basic.Info()&types.IsString != 0:
		return fmt.Sprintf("w.text(string(%s))\n", v)
	case (name == "MarshalInt" || name == "MarshalInt64") && isBasic && basic.Info()&types.IsInteger != 0:
		return fmt.Sprintf("w.number(int64(%s))\n", v)
	case name == "MarshalBoolean":
		return fmt.Sprintf("w.boolean(bool(%s))\n", v)
	case name == "MarshalDateTime" && ref.GQL.NonNull:
		return fmt.Sprintf("if !w.time(%s) { return false }\n", v)
	case name == "MarshalDateTime":
		return fmt.Sprintf("if !w.time(%s) { w.null() }\n", v)
	}
	return leave
}
