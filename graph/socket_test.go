package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/bus"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
	"github.com/mesapartes/mesa/web"
)

// talker is a client that says what a test tells it to.
type talker struct {
	t      *testing.T
	conn   *websocket.Conn
	isBusy bool // on a busy machine: it answers pings that a test does not tell of
}

// dial opens a socket; protocols are what the client offers.
func dial(t *testing.T, server *httptest.Server, protocols ...string) talker {
	t.Helper()
	c := dialWith(t, server.Client(), server.URL, protocols...)
	c.isBusy = true
	return c
}

func dialWith(t *testing.T, client *http.Client, url string, protocols ...string) talker {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/graphql", &websocket.DialOptions{Subprotocols: protocols, HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return talker{t: t, conn: conn}
}

const transportWS = "graphql-transport-ws"

// begin opens a socket and initializes it.
func begin(t *testing.T, server *httptest.Server, token string) talker {
	t.Helper()
	c := dial(t, server, transportWS)
	c.say(initOf(token))
	c.hears("connection_ack")
	return c
}

func initOf(token string) string {
	if token == "" {
		return `{"type": "connection_init"}`
	}
	return `{"type": "connection_init", "payload": {"Authorization": "Bearer ` + token + `"}}`
}

func subscribeTo(id, query string) string {
	text, _ := json.Marshal(map[string]any{"id": id, "type": "subscribe", "payload": map[string]any{"query": query}})
	return string(text)
}

func (c talker) say(messages ...string) {
	c.t.Helper()
	for _, m := range messages {
		if err := c.conn.Write(context.Background(), websocket.MessageText, []byte(m)); err != nil {
			c.t.Fatalf("%s: %v", m, err)
		}
	}
}

// hear is the next message, or the code with which the server closed the socket.
func (c talker) hear() (text string, code websocket.StatusCode) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, b, err := c.conn.Read(ctx)
		if err != nil {
			return err.Error(), websocket.CloseStatus(err)
		}
		if !c.isBusy || string(b) != `{"type":"ping"}` {
			return string(b), 0
		}
		_ = c.conn.Write(ctx, websocket.MessageText, []byte(`{"type":"pong"}`)) // if it was closed, that is what it hears next
	}
}

// hears wants a message of a type next, and returns it.
func (c talker) hears(kind string) string {
	c.t.Helper()
	text, _ := c.hear()
	var m struct{ Type string }
	if _ = json.Unmarshal([]byte(text), &m); m.Type != kind {
		c.t.Fatalf("heard %s instead of %s", text, kind)
	}
	return text
}

// closed wants the socket closed with a code; what comes before is left out.
func (c talker) closed(code websocket.StatusCode, reason string) {
	c.t.Helper()
	for {
		text, got := c.hear()
		if got == 0 {
			continue
		}
		if got != code || !strings.Contains(text, reason) {
			c.t.Errorf("closed with %d %s, want %d %s", got, text, code, reason)
		}
		return
	}
}

const endless = `subscription { trayChanged(areaId: "%s") { event { id } } }`

// Each way to break the protocol has a code of its own.
func TestWhySocketsAreClosed(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	server := w.listening(t)
	token := w.token("jefe.mesa")
	follow := fmt.Sprintf(endless, w.area(t, "OPP"))
	tooLong := `{"type": "ping", "payload": {"x": "` + strings.Repeat("x", 64<<10) + `"}}`
	for _, c := range []struct {
		name  string
		says  []string
		code  websocket.StatusCode
		cause string
	}{
		{"no JSON", []string{`{`}, 4400, "Invalid message"},
		{"a list", []string{`[]`}, 4400, "Invalid message"},
		{"null", []string{`null`}, 4400, "Invalid message"},
		{"two messages in one", []string{`{"type": "ping"}{"type": "ping"}`}, 4400, ""},
		{"no type", []string{`{}`}, 4400, ""},
		{"an unknown type", []string{`{"type": "start", "id": "1"}`}, 4400, ""},
		{"a type that servers say", []string{initOf(""), `{"type": "next", "id": "1"}`}, 4400, ""},
		{"a type that is a number", []string{`{"type": 7}`}, 4400, ""},
		{"an id that is a number", []string{initOf(""), `{"type": "complete", "id": 7}`}, 4400, ""},
		{"complete without an id", []string{initOf(""), `{"type": "complete"}`}, 4400, ""},
		{"a payload of init that is a text", []string{`{"type": "connection_init", "payload": "x"}`}, 4400, ""},
		{"a payload of ping that is a list", []string{`{"type": "ping", "payload": []}`}, 4400, ""},
		{"subscribe without an id", []string{initOf(""), `{"type": "subscribe", "payload": {"query": "{ __typename }"}}`}, 4400, ""},
		{"subscribe without a payload", []string{initOf(""), `{"type": "subscribe", "id": "1"}`}, 4400, ""},
		{"subscribe to nothing", []string{initOf(""), `{"type": "subscribe", "id": "1", "payload": {}}`}, 4400, ""},
		{"a query that is a number", []string{initOf(""), `{"type": "subscribe", "id": "1", "payload": {"query": 7}}`}, 4400, ""},
		{"variables that are a list", []string{initOf(""), `{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}}`}, 4400, ""},
		{"subscribe before init", []string{subscribeTo("1", "{ __typename }")}, 4401, "Unauthorized"},
		{"a token that nobody holds", []string{initOf("nobody")}, 4403, "Forbidden"},
		{"an id twice", []string{initOf(token), subscribeTo("so", follow), subscribeTo("so", follow)}, 4409, "Subscriber for so already exists"},
		{"a long id twice", []string{initOf(token), subscribeTo(strings.Repeat("ñ", 500), follow), subscribeTo(strings.Repeat("ñ", 500), follow)}, 4409, "already exists"},
		{"init twice", []string{initOf(""), initOf("")}, 4429, "Too many initialisation requests"},
		{"a message that is too large", []string{initOf(""), tooLong}, websocket.StatusMessageTooBig, ""},
		{"what is not UTF-8", []string{"{\"type\": \"ping\", \"payload\": {\"x\": \"\xff\"}}"}, websocket.StatusInvalidFramePayloadData, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			talk := dial(t, server, transportWS)
			talk.say(c.says...)
			talk.closed(c.code, c.cause)
		})
	}
	t.Run("bytes instead of a text", func(t *testing.T) {
		talk := dial(t, server, transportWS)
		if err := talk.conn.Write(t.Context(), websocket.MessageBinary, []byte(`{"type": "ping"}`)); err != nil {
			t.Fatal(err)
		}
		talk.closed(4400, "")
	})
	for _, protocols := range [][]string{nil, {"graphql-ws"}, {"chat", "mqtt"}} {
		dial(t, server, protocols...).closed(4406, "graphql-transport-ws")
	}
	if log := w.log.String(); strings.Contains(log, "ERROR") {
		t.Error(log)
	}
}

func TestOperationsOnASocket(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	server := w.listening(t)
	token := w.token("jefe.mesa")
	const who = "{ viewer { user { email } } }"
	follow := fmt.Sprintf(endless, w.area(t, "OPP"))

	t.Run("a result, then the end; the id is free again", func(t *testing.T) {
		c := begin(t, server, token)
		for range 3 {
			c.say(subscribeTo("1", who))
			if text := c.hears("next"); !strings.Contains(text, `"id":"1"`) || !strings.Contains(text, "jefe.mesa@") {
				t.Error(text)
			}
			if text := c.hears("complete"); text != `{"id":"1","type":"complete"}` {
				t.Error(text)
			}
		}
	})
	t.Run("an error, and no end after it", func(t *testing.T) {
		c := begin(t, server, token)
		c.say(subscribeTo("1", "{ nothing }"))
		if text := c.hears("error"); !strings.Contains(text, `"payload":[{"message":`) {
			t.Error(text)
		}
		c.say(subscribeTo("1", who)) // the id is free, the next message belongs to it
		c.hears("next")
		c.hears("complete")
	})
	t.Run("the client ends a subscription and hears no more of it", func(t *testing.T) {
		c := begin(t, server, token)
		for range 3 {
			c.say(subscribeTo("1", follow), `{"id": "1", "type": "complete"}`)
		}
		c.say(`{"id": "of nobody", "type": "complete"}`, `{"type": "ping"}`)
		c.hears("pong")
	})
	t.Run("a ping is answered with its payload, before init too", func(t *testing.T) {
		c := dial(t, server, transportWS)
		c.say(`{"type": "ping", "payload": {"n": 1}}`)
		if text := c.hears("pong"); text != `{"type":"pong","payload":{"n":1}}` {
			t.Error(text)
		}
		c.say(`{"type": "pong"}`, `{"type": "pong", "payload": null}`, `{"type": "ping"}`)
		if text := c.hears("pong"); text != `{"type":"pong"}` {
			t.Error(text)
		}
	})
	t.Run("a document that is only named", func(t *testing.T) {
		c := begin(t, server, token)
		c.say(`{"id": "1", "type": "subscribe", "payload": {"documentId": "x"}}`)
		if text := c.hears("error"); !strings.Contains(text, "PERSISTED_QUERY_NOT_FOUND") {
			t.Error(text)
		}
	})
	t.Run("one operation too many", func(t *testing.T) {
		c := begin(t, server, w.token("mesa1"))
		own := fmt.Sprintf(endless, w.actor("mesa1").Areas[0])
		for i := range 100 {
			c.say(subscribeTo(fmt.Sprint(i), own))
		}
		c.say(subscribeTo("more", who))
		if text := c.hears("error"); !strings.Contains(text, `"id":"more"`) || !strings.Contains(text, "LIMIT_EXCEEDED") || !strings.Contains(text, `"limit":100`) {
			t.Error(text)
		}
		c.say(`{"id": "7", "type": "complete"}`)
		for try := 0; ; try++ { // until the one is really gone
			c.say(subscribeTo("more", who))
			if text, _ := c.hear(); strings.Contains(text, "mesa1@") {
				break
			} else if try == 1000 || !strings.Contains(text, "LIMIT_EXCEEDED") {
				t.Fatal(text)
			}
		}
	})
}

// A stop is no end of a subscription: the client shall connect again, to another process.
func TestAStopClosesSockets(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	server := w.listening(t)
	busy := begin(t, server, w.token("jefe.mesa"))
	busy.say(subscribeTo("1", fmt.Sprintf(endless, w.area(t, "OPP"))), subscribeTo("2", "{ __typename }"))
	busy.hears("next")
	busy.hears("complete")
	fresh := dial(t, server, transportWS) // which would not be waited for much longer
	w.feed.Stop()
	fresh.closed(websocket.StatusServiceRestart, "Server stops")
	if text, code := busy.hear(); code != websocket.StatusServiceRestart {
		t.Errorf("heard %s (%d) at the stop", text, code)
	}
	w.web.Wait(t.Context())
	begun := dial(t, server, transportWS)
	begun.closed(websocket.StatusServiceRestart, "")
}

// Whose token is no longer good comes back with another: the socket is closed so that the client asks for one.
func TestASocketWhoseTokenRanOut(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	server := w.listening(t)
	end := func(token string) { w.must(t, request{query: `mutation { signOut { ok } }`, token: token}) }

	token := w.token("mesa1")
	c := begin(t, server, token)
	end(token)
	c.say(subscribeTo("1", "{ viewer { user { email } } }"))
	if text := c.hears("error"); !strings.Contains(text, "UNAUTHENTICATED") {
		t.Error(text)
	}
	c.closed(4403, "Forbidden")

	token = w.token("mesa1")
	doc := w.register(t, "mesa1", mesa.Public)
	c = begin(t, server, token)
	c.say(subscribeTo("1", fmt.Sprintf(`subscription { documentChanged(id: "%s") { event { id } } }`, doc.ID)))
	follows := make(chan string, 1)
	go func() { text, _ := c.hear(); follows <- text }()
	for text := ""; text == ""; { // a subscription says nothing when it begins
		w.note(t, doc.ID, time.Now().String())
		select {
		case text = <-follows:
			if !strings.Contains(text, `"next"`) {
				t.Fatal(text)
			}
		case <-time.After(50 * time.Millisecond):
		}
	}
	end(token)
	w.note(t, doc.ID, "after the end")
	c.closed(4403, "Forbidden")

	stranger := begin(t, server, "")
	stranger.say(subscribeTo("1", "{ viewer { user { email } } }"))
	stranger.hears("error")
	stranger.say(`{"type": "ping"}`)
	stranger.hears("pong") // nothing ran out
}

// inMemory serves a world over pipes, with a feed of its own, so that all that a socket waits for belongs to a bubble.
func (w *world) inMemory(t *testing.T) (client *http.Client, stop func()) {
	listener := pipes{make(chan net.Conn), make(chan struct{})}
	feed := bus.New(w.db, slog.New(slog.DiscardHandler))
	site := &web.Server{Resolver: &graph.Resolver{DB: w.db, Desk: w.desk, Feed: feed, Jobs: w.signals, Log: w.web.Log, Limits: w.web.Resolver.Limits}, Log: w.web.Log}
	server := &http.Server{Handler: site.Handler()}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		listener.conns <- far
		return near, nil
	}}
	return &http.Client{Transport: transport}, func() {
		_ = server.Close()
		transport.CloseIdleConnections()
		<-done
		feed.Stop()
		site.Wait(context.Background())
	}
}

// pipes is a listener whose connections do not leave the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func TestSocketsThatDoNothing(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	within := func(name string, body func(t *testing.T, client *http.Client)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, stop := w.inMemory(t)
				body(t, client)
				stop()
			})
		})
	}
	after := func(t *testing.T, begun time.Time, want time.Duration) {
		t.Helper()
		if took := time.Since(begun); took != want {
			t.Errorf("after %v, want %v", took, want)
		}
	}
	within("not even begin", func(t *testing.T, client *http.Client) {
		begun := time.Now()
		c := dialWith(t, client, "http://mesa", transportWS)
		c.say(`{"type": "ping"}`)
		c.hears("pong")
		c.closed(4408, "Connection initialisation timeout")
		after(t, begun, 5*time.Second)
	})
	within("no longer answer", func(t *testing.T, client *http.Client) {
		begun := time.Now()
		c := dialWith(t, client, "http://mesa", transportWS)
		c.say(initOf(""))
		c.hears("connection_ack")
		c.hears("ping")
		after(t, begun, 20*time.Second)
		if text, code := c.hear(); code != -1 { // without a farewell
			t.Errorf("heard %s, closed with %d", text, code)
		}
		after(t, begun, 40*time.Second)
	})
	within("want nothing", func(t *testing.T, client *http.Client) {
		begun := time.Now()
		c := dialWith(t, client, "http://mesa", transportWS)
		c.say(initOf(""))
		c.hears("connection_ack")
		for range 6 { // two minutes
			c.hears("ping")
			c.say(`{"type": "pong"}`)
		}
		c.say(subscribeTo("1", "{ __typename }")) // the five minutes begin again
		c.hears("next")
		c.hears("complete")
		for {
			text, code := c.hear()
			if code == 0 && strings.Contains(text, "ping") {
				c.say(`{"type": "pong"}`)
				continue
			}
			if code != websocket.StatusNormalClosure {
				t.Errorf("heard %s (%d)", text, code)
			}
			break
		}
		after(t, begun, 7*time.Minute)
	})
}

func TestAnOperatorSetsTheBoundsOfSockets(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	limits, err := graph.ParseLimits([]string{"message=300", "socketOperations=1", "socketIdle=40"})
	if err != nil {
		t.Fatal(err)
	}
	w.web.Resolver.Limits = limits
	server, token := w.listening(t), w.token("jefe.mesa")
	c := begin(t, server, token)
	c.say(subscribeTo("1", fmt.Sprintf(endless, w.area(t, "OPP"))), subscribeTo("2", "{ __typename }"))
	if text := c.hears("error"); !strings.Contains(text, `"id":"2"`) || !strings.Contains(text, `"field":"socketOperations"`) || !strings.Contains(text, `"limit":1`) {
		t.Error(text)
	}
	c.say(`{"type": "ping", "payload": {"x": "` + strings.Repeat("x", 300) + `"}}`)
	c.closed(websocket.StatusMessageTooBig, "")
	synctest.Test(t, func(t *testing.T) {
		client, stop := w.inMemory(t)
		begun := time.Now()
		c := dialWith(t, client, "http://mesa", transportWS)
		c.say(initOf(""))
		c.hears("connection_ack")
		c.hears("ping")
		c.say(`{"type": "pong"}`)
		c.closed(websocket.StatusNormalClosure, "Idle")
		if took := time.Since(begun); took != 40*time.Second {
			t.Errorf("idle for %v", took)
		}
		stop()
	})
}
