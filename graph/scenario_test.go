package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// A scenario is a file in testdata/scenarios: steps that one after the other ask the same database, which begins with the demo
// institution and no documents at 9:00 of a Tuesday. A step is
//
//	# what it shows
//	as: mesa1                  who asks: an account of the demo, "nobody", or a token from a step before
//	language: en               Accept-Language, if given
//	later: 24h                 moves the clock on before; each step is a second after the one before anyway
//	keep: doc = registerDocument.document   part of the answer, for later steps to name as {{doc.id}}
//	statements: 12             how many statements it takes, on both databases
//	-- query.graphql --
//	-- variables.json --       if there are any
//	-- want.json --            the answer's data; with "errors" in it (in alphabetical order), the whole answer. "*" stands for any
//	                           value but null
//
// Areas, people, types and categories are there by their code: {{area.MP}}, {{user.mesa1}}, {{type.SOL}}, {{category.SOL.INFPUB}}.
// go test ./graph -run TestScenarios/sqlite -update writes statements and wants anew, to be read before they are committed.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			eachInstitution(t, func(t *testing.T, url string) {
				if *update && !strings.HasPrefix(url, "sqlite") {
					return
				}
				t.Parallel()
				s := scenario{world: open(t, url), kept: map[string]any{}, twice: strings.HasPrefix(url, "sqlite")}
				s.nameCatalogue(t)
				steps := readSteps(t, file)
				for _, st := range steps {
					if !t.Run(st.name(), func(t *testing.T) { s.play(t, st) }) && !*update {
						break // later steps would only fail for the same reason
					}
				}
				if *update {
					writeSteps(t, file, steps)
				}
			})
		})
	}
}

// step is one request of a scenario and what must come back.
type step struct {
	comment    []string // with the marks
	header     []string // "key: value" in the order of the file
	query      string
	variables  string
	want       string
	line       int
	statements int
}

func (s *step) name() string {
	if len(s.comment) == 0 {
		return "step at line " + strconv.Itoa(s.line)
	}
	return strings.TrimPrefix(s.comment[len(s.comment)-1], "# ")
}

func (s *step) get(key string) string {
	for _, h := range s.header {
		if v, ok := strings.CutPrefix(h, key+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// readSteps parses a scenario. A comment or header at the start of a line ends the JSON of the step before.
func readSteps(t *testing.T, file string) (steps []*step) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s *step
	section := "want.json"
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		mark, isMark := strings.CutPrefix(line, "-- ")
		switch {
		case isMark:
			section = strings.TrimSuffix(mark, " --")
		case section == "query.graphql":
			s.query += line + "\n"
		case section == "variables.json":
			s.variables += line + "\n"
		case section == "want.json" && s != nil && !strings.HasPrefix(line, "#") && !isHeader(line):
			s.want += line + "\n"
		default:
			if section == "want.json" {
				s, section = &step{line: i + 1}, ""
				steps = append(steps, s)
			}
			if strings.HasPrefix(line, "#") {
				s.comment = append(s.comment, line)
			} else if line != "" {
				s.header = append(s.header, line)
			}
		}
	}
	for _, s := range steps {
		s.query, s.variables, s.want = strings.TrimSpace(s.query), strings.TrimSpace(s.variables), strings.TrimSpace(s.want)
		if s.query == "" || s.get("as") == "" {
			t.Fatalf("%s:%d: a step needs as: and query.graphql", file, s.line)
		}
	}
	return steps
}

var header = regexp.MustCompile(`^[a-z]+: `)

func isHeader(line string) bool { return header.MatchString(line) }

func writeSteps(t *testing.T, file string, steps []*step) {
	t.Helper()
	var b strings.Builder
	for i, s := range steps {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, line := range s.comment {
			b.WriteString(line + "\n")
		}
		for _, line := range s.header {
			if !strings.HasPrefix(line, "statements:") {
				b.WriteString(line + "\n")
			}
		}
		fmt.Fprintf(&b, "statements: %d\n-- query.graphql --\n%s\n", s.statements, s.query)
		if s.variables != "" {
			fmt.Fprintf(&b, "-- variables.json --\n%s\n", s.variables)
		}
		fmt.Fprintf(&b, "-- want.json --\n%s\n", s.want)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// scenario is the state between the steps.
type scenario struct {
	*world
	kept  map[string]any
	twice bool // queries are asked by writers and by the executor
}

// nameCatalogue makes the institution's own things known by their codes.
func (s *scenario) nameCatalogue(t *testing.T) {
	t.Helper()
	cat, err := s.db.Catalogue(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	areas, users, types, categories := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	for _, a := range cat.Areas {
		areas[a.Code] = string(a.ID)
	}
	for _, u := range cat.Users {
		local, _, _ := strings.Cut(u.Email, "@")
		users[strings.ReplaceAll(local, ".", "_")] = string(u.ID)
	}
	for _, typ := range cat.Types {
		types[typ.Code] = string(typ.ID)
		of := map[string]any{}
		for _, c := range cat.CategoriesOf(typ.ID) {
			of[c.Code] = string(c.ID)
		}
		categories[typ.Code] = of
	}
	s.kept["area"], s.kept["user"], s.kept["type"], s.kept["category"] = areas, users, types, categories
}

// password is what the first step of a scenario may sign in with: the demo's own passwords are random.
const password = "tuma-lore-kiva-pono-sita"

// play asks and compares.
func (s *scenario) play(t *testing.T, st *step) {
	s.clock.add(time.Second)
	if d := st.get("later"); d != "" {
		by, err := time.ParseDuration(d)
		if err != nil {
			t.Fatal(err)
		}
		s.clock.add(by)
	}
	if who := st.get("password"); who != "" { // gives an account a password that the scenario knows
		if err := s.desk.SetPassword(t.Context(), mesa.System(s.actor(who).Catalogue, "test"), email(who), password, false); err != nil {
			t.Fatal(err)
		}
	}
	q := request{query: s.fill(t, st.query), language: st.get("language"), token: s.bearer(t, st.get("as"))}
	if st.variables != "" {
		if err := json.Unmarshal([]byte(s.fill(t, st.variables)), &q.variables); err != nil {
			t.Fatalf("variables: %v", err)
		}
	}
	a := s.ask(t, q)
	if s.twice && len(a.errors) == 0 && !strings.HasPrefix(st.query, "mutation") { // errors of fields that run at the same time have no order
		s.sameByTheExecutor(t, q, a)
	}
	got := any(a.data)
	if len(a.errors) > 0 || a.data == nil {
		if err := json.Unmarshal(a.body, &got); err != nil {
			t.Fatalf("status %d: %s", a.status, a.body)
		}
		sortErrors(got)
	}
	for _, h := range st.header {
		if line, ok := strings.CutPrefix(h, "keep: "); ok {
			name, path, _ := strings.Cut(line, " = ")
			if s.kept[name] = lookUp(any(a.data), path); s.kept[name] == nil {
				t.Errorf("nothing at %s in %s", path, a.body)
			}
		}
	}
	if *update {
		st.statements, st.want = a.statements, s.forget(t, got)
		return
	}
	var want any
	if err := json.Unmarshal([]byte(s.fill(t, st.want)), &want); err != nil {
		t.Fatalf("want: %v", err)
	}
	if at, ok := alike(want, got, ""); !ok {
		t.Errorf("differs at %q\ngot  %s\nwant %s", at, indented(got), indented(want))
	}
	if want := st.get("statements"); want != strconv.Itoa(a.statements) {
		t.Errorf("took %d statements, want %s", a.statements, want)
	}
	if log := s.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("logged:\n%s", log)
	}
}

// sortErrors: root fields of a query run side by side, so their errors come in any order.
func sortErrors(answer any) {
	if whole, ok := answer.(map[string]any); ok {
		if list, ok := whole["errors"].([]any); ok {
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(inline(a), inline(b)) })
		}
	}
}

func (s *scenario) bearer(t *testing.T, as string) string {
	if strings.Contains(as, "{{") || strings.HasPrefix(as, "mesa_") {
		return s.fill(t, as)
	}
	return s.token(as)
}

var placeholder = regexp.MustCompile(`\{\{[\w.-]+\}\}`)

// fill puts kept values into a text.
func (s *scenario) fill(t *testing.T, text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(m string) string {
		path := strings.Trim(m, "{}")
		switch v := lookUp(s.kept, path).(type) {
		case string:
			return v
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		}
		if path == "password" {
			return password
		}
		t.Fatalf("nothing is kept as %s", path)
		return ""
	})
}

// lookUp follows a path such as "legs.0.id"; nil when it leads nowhere.
func lookUp(v any, path string) any {
	for _, name := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// alike compares; in want "*" stands for any value but null. at is the path of the first difference.
func alike(want, got any, at string) (string, bool) {
	switch want := want.(type) {
	case string:
		if want == "*" {
			return at, got != nil
		}
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(want) {
			return at, false
		}
		for name := range want {
			if _, ok := g[name]; !ok {
				return at + "." + name, false
			}
			if at, ok := alike(want[name], g[name], at+"."+name); !ok {
				return at, false
			}
		}
		return "", true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(want) {
			return at, false
		}
		for i := range want {
			if at, ok := alike(want[i], g[i], at+"."+strconv.Itoa(i)); !ok {
				return at, false
			}
		}
		return "", true
	}
	return at, reflect.DeepEqual(want, got)
}

func indented(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(v)
	return strings.TrimSpace(b.String())
}

// Values that are others each time.
var volatile = regexp.MustCompile(`^(?:[a-z]{2,4}_[0-9a-z]{20,}|mesa_[\w-]{8,43}|[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]|WyJ[\w-]+)$`)

// forget writes an answer as a want: kept values by their names, volatile ones as "*".
func (s *scenario) forget(t *testing.T, got any) string {
	t.Helper()
	names := map[string]string{}
	var collect func(v any, path string)
	collect = func(v any, path string) {
		switch v := v.(type) {
		case map[string]any:
			for name, x := range v {
				collect(x, path+"."+name)
			}
		case []any:
			for i, x := range v {
				collect(x, path+"."+strconv.Itoa(i))
			}
		case string:
			if known, ok := names[v]; volatile.MatchString(v) && (!ok || len(path) < len(known) || len(path) == len(known) && path < known) {
				names[v] = path[1:]
			}
		}
	}
	collect(s.kept, "")
	var replace func(v any) any
	replace = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name := range v {
				v[name] = replace(v[name])
			}
		case []any:
			for i := range v {
				v[i] = replace(v[i])
			}
		case string:
			if name, ok := names[v]; ok {
				return "{{" + name + "}}"
			}
			if volatile.MatchString(v) {
				return "*"
			}
		}
		return v
	}
	var own any // what is kept shares its maps with got
	if err := json.Unmarshal([]byte(indented(got)), &own); err != nil {
		t.Fatal(err)
	}
	return compact(replace(own))
}

// compact indents JSON, but keeps what fits on a line on one line.
func compact(v any) string {
	var write func(v any, indent string) string
	write = func(v any, indent string) string {
		line := inline(v)
		if len(indent)+len(line) <= 130 {
			return line
		}
		inner := indent + "  "
		switch v := v.(type) {
		case map[string]any:
			parts := make([]string, 0, len(v))
			for name := range v {
				parts = append(parts, name)
			}
			slices.Sort(parts)
			for i, name := range parts {
				parts[i] = inner + inline(name) + ": " + write(v[name], inner)
			}
			return "{\n" + strings.Join(parts, ",\n") + "\n" + indent + "}"
		case []any:
			parts := make([]string, len(v))
			for i := range v {
				parts[i] = inner + write(v[i], inner)
			}
			return "[\n" + strings.Join(parts, ",\n") + "\n" + indent + "]"
		}
		return line
	}
	return write(v, "")
}

func inline(v any) string {
	switch v := v.(type) {
	case map[string]any:
		parts := make([]string, 0, len(v))
		for name := range v {
			parts = append(parts, name)
		}
		slices.Sort(parts)
		for i, name := range parts {
			parts[i] = inline(name) + ": " + inline(v[name])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = inline(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return indented(v)
}
