package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// What would cost more than an operation may is refused before anything is looked up.
func TestCostlyOperationsAreRefused(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	token := w.token("jefe.mesa")
	nest := func(n int) string {
		return "{ node(id: \"x\") { ... on Derivation { " + "document { " + strings.Repeat("related { ", n) + "id" + strings.Repeat(" }", n) + " } } } }"
	}
	for _, c := range []struct {
		name, query string
		variables   map[string]any
		code        string // "" when it has to be answered
	}{
		{"as deep as it gets", nest(11), nil, ""},
		{"too deep", nest(13), nil, "LIMIT_EXCEEDED"},
		{"too deep through fragments", "{ ...A } fragment A on Query { node(id: \"x\") { ...B } } fragment B on Derivation { " +
			"document { " + strings.Repeat("related { ", 13) + "id" + strings.Repeat(" }", 13) + " } }", nil, "LIMIT_EXCEEDED"},
		{"a large page", "{ documents(first: 200) { nodes { id type { name } derivations(first: 10) { nodes { id toArea { name } } } } } }", nil, ""},
		{"too large a page", "{ documents(first: 200) { nodes { derivations(first: 200) { nodes { id } } timeline(first: 200) { nodes { id } } } } }", nil, "LIMIT_EXCEEDED"},
		{"too large by variables", "query($n: Int!) { documents(first: $n) { nodes { derivations(first: $n) { nodes { id number } } } } }", map[string]any{"n": 200}, "LIMIT_EXCEEDED"},
		{"too large by the default of a variable", "query($n: Int = 200) { documents(first: $n) { nodes { derivations(first: $n) { nodes { id number } } } } }", nil, "LIMIT_EXCEEDED"},
		{"small by variables", "query($n: Int!) { documents(first: $n) { nodes { derivations(first: $n) { nodes { id number } } } } }", map[string]any{"n": 20}, ""},
		{"too large by aliases", "{ " + aliases(15, "documents(first: 200) { nodes { id a: subject b: subject c: subject d: subject e: subject f: subject g: subject h: subject i: subject j: subject k: subject l: subject m: subject n: subject o: subject p: subject q: subject } }") + " }", nil, "LIMIT_EXCEEDED"},
		{"too large from the end", "{ documents(last: 200) { nodes { derivations(first: 200) { nodes { id number } } } } }", nil, "LIMIT_EXCEEDED"},
		{"a page out of range costs as much as the largest", "{ documents(first: 2000000000) { nodes { derivations(first: 2000000000) { nodes { id number } } } } }", nil, "LIMIT_EXCEEDED"},
		{"many ids", "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Document { derivations(first: 200) { nodes { id number state } } } } }", map[string]any{"ids": make([]string, 100)}, "LIMIT_EXCEEDED"},
		{"deferred", "{ documents { nodes { id ... @defer { subject } } } }", nil, "VALIDATION_FAILED"},
		{"a deferred fragment", "{ documents { nodes { id ...F @defer } } } fragment F on Document { subject }", nil, "VALIDATION_FAILED"},
		{"deferred inside of a fragment", "{ ...F } fragment F on Query { documents { nodes { id ... @defer { subject } } } }", nil, "VALIDATION_FAILED"},
		{"too long a text", "{ " + aliases(700, "viewer { __typename }") + " }", nil, "LIMIT_EXCEEDED"},
		{"introspection without end", "{ __schema { types { " + strings.Repeat("fields { type { ", 30) + "name" + strings.Repeat(" } }", 30) + " } } }", nil, "GRAPHQL_VALIDATION_FAILED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			a := w.ask(t, request{query: c.query, variables: c.variables, token: token})
			if took := time.Since(start); took > allowed {
				t.Errorf("took %v", took)
			}
			switch {
			case c.code == "" && len(a.errors) > 0:
				t.Errorf("refused: %s", a.body)
			case c.code != "" && codeOf(a) != c.code:
				t.Errorf("want %s, got %.300s", c.code, a.body)
			case c.code != "" && a.statements > 1: // who asks is one
				t.Errorf("took %d statements to be refused", a.statements)
			}
			if strings.Contains(string(a.body), "INTERNAL") {
				t.Errorf("an internal error: %s", a.body)
			}
		})
	}
}

// Spreading each fragment twice makes a text of a few kilobytes stand for 2ⁿ fields.
func TestChainedFragmentsAreCheap(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	token := w.token("jefe.mesa")
	for _, who := range []string{token, ""} {
		for _, n := range []int{20, 40, 60} {
			var b strings.Builder
			b.WriteString("{ ...F0 }")
			for i := range n {
				fmt.Fprintf(&b, " fragment F%d on Query { ...F%d ...F%d }", i, i+1, i+1)
			}
			fmt.Fprintf(&b, " fragment F%d on Query { viewer { user { id } } }", n)
			start := time.Now()
			a := w.ask(t, request{query: b.String(), token: who})
			if took := time.Since(start); took > allowed {
				t.Errorf("%d fragments took %v", n, took)
			}
			if a.status == http.StatusInternalServerError || len(a.body) == 0 {
				t.Errorf("%d fragments: %d %s", n, a.status, a.body)
			}
		}
	}
}

// allowed is what an answer or a refusal may take. It needs some ms on a machine with nothing else to do; what doubles for each fragment takes
// days.
const allowed = 20 * time.Second

func aliases(n int, field string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d: %s ", i, field)
	}
	return b.String()
}

// codeOf is the code of the first error.
func codeOf(a answer) string {
	if len(a.errors) == 0 {
		return ""
	}
	code, _ := lookUp(a.errors[0], "extensions.code").(string)
	return code
}

// Where strangers may not explore the schema, errors do not tell its names to those who guess.
func TestErrorsDoNotHelpToGuess(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	guesses := []string{
		`{ viewr { user { id } } }`, `{ viewer { usr { id } } }`, `{ documents(frst: 1) { nodes { id } } }`, `{ documents(filter: { stats: [ARCHIVED] }) { totalCount } }`,
		`{ documents(filter: { states: [ARCHIVD] }) { totalCount } }`, `query($x: DocumentFiltr) { documents(filter: $x) { totalCount } }`, `{ node(id: "x") { ... on Documnt { id } } }`,
		`mutation { sigIn(input: { email: "x", password: "y" }) { token } }`, `{ viewer @skp(if: true) { user { id } } }`,
	}
	suggested := 0
	for _, production := range []bool{false, true} {
		w.web.Introspection = !production
		w.handler = w.web.Handler()
		for _, guess := range guesses {
			a := w.ask(t, request{query: guess})
			if len(a.errors) == 0 {
				t.Errorf("%s is answered: %s", guess, a.body)
			}
			switch suggests := strings.Contains(string(a.body), "Did you mean"); {
			case production && suggests:
				t.Errorf("%s: %s", guess, a.body)
			case suggests:
				suggested++
			}
		}
	}
	if suggested < 4 {
		t.Errorf("in development %d of %d guesses are helped", suggested, len(guesses))
	}
}

// A filter with long lists is refused, one with as much as is allowed works on both databases.
func TestListsInFiltersHaveABound(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		w := open(t, url)
		lists := 0
		for _, field := range schema.Types["DocumentFilter"].Fields {
			if field.Type.Elem == nil {
				continue
			}
			lists++
			value := "x"
			if enum := schema.Types[field.Type.Elem.NamedType]; len(enum.EnumValues) > 0 {
				value = enum.EnumValues[0].Name
			}
			ask := func(n int) answer {
				return w.ask(t, request{
					query:     `query($filter: DocumentFilter!) { documents(filter: $filter, first: 1) { totalCount } }`,
					variables: map[string]any{"filter": map[string]any{field.Name: slices.Repeat([]string{value}, n)}}, token: w.token("admin"),
				})
			}
			if a := ask(mesa.MaxFilterValues); len(a.errors) > 0 {
				t.Errorf("%s: %s", field.Name, a.body)
			}
			if a := ask(mesa.MaxFilterValues + 1); codeOf(a) != string(mesa.LimitExceeded) || lookUp(a.errors[0], "extensions.field") != "filter."+field.Name {
				t.Errorf("%s: %s", field.Name, a.body)
			}
		}
		if lists < 9 {
			t.Errorf("only %d lists", lists)
		}
	})
}
