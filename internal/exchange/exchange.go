// Package exchange calls the desks of other institutions. The protocol between two instances is the public GraphQL API itself
// (docs/decisions/0010-exchange.md): the operations are in operations/, the addresses that may be called in internal/outbound.
package exchange

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mesapartes/mesa/internal/outbound"
	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/mesa"
)

// Operations are the texts that the other side is sent, by file. An institution that runs trusted documents only has to list them.
//
//go:embed operations/*.graphql
var Operations embed.FS

func operation(name string) string {
	text, err := Operations.ReadFile("operations/" + name + ".graphql")
	if err != nil {
		panic("exchange: no operation " + name)
	}
	return string(text)
}

var submit, status, probe = operation("submit"), operation("status"), operation("probe")

// Error codes of calls that the other side's API did not answer, beyond those of internal/outbound and HTTP_ with the status.
const (
	BadAnswer   = "BAD_ANSWER"  // not an answer of this API
	Credentials = "CREDENTIALS" // the key of the other side cannot be opened here
	NotThere    = "NOT_FOUND"   // the other side does not know the document, or the key may not see it
	TooOld      = "TOO_OLD"     // the other side's version would lose who may read the document
)

// Peers calls other institutions.
type Peers struct {
	keys  func() (*secret.Keyring, error)
	calls *outbound.Client
}

// New makes the calls by a client, with credentials that are sealed by the keys of a ring. It is asked for when it is first needed; a nil one
// says that there is none, and none can be kept.
func New(keys func() (*secret.Keyring, error), calls *outbound.Client) *Peers {
	return &Peers{keys: keys, calls: calls}
}

// Close ends the connections that are kept for the next call.
func (p *Peers) Close() { p.calls.Close() }

// CheckURL is AddressRefused for an address that will not be called.
func (p *Peers) CheckURL(base string) error {
	err := p.calls.CheckURL(base)
	if err == nil && strings.ContainsAny(base, "?#") {
		err = errors.New("the address has a query or a fragment")
	}
	if err != nil {
		return mesa.Fail(mesa.AddressRefused, "baseUrl", "No se llama a esa dirección: use una dirección pública con https://.").With("reason", err.Error())
	}
	return nil
}

// ErrNoKeys says that there is nothing to seal credentials with.
func ErrNoKeys() error {
	return mesa.Fail(mesa.FeatureDisabled, "apiKey", "No hay claves con que guardar credenciales (MESA_KEYS).")
}

func place(id mesa.IntegrationID) secret.AAD {
	return secret.AAD{Table: "integrations", ID: string(id), Column: "sealed_credentials"}
}

// Seal seals the other side's key for an integration.
func (p *Peers) Seal(id mesa.IntegrationID, key string) (mesa.Text, error) {
	keys, err := p.keys()
	if err != nil {
		return "", err
	}
	if keys == nil {
		return "", ErrNoKeys()
	}
	sealed, err := keys.Seal(place(id), []byte(key))
	return mesa.Text(sealed), err
}

// open gives the other side's key.
func (p *Peers) open(to *mesa.Integration) (string, error) {
	keys, err := p.keys()
	if err != nil {
		return "", err
	}
	if keys == nil {
		return "", errors.New("there are no keys (MESA_KEYS)")
	}
	key, err := keys.Open(place(to.ID), string(to.SealedCredentials))
	return string(key), err
}

// Check says why the credentials of an integration cannot be opened, nil when they can or there are none.
func (p *Peers) Check(to *mesa.Integration) error {
	if !to.HasCredentials() {
		return nil
	}
	_, err := p.open(to)
	return err
}

// Submit hands in a document. A repeat is answered with the document of the first time. An older side that does not know all of it is handed
// what it knows, unless everybody could read there what is kept from many here.
func (p *Peers) Submit(ctx context.Context, to *mesa.Integration, m *mesa.ExchangeMessage) *mesa.ExchangeCall {
	input := submission(m)
	older, isLess := forOlder(input)
	call := p.submit(ctx, to, input)
	switch {
	case !isLess || !refusedByOlder[call.ErrorCode]:
	case m.Payload.Confidentiality == "":
		return p.submit(ctx, to, older)
	case call.ErrorCode == string(mesa.SchemaValidationFailed):
		call.ErrorCode, call.Problem = TooOld, "the other side does not know confidentiality: "+call.Problem
	}
	return call
}

func (p *Peers) submit(ctx context.Context, to *mesa.Integration, input map[string]any) *mesa.ExchangeCall {
	var data struct{ SubmitDocument struct{ Document *document } }
	call := p.call(ctx, to, submit, map[string]any{"input": input}, &data)
	return call.of(data.SubmitDocument.Document)
}

// submission is a message as the other side's input.
func submission(m *mesa.ExchangeMessage) map[string]any {
	sender := map[string]any{"kind": m.Payload.Sender.Kind, "idType": m.Payload.Sender.IDType, "name": m.Payload.Sender.Name}
	given(sender, "idNumber", string(m.Payload.Sender.IDNumber))
	input := map[string]any{"externalId": m.ExchangeCode, "typeCode": m.Payload.TypeCode, "subject": m.Payload.Subject, "folios": m.Payload.Folios, "sender": sender}
	given(input, "externalNumber", m.Payload.ExternalNumber)
	given(input, "annexDescription", m.Payload.AnnexDescription)
	if m.Payload.Priority != mesa.NormalPriority {
		given(input, "priority", string(m.Payload.Priority))
	}
	given(input, "confidentiality", string(m.Payload.Confidentiality))
	given(input, "notes", m.Payload.Notes)
	if !m.Payload.DocumentDate.IsZero() {
		input["documentDate"] = m.Payload.DocumentDate.String()
	}
	return input
}

// refusedByOlder are the answers of a side that does not know an input field, or a value of one, or that was handed less of the document when
// it was older and is asked again.
var refusedByOlder = map[string]bool{string(mesa.SchemaValidationFailed): true, string(mesa.ValidationFailed): true, string(mesa.IdempotencyMismatch): true}

// forOlder is an input without what older versions do not know, and whether that is less.
func forOlder(input map[string]any) (older map[string]any, isLess bool) {
	older = maps.Clone(input)
	delete(older, "confidentiality")
	delete(older, "notes")
	if older["priority"] == string(mesa.UrgentPriority) {
		older["priority"] = string(mesa.HighPriority)
	}
	return older, len(older) < len(input) || older["priority"] != input["priority"]
}

// Status asks how the document of a message stands.
func (p *Peers) Status(ctx context.Context, to *mesa.Integration, m *mesa.ExchangeMessage) *mesa.ExchangeCall {
	var data struct{ Document *document }
	call := p.call(ctx, to, status, map[string]any{"id": m.RemoteID}, &data)
	return call.of(data.Document)
}

// Probe asks the other side what it is. It changes nothing there.
func (p *Peers) Probe(ctx context.Context, to *mesa.Integration) *mesa.ExchangeCall {
	var data struct{ Service *struct{ Version string } }
	call := p.call(ctx, to, probe, map[string]any{}, &data)
	switch {
	case call.ErrorCode != "":
	case data.Service == nil:
		call.fail(BadAnswer, "the answer does not tell a version", true)
	default:
		call.Version = short(data.Service.Version, 100)
	}
	return call.ExchangeCall
}

func given(input map[string]any, name, value string) {
	if value != "" {
		input[name] = value
	}
}

// document is what the operations select of one.
type document struct {
	ID, TrackingCode, State, FileNumber, NotFiledReason, NotFiledText, VoidReason string
	RegisteredAt                                                                  time.Time
	Desk                                                                          struct{ Name string }
}

func (d *document) remote() *mesa.RemoteDocument {
	note := d.NotFiledText
	if reason := mesa.Label(d.NotFiledReason); reason != "" {
		note = reason + ": " + note
	}
	if note == "" {
		note = d.VoidReason
	}
	return &mesa.RemoteDocument{
		ID: short(d.ID, 100), TrackingCode: short(d.TrackingCode, 40), State: mesa.DocumentState(d.State), Number: short(d.FileNumber, 100), Area: short(d.Desk.Name, 200),
		RegisteredAt: d.RegisteredAt.UTC().Truncate(time.Microsecond), Note: short(note, 2000),
	}
}

// call is a call while it is made out.
type call struct{ *mesa.ExchangeCall }

func (c call) fail(code, problem string, temporary bool) {
	c.ErrorCode, c.Problem, c.Temporary = short(code, 100), short(problem, 2000), temporary
}

// of completes a call that is to tell of a document.
func (c call) of(d *document) *mesa.ExchangeCall {
	switch {
	case c.ErrorCode != "":
	case d == nil:
		c.fail(NotThere, "the other side does not know the document", false)
	default:
		c.Remote = d.remote()
	}
	return c.ExchangeCall
}

// call sends an operation and reads its data.
func (p *Peers) call(ctx context.Context, to *mesa.Integration, query string, variables map[string]any, data any) call {
	c := call{&mesa.ExchangeCall{}}
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "Accept-Language": {"es-PE"}}
	key := ""
	if to.HasCredentials() {
		var err error
		if key, err = p.open(to); err != nil {
			c.fail(Credentials, err.Error(), false)
			return c
		}
		header.Set("Authorization", "Bearer "+key)
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		c.fail(BadAnswer, err.Error(), false)
		return c
	}
	within, cancel := context.WithTimeout(ctx, to.Timeout())
	defer cancel()
	answer, err := p.calls.Do(within, outbound.Request{Method: http.MethodPost, URL: to.BaseURL + "/graphql", Header: header, Body: body})
	c.Took, c.HTTPStatus, c.RemoteAddr, c.RetryAfter = answer.Took, answer.Status, answer.RemoteAddr, answer.RetryAfter
	c.CertificateExpires = answer.CertificateExpires
	c.Answer = snippet(answer.Body, key)
	if err != nil {
		code := outbound.CodeOf(err)
		c.fail(string(code), err.Error(), code == outbound.Timeout || code == outbound.Network || code == outbound.TLS)
		return c
	}
	c.read(answer, key, data)
	return c
}

// read makes out what came back.
func (c call) read(answer outbound.Response, key string, data any) {
	var parsed struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct {
				Code       string
				Field      string
				RetryAfter float64
			}
		}
	}
	isOurs := json.Unmarshal(answer.Body, &parsed) == nil
	switch again := temporaryStatus(answer.Status); {
	case again:
		c.fail(httpCode(answer.Status), http.StatusText(answer.Status), true)
	case isOurs && len(parsed.Errors) > 0:
		e := parsed.Errors[0]
		code, problem := e.Extensions.Code, withoutSecrets(e.Message, key)
		if code == "" {
			code = BadAnswer // an older or a newer side does not know the operation
		}
		if e.Extensions.Field != "" {
			problem += " (" + e.Extensions.Field + ")"
		}
		temporary := code == string(mesa.Internal) || code == string(mesa.RateLimited) || code == string(mesa.Canceled)
		c.Answered = true
		c.fail(code, problem, temporary)
		if temporary && c.RetryAfter == 0 {
			c.RetryAfter = min(time.Duration(e.Extensions.RetryAfter*float64(time.Second)), outbound.MaxRetryAfter)
		}
	case answer.Status >= 400:
		c.fail(httpCode(answer.Status), http.StatusText(answer.Status), false)
	case !isOurs || parsed.Data == nil || json.Unmarshal(parsed.Data, data) != nil:
		c.fail(BadAnswer, "this is not the API of a document desk", true) // the page of a proxy, perhaps
	default:
		c.Answered = true
	}
}

// temporaryStatus lists the answers after which the same call may succeed later.
func temporaryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

func httpCode(status int) string { return "HTTP_" + strconv.Itoa(status) }

// maxSnippet bounds what is kept of an answer.
const maxSnippet = 2 << 10

var keys = regexp.MustCompile(`mesa_[0-9A-Za-z]{16,}`)

func withoutSecrets(text, key string) string {
	if key != "" {
		text = strings.ReplaceAll(text, key, "…")
	}
	return keys.ReplaceAllString(text, "…")
}

// snippet is how an answer begins. Secrets are taken out before it is cut, so that none is cut in two.
func snippet(body []byte, key string) string {
	return short(withoutSecrets(string(body), key), maxSnippet-len("…"))
}

// short bounds a text of the other side, and makes it one that can be stored.
func short(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "�"), "\x00", "")
	if len(text) <= most {
		return text
	}
	for !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}
