package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// machine creates an API key and returns its holder and secret.
func (w *world) machine(t *testing.T, scopes []mesa.KeyScope, desks ...string) (*mesa.Actor, string) {
	t.Helper()
	in := desk.CreateAPIKeyInput{Name: "ERP", Scopes: scopes}
	for _, code := range desks {
		in.AreaIDs = append(in.AreaIDs, w.area(t, code))
	}
	_, secret, err := w.desk.CreateAPIKey(t.Context(), w.system(t), in)
	if err != nil {
		t.Fatal(err)
	}
	by, err := w.db.Actor(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return by, secret
}

// handIn lets a machine hand in a document.
func (w *world) handIn(t *testing.T, by *mesa.Actor, externalID string) *mesa.Document {
	t.Helper()
	doc, _, err := w.desk.Submit(t.Context(), by, desk.SubmitDocumentInput{
		ExternalID: externalID, TypeCode: "SOL", Subject: "Solicita información", Sender: desk.SenderInput{Kind: mesa.PersonParty, IDType: mesa.NoID, Name: "Una persona"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// some is a valid value of an input type, as it is written in an operation.
func some(typ *ast.Type) string {
	if typ.Elem != nil {
		return "[" + some(typ.Elem) + "]"
	}
	def := schema.Types[typ.NamedType]
	switch {
	case def.Kind == ast.Enum:
		return def.EnumValues[0].Name
	case def.Directives.ForName("oneOf") != nil:
		return "{" + def.Fields[0].Name + ": " + some(def.Fields[0].Type) + "}"
	case def.Kind == ast.InputObject:
		given := []string{}
		for _, f := range def.Fields {
			if f.Type.NonNull && f.DefaultValue == nil {
				given = append(given, f.Name+": "+some(f.Type))
			}
		}
		return "{" + strings.Join(given, ", ") + "}"
	}
	switch typ.NamedType {
	case "Int", "Float":
		return "1"
	case "Boolean":
		return "true"
	case "Date":
		return `"2026-11-24"`
	case "DateTime":
		return `"2026-11-24T15:00:00Z"`
	}
	return `"something"`
}

// call is a valid operation that asks for one root field.
func call(kind ast.Operation, f *ast.FieldDefinition) string {
	arguments := []string{}
	for _, a := range f.Arguments {
		if a.Type.NonNull && a.DefaultValue == nil {
			arguments = append(arguments, a.Name+": "+some(a.Type))
		}
	}
	text := string(kind) + " { " + f.Name
	if len(arguments) > 0 {
		text += "(" + strings.Join(arguments, ", ") + ")"
	}
	if def := schema.Types[f.Type.Name()]; def.IsCompositeType() {
		text += " { __typename }"
	}
	return text + " }"
}

// Whatever root field there is or will be: a machine may ask for it only if the schema says so.
func TestMachinesAreRefusedWhateverIsNotOpenedToThem(t *testing.T) {
	t.Parallel()
	w := caching(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)), newClock(), cache.Options{})
	_, everything := w.machine(t, mesa.KeyScopes, "MP")
	_, submitter := w.machine(t, []mesa.KeyScope{mesa.ScopeSubmit}, "MP")
	people, server := w.token("admin"), w.listening(t)
	open := map[string]mesa.KeyScope{"document": mesa.ScopeStatus, "documents": mesa.ScopeStatus, "documentChanged": mesa.ScopeStatus, "submitDocument": mesa.ScopeSubmit, "service": mesa.ScopeSubmit}
	asked := 0
	for kind, def := range map[ast.Operation]*ast.Definition{ast.Query: schema.Query, ast.Mutation: schema.Mutation, ast.Subscription: schema.Subscription} {
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") || f.Directives.ForName("public") != nil {
				continue
			}
			asked++
			query := call(kind, f)
			if kind == ast.Query {
				w.post(t, request{query: query, token: people}) // by now it is known, and kept if it can be
			}
			for token, may := range map[string]bool{everything: open[f.Name] != "", submitter: open[f.Name] == mesa.ScopeSubmit} {
				if kind == ast.Subscription {
					s := overSSE(t, server, token, query, nil)
					if m, _ := s.next(t); (codeOf(answer{errors: m.errors}) == "FORBIDDEN") == may || m.data != nil {
						t.Errorf("%s: %v", query, m)
					}
					s.close()
					continue
				}
				got := w.post(t, request{query: query, token: token})
				if forbidden := strings.Contains(got.body, `"code":"FORBIDDEN"`); forbidden == may || !may && strings.Contains(got.body, `"data"`) || got.cache() == "HIT" {
					t.Errorf("%s: %s %.300s", query, got.cache(), got.body)
				}
			}
		}
	}
	if asked < 40 {
		t.Errorf("asked for %d root fields only", asked)
	}
}

// Of its documents a machine sees what concerns the sender, in whatever way it asks.
func TestMachinesDoNotSeeInside(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		w := open(t, url)
		by, secret := w.machine(t, mesa.KeyScopes, "MP")
		doc := w.handIn(t, by, "1")
		ask := func(query string) answer { return w.ask(t, request{query: query, token: secret}) }
		for _, inside := range []string{
			"notes", "tags", "availableActions", "related { id }", "registeredBy { email }", "assignee { id }", "currentArea { head { fullName } }", "derivations { totalCount }",
			"derivations { nodes { instructions } }", "timeline { totalCount }", "timeline { edges { cursor } }", "archiveRecords { physicalPlace }", "n: notes",
		} {
			for _, query := range []string{
				fmt.Sprintf(`{ document(by: {id: %q}) { state %s } }`, doc.ID, inside),
				fmt.Sprintf(`{ documents { nodes { ... on Document { ...x } } } } fragment x on Document { %s }`, inside),
				fmt.Sprintf(`mutation { submitDocument(input: {externalId: "2", typeCode: "SOL", subject: "Otra", sender: {kind: PERSON, name: "Alguien"}}) { document { %s } } }`, inside),
			} {
				if a := ask(query); !strings.Contains(string(a.body), `"code":"FORBIDDEN"`) || a.data != nil {
					t.Errorf("%s: %.300s", query, a.body)
				}
			}
		}
		outside := ask(`{ documents { totalCount pageInfo { endCursor } edges { cursor node { id fileNumber trackingCode state version channel submittedAt filedOn registeredAt desk { code } type { code categories { name } }
			category { name } sender { name idNumber } subject folios annexDescription externalNumber documentDate priority confidentiality dueOn dueSource light deadlineTrace { date }
			currentArea { name } currentAreas { name } attendedAt outcome voidReason notFiledReason notFiledText externalId } } } __schema { queryType { name } } }`)
		if len(outside.errors) > 0 || !strings.Contains(string(outside.body), `"totalCount":1`) {
			t.Errorf("%s", outside.body)
		}
	})
}

// A machine follows its documents and no others, until its key is revoked.
func TestAMachineFollowsItsDocument(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		for name, subscribe := range transports {
			t.Run(name, func(t *testing.T) {
				w := open(t, url)
				server := w.listening(t)
				by, secret := w.machine(t, mesa.KeyScopes, "MP")
				other, _ := w.machine(t, mesa.KeyScopes, "MP")
				its, others := w.handIn(t, by, "1"), w.handIn(t, other, "1")
				const follow = `subscription($id: ID!) { documentChanged(id: $id) { document { state version } } }`
				for _, c := range []struct {
					query, code string
					id          any
				}{
					{follow, "NOT_FOUND", others.ID}, {documentChanged, "FORBIDDEN", its.ID}, {trayChanged, "FORBIDDEN", w.area(t, "MP")},
				} {
					s := subscribe(t, server, secret, c.query, map[string]any{"id": c.id})
					m, ok := s.next(t)
					if got := codeOf(answer{errors: m.errors}); !ok || got != c.code {
						t.Errorf("%s: told %q %v, want %s", c.query, got, m, c.code)
					}
					s.close()
				}
				s := subscribe(t, server, secret, follow, map[string]any{"id": its.ID})
				heard := false
				for try := 0; !heard && try < 1200; try++ {
					w.note(t, its.ID, fmt.Sprint("cambio ", try))
					select {
					case m := <-s.messages:
						heard = len(m.errors) == 0
					case <-time.After(50 * time.Millisecond):
					}
				}
				doc, err := w.desk.RegisterSubmission(t.Context(), w.actor("mesa1"), desk.RegisterSubmissionInput{DocumentID: its.ID})
				if err != nil {
					t.Fatal(err)
				}
				version := func(m message) float64 {
					told, _ := lookUp(any(m.data), "documentChanged.document.version").(float64)
					return told
				}
				for heard := 0.0; heard < float64(doc.Version); {
					m, ok := s.next(t)
					if heard = version(m); !ok || heard == 0 {
						t.Fatalf("told %v", m)
					}
				}
				if _, err := w.desk.RevokeAPIKey(t.Context(), w.system(t), desk.RevokeAPIKeyInput{APIKeyID: by.Key.ID}); err != nil {
					t.Fatal(err)
				}
				w.note(t, its.ID, "la máquina ya no se entera")
				for m, ok := s.next(t); ok; m, ok = s.next(t) { // events of before the end may each have told of the version at that time
					if v := version(m); v == 0 || v > float64(doc.Version) {
						t.Fatalf("told %v after the end", m)
					}
				}
			})
		}
	})
}

// What is kept of people's answers is not given to machines, and what machines ask is not kept.
func TestKeysAndPeopleShareNothing(t *testing.T) {
	t.Parallel()
	w := caching(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)), newClock(), cache.Options{})
	by, secret := w.machine(t, mesa.KeyScopes, "MP")
	_, neighbour := w.machine(t, mesa.KeyScopes, "MP")
	w.handIn(t, by, "1")
	const query = `{ documents { totalCount } }`
	for range 3 {
		for token, want := range map[string]string{w.token("admin"): `"totalCount":1`, secret: `"totalCount":1`, neighbour: `"totalCount":0`, w.token("log1"): `"totalCount":0`} {
			got := w.post(t, request{query: query, token: token})
			if !strings.Contains(got.body, want) || mesa.IsKeySecret(token) && got.cache() != "BYPASS" {
				t.Errorf("%s %s, want %s", got.cache(), got.body, want)
			}
		}
	}
	if _, err := w.desk.RevokeAPIKey(t.Context(), w.system(t), desk.RevokeAPIKeyInput{APIKeyID: by.Key.ID}); err != nil {
		t.Fatal(err)
	}
	if got := w.post(t, request{query: query, token: secret}); got.status != http.StatusOK || !strings.Contains(got.body, "UNAUTHENTICATED") {
		t.Errorf("after the key was revoked: %s", got.body)
	}
}
