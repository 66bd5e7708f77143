package graph_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/internal/testkit"
)

// sameByTheExecutor asks once more without writers: the answer has to be the same, byte for byte, with as many statements.
func (w *world) sameByTheExecutor(t *testing.T, q request, a answer) {
	t.Helper()
	w.web.Resolver.NoWriters = true
	defer func() { w.web.Resolver.NoWriters = false }()
	if b := w.ask(t, q); !bytes.Equal(a.body, b.body) || a.statements != b.statements {
		t.Errorf("writers, %d statements: %s\nthe executor, %d: %s\n%s", a.statements, a.body, b.statements, b.body, q.query)
	}
}

// Whatever is selected of documents, alone or in a page, is written as the executor marshals it.
func TestWritersAnswerAsTheExecutorDoes(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "history", prepare(400, relate)))
	w.relateAccounts(t)
	token, logistics := w.token("auditor"), string(w.area(t, "LOG"))
	for _, root := range roots {
		for _, r := range relations(root.list, root.of) {
			q := request{query: strings.NewReplacer("{n}", "5", "{logistics}", logistics).Replace(r.query), token: token}
			w.sameByTheExecutor(t, q, w.must(t, q))
		}
	}
	first := lookUp(any(w.must(t, request{query: "{ documents(first: 1) { nodes { id } } }", token: token}).data), "documents.nodes.0.id")
	for _, selection := range []string{
		"__typename id ... on Document { id: id fileNumber a: subject b: subject } ... on Node { id }",
		"... on Document { dueOn due: dueOn tags type { code } type { name } } ...F",
		"... on Document { derivations(first: 0) { totalCount } legs: derivations(first: 2) { edges { cursor } pageInfo { hasNextPage } } }",
		"... on Document { derivations(first: 1, after: \"nothing\") { totalCount } }",
		"... on Document { related { related { id } } subject @skip(if: true) state @include(if: true) }",
		"... on Derivation { id }",
	} {
		q := request{query: fmt.Sprintf("{ node(id: %q) { %s } } fragment F on Document { type { id } light }", first, selection), token: token}
		if !strings.Contains(selection, "...F") {
			q.query, _, _ = strings.Cut(q.query, " fragment")
		}
		w.sameByTheExecutor(t, q, w.ask(t, q))
	}
}

// A page whose items are in memory takes a fraction of what the executor allocates for it.
func TestWritersWrite(t *testing.T) {
	w := open(t, testkit.SQLiteClone(t, "history", prepare(400, relate)))
	token := w.token("jefe.mesa")
	cost := func(selection string) (with, without float64) {
		body := ofQuery("{ documents(first: 100) { nodes { " + selection + " } } }")
		ask := func() {
			if rec := w.sent(t, token, body); rec.Code != http.StatusOK {
				t.Fatal(rec.Body)
			}
		}
		with = testing.AllocsPerRun(5, ask)
		w.web.Resolver.NoWriters = true
		defer func() { w.web.Resolver.NoWriters = false }()
		return with, testing.AllocsPerRun(5, ask)
	}
	for _, selection := range []string{
		"id fileNumber subject state registeredAt dueOn light type { code name } currentArea { name } registeredBy { fullName } sender { name }",
		"id derivations(first: 5) { nodes { number state toArea { name } sentBy { fullName } } }",
		"id timeline(first: 5) { nodes { at type text actor { name } } }",
	} {
		with, without := cost(selection)
		t.Logf("%.0f allocations, the executor %.0f: %s", with, without, selection)
		if with > 0.7*without {
			t.Errorf("%.0f allocations, the executor %.0f: %s", with, without, selection)
		}
	}
}
