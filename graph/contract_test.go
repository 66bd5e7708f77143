package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/mesapartes/mesa/graph/exec"
)

var schema = exec.NewExecutableSchema(exec.Config{}).Schema()

// Clients count on these operations, word for word. The file is a copy of the contract as far as it is built.
func TestTheContractIsValid(t *testing.T) {
	t.Parallel()
	text := read(t, "testdata/contract.graphql")
	doc, err := parser.ParseQuery(&ast.Source{Name: "contract.graphql", Input: text})
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Operations) < 30 {
		t.Errorf("only %d operations: has the contract been cut?", len(doc.Operations))
	}
	for _, op := range doc.Operations {
		t.Run(op.Name, func(t *testing.T) {
			one := &ast.QueryDocument{Operations: ast.OperationList{op}, Position: doc.Position}
			for _, err := range validator.ValidateWithRules(schema, one, rules.NewDefaultRules()) {
				t.Error(err)
			}
		})
	}
}

// The comments of the contract name input fields: each is there, and required at most where the contract says so.
func TestTheContractsInputsAreThere(t *testing.T) {
	t.Parallel()
	for input, fields := range map[string]string{
		"DocumentFilter": "text states types categories priorities channels areaId areaMode senderIdNumber registeredById assigneeId tagsAny tagsAll " +
			"filedOn registeredAt dueOn attendedAt lights overdue confidentiality relatedToId archived",
		"DocumentOrder":          "field* direction*",
		"StatisticsFilter":       "from to areaId includeSubareas typeId channel priority",
		"UpdateDocumentInput":    "documentId* expectedVersion subject notes priority tags categoryId folios externalNumber documentDate dueOn confidentiality reason",
		"BulkDeriveInput":        "documentIds* targets* idempotencyKey",
		"RegisterDocumentInput":  "typeId* subject* sender* folios* categoryId externalNumber documentDate annexDescription priority confidentiality tags notes dueOn relatedDocumentId submittedAt reason idempotencyKey",
		"SenderInput":            "kind* idType* idNumber name* email phone acceptsEmail",
		"DeriveDocumentInput":    "documentId* targets* expectedVersion idempotencyKey",
		"DerivationTargetInput":  "areaId* instructions* kind purposeCode lead urgent dueOn requiresResponse assigneeId",
		"CreateApiKeyInput":      "name* scopes* areaIds expiresAt",
		"CreateIntegrationInput": "code* name* kind* baseUrl* apiKey canSend canReceive autoRegister defaultAreaId defaultTypeId active",
		"SendDocumentInput":      "documentId* integrationId*",
		"SubmitDocumentInput":    "externalId* typeCode* subject* sender* folios externalNumber documentDate priority",
		"RequestReportInput":     "type* format* filter period areaId locale idempotencyKey",
		"DiagnosticJobInput":     "queue priority runAt sleepMs steps outputBytes failTimes panic ignoreCancel crash idempotencyKey uniqueKey",
		"AttendDerivationInput":  "derivationId* closingNotes* outcome next expectedVersion",
	} {
		def := schema.Types[input]
		known := map[string]bool{}
		for name := range strings.FieldsSeq(fields) {
			name, required := strings.CutSuffix(name, "*")
			known[name] = true
			field := def.Fields.ForName(name)
			if field == nil {
				t.Errorf("%s has no field %s", input, name)
			} else if !required && field.Type.NonNull && field.DefaultValue == nil {
				t.Errorf("%s.%s must be optional", input, name)
			}
		}
		for _, field := range def.Fields {
			if !known[field.Name] && field.Type.NonNull && field.DefaultValue == nil {
				t.Errorf("%s.%s asks for more than the contract", input, field.Name)
			}
		}
	}
	for enum, values := range map[string]string{
		"TrayBox":            "TO_REGISTER TO_DERIVE TO_RECEIVE IN_HAND COPIES RETURNED SENT OBSERVED OVERDUE DUE_SOON ATTENDED TO_ARCHIVE WATCHED",
		"AreaMode":           "CURRENT EVER REGISTERED",
		"ArchivedMode":       "EXCLUDE INCLUDE ONLY",
		"DocumentOrderField": "FILED_ON REGISTERED_AT DUE_ON PRIORITY FILE_NUMBER",
		"OrderDirection":     "ASC DESC",
	} {
		for value := range strings.FieldsSeq(values) {
			if schema.Types[enum].EnumValues.ForName(value) == nil {
				t.Errorf("%s has no value %s", enum, value)
			}
		}
	}
}

// The first tabs of GraphiQL work as they stand: each example is valid, and its variables fit.
func TestTheExamplesOfGraphiQLAreValid(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("../web/graphiql/src/examples/*.graphql")
	if len(files) < 10 {
		t.Fatalf("only %d examples", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			doc, errs := gqlparser.LoadQueryWithRules(schema, read(t, file), rules.NewDefaultRules())
			if errs != nil {
				t.Fatal(errs)
			}
			if len(doc.Operations) != 1 {
				t.Fatalf("%d operations, want one", len(doc.Operations))
			}
			variables := map[string]any{}
			if text, err := os.ReadFile(strings.TrimSuffix(file, ".graphql") + ".json"); err == nil {
				if err := json.Unmarshal(text, &variables); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := validator.VariableValues(schema, doc.Operations[0], variables); err != nil {
				t.Error(err)
			}
			for name := range variables {
				if doc.Operations[0].VariableDefinitions.ForName(name) == nil {
					t.Errorf("variable %s is not used", name)
				}
			}
		})
	}
}

// The schema is the manual.
func TestEverythingInTheSchemaIsDescribed(t *testing.T) {
	t.Parallel()
	for name, def := range schema.Types {
		if def.BuiltIn {
			continue
		}
		described(t, name, def.Description)
		for _, value := range def.EnumValues {
			described(t, name+"."+value.Name, value.Description)
		}
		for _, field := range def.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			described(t, name+"."+field.Name, field.Description)
			for _, arg := range field.Arguments {
				described(t, name+"."+field.Name+"("+arg.Name+")", arg.Description)
			}
		}
	}
	for name, directive := range schema.Directives {
		if directive.Position != nil && directive.Position.Src != nil && !directive.Position.Src.BuiltIn {
			described(t, "@"+name, directive.Description)
		}
	}
}

func described(t *testing.T, what, description string) {
	t.Helper()
	if len(strings.TrimSpace(description)) < 2 {
		t.Errorf("%s has no description", what)
	}
}

// What clients rely on does not go away unannounced: schema.golden.graphql is the schema as it was. A change that breaks clients fails
// unless CHANGELOG.md names the thing, such as `Document.notes` or `Light.RED`. Every change fails until the file is written anew:
// go test ./graph -run Golden -update.
func TestTheSchemaIsTheGoldenOne(t *testing.T) {
	const golden = "testdata/schema.golden.graphql"
	now := normalised(schema)
	was, err := gqlparser.LoadSchema(&ast.Source{Name: golden, Input: read(t, golden)})
	if err != nil {
		t.Fatal(err)
	}
	changelog := read(t, "../CHANGELOG.md")
	for _, b := range breaks(was, schema) {
		if !strings.Contains(changelog, "`"+b.thing+"`") {
			t.Errorf("%s %s: that breaks clients; if it has to be, say so in CHANGELOG.md with its name in backticks", b.thing, b.what)
		}
	}
	switch {
	case t.Failed() || read(t, golden) == now:
	case *update:
		if err := os.WriteFile(golden, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the schema has changed: go test ./graph -run Golden -update writes %s anew", golden)
	}
}

// The comparison itself: what it must notice, and what it must let pass.
func TestBreakingChangesAreNoticed(t *testing.T) {
	t.Parallel()
	const before = `
		type Query { a(x: Int, y: Int = 1): T  b: [E!]! }
		type T implements N { id: ID! n: Int }
		interface N { id: ID! }
		enum E { ONE TWO }
		input I { a: Int b: Int! }
		scalar S`
	for _, c := range []struct{ from, to, want string }{
		{"n: Int }", "n: Int m: Int }", ""},
		{"a: Int b: Int! }", "a: Int b: Int }", ""},
		{"n: Int }", "n: Int! }", ""}, // an answer that is never null is still an answer
		{"TWO }", "TWO THREE }", ""},
		{"x: Int,", "x: Int, z: Int,", ""},
		{"n: Int }", "}", "T.n is gone"},
		{"n: Int }", "n: Float }", "T.n was Int and is Float"},
		{"b: [E!]!", "b: [E!]", "Query.b was [E!]! and is [E!]"},
		{"ONE TWO", "ONE", "E.TWO is gone"},
		{"x: Int,", "", "Query.a(x) is gone"},
		{"x: Int,", "x: Int!,", "Query.a(x) was Int and is Int!"},
		{"x: Int,", "x: Int, z: Int!,", "Query.a(z) is required now"},
		{"y: Int = 1", "y: Int = 2", "Query.a(y) has another default"},
		{"a: Int b", "a: Int c: Int! b", "I.c is required now"},
		{"a: Int b", "a: String b", "I.a was Int and is String"},
		{"scalar S", "", "S is gone"},
		{"implements N", "", "T is no N any more"},
		{"input I {", "type I {", "I was INPUT_OBJECT and is OBJECT"},
	} {
		load := func(text string) *ast.Schema {
			s, err := gqlparser.LoadSchema(&ast.Source{Input: text})
			if err != nil {
				t.Fatalf("%s → %s: %v", c.from, c.to, err)
			}
			return s
		}
		list := breaks(load(before), load(strings.Replace(before, c.from, c.to, 1)))
		got := []string{}
		for _, b := range list {
			got = append(got, b.thing+" "+b.what)
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s → %s: noticed %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

type broken struct{ thing, what string }

// breaks lists what a client of one schema could miss in another.
func breaks(was, is *ast.Schema) (list []broken) {
	note := func(thing, format string, args ...any) {
		list = append(list, broken{thing, fmt.Sprintf(format, args...)})
	}
	for name, a := range was.Types {
		b := is.Types[name]
		switch {
		case a.BuiltIn:
		case b == nil:
			note(name, "is gone")
		case a.Kind != b.Kind:
			note(name, "was %s and is %s", a.Kind, b.Kind)
		default:
			for _, v := range a.EnumValues {
				if b.EnumValues.ForName(v.Name) == nil {
					note(name+"."+v.Name, "is gone")
				}
			}
			for _, n := range slices.Concat(a.Interfaces, a.Types) {
				if !slices.Contains(slices.Concat(b.Interfaces, b.Types), n) {
					note(name, "is no %s any more", n)
				}
			}
			breaksOfFields(name, a, b, note)
		}
	}
	slices.SortFunc(list, func(a, b broken) int { return strings.Compare(a.thing, b.thing) })
	return list
}

func breaksOfFields(name string, a, b *ast.Definition, note func(thing, format string, args ...any)) {
	isInput := a.Kind == ast.InputObject
	for _, f := range a.Fields {
		thing := name + "." + f.Name
		g := b.Fields.ForName(f.Name)
		switch {
		case g == nil:
			note(thing, "is gone")
		case isInput && !fits(f.Type, g.Type), !isInput && !fits(g.Type, f.Type):
			note(thing, "was %s and is %s", f.Type, g.Type)
		case isInput && text(f.DefaultValue) != text(g.DefaultValue):
			note(thing, "has another default")
		}
		if g == nil {
			continue
		}
		for _, arg := range f.Arguments {
			thing, now := name+"."+f.Name+"("+arg.Name+")", g.Arguments.ForName(arg.Name)
			switch {
			case now == nil:
				note(thing, "is gone")
			case !fits(arg.Type, now.Type):
				note(thing, "was %s and is %s", arg.Type, now.Type)
			case text(arg.DefaultValue) != text(now.DefaultValue):
				note(thing, "has another default")
			}
		}
		for _, arg := range g.Arguments {
			if f.Arguments.ForName(arg.Name) == nil && arg.Type.NonNull && arg.DefaultValue == nil {
				note(name+"."+f.Name+"("+arg.Name+")", "is required now")
			}
		}
	}
	for _, g := range b.Fields {
		if isInput && a.Fields.ForName(g.Name) == nil && g.Type.NonNull && g.DefaultValue == nil {
			note(name+"."+g.Name, "is required now")
		}
	}
}

// fits says whether a value of type a can stand where b is expected.
func fits(a, b *ast.Type) bool {
	if b.NonNull && !a.NonNull || (a.Elem == nil) != (b.Elem == nil) {
		return false
	}
	if a.Elem != nil {
		return fits(a.Elem, b.Elem)
	}
	return a.NamedType == b.NamedType
}

func text(v *ast.Value) string {
	if v == nil {
		return ""
	}
	return v.String()
}

// normalised writes a schema without descriptions, in alphabetical order.
func normalised(s *ast.Schema) string {
	var b bytes.Buffer
	formatter.NewFormatter(&b, formatter.WithoutDescription(), formatter.WithIndent("  ")).FormatSchema(s)
	return b.String()
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
