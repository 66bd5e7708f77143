package graph_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/mesa"
)

const explainQuery = `query Explain($query: String!, $variables: JSON) {
	explain(query: $query, variables: $variables) { errors durationMs statements { sql field durationMs rows plan advice { severity text } } }
}`

// A query is explained with all that it causes: the statement of the list, and that of each loader.
func TestExplain(t *testing.T) {
	eachHistory(t, func(t *testing.T, url string) {
		t.Parallel()
		w := newWorld(t, url, newClock(), nil, db.Options{Cause: graph.Cause})
		explain := func(who, query string, variables map[string]any) string {
			return w.post(t, request{query: explainQuery, variables: map[string]any{"query": query, "variables": variables}, token: w.token(who)}).body
		}
		var statements []*mesa.ExplainedStatement
		for try := 0; len(statements) != 3; try++ {
			body := explain("admin", `query Inbox($n: Int!) { documents(first: $n) { nodes { subject derivations(first: 2) { nodes { number } } timeline(first: 2) { edges { cursor } } } } }`, map[string]any{"n": 10})
			var a struct {
				Data struct{ Explain mesa.Explanation }
			}
			err := json.Unmarshal([]byte(body), &a)
			if statements = a.Data.Explain.Statements; err != nil || len(statements) < 3 || len(statements) > 3 && try == 5 { // a loader waits for a moment, in which a busy machine may not have all keys
				t.Fatalf("%v %s", err, body)
			}
		}
		for _, s := range statements {
			if s.Field != "documents" || s.Plan == "" || s.Rows == 0 || s.DurationMs <= 0 || !strings.Contains(s.SQL, "SELECT") {
				t.Errorf("explained %+v", s)
			}
		}

		for query, want := range map[string]string{
			`mutation { signOut { ok } }`: `"code":"VALIDATION_FAILED"`,
			`{ nothing }`:                 `Cannot query field`,
			`{ explain(query: "{ viewer { user { id } } }") { errors } }`: `"errors":["Una explicación no se explica."]`,
			`{ documents(first: 500) { nodes { id } } }`:                  `"errors":["Una página tiene 200`,
			`subscription { myReportsUpdated { id } }`:                    `"code":"VALIDATION_FAILED"`,
		} {
			if body := explain("admin", query, nil); !strings.Contains(body, want) {
				t.Errorf("%s: %s", query, body)
			}
		}
		if body := explain("jefe.mesa", "{ documents { totalCount } }", nil); !strings.Contains(body, `"code":"FORBIDDEN"`) {
			t.Errorf("others are told %s", body)
		}
	})
}

// What was slow is told to administrators, with the operation and the field or loader for which it ran.
func TestSlowQueries(t *testing.T) {
	eachHistory(t, func(t *testing.T, url string) {
		t.Parallel()
		w := newWorld(t, url, newClock(), nil, db.Options{SlowAt: time.Nanosecond, Cause: graph.Cause})
		ask := func(who, query string) string { return w.post(t, request{query: query, token: w.token(who)}).body }
		ask("admin", `query Inbox { documents(first: 3) { nodes { subject } } }`)
		for _, field := range []string{"slowQueries", "queryStats"} {
			body := ask("admin", `query Slow { stats: `+field+`(first: 200) { fingerprint sql operation field count slow failed rows totalMs meanMs p95Ms maxMs lastSeenAt } }`)
			if !strings.Contains(body, `"operation":"Inbox","field":"documents","count":1,"slow":1,"failed":0,"rows":4,`) {
				t.Errorf("%s: %s", field, body)
			}
			for _, c := range []struct{ who, query, want string }{
				{"jefe.mesa", `{ ` + field + ` { sql } }`, `"code":"FORBIDDEN"`},
				{"admin", `{ ` + field + `(first: 0) { sql } }`, `"field":"first"`},
				{"admin", `{ ` + field + `(first: 201) { sql } }`, `"field":"first"`},
				{"admin", `{ slowQueries(days: 30) { sql } }`, `"field":"days"`},
			} {
				if body := ask(c.who, c.query); !strings.Contains(body, c.want) {
					t.Errorf("%s by %s: %s", c.query, c.who, body)
				}
			}
		}
	})
}
