package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/internal/testkit"
)

// wire is the road between two institutions, and what can happen on it.
type wire struct {
	net.Listener
	mu     sync.Mutex
	target string
	losing int // how many answers are still to be lost
}

func openWire(t *testing.T, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l}
	w.lead(target)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(conn)
		}
	}()
	return w
}

func (w *wire) lead(base string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target = strings.TrimPrefix(base, "http://")
}

// lose makes the next answer to a document get lost: it is cut off when it arrives, so the other side has done what it was asked for.
func (w *wire) lose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.losing++
}

func (w *wire) loses() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.losing == 0 {
		return false
	}
	w.losing--
	return true
}

func (w *wire) carry(near net.Conn) {
	defer near.Close()
	w.mu.Lock()
	target := w.target
	w.mu.Unlock()
	far, err := net.Dial("tcp", target)
	if err != nil {
		return // nobody there
	}
	defer far.Close()
	var sent testkit.Output // what a schedule asks in between is no document
	go func() {
		defer far.Close()
		_, _ = io.Copy(io.MultiWriter(&sent, far), near)
	}()
	buffer, answered := make([]byte, 1<<16), 0
	for {
		n, err := far.Read(buffer)
		asked := sent.String()
		if err != nil || n > 0 && strings.Contains(asked[answered:], "submitDocument") && w.loses() {
			return
		}
		answered = len(asked)
		if _, err := near.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// institution is a server with an administrator.
type institution struct {
	*server
	flags []string
	token string
}

func found(t *testing.T, flags ...string) *institution {
	t.Helper()
	i := &institution{flags: append([]string{"--data-dir", t.TempDir(), "--no-graphiql"}, flags...)}
	i.server = startProcess(t, i.flags...)
	works(t, "user", "create", "--email", "admin@entidad.pe", "--name", "Administradora", "--role", "ADMIN", "--area", "MP", "--data-dir", i.flags[1])
	i.token = strings.TrimSpace(works(t, "token", "--email", "admin@entidad.pe", "--data-dir", i.flags[1]))
	return i
}

// restart starts it anew, on another port.
func (i *institution) restart(flags ...string) {
	i.t.Helper()
	i.kill()
	i.server = startProcess(i.t, append(i.flags[:3:3], flags...)...)
}

// get asks for something that has to work, and reads the answer's data.
func (i *institution) get(query string, variables map[string]any, data any) {
	i.t.Helper()
	body, _ := i.must(i.token, query, variables)
	if err := json.Unmarshal([]byte(body), &struct{ Data any }{data}); err != nil {
		i.t.Fatal(err)
	}
}

type jobNow struct {
	State   string
	Attempt int
}

// until follows a job until it is as wanted.
func (i *institution) until(job string, wanted func(jobNow) bool) {
	i.t.Helper()
	body, _ := json.Marshal(map[string]any{"query": `subscription($id: ID!) { jobUpdated(id: $id) { state attempt } }`, "variables": map[string]any{"id": job}})
	r, err := http.NewRequestWithContext(i.t.Context(), http.MethodPost, i.base+"/graphql", bytes.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", "Bearer "+i.token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		text, isData := strings.CutPrefix(lines.Text(), "data: ")
		if !isData {
			continue
		}
		var message struct{ Data struct{ JobUpdated *jobNow } }
		if json.Unmarshal([]byte(text), &message) == nil && message.Data.JobUpdated != nil && wanted(*message.Data.JobUpdated) {
			return
		}
	}
	i.t.Fatalf("job %s never became what was wanted\n%s", job, i.log)
}

func (i *institution) ends(job, state string) {
	i.t.Helper()
	i.until(job, func(j jobNow) bool {
		if j.State != state && (j.State == "FAILED" || j.State == "SUCCEEDED") {
			i.t.Errorf("the job ended as %s, want %s", j.State, state)
			return true
		}
		return j.State == state
	})
}

// register registers a document at the counter.
func (i *institution) register(subject string) (id, number string) {
	i.t.Helper()
	var data struct {
		DocumentTypes    []struct{ ID, Code string }
		RegisterDocument struct {
			Document struct{ ID, FileNumber string }
		}
	}
	i.get(`{ documentTypes { id code } }`, nil, &data)
	typ := ""
	for _, t := range data.DocumentTypes {
		if t.Code == "SOL" {
			typ = t.ID
		}
	}
	i.get(`mutation($input: RegisterDocumentInput!) { registerDocument(input: $input) { document { id fileNumber } } }`, map[string]any{"input": map[string]any{
		"typeId": typ, "subject": subject, "folios": 3, "annexDescription": "Un plano",
		"externalNumber": "OF-77", "priority": "URGENT", "confidentiality": "RESTRICTED",
		"sender": map[string]any{"kind": "PERSON", "idType": "DNI", "idNumber": "45678912", "name": "María Quispe Huamán"},
	}}, &data)
	return data.RegisterDocument.Document.ID, data.RegisterDocument.Document.FileNumber
}

// integrate adds an institution.
func (i *institution) integrate(code, base, key string) string {
	i.t.Helper()
	var data struct {
		CreateIntegration struct{ Integration struct{ ID string } }
	}
	i.get(`mutation CreateIntegration($input: CreateIntegrationInput!) { createIntegration(input: $input) { integration { id code kind baseUrl active health } } }`, map[string]any{"input": map[string]any{
		"code": code, "name": "Municipalidad vecina", "kind": "MESA", "baseUrl": base, "apiKey": key,
	}}, &data)
	return data.CreateIntegration.Integration.ID
}

func (i *institution) send(document, to string) (message, job string) {
	i.t.Helper()
	var data struct {
		SendDocument struct{ Message, Job struct{ ID string } }
	}
	i.get(`mutation Send($documentId: ID!, $integrationId: ID!) { sendDocument(input: { documentId: $documentId, integrationId: $integrationId }) { message { id exchangeCode state } job { id kind state } } }`,
		map[string]any{"documentId": document, "integrationId": to}, &data)
	return data.SendDocument.Message.ID, data.SendDocument.Job.ID
}

type messageNow struct {
	State, ExchangeCode, RemoteID, RemoteNumber, RemoteArea, RemoteDate, RemoteObservation, NextAttemptAt, ErrorCode, Problem string
	Attempts                                                                                                                  int
	Integration                                                                                                               struct{ Health string }
	AttemptsLog                                                                                                               []struct{ Kind, ErrorCode, Answer string }
}

func (i *institution) message(id string) messageNow {
	i.t.Helper()
	var data struct{ Node messageNow }
	i.get(`query($id: ID!) { node(id: $id) { ... on ExchangeMessage { state exchangeCode remoteId remoteNumber remoteArea remoteDate remoteObservation nextAttemptAt errorCode problem
		attempts integration { health } attemptsLog { kind errorCode answer } } } }`, map[string]any{"id": id}, &data)
	return data.Node
}

// handedIn says how many documents there are under an exchange code, among how many.
func (i *institution) handedIn(code string) (these, all int) {
	i.t.Helper()
	var data struct {
		Documents struct{ Nodes []struct{ ExternalID string } }
	}
	i.get(`{ documents(first: 100) { nodes { externalId } } }`, nil, &data)
	for _, d := range data.Documents.Nodes {
		if d.ExternalID == code {
			these++
		}
	}
	return these, len(data.Documents.Nodes)
}

func (i *institution) sync(to string) {
	i.t.Helper()
	var data struct {
		SyncIntegration struct{ Job struct{ ID string } }
	}
	i.get(`mutation Sync($integrationId: ID!) { syncIntegration(input: { integrationId: $integrationId }) { job { id kind state } } }`, map[string]any{"integrationId": to}, &data)
	i.ends(data.SyncIntegration.Job.ID, "SUCCEEDED")
}

// Two institutions, each a process with a database of its own, exchange documents while all that may happen between them does.
func TestTwoInstitutionsExchangeDocuments(t *testing.T) {
	there := found(t)
	road := openWire(t, there.base)
	outside := []string{"--outbound-allow", "127.0.0.0/8", "--exchange-scale", "0.001"}
	here := found(t, outside...)
	base := "http://" + road.Addr().String()
	part := func(name string, happens func()) { // each goes on where the one before ended
		if happens(); t.Failed() {
			t.Fatalf("in %q\nhere:\n%s\nthere:\n%s", name, here.log, there.log)
		}
	}

	var data struct {
		Areas        []struct{ ID, Code string }
		CreateAPIKey struct{ Secret string } `json:"createApiKey"`
	}
	there.get(`{ areas { id code } }`, nil, &data)
	there.get(`mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id name prefix scopes } secret } }`, map[string]any{"input": map[string]any{
		"name": "Entidad de aquí", "scopes": []string{"documents:submit", "exchange:status"}, "areaIds": []string{data.Areas[0].ID},
	}}, &data)
	to := here.integrate("VECINA", base+"/", data.CreateAPIKey.Secret)

	part("probe", func() {
		body, _ := here.must(here.token, `mutation Probe($id: ID!) { probeIntegration(input: { integrationId: $id }) { ok latencyMs error remoteVersion integration { id health } } }`, map[string]any{"id": to})
		if !strings.Contains(body, `"ok":true`) || !strings.Contains(body, `"remoteVersion":"dev"`) || !strings.Contains(body, `"health":"OK"`) {
			t.Error(body)
		}
	})
	part("send, register there, receipt here", func() {
		document, number := here.register("Solicita opinión sobre el proyecto vial")
		message, job := here.send(document, to)
		if again, same := here.send(document, to); again != message || same != job {
			t.Errorf("sent twice: %s and %s", message, again)
		}
		here.ends(job, "SUCCEEDED")
		m := here.message(message)
		if m.State != "DELIVERED" || m.RemoteID == "" || m.Attempts != 1 {
			t.Fatalf("sent: %+v", m)
		}
		body, _ := there.must(there.token, `query($id: ID!) { node(id: $id) { ... on Document { subject folios externalNumber notes externalId annexDescription priority confidentiality state sender { idNumber name } type { code } } } }`, map[string]any{"id": m.RemoteID})
		want := fmt.Sprintf(`{"subject":"Solicita opinión sobre el proyecto vial","folios":3,"externalNumber":"OF-77","notes":"Expediente %s de Institución sin nombre",`+
			`"externalId":%q,"annexDescription":"Un plano","priority":"URGENT","confidentiality":"RESTRICTED","state":"SUBMITTED",`+
			`"sender":{"idNumber":"45678912","name":"María Quispe Huamán"},"type":{"code":"SOL"}}`, number, m.ExchangeCode)
		if !strings.Contains(body, want) {
			t.Errorf("there is %s, want %s", body, want)
		}
		here.sync(to) // nothing has happened there
		if m := here.message(message); m.State != "DELIVERED" {
			t.Errorf("before it was registered: %+v", m)
		}
		var accepted struct {
			RegisterSubmission struct {
				Document struct{ FileNumber, RegisteredAt string }
			}
		}
		there.get(`mutation($id: ID!) { registerSubmission(input: { documentId: $id }) { document { fileNumber registeredAt } } }`, map[string]any{"id": m.RemoteID}, &accepted)
		here.sync(to)
		m = here.message(message)
		if cargo := accepted.RegisterSubmission.Document; m.State != "REGISTERED" || m.RemoteNumber != cargo.FileNumber || m.RemoteDate != cargo.RegisteredAt || m.RemoteArea == "" || m.RemoteNumber == "" {
			t.Errorf("the receipt is %+v, want %+v", m, cargo)
		}
		timeline, _ := here.must(here.token, `query($id: ID!) { node(id: $id) { ... on Document { timeline(first: 50) { nodes { type text } } } } }`, map[string]any{"id": document})
		for _, what := range []string{"exchange.queued", "exchange.sent", "exchange.delivered", `"exchange.registered","text":"Registrado por Municipalidad vecina: ` + m.RemoteNumber} {
			if !strings.Contains(timeline, what) {
				t.Errorf("the timeline lacks %s: %s", what, timeline)
			}
		}
	})
	part("confidential, on purpose", func() {
		document, _ := here.register("Denuncia reservada")
		here.must(here.token, `mutation($id: ID!) { updateDocument(input: { documentId: $id, confidentiality: CONFIDENTIAL, reason: "Protege al denunciante" }) { document { id } } }`, map[string]any{"id": document})
		var sent struct {
			SendDocument struct{ Message, Job struct{ ID string } }
		}
		here.get(`mutation($input: SendDocumentInput!) { sendDocument(input: $input) { message { id } job { id } } }`,
			map[string]any{"input": map[string]any{"documentId": document, "integrationId": to, "allowConfidential": true}}, &sent)
		here.ends(sent.SendDocument.Job.ID, "SUCCEEDED")
		m := here.message(sent.SendDocument.Message.ID)
		if body, _ := there.must(there.token, `query($id: ID!) { node(id: $id) { ... on Document { confidentiality state } } }`, map[string]any{"id": m.RemoteID}); !strings.Contains(body, `{"confidentiality":"CONFIDENTIAL","state":"SUBMITTED"}`) {
			t.Errorf("there is %s", body)
		}
	})
	part("declined there", func() {
		document, _ := here.register("Para otra entidad")
		message, job := here.send(document, to)
		here.ends(job, "SUCCEEDED")
		there.must(there.token, `mutation($id: ID!) { declineSubmission(input: { documentId: $id, reason: WRONG_RECIPIENT, text: "Corresponde al gobierno regional" }) { document { id } } }`, map[string]any{"id": here.message(message).RemoteID})
		here.sync(to)
		if m := here.message(message); m.State != "REJECTED" || m.RemoteObservation != "Dirigido a otra entidad: Corresponde al gobierno regional" {
			t.Errorf("declined: %+v", m)
		}
		if again, job := here.send(document, to); again == message {
			t.Error("what was rejected cannot be sent anew")
		} else {
			here.ends(job, "SUCCEEDED")
		}
	})
	part("peer down for a while", func() {
		there.kill()
		document, _ := here.register("Llega cuando el otro lado vuelve")
		message, job := here.send(document, to)
		here.until(job, func(j jobNow) bool { return j.State == "QUEUED" && j.Attempt >= 2 })
		if m := here.message(message); m.State != "RETRYING" && m.State != "SENDING" || m.Attempts < 2 || m.Integration.Health == "OK" || m.State == "RETRYING" && m.NextAttemptAt == "" {
			t.Errorf("while it is down: %+v", m)
		}
		there.restart()
		road.lead(there.base)
		here.ends(job, "SUCCEEDED")
		m := here.message(message)
		if these, _ := there.handedIn(m.ExchangeCode); m.State != "DELIVERED" || m.Integration.Health != "OK" || these != 1 {
			t.Errorf("after it came back: %+v, %d documents there", m, these)
		}
		if first := m.AttemptsLog[0]; first.ErrorCode != "NETWORK" || first.Kind != "SEND" || len(m.AttemptsLog) != m.Attempts {
			t.Errorf("the log is %+v", m.AttemptsLog)
		}
	})
	part("lost answer", func() {
		document, _ := here.register("La respuesta se pierde")
		_, before := there.handedIn("")
		road.lose()
		message, job := here.send(document, to)
		here.ends(job, "SUCCEEDED")
		m := here.message(message)
		these, all := there.handedIn(m.ExchangeCode)
		if m.State != "DELIVERED" || m.Attempts != 2 || these != 1 || all != before+1 {
			t.Errorf("%+v, %d documents there of %d, %d before", m, these, all, before)
		}
		if log := m.AttemptsLog; len(log) != 2 || log[0].ErrorCode != "NETWORK" || !strings.Contains(log[1].Answer, `"duplicate":true`) {
			t.Errorf("the log is %+v", m.AttemptsLog)
		}
	})
	part("worker killed in the middle", func() {
		document, _ := here.register("Quien lo envía muere")
		message, job := here.send(document, to)
		here.restart(outside...) // before, while or after it is sent
		here.ends(job, "SUCCEEDED")
		m := here.message(message)
		if these, _ := there.handedIn(m.ExchangeCode); m.State != "DELIVERED" || these != 1 {
			t.Errorf("%+v, %d documents there", m, these)
		}
	})
	part("wrong key", func() {
		wrong := here.integrate("SIN-CLAVE", base, "mesa_"+strings.Repeat("0", 40))
		document, _ := here.register("La clave no es")
		message, job := here.send(document, wrong)
		here.ends(job, "FAILED")
		if m := here.message(message); m.State != "DEAD" || m.ErrorCode != "UNAUTHENTICATED" || m.Problem != "Inicie sesión para continuar." || m.Attempts != 1 || m.Integration.Health != "DEGRADED" || strings.Contains(fmt.Sprint(m), strings.Repeat("0", 40)) {
			t.Errorf("%+v", m)
		}
	})
	part("addresses inside", func() {
		body, _, err := there.ask(there.token, `mutation($base: String!) { createIntegration(input: { code: "AQUI", name: "Yo misma", kind: MESA, baseUrl: $base }) { integration { id } } }`, map[string]any{"base": here.base})
		if err != nil || !strings.Contains(body, `"code":"ADDRESS_REFUSED"`) {
			t.Errorf("%v %s", err, body)
		}
		document, _ := here.register("No debe llegar")
		here.restart("--exchange-scale", "0.001")
		message, job := here.send(document, to)
		here.ends(job, "FAILED")
		if m := here.message(message); m.State != "DEAD" || m.ErrorCode != "ADDRESS_REFUSED" {
			t.Errorf("%+v", m)
		}
	})
	part("without the keys", func() {
		here.kill()
		for _, flags := range [][]string{{"--mode", "production"}, {"--keys", secret.Generate()}} {
			code, _, stderr := typed(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--data-dir", here.flags[1]}, flags...)...)
			if code != 1 || !strings.Contains(stderr, "MESA_KEYS") {
				t.Errorf("%v: %d %s", flags[0], code, stderr)
			}
		}
	})
}
