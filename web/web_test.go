package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/bus"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// prepare makes databases with the institution as it is before anybody is there.
var prepare = testkit.Migrated(db.Options{}, testkit.Base)

// serving starts everything on a database.
func serving(t *testing.T, url string) (*Server, *httptest.Server, *db.DB) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	database, err := db.Open(t.Context(), url, db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { database.Close() })
	feed := bus.New(database, log)
	t.Cleanup(feed.Stop)
	s := &Server{Resolver: &graph.Resolver{DB: database, Desk: desk.New(database, log), Feed: feed, Log: log}, Log: log, GraphiQL: true}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return s, server, database
}

func TestHealth(t *testing.T) {
	testkit.EachDatabase(t, func(t *testing.T, url string) {
		t.Parallel()
		_, server, database := serving(t, url)
		expect := func(path string, status int, text string) {
			t.Helper()
			res, body := ask(t, server, "GET", path)
			if res.StatusCode != status || strings.TrimSpace(body) != text || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s is %s %q, want %d %q", path, res.Status, body, status, text)
			}
		}
		expect("/healthz", 200, "ok")
		if res, _ := ask(t, server, "GET", "/readyz"); res.StatusCode != 503 {
			t.Errorf("ready without a schema: %s", res.Status)
		}
		if _, err := database.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		var s *Server
		s, server, database = serving(t, url) // the first tells for a second what it found
		isReady := func() bool { res, _ := ask(t, server, "GET", "/readyz"); return res.StatusCode == 200 }
		for begun := time.Now(); !isReady() && time.Since(begun) < 2*time.Minute; { // its database has two seconds, and what it found is told for one
		}
		expect("/readyz", 200, "ready")
		s.Stop()
		s.Stop()
		expect("/readyz", 503, "stopping")
		expect("/healthz", 200, "ok") // it still lives
		database.Close()
		expect("/healthz", 200, "ok")
		expect("/readyz", 503, "stopping")
	})
}

// However often somebody asks whether the server is ready, its database is asked once in a second.
func TestReadinessIsKeptForASecond(t *testing.T) {
	testkit.EachClone(t, "base", prepare, func(t *testing.T, url string) {
		t.Parallel()
		s, _, _ := serving(t, url)
		handler, begun := s.Handler(), time.Now()
		ctx, counter := db.CountStatements(t.Context())
		late := 0
		asks := func() int {
			gone, leave := context.WithCancel(ctx)
			leave()
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, httptest.NewRequestWithContext(gone, "GET", "/readyz", nil))
			if rec.Code != 200 {
				late++
			}
			return counter.Statements()
		}
		once, all := asks(), 0
		for range 100 {
			all = asks()
		}
		seconds := 1 + int(time.Since(begun)/time.Second)
		if once == 0 || all > once*seconds {
			t.Errorf("%d statements for one, %d for a hundred", once, all)
		}
		if late > 0 && seconds < 3 { // its database has two seconds
			t.Errorf("%d times not ready", late)
		}
	})
}

func TestNotReadyWithoutItsDatabase(t *testing.T) {
	testkit.EachClone(t, "base", prepare, func(t *testing.T, url string) {
		t.Parallel()
		_, server, database := serving(t, url)
		database.Close()
		if res, body := ask(t, server, "GET", "/readyz"); res.StatusCode != 503 || strings.TrimSpace(body) != "database does not answer" {
			t.Errorf("%s %s", res.Status, body)
		}
	})
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	s, server, _ := serving(t, testkit.SQLiteClone(t, "base", testkit.Migrated(db.Options{}, testkit.Base)))
	ids := map[string]bool{}
	for _, c := range []struct {
		method, path string
		status       int
		location     string
	}{
		{"GET", "/", 302, "/graphiql/"},
		{"GET", "/graphiql", 301, "/graphiql/"},
		{"GET", "/graphiql/", 200, ""},
		{"GET", "/nothing", 404, ""},
		{"POST", "/healthz", 405, ""},
		{"DELETE", "/", 405, ""},
		{"OPTIONS", "/graphql", 200, ""},
		{"GET", "/graphql?query=%7B__typename%7D", 200, ""},
	} {
		res, _ := ask(t, server, c.method, c.path)
		if res.StatusCode != c.status || res.Header.Get("Location") != c.location {
			t.Errorf("%s %s is %s to %q, want %d to %q", c.method, c.path, res.Status, res.Header.Get("Location"), c.status, c.location)
		}
		id := res.Header.Get("X-Request-Id")
		if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(id) || ids[id] {
			t.Errorf("%s %s has the request id %q", c.method, c.path, id)
		}
		ids[id] = true
		if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") != "no-referrer" ||
			!strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s %s lacks headers: %v", c.method, c.path, res.Header)
		}
		if strings.HasPrefix(c.path, "/graphql") && (res.Header.Get("Cache-Control") != "no-store" || !strings.Contains(res.Header.Get("Vary"), "Authorization")) {
			t.Errorf("%s %s may be kept by a cache: %v", c.method, c.path, res.Header)
		}
	}
	s.GraphiQL = false
	bare := httptest.NewServer(s.Handler())
	defer bare.Close()
	for _, path := range []string{"/", "/graphiql", "/graphiql/"} {
		if res, _ := ask(t, bare, "GET", path); res.StatusCode != 404 {
			t.Errorf("without GraphiQL %s is %s", path, res.Status)
		}
	}
}

// Whoever sends too much is told so, whether they say how much or not, and nothing is asked of the database for them.
func TestABodyIsLimited(t *testing.T) {
	t.Parallel()
	_, server, _ := serving(t, testkit.SQLiteClone(t, "base", testkit.Migrated(db.Options{}, testkit.Base)))
	for size, status := range map[int]int{200 << 10: 200, 256<<10 + 1: 413, 2 << 20: 413} {
		for _, accept := range []string{"application/json", "text/event-stream"} {
			for _, chunked := range []bool{false, true} {
				body := `{"query": "{ __typename }", "extensions": {"x": ""}}`
				body = strings.Replace(body, `""`, `"`+strings.Repeat("x", size-len(body))+`"`, 1)
				req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/graphql", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if chunked {
					req.ContentLength = -1
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Accept", accept)
				res, err := server.Client().Transport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != status {
					t.Errorf("%d bytes for %s, chunked %v: %s, want %d", len(body), accept, chunked, res.Status, status)
				}
			}
		}
	}
}

// What a person does is found by the id that their answer had, with the address and the program that it came from.
func TestTheOriginOfARequestGoesIntoTheTrail(t *testing.T) {
	testkit.EachClone(t, "base", prepare, func(t *testing.T, url string) {
		t.Parallel()
		s, server, database := serving(t, url)
		s.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
		cat, err := database.Catalogue(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		in := desk.CreateUserInput{Email: "ana@example.org", FullName: "Ana", Roles: []desk.NewRoleInput{{Role: mesa.DeskClerk}}, Password: "tuma-lore-kiva-pono"}
		if _, _, err := s.Resolver.Desk.CreateUser(t.Context(), mesa.System(cat, "test"), in); err != nil {
			t.Fatal(err)
		}
		bearer := func() string {
			session, err := s.Resolver.Desk.OpenSession(t.Context(), "ana@example.org")
			if err != nil {
				t.Fatal(err)
			}
			return "bearer " + session.Token // the scheme in any case
		}
		from := func(token, client string) http.Header {
			return http.Header{"Authorization": {token}, "User-Agent": {client}, "X-Forwarded-For": {"203.0.113.9, 2001:db8::7"}, "Content-Type": {"application/json"}}
		}
		post := func(token, client, operation string) (requestID string) {
			req, _ := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/graphql", strings.NewReader(`{"query": "`+operation+`"}`))
			req.Header = from(token, client)
			res, err := server.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			return res.Header.Get("X-Request-Id")
		}
		socket := func(token, client, operation string) {
			conn, _, err := websocket.Dial(t.Context(), strings.Replace(server.URL, "http", "ws", 1)+"/graphql", &websocket.DialOptions{HTTPHeader: from(token, client), Subprotocols: []string{"graphql-transport-ws"}})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			for _, message := range []string{`{"type":"connection_init"}`, `{"id":"1","type":"subscribe","payload":{"query":"` + operation + `"}}`} {
				if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
					t.Fatal(err)
				}
			}
			for text := ""; !strings.Contains(text, `"id":"1"`); {
				if text, err = read(t.Context(), conn); err != nil {
					t.Fatal(err)
				}
			}
		}
		const long = mesa.MaxClient - 1
		signedOut := post(bearer(), strings.Repeat("x", long)+"ñ", "mutation { signOut { ok } }") // cut within a letter
		post("", "stranger", `mutation { signIn(input: { email: \"ana@example.org\", password: \"no es esta\" }) { token } }`)
		post(bearer(), "curious", "{ auditEntries { totalCount } }")
		socket(bearer(), "socket", "mutation { signOut { ok } }")

		testkit.Certain(t, database)
		events, err := database.EventsAfter(t.Context(), db.Tail{}, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		came := map[string]*mesa.Event{}
		for _, e := range events {
			came[string(e.Type)+" "+e.Client] = e
		}
		for _, what := range []string{"auth.signout " + strings.Repeat("x", long), "auth.signin_failed stranger", "access.denied curious", "auth.signout socket"} {
			if e := came[what]; e == nil || e.Address != "2001:db8::7" || e.RequestID == "" {
				t.Errorf("%s: %+v", what, e)
			}
		}
		if e := came["auth.signout "+strings.Repeat("x", long)]; e != nil && e.RequestID != signedOut {
			t.Errorf("the answer had the id %s, the event %s", signedOut, e.RequestID)
		}
	})
}

// What is not JSON is refused before the executor could repeat it in an answer or a log.
func TestABodyThatIsNotJSONIsNotRepeated(t *testing.T) {
	t.Parallel()
	handler := (&Server{Resolver: &graph.Resolver{Log: slog.New(slog.DiscardHandler)}, Log: slog.New(slog.DiscardHandler)}).Handler()
	for _, accept := range []string{"application/json", "text/event-stream"} {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(`{"query": "mutation…", "password": "s3cret"`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "s3cret") || !strings.Contains(w.Body.String(), "VALIDATION_FAILED") {
			t.Errorf("Accept %s: got %d %s", accept, w.Code, w.Body)
		}
	}
}
