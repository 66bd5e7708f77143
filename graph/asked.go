package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"unicode/utf8"

	"github.com/mesapartes/mesa/mesa"
)

// asked is what a request asks for.
type asked struct {
	Query         string
	OperationName string
	DocumentID    string
	RelayID       string // another name for DocumentID
	Variables     map[string]any
	Extensions    map[string]any
}

func (a *asked) members() []jsonMember {
	return []jsonMember{
		{"query", &a.Query}, {"operationName", &a.OperationName}, {"documentId", &a.DocumentID}, {"doc_id", &a.RelayID},
		{"variables", &a.Variables}, {"extensions", &a.Extensions},
	}
}

func (a *asked) named() named {
	n := named{Query: a.Query, OperationName: a.OperationName, DocumentID: a.DocumentID, Extensions: a.Extensions}
	if n.DocumentID == "" {
		n.DocumentID = a.RelayID
	}
	return n
}

// isNothing says that there is neither a text nor the name of one.
func (a *asked) isNothing() bool {
	return a.Query == "" && a.named().DocumentID == "" && a.Extensions["persistedQuery"] == nil
}

// readJSON reads a body. Members may be missing or null, and others are not looked at.
func (a *asked) readJSON(body []byte) *mesa.Error {
	if start := bytes.TrimLeft(body, " \t\r\n"); len(start) > 0 && start[0] == '[' {
		return mesa.Fail(mesa.LimitExceeded, "", "Envíe una sola operación por solicitud, no una lista.").With("limit", 1)
	}
	wrong, err := readMembers(body, a.members())
	if err != nil && wrong.name == "" {
		return mesa.Invalid("", "El cuerpo de la solicitud no es un objeto JSON con query, variables, operationName y extensions.")
	}
	return wrong.refuse(err)
}

// readURL reads the query part of a URL.
func (a *asked) readURL(u *url.URL) *mesa.Error {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return mesa.Invalid("", "La dirección no está bien codificada.")
	}
	for _, m := range a.members() {
		text := q.Get(m.name)
		switch into := m.into.(type) {
		case *string:
			if *into = text; !utf8.ValidString(text) {
				return m.refuse(errNotUTF8)
			}
		default:
			if text == "" {
				continue
			}
			if err := unmarshal([]byte(text), into); err != nil {
				return m.refuse(err)
			}
		}
	}
	return nil
}

// jsonMember is a member of a JSON object that is looked for, and what it is read into.
type jsonMember struct {
	name string
	into any
}

// refuse is what a client is told whose member has another type; nil for no error.
func (m jsonMember) refuse(err error) *mesa.Error {
	if err == nil {
		return nil
	}
	if _, isText := m.into.(*string); isText {
		return mesa.Invalid(m.name, "El parámetro %s no es un texto.", m.name)
	}
	return mesa.Invalid(m.name, "El parámetro %s no es un objeto JSON.", m.name)
}

// readMembers reads members of a JSON object by their exact names. Without an error the text is a JSON object in UTF-8 and nothing else;
// with one, wrong is the member that has another type, or nothing.
func readMembers(text []byte, members []jsonMember) (wrong jsonMember, err error) {
	var given map[string]json.RawMessage
	if err := unmarshal(text, &given); err != nil {
		return jsonMember{}, err
	}
	if given == nil {
		return jsonMember{}, errors.New("null is no object")
	}
	for _, m := range members {
		if value, ok := given[m.name]; ok {
			if err := unmarshal(value, m.into); err != nil {
				return m, err
			}
		}
	}
	return jsonMember{}, nil
}

var errNotUTF8 = errors.New("not UTF-8")

// unmarshal reads a whole text as JSON, numbers as they are written.
func unmarshal(text []byte, into any) error {
	if !utf8.Valid(text) {
		return errNotUTF8
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows")
	}
	return nil
}
