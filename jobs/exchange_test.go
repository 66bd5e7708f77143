package jobs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/exchange"
	"github.com/mesapartes/mesa/internal/outbound"
	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

const peerKey = "mesa_0123456789abcdefghjkmnpqrstvwxyz01234567"

// neighbour is another institution that answers as a test wants: with the replies in turn, the last one for ever.
type neighbour struct {
	*httptest.Server
	mu      sync.Mutex
	replies []http.HandlerFunc
	asked   []string // bodies of the requests
}

func (n *neighbour) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	n.mu.Lock()
	n.asked = append(n.asked, string(body))
	reply := n.replies[0]
	if len(n.replies) > 1 {
		n.replies = n.replies[1:]
	}
	n.mu.Unlock()
	reply(w, r)
}

func (n *neighbour) answers(replies ...http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.replies = replies
}

func (n *neighbour) requests() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.asked)
}

func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func refuses(code, message string) http.HandlerFunc {
	return says(200, fmt.Sprintf(`{"data":null,"errors":[{"message":%q,"extensions":{"code":%q,"field":"typeCode"}}]}`, message, code))
}

// stands answers with a document in a state, to whatever operation.
func stands(state string) http.HandlerFunc {
	doc := fmt.Sprintf(`{"id":"doc_there","trackingCode":"ABCD-EFGH-JKMN-P","state":%q,"fileNumber":"EXP-2026-000007","registeredAt":"2026-11-24T15:04:05Z","desk":{"name":"Mesa de Partes"},
		"notFiledReason":null,"notFiledText":null,"voidReason":"Se anuló por error material"}`, state)
	return says(200, `{"data":{"submitDocument":{"duplicate":false,"document":`+doc+`},"document":`+doc+`}}`)
}

// office is an institution with a neighbour.
type office struct {
	*queue
	desk      *desk.Desk
	peers     *exchange.Peers
	admin     *mesa.Actor
	neighbour *neighbour
	to        *mesa.Integration
}

// onOffice runs a test on both databases.
func onOffice(t *testing.T, body func(o *office)) {
	t.Helper()
	testkit.EachClone(t, "office", testkit.Migrated(db.Options{}, testkit.Demo(-1)), func(t *testing.T, url string) {
		t.Parallel()
		o := &office{queue: (&queue{T: t, url: url}).process(), neighbour: &neighbour{}}
		o.neighbour.Server = httptest.NewServer(o.neighbour)
		keys, err := secret.Parse(secret.Generate())
		o.ok(err)
		o.peers = exchange.New(func() (*secret.Keyring, error) { return keys, nil }, outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}))
		t.Cleanup(func() { o.peers.Close(); o.neighbour.Close() })
		o.desk = desk.New(o.db, nil).Exchanging(o.peers)
		session, err := o.desk.OpenSession(t.Context(), "admin@demo.mesa.pe")
		o.ok(err)
		o.admin = session.Actor
		o.exchange(0.0001)
		o.to = o.integration("VECINA")
		body(o)
	})
}

// exchange makes the workers of the office exchange documents.
func (o *office) exchange(scale float64) {
	for kind, handler := range (jobs.Exchange{DB: o.db, Peers: o.peers, Scale: scale}).Handlers() {
		o.handlers[kind] = handler
	}
}

func (o *office) integration(code string) *mesa.Integration {
	o.Helper()
	key := peerKey
	i, err := o.desk.CreateIntegration(o.Context(), o.admin, desk.CreateIntegrationInput{
		Code: code, Name: "Municipalidad vecina", Kind: mesa.KindMesa, BaseURL: o.neighbour.URL, APIKey: &key, CanSend: true, Active: true, TimeoutSeconds: 20, MaxAttempts: 8,
	})
	o.ok(err)
	return i
}

// letter is a document as it is brought to the counter.
func letter(by *mesa.Actor) desk.RegisterDocumentInput {
	return desk.RegisterDocumentInput{
		TypeID: by.Catalogue.Types[0].ID, Subject: "Solicita opinión", Folios: 1, Sender: desk.SenderInput{Kind: mesa.PersonParty, Name: "María Quispe"},
	}
}

func (o *office) register(in desk.RegisterDocumentInput) *mesa.Document {
	o.Helper()
	doc, err := o.desk.Register(o.Context(), o.admin, in)
	o.ok(err)
	return doc
}

// send registers a document, a usual one unless one is given, and sends it to the neighbour.
func (o *office) send(given ...desk.RegisterDocumentInput) *mesa.ExchangeMessage {
	o.Helper()
	in := append(given, letter(o.admin))[0]
	m, err := o.desk.Send(o.Context(), o.admin, desk.SendDocumentInput{DocumentID: o.register(in).ID, IntegrationID: o.to.ID})
	o.ok(err)
	return m
}

func (o *office) message(m *mesa.ExchangeMessage) *mesa.ExchangeMessage {
	o.Helper()
	found, err := o.db.View(mesa.System(o.admin.Catalogue, "test")).MessagesByID(o.Context(), []mesa.MessageID{m.ID})
	o.ok(err)
	return found[m.ID]
}

func (o *office) attempts(m *mesa.ExchangeMessage) []*mesa.ExchangeAttempt {
	o.Helper()
	found, err := o.db.AttemptsByMessage(o.Context(), []mesa.MessageID{m.ID})
	o.ok(err)
	return found[m.ID]
}

func (o *office) integrationNow() *mesa.Integration {
	o.Helper()
	found, err := o.db.IntegrationsByID(o.Context(), []mesa.IntegrationID{o.to.ID})
	o.ok(err)
	return found[o.to.ID]
}

// happened lists the events of a type once there are as many as wanted. On PostgreSQL events are shown when no older transaction runs any
// more, those of other tests included.
func (o *office) happened(what mesa.EventType, wanted int) (list []*mesa.Event) {
	o.Helper()
	for begun := time.Now(); time.Since(begun) < 2*time.Minute; {
		events, err := o.db.EventsAfter(o.Context(), db.Tail{}, 10_000)
		o.ok(err)
		list = slices.DeleteFunc(events, func(e *mesa.Event) bool { return e.Type != what })
		if len(list) >= wanted {
			break
		}
	}
	return list
}

func (o *office) sync() *mesa.Job {
	o.Helper()
	job, err := o.desk.Sync(o.Context(), o.admin, desk.SyncIntegrationInput{IntegrationID: o.to.ID})
	o.ok(err)
	return o.ended(job.ID)
}

func TestWhatMayPassIsTriedAgain(t *testing.T) {
	for name, reply := range map[string]http.HandlerFunc{
		"NETWORK":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"HTTP_408":     says(408, ""),
		"HTTP_425":     says(425, ""),
		"HTTP_429":     says(429, `{"errors":[{"message":"slow down","extensions":{"code":"RATE_LIMITED"}}]}`),
		"HTTP_503":     says(503, "<h1>Mantenimiento</h1>"),
		"BAD_ANSWER":   says(200, "<h1>Bienvenido</h1>"),
		"INTERNAL":     refuses("INTERNAL", "Ocurrió un error interno"),
		"RATE_LIMITED": refuses("RATE_LIMITED", "Demasiados intentos"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onOffice(t, func(o *office) {
				o.neighbour.answers(reply, stands("SUBMITTED"))
				o.work(quick)
				m := o.send()
				job := o.ended(m.JobID)
				m = o.message(m)
				if job.State != mesa.JobSucceeded || m.State != mesa.MessageDelivered || m.Attempts != 2 || m.RemoteID != "doc_there" || m.ErrorCode != "" || !m.NextAttemptAt.IsZero() {
					o.Errorf("%s: %+v", job.State, m)
				}
				log := o.attempts(m)
				if len(log) != 2 || string(log[0].ErrorCode) != name || log[1].ErrorCode != "" || log[1].HTTPStatus != 200 || log[1].RemoteAddr == "" {
					for _, a := range log {
						o.Errorf("the log has %+v", *a)
					}
				}
				asked := o.neighbour.requests()
				if len(asked) != 2 || asked[0] != asked[1] || !strings.Contains(asked[0], m.ExchangeCode) {
					o.Errorf("asked %q", asked)
				}
				if health := o.integrationNow().Health; health != mesa.HealthOK {
					o.Errorf("the neighbour is %s", health)
				}
			})
		})
	}
}

func TestWhatWillNotPassIsGivenUpAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		reply   http.HandlerFunc
		problem string
		health  mesa.Health
	}{
		"VALIDATION_FAILED": {refuses("VALIDATION_FAILED", "El tipo de documento no existe o está inactivo."), "El tipo de documento no existe o está inactivo. (typeCode)", mesa.HealthOK},
		"FORBIDDEN":         {refuses("FORBIDDEN", "Se necesita otra clave"), "Se necesita otra clave (typeCode)", mesa.HealthDegraded},
		"HTTP_404":          {says(404, "nada"), "Not Found", mesa.HealthDegraded},
		"REDIRECTED":        {says(302, "", "Location", "http://127.0.0.1:1/"), "the server redirects, which is not followed: status 302", mesa.HealthDegraded},
		"TOO_LARGE":         {says(200, strings.Repeat("x", 2<<20)), "answer of more than 1 MiB", mesa.HealthDegraded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onOffice(t, func(o *office) {
				o.neighbour.answers(c.reply)
				o.work(quick)
				m := o.send()
				job := o.ended(m.JobID)
				m = o.message(m)
				if job.State != mesa.JobFailed || string(job.ErrorCode) != name || m.State != mesa.MessageDead || string(m.ErrorCode) != name || string(m.Problem) != c.problem || m.Attempts != 1 {
					o.Errorf("%s %s: %+v", job.State, job.ErrorCode, m)
				}
				if e := o.happened(mesa.ExchangeDead, 1); len(e) != 1 || e[0].DocumentID != m.DocumentID || string(e[0].Reason) != c.problem {
					o.Errorf("told %+v", e)
				}
				if health := o.integrationNow().Health; health != c.health {
					o.Errorf("the neighbour is %s", health)
				}
				o.neighbour.answers(stands("SUBMITTED")) // somebody over there has done something about it
				again, err := o.desk.RetryMessage(o.Context(), o.admin, desk.MessageInput{MessageID: m.ID})
				o.ok(err)
				o.ended(again.JobID)
				if m := o.message(m); m.State != mesa.MessageDelivered || m.Attempts != 2 {
					o.Errorf("retried: %+v", m)
				}
			})
		})
	}
}

// An older side gets what it knows of a document; one that is not for everybody does not go where everybody could read it.
func TestAnOlderNeighbourGetsWhatItKnows(t *testing.T) {
	older := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), `"confidentiality"`), strings.Contains(string(body), `"notes"`):
			refuses("GRAPHQL_VALIDATION_FAILED", "unknown field")(w, r)
		case strings.Contains(string(body), "URGENT"):
			refuses("VALIDATION_FAILED", "Por API la prioridad es NORMAL o HIGH.")(w, r)
		default:
			stands("SUBMITTED")(w, r)
		}
	}
	onOffice(t, func(o *office) {
		o.neighbour.answers(older)
		o.work(quick)
		for _, c := range []struct {
			priority        mesa.Priority
			confidentiality mesa.Confidentiality
			number          string
			code            mesa.Text
			sent            string // as the last request has it
		}{
			{mesa.NormalPriority, mesa.Public, "", "", `"externalNumber":"EXP-`},
			{mesa.UrgentPriority, mesa.Public, "OF-77", "", `"externalNumber":"OF-77","folios":1,"priority":"HIGH"`},
			{mesa.UrgentPriority, mesa.Public, "", "", `"priority":"HIGH"`},
			{mesa.HighPriority, mesa.Restricted, "", exchange.TooOld, `"confidentiality":"RESTRICTED"`},
		} {
			in := letter(o.admin)
			in.Priority, in.Confidentiality, in.ExternalNumber = c.priority, c.confidentiality, &c.number
			m := o.send(in)
			o.ended(m.JobID)
			if m = o.message(m); m.ErrorCode != c.code || m.Attempts != 1 || c.code == "" && m.State != mesa.MessageDelivered || c.code != "" && m.State != mesa.MessageDead {
				o.Errorf("%+v: %+v", c, m)
			}
			asked := o.neighbour.requests()
			if last := asked[len(asked)-1]; !strings.Contains(last, c.sent) || !strings.Contains(last, m.ExchangeCode) {
				o.Errorf("%+v: sent %s", c, last)
			}
		}
	})
}

// A confidential document goes only where who sends it says that this is meant, arrives as one, and the audit trail knows.
func TestAConfidentialDocumentIsSentOnPurpose(t *testing.T) {
	onOffice(t, func(o *office) {
		o.neighbour.answers(stands("SUBMITTED"))
		o.work(quick)
		session, err := o.desk.OpenSession(o.Context(), "jefe.mesa@demo.mesa.pe")
		o.ok(err)
		head := session.Actor
		in := letter(head)
		in.Confidentiality = mesa.Confidential
		doc, err := o.desk.Register(o.Context(), head, in)
		o.ok(err)
		send := desk.SendDocumentInput{DocumentID: doc.ID, IntegrationID: o.to.ID}
		if _, err := o.desk.Send(o.Context(), head, send); mesa.CodeOf(err) != mesa.ValidationFailed {
			o.Errorf("without a word: %v", err)
		}
		send.AllowConfidential = true
		m, err := o.desk.Send(o.Context(), head, send)
		o.ok(err)
		o.ended(m.JobID)
		if m = o.message(m); m.State != mesa.MessageDelivered {
			o.Errorf("%+v", m)
		}
		if asked := o.neighbour.requests(); len(asked) != 1 || !strings.Contains(asked[0], `"confidentiality":"CONFIDENTIAL"`) {
			o.Errorf("sent %q", asked)
		}
		if queued := o.happened(mesa.ExchangeQueued, 1); len(queued) != 1 || queued[0].Changes["allowConfidential"].After != true {
			o.Errorf("noted %+v", queued)
		}
	})
}

// What became confidential while it waited goes nowhere, however it is retried, until somebody says anew that this is meant.
func TestWhatBecameConfidentialIsNotSent(t *testing.T) {
	onOffice(t, func(o *office) {
		o.neighbour.answers(stands("SUBMITTED"))
		session, err := o.desk.OpenSession(o.Context(), "jefe.mesa@demo.mesa.pe")
		o.ok(err)
		head := session.Actor
		doc, err := o.desk.Register(o.Context(), head, letter(head))
		o.ok(err)
		send := desk.SendDocumentInput{DocumentID: doc.ID, IntegrationID: o.to.ID}
		m, err := o.desk.Send(o.Context(), head, send)
		o.ok(err)
		_, err = o.desk.Update(o.Context(), head, desk.UpdateDocumentInput{DocumentID: doc.ID, Confidentiality: mesa.Confidential, Given: []string{"confidentiality"}})
		o.ok(err)
		o.work(quick)
		for _, how := range []string{"waiting", "retried"} {
			job := o.ended(m.JobID)
			if m = o.message(m); m.State != mesa.MessageDead || m.ErrorCode != "BECAME_CONFIDENTIAL" || string(job.ErrorCode) != "BECAME_CONFIDENTIAL" {
				o.Errorf("%s: %s %+v", how, job.ErrorCode, m)
			}
			if how == "waiting" {
				m, err = o.desk.RetryMessage(o.Context(), head, desk.MessageInput{MessageID: m.ID})
				o.ok(err)
			}
		}
		o.ok(o.retry(m.JobID)) // nor when an administrator has the job done again
		o.ended(m.JobID)
		if asked := o.neighbour.requests(); len(asked) != 0 {
			o.Errorf("sent %q", asked)
		}
		send.AllowConfidential = true
		m, err = o.desk.Send(o.Context(), head, send)
		o.ok(err)
		o.ended(m.JobID)
		if m = o.message(m); m.State != mesa.MessageDelivered {
			o.Errorf("%+v", m)
		}
	})
}

func TestTheKeyIsInNoLog(t *testing.T) {
	onOffice(t, func(o *office) {
		o.neighbour.answers(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"errors":[{"message":"bad key %s","extensions":{"code":"UNAUTHENTICATED"}}],"seen":%q,"rest":%q}`, peerKey, r.Header.Get("Authorization"), strings.Repeat("ñ", 3000))
		})
		o.work(quick)
		m := o.send()
		job := o.ended(m.JobID)
		attempts := o.attempts(m)
		row, err := json.Marshal([]any{o.message(m), attempts, job, o.happened(mesa.ExchangeDead, 1)})
		o.ok(err)
		if strings.Contains(string(row), peerKey) || !strings.Contains(string(attempts[0].Answer), "Bearer …") || len(attempts[0].Answer) > 2<<10 {
			o.Errorf("%s", row)
		}
	})
}

// After a failure the message waits as its job does: by the table, or for as long as the other side asks.
func TestWaitsBetweenAttempts(t *testing.T) {
	for name, c := range map[string]struct {
		reply       http.HandlerFunc
		least, most time.Duration
	}{
		"the table":   {says(503, ""), 48 * time.Second, 2 * time.Minute}, // a minute, a fifth more at most, and as long as the call took
		"Retry-After": {says(503, "", "Retry-After", "7200"), 2*time.Hour - time.Second, 2*time.Hour + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onOffice(t, func(o *office) {
				o.exchange(0)
				o.neighbour.answers(c.reply)
				o.work(quick)
				sent := o.send()
				job := o.until(sent.JobID, func(j *mesa.Job) bool { return j.Attempt == 1 })
				m := o.message(sent)
				if m.State != mesa.MessageRetrying || !m.NextAttemptAt.Equal(job.RunAt) {
					o.Errorf("its job runs at %s: %+v", job.RunAt, m)
				}
				wait := m.NextAttemptAt.Sub(o.attempts(m)[0].At)
				if wait < c.least || wait > c.most {
					o.Errorf("waits %s", wait)
				}
			})
		})
	}
}

func TestANeighbourThatFailsIsLeftAlone(t *testing.T) {
	onOffice(t, func(o *office) {
		o.neighbour.answers(stands("SUBMITTED"), says(503, ""))
		few := mesa.CircuitAt
		_, err := o.desk.UpdateIntegration(o.Context(), o.admin, desk.UpdateIntegrationInput{IntegrationID: o.to.ID, MaxAttempts: &few})
		o.ok(err)
		o.work(quick)
		o.ended(o.send().JobID) // is followed from now on
		if first := o.ended(o.send().JobID); first.Attempt != few {
			o.Errorf("given up after %d failures", first.Attempt)
		}
		o.pause("exchange", true)
		if i := o.integrationNow(); i.Health != mesa.HealthDown || i.OpenUntil.IsZero() || i.LastErrorCode != "HTTP_503" {
			o.Errorf("the neighbour is %+v", i)
		}
		o.exchange(1) // probes are five minutes apart now
		second := o.send()
		o.ok(o.db.InTx(o.Context(), func(tx *db.Tx) error {
			i, err := tx.Integration(o.Context(), o.to.ID, "")
			if err != nil {
				return err
			}
			i.OpenUntil = tx.Now().Add(time.Minute)
			return tx.SaveIntegration(o.Context(), i)
		}))
		asked := len(o.neighbour.requests())
		o.pause("exchange", false)
		job := o.until(second.JobID, func(j *mesa.Job) bool { return j.ErrorCode == "CIRCUIT_OPEN" && j.State == mesa.JobQueued })
		m := o.message(second)
		if job.Attempt != 0 || m.State != mesa.MessageQueued || m.Attempts != 0 || !m.NextAttemptAt.Equal(job.RunAt) || m.ErrorCode != "CIRCUIT_OPEN" || len(o.neighbour.requests()) != asked {
			o.Errorf("put off: %+v %+v", job, m)
		}
		if skipped := o.sync(); !strings.Contains(string(skipped.Result), "CIRCUIT_OPEN") || len(o.neighbour.requests()) != asked {
			o.Errorf("it was asked all the same: %s", skipped.Result)
		}
		o.neighbour.answers(says(200, `{"data":{"service":{"version":"9.9"}}}`))
		i, call, err := o.desk.Probe(o.Context(), o.admin, desk.ProbeIntegrationInput{IntegrationID: o.to.ID})
		o.ok(err)
		if i.Health != mesa.HealthOK || !i.OpenUntil.IsZero() || call.Version != "9.9" {
			o.Errorf("after the probe: %+v %+v", i, call)
		}
		var healths []string
		for _, e := range o.happened(mesa.HealthChanged, 4) {
			healths = append(healths, fmt.Sprint(e.Changes["health"].After))
		}
		if want := []string{"OK", "DEGRADED", "DOWN", "OK"}; !slices.Equal(healths, want) {
			o.Errorf("told of %v", healths)
		}
	})
}

// While the circuit is open one message at a time tries whether the other side is back. Then all go.
func TestTheQueueIsKeptUntilTheNeighbourIsBack(t *testing.T) {
	onOffice(t, func(o *office) {
		o.neighbour.answers(slices.Concat(slices.Repeat([]http.HandlerFunc{says(503, "")}, 9), []http.HandlerFunc{stands("SUBMITTED")})...)
		o.pause("exchange", true) // so that the first does not use up its attempts before the others are there
		o.work(quick)
		var sent []*mesa.ExchangeMessage
		for range 6 {
			sent = append(sent, o.send())
		}
		o.pause("exchange", false)
		attempts := 0
		for _, m := range sent {
			if job := o.ended(m.JobID); job.State != mesa.JobSucceeded {
				o.Errorf("ended as %s after %d failures", job.State, job.Attempt)
			}
			attempts += o.message(m).Attempts
		}
		if n := len(o.neighbour.requests()); n != 9+6 || attempts != n {
			o.Errorf("asked %d times, %d attempts", n, attempts)
		}
	})
}

func TestAMessageIsGivenUpAfterItsLastAttempt(t *testing.T) {
	onOffice(t, func(o *office) {
		o.neighbour.answers(says(503, ""))
		three := 3
		_, err := o.desk.UpdateIntegration(o.Context(), o.admin, desk.UpdateIntegrationInput{IntegrationID: o.to.ID, MaxAttempts: &three})
		o.ok(err)
		o.work(quick)
		m := o.send()
		job := o.ended(m.JobID)
		if m := o.message(m); job.State != mesa.JobFailed || m.State != mesa.MessageDead || m.Attempts != 3 || !m.NextAttemptAt.IsZero() {
			o.Errorf("%s: %+v", job.State, m)
		}
	})
}

func TestAStopInTheMiddleOfACall(t *testing.T) {
	onOffice(t, func(o *office) {
		asked, leave := make(chan struct{}), make(chan struct{})
		o.neighbour.answers(func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			select {
			case <-leave:
			case <-r.Context().Done():
			}
			panic(http.ErrAbortHandler)
		}, stands("SUBMITTED"))
		stop := o.work(quick)
		m := o.send()
		<-asked
		stop()
		close(leave)
		if now, job := o.message(m), o.job(m.JobID); now.State != mesa.MessageRetrying || now.ErrorCode != "INTERRUPTED" || job.State != mesa.JobQueued || job.Attempt != 0 || o.integrationNow().Health != mesa.HealthUnknown {
			o.Errorf("%+v %+v", now, job)
		}
		o.work(quick)
		o.ended(m.JobID)
		if m := o.message(m); m.State != mesa.MessageDelivered {
			o.Errorf("%+v", m)
		}
	})
}

func TestTheNeighbourIsAskedHowThingsStand(t *testing.T) {
	for state, want := range map[string]struct {
		state mesa.ExchangeState
		event mesa.EventType
	}{
		"REGISTERED": {mesa.MessageRegistered, mesa.ExchangeRegistered}, "IN_PROCESS": {mesa.MessageRegistered, mesa.ExchangeRegistered},
		"VOIDED": {mesa.MessageRejected, mesa.ExchangeRejected}, "OBSERVED": {mesa.MessageObserved, mesa.ExchangeObserved}, "A_NEWER_STATE": {mesa.MessageDelivered, mesa.ExchangeDelivered},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			onOffice(t, func(o *office) {
				o.neighbour.answers(stands("SUBMITTED"), stands(state))
				o.work(quick)
				m := o.send()
				o.ended(m.JobID)
				if job := o.sync(); job.State != mesa.JobSucceeded {
					o.Errorf("%s %s", job.State, job.LastError)
				}
				m = o.message(m)
				if m.State != want.state || len(o.happened(want.event, 1)) != 1 || m.CheckedAt.IsZero() {
					o.Errorf("%+v", m)
				}
				switch m.State {
				case mesa.MessageRegistered:
					if m.RemoteNumber != "EXP-2026-000007" || m.RemoteArea != "Mesa de Partes" || m.RemoteDate.Format(time.RFC3339) != "2026-11-24T15:04:05Z" {
						o.Errorf("the receipt is %+v", m)
					}
				case mesa.MessageRejected:
					if m.RemoteObservation != "Se anuló por error material" {
						o.Errorf("%+v", m)
					}
				}
				asked, off := len(o.neighbour.requests()), false
				_, err := o.desk.UpdateIntegration(o.Context(), o.admin, desk.UpdateIntegrationInput{IntegrationID: o.to.ID, CanSend: &off}) // asked about what was sent before all the same
				o.ok(err)
				o.sync()
				if isFinal := m.State == mesa.MessageRegistered || m.State == mesa.MessageRejected; isFinal == (len(o.neighbour.requests()) > asked) {
					o.Errorf("asked %d times more about what is %s", len(o.neighbour.requests())-asked, m.State)
				}
			})
		})
	}
}

func TestANeighbourThatForgot(t *testing.T) {
	onOffice(t, func(o *office) {
		o.neighbour.answers(stands("SUBMITTED"), says(200, `{"data":{"document":null}}`))
		o.work(quick)
		m := o.send()
		o.ended(m.JobID)
		job := o.sync()
		if m := o.message(m); job.State != mesa.JobSucceeded || m.State != mesa.MessageDelivered || m.ErrorCode != "NOT_FOUND" || m.CheckedAt.IsZero() {
			o.Errorf("%s %+v", job.State, m)
		}
		o.neighbour.answers(says(503, ""))
		if job := o.sync(); job.State != mesa.JobFailed || job.ErrorCode != "HTTP_503" || o.integrationNow().Health != mesa.HealthDegraded {
			o.Errorf("%s %s", job.State, job.ErrorCode)
		}
	})
}

func TestTheScheduleAsksEachActiveNeighbourAndFindsOrphans(t *testing.T) {
	onOffice(t, func(o *office) {
		off, asleep := false, o.integration("DORMIDA")
		_, err := o.desk.UpdateIntegration(o.Context(), o.admin, desk.UpdateIntegrationInput{IntegrationID: asleep.ID, Active: &off})
		o.ok(err)
		cancelled, waits := o.send(), o.send()
		o.cancel(cancelled.JobID) // an administrator, who thinks of the job alone
		o.pause("exchange", true)
		o.work(quick)
		poll := o.enqueue(db.NewJob{Kind: mesa.JobPoll})
		again := o.enqueue(db.NewJob{Kind: mesa.JobPoll})
		o.neighbour.answers(stands("SUBMITTED"))
		o.pause("exchange", false)
		o.ended(poll.ID)
		o.ended(again.ID)
		o.ended(waits.JobID)
		if m := o.message(cancelled); m.State != mesa.MessageDead || m.ErrorCode != "CANCELLED" {
			o.Errorf("the message without a job: %+v", m)
		}
		all, err := o.db.Jobs(o.Context(), mesa.JobFilter{Kinds: []mesa.JobKind{mesa.JobSync}}, db.Page{})
		o.ok(err)
		for _, j := range all.Items {
			if j.About != string(o.to.ID) {
				o.Errorf("a job about %s", j.About)
			}
		}
		if n := len(all.Items); n < 1 || n > 2 {
			o.Errorf("%d jobs ask the neighbour", n)
		}
		if result := string(o.job(poll.ID).Result); !strings.Contains(result, `"integrations":`) {
			o.Errorf("the poll leaves %s", result)
		}
	})
}

// A worker has the job locked when it notes in the message how sending it went.
func TestWhoCancelsAMessageLocksItsJobFirst(t *testing.T) {
	onOffice(t, func(o *office) {
		if o.db.IsOneMachine() {
			return // one writes at a time
		}
		m, beside := o.send(), testkit.Beside(o, o.url)
		cancelled := make(chan error, 1)
		ended := o.db.InTx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.LockJob(t.Context(), m.JobID)
			go func() {
				_, err := o.desk.CancelMessage(t.Context(), o.admin, desk.MessageInput{MessageID: m.ID})
				cancelled <- err
			}()
			for waits := false; err == nil && !waits && len(cancelled) == 0; {
				err = beside.QueryRow("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waits)
			}
			if err == nil {
				_, err = tx.NewRaw("SELECT FROM exchange_messages WHERE id = ? FOR UPDATE NOWAIT", m.ID).Exec(t.Context())
			}
			return err
		})
		if err := errors.Join(ended, <-cancelled); err != nil || o.message(m).State != mesa.MessageCancelled || o.job(m.JobID).State != mesa.JobCancelled {
			t.Errorf("the message is %s, its job %s: %v", o.message(m).State, o.job(m.JobID).State, err)
		}
	})
}
