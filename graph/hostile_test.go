package graph_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/mesa"
)

// hostile makes operations of the schema that nobody should send. Most of each is right, so that it gets past the first check: ids, cursors
// and codes are those that answers had.
type hostile struct {
	rand     *rand.Rand
	harvest  map[string][]string // by prefix of an id, else by the member that it was the value of
	foreign  map[string][]string // the same of somebody else's answers
	wrong    float64             // how likely a value is wrong in the present operation
	given    float64             // how likely one that may be left out is there
	curious  float64             // how likely a field with fields is asked for
	declared []string            // its variables
	values   map[string]any
}

// enum is a name of the schema, which a literal has without quotes.
type enum string

// Marks that become what JSON cannot say: bytes that are no UTF-8, and half a surrogate pair.
const (
	noUTF8Mark    = "\uf8fe"
	surrogateMark = "\uf8ff"
)

// hop is a field on the way from the root of an operation; of is where it is selected, which a fragment has to name below an interface.
type hop struct {
	of    *ast.Definition
	field *ast.FieldDefinition
}

// operation asks for the last field of a way with arguments that are wrong here and there; those on the way are right.
func (h *hostile) operation(kind ast.Operation, way []hop, wrong float64) (query string, variables map[string]any) {
	h.declared, h.values = nil, map[string]any{}
	h.given, h.curious = one(h, 0, 0, 0.2, 0.6), one(h, 0.2, 0.5, 0.8)
	var b strings.Builder
	for i, at := range way {
		h.wrong = 0
		if i == len(way)-1 {
			h.wrong = wrong
		}
		fmt.Fprintf(&b, "{ ... on %s { %s%s ", at.of.Name, at.field.Name, h.arguments(at.field))
	}
	b.WriteString(h.selection(schema.Types[way[len(way)-1].field.Type.Name()], 2))
	b.WriteString(strings.Repeat("} }", len(way)))
	head := string(kind)
	if len(h.declared) > 0 {
		head += " Fuzz(" + strings.Join(h.declared, ", ") + ")"
	}
	return head + b.String(), h.values
}

func (h *hostile) chance(p float64) bool { return h.rand.Float64() < p }

// one of a list.
func one[T any](h *hostile, list ...T) T { return list[h.rand.IntN(len(list))] }

// selection asks for the fields of a type that have no fields, and for some of the others.
func (h *hostile) selection(def *ast.Definition, depth int) string {
	if !def.IsCompositeType() {
		return ""
	}
	text := "{ " + scalars(def) + " "
	for _, f := range def.Fields {
		if below := schema.Types[f.Type.Name()]; below.IsCompositeType() && depth > 0 && !strings.HasPrefix(f.Name, "__") && h.chance(h.curious) {
			text += f.Name + h.arguments(f) + " " + h.selection(below, depth-1) + " "
		}
	}
	if def.IsAbstractType() && depth > 0 {
		below := one(h, schema.GetPossibleTypes(def)...)
		text += "... on " + below.Name + " " + h.selection(below, depth-1)
	}
	return text + "}"
}

// arguments of a field, each as a literal or as a variable.
func (h *hostile) arguments(f *ast.FieldDefinition) string {
	var list []string
	for _, a := range f.Arguments {
		needed := a.Type.NonNull && a.DefaultValue == nil
		if needed && h.chance(h.wrong/10) || !needed && !h.chance(h.given) {
			continue
		}
		value := h.value(a.Name, a.Type)
		if h.chance(0.5) {
			list = append(list, a.Name+": "+h.literal(value))
			continue
		}
		name, typ := fmt.Sprintf("v%d", len(h.declared)), a.Type.String()
		if h.chance(h.wrong / 10) {
			typ = one(h, "Int", "String!", "[ID!]", "DocumentFilter", "Boolean = true", "[[Date]]")
		}
		h.declared, list = append(h.declared, "$"+name+": "+typ), append(list, a.Name+": $"+name)
		if !h.chance(h.wrong / 10) {
			h.values[name] = value
		}
	}
	if h.chance(h.wrong / 20) {
		list = append(list, `nothing: "x"`)
	}
	if len(list) == 0 {
		return ""
	}
	return "(" + strings.Join(list, ", ") + ")"
}

// value of an argument or member of an input; it is what its type takes, or it is wrong.
func (h *hostile) value(name string, typ *ast.Type) any {
	if h.chance(h.wrong) {
		return h.bad(name, typ)
	}
	if typ.Elem != nil {
		list := []any{}
		for range one(h, 0, 1, 1, 2, 3) {
			list = append(list, h.value(name, typ.Elem))
		}
		return list
	}
	def := schema.Types[typ.NamedType]
	switch {
	case def.Kind == ast.Enum:
		return enum(one(h, def.EnumValues[0], one(h, def.EnumValues...)).Name) // the first one is the usual one
	case def.Directives.ForName("oneOf") != nil:
		f := one(h, def.Fields...)
		return map[string]any{f.Name: h.value(f.Name, f.Type)}
	case def.Kind == ast.InputObject:
		object := map[string]any{}
		for _, f := range def.Fields {
			if needed := f.Type.NonNull && f.DefaultValue == nil; needed && !h.chance(h.wrong/10) || !needed && h.chance(h.given) {
				object[f.Name] = h.value(f.Name, f.Type)
			}
		}
		return object
	}
	switch def.Name {
	case "Int", "Float":
		return one(h, 1, 1, 2, 3, 10)
	case "Boolean":
		return h.chance(0.5)
	case "Date":
		return one(h, "2026-11-24", "2026-11-30", "2026-12-04", "2026-10-01")
	case "DateTime":
		return one(h, "2026-11-24T08:00:00-05:00", "2026-11-23T15:00:00.5Z", "2026-12-24T15:00:00Z")
	case "JSON":
		return map[string]any{"id": h.known("ID", "id")}
	}
	return h.known(def.Name, name)
}

// prefixes of the ids that go into a member, by a part of its name; the first one that fits.
var prefixes = []struct{ part, prefix string }{
	{"document", "doc_"}, {"related", "doc_"}, {"derivation", "der_"}, {"record", "arc_"}, {"apikey", "key_"}, {"integration", "int_"}, {"message", "msg_"}, {"job", "job_"},
	{"report", "rep_"}, {"type", "typ_"}, {"categor", "cat_"}, {"area", "are_"}, {"parent", "are_"}, {"user", "usr_"}, {"head", "usr_"}, {"assignee", "usr_"}, {"actor", "usr_"}, {"by", "usr_"},
}

// texts are right for members whose values no answer has.
var texts = map[string][]string{
	"baseurl": {"http://127.0.0.1:1/graphql", "https://institution.invalid/graphql"}, "query": {who, "{ documents(first: 1) { nodes { id } } }"}, "password": {"tuma-lore-kiva-pono"},
	"externalnumber": {"OFICIO 12-2026"}, "text": {"solicita informacion", "2026", "juan"}, "senderidnumber": {"20999999990"}, "idnumber": {"20999999990", "45678912"},
	"locale": {"es-PE", "en"}, "scopes": {"documents:submit", "exchange:status"}, "phone": {"+51 999 888 777"}, "queue": {"default"}, "policycode": {"Y5"}, "purposecode": {"ATENCION"}, "typecode": {"SOL"},
	"role": {string(mesa.DeskClerk), string(mesa.AreaUser), string(mesa.Admin)}, "permission": {string(mesa.MayReadStatistics), string(mesa.MayManageJobs)}, "currentpassword": {"tuma-lore-kiva-pono"}, "newpassword": {"pono-kiva-lore-tuma"},
}

// known is a text that fits: one of an answer, where answers have it.
func (h *hostile) known(typ, name string) string {
	name = strings.ToLower(name)
	if typ == "ID" {
		for _, p := range prefixes {
			if list := h.harvest[p.prefix]; strings.Contains(name, p.part) && len(list) > 0 {
				return one(h, list...)
			}
		}
		return one(h, append(h.harvest[one(h, prefixes...).prefix], "doc"+someID)...)
	}
	if list := append(texts[name], h.harvest[name]...); len(list) > 0 && name != "email" {
		return one(h, list...)
	}
	if name == "idempotencykey" || name == "externalid" || name == "email" {
		return one(h, append(h.harvest[name], fmt.Sprintf("%d@example.org", h.rand.IntN(1000)))...)
	}
	if name == "after" || name == "before" {
		name = "cursor"
	}
	if list := h.harvest["code"]; strings.HasSuffix(name, "code") && len(list) > 0 {
		return one(h, list...)
	}
	return one(h, "Una palabra", "Otra")
}

// someID is a well-formed id that nothing has.
const someID = "_01j9zq8m4f7r8n2k5t6v9w0x1y"

// strange texts, which any text might be.
func (h *hostile) strange() string {
	return one(h,
		"", " ", "\x00", "a\x00b", "\u202eabc\u2066", "e"+strings.Repeat("\u0301", 300), "👩‍👩‍👧‍👦🇵🇪", "\ufeff", "\u2028\u2029", "ﷺﷺ", "İıſK", "٣٤½", noUTF8Mark+"x", surrogateMark, "\uffff\U0010ffff",
		"' OR 1=1 --", `"; DROP TABLE documents; --`, "%", "_%_", `\`, `\\'"`, "$1", "?", "?0", "{{.}}", "${7*7}", "<script>", "../../etc/passwd", "\r\nX: y", "NaN", "null", "true", "-0", "1e999", "*", `"a" NEAR b`, ":*&|!()",
		strings.Repeat("x", 5000), strings.Repeat("á", 60000), strings.Repeat("a b ", 10000), strings.Repeat("(", 3000), strings.Repeat("\"", 3000), strings.Repeat("\u0301", 20000),
	)
}

// bad is a value that a member should not have.
func (h *hostile) bad(name string, typ *ast.Type) any {
	elem := typ
	for elem.Elem != nil {
		elem = elem.Elem
	}
	switch elem.NamedType {
	case "ID":
		if h.chance(0.6) {
			prefix := one(h, "doc", "der", "usr", "are", "job", "rep", "evt", "key", "int", "msg", "arc", "cat", "typ", "ses", "bat", "zzz")
			return one(h, prefix+someID, prefix+"_", prefix+strings.ToUpper(someID), prefix+someID+"0", prefix+"_"+strings.Repeat("\u00e1", 13), one(h, append(h.foreign[prefix+"_"], "")...), h.known("ID", prefix), strings.Repeat("i", 101), strings.Repeat("i", 100))
		}
	case "Int", "Float":
		if h.chance(0.7) {
			return json.Number(one(h, "0", "-1", "-2147483648", "2147483647", "2147483648", "4294967297", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "201", "200", "1.5", "1e3", "1e999", "-0", "1E-400", strings.Repeat("9", 400)))
		}
	case "Date":
		if h.chance(0.7) {
			return one(h, "2026-02-30", "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "-0001-01-01", "2026-1-1", "2026-11-24T00:00:00Z", "24/11/2026", "٢٠٢٦-١١-٢٤", "2100-02-29", "1582-10-10", "2999-01-01")
		}
	case "DateTime":
		if h.chance(0.7) {
			return one(h, "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-11-24", "2026-02-30T00:00:00Z", "2026-11-24T24:00:00Z", "2026-11-24T23:59:60Z", "1e18", "292277026596-12-04T15:30:08Z")
		}
	case "String":
		if name == "after" || name == "before" {
			return h.cursor()
		}
		if h.chance(0.5) {
			return h.strange()
		}
	}
	return one[func() any](h,
		func() any { return nil },
		func() any { return one[any](h, true, 0, -1, 1.5, json.Number("1e400"), "") },
		func() any { return h.strange() },
		func() any { return enum(one(h, "NOTHING", "null_", "__proto__", strings.Repeat("N", 300))) },
		func() any { return []any{} },
		func() any { return []any{nil, []any{[]any{"x"}}} },
		func() any {
			return slices.Repeat([]any{one[any](h, nil, "x", h.known("ID", name), 7)}, one(h, 101, 300, 2000))
		},
		func() any {
			return map[string]any{one(h, "", "id", "__proto__", "a\x00", "input"): one[any](h, nil, "x", 1)}
		},
		func() any { return nested(one(h, 10, 100, 1000)) },
		func() any { return one[any](h, someID, "2026-11-24", json.Number("99999999999999999999")) },
	)()
}

// cursor of another list, broken or made up.
func (h *hostile) cursor() string {
	listed := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	good := h.known("String", "cursor")
	if raw, err := base64.RawURLEncoding.DecodeString(good); err == nil && len(raw) > 0 && h.chance(0.6) {
		var parts []any
		if h.chance(0.5) && json.Unmarshal(raw, &parts) == nil && len(parts) > 1 { // of the list, but of no item
			i := 1 + h.rand.IntN(len(parts)-1)
			parts[i] = one[any](h, nil, h.strange(), -1, 0, 1e15, json.Number("9223372036854775808"), "0001-01-01T00:00:00Z", "9999-12-31", true, []any{}, h.known("ID", "document"))
			text, _ := json.Marshal(parts)
			return listed(string(text))
		}
		raw[h.rand.IntN(len(raw))] ^= 1 << h.rand.IntN(8)
		return listed(string(raw))
	}
	return one(h, good, good+"=", good[:len(good)/2], "!", listed("null"), listed("[]"), listed(strings.Repeat("[", 400)), listed("\xff"), strings.Repeat("A", 70000), h.strange())
}

// nested is an object in an object, and so on.
func nested(depth int) any {
	var v any = "x"
	for i := range depth {
		if i%2 == 0 {
			v = []any{v}
		} else {
			v = map[string]any{"input": v}
		}
	}
	return v
}

// literal writes a value as it stands in the text of an operation.
func (h *hostile) literal(v any) string {
	switch v := v.(type) {
	case enum:
		return string(v)
	case string:
		if h.chance(0.1) && !strings.ContainsAny(v, "\"\\\x00") {
			return `"""` + v + `"""`
		}
	case []any:
		list := make([]string, len(v))
		for i, x := range v {
			list[i] = h.literal(x)
		}
		return "[" + strings.Join(list, ", ") + "]"
	case map[string]any:
		var list []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list = append(list, name+": "+h.literal(v[name]))
		}
		return "{" + strings.Join(list, ", ") + "}"
	}
	b, _ := json.Marshal(v) // numbers, texts, true, false and null read the same
	return string(b)
}

// body is a request, sometimes broken.
func (h *hostile) body(query string, variables map[string]any, broken bool) string {
	b, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		panic(err)
	}
	body := strings.NewReplacer(noUTF8Mark, "\xff\xc0", surrogateMark, `\ud800`).Replace(string(b))
	if !broken {
		return body
	}
	at := h.rand.IntN(len(body))
	return one(h,
		body[:at], body[:at]+"\x00"+body[at:], body[:at]+"\xc3"+body[at:], body[:at]+string(body[at]^0x20)+body[at+1:], "\ufeff"+body, body+body, "["+body+"]",
		strings.Replace(body, `"variables":{`, `"variables":{"x":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+",", 1),
		strings.Replace(body, `"variables":{`, `"variables":[{`, 1), strings.Replace(body, `"query":"`, `"query":null,"query":"`, 1), strings.Replace(body, `"query":"`, `"operationName":"x","query":"`, 1),
		`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":`+one(h, `null`, `"x"`, `1`, `{}`)+`}},`+body[1:], `{"documentId":`+one(h, `7`, `"../x"`, `"`+strings.Repeat("0", 64)+`"`)+`,`+body[1:],
		"null", "7", `""`, "{}", `{"query":7}`, `{"query":{}}`, `{"query":""}`, strings.Repeat("[", 100000), strings.Repeat(`{"a":`, 50000), `{"query":"`+strings.Repeat("{", 3000)+`"}`, `{"query":"\u0000"}`, `{"query":"#"}`,
	)
}

var anID = regexp.MustCompile(`^[a-z]{3}_[0-9a-z]{26}$`)

// learn keeps what an answer has, to be sent again.
func (h *hostile) learn(member string, v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			h.learn(member, x)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			h.learn(name, v[name])
		}
	case string:
		switch member = strings.ToLower(member); {
		case anID.MatchString(v):
			member = v[:4]
		case strings.HasSuffix(member, "cursor"):
			member = "cursor"
		}
		list := h.harvest[member]
		if len(list) < 100 {
			h.harvest[member] = append(list, v)
		} else {
			list[h.rand.IntN(len(list))] = v
		}
	}
}
