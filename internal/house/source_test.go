package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/mesapartes/mesa"

// goFile is one parsed file of the module.
type goFile struct {
	path      string // from the root, with slashes: "db/documents.go"
	dir       string // its package: "db", "internal/house"; "." for the root
	test      bool
	generated bool
	syntax    *ast.File
	set       *token.FileSet
}

// imports returns the paths that the file imports.
func (f *goFile) imports() (paths []string) {
	for _, spec := range f.syntax.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, path)
	}
	return paths
}

// at returns file:line of a node, as an editor opens it.
func (f *goFile) at(n ast.Node) string {
	return f.path + ":" + strconv.Itoa(f.set.Position(n.Pos()).Line)
}

// goFiles returns every Go file of the module, tests included.
func goFiles(t *testing.T) []*goFile {
	t.Helper()
	files, err := parseOnce()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go files found: the rules would hold for nothing")
	}
	return files
}

var parseOnce = sync.OnceValues(func() (files []*goFile, err error) {
	set := token.NewFileSet()
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			hidden := path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_"))
			if hidden || slices.Contains([]string{"testdata", "node_modules", "var", "bin"}, name) {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != root {
				return filepath.SkipDir // another module, such as the bench beside other queues
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		path = fromRoot(path)
		dir := "."
		if i := strings.LastIndexByte(path, '/'); i >= 0 {
			dir = path[:i]
		}
		files = append(files, &goFile{
			path: path, dir: dir, test: strings.HasSuffix(path, "_test.go"), generated: ast.IsGenerated(syntax), syntax: syntax, set: set,
		})
		return nil
	})
	return files, err
})

// root is the module's directory: tests run in their package's.
var root = func() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}()

func fromRoot(path string) string {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		panic(err)
	}
	return filepath.ToSlash(rel)
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// within reports whether dir is one of the parents or below one.
func within(dir string, parents ...string) bool {
	for _, parent := range parents {
		if dir == parent || strings.HasPrefix(dir, parent+"/") {
			return true
		}
	}
	return false
}
