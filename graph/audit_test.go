package graph_test

import (
	"testing"

	"github.com/mesapartes/mesa/internal/testkit"
)

const auditTrail = `query($filter: AuditFilter) { auditEntries(filter: $filter, first: 200) { totalCount nodes {
	id at type text reason actorId documentId document { id } changes { field before after } actor { name } seal { seq prevHash hash sealedAt } } }
	verifyAudit { ok count unsealed headSeq headHash firstBroken { seq reason } } auditCheckpoints { nodes { seq } } }`

// Auditors read the audit trail with its seals. Administrators do, too, but not what it says of confidential documents; nobody else does, and
// that they tried is in it.
func TestTheAuditTrailIsForAuditors(t *testing.T) {
	eachHistory(t, func(t *testing.T, url string) {
		t.Parallel()
		w := open(t, url)
		for _, who := range []string{"mesa1", "jefe.mesa", "consulta"} {
			for _, field := range []string{"auditEntries { totalCount }", "verifyAudit { ok }", "auditCheckpoints { totalCount }"} {
				if a := w.ask(t, request{query: "{ " + field + " }", token: w.token(who)}); len(a.errors) != 1 || lookUp(a.errors[0], "extensions.code") != "FORBIDDEN" {
					t.Errorf("%s asks for %s: %s", who, field, a.body)
				}
			}
		}
		testkit.Certain(t, w.db)
		for more := true; more; {
			var err error
			if _, more, err = w.db.SealEvents(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		denied := w.must(t, request{query: auditTrail, token: w.token("auditor"), variables: map[string]any{"filter": map[string]any{"types": []any{"access.denied"}}}})
		if n := lookUp(any(denied.data), "auditEntries.totalCount"); n != 9.0 {
			t.Errorf("%v denials: %s", n, denied.body)
		}
		if lookUp(any(denied.data), "verifyAudit.ok") != true || lookUp(any(denied.data), "verifyAudit.headSeq") == 0.0 || lookUp(any(denied.data), "verifyAudit.firstBroken") != nil {
			t.Errorf("the chain: %v", denied.data["verifyAudit"])
		}
		entries := lookUp(any(denied.data), "auditEntries.nodes").([]any)
		for i, e := range entries[1:] {
			if lookUp(e, "seal.hash") == nil || lookUp(entries[i], "id").(string) <= lookUp(e, "id").(string) {
				t.Errorf("%v follows %v", e, entries[i])
			}
		}

		secret := lookUp(any(w.must(t, request{query: `{ documents(first: 1, filter: {confidentiality: [CONFIDENTIAL]}) { nodes { id } } }`, token: w.token("auditor")}).data), "documents.nodes").([]any)[0]
		about := map[string]any{"filter": map[string]any{"documentId": lookUp(secret, "id"), "types": []any{"document."}}}
		for who, shown := range map[string]bool{"auditor": true, "admin": false} {
			a := w.must(t, request{query: auditTrail, token: w.token(who), variables: about})
			nodes := lookUp(any(a.data), "auditEntries.nodes").([]any)
			if len(nodes) == 0 {
				t.Fatalf("%s finds nothing", who)
			}
			for _, n := range nodes {
				if (lookUp(n, "text") != nil) != shown || (lookUp(n, "document") != nil) != shown || (lookUp(n, "changes") != nil) != shown || lookUp(n, "documentId") == nil {
					t.Errorf("%s sees %v", who, n)
				}
			}
		}
	})
}
