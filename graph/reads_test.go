package graph_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
)

// Each field of documents, legs and events, asked for alone, is what it is when whole rows are read.
func TestAFieldAloneIsMadeFromWhatItReads(t *testing.T) {
	eachHistory(t, func(t *testing.T, url string) {
		t.Parallel()
		w := open(t, url)
		token, types := w.token("auditor"), schema.Types
		for _, of := range []struct{ name, query string }{
			{"Document", "{ documents(first: 200, orderBy: { field: FILE_NUMBER, direction: ASC }) { nodes { %s } } }"},
			{"Derivation", "{ documents(first: 200, orderBy: { field: FILE_NUMBER, direction: ASC }) { nodes { derivations(first: 3) { nodes { %s } } } } }"},
			{"Event", "{ documents(first: 200, orderBy: { field: FILE_NUMBER, direction: ASC }) { nodes { timeline(first: 3) { nodes { %s } } } } }"},
		} {
			same := []string{}
			for _, field := range types[of.name].Fields {
				text := field.Name
				if field.Arguments.ForName("first") != nil {
					text += "(first: 3)"
				}
				q := request{query: fmt.Sprintf(of.query, text+leavesOf(types[field.Type.Name()])), token: token}
				a := w.must(t, q)
				w.sameByTheExecutor(t, q, a)
				if isOneValue(a.body, field.Name) {
					same = append(same, field.Name)
				}
			}
			if len(same) > 9 { // what only submissions, voided documents and the like have
				t.Errorf("%s: fields with one value in all rows prove little: %v", of.name, same)
			}
		}
	})
}

// leavesOf selects the fields without arguments of a type that have no fields themselves, and the nodes of a connection.
func leavesOf(def *ast.Definition) string {
	var leaves []string
	for _, f := range def.Fields {
		switch below := schema.Types[f.Type.Name()]; {
		case f.Name == "nodes":
			leaves = append(leaves, f.Name+leavesOf(below))
		case len(f.Arguments) == 0 && below.IsLeafType() && !strings.HasPrefix(f.Name, "__"):
			leaves = append(leaves, f.Name)
		}
	}
	if len(leaves) == 0 {
		return ""
	}
	return " { " + strings.Join(leaves, " ") + " }"
}

// isOneValue says that a field which was asked for alone is the same everywhere in an answer.
func isOneValue(body []byte, field string) bool {
	values := bytes.Split(body, []byte(`{"`+field+`":`))[1:]
	for _, v := range values[1:] {
		if !bytes.Equal(bytes.TrimRight(v, "]},"), bytes.TrimRight(values[0], "]},")) {
			return false
		}
	}
	return true
}
