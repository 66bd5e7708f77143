package graph_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/rate"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// limited puts rates into force: those of graph.RateTable where nothing else is said.
func (w *world) limited(t testing.TB, rates map[string]string) {
	t.Helper()
	limits := map[string]rate.Windows{}
	for _, row := range graph.RateTable {
		text := row.Default
		if other, said := rates[row.Class]; said {
			text = other
		}
		windows, err := rate.ParseWindows(text)
		if err != nil {
			t.Fatal(err)
		}
		limits[row.Class] = windows
	}
	l, err := rate.New(rate.Options{Limits: limits, Now: w.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	w.web.Resolver.Rates = l
}

// sent sends a body as it is and gives the answer with its headers.
func (w *world) sent(t *testing.T, token, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func ofQuery(text string) string {
	b, _ := json.Marshal(map[string]any{"query": text})
	return string(b)
}

func extensionsOf(t *testing.T, rec *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var a struct {
		Errors []struct{ Extensions map[string]any }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || len(a.Errors) == 0 {
		return nil
	}
	return a.Errors[0].Extensions
}

const who = `{ viewer { user { email } } }`

// Each way to ask for more than anybody needs is refused with the limit that it exceeds, before anything is looked up.
func TestTheAbuseCatalogue(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	token := w.token("jefe.mesa")
	fragments := func(n int, each func(i int) string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " fragment F%d on Query { %s }", i, each(i))
		}
		return b.String()
	}
	chained := func(i int) string { return fmt.Sprintf("...F%d ...F%d", i+1, i+1) }
	for _, c := range []struct{ name, body, limit string }{
		{"an alias bomb", ofQuery("{ viewer { " + aliases(150, "permissions") + " } }"), "aliases"},
		{"many root fields", ofQuery("{ " + aliases(30, "viewer { permissions }") + " }"), "rootFields"},
		{"a deep query", ofQuery(`{ node(id: "x") { ... on Document { ` + strings.Repeat("related { ", 40) + "id" + strings.Repeat(" }", 42) + " }"), "depth"},
		{"exponential fragments", ofQuery("{ ...F0 }" + fragments(30, chained) + " fragment F30 on Query { " + who[1:]), "rootFields"},
		{"many fragments", ofQuery("{ ...F0 }" + fragments(150, func(int) string { return "viewer { permissions }" })), "fragments"},
		{"directive overload", ofQuery("{ viewer { permissions " + strings.Repeat("@include(if: true) ", 200) + "} }"), "directives"},
		{"a field again and again", ofQuery("{ viewer { " + strings.Repeat("permissions ", 4000) + "} }"), "tokens"},
		{"large variables", `{"query": "query($x: String) { documents(filter: {text: $x}) { totalCount } }", "variables": {"x": "` + strings.Repeat("x", 140<<10) + `"}}`, "variables"},
		{"a body of 10 MB", ofQuery(strings.Repeat(" ", 10<<20) + who), "body"},
		{"deep introspection", ofQuery("{ __schema { types { fields { type { " + strings.Repeat("ofType { ", 40) + "name" + strings.Repeat(" }", 45)), "introspection"},
		{"an introspection crawl", ofQuery("{ " + aliases(15, "__schema { types { name fields { name } } }") + " }"), "cost"},
		{"large pages in large pages", ofQuery("{ documents(first: 200) { nodes { derivations(first: 200) { nodes { id number } } } } }"), "cost"},
	} {
		ctx, counter := db.CountStatements(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		x := extensionsOf(t, rec)
		if x["code"] != "LIMIT_EXCEEDED" || x["field"] != c.limit || x["limit"] != float64(graph.Limits(nil).Of(graph.Limit(c.limit))) {
			t.Errorf("%s: %d %.300s", c.name, rec.Code, rec.Body)
		}
		if n := counter.Statements(); n > 1 { // who asks is one
			t.Errorf("%s takes %d statements to be refused", c.name, n)
		}
		if got := w.web.Resolver.Refusals()[c.limit]; got < 1 {
			t.Errorf("%s is not counted", c.name)
		}
	}
	for name, body := range map[string]string{
		"circular fragments":         ofQuery("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"),
		"a batch of 1,000":           "[" + strings.Repeat(ofQuery(who)+",", 999) + ofQuery(who) + "]",
		"a query within its comment": ofQuery(strings.Repeat("#", 100<<10)),
	} {
		if rec := w.sent(t, token, body); extensionsOf(t, rec)["code"] == nil || strings.Contains(rec.Body.String(), `"data":{`) || strings.Contains(rec.Body.String(), "INTERNAL") {
			t.Errorf("%s: %d %.300s", name, rec.Code, rec.Body)
		}
	}
	w.must(t, request{query: who, token: token})
}

func TestAnOperatorSetsLimits(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	limits, err := graph.ParseLimits([]string{"depth=2", " aliases=1"})
	if err != nil {
		t.Fatal(err)
	}
	w.web.Resolver.Limits = limits
	token := w.token("mesa1")
	if x := extensionsOf(t, w.sent(t, token, ofQuery(who))); x["field"] != "depth" || x["limit"] != 2.0 {
		t.Errorf("too deep: %v", x)
	}
	if x := extensionsOf(t, w.sent(t, token, ofQuery(`{ viewer { a: permissions b: permissions } }`))); x["field"] != "aliases" || x["limit"] != 1.0 {
		t.Errorf("too many aliases: %v", x)
	}
	for _, wrong := range []string{"depth", "depth=0", "depth=x", "height=3", ""} {
		if _, err := graph.ParseLimits([]string{wrong}); err == nil || !strings.Contains(err.Error(), "depth=12") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// Each person, key and address has an account of their own; what is left is in the headers, and whoever has nothing left is told when.
func TestOperationsAreCounted(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	w.limited(t, map[string]string{"user": "10/m,1000/h"})
	ana, bea := w.token("mesa1"), w.token("log1")
	rec := w.sent(t, ana, ofQuery(who)) // three fields weigh 1.003
	if got := rec.Header().Get("RateLimit-Policy") + " " + rec.Header().Get("RateLimit"); got != `"minute";q=10;w=60, "hour";q=1000;w=3600 "minute";r=8;t=60` {
		t.Errorf("the headers are %s", got)
	}
	costly := `{ documents(first: 100) { nodes { id derivations(first: 20) { nodes { id } } } } }` // 4,301
	if rec := w.sent(t, ana, ofQuery(costly)); rec.Code != 200 || rec.Header().Get("RateLimit") != `"minute";r=3;t=60` {
		t.Errorf("a costly one: %d %s %.200s", rec.Code, rec.Header().Get("RateLimit"), rec.Body)
	}
	rec = w.sent(t, ana, ofQuery(costly))
	if x := extensionsOf(t, rec); rec.Code != 429 || x["code"] != "RATE_LIMITED" || x["rate"] != "user" || fmt.Sprint(x["retryAfter"]) != rec.Header().Get("Retry-After") || rec.Header().Get("Retry-After") == "" {
		t.Errorf("too costly: %d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	if rec := w.sent(t, ana, ofQuery(who)); rec.Code != 200 {
		t.Errorf("a small one: %d %s", rec.Code, rec.Body)
	}
	if rec := w.sent(t, bea, ofQuery(who)); rec.Code != 200 || rec.Header().Get("RateLimit") != `"minute";r=8;t=60` {
		t.Errorf("somebody else: %d %s", rec.Code, rec.Body)
	}
	w.clock.add(2 * time.Minute)
	if rec := w.sent(t, ana, ofQuery(costly)); rec.Code != 200 {
		t.Errorf("two minutes later: %d %s", rec.Code, rec.Body)
	}
}

// A subscription is counted when it begins, and refused as its operation.
func TestSocketsAndStreamsAreCounted(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	w.limited(t, map[string]string{"user": "1/m"})
	server := w.listening(t)
	for name, subscribe := range transports {
		token := w.token(map[string]string{"ws": "mesa1", "sse": "log1"}[name])
		w.sent(t, token, ofQuery(`{ __typename }`))
		m, ok := subscribe(t, server, token, trayChanged, map[string]any{"id": w.area(t, "MP")}).next(t)
		if !ok || len(m.errors) != 1 || lookUp(m.errors[0], "extensions.code") != "RATE_LIMITED" || lookUp(m.errors[0], "extensions.retryAfter") == nil {
			t.Errorf("%s was told %v %v", name, m.data, m.errors)
		}
	}
}

// Guessing passwords ends for the address, whichever accounts are tried and however many in one request; those who are in work on.
func TestASignInFlood(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	w.limited(t, nil)
	token := w.token("mesa1")
	guess := func(n int, email string) string {
		return ofQuery("mutation { " + aliases(n, `signIn(input: {email: "`+email+`", password: "guess-guess-guess"}) { token }`) + " }")
	}
	if rec := w.sent(t, "", guess(6, "a@example.org")); rec.Code != 429 || extensionsOf(t, rec)["rate"] != "signIn" {
		t.Errorf("six at once: %d %s", rec.Code, rec.Body)
	}
	for i := range 5 {
		if rec := w.sent(t, "", guess(1, fmt.Sprintf("user%d@example.org", i))); extensionsOf(t, rec)["code"] != "UNAUTHENTICATED" {
			t.Errorf("guess %d: %d %s", i, rec.Code, rec.Body)
		}
	}
	if rec := w.sent(t, "", guess(1, "user6@example.org")); rec.Code != 429 || extensionsOf(t, rec)["code"] != "RATE_LIMITED" || rec.Header().Get("Retry-After") == "" {
		t.Errorf("the sixth: %d %s", rec.Code, rec.Body)
	}
	if rec := w.sent(t, token, ofQuery(who)); rec.Code != 200 {
		t.Errorf("somebody who is in: %d %s", rec.Code, rec.Body)
	}
}

// An address that sends wrong texts all the time is not listened to any more; texts that are known are answered.
func TestWrongTextsAreCounted(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	w.limited(t, map[string]string{"address": "20/m"})
	token := w.token("mesa1")
	w.must(t, request{query: who, token: token})
	for i := range 20 {
		if x := extensionsOf(t, w.sent(t, token, ofQuery(fmt.Sprintf("{ nothing%d }", i)))); x["code"] != "GRAPHQL_VALIDATION_FAILED" {
			t.Fatalf("%d: %v", i, x)
		}
	}
	if rec := w.sent(t, token, ofQuery("{ nothing }")); rec.Code != 429 || extensionsOf(t, rec)["rate"] != "address" {
		t.Errorf("one too many: %d %s", rec.Code, rec.Body)
	}
	w.must(t, request{query: who, token: token})
}

// An address that sends what means nothing all the time is told to stop; clients there that name what is known work on.
func TestWhatMeansNothingIsCounted(t *testing.T) {
	t.Parallel()
	w := withRedis(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	w.limited(t, map[string]string{"address": "2/m"})
	named := func(hash, text string) string {
		return `{"query": "` + text + `", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "` + hash + `"}}}`
	}
	sum := sha256.Sum256([]byte(who))
	token, known := w.token("mesa1"), hex.EncodeToString(sum[:])
	w.sent(t, token, named(known, "")) // weighs 0.1
	w.sent(t, token, named(known, who))
	for i := range 19 {
		body, code := `{"query": 7}`, "VALIDATION_FAILED"
		if i%2 == 0 {
			body, code = named(fmt.Sprintf("%064x", i), ""), "PERSISTED_QUERY_NOT_FOUND"
		}
		if rec := w.sent(t, "", body); extensionsOf(t, rec)["code"] != code {
			t.Fatalf("%d: %d %s", i, rec.Code, rec.Body)
		}
	}
	for name, body := range map[string]string{"no operation": `{"query": 7}`, "no JSON": `query`, "an unknown hash": named(strings.Repeat("f", 64), "")} {
		rec := w.sent(t, token, body)
		if x := extensionsOf(t, rec); rec.Code != 429 || x["rate"] != "address" || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s", name, rec.Code, rec.Header(), rec.Body)
		}
	}
	if rec := w.sent(t, token, named(known, "")); rec.Code != 200 || extensionsOf(t, rec) != nil {
		t.Errorf("a known hash: %d %s", rec.Code, rec.Body)
	}
}

// What a mutation waits for in the database ends with its time.
func TestAnOperationHasItsTime(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		w := open(t, url)
		w.web.Resolver.Timeout = 200 * time.Millisecond
		token, doc := w.token("mesa1"), w.register(t, "mesa1", mesa.Public)
		actor, held, release, done := w.actor("mesa1"), make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() {
			done <- w.db.InTx(context.Background(), func(tx *db.Tx) error {
				_, err := tx.DocumentFile(context.Background(), actor, mesa.MayUpdate, doc.ID, "documentId")
				close(held)
				<-release
				return err
			})
		}()
		<-held
		body, _ := json.Marshal(map[string]any{"query": `mutation($id: ID!) { updateDocument(input: {documentId: $id, notes: "x"}) { document { id } } }`, "variables": map[string]any{"id": doc.ID}})
		x := extensionsOf(t, w.sent(t, token, string(body)))
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if x["code"] != "TIMEOUT" || x["limit"] != 0.2 {
			t.Errorf("while somebody holds the document: %v", x)
		}
		w.web.Resolver.Timeout = time.Minute
		if x := extensionsOf(t, w.sent(t, token, string(body))); x != nil {
			t.Errorf("afterwards: %v", x)
		}
		if strings.Contains(w.log.String(), "internal error") {
			t.Errorf("it is logged as an internal error: %s", w.log)
		}
	})
}

// One account cannot occupy the server: what is more than its share waits for a moment and is refused then; others work.
func TestAnAccountHasItsShare(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	w.web.Resolver.Limits = graph.Limits{graph.LimitOperations: 1}
	ana, bea, doc := w.token("mesa1"), w.token("log1"), w.register(t, "mesa1", mesa.Public)
	held, release := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- w.db.InTx(context.Background(), func(*db.Tx) error { close(held); <-release; return nil })
	}()
	<-held
	body, _ := json.Marshal(map[string]any{"query": `mutation($id: ID!) { updateDocument(input: {documentId: $id, notes: "x"}) { document { id } } }`, "variables": map[string]any{"id": doc.ID}})
	first, second := make(chan *httptest.ResponseRecorder, 1), make(chan *httptest.ResponseRecorder, 1)
	go func() { first <- w.sent(t, ana, string(body)) }()
	go func() { second <- w.sent(t, ana, string(body)) }()
	var refused *httptest.ResponseRecorder
	select { // whichever of the two was second
	case refused = <-first:
		first = second
	case refused = <-second:
	}
	if x := extensionsOf(t, refused); x["code"] != "RATE_LIMITED" || x["rate"] != "operations" {
		t.Errorf("one too many: %s", refused.Body)
	}
	if rec := w.sent(t, bea, ofQuery(who)); rec.Code != 200 || extensionsOf(t, rec) != nil {
		t.Errorf("somebody else: %d %s", rec.Code, rec.Body)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if x := extensionsOf(t, <-first); x != nil {
		t.Errorf("the one that ran: %v", x)
	}
}

// A client that announces a body and sends it drop by drop is let go.
func TestASlowLoris(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	w.web.Patience = 200 * time.Millisecond
	server := w.listening(t)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	answer, err := io.ReadAll(conn) // until the server closes it
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) {
		t.Errorf("%v: %s", err, answer)
	}
}

// stayAlive answers pings until the socket is closed: on a slow machine there are some before the thousandth socket is open.
func stayAlive(ctx context.Context, conn *websocket.Conn) {
	for {
		var m struct{ Type string }
		if err := wsjson.Read(ctx, conn, &m); err != nil {
			return
		}
		if m.Type == "ping" {
			_ = wsjson.Write(ctx, conn, map[string]any{"type": "pong"})
		}
	}
}

// A thousand sockets that ask for nothing cost memory and nothing else, and where that is the most that an address may have, it gets no more.
func TestAThousandIdleSockets(t *testing.T) {
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	w.web.Resolver.Limits = graph.Limits{graph.LimitConnections: 1000}
	w.web.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	server, token := w.listening(t), w.token("mesa1")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	from := func(address string) (*websocket.Conn, *http.Response, error) {
		conn, res, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http")+"/graphql",
			&websocket.DialOptions{Subprotocols: []string{transportWS}, HTTPHeader: http.Header{"X-Forwarded-For": {address}}})
		if conn != nil {
			t.Cleanup(func() { _ = conn.CloseNow() })
		}
		return conn, res, err
	}
	var latest *websocket.Conn
	for range 1000 {
		conn, _, err := from("203.0.113.7")
		if err != nil {
			t.Fatal(err)
		}
		latest = conn
		if err := wsjson.Write(ctx, conn, map[string]any{"type": "connection_init"}); err != nil {
			t.Fatal(err)
		}
		var ack struct{ Type string }
		if err := wsjson.Read(ctx, conn, &ack); err != nil || ack.Type != "connection_ack" {
			t.Fatalf("%v %v", ack, err)
		}
		go stayAlive(ctx, conn)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)) / 1000 / 1024
	began := time.Now()
	rec := w.sent(t, token, ofQuery(who))
	t.Logf("%d KiB for each socket and its client; a request beside them: %v", each, time.Since(began))
	if rec.Code != 200 || each > 200 {
		t.Errorf("%d KiB each, %d %s", each, rec.Code, rec.Body)
	}

	_, res, err := from("203.0.113.7")
	if err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("one more socket: %v", err)
	}
	if body, _ := io.ReadAll(res.Body); !bytes.Contains(body, []byte(`"field":"connections"`)) || !bytes.Contains(body, []byte(`"limit":1000`)) {
		t.Errorf("one more socket is told %s", body)
	}
	stream, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/graphql?query={__typename}", nil)
	stream.Header = http.Header{"Accept": {"text/event-stream"}, "X-Forwarded-For": {"203.0.113.7"}}
	if res, err = server.Client().Do(stream); err != nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a stream besides: %v %v", res, err)
	}
	res.Body.Close()
	if _, _, err := from("203.0.113.8"); err != nil {
		t.Errorf("another address: %v", err)
	}
	if n := w.web.Resolver.Refusals()["connections"]; n != 2 {
		t.Errorf("%d refusals were counted", n)
	}
	_ = latest.CloseNow()
	for begun := time.Now(); ; { // until the server has seen it
		if _, _, err := from("203.0.113.7"); err == nil {
			break
		}
		if time.Since(begun) > patience {
			t.Fatal("a socket that is closed makes no room")
		}
	}
}
