package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/internal/testkit"
)

const (
	plainJSON    = "application/json"
	responseJSON = "application/graphql-response+json"
	eventStream  = "text/event-stream"
)

// raw sends a request as it is; body "" is a GET.
func (w *world) raw(t *testing.T, method, target, body string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	for name, value := range header {
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// What a request says of itself decides its status, and nothing that it brought comes back in a refusal.
func TestRequestsOverHTTP(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	token := w.token("mesa1")
	const (
		who    = `{ viewer { user { email } } }`
		ok     = `{"query": "` + who + `"}`
		secret = "s3cret"
	)
	get := func(pairs ...string) string {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return "/graphql?" + q.Encode()
	}
	post := func(name, body string, status int, contains string) httpCase {
		return httpCase{name: name, method: "POST", target: "/graphql", kind: plainJSON, body: body, status: status, contains: contains}
	}
	typed := func(kind string, status int) httpCase {
		return httpCase{name: "POST of " + kind, method: "POST", target: "/graphql", kind: kind, body: ok, status: status}
	}
	for _, c := range []httpCase{
		post("a query", ok, 200, "mesa1@demo.mesa.pe"),
		{name: "a query by GET", method: "GET", target: get("query", who), status: 200, contains: "mesa1@demo.mesa.pe"},
		{name: "variables by GET", method: "GET", target: get("query", `query($n: Int!) { documents(first: $n) { totalCount } }`, "variables", `{"n": 1}`), status: 200, contains: "totalCount"},
		{name: "a mutation by GET", method: "GET", target: get("query", `mutation { signOut { ok } }`), status: 405, contains: "Por GET solo se admiten consultas."},
		{name: "a mutation by GET for a stream", method: "GET", target: get("query", `mutation { signOut { ok } }`), accept: eventStream, status: 405, contains: "Por GET"},
		{name: "a mutation by GET of a stranger", method: "GET", target: get("query", `mutation { signOut { ok } }`), stranger: true, status: 405, contains: "Por GET"},
		{name: "nothing by GET", method: "GET", target: "/graphql", status: 400, contains: "VALIDATION_FAILED"},
		{name: "variables by GET that are no object", method: "GET", target: get("query", who, "variables", `["s3cret"]`), status: 400, contains: `"field":"variables"`},
		{name: "variables by GET with something behind", method: "GET", target: get("query", who, "variables", `{} s3cret`), status: 400, contains: `"field":"variables"`},
		{name: "a URL that is not well encoded", method: "GET", target: "/graphql?query=%7B__typename%7D&variables=%zz", status: 400, contains: "VALIDATION_FAILED"},
		{name: "text by GET that is not UTF-8", method: "GET", target: "/graphql?query=%ff", status: 400, contains: `"field":"query"`},
		{name: "another method", method: "PUT", target: "/graphql", kind: plainJSON, body: ok, status: 405},
		{name: "HEAD", method: "HEAD", target: get("query", who), status: 405},
		{name: "OPTIONS", method: "OPTIONS", target: "/graphql", status: 200},

		typed("application/json; charset=utf-8", 200),
		typed("Application/JSON; charset=\"UTF-8\"", 200),
		typed("application/json; charset=utf-16", 415),
		typed("application/json; charset=iso-8859-1", 415),
		typed("application/x-www-form-urlencoded", 415), // any page may send one in a browser's name, and so the next two
		typed("multipart/form-data; boundary=x", 415),
		typed("text/plain", 415),
		typed("application/graphql", 415),
		typed("application/json-patch+json", 415),
		typed("", 415),
		{name: "a compressed body", method: "POST", target: "/graphql", kind: plainJSON, encoding: "gzip", body: "\x1f\x8b", status: 415},

		post("no JSON", `{"password": "s3cret"`, 400, "VALIDATION_FAILED"),
		post("an empty body", ``, 400, "VALIDATION_FAILED"),
		post("a text", `"s3cret"`, 400, "VALIDATION_FAILED"),
		post("null", `null`, 400, "VALIDATION_FAILED"),
		post("something behind", ok+` s3cret`, 400, "VALIDATION_FAILED"),
		post("a second object behind", ok+ok, 400, "VALIDATION_FAILED"),
		post("not UTF-8", "{\"query\": \"{ __typename } #\xff\"}", 400, "VALIDATION_FAILED"),
		post("white space around", "\r\n\t "+ok+"\n", 200, "mesa1@"),
		post("no query", `{"variables": {"password": "s3cret"}}`, 400, `"field":"query"`),
		post("a misspelt query", `{"qeury": "{ __typename }"}`, 400, `"field":"query"`),
		post("a query in capitals", `{"QUERY": "{ __typename }"}`, 400, `"field":"query"`),
		post("other members", `{"query": "{ __typename }", "id": 7, "QUERY": ["s3cret"]}`, 200, "Query"),
		post("null members", `{"query": "{ __typename }", "variables": null, "operationName": null, "extensions": null, "documentId": null}`, 200, "Query"),
		post("a query that is a number", `{"query": 7}`, 400, `"field":"query"`),
		post("a query that is an object", `{"query": {"s3cret": 1}}`, 400, `"field":"query"`),
		post("a name that is a list", `{"query": "{ __typename }", "operationName": ["s3cret"]}`, 400, `"field":"operationName"`),
		post("an id that is a number", `{"documentId": 7}`, 400, `"field":"documentId"`),
		post("variables that are a list", `{"query": "{ __typename }", "variables": ["s3cret"]}`, 400, `"field":"variables"`),
		post("variables that are a text", `{"query": "{ __typename }", "variables": "s3cret"}`, 400, `"field":"variables"`),
		post("extensions that are a number", `{"query": "{ __typename }", "extensions": 7}`, 400, `"field":"extensions"`),
		post("a list of requests", `[`+ok+`,`+ok+`]`, 400, "LIMIT_EXCEEDED"),
		post("a list of a thousand requests", ` [`+strings.Repeat(ok+`,`, 999)+ok+`]`, 400, "LIMIT_EXCEEDED"),
		post("an empty list", `[]`, 400, "LIMIT_EXCEEDED"),
		post("a body that is too large", `{"query": "{ __typename }", "variables": {"x": "`+strings.Repeat("x", 300<<10)+`"}}`, 413, "LIMIT_EXCEEDED"),
		post("two operations and a name", `{"query": "query A { viewer { user { id } } } query B { viewer { user { email } } }", "operationName": "B"}`, 200, "mesa1@"),
		post("a subscription", `{"query": "subscription { documentChanged(id: \"x\") { event { id } } }"}`, 406, "text/event-stream"),
	} {
		t.Run(c.name, func(t *testing.T) {
			header := map[string]string{"Content-Type": c.kind, "Accept": c.accept, "Content-Encoding": c.encoding, "Authorization": "Bearer " + token}
			if c.stranger {
				delete(header, "Authorization")
			}
			rec := w.raw(t, c.method, c.target, c.body, header)
			body := rec.Body.String()
			if rec.Code != c.status || !strings.Contains(body, c.contains) {
				t.Errorf("%d %.300s, want %d with %q", rec.Code, body, c.status, c.contains)
			}
			if strings.Contains(body, secret) || strings.Contains(body, "INTERNAL") || strings.Contains(w.log.String(), "ERROR") {
				t.Errorf("it says too much, or fails inside: %.300s %s", body, w.log)
			}
			if rec.Code == 405 && !strings.Contains(rec.Header().Get("Allow"), "POST") {
				t.Error("405 does not say what is allowed")
			}
			if rec.Code >= 400 && strings.Contains(body, `"data"`) {
				t.Errorf("a refusal has data: %s", body)
			}
			if kind := rec.Header().Get("Content-Type"); c.method != "OPTIONS" && kind != plainJSON+"; charset=utf-8" {
				t.Errorf("it is of type %q", kind)
			}
		})
	}
}

type httpCase struct {
	name, method, target string
	kind, accept         string // Content-Type and Accept
	encoding, body       string
	status               int
	contains             string
	stranger             bool
}

// The client's weights decide, then its order, then what old clients understand.
func TestTheMediaTypeOfAnAnswer(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	for accept, want := range map[string]string{
		"":    plainJSON,
		"*/*": plainJSON, "application/*": plainJSON, plainJSON: plainJSON, responseJSON: responseJSON, eventStream: eventStream,
		plainJSON + ", " + responseJSON:                  plainJSON,
		responseJSON + ", " + plainJSON:                  responseJSON,
		plainJSON + ";q=0.8, " + responseJSON:            responseJSON,
		responseJSON + ";q=0.5, " + plainJSON + ";q=0.9": plainJSON,
		responseJSON + ", " + plainJSON + ";q=0.9":       responseJSON, // Apollo Client
		plainJSON + ";q=0, */*":                          responseJSON,
		"*/*;q=0.1, " + responseJSON + ";q=0.2":          responseJSON,
		"Application/GraphQL-Response+JSON;Q=1.0":        responseJSON,
		responseJSON + "; charset=utf-8":                 responseJSON,
		responseJSON + "; charset=utf-16, " + plainJSON:  plainJSON,
		"text/html, */*;q=0.8":                           plainJSON, // a browser
		eventStream + ";q=0.5, " + plainJSON:             plainJSON,
		plainJSON + ";q=0.5, " + eventStream:             eventStream,
		responseJSON + ", application/graphql+json, " + plainJSON + ", " + eventStream + ", multipart/mixed": responseJSON, // urql
		"text/html":              "",
		"text/*":                 "",
		plainJSON + ";q=0":       "",
		plainJSON + ";q=nothing": "",
		"nonsense":               "",
		"multipart/mixed":        "",
	} {
		rec := w.raw(t, "POST", "/graphql", `{"query": "{ __typename }"}`, map[string]string{"Content-Type": plainJSON, "Accept": accept})
		kind, _, _ := strings.Cut(rec.Header().Get("Content-Type"), ";")
		switch {
		case want == "":
			if rec.Code != 406 || kind != plainJSON || !strings.Contains(rec.Body.String(), responseJSON) {
				t.Errorf("%q: %d of %q %s, want 406", accept, rec.Code, kind, rec.Body)
			}
		case rec.Code != 200 || kind != want:
			t.Errorf("%q: %d of %q, want %q", accept, rec.Code, kind, want)
		}
	}
}

// An error before the execution has a status of its own as application/graphql-response+json; what was executed is 200.
func TestStatusesOfRefusals(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	const hash = `"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "%s"}}`
	unknown := strings.Repeat("0", 64)
	for _, c := range []struct {
		body, who       string
		plain, response int
		code            string
		executed        bool
	}{
		{`{"query": "{"}`, "mesa1", 200, 400, "GRAPHQL_PARSE_FAILED", false},
		{`{"query": "{ nothing }"}`, "mesa1", 200, 400, "GRAPHQL_VALIDATION_FAILED", false},
		{`{"query": "query A { __typename } query B { __typename }"}`, "mesa1", 200, 400, "GRAPHQL_VALIDATION_FAILED", false},
		{`{"query": "query A { __typename }", "operationName": "B"}`, "mesa1", 200, 400, "GRAPHQL_VALIDATION_FAILED", false},
		{`{"query": "query($id: ID!) { node(id: $id) { id } }", "variables": {"id": null}}`, "mesa1", 200, 400, "GRAPHQL_VALIDATION_FAILED", false},
		{`{"query": "{ viewer { user { id } } }"}`, "", 200, 401, "UNAUTHENTICATED", false},
		{`{"query": "{ documents { nodes { id ... @defer { subject } } } }"}`, "mesa1", 200, 400, "VALIDATION_FAILED", false},
		{`{` + fmt.Sprintf(hash, unknown) + `}`, "mesa1", 200, 404, "PERSISTED_QUERY_NOT_FOUND", false},
		{`{"query": "{ __typename }", ` + fmt.Sprintf(hash, unknown) + `}`, "mesa1", 400, 400, "PERSISTED_QUERY_HASH_MISMATCH", false},
		{`{"query": "{ documents(first: 500) { totalCount } }"}`, "mesa1", 200, 200, "LIMIT_EXCEEDED", true},
	} {
		for accept, want := range map[string]int{plainJSON: c.plain, responseJSON: c.response} {
			rec := w.raw(t, "POST", "/graphql", c.body, map[string]string{"Content-Type": plainJSON, "Accept": accept, "Authorization": "Bearer " + w.token(c.who)})
			var got struct {
				Data   *json.RawMessage
				Errors []any
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			hasData := bytes.Contains(rec.Body.Bytes(), []byte(`"data"`))
			if code := codeOf(answer{errors: got.Errors}); rec.Code != want || code != c.code || hasData != c.executed {
				t.Errorf("%s as %s: %d %s, want %d with %s", c.body, accept, rec.Code, rec.Body, want, c.code)
			}
			if challenge := rec.Header().Get("WWW-Authenticate"); (rec.Code == http.StatusUnauthorized) != (challenge == "Bearer") {
				t.Errorf("%d challenges with %q", rec.Code, challenge)
			}
		}
	}
}

// A stream of one operation: each result is an event, errors of validation too, and the end is one that browsers hear.
func TestAnEventStream(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	const end = "event: complete\ndata:\n\n"
	for _, c := range []struct {
		name, method, target, body string
		status                     int
		next                       string // "" when it is no stream
	}{
		{"a query by POST", "POST", "/graphql", `{"query": "{ __typename }"}`, 200, `{"data":{"__typename":"Query"}}`},
		{"a query by GET", "GET", "/graphql?query=%7B__typename%7D", "", 200, `{"data":{"__typename":"Query"}}`},
		{"a text that is not valid", "POST", "/graphql", `{"query": "{ nothing }"}`, 200, `{"errors":[{"message":"Cannot query field`},
		{"a stranger", "POST", "/graphql", `{"query": "subscription { documentChanged(id: \"x\") { event { id } } }"}`, 200, `{"errors":[{"message":"Inicie`},
		{"an unknown hash", "POST", "/graphql", `{"documentId": "x"}`, 200, `{"errors":[{"message":"PersistedQueryNotFound"`},
		{"no JSON", "POST", "/graphql", `{`, 400, ""},
		{"no query", "POST", "/graphql", `{}`, 400, ""},
		{"a list", "POST", "/graphql", `[]`, 400, ""},
	} {
		rec := w.raw(t, c.method, c.target, c.body, map[string]string{"Content-Type": plainJSON, "Accept": eventStream})
		body, kind := rec.Body.String(), rec.Header().Get("Content-Type")
		switch {
		case rec.Code != c.status:
			t.Errorf("%s: %d %s", c.name, rec.Code, body)
		case c.next == "":
			if !strings.HasPrefix(kind, plainJSON) || !strings.HasPrefix(body, `{"errors":`) {
				t.Errorf("%s: %s of %s", c.name, body, kind)
			}
		case kind != eventStream || !strings.HasPrefix(body, ":\n\nevent: next\ndata: "+c.next) || !strings.HasSuffix(body, "\n\n"+end) || strings.Count(body, "event: next") != 1:
			t.Errorf("%s: %s of %s", c.name, body, kind)
		}
	}
}
