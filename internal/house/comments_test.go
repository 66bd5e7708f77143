package house

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// Packages whose exported names are read as a manual.
var documented = []string{"mesa", "db", "desk"}

// Methods that mean what the interface they satisfy says.
var selfExplaining = []string{"MarshalGQL", "UnmarshalGQL", "MarshalText", "UnmarshalText", "MarshalJSON", "UnmarshalJSON",
	"Value", "Scan", "String", "IsNode", "Error", "Unwrap", "Is"}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	type pkg struct {
		name              string
		handwritten, said bool
	}
	packages := map[string]*pkg{}
	for _, file := range goFiles(t) {
		if file.test {
			continue
		}
		p := packages[file.dir]
		if p == nil {
			p = &pkg{name: file.syntax.Name.Name}
			packages[file.dir] = p
		}
		if file.generated {
			continue
		}
		p.handwritten = true
		beginning := "Package " + p.name + " "
		if p.name == "main" {
			beginning = "Command " + path.Base(file.dir) + " "
		}
		p.said = p.said || strings.HasPrefix(file.syntax.Doc.Text(), beginning)
	}
	for dir, p := range packages {
		if p.handwritten && !p.said {
			t.Errorf("%s: no comment of the form \"Package %s …\" (or \"Command …\" for a main package)", dir, p.name)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, file := range goFiles(t) {
		if file.test || file.generated || !slices.Contains(documented, file.dir) {
			continue
		}
		for _, decl := range file.syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				method := decl.Recv != nil
				if decl.Doc == nil && decl.Name.IsExported() && (!method || exportedReceiver(decl) && !slices.Contains(selfExplaining, decl.Name.Name)) {
					t.Errorf("%s: %s has no comment", file.at(decl), decl.Name)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if name := undocumented(decl, spec); name != "" {
						t.Errorf("%s: %s has no comment", file.at(spec), name)
					}
				}
			}
		}
	}
}

// undocumented returns an exported name of the spec that has no comment: not its own, not one at the end of its line, not the group's.
func undocumented(decl *ast.GenDecl, spec ast.Spec) string {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() && decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
			return spec.Name.Name
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				return name.Name
			}
		}
	}
	return ""
}

func exportedReceiver(decl *ast.FuncDecl) bool {
	expr := decl.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.IsExported()
		default:
			return false
		}
	}
}
