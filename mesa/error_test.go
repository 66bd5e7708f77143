package mesa_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/mesa"
)

// formatAt is which argument of each function is a sentence.
var formatAt = map[string]int{"Fail": 2, "Invalid": 1, "Check": 2}

// sentence is a format in the source.
type sentence struct {
	text  string // "" when it is not a literal
	place string
}

// sentences finds what is given to Fail, Invalid and Check in the module, tests and generated code left out.
func sentences(t *testing.T) (list []sentence) {
	t.Helper()
	set := token.NewFileSet()
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if name := entry.Name(); name == "node_modules" || name == "var" || len(name) > 1 && name[0] == '.' {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, filepath.Join("..", path), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if s, ok := sentenceOf(call); ok {
					s.place = set.Position(call.Pos()).String()
					list = append(list, s)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func sentenceOf(call *ast.CallExpr) (sentence, bool) {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		of, ok := f.X.(*ast.Ident)
		if !ok || of.Name != "mesa" && of.Name != "v" {
			return sentence{}, false
		}
		name = f.Sel.Name
	}
	i, ours := formatAt[name]
	if !ours || len(call.Args) <= i {
		return sentence{}, false
	}
	literal, ok := call.Args[i].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return sentence{}, true
	}
	text, _ := strconv.Unquote(literal.Value)
	return sentence{text: text}, true
}

var verb = regexp.MustCompile(`%[^a-z%]*[a-z%]`)

func TestEverySentenceHasATranslationWithTheSameVerbs(t *testing.T) {
	t.Parallel()
	english, used, variables := mesa.English(), map[string]bool{}, []string{}
	list := sentences(t)
	if len(list) < 60 {
		t.Fatalf("found only %d sentences: the search is broken", len(list))
	}
	for _, s := range list {
		if s.text == "" {
			variables = append(variables, filepath.Base(strings.Split(s.place, ":")[0]))
			continue
		}
		used[s.text] = true
		if english[s.text] == "" {
			t.Errorf("%s: no translation of %q in mesa/messages.go", s.place, s.text)
		}
	}
	// Passed on as they came: the constructors themselves, and the hints below.
	slices.Sort(variables)
	if want := []string{"error.go", "error.go", "party.go"}; !slices.Equal(variables, want) {
		t.Errorf("sentences that are not literals in %v, want only %v", variables, want)
	}
	for _, hint := range mesa.IDHints() {
		used[hint] = true
		if english[hint] == "" {
			t.Errorf("no translation of the hint %q", hint)
		}
	}
	for es, en := range english {
		if !used[es] {
			t.Errorf("%q is translated but never said", es)
		}
		if got, want := verb.FindAllString(en, -1), verb.FindAllString(es, -1); !slices.Equal(got, want) {
			t.Errorf("%q has verbs %v, its translation %v", es, want, got)
		}
	}
}

func TestErrorsSpeakTwoLanguages(t *testing.T) {
	t.Parallel()
	err := mesa.Fail(mesa.LimitExceeded, "first", "Una página tiene %d elementos como máximo.", 200)
	for locale, want := range map[string]string{
		"es-PE": "Una página tiene 200 elementos como máximo.", "": "Una página tiene 200 elementos como máximo.",
		"en": "A page has at most 200 items.", "en-GB": "A page has at most 200 items.", "e": "Una página tiene 200 elementos como máximo.",
		"qu-PE": "Una página tiene 200 elementos como máximo.",
	} {
		if got := err.In(locale); got != want {
			t.Errorf("In(%q) = %q, want %q", locale, got, want)
		}
	}
	if got := err.Error(); got != "LIMIT_EXCEEDED: Una página tiene 200 elementos como máximo." {
		t.Errorf("Error() = %q", got)
	}
	if got := mesa.Fail(mesa.Internal, "", "Sin traducción").In("en"); got != "Sin traducción" {
		t.Errorf("without a translation: %q", got)
	}
}

func TestIdentityHintsReachThePersonInBothLanguages(t *testing.T) {
	t.Parallel()
	for _, id := range mesa.IDTypes {
		err := mesa.CheckIdentity(mesa.PersonParty, id, "!")
		e, ok := errors.AsType[*mesa.Error](err)
		if !ok || e.Code != mesa.ValidationFailed || e.Field != "idNumber" {
			t.Fatalf("%s: %v", id, err)
		}
		if es, en := e.In("es-PE"), e.In("en"); es == en || strings.Contains(en, "%!") {
			t.Errorf("%s: %q is %q in English", id, es, en)
		}
	}
}

func TestEveryCodeHasAMeaning(t *testing.T) {
	t.Parallel()
	seen := map[mesa.Code]bool{}
	for _, row := range mesa.ErrorCodes {
		if seen[row.Code] || row.Meaning == "" {
			t.Errorf("%s: twice or without a meaning", row.Code)
		}
		seen[row.Code] = true
	}
	if len(seen) != 28 {
		t.Errorf("%d codes, want 28", len(seen))
	}
}

func TestCodeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want mesa.Code
	}{
		{nil, ""}, {errors.New("disk full"), mesa.Internal}, {mesa.ErrNotFound("id"), mesa.NotFound}, {mesa.ErrUnauthenticated(), mesa.Unauthenticated},
		{fmt.Errorf("while reading: %w", mesa.ErrForbidden(mesa.MayVoid)), mesa.Forbidden},
	} {
		if got := mesa.CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
	if got := mesa.ErrForbidden(mesa.MayVoid).Details["permission"]; got != "document.void" {
		t.Errorf("a denial names %v", got)
	}
}

func TestViolationsTellEverythingAtOnce(t *testing.T) {
	t.Parallel()
	var v mesa.Violations
	if v.Err() != nil {
		t.Error("nothing is wrong, but there is an error")
	}
	v.Add(nil)
	v.Add((*mesa.Error)(nil))
	v.Add(errors.New("not ours"))
	v.Check(true, "a", "El nombre falta.")
	if v.Err() != nil {
		t.Errorf("still nothing is wrong, but: %v", v.Err())
	}
	v.Check(false, "folios", "Los folios van de 0 a 99999.")
	if e := v.Err().(*mesa.Error); e.Field != "folios" || e.Violations != nil {
		t.Errorf("one violation: %+v", e)
	}
	v.Add(mesa.Fail(mesa.AreaInactive, "areaId", "El área %s no está activa.", "OAJ"))
	e := v.Err().(*mesa.Error)
	if e.Field != "folios" || e.Code != mesa.ValidationFailed || len(e.Violations) != 2 || e.Violations[1].Code != mesa.AreaInactive {
		t.Errorf("two violations: %+v", e)
	}
	if e.Violations[0].Violations != nil {
		t.Error("the first violation contains itself")
	}
}
