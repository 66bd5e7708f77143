package graph_test

import (
	"strings"
	"testing"

	"github.com/mesapartes/mesa/internal/testkit"
)

// What is wrong with a text or its variables is told without the values: one of them may be a password, and answers end up in consoles.
func TestErrorsDoNotRepeatWhatTheClientWrote(t *testing.T) {
	const secret = "hunter2"
	signIn := func(input string) request {
		return request{query: `mutation { signIn(input: ` + input + `) { viewer { user { id } } } }`}
	}
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	for name, q := range map[string]request{
		"a field too many":             signIn(`{email: "a", password: "hunter2", x: 1}`),
		"a field too few":              signIn(`{password: "hunter2"}`),
		"a list instead of an object":  signIn(`[{email: "a", password: "hunter2"}]`),
		"a text instead of an object":  signIn(`"hunter2"`),
		"a block instead of an object": signIn(`"""hunter2 "quoted" value: x"""`),
		"an object instead of a text":  signIn(`{email: "a", password: {x: "hunter2"}}`),
		"a list instead of a text":     signIn(`{email: "a", password: ["hunter2"]}`),
		"a name instead of a text":     signIn(`{email: "a", password: hunter2}`),
		"a number instead of a text":   signIn(`{email: "hunter2", password: 5}`),
		"null":                         signIn(`{email: null, password: "hunter2"}`),
		"no colon":                     signIn(`{email: "a", password "hunter2"}`),
		"no colon before a name":       signIn(`{email: "a", password hunter2}`),
		"no brace":                     signIn(`{email: "a", password: "hunter2"`),
		"a wrong escape":               signIn(`{email: "a", password: "\u12hunter2"}`),
		"a short escape":               signIn(`{email: "a", password: "\xhunter2"}`),
		"a text without an end":        signIn(`{email: "a", password: "hunter2`),
		"a text beside it all":         {query: `query { viewer { user { id } } } "hunter2"`},
		"a name beside it all":         {query: `query { viewer { user { id } } } hunter2`},
		"a name instead of a type":     {query: `fragment hunter2 "on hunter2" Query { viewer { user { id } } }`},
		"a default of another type":    {query: `mutation($p: Int = "hunter2") { signIn(input: {email: "a", password: $p}) { viewer { user { id } } } }`},
		"no value of an enum":          {query: `{ documents(filter: {states: [hunter2]}) { nodes { id } } }`},
		"a text for an enum":           {query: `{ documents(filter: {states: ["hunter2"]}) { nodes { id } } }`},
		"a text for a number":          {query: `{ documents(first: "hunter2") { nodes { id } } }`},
		"a text for a boolean":         {query: `{ documents @include(if: "hunter2") { nodes { id } } }`},
		"a variable that is no object": {query: `mutation($i: SignInInput!) { signIn(input: $i) { viewer { user { id } } } }`, variables: map[string]any{"i": secret}},
		"a variable with a field too many": {query: `mutation($i: SignInInput!) { signIn(input: $i) { viewer { user { id } } } }`,
			variables: map[string]any{"i": map[string]any{"email": "a", "password": secret, "x": secret}}},
		"a variable with another type": {query: `mutation($i: SignInInput!) { signIn(input: $i) { viewer { user { id } } } }`,
			variables: map[string]any{"i": map[string]any{"email": "a", "password": []string{secret}}}},
		"a variable for an enum": {query: `query($s: [DocumentState!]) { documents(filter: {states: $s}) { nodes { id } } }`, variables: map[string]any{"s": []string{secret}}},
		"a variable for a date":  {query: `query($d: Date) { documents(filter: {filedOn: {from: $d}}) { nodes { id } } }`, variables: map[string]any{"d": secret}},
	} {
		got := w.post(t, q)
		if !strings.Contains(got.body, `"errors"`) {
			t.Errorf("%s: nothing is wrong: %s", name, got.body)
		}
		if strings.Contains(got.body, secret) {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	if strings.Contains(w.log.String(), secret) {
		t.Errorf("logged: %s", w.log)
	}
}
