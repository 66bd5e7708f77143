package house

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// floors says which packages of the module each floor may import; a name stands for everything below it too. The first row that
// matches a package counts. Imports run one way: mesa ← db ← desk ← jobs ← graph ← cmd. Tests may look further.
var floors = []struct {
	floor     string
	mayImport []string
}{
	{"mesa", nil},
	{"schema", nil},
	{"migrations", nil},
	{"cache", []string{"mesa", "internal/trace"}},
	{"db", []string{"mesa", "migrations", "internal"}},
	{"desk", []string{"mesa", "db", "internal"}},
	{"jobs", []string{"mesa", "db", "desk", "cache", "internal"}},
	{"graph", []string{"mesa", "db", "desk", "jobs", "cache", "schema", "internal"}},
	{"web", []string{"mesa", "db", "cache", "graph", "schema", "internal"}},
	{"cmd", []string{"mesa", "db", "desk", "jobs", "cache", "graph", "schema", "migrations", "web", "internal"}},

	// The demo institution is made by the desk's own verbs; the bench and the testkit stand outside of the house and may see all of it.
	{"internal/demo", []string{"mesa", "db", "desk", "internal"}},
	{"internal/bench", []string{"mesa", "db", "desk", "jobs", "cache", "graph", "schema", "migrations", "web", "internal"}},
	{"internal/docs", []string{"mesa", "cache", "graph"}},
	{"internal/testkit", []string{"mesa", "db", "desk", "jobs", "cache", "graph", "schema", "migrations", "web", "internal"}},
	// The checklist looks at everything that runs below the graph.
	{"internal/verify", []string{"mesa", "db", "jobs", "cache", "internal"}},
	// Machinery serves the floors and knows nothing of the work.
	{"internal", []string{"mesa", "db", "cache", "schema", "migrations", "internal"}},
}

func TestImportsRunOneWay(t *testing.T) {
	for _, file := range goFiles(t) {
		if file.test {
			continue
		}
		row := slices.IndexFunc(floors, func(f struct {
			floor     string
			mayImport []string
		}) bool {
			return within(file.dir, f.floor)
		})
		if row < 0 {
			t.Errorf("%s: package %q is on no floor; if it has a reason to be, give it a row in this test", file.path, file.dir)
			continue
		}
		floor := floors[row]
		for _, imported := range file.imports() {
			inside, ours := strings.CutPrefix(imported, module+"/")
			if !ours || within(inside, floor.floor) {
				continue
			}
			if !within(inside, floor.mayImport...) {
				t.Errorf("%s imports %s; %s may import %s", file.path, inside, floor.floor, orNothing(floor.mayImport))
			}
		}
	}
}

// doors says where a third-party library may enter. A library without a row may enter nowhere.
var doors = []struct {
	library string   // module path, or its beginning
	in      []string // packages, with all below
	file    string   // only in files of this name, when set
	tests   bool     // in tests anywhere, too
}{
	{library: "github.com/uptrace/bun", in: []string{"db"}},
	{library: "modernc.org/sqlite", in: []string{"db", "internal/testkit"}},
	{library: "github.com/jackc/pgx", in: []string{"db", "internal/testkit"}},
	{library: "github.com/99designs/gqlgen", in: []string{"graph", "internal/gqlgen"}},
	{library: "github.com/vektah/gqlparser", in: []string{"graph", "internal/gqlgen"}},
	{library: "github.com/vikstrous/dataloadgen", in: []string{"graph"}},
	{library: "github.com/coder/websocket", in: []string{"graph", "internal/bench"}, tests: true},
	{library: "github.com/go-co-op/gocron", in: []string{"jobs"}},
	{library: "github.com/robfig/cron", in: []string{"jobs"}},
	{library: "github.com/maypok86/otter", in: []string{"cache"}},
	{library: "github.com/klauspost/compress", in: []string{"cache", "internal/backup"}},
	{library: "github.com/minio/minio-go", in: []string{"internal/files"}},
	{library: "github.com/prometheus/client_golang", in: []string{"internal/metrics"}},
	{library: "go.opentelemetry.io", in: []string{"internal/trace", "internal/testkit"}},
	{library: "google.golang.org/protobuf", in: []string{"internal/trace", "internal/testkit"}},
	{library: "github.com/redis/go-redis", in: []string{"cache", "jobs", "internal/bus", "internal/rate", "internal/bench"}, file: "redis"},
	{library: "github.com/alecthomas/kong", in: []string{"cmd/mesa", "internal/config"}},
	{library: "github.com/joho/godotenv", in: []string{"cmd/mesa", "internal/config"}},
	{library: "github.com/xuri/excelize", in: []string{"internal/sheet"}},
	{library: "codeberg.org/go-pdf/fpdf", in: []string{"internal/sheet"}},
	{library: "golang.org/x/image", in: []string{"internal/sheet"}},
	{library: "golang.org/x/crypto", in: []string{"internal"}},
	{library: "golang.org/x/text", in: []string{"db", "desk", "graph", "web", "internal"}},
	{library: "golang.org/x/sync", in: []string{"db", "desk", "jobs", "cache", "graph", "web", "cmd", "internal"}},
	{library: "go.uber.org/goleak", tests: true},
	{library: "pgregory.net/rapid", tests: true},
}

func TestLibrariesEnterByTheirDoor(t *testing.T) {
	for _, file := range goFiles(t) {
		for _, imported := range file.imports() {
			if standard(imported) || within(imported, module) {
				continue
			}
			known, allowed := false, false
			for _, door := range doors {
				if !within(imported, door.library) {
					continue
				}
				known = true
				name := strings.TrimSuffix(strings.TrimSuffix(path.Base(file.path), ".go"), "_test")
				if door.tests && file.test || within(file.dir, door.in...) && (door.file == "" || door.file == name) {
					allowed = true
				}
			}
			switch {
			case !known:
				t.Errorf("%s imports %s, which has no door: give it a row in this test and one in docs/dependencies.md", file.path, imported)
			case !allowed:
				t.Errorf("%s imports %s, which enters elsewhere (see the table in this test)", file.path, imported)
			}
		}
	}
}

// The lowest floor reads no clock and touches nothing outside of its arguments.
func TestMesaIsPure(t *testing.T) {
	impure := []string{"net", "os", "syscall", "plugin", "io/ioutil", "log", "runtime"}
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}
	for _, file := range goFiles(t) {
		if file.test || file.dir != "mesa" {
			continue
		}
		timeName := ""
		for _, spec := range file.syntax.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if !standard(imported) {
				t.Errorf("%s imports %s: standard library only", file.at(spec), imported)
			}
			if within(imported, impure...) || imported == "database/sql" {
				t.Errorf("%s imports %s: no I/O here", file.at(spec), imported)
			}
			if imported == "time" {
				if timeName = "time"; spec.Name != nil {
					timeName = spec.Name.Name
				}
			}
		}
		ast.Inspect(file.syntax, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && timeName != "" && x.Name == timeName && slices.Contains(clock, sel.Sel.Name) {
				t.Errorf("%s reads the clock with time.%s: now is a parameter", file.at(sel), sel.Sel.Name)
			}
			return true
		})
	}
}

// standard reports whether an import path belongs to the standard library: its first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func orNothing(names []string) string {
	if len(names) == 0 {
		return "nothing of the module"
	}
	return strings.Join(names, ", ")
}
