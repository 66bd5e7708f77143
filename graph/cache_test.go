package graph_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// caching opens a world whose answers are kept, as mesa serve does; options without Redis keep them in memory alone.
func caching(t testing.TB, url string, clock *clock, opts cache.Options) *world {
	t.Helper()
	kept, err := cache.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, url, clock, kept, db.Options{Changed: func(c db.Change) { kept.Move(c.Tags, c.Entries) }})
	if err := kept.Watch(t.Context(), w.db); err != nil {
		t.Fatal(err)
	}
	if err := kept.WaitForRedis(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// reply is an answer with its headers.
type reply struct {
	status     int
	header     http.Header
	body       string
	statements int
}

func (r reply) cache() string { return r.header.Get("X-Cache") }

// post sends an operation.
func (w *world) post(t testing.TB, q request) reply {
	t.Helper()
	return w.postBody(t, q.token, map[string]any{"query": q.query, "variables": q.variables})
}

// postBody sends a body as it is.
func (w *world) postBody(t testing.TB, token string, content map[string]any) reply {
	t.Helper()
	body, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return w.send(r, token)
}

// get sends an operation in the URL.
func (w *world) get(token string, parameters map[string]string, headers ...string) reply {
	q := url.Values{}
	for name, value := range parameters {
		q.Set(name, value)
	}
	r := httptest.NewRequest(http.MethodGet, "/graphql?"+q.Encode(), nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.send(r, token)
}

func (w *world) send(r *http.Request, token string) reply {
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	ctx, counter := db.CountStatements(context.Background())
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r.WithContext(ctx))
	return reply{rec.Code, rec.Header(), rec.Body.String(), counter.Statements()}
}

// A second answer comes from what is kept: the same bytes, no statement. What is the same for everybody may be kept by the client, too.
func TestAnAnswerIsKept(t *testing.T) {
	eachHistory(t, func(t *testing.T, url string) {
		t.Parallel()
		clock := newClock()
		w := caching(t, url, clock, cache.Options{Now: clock.now})
		token := w.token("jefe.mesa")
		for _, c := range []struct {
			name, query string
			shared      bool // with everybody
		}{
			{"the catalogue", `{ documentTypes { code categories { name } } areas { code head { fullName } } purposes { code } retentionPolicies { code } calendar(from: "2026-11-01", to: "2026-11-30") { date isBusinessDay } }`, true},
			{"a list", `{ documents(first: 50) { totalCount nodes { fileNumber light derivations(first: 3) { nodes { number } } } } }`, false},
			{"figures", `{ statistics { received open overdue byType { type { code } count } } }`, false},
			{"who asks", `query Me { viewer { user { email } permissions } }`, false},
		} {
			first, second := w.post(t, request{query: c.query, token: token}), w.post(t, request{query: c.query, token: token})
			if first.status != 200 || strings.Contains(first.body, `"errors"`) || first.cache() != "MISS" {
				t.Errorf("%s: %d %s %.200s", c.name, first.status, first.cache(), first.body)
			}
			if second.cache() != "HIT" || second.body != first.body || second.statements != 0 || second.header.Get("Age") != "0" {
				t.Errorf("%s again: %s, %d statements, age %q, %.200s", c.name, second.cache(), second.statements, second.header.Get("Age"), second.body)
			}
			if !strings.Contains(second.header.Get("Server-Timing"), `cache;desc="HIT", total;dur=`) {
				t.Errorf("%s: Server-Timing %q", c.name, second.header.Get("Server-Timing"))
			}
			if etag, control := second.header.Get("ETag"), second.header.Get("Cache-Control"); c.shared != (etag != "") || c.shared != (control == "private, no-cache") {
				t.Errorf("%s: ETag %q, Cache-Control %q", c.name, etag, control)
			}
			other := w.post(t, request{query: c.query, token: w.token("som1")})
			if (other.cache() == "HIT") != c.shared {
				t.Errorf("%s for somebody else: %s", c.name, other.cache())
			}
		}
	})
}

// A client that has the answer is told so, by GET.
func TestNotModified(t *testing.T) {
	t.Parallel()
	w := caching(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)), newClock(), cache.Options{})
	token := w.token("mesa1")
	ask := map[string]string{"query": "{ documentTypes { code } }"}
	first := w.get(token, ask)
	etag := first.header.Get("ETag")
	if first.status != 200 || etag == "" {
		t.Fatalf("%d %q %s", first.status, etag, first.body)
	}
	for tag, status := range map[string]int{etag: 304, `"x", W/` + etag: 304, "*": 304, `"x"`: 200, "": 200} {
		got := w.get(token, ask, "If-None-Match", tag)
		if got.status != status || (status == 304) != (got.body == "") || got.header.Get("ETag") != etag {
			t.Errorf("If-None-Match %q: %d %.60s", tag, got.status, got.body)
		}
	}
	if got := w.get("", ask, "If-None-Match", etag); got.status == 304 || !strings.Contains(got.body, "UNAUTHENTICATED") {
		t.Errorf("a stranger is told %d %s", got.status, got.body)
	}
	if _, _, err := w.desk.CreateUser(t.Context(), w.system(t), desk.CreateUserInput{Email: "new@example.org", FullName: "Nueva", Password: "una clave larga"}); err != nil {
		t.Fatal(err)
	}
	if got := w.get(token, ask); got.cache() != "MISS" {
		t.Errorf("%s after the catalogue changed", got.cache())
	}
}

// system is the desk itself.
func (w *world) system(t testing.TB) *mesa.Actor {
	t.Helper()
	cat, err := w.db.Catalogue(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return mesa.System(cat, "test")
}

// What is made anew in the background is nobody's: it is made for an address that has nothing left, too, under a trace of its own, and says
// nothing in the answer that is sent meanwhile.
func TestWhatIsMadeAnewIsApartFromTheAnswer(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	start := time.Now()
	w := caching(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)), newClock(),
		cache.Options{Now: func() time.Time { return start.Add(time.Since(start) + time.Duration(ahead.Load())) }})
	collector, send := traced(t, w)
	w.limited(t, map[string]string{"address": "1/h", "user": "1000000/m"})
	token := w.token("mesa1")
	types := request{query: `query Types { documentTypes { code } }`, token: token}
	w.post(t, types)
	for i := range 150 { // texts that are asked for more often fill the memory of parsed ones
		for range 2 {
			w.post(t, request{query: fmt.Sprintf("{ __typename } # %d %s", i, strings.Repeat("x", 25<<10)), token: token})
		}
	}
	w.sent(t, token, ofQuery("{ nothing }"))
	ahead.Add(int64(31 * time.Minute))
	for begun, old := time.Now(), true; old; {
		got := w.post(t, types)
		if got.cache() != "HIT" || got.header.Get("Retry-After") != "" || strings.Contains(got.header.Get("RateLimit-Policy"), "q=1;") {
			t.Fatalf("%s, %v", got.cache(), got.header)
		}
		if old = got.header.Get("Age") != "0"; old && time.Since(begun) > patience {
			t.Fatal("it is never made anew")
		}
	}
	send()
	if got := paths(collector, "query Types"); !slices.Contains(got, "query Types") {
		t.Errorf("traces are %q", got)
	}
}

// Mutations, subscriptions, errors, explorations of the schema and what has no policy are not kept.
func TestWhatIsNotKept(t *testing.T) {
	t.Parallel()
	w := caching(t, testkit.SQLiteClone(t, "history", prepare(400, relate)), newClock(), cache.Options{})
	token := w.token("admin")
	for name, query := range map[string]string{
		"an error":                         `{ documents(first: 1000) { nodes { id } } }`,
		"a part that fails":                `{ viewer { user { id } } tray(areaId: "x", box: SENT) { totalCount } }`,
		"the schema":                       `{ __schema { queryType { name } } }`,
		"the schema beside something kept": `{ viewer { user { id } } __type(name: "Area") { name } }`,
		"figures of the cache":             `{ cacheStats { hits } }`,
		"a mutation":                       `mutation { watchDocument(input: { documentId: "doc_x" }) { document { id } } }`,
	} {
		for range 3 {
			if got := w.post(t, request{query: query, token: token}); got.cache() == "HIT" {
				t.Errorf("%s is kept: %.200s", name, got.body)
			}
		}
	}
}

// At midnight in Lima everything that depends on the date is worked out anew, without any event.
func TestMidnight(t *testing.T) {
	t.Parallel()
	clock := newClock()
	w := caching(t, testkit.SQLiteClone(t, "history", prepare(400, relate)), clock, cache.Options{})
	query := `{ documents(first: 100) { nodes { light } } statistics { from to overdue } }`
	clock.add(14*time.Hour + 30*time.Minute) // 23:30
	token := w.token("jefe.mesa")
	before := w.post(t, request{query: query, token: token})
	if again := w.post(t, request{query: query, token: token}); again.cache() != "HIT" {
		t.Fatalf("%s", again.cache())
	}
	clock.add(31 * time.Minute)
	after := w.post(t, request{query: query, token: token})
	if after.cache() == "HIT" || after.body == before.body || !strings.Contains(after.body, `"to":"2026-11-25"`) {
		t.Errorf("%s %.200s", after.cache(), after.body)
	}
}

// What somebody may do changes on their next request, on any node: roles, the account, the password, the session.
func TestChangesOfRightsBiteOnTheNextRequest(t *testing.T) {
	run := func(t *testing.T, one, two *world) {
		query := `{ documents(first: 10) { totalCount } viewer { permissions } }`
		sees := func(token string) reply {
			r := two.post(t, request{query: query, token: token})
			for try := 0; r.cache() != "HIT" && try < 1000; try++ { // on a busy machine Redis may be late for once
				r = two.post(t, request{query: query, token: token})
			}
			return r
		}
		token := two.token("consulta")
		before := sees(token)
		if before.cache() != "HIT" || strings.Contains(before.body, "user.manage") {
			t.Fatalf("%s %s", before.cache(), before.body)
		}
		check := func(what string, err error, token string, contains string) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if got := two.post(t, request{query: query, token: token}); !strings.Contains(got.body, contains) {
				t.Errorf("%s: %s %.300s", what, got.cache(), got.body)
			}
		}
		by := one.system(t)
		id := by.Catalogue.UserByEmail(email("consulta")).ID
		role := desk.RoleInput{UserID: id, Role: mesa.Admin}
		errOf := func(_ *mesa.User, err error) error { return err }
		check("a role more", errOf(one.desk.GrantRole(t.Context(), by, role)), token, "user.manage")
		check("a role less", errOf(one.desk.RevokeRole(t.Context(), by, role)), token, before.body[strings.Index(before.body, `"totalCount"`):])
		sees(token)
		check("the account ends", errOf(one.desk.SetActive(t.Context(), by, id, false)), token, "UNAUTHENTICATED")
		check("the account is back", errOf(one.desk.SetActive(t.Context(), by, id, true)), token, "UNAUTHENTICATED")
		token = two.token("consulta")
		sees(token)
		check("another password", one.desk.SetPassword(t.Context(), by, email("consulta"), "otra clave muy larga", false), token, "UNAUTHENTICATED")
		token, other := two.token("consulta"), two.token("consulta")
		sees(token)
		sees(other)
		actor, err := one.db.Actor(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		check("the end of the session", one.desk.SignOut(t.Context(), actor), token, "UNAUTHENTICATED")
		check("another session of the same person", nil, other, "totalCount")
		two.clock.add(61 * time.Minute)
		check("the end of the hour", nil, other, "UNAUTHENTICATED")
	}
	eachInstitution(t, func(t *testing.T, url string) {
		t.Run("memory", func(t *testing.T) {
			w := caching(t, url, newClock(), cache.Options{})
			run(t, w, w)
		})
		t.Run("two nodes", func(t *testing.T) {
			clock, opts := newClock(), cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)}
			run(t, caching(t, url, clock, opts), caching(t, url, clock, opts))
		})
	})
}

// After any verb of anybody, whatever anybody asks on any node is what a node without a cache answers.
func TestKeptAnswersAreTrue(t *testing.T) {
	eachHistory(t, func(t *testing.T, url string) {
		t.Parallel()
		clock, opts := newClock(), cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)}
		nodes := []*world{caching(t, url, clock, opts), caching(t, url, clock, opts)}
		fresh := openWith(t, url, clock)
		seed := uint64(1)
		if fresh.db.IsOneMachine() { // the databases take different ways
			seed = 2
		}
		o := newOffice(t, nodes, fresh, rand.New(rand.NewPCG(7, seed)))
		stats := nodes[0].web.Resolver.Cache.Stats
		isEnough := func() bool { return len(o.done) >= 8 && stats().Hits >= 50 }
		for steps := 0; steps < 80 || !isEnough() && steps < 400; steps++ { // ids are others each time, and Redis may be late
			o.work()
			for range 3 {
				o.compare()
			}
		}
		s := stats()
		t.Logf("%v; %d hits, %d misses, moved %v", o.done, s.Hits, s.Misses, s.Moved)
		if !isEnough() {
			t.Errorf("%v, %+v", o.done, s)
		}
	})
}

// office is people at work, and what they ask.
type office struct {
	t         *testing.T
	nodes     []*world
	fresh     *world
	rand      *rand.Rand
	people    []string
	tokens    map[string]string
	machine   *mesa.Actor
	documents []mesa.DocumentID
	done      map[mesa.Action]int
}

func newOffice(t *testing.T, nodes []*world, fresh *world, r *rand.Rand) *office {
	o := &office{t: t, nodes: nodes, fresh: fresh, rand: r, tokens: map[string]string{}, done: map[mesa.Action]int{},
		people: []string{"jefe.mesa", "mesa1", "mesa2", "jefe.oaj", "oaj1", "oaj2", "log1", "jefe.oa", "archivo1", "auditor", "consulta", "admin"}}
	for _, who := range o.people {
		o.tokens[who] = fresh.token(who)
	}
	o.machine, _ = fresh.machine(t, mesa.KeyScopes, "MP")
	var answer struct {
		Data struct {
			Documents struct {
				Nodes []struct{ ID mesa.DocumentID }
			}
		}
	}
	if err := json.Unmarshal([]byte(fresh.post(t, request{query: `{ documents(first: 12) { nodes { id } } }`, token: o.tokens["auditor"]}).body), &answer); err != nil {
		t.Fatal(err)
	}
	for _, n := range answer.Data.Documents.Nodes {
		o.documents = append(o.documents, n.ID)
	}
	return o
}

func pick[T any](o *office, list []T) T { return list[o.rand.IntN(len(list))] }

// work lets somebody do what they may do with a document: the first whom chance finds.
func (o *office) work() {
	node, ctx := pick(o, o.nodes), o.t.Context()
	node.clock.add(time.Duration(1+o.rand.IntN(20)) * time.Second)
	for range 100 {
		id := pick(o, o.documents)
		by, err := node.db.Actor(ctx, o.tokens[pick(o, o.people)])
		if err != nil {
			o.t.Fatal(err)
		}
		view := node.db.View(by)
		doc, err := view.Document(ctx, db.DocumentBy{ID: id})
		if err != nil {
			continue // not for them
		}
		legs, err := view.LegsByDocument(ctx, []mesa.DocumentID{id})
		if err != nil {
			o.t.Fatal(err)
		}
		actions := append(mesa.AvailableActions(by, doc, legs[id]), mesa.ActRegister, mesa.ActSubmit, "WATCH", "TAG")
		if o.do(ctx, node, by, doc, legs[id], pick(o, actions)) {
			return
		}
	}
}

// do tries an action, with one leg after the other where it takes one.
func (o *office) do(ctx context.Context, w *world, by *mesa.Actor, doc *mesa.Document, legs []*mesa.Derivation, act mesa.Action) bool {
	list := []mesa.DerivationID{""}
	for _, leg := range legs {
		list = append(list, leg.ID)
	}
	for _, leg := range list {
		switch err := o.verb(ctx, w, by, doc, leg, act); {
		case err == nil:
			o.done[act]++
			return true
		case mesa.CodeOf(err) == mesa.Internal:
			o.t.Errorf("%s: %v", act, err)
		}
	}
	return false
}

// verb does one thing.
func (o *office) verb(ctx context.Context, w *world, by *mesa.Actor, doc *mesa.Document, leg mesa.DerivationID, act mesa.Action) error {
	area := func() mesa.AreaID { return w.area(o.t, pick(o, []string{"OAJ", "LOG", "OA", "MP", "ARC"})) }
	targets := func() []mesa.DerivationTargetInput {
		list := []mesa.DerivationTargetInput{{AreaID: area(), Instructions: "Para su atención"}}
		if o.rand.IntN(3) == 0 {
			list = append(list, mesa.DerivationTargetInput{AreaID: area(), Instructions: "Para su conocimiento", Kind: ptr(mesa.ForCopy)})
		}
		return list
	}
	const because = "Por una razón que hay que decir"
	text := fmt.Sprint("Asunto ", o.rand.IntN(1000))
	one, why := desk.DerivationInput{DerivationID: leg}, desk.DerivationReasonInput{DerivationID: leg, Reason: because}
	var err error
	switch act {
	case mesa.ActRegister:
		if doc.State == mesa.Submitted {
			_, err = w.desk.RegisterSubmission(ctx, by, desk.RegisterSubmissionInput{DocumentID: doc.ID, Priority: pick(o, mesa.Priorities)})
			break
		}
		var made *mesa.Document
		made, err = w.desk.Register(ctx, by, desk.RegisterDocumentInput{TypeID: by.Catalogue.Types[0].ID, Subject: text, Folios: 1, RelatedDocumentID: doc.ID,
			Confidentiality: pick(o, mesa.Confidentialities), Sender: desk.SenderInput{Kind: mesa.PersonParty, IDType: mesa.NoID, Name: "Una persona"}})
		if err == nil {
			o.documents[o.rand.IntN(len(o.documents))] = made.ID
		}
	case mesa.ActSubmit:
		var made *mesa.Document
		made, _, err = w.desk.Submit(ctx, o.machine, desk.SubmitDocumentInput{ExternalID: fmt.Sprint(w.clock.now().UnixMicro()), TypeCode: by.Catalogue.Types[0].Code, Subject: text,
			Sender: desk.SenderInput{Kind: mesa.PersonParty, IDType: mesa.NoID, Name: "Una persona"}})
		if err == nil {
			o.documents[o.rand.IntN(len(o.documents))] = made.ID
		}
	case mesa.ActDecline:
		_, err = w.desk.Decline(ctx, by, desk.DeclineSubmissionInput{DocumentID: doc.ID, Reason: pick(o, mesa.NotFiledReasons), Text: because})
	case mesa.ActDerive:
		_, _, err = w.desk.Derive(ctx, by, desk.DeriveDocumentInput{DocumentID: doc.ID, Targets: targets()})
	case mesa.ActReceive:
		_, err = w.desk.Receive(ctx, by, one)
	case mesa.ActAttend:
		in := desk.AttendDerivationInput{DerivationID: leg, ClosingNotes: "Atendido", Outcome: mesa.OutcomeResponded}
		if o.rand.IntN(2) == 0 {
			in = desk.AttendDerivationInput{DerivationID: leg, ClosingNotes: "Sigue", Next: targets()}
		}
		_, _, err = w.desk.Attend(ctx, by, in)
	case mesa.ActReject:
		_, _, err = w.desk.Reject(ctx, by, why)
	case mesa.ActReturn:
		_, _, err = w.desk.Return(ctx, by, why)
	case mesa.ActRecall:
		_, _, err = w.desk.Recall(ctx, by, why)
	case mesa.ActReassign:
		_, _, err = w.desk.Reassign(ctx, by, desk.ReassignDerivationInput{DerivationID: leg, AreaID: area(), Reason: because})
	case mesa.ActAssign:
		_, err = w.desk.Assign(ctx, by, desk.AssignDerivationInput{DerivationID: leg, UserID: by.UserID})
	case mesa.ActAcknowledge:
		_, err = w.desk.Acknowledge(ctx, by, one)
	case mesa.ActExtend:
		_, err = w.desk.Extend(ctx, by, desk.ExtendDeadlineInput{DerivationID: leg, DueOn: by.Catalogue.Today(w.clock.now()).AddDays(1 + o.rand.IntN(9)), Reason: because})
	case mesa.ActUpdate:
		in := desk.UpdateDocumentInput{DocumentID: doc.ID, Subject: &text, Given: []string{"documentId", "subject"}}
		if o.rand.IntN(2) == 0 {
			in = desk.UpdateDocumentInput{DocumentID: doc.ID, Confidentiality: pick(o, mesa.Confidentialities), Reason: ptr(because), Given: []string{"documentId", "confidentiality", "reason"}}
		}
		_, err = w.desk.Update(ctx, by, in)
	case mesa.ActReopen:
		_, err = w.desk.Reopen(ctx, by, desk.ReopenDocumentInput{DocumentID: doc.ID, AreaID: area(), Reason: because})
	case mesa.ActArchive:
		_, _, err = w.desk.Archive(ctx, by, desk.ArchiveDocumentInput{DocumentID: doc.ID, Classification: mesa.ArchiveClassifications[0], PolicyCode: "Y5"})
	case mesa.ActRestore:
		_, err = w.desk.Restore(ctx, by, desk.RestoreDocumentInput{DocumentID: doc.ID, AreaID: area(), Reason: because})
	case mesa.ActVoid:
		_, err = w.desk.Void(ctx, by, desk.VoidDocumentInput{DocumentID: doc.ID, Reason: because})
	case "WATCH":
		_, err = w.desk.Watch(ctx, by, desk.WatchDocumentInput{DocumentID: doc.ID}, o.rand.IntN(2) == 0)
	case "TAG":
		_, err = w.desk.BulkTag(ctx, by, desk.BulkTagInput{DocumentIDs: []mesa.DocumentID{doc.ID, pick(o, o.documents)}, Add: []string{text}})
	}
	return err
}

// compare asks something on a node with a cache and on the one without.
func (o *office) compare() {
	o.t.Helper()
	who := pick(o, o.people)
	id := pick(o, o.documents)
	area := o.fresh.area(o.t, pick(o, []string{"OAJ", "LOG", "MP"}))
	const detail = `id fileNumber subject state version light tags confidentiality availableActions currentAreas { code } assignee { fullName } related { id subject }
		derivations(first: 50) { totalCount nodes { number state assignee { fullName } previous { number } } } timeline(first: 100) { nodes { type text } } archiveRecords { locationCode state }`
	queries := []string{
		`{ documents(first: 10) { totalCount nodes { id subject state light related { subject } } } }`,
		`{ documents(first: 10, filter: { areaId: "` + string(area) + `" }) { totalCount nodes { id subject derivations { totalCount } } } }`,
		`{ documents(first: 10, filter: { areaId: "` + string(area) + `", areaMode: EVER, archived: EXCLUDE }) { totalCount nodes { id state } } }`,
		`{ documents(first: 10, filter: { text: "Asunto" }, orderBy: { field: DUE_ON, direction: ASC }) { totalCount nodes { id subject } } }`,
		`{ document(by: { id: "` + string(id) + `" }) { ` + detail + ` } }`,
		`{ node(id: "` + string(id) + `") { id ... on Document { subject state derivations { nodes { id state } } } } }`,
		`{ nodes(ids: ["` + string(id) + `", "` + string(pick(o, o.documents)) + `"]) { id ... on Document { ` + detail + ` } } }`,
		`{ tray(areaId: "` + string(area) + `", box: ` + pick(o, []string{"TO_RECEIVE", "IN_HAND", "SENT", "COPIES", "ATTENDED", "TO_DERIVE", "WATCHED", "OVERDUE", "TO_ARCHIVE"}) + `) { totalCount nodes { document { id subject light } derivation { number state } } } }`,
		`{ trayCounts(areaId: "` + string(area) + `") { box count } }`,
		`{ tray(areaId: "` + string(area) + `", box: WATCHED) { totalCount nodes { document { id subject } } } trayCounts(areaId: "` + string(area) + `") { box count } }`,
		`{ statistics { received attended open overdue byState { state count } areas(first: 5) { area { code } inHand pendingReception } } }`,
		`{ statistics(filter: { areaId: "` + string(area) + `" }) { received open byPriority { priority count } } }`,
		`{ viewer { user { email } areas { code } permissions } areaMembers(areaId: "` + string(area) + `") { email } }`,
	}
	query := pick(o, queries)
	for _, node := range o.nodes {
		for range 2 {
			want := o.fresh.post(o.t, request{query: query, token: o.tokens[who]})
			got := node.post(o.t, request{query: query, token: o.tokens[who]})
			refused := strings.HasPrefix(got.body, `{"errors"`) && strings.HasPrefix(want.body, `{"errors"`) // in any order
			if got.body != want.body && !refused {
				o.t.Fatalf("%s asks %s\ngot  (%s) %s\nwant %s", who, query, got.cache(), got.body, want.body)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// Two people share an answer only if they may see the same: the same rights in the same areas, and nothing that was given to one of
// them in person.
func TestOnlyThoseWithTheSameRightsShare(t *testing.T) {
	t.Parallel()
	url := testkit.SQLiteClone(t, "history", prepare(400, relate))
	w := caching(t, url, newClock(), cache.Options{})
	query := `{ documents(first: 200) { totalCount nodes { id } } }`
	cat := w.system(t).Catalogue
	shared := map[string]string{} // body by the first who asked
	hits := 0
	for _, u := range cat.Users {
		got := w.post(t, request{query: query, token: w.token(u.Email)})
		if strings.Contains(got.body, `"errors"`) {
			t.Fatalf("%s: %s", u.Email, got.body)
		}
		if got.cache() == "HIT" {
			hits++
			if !slices.Contains(values(shared), got.body) {
				t.Errorf("%s gets an answer that nobody was given", u.Email)
			}
		}
		shared[u.Email] = got.body
	}
	fresh := openWith(t, url, w.clock)
	for _, u := range cat.Users {
		if want := fresh.post(t, request{query: query, token: fresh.token(u.Email)}); want.body != shared[u.Email] {
			t.Errorf("%s got what somebody else may see", u.Email)
		}
	}
	if hits == 0 {
		t.Error("nobody shares anything")
	}
	t.Logf("%d of %d got an answer that was made for somebody with the same rights", hits, len(cat.Users))
}

func values(m map[string]string) (list []string) {
	for _, v := range m {
		list = append(list, v)
	}
	return list
}

// Automatic persisted queries, as Apollo's and urql's links speak them: the hash alone, then text and hash, then the hash alone on any
// node. A text is kept only once it is valid, and only for those who are signed in.
func TestPersistedQueries(t *testing.T) {
	t.Parallel()
	url := testkit.SQLiteClone(t, "institution", prepare(-1, nothing))
	clock, opts := newClock(), cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)}
	one, two := caching(t, url, clock, opts), caching(t, url, clock, opts)
	token := one.token("mesa1")
	body := func(query string, hashOf string) map[string]any {
		sum := sha256.Sum256([]byte(hashOf))
		m := map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hex.EncodeToString(sum[:])}}}
		if query != "" {
			m["query"] = query
		}
		return m
	}
	const query, invalid, signIn = `query Me { viewer { user { email } } }`, `{ nothing }`, `mutation { signIn(input: { email: "x", password: "y" }) { token } }`
	for i, c := range []struct {
		w           *world
		token       string
		query, hash string
		contains    string
	}{
		{one, token, "", query, `"message":"PersistedQueryNotFound"`},
		{one, token, query, query + " ", `"message":"PersistedQueryHashMismatch"`},
		{one, token, "", query, `"code":"PERSISTED_QUERY_NOT_FOUND"`},
		{one, token, query, query, "mesa1@demo.mesa.pe"},
		{one, token, "", query, "mesa1@demo.mesa.pe"},
		{one, token, invalid, invalid, "GRAPHQL_VALIDATION_FAILED"},
		{one, token, "", invalid, "PersistedQueryNotFound"},
		{one, "", signIn, signIn, "UNAUTHENTICATED"},
		{one, "", "", signIn, "PersistedQueryNotFound"},
	} {
		if got := c.w.postBody(t, c.token, body(c.query, c.hash)); !strings.Contains(got.body, c.contains) || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("step %d: %d %s (%s)", i, got.status, got.body, got.header.Get("Cache-Control"))
		}
	}
	// A node that Redis does not answer in time asks for the text again, and so does the client.
	for tries := 1; !strings.Contains(two.postBody(t, token, body("", query)).body, "mesa1@demo.mesa.pe"); tries++ {
		if tries == 20 {
			t.Fatal("the other node never knows the text")
		}
		one.postBody(t, token, body(query, query))
	}
	extensions, err := json.Marshal(body("", query)["extensions"])
	if err != nil {
		t.Fatal(err)
	}
	if got := two.get(token, map[string]string{"extensions": string(extensions), "operationName": "Me"}); !strings.Contains(got.body, "mesa1@demo.mesa.pe") {
		t.Errorf("by GET: %s %s", got.cache(), got.body)
	}
}

// Administrators see the figures; others are refused.
func TestCacheStats(t *testing.T) {
	t.Parallel()
	w := caching(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)), newClock(), cache.Options{})
	admin := w.token("admin")
	for range 4 {
		w.post(t, request{query: `query Types { documentTypes { code } }`, token: admin})
	}
	got := w.post(t, request{query: `{ cacheStats { enabled backend state hits misses hitRate entries bytes invalidations processes { name hits } documents(first: 5) { name runs hits } } }`, token: admin})
	var a struct {
		Data struct {
			CacheStats struct {
				Enabled        bool
				Backend, State string
				Hits, Misses   int
				HitRate        float64
				Entries, Bytes int
				Processes      []struct{ Hits int }
			}
		}
	}
	if err := json.Unmarshal([]byte(got.body), &a); err != nil {
		t.Fatal(err)
	}
	s := a.Data.CacheStats
	if !s.Enabled || s.Backend != "MEMORY" || s.State != "CLOSED" || s.Hits != 3 || s.Misses != 1 || s.HitRate != 0.75 || s.Entries == 0 || s.Bytes == 0 || len(s.Processes) != 1 {
		t.Errorf("%s", got.body)
	}
	if got := w.post(t, request{query: `{ cacheStats { hits } }`, token: w.token("jefe.mesa")}); !strings.Contains(got.body, "FORBIDDEN") {
		t.Errorf("%s", got.body)
	}
	off := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	if got := off.post(t, request{query: `{ cacheStats { enabled backend hits processes { name } } }`, token: off.token("admin")}); !strings.Contains(got.body, `"enabled":false`) {
		t.Errorf("%s", got.body)
	}
}

// With documents required, only those of the manifest run, on every transport, named or sent; nothing else is even parsed.
func TestOnlyTrustedDocumentsRun(t *testing.T) {
	t.Parallel()
	const trusted = `query Me { viewer { user { email } } }`
	file := filepath.Join(t.TempDir(), "manifest.json")
	manifest := `{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [
		{"id": "me-1", "name": "Me", "type": "query", "body": "` + trusted + `"},
		{"id": "follow", "name": "Follow", "type": "subscription", "body": "` + documentChanged + `"}]}`
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	w := caching(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)), newClock(), cache.Options{})
	documents, err := graph.LoadDocuments(graph.DocumentsRequire, []string{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.web.Resolver.Documents = documents
	w.handler = w.web.Handler()
	token := w.token("mesa1")
	for name, c := range map[string]struct {
		body     map[string]any
		contains string
	}{
		"by its id":             {map[string]any{"documentId": "me-1"}, "mesa1@demo.mesa.pe"},
		"as Relay names it":     {map[string]any{"doc_id": "me-1"}, "mesa1@demo.mesa.pe"},
		"its text":              {map[string]any{"query": trusted}, "mesa1@demo.mesa.pe"},
		"another text":          {map[string]any{"query": `{ viewer { user { id } } }`}, "PERSISTED_QUERY_REQUIRED"},
		"what cannot be parsed": {map[string]any{"query": `{ {{{ `}, "PERSISTED_QUERY_REQUIRED"},
		"an unknown id":         {map[string]any{"documentId": "me-2"}, "PERSISTED_QUERY_NOT_FOUND"},
		"the schema":            {map[string]any{"query": `{ __schema { queryType { name } } }`}, "PERSISTED_QUERY_REQUIRED"},
	} {
		if got := w.postBody(t, token, c.body); !strings.Contains(got.body, c.contains) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	doc := w.register(t, "mesa1", mesa.Public)
	server := w.listening(t)
	for transport, subscribe := range transports {
		s := subscribe(t, server, token, documentChanged, map[string]any{"id": doc.ID})
		w.awakeTrusted(t, s, doc.ID)
		other := subscribe(t, server, token, strings.Replace(documentChanged, "version", "subject", 1), map[string]any{"id": doc.ID})
		if m, ok := other.next(t); !ok || len(m.errors) == 0 || !strings.Contains(fmt.Sprint(m.errors), "PERSISTED_QUERY_REQUIRED") {
			t.Errorf("%s: another text: %v %v", transport, ok, m)
		}
	}
	usage := documents.Usage(5)
	if len(usage) == 0 || usage[0].Name != "Me" || !usage[0].Trusted || usage[0].Runs != 3 || usage[0].Hits != 2 {
		t.Errorf("%+v", usage)
	}
}

// awakeTrusted changes a document until a subscriber has heard of it.
func (w *world) awakeTrusted(t *testing.T, s stream, id mesa.DocumentID) {
	t.Helper()
	for try := range 180 {
		w.note(t, id, fmt.Sprint("cambio ", try))
		select {
		case m, ok := <-s.messages:
			if !ok || len(m.errors) > 0 {
				t.Fatalf("%v %v", ok, m)
			}
			return
		case <-time.After(250 * time.Millisecond):
		}
	}
	t.Fatal("the subscriber hears nothing")
}

// Whoever is told of a change and asks anew, on a node that knew nothing of it, gets the change.
func TestWhoeverIsToldFindsTheChange(t *testing.T) {
	t.Parallel()
	url := testkit.SQLiteClone(t, "institution", prepare(-1, nothing))
	clock, opts := newClock(), cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)}
	one, two := caching(t, url, clock, opts), caching(t, url, clock, opts)
	doc := one.register(t, "mesa1", mesa.Public)
	token := two.token("mesa1")
	s := overWebSocket(t, two.listening(t), token, documentChanged, map[string]any{"id": doc.ID})
	two.awakeTrusted(t, s, doc.ID)
	read := request{query: `query($id: ID!) { node(id: $id) { ... on Document { notes version } } }`, variables: map[string]any{"id": doc.ID}, token: token}
	for i := range 5 {
		two.post(t, read)
		two.post(t, read)
		version := one.note(t, doc.ID, fmt.Sprint("nota ", i))
		for {
			m, ok := s.next(t)
			if !ok {
				t.Fatal("the stream ended")
			}
			told, _ := lookUp(any(m.data), "documentChanged.document.version").(float64)
			if got := two.post(t, read); !strings.Contains(got.body, fmt.Sprintf(`"version":%d`, version)) {
				t.Fatalf("told of version %v, read %s (%s)", told, got.body, got.cache())
			}
			if int(told) >= version {
				break
			}
		}
	}
}

// BenchmarkAHit is what a kept answer costs without the network.
func BenchmarkAHit(b *testing.B) {
	w := caching(b, testkit.SQLiteClone(b, "history", prepare(400, relate)), newClock(), cache.Options{})
	token := w.token("jefe.mesa")
	body, err := json.Marshal(map[string]any{
		"query":     `query Documents($first: Int) { documents(first: $first) { nodes { id fileNumber subject state light type { code } } } }`,
		"variables": map[string]any{"first": 100},
	})
	if err != nil {
		b.Fatal(err)
	}
	ask := func() reply {
		r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		return w.send(r, token)
	}
	ask()
	b.ReportAllocs()
	for b.Loop() {
		if got := ask(); got.cache() != "HIT" {
			b.Fatal(got.cache())
		}
	}
}
