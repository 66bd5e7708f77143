package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/mesapartes/mesa/internal/testkit"
)

// A browser with a page of a listed origin is told that the page may ask and read; with a page of any other origin it is told nothing.
func TestPagesOfOtherOrigins(t *testing.T) {
	const ours, strange = "https://app.example.org", "https://evil.example.org"
	s, _, _ := serving(t, testkit.SQLiteClone(t, "base", prepare))
	s.Origins = []string{ours, "http://localhost:5173"}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	send := func(method, origin string, headers ...string) *http.Response {
		r, err := http.NewRequest(method, server.URL+"/graphql", strings.NewReader(`{"query": "{ viewer { user { id } } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", origin)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	for _, c := range []struct {
		origin  string
		allowed bool
	}{{ours, true}, {"http://localhost:5173", true}, {strange, false}, {"https://app.example.org.evil.org", false}, {"http://app.example.org", false}, {"null", false}, {"", false}} {
		asked := send(http.MethodOptions, c.origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
		if got := asked.Header.Get("Access-Control-Allow-Headers"); c.allowed != strings.Contains(got, "Authorization") || c.allowed != (asked.StatusCode == http.StatusNoContent) {
			t.Errorf("preflight of %q: %s, headers %q", c.origin, asked.Status, got)
		}
		for _, method := range []string{http.MethodOptions, http.MethodPost} {
			res := send(method, c.origin)
			allowed := res.Header.Get("Access-Control-Allow-Origin")
			if c.allowed != (allowed == c.origin && allowed != "") || !c.allowed && allowed != "" || (res.Header.Get("Access-Control-Allow-Credentials") == "true") != c.allowed {
				t.Errorf("%s by a page of %q: allowed %q", method, c.origin, allowed)
			}
			if vary := strings.Join(res.Header.Values("Vary"), ", "); !strings.Contains(vary, "Origin") || method == http.MethodPost && !strings.Contains(vary, "Authorization") {
				t.Errorf("%s by a page of %q: Vary %q", method, c.origin, vary)
			}
		}
		if c.origin == "" || c.origin == "null" {
			continue
		}
		conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/graphql",
			&websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Origin": {c.origin}}})
		if c.allowed != (err == nil) {
			t.Errorf("a WebSocket of %q: %v", c.origin, err)
		}
		if conn != nil {
			conn.CloseNow()
		}
	}
}

func TestOriginsAreChecked(t *testing.T) {
	if err := CheckOrigins([]string{"https://app.example.org", "http://localhost:5173"}); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"*", "https://*.example.org", "app.example.org", "https://app.example.org/", "https://app.example.org/x", "ftp://x", "https://App.example.org", ""} {
		if CheckOrigins([]string{wrong}) == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
