package graph_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

const (
	documentChanged = `subscription($id: ID!) { documentChanged(id: $id) { event { id type at } document { id state version } } }`
	trayChanged     = `subscription($id: ID!) { trayChanged(areaId: $id) { event { id type at } counts { box count } } }`
)

// listening starts a real server for a world.
func (w *world) listening(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	t.Cleanup(w.feed.Stop) // first, so that no stream keeps the server open
	return server
}

// stream is a subscription as a client sees it: what comes, until the channel is closed.
type stream struct {
	messages <-chan message
	close    func()
	how      *string // it ended, once messages is closed: "complete", the code of the socket, "" for a stream that broke off
}

type message struct {
	data   map[string]any
	errors []any
}

// transports are the two ways to subscribe.
var transports = map[string]func(*testing.T, *httptest.Server, string, string, map[string]any) stream{"ws": overWebSocket, "sse": overSSE}

// overWebSocket subscribes by graphql-transport-ws; the token goes into connection_init.
func overWebSocket(t *testing.T, server *httptest.Server, token, query string, variables map[string]any) stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	conn, res, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http")+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Body != nil {
		res.Body.Close()
	}
	send := func(v map[string]any) {
		if err := wsjson.Write(ctx, conn, v); err != nil {
			t.Fatal(err)
		}
	}
	payload := map[string]any{}
	if token != "" {
		payload["Authorization"] = "Bearer " + token
	}
	send(map[string]any{"type": "connection_init", "payload": payload})
	type frame struct {
		ID      string
		Type    string
		Payload json.RawMessage
	}
	var ack frame
	if err := wsjson.Read(ctx, conn, &ack); err != nil || ack.Type != "connection_ack" {
		t.Fatalf("%+v, %v", ack, err)
	}
	send(map[string]any{"id": "1", "type": "subscribe", "payload": map[string]any{"query": query, "variables": variables}})
	out, done, how := make(chan message, 100), make(chan struct{}), new(string)
	go func() {
		defer close(done)
		defer close(out)
		for {
			var f frame
			if err := wsjson.Read(ctx, conn, &f); err != nil {
				*how = strconv.Itoa(int(websocket.CloseStatus(err)))
				return
			}
			switch f.Type {
			case "next":
				var p struct {
					Data   map[string]any
					Errors []any
				}
				_ = json.Unmarshal(f.Payload, &p)
				out <- message{p.Data, p.Errors}
			case "error":
				var errs []any
				_ = json.Unmarshal(f.Payload, &errs)
				out <- message{nil, errs}
			case "complete":
				*how = f.Type
				return
			case "ping":
				send(map[string]any{"type": "pong"})
			}
		}
	}()
	closing := func() {
		cancel()
		_ = conn.CloseNow()
		<-done
	}
	t.Cleanup(closing)
	return stream{out, closing, how}
}

// overSSE subscribes by server-sent events; the token goes into the header.
func overSSE(t *testing.T, server *httptest.Server, token, query string, variables map[string]any) stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	body, _ := json.Marshal(map[string]any{"query": query, "variables": variables})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/graphql", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("%s of %s", res.Status, kind)
	}
	out, done, how := make(chan message, 100), make(chan struct{}), new(string)
	go func() {
		defer close(done)
		defer close(out)
		defer res.Body.Close()
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			data, isData := strings.CutPrefix(lines.Text(), "data: ")
			if !isData {
				if lines.Text() == "event: complete" {
					*how = "complete"
					return
				}
				continue
			}
			var p struct {
				Data   map[string]any
				Errors []any
			}
			if json.Unmarshal([]byte(data), &p) == nil {
				out <- message{p.Data, p.Errors}
			}
		}
	}()
	closing := func() {
		cancel()
		<-done
	}
	t.Cleanup(closing)
	return stream{out, closing, how}
}

// patience is how long a test waits for what must come.
const patience = time.Minute

// next waits for a message; ok is false when the stream has ended.
func (s stream) next(t *testing.T) (m message, ok bool) {
	t.Helper()
	select {
	case m, ok = <-s.messages:
		return m, ok
	case <-time.After(patience):
		t.Fatal("nothing came")
		return m, false
	}
}

// ended waits for the end, before which nothing may come.
func (s stream) ended(t *testing.T) {
	t.Helper()
	if m, ok := s.next(t); ok {
		t.Errorf("came instead of the end: %v %v", m.data, m.errors)
	}
}

// register makes a document of a grade.
func (w *world) register(t *testing.T, who string, grade mesa.Confidentiality) *mesa.Document {
	t.Helper()
	by := w.actor(who)
	w.clock.add(time.Second)
	doc, err := w.desk.Register(t.Context(), by, desk.RegisterDocumentInput{
		TypeID: by.Catalogue.Types[0].ID, Subject: "Solicita copia", Folios: 1, Confidentiality: grade,
		Sender: desk.SenderInput{Kind: mesa.PersonParty, IDType: mesa.NoID, Name: "Una persona"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func (w *world) derive(t *testing.T, who string, doc *mesa.Document, code string) *mesa.Derivation {
	t.Helper()
	w.clock.add(time.Second)
	_, legs, err := w.desk.Derive(t.Context(), w.actor(who), desk.DeriveDocumentInput{DocumentID: doc.ID,
		Targets: []mesa.DerivationTargetInput{{AreaID: w.area(t, code), Instructions: "Para su atención"}}})
	if err != nil {
		t.Fatal(err)
	}
	return legs[0]
}

// note changes the remarks of a document.
func (w *world) note(t *testing.T, id mesa.DocumentID, text string) int {
	t.Helper()
	w.clock.add(time.Second)
	doc, err := w.desk.Update(t.Context(), w.actor("jefe.mesa"), desk.UpdateDocumentInput{DocumentID: id, Notes: &text, Given: []string{"documentId", "notes"}})
	if err != nil {
		t.Fatal(err)
	}
	return doc.Version
}

// lastEvent is the id of the latest event of a document.
func (w *world) lastEvent(t *testing.T, id mesa.DocumentID) any {
	t.Helper()
	a := w.must(t, request{
		query:     `query($id: ID!) { node(id: $id) { ... on Document { timeline(first: 200) { nodes { id } } } } }`,
		variables: map[string]any{"id": id}, token: w.token("admin"),
	})
	nodes := lookUp(any(a.data), "node.timeline.nodes").([]any)
	return lookUp(nodes[len(nodes)-1], "id")
}

// awake changes a document until the subscriber has heard of the last change: a subscription says nothing when it begins.
func (w *world) awake(t *testing.T, s stream, id mesa.DocumentID) {
	t.Helper()
	for try := range 180 {
		w.note(t, id, fmt.Sprint("cambio ", try))
		last := w.lastEvent(t, id)
		select {
		case m, ok := <-s.messages:
			for ok && lookUp(any(m.data), "documentChanged.event.id") != last {
				m, ok = s.next(t)
			}
			if !ok {
				t.Fatal("the stream ended before it began")
			}
			return
		case <-time.After(250 * time.Millisecond):
		}
	}
	t.Fatal("nothing comes")
}

func TestADocumentIsFollowed(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		for name, subscribe := range transports {
			t.Run(name, func(t *testing.T) {
				w := open(t, url)
				server := w.listening(t)
				doc := w.register(t, "mesa1", mesa.Public)
				other := w.register(t, "mesa1", mesa.Public)
				s := subscribe(t, server, w.token("mesa1"), documentChanged, map[string]any{"id": doc.ID})
				w.awake(t, s, doc.ID)
				w.note(t, other.ID, "nobody follows this one")
				leg := w.derive(t, "mesa1", doc, "OAJ")
				w.clock.add(time.Second)
				if _, err := w.desk.Receive(t.Context(), w.actor("oaj1"), desk.DerivationInput{DerivationID: leg.ID}); err != nil {
					t.Fatal(err)
				}
				got := []string{}
				for len(got) < 3 {
					m, ok := s.next(t)
					if !ok || len(m.errors) > 0 {
						t.Fatalf("ended: %v", m.errors)
					}
					got = append(got, fmt.Sprint(lookUp(any(m.data), "documentChanged.event.type")))
					if id := lookUp(any(m.data), "documentChanged.document.id"); id != string(doc.ID) {
						t.Errorf("told of %v", id)
					}
				}
				if want := "derivation.created document.derived derivation.received"; strings.Join(got, " ") != want {
					t.Errorf("came %q, want %q", got, want)
				}
			})
		}
	})
}

func TestATrayIsFollowedAndShowsOnlyWhatMayBeSeen(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		areas := map[string]string{"ws": "OPP", "sse": "OCI"} // the administrator works in neither
		for name, subscribe := range transports {
			t.Run(name, func(t *testing.T) {
				w := open(t, url)
				server := w.listening(t)
				seen := w.register(t, "jefe.mesa", mesa.Public)
				secret := w.register(t, "jefe.mesa", mesa.Confidential)
				area := w.area(t, areas[name])
				a := w.must(t, request{query: `query($id: ID!) { trayCounts(areaId: $id) { box count } }`, variables: map[string]any{"id": area}, token: w.token("admin")})
				before := toReceive(lookUp(any(a.data), "trayCounts"))
				w.derive(t, "jefe.mesa", seen, areas[name])
				s := subscribe(t, server, w.token("admin"), trayChanged, map[string]any{"id": area}) // an administrator sees all but confidential ones
				heard := false
				for try := 0; !heard && try < 1200; try++ {
					w.note(t, seen.ID, fmt.Sprint("cambio ", try))
					select {
					case m := <-s.messages: // after it nothing of the time before can come
						heard = lookUp(any(m.data), "trayChanged.event.type") == "document.updated"
					case <-time.After(50 * time.Millisecond):
					}
				}
				w.derive(t, "jefe.mesa", secret, areas[name])
				w.note(t, secret.ID, "nobody is told")
				last := w.register(t, "jefe.mesa", mesa.Public)
				w.derive(t, "jefe.mesa", last, areas[name])
				for {
					m, ok := s.next(t)
					if !ok || len(m.errors) > 0 {
						t.Fatalf("ended: %v", m.errors)
					}
					if kind := lookUp(any(m.data), "trayChanged.event.type"); kind == "document.updated" {
						continue // of the beginning
					} else if kind != "derivation.created" && kind != "document.derived" {
						t.Fatalf("told of %v", kind)
					}
					if n := toReceive(lookUp(any(m.data), "trayChanged.counts")); n != before+2 {
						t.Errorf("%v to receive after %v: two more can be seen by now", n, before)
					}
					id := lookUp(any(m.data), "trayChanged.event.id")
					a = w.must(t, request{query: `query($id: ID!) { node(id: $id) { id } }`, variables: map[string]any{"id": id}, token: w.token("admin")})
					if lookUp(any(a.data), "node.id") != id {
						t.Errorf("told of event %v, which they may not see", id)
					}
					break
				}
			})
		}
	})
}

// toReceive is the count of the box TO_RECEIVE.
func toReceive(counts any) float64 {
	for _, c := range counts.([]any) {
		if lookUp(c, "box") == "TO_RECEIVE" {
			return lookUp(c, "count").(float64)
		}
	}
	return -1
}

func TestWhoMayNotLookIsNotToldAnything(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		w := open(t, url)
		server := w.listening(t)
		secret := w.register(t, "jefe.mesa", mesa.Confidential)
		for name, subscribe := range transports {
			for _, c := range []struct {
				who, query string
				id         any
				code       string
			}{
				{"nobody", documentChanged, secret.ID, "UNAUTHENTICATED"},
				{"nobody", trayChanged, w.area(t, "OPP"), "UNAUTHENTICATED"},
				{"consulta", documentChanged, secret.ID, "NOT_FOUND"},
				{"consulta", documentChanged, "doc_nothing", "NOT_FOUND"},
				{"oaj1", trayChanged, w.area(t, "LOG"), "FORBIDDEN"},
				{"oaj1", trayChanged, "are_nothing", "NOT_FOUND"},
			} {
				s := subscribe(t, server, w.token(c.who), c.query, map[string]any{"id": c.id})
				m, ok := s.next(t)
				if got := codeOf(answer{errors: m.errors}); !ok || got != c.code {
					t.Errorf("%s: %s is told %q %v, want %s", name, c.who, got, m, c.code)
				}
				s.close()
			}
		}
	})
}

// A subscription ends with the first event after the rights are gone.
func TestASubscriptionEndsWithTheRights(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		for name, subscribe := range transports {
			for _, c := range []struct {
				how string
				end func(t *testing.T, w *world, token string)
			}{
				{"signed out", func(t *testing.T, w *world, token string) {
					w.must(t, request{query: `mutation { signOut { ok } }`, token: token})
				}},
				{"run out", func(t *testing.T, w *world, _ string) { w.clock.add(desk.SessionLasts) }},
				{"role taken away", func(t *testing.T, w *world, _ string) {
					testkit.Execute(t, url, "UPDATE role_assignments SET until_on = '2026-01-01' WHERE user_id = '"+string(w.actor("som1").UserID)+"'")
				}},
			} {
				t.Run(name+"/"+c.how, func(t *testing.T) {
					w := open(t, url)
					server := w.listening(t)
					doc := w.register(t, "mesa1", mesa.Public)
					who := "consulta" // may read what is public
					if c.how == "role taken away" {
						testkit.Execute(t, url, "UPDATE role_assignments SET until_on = NULL WHERE user_id = '"+string(w.actor("som1").UserID)+"'")
						w.derive(t, "mesa1", doc, "SOM")
						who = "som1" // sees it because of the area
					}
					token := w.token(who)
					s := subscribe(t, server, token, documentChanged, map[string]any{"id": doc.ID})
					w.awake(t, s, doc.ID)
					c.end(t, w, token)
					w.note(t, doc.ID, "after the end")
					s.ended(t)
				})
			}
		}
	})
}

// happen appends events about a document.
func (w *world) happen(t *testing.T, id mesa.DocumentID, n int, what mesa.EventType, who *mesa.Actor) {
	t.Helper()
	err := w.db.InTx(t.Context(), func(tx *db.Tx) error {
		events := make([]*mesa.Event, n)
		for i := range events {
			events[i] = mesa.NewEvent(tx.IDs(), who, tx.Now(), what)
			events[i].DocumentID, events[i].Text = id, "Sucedió"
		}
		return tx.AppendEvents(t.Context(), events)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// By its id an event is found that timelines show, and no other.
func TestEventsForTheAuditorAreNoNodes(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		w := open(t, url)
		doc := w.register(t, "mesa1", mesa.Public)
		if _, err := w.desk.Watch(t.Context(), w.actor("mesa1"), desk.WatchDocumentInput{DocumentID: doc.ID}, false); err != nil {
			t.Fatal(err)
		}
		testkit.Certain(t, w.db)
		events, err := w.db.EventsAfter(t.Context(), db.Tail{}, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.DocumentID == doc.ID {
				a := w.must(t, request{query: `query($id: ID!) { node(id: $id) { id } }`, variables: map[string]any{"id": e.ID}, token: w.token("mesa2")})
				if shown := lookUp(any(a.data), "node.id") != nil; shown != e.Type.IsShown() {
					t.Errorf("%s: %s", e.Type, a.body)
				}
			}
		}
	})
}

// A quick reader hears of all that one transaction did.
func TestMuchAtOnceIsTold(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		for name, subscribe := range transports {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := open(t, url)
				doc := w.register(t, "mesa1", mesa.Public)
				s := subscribe(t, w.listening(t), w.token("mesa1"), documentChanged, map[string]any{"id": doc.ID})
				w.awake(t, s, doc.ID)
				w.happen(t, doc.ID, 300, mesa.DocumentDueSoon, mesa.System(nil, "mesa"))
				for n := range 300 {
					if _, ok := s.next(t); !ok {
						t.Fatalf("ended (%s) after %d messages", *s.how, n)
					}
				}
			})
		}
	})
}

// What the server cannot go on with is not complete: clients connect again.
func TestASubscriptionThatBreaksOffIsNotComplete(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		for how, subscribe := range map[string]func(*testing.T, *httptest.Server, string, string, map[string]any) stream{"1013": overWebSocket, "": overSSE} {
			for _, query := range []string{documentChanged, `subscription { myReportsUpdated { id } }`} {
				w := open(t, url)
				doc, token := w.register(t, "jefe.mesa", mesa.Public), w.token("jefe.mesa")
				w.requestReport(t, "jefe.mesa", 1)
				s := subscribe(t, w.listening(t), token, query, map[string]any{"id": doc.ID})
				what := mesa.ReportRequested
				if query == documentChanged {
					what = mesa.DocumentDueSoon
					w.awake(t, s, doc.ID)
				} else if _, ok := s.next(t); !ok { // the report that was asked for
					t.Fatal(*s.how)
				}
				who := w.actor("jefe.mesa")
				testkit.Execute(t, url, "ALTER TABLE sessions RENAME TO sessions_away")
				for ended := false; !ended; {
					w.happen(t, doc.ID, 1, what, who)
					select {
					case _, more := <-s.messages:
						ended = !more
					case <-time.After(50 * time.Millisecond):
					}
				}
				testkit.Execute(t, url, "ALTER TABLE sessions_away RENAME TO sessions")
				if *s.how != how || !strings.Contains(w.log.String(), "subscription broke off") {
					t.Errorf("%s ended with %q\n%s", query, *s.how, w.log.String())
				}
			}
		}
	})
}

// Every field of a message is read with the rights of the moment of its event, not of that of the one before.
func TestAMessageIsReadWithTheRightsOfItsEvent(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		for name, subscribe := range transports {
			t.Run(name, func(t *testing.T) {
				w := open(t, url)
				doc := w.register(t, "mesa1", mesa.Public)
				const message = `event { id } document { notes availableActions }`
				s := subscribe(t, w.listening(t), w.token("jefe.mesa"), `subscription($id: ID!) { documentChanged(id: $id) { `+message+` } }`, map[string]any{"id": doc.ID})
				w.awake(t, s, doc.ID)
				told := func(notes string) string {
					w.note(t, doc.ID, notes)
					for {
						m, ok := s.next(t)
						if !ok || len(m.errors) > 0 {
							t.Fatalf("ended: %v", m.errors)
						}
						if lookUp(any(m.data), "documentChanged.document.notes") == notes {
							return fmt.Sprint(lookUp(any(m.data), "documentChanged.document.availableActions"))
						}
					}
				}
				before := told("before")
				_, err := w.desk.OverridePermission(t.Context(), w.actor("admin"), desk.OverridePermissionInput{
					UserID: w.actor("jefe.mesa").UserID, Permission: mesa.MayVoid, Effect: mesa.Deny, Reason: "Está de licencia",
				})
				if err != nil {
					t.Fatal(err)
				}
				after := told("after")
				if !strings.Contains(before, "VOID") || strings.Contains(after, "VOID") {
					t.Errorf("could %s, can %s", before, after)
				}
				testkit.Execute(t, url, "DELETE FROM permission_overrides")
			})
		}
	})
}

func TestStoppingEndsAllStreams(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		w := open(t, url)
		server := w.listening(t)
		doc := w.register(t, "mesa1", mesa.Public)
		var streams []stream
		for _, subscribe := range transports {
			s := subscribe(t, server, w.token("mesa1"), documentChanged, map[string]any{"id": doc.ID})
			w.awake(t, s, doc.ID)
			streams = append(streams, s)
		}
		w.feed.Stop()
		w.feed.Stop() // twice does no harm
		for _, s := range streams {
			for {
				if _, ok := s.next(t); !ok {
					break // what the second one's beginning made the first one hear comes before
				}
			}
		}
		s := overSSE(t, server, w.token("mesa1"), documentChanged, map[string]any{"id": doc.ID})
		s.ended(t) // nobody is made to wait for what will not come
	})
}

// Two processes share nothing but the database.
func TestAChangeInOneProcessReachesTheOther(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		t.Parallel()
		here := open(t, url)
		there := openWith(t, url, here.clock)
		server := there.listening(t)
		doc := here.register(t, "mesa1", mesa.Public)
		s := overWebSocket(t, server, here.token("mesa1"), documentChanged, map[string]any{"id": doc.ID})
		there.awake(t, s, doc.ID)
		for range 3 {
			version := here.note(t, doc.ID, "en otro proceso "+time.Now().String())
			m, ok := s.next(t)
			if !ok || lookUp(any(m.data), "documentChanged.document.version") != float64(version) {
				t.Fatalf("came %v", m)
			}
		}
	})
}

// Who stops reading is let go: their request ends although the connection stays open.
func TestASlowReaderIsLetGo(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		for name, ask := range map[string]func(*testing.T, string, string, map[string]any) io.Closer{"ws": stalledWebSocket, "sse": stalledSSE(""), "sse that offers an upgrade": stalledSSE("Upgrade: h2c\r\n")} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := open(t, url)
				w.web.Patience = time.Second
				returned := make(chan struct{}, 1)
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					w.handler.ServeHTTP(rw, r)
					returned <- struct{}{}
				}))
				server.Config.ConnState = func(c net.Conn, s http.ConnState) {
					if tcp, ok := c.(*net.TCPConn); ok && s == http.StateNew {
						_ = tcp.SetWriteBuffer(4096) // what the system keeps for a slow reader
					}
				}
				server.Start()
				t.Cleanup(server.Close)
				t.Cleanup(w.feed.Stop)
				doc := w.register(t, "mesa1", mesa.Public)
				query := `subscription($id: ID!) { documentChanged(id: $id) { document { ` + aliases(12, "notes") + ` } } }`
				conn := ask(t, strings.TrimPrefix(server.URL, "http://"), w.token("mesa1"), map[string]any{"query": query, "variables": map[string]any{"id": doc.ID}})
				defer conn.Close()
				long := strings.Repeat("l", 1900) // fills the buffers sooner
				deadline := time.Now().Add(2 * patience)
				for i := 0; time.Now().Before(deadline); i++ {
					w.note(t, doc.ID, fmt.Sprint(i, long))
					select {
					case <-returned:
						return
					default:
					}
				}
				t.Fatal("the request still runs")
			})
		}
	})
}

// dialSmall connects with little room for what is not read.
func dialSmall(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		err = conn.(*net.TCPConn).SetReadBuffer(4096)
	}
	return conn, err
}

// stalledSSE subscribes, with one more line of header, and reads no more than the beginning.
func stalledSSE(line string) func(*testing.T, string, string, map[string]any) io.Closer {
	return func(t *testing.T, address, token string, params map[string]any) io.Closer {
		t.Helper()
		conn, err := dialSmall(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := json.Marshal(params)
		fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\n%sAuthorization: Bearer %s\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			line, token, len(body), body)
		if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
}

// stalledWebSocket does the same over WebSocket.
func stalledWebSocket(t *testing.T, address, token string, params map[string]any) io.Closer {
	t.Helper()
	small := &http.Transport{DialContext: dialSmall}
	t.Cleanup(small.CloseIdleConnections)
	conn, _, err := websocket.Dial(t.Context(), "ws://"+address+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPClient: &http.Client{Transport: small}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{
		map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": "Bearer " + token}},
		map[string]any{"id": "1", "type": "subscribe", "payload": params},
	} {
		if err := wsjson.Write(t.Context(), conn, v); err != nil {
			t.Fatal(err)
		}
	}
	return closer(conn.CloseNow)
}

type closer func() error

func (c closer) Close() error { return c() }

// A socket outlives a session: each operation on it asks again who holds the token.
func TestASocketForgetsWhoSignedOut(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		w := open(t, url)
		server := w.listening(t)
		token := w.token("mesa1")
		conn, res, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
		if err != nil {
			t.Fatal(err)
		}
		if res.Body != nil {
			res.Body.Close()
		}
		defer conn.CloseNow()
		say := func(v map[string]any) {
			if err := wsjson.Write(t.Context(), conn, v); err != nil {
				t.Fatal(err)
			}
		}
		hear := func(kinds ...string) string {
			var f struct {
				Type    string
				Payload json.RawMessage
			}
			for !slices.Contains(kinds, f.Type) {
				if err := wsjson.Read(t.Context(), conn, &f); err != nil {
					t.Fatal(err)
				}
			}
			return string(f.Payload)
		}
		say(map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": "Bearer " + token}})
		hear("connection_ack")
		ask := map[string]any{"query": "{ viewer { user { email } } }"}
		say(map[string]any{"id": "1", "type": "subscribe", "payload": ask})
		if got := hear("next", "error"); !strings.Contains(got, "mesa1@") {
			t.Fatalf("before: %s", got)
		}
		w.must(t, request{query: `mutation { signOut { ok } }`, token: token})
		say(map[string]any{"id": "2", "type": "subscribe", "payload": ask})
		if got := hear("next", "error"); !strings.Contains(got, "UNAUTHENTICATED") {
			t.Errorf("after signing out: %s", got)
		}
	})
}
