package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// fuzzSetting is what the environment says, or what is usual.
func fuzzSetting(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s is no number from 1", name, text)
	}
	return n
}

// Whatever is asked, by whomever: each field of the schema answers with data or with an error of the catalogue, soon and without a word about
// the inside, and the institution is as sound afterwards as before. MESA_FUZZ_SEED repeats a run, MESA_FUZZ_ROUNDS makes it longer.
func TestNoOperationBreaksTheServer(t *testing.T) {
	seed, rounds := fuzzSetting(t, "MESA_FUZZ_SEED", 1), fuzzSetting(t, "MESA_FUZZ_ROUNDS", len(fuzzers))
	eachHistory(t, func(t *testing.T, url string) {
		t.Parallel()
		fuzz(t, url, seed, rounds)
	})
}

// fuzzers are who asks: somebody of each role, a machine, a stranger, and one with a token of nobody.
var fuzzers = []string{"admin", "jefe.mesa", "mesa1", "mesas1", "jefe.log", "log1", "archivo1", "auditor", "consulta", "machine", "nobody", "thief"}

// fuzzing is one run.
type fuzzing struct {
	*world
	hostile
	tokens   map[string]string
	accounts []account
	learned  map[string]map[string][]string // what each has seen
	sent     map[string]int                 // by Type.field
	answered map[string]int                 // those with data
	slowest  time.Duration
	slow     string
}

// account is one of the fuzzers, as it was at first.
type account struct {
	who   string
	id    mesa.UserID
	roles []mesa.RoleCode
}

func fuzz(t *testing.T, url string, seed, rounds int) {
	t.Logf("MESA_FUZZ_SEED=%d", seed)
	f := &fuzzing{
		world: caching(t, url, newClock(), cache.Options{}), hostile: hostile{rand: rand.New(rand.NewPCG(uint64(seed), 0))},
		tokens: map[string]string{"thief": strings.Repeat("t", 43)}, learned: map[string]map[string][]string{}, sent: map[string]int{}, answered: map[string]int{},
	}
	f.recruit(t)
	fields := fuzzedFields()
	for i := range 2 * len(fuzzers) { // to learn what there is
		who := fuzzers[i/2]
		if i%2 == 0 {
			f.learned[who] = map[string][]string{}
		}
		for _, at := range fields {
			if at.kind == ast.Query && len(at.way) == 1 {
				f.try(t, at, who, 0)
			}
		}
	}
	for round := range rounds {
		f.revive(t)
		for i, at := range fields {
			f.try(t, at, fuzzers[(round+i)%len(fuzzers)], one(&f.hostile, 0, 0, 0.05, 0.2, 0.6))
			if t.Failed() {
				return
			}
		}
	}
	f.revive(t)
	var refused []string
	for _, at := range fields {
		if f.sent[at.name] < rounds {
			t.Errorf("%s was sent %d times", at.name, f.sent[at.name])
		}
		if f.answered[at.name] == 0 {
			refused = append(refused, at.name)
		}
	}
	t.Logf("never answered with data: %s", strings.Join(refused, " "))
	t.Logf("the slowest took %v: %.200s", f.slowest, f.slow)
	f.must(t, request{query: who, token: f.tokens["mesa1"]})
	broken, err := f.db.Inconsistencies(t.Context())
	if err != nil || len(broken) > 0 {
		t.Errorf("afterwards: %v %s", err, strings.Join(broken, "\n"))
	}
	if log := f.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log: %s", log)
	}
}

// recruit opens a session for each account, and a key for the machine.
func (f *fuzzing) recruit(t *testing.T) {
	t.Helper()
	_, f.tokens["machine"] = f.machine(t, mesa.KeyScopes, "MP")
	for _, who := range fuzzers {
		if who != "machine" && who != "nobody" && who != "thief" {
			by := f.actor(who)
			f.accounts = append(f.accounts, account{who, by.UserID, by.Roles})
		}
	}
}

// revive gives the accounts back what others took from them, and a new session.
func (f *fuzzing) revive(t *testing.T) {
	t.Helper()
	for _, a := range f.accounts {
		by := f.system(t)
		_, err := f.desk.SetActive(t.Context(), by, a.id, true)
		if err != nil && mesa.CodeOf(err) != mesa.InvalidTransition {
			t.Fatal(err)
		}
		for _, role := range a.roles {
			if _, err := f.desk.GrantRole(t.Context(), by, desk.RoleInput{UserID: a.id, Role: role}); err != nil && mesa.CodeOf(err) == mesa.Internal {
				t.Fatal(err)
			}
		}
		f.tokens[a.who] = f.token(f.system(t).Catalogue.User(a.id).Email)
	}
}

// fuzzed is a field that is asked for, and the shortest way to it.
type fuzzed struct {
	name string // Type.field
	kind ast.Operation
	way  []hop
}

// fuzzedFields are all root fields, and all fields with arguments that queries lead to.
func fuzzedFields() (list []fuzzed) {
	for _, root := range []struct {
		kind ast.Operation
		def  *ast.Definition
	}{{ast.Query, schema.Query}, {ast.Mutation, schema.Mutation}, {ast.Subscription, schema.Subscription}} {
		for _, f := range root.def.Fields {
			list = append(list, fuzzed{root.def.Name + "." + f.Name, root.kind, []hop{{root.def, f}}})
		}
	}
	seen, queue := map[string]bool{}, slices.Clone(list)
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		below := schema.Types[at.way[len(at.way)-1].field.Type.Name()]
		if at.kind != ast.Query || !below.IsCompositeType() || seen[below.Name] || strings.HasPrefix(below.Name, "__") {
			continue
		}
		seen[below.Name] = true
		for _, f := range below.Fields {
			next := fuzzed{below.Name + "." + f.Name, at.kind, append(slices.Clone(at.way), hop{below, f})}
			queue = append(queue, next)
			if len(f.Arguments) > 0 {
				list = append(list, next)
			}
		}
	}
	return list
}

// try sends one operation and looks at what comes back.
func (f *fuzzing) try(t *testing.T, at fuzzed, who string, wrong float64) {
	t.Helper()
	f.clock.add(time.Second)
	f.harvest, f.foreign = f.learned[who], f.learned[one(&f.hostile, fuzzers...)]
	query, variables := f.operation(at.kind, at.way, wrong)
	body := f.body(query, variables, f.chance(wrong/5))
	f.sent[at.name]++
	ctx := t.Context()
	accept := "application/json"
	if at.kind == ast.Subscription {
		var leave context.CancelFunc
		ctx, leave = context.WithCancel(ctx)
		defer time.AfterFunc(50*time.Millisecond, leave).Stop() // of those that could begin, mostly nothing comes
		accept = eventStream
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(body))
	if at.kind == ast.Query && f.chance(0.05) {
		text, _ := json.Marshal(variables)
		r = httptest.NewRequestWithContext(ctx, http.MethodGet, "/graphql?"+url.Values{"query": {query}, "variables": {string(text)}}.Encode(), nil)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	r.Header.Set("Accept-Language", one(&f.hostile, "es", "en", "\xff;q=x"))
	if token := f.tokens[who]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	start := time.Now()
	f.handler.ServeHTTP(rec, r)
	if took := time.Since(start); took > f.slowest {
		f.slowest, f.slow = took, query
	}
	answers := []string{rec.Body.String()}
	if rec.Header().Get("Content-Type") == eventStream {
		answers = eventsOf(rec.Body.String())
	}
	wrongs := []string{}
	if rec.Code >= 500 {
		wrongs = append(wrongs, fmt.Sprintf("status %d", rec.Code))
	}
	if time.Since(start) > longest {
		wrongs = append(wrongs, "it took too long")
	}
	for _, text := range answers {
		data, errs := judge(query, text)
		wrongs = append(wrongs, errs...)
		if data != nil {
			f.answered[at.name]++
			f.learn("", data)
		}
	}
	if len(wrongs) > 0 {
		t.Errorf("%s as %s: %s\n%d %.2000s\n%.3000q", at.name, who, strings.Join(wrongs, "; "), rec.Code, rec.Body, body)
		if log := f.log.String(); strings.Contains(log, "ERROR") {
			t.Logf("%.5000s", log[strings.Index(log, "level=ERROR"):])
		}
	}
}

// longest is what an answer may take on a busy machine with the race detector.
const longest = 30 * time.Second

// eventsOf are the data of a stream.
func eventsOf(stream string) (list []string) {
	for line := range strings.Lines(stream) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			list = append(list, data)
		}
	}
	return list
}

// inside are words that are for the log alone: of SQL, its drivers, Redis, Go and its types.
var inside = regexp.MustCompile(`(?i)sqlstate|sqlite|pgx|\bbun\b|redis:|runtime error|goroutine|panic: |\.go:\d|interface conversion|interface \{|nil pointer|select .* from |no such (table|column)|strconv|unmarshal|(?-i:json(:|\.[A-Z]))|gqlgen|\bu?int\d\d\b|float64|map\[|(?-i:\b(mesa|desk|model|db|graph)\.[A-Z])|%!|context (canceled|deadline)|sql:|unexpected EOF`)

// judge says what is wrong with an answer, and what its data are. query is "" when it is not known what they should look like.
func judge(query, text string) (data map[string]any, wrongs []string) {
	var a struct {
		Data   *map[string]any `json:"data"`
		Errors []struct {
			Message    string
			Path       []any
			Locations  []any
			Extensions map[string]any
		} `json:"errors"`
		Extensions map[string]any `json:"extensions"`
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(&a); err != nil {
		return nil, []string{fmt.Sprintf("no answer: %v", err)}
	}
	if a.Data == nil && len(a.Errors) == 0 {
		wrongs = append(wrongs, "neither data nor errors")
	}
	for _, e := range a.Errors {
		code, _ := e.Extensions["code"].(string)
		if !isErrorCode(code) || code == string(mesa.Internal) {
			wrongs = append(wrongs, "code "+code)
		}
		facts, _ := json.Marshal(e.Extensions)
		if found := inside.FindString(e.Message + " " + string(facts)); found != "" || e.Message == "" {
			wrongs = append(wrongs, fmt.Sprintf("it tells %q: %s", found, e.Message))
		}
	}
	if a.Data == nil {
		return nil, wrongs
	}
	if doc, err := gqlparser.LoadQueryWithRules(schema, query, rules.NewDefaultRules()); err == nil && len(doc.Operations) > 0 {
		wrongs = append(wrongs, misshapen(schema.Query.Name, *a.Data, doc.Operations[0].SelectionSet)...)
	}
	return *a.Data, wrongs
}

func isErrorCode(code string) bool {
	for _, row := range mesa.ErrorCodes {
		if string(row.Code) == code {
			return true
		}
	}
	return false
}

// misshapen is where an object is not as the schema promises.
func misshapen(at string, object map[string]any, set ast.SelectionSet) (list []string) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.InlineFragment:
			name, known := object["__typename"].(string)
			if !known || name == s.TypeCondition || s.TypeCondition == s.ObjectDefinition.Name {
				list = append(list, misshapen(at, object, s.SelectionSet)...)
			}
		case *ast.Field:
			v, there := object[s.Alias]
			if !there {
				list = append(list, at+"."+s.Alias+" is missing")
				continue
			}
			list = append(list, misfit(at+"."+s.Alias, v, s.Definition.Type, s.SelectionSet)...)
		}
	}
	return list
}

// misfit is where a value is not of its type.
func misfit(at string, v any, typ *ast.Type, set ast.SelectionSet) (list []string) {
	def, ok := schema.Types[typ.Name()], false
	switch v := v.(type) {
	case nil:
		ok = !typ.NonNull
	case []any:
		ok = typ.Elem != nil
		for i := 0; ok && i < len(v); i++ {
			list = append(list, misfit(fmt.Sprintf("%s.%d", at, i), v[i], typ.Elem, set)...)
		}
	case map[string]any:
		if ok = def.IsCompositeType(); ok {
			list = misshapen(at, v, set)
		}
	case string:
		ok = def.Kind == ast.Enum && def.EnumValues.ForName(v) != nil || def.Kind == ast.Scalar && def.Name != "Int" && def.Name != "Float" && def.Name != "Boolean"
		if _, err := mesa.ParseDate(v); def.Name == "Date" && err != nil {
			ok = false
		}
		if _, err := time.Parse(time.RFC3339Nano, v); def.Name == "DateTime" && err != nil {
			ok = false
		}
	case bool:
		ok = def.Name == "Boolean"
	case json.Number:
		ok = def.Name == "Int" && !strings.ContainsAny(v.String(), ".e") || def.Name == "Float"
	}
	if !ok {
		list = append(list, fmt.Sprintf("%s is %.100v, but %s", at, v, typ))
	}
	return list
}

// What the fuzzer has found, one by one.
func TestInputThatNobodyShouldSendIsRefused(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	const calendar, byNumber = `query($d: Date!) { calendar(from: $d, to: "2026-01-02") { date } }`, `query($n: String!) { document(by: { fileNumber: $n }) { id } }`
	const byAny = `query($by: DocumentBy!) { document(by: $by) { id } }`
	registered := `query($t: DateTime!) { documents(filter: { registeredAt: { to: $t } }) { totalCount } }`
	for _, c := range []struct {
		name, query string
		variables   map[string]any
		code        string
	}{
		{"an integer beyond 64 bits", `{ calendar(from: 9999999999999999999, to: "2026-01-02") { date } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"a number beyond all bounds", `{ calendar(from: 1e999, to: "2026-01-02") { date } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"one as a default", `query($d: Date! = 9999999999999999999) { calendar(from: $d, to: "2026-01-02") { date } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"a NUL in a literal", `{ document(by: { fileNumber: "a\u0000" }) { id } }`, nil, "GRAPHQL_VALIDATION_FAILED"},
		{"a NUL in a variable", byNumber, map[string]any{"n": "a\x00"}, "VALIDATION_FAILED"},
		{"an object for a date", calendar, map[string]any{"d": map[string]any{}}, "VALIDATION_FAILED"},
		{"an instant in the year 10000", registered, map[string]any{"t": "9999-12-31T23:59:59-23:59"}, "VALIDATION_FAILED"},
		{"an instant in the year 0", registered, map[string]any{"t": "0001-01-01T00:00:00+23:59"}, "VALIDATION_FAILED"},
		{"nothing where one member has to be given", byAny, map[string]any{"by": map[string]any{}}, "GRAPHQL_VALIDATION_FAILED"},
		{"two members where one has to be given", byAny, map[string]any{"by": map[string]any{"fileNumber": "EXP-2026-000001", "trackingCode": "AAAA"}}, "GRAPHQL_VALIDATION_FAILED"},
		{"null where one member has to be given", byAny, map[string]any{"by": map[string]any{"fileNumber": nil}}, "GRAPHQL_VALIDATION_FAILED"},
		{"a variable for it that may be null", `query($n: String) { document(by: { fileNumber: $n }) { id } }`, map[string]any{"n": "EXP-2026-000001"}, "GRAPHQL_VALIDATION_FAILED"},
		{"one member", byAny, map[string]any{"by": map[string]any{"fileNumber": "EXP-2026-000001"}}, ""},
		{"the last instant of all", registered, map[string]any{"t": "9999-12-31T23:59:59.999999999Z"}, ""},
	} {
		a := w.ask(t, request{query: c.query, variables: c.variables, token: w.token("mesa1")})
		if _, wrongs := judge(c.query, string(a.body)); codeOf(a) != c.code || a.status != http.StatusOK || len(wrongs) > 0 {
			t.Errorf("%s: %d %s: %s", c.name, a.status, a.body, strings.Join(wrongs, "; "))
		}
	}
}

// What a scalar takes is said by GraphQL, for literals and variables, at any depth: no text is a number, and no number a text, but that an id may
// be given as an integer.
func TestScalarsTakeWhatGraphQLSays(t *testing.T) {
	t.Parallel()
	w := open(t, testkit.SQLiteClone(t, "institution", prepare(-1, nothing)))
	text := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	filter := func(name, typ string) string {
		return "query($v: " + typ + ") { documents(filter: { " + name + ": $v }) { totalCount } }"
	}
	const whole = `query($v: DocumentFilter) { documents(filter: $v) { totalCount } }`
	for _, c := range []struct {
		query   string
		at      string // of the value, in the path of the error
		nest    func(any) any
		taken   []any
		refused []any
	}{
		{`query($v: Int) { documents(first: $v) { nodes { id } } }`, "variable v", nil, []any{3, nil}, []any{"3", 3.5, true, []any{3}, map[string]any{}}},
		{filter("text", "String"), "variable v", nil, []any{"3", nil}, []any{3, 3.5, true}},
		{filter("overdue", "Boolean"), "variable v", nil, []any{true, nil}, []any{"true", 1}},
		{filter("areaId", "ID"), "variable v", nil, []any{"x", nil}, []any{3.5, true}},
		{filter("types", "[ID!]"), "variable v 1", func(v any) any { return []any{"x", v} }, []any{"x", 3}, []any{3.5, true, nil}},
		{filter("tagsAny", "[String!]"), "variable v 0", nil, []any{"x", nil}, []any{3, true}},
		{filter("states", "[DocumentState!]"), "variable v 0", nil, []any{"ATTENDED"}, []any{3, true, "NO"}},
		{whole, "variable v text", func(v any) any { return map[string]any{"text": v} }, []any{"3", nil}, []any{3, true}},
		{whole, "variable v types 1", func(v any) any { return map[string]any{"types": []any{"x", v}} }, []any{3}, []any{3.5, true}},
		{whole, "variable v overdue", func(v any) any { return map[string]any{"overdue": v} }, []any{true}, []any{"true", 0}},
		{whole, "variable v tagsAny 1", func(v any) any { return map[string]any{"tagsAny": []any{"x", v}} }, []any{"y"}, []any{3}},
	} {
		for i, v := range slices.Concat(c.taken, c.refused) {
			want := ""
			if i >= len(c.taken) {
				want = "GRAPHQL_VALIDATION_FAILED"
			}
			given := v
			if c.nest != nil {
				given = c.nest(v)
			}
			a := w.ask(t, request{query: c.query, variables: map[string]any{"v": given}, token: w.token("mesa1")})
			if codeOf(a) != want {
				t.Errorf("%s with %s: %s", c.query, text(given), a.body)
			}
			var said struct{ Errors []struct{ Path []any } }
			if err := json.Unmarshal(a.body, &said); err != nil || want != "" && strings.Trim(fmt.Sprint(said.Errors[0].Path), "[]") != c.at {
				t.Errorf("%s with %s: %s", c.query, text(given), a.body)
			}
		}
	}
	for literal, isTaken := range map[string]bool{
		`first: 3`: true, `first: "3"`: false, `first: 3.5`: false, `first: true`: false, `filter: { text: "3" }`: true, `filter: { text: 3 }`: false, `filter: { overdue: "true" }`: false, `filter: { overdue: 1 }`: false,
		`filter: { types: [3, "x"] }`: true, `filter: { types: [3.5] }`: false, `filter: { types: 3 }`: true, `filter: { areaId: 3 }`: true, `filter: { tagsAny: ["x", 3] }`: false,
		`filter: { states: ["ATTENDED"] }`: false, `filter: { states: [attended] }`: false, `filter: { states: [ATTENDED] }`: true,
	} {
		a := w.ask(t, request{query: "{ documents(" + literal + ") { totalCount } }", token: w.token("mesa1")})
		if code := codeOf(a); isTaken != (code == "") || !isTaken && code != "GRAPHQL_VALIDATION_FAILED" {
			t.Errorf("%s: %s", literal, a.body)
		}
	}
}

// everyInput is a query with variables of every scalar, of enums, lists and input objects.
const everyInput = `query($text: String, $id: ID! = "x", $ids: [ID!]! = [], $by: DocumentBy = { fileNumber: "x" }, $filter: DocumentFilter, $order: DocumentOrder, $first: Int, $after: String, $before: String,
	$from: Date! = "2026-01-01", $to: Date! = "2026-01-31", $at: DateTimeRange, $statistics: StatisticsFilter, $light: Light! = RED, $overdue: Boolean) {
	node(id: $id) { id } nodes(ids: $ids) { id } document(by: $by) { id } documents(filter: $filter, orderBy: $order, first: $first, after: $after, before: $before) { totalCount nodes { id } }
	search: documents(filter: { text: $text, lights: [$light], overdue: $overdue }) { totalCount } calendar(from: $from, to: $to) { date } auditEntries(filter: { at: $at }) { totalCount } statistics(filter: $statistics) { registered }
}`

// asking opens an institution for a fuzz test; ask sends a body as the auditor.
func asking(f *testing.F) (ask func(t *testing.T, body string) *httptest.ResponseRecorder) {
	f.Helper()
	w := caching(f, testkit.SQLiteClone(f, "history", prepare(400, relate)), newClock(), cache.Options{})
	token := w.token("auditor")
	return func(t *testing.T, body string) *httptest.ResponseRecorder { return w.sent(t, token, body) }
}

// Whatever JSON comes as variables, and so as a cursor, an id, a file number, a date or a text to search for.
func FuzzVariables(f *testing.F) {
	for _, variables := range []string{
		`{}`, `null`, `{"first": 1e999, "id": 9223372036854775808}`, `{"first": -0, "filter": {"text": "ñ \u0000"}, "id": "doc_\ud800"}`, `{"filter": {"text": "\"a* b:* & !c", "types": [null, {}]}, "by": {"id": 1, "fileNumber": "x"}}`,
		`{"text": "(a|b) NEAR %_\\", "ids": [[["x"]]], "order": {"field": "DUE_ON", "direction": "DESC"}, "after": "W10", "first": 200}`, `{"from": "0001-01-01", "to": "9999-12-31", "at": {"from": "9999-12-31T23:59:59-23:59"}}`,
		`{"by": {"trackingCode": "ABCD-EFGH-JKLM"}, "light": "red", "statistics": {"from": "2026-02-30", "channel": 7}, "overdue": "true"}`, `{"__proto__": {}, "filter": {"__typename": 1, "filedOn": {"from": 20260101}}}`,
	} {
		f.Add(variables)
	}
	ask, text := asking(f), ofQuery(everyInput)
	f.Fuzz(func(t *testing.T, variables string) {
		rec := ask(t, text[:len(text)-1]+`,"variables":`+variables+"}")
		if _, wrongs := judge(everyInput, rec.Body.String()); rec.Code >= 500 || len(wrongs) > 0 {
			t.Errorf("%d %s: %s", rec.Code, rec.Body, strings.Join(wrongs, "; "))
		}
	})
}

// Whatever comes as a request.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		ofQuery(who), `{"query":"query A($x: Int = 99999999999999999999) { documents(first: $x) { totalCount } }","operationName":"A","variables":{"x":null}}`, `[{}]`, "\ufeff{}", `{"query":"{ __typename }","query":7}`,
		`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`, `{"documentId":"x","doc_id":null}`, `{"query":"{ calendar(from: 1e999, to: \"2026-02-30\") { date } }"}`, `{"query":"{ node(id: \"\"\"\\u0000\"\"\") { ...A } } fragment A on Node { ...A }"}`,
		`{"query":"mutation { signIn(input: { email: \"\", password: \"\" }) { token } }"}`, `{"query":"{ __schema { types { name } } __type(name: \"\\uD800\") { name } }","variables":{"":[[{}]]}}`,
	} {
		f.Add([]byte(body))
	}
	ask := asking(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		rec := ask(t, string(body))
		if _, wrongs := judge("", rec.Body.String()); rec.Code >= 500 || len(wrongs) > 0 {
			t.Errorf("%d %s: %s", rec.Code, rec.Body, strings.Join(wrongs, "; "))
		}
	})
}
