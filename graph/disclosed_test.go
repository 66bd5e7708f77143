package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// Each answer that says what is in a confidential document leaves an entry for it, from the cache or not; an answer about anything else leaves none.
func TestReadsOfConfidentialDocumentsAreRecorded(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		w := caching(t, url, newClock(), cache.Options{})
		connect(t, w.db)
		secret, open := w.register(t, "jefe.mesa", mesa.Confidential), w.register(t, "jefe.mesa", mesa.Restricted)
		entries := func(id mesa.DocumentID) (n int, last any) {
			a := w.must(t, request{query: `query($id: ID!) { auditEntries(filter: {documentId: $id, types: ["access.read"]}, first: 1) { totalCount nodes { type actorId text } } }`,
				variables: map[string]any{"id": id}, token: w.token("auditor")})
			if nodes := lookUp(any(a.data), "auditEntries.nodes").([]any); len(nodes) > 0 {
				last = lookUp(nodes[0], "actorId")
			}
			return int(lookUp(any(a.data), "auditEntries.totalCount").(float64)), last
		}
		auditor := string(w.actor("auditor").UserID)
		for _, c := range []struct {
			query string
			id    mesa.DocumentID
			by    string
			wants int
		}{
			{`query($id: ID!) { document(by: {id: $id}) { id subject sender { name } notes } }`, secret.ID, "auditor", 1},
			{`query($id: ID!) { node(id: $id) { ... on Document { ...Whole } } } fragment Whole on Document { notes }`, secret.ID, "auditor", 1},
			{`query($id: ID!) { nodes(ids: [$id, $id]) { ... on Document { sender { name } timeline(first: 1) { nodes { text } } } } }`, secret.ID, "auditor", 1},
			{`query($id: ID!) { one: node(id: $id) { ... on Document { subject } } documents(filter: {confidentiality: [CONFIDENTIAL]}) { nodes { subject } } }`, secret.ID, "auditor", 1},
			{`query($id: ID!) { node(id: $id) { id } documents(first: 10) { nodes { notes } } }`, secret.ID, "auditor", 1},
			{`{ documents(filter: {confidentiality: [CONFIDENTIAL]}) { nodes { subject sender { name } } } }`, secret.ID, "auditor", 0}, // as lists show it
			{`{ documents(filter: {confidentiality: [CONFIDENTIAL]}) { nodes { subject derivations(first: 1) { totalCount } } } }`, secret.ID, "auditor", 1},
			{`query($id: ID!) { node(id: $id) { ... on Document { id state filedOn dueOn } } documents(filter: {confidentiality: [CONFIDENTIAL]}) { totalCount } }`, secret.ID, "auditor", 0},
			{`query($id: ID!) { document(by: {id: $id}) { subject } }`, secret.ID, "mesa2", 1},
			{`mutation($id: ID!) { watchDocument(input: {documentId: $id}) { document { subject } } }`, secret.ID, "mesa2", 1},
			{`mutation($id: ID!) { watchDocument(input: {documentId: $id}) { document { id } } }`, secret.ID, "mesa2", 0},
			{`query($id: ID!) { document(by: {id: $id}) { subject notes } }`, open.ID, "auditor", 0},
			{`query($id: ID!) { node(id: $id) { ... on Document { subject } } }`, secret.ID, "log1", 0}, // who does not see it
		} {
			before, _ := entries(c.id)
			const times = 2 // the second time from the cache, if it were kept
			for range times {
				w.must(t, request{query: c.query, variables: map[string]any{"id": c.id}, token: w.token(c.by)})
			}
			after, last := entries(c.id)
			if after-before != times*c.wants || c.wants > 0 && c.by == "auditor" && last != auditor {
				t.Errorf("%s by %s left %d entries, want %d, the last one of %v", c.query, c.by, after-before, times*c.wants, last)
			}
		}
		shown := w.must(t, request{query: `query($id: ID!) { document(by: {id: $id}) { timeline(first: 50) { nodes { type } } } }`, variables: map[string]any{"id": secret.ID}, token: w.token("auditor")})
		if nodes := lookUp(any(shown.data), "document.timeline.nodes").([]any); len(nodes) != 1 {
			t.Errorf("the timeline shows %v", nodes)
		}
		token := w.token("jefe.mesa")
		testkit.Execute(t, url, "ALTER TABLE events RENAME TO elsewhere") // nothing can be recorded
		for query, code := range map[string]string{`query($id: ID!) { document(by: {id: $id}) { subject } }`: "INTERNAL", `query($id: ID!) { document(by: {id: $id}) { state } }`: ""} {
			a := w.ask(t, request{query: query, variables: map[string]any{"id": secret.ID}, token: token})
			if codeOf(a) != code || strings.Contains(string(a.body), secret.Subject) {
				t.Errorf("%s with nothing to record in: %s", query, a.body)
			}
		}
	})
}

// What a subscription tells is read, too.
func TestReadsByASubscriptionAreRecorded(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		w := open(t, url)
		server := w.listening(t)
		const query = `subscription($id: ID!) { documentChanged(id: $id) { event { id } document { subject } } }`
		for name, subscribe := range transports {
			for grade, isRecorded := range map[mesa.Confidentiality]bool{mesa.Confidential: true, mesa.Restricted: false} {
				doc := w.register(t, "jefe.mesa", grade)
				s := subscribe(t, server, w.token("jefe.mesa"), query, map[string]any{"id": doc.ID})
				for heard, try := false, 0; !heard; try++ {
					w.note(t, doc.ID, fmt.Sprint("cambio ", try))
					select {
					case m, ok := <-s.messages:
						if heard = true; !ok || lookUp(any(m.data), "documentChanged.document.subject") != doc.Subject {
							t.Fatalf("told %v %v", m.data, m.errors)
						}
					case <-time.After(50 * time.Millisecond):
						if try == 1200 {
							t.Fatal("nothing is told")
						}
					}
				}
				a := w.must(t, request{query: `query($id: ID!) { auditEntries(filter: {documentId: $id, types: ["access.read"]}) { totalCount } }`, variables: map[string]any{"id": doc.ID}, token: w.token("auditor")})
				if n := lookUp(any(a.data), "auditEntries.totalCount").(float64); n > 0 != isRecorded {
					t.Errorf("%s told of what is %s: %v entries", name, grade, n)
				}
				s.close()
			}
		}
	})
}
