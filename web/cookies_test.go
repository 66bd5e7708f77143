package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

const clerk, clerksPassword = "ana@example.org", "tuma-lore-kiva-pono"

// browser is a page's browser: it keeps cookies as the server says.
type browser struct {
	*testing.T
	server string
	jar    map[string]*http.Cookie
}

// ask sends an operation as a page does; headers are pairs.
func (b *browser) ask(operation string, headers ...string) (string, *http.Response) {
	b.Helper()
	body, _ := json.Marshal(map[string]any{"query": operation})
	r, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, b.server+"/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	for _, c := range b.jar {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		} else {
			b.jar[c.Name] = c
		}
	}
	return string(text), res
}

func inBrowser(t *testing.T, body func(b *browser, s *Server)) {
	testkit.EachClone(t, "base", prepare, func(t *testing.T, url string) {
		t.Parallel()
		s, server, database := serving(t, url)
		cat, err := database.Catalogue(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		in := desk.CreateUserInput{Email: clerk, FullName: "Ana Quispe", Roles: []desk.NewRoleInput{{Role: mesa.DeskClerk}}, Password: clerksPassword}
		if _, _, err := s.Resolver.Desk.CreateUser(t.Context(), mesa.System(cat, "test"), in); err != nil {
			t.Fatal(err)
		}
		body(&browser{T: t, server: server.URL, jar: map[string]*http.Cookie{}}, s)
	})
}

const (
	signInWithCookie = `mutation { signIn(input: { email: "` + clerk + `", password: "` + clerksPassword + `" }, cookie: true) { token refreshToken viewer { user { email } } } }`
	whoAmI           = `{ viewer { user { email } } }`
)

// A page signs in, works, renews its session and signs out without ever seeing a token.
func TestAPageKeepsItsSessionInCookies(t *testing.T) {
	inBrowser(t, func(b *browser, s *Server) {
		told, res := b.ask(signInWithCookie, clientHeader, "web")
		if want := `{"data":{"signIn":{"token":"","refreshToken":"","viewer":{"user":{"email":"ana@example.org"}}}}}`; told != want {
			b.Fatalf("signed in: %s", told)
		}
		if len(res.Cookies()) != 2 {
			b.Fatalf("cookies %v", res.Cookies())
		}
		for _, c := range res.Cookies() {
			if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Secure || c.MaxAge < 3000 {
				b.Errorf("cookie %s", c.Raw)
			}
		}
		if told, _ := b.ask(whoAmI, clientHeader, "web"); !strings.Contains(told, clerk) {
			b.Errorf("with the cookie: %s", told)
		}
		before := b.jar[sessionCookie].Value
		if told, _ := b.ask(`mutation { refresh { token refreshToken viewer { user { email } } } }`, clientHeader, "web"); !strings.Contains(told, `"token":"","refreshToken":""`) {
			b.Errorf("renewed: %s", told)
		}
		if b.jar[sessionCookie].Value == before {
			b.Error("the cookie is the one of before")
		}
		if told, _ := b.ask(whoAmI, "Authorization", "Bearer "+before, clientHeader, "web"); !strings.Contains(told, "UNAUTHENTICATED") {
			b.Errorf("a header beats a cookie, but: %s", told)
		}
		if told, _ := b.ask(`mutation { signOut { ok } }`, clientHeader, "web"); !strings.Contains(told, `"ok":true`) || len(b.jar) != 0 {
			b.Errorf("signed out: %s, and there are %d cookies", told, len(b.jar))
		}
	})
}

// Nobody else's page acts in the name of whoever is signed in.
func TestCookiesOfOthersPagesDoNotCount(t *testing.T) {
	inBrowser(t, func(b *browser, s *Server) {
		s.Origins = []string{"https://app.example.org"}
		b.ask(signInWithCookie, clientHeader, "web")
		for what, c := range map[string]struct {
			headers []string
			counts  bool
		}{
			"the header":                   {[]string{clientHeader, "web"}, true},
			"the header, the own origin":   {[]string{clientHeader, "web", "Origin", b.server}, true},
			"the header, a listed origin":  {[]string{clientHeader, "web", "Origin", "https://app.example.org"}, true},
			"no header":                    {nil, false},
			"no header, the own origin":    {[]string{"Origin", b.server}, false},
			"the header, another origin":   {[]string{clientHeader, "web", "Origin", "https://evil.example.org"}, false},
			"the header, no origin at all": {[]string{clientHeader, "web", "Origin", "null"}, false},
		} {
			if told, _ := b.ask(whoAmI, c.headers...); strings.Contains(told, clerk) != c.counts {
				b.Errorf("%s: %s", what, told)
			}
		}
		for _, headers := range [][]string{nil, {clientHeader, "web", "Accept", "text/event-stream"}, {clientHeader, "web", "Origin", "https://evil.example.org"}} {
			if told, res := b.ask(signInWithCookie, headers...); len(res.Cookies()) != 0 || !strings.Contains(told, "X-Mesa-Client") {
				b.Errorf("%v: %s", headers, told)
			}
		}
	})
}

// Beyond this machine cookies go over TLS alone, and under a name that no other host can set.
func TestCookiesAskForTLS(t *testing.T) {
	inBrowser(t, func(b *browser, s *Server) {
		for _, headers := range [][]string{{"Host", "mesa.example.org"}, {"X-Forwarded-Proto", "https"}} {
			_, res := b.ask(signInWithCookie, append(headers, clientHeader, "web")...)
			if len(res.Cookies()) != 2 {
				b.Fatalf("%v: cookies %v", headers, res.Cookies())
			}
			for _, c := range res.Cookies() {
				if !c.Secure || !strings.HasPrefix(c.Name, "__Host-mesa") {
					b.Errorf("%v: cookie %s", headers, c.Raw)
				}
			}
			if told, _ := b.ask(whoAmI, append(headers, clientHeader, "web")...); !strings.Contains(told, clerk) {
				b.Errorf("%v: %s", headers, told)
			}
		}
	})
}

// A WebSocket has no header of its own; the origin of its page decides.
func TestAWebSocketWithACookie(t *testing.T) {
	inBrowser(t, func(b *browser, s *Server) {
		b.ask(signInWithCookie, clientHeader, "web")
		for origin, want := range map[string]string{b.server: clerk, "": "UNAUTHENTICATED", "https://evil.example.org": "refused"} {
			if got := b.overSocket(origin); !strings.Contains(got, want) {
				b.Errorf("origin %q: %s, want %s", origin, got, want)
			}
		}
	})
}

// overSocket asks who is signed in, over a WebSocket.
func (b *browser) overSocket(origin string) string {
	header := http.Header{}
	for _, c := range b.jar {
		header.Add("Cookie", c.Name+"="+c.Value)
	}
	if origin != "" {
		header.Set("Origin", origin)
	}
	conn, _, err := websocket.Dial(b.Context(), strings.Replace(b.server, "http", "ws", 1)+"/graphql", &websocket.DialOptions{HTTPHeader: header, Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return "refused"
	}
	defer conn.CloseNow()
	for _, message := range []string{`{"type":"connection_init"}`, `{"id":"1","type":"subscribe","payload":{"query":"{ viewer { user { email } } }"}}`} {
		if err := conn.Write(b.Context(), websocket.MessageText, []byte(message)); err != nil {
			b.Fatal(err)
		}
	}
	for {
		text, err := read(b.Context(), conn)
		if err != nil || strings.Contains(text, `"id":"1"`) {
			return text
		}
	}
}

func read(ctx context.Context, conn *websocket.Conn) (string, error) {
	_, text, err := conn.Read(ctx)
	return string(text), err
}
