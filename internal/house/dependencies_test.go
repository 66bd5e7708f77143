package house

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Each row of the tables in docs/dependencies.md begins with the module's path in backticks.
var dependencyRow = regexp.MustCompile("(?m)^\\| *`([^`]+)` *\\|")

func TestEveryDependencyIsExplained(t *testing.T) {
	direct, indirect := requirements(t)
	explained := map[string]bool{}
	for _, row := range dependencyRow.FindAllStringSubmatch(read(t, "docs/dependencies.md"), -1) {
		if explained[row[1]] {
			t.Errorf("docs/dependencies.md explains %s twice", row[1])
		}
		explained[row[1]] = true
	}
	for path := range direct {
		if !explained[path] {
			t.Errorf("docs/dependencies.md has no row for %s: why it is there, what it weighs, its licence", path)
		}
	}
	for path := range explained {
		if !direct[path] && !indirect[path] {
			t.Errorf("docs/dependencies.md explains %s, which is no dependency any more", path)
		}
	}
}

// requirements reads go.mod: what this module asks for itself (tools included), and what comes along.
func requirements(t *testing.T) (direct, indirect map[string]bool) {
	t.Helper()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Tool []struct{ Path string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	direct, indirect = map[string]bool{}, map[string]bool{}
	for _, r := range mod.Require {
		if r.Indirect {
			indirect[r.Path] = true
		} else {
			direct[r.Path] = true
		}
	}
	for _, tool := range mod.Tool { // a tool is a package; its module is marked as indirect when nothing imports it
		owner := ""
		for path := range indirect {
			if (tool.Path == path || strings.HasPrefix(tool.Path, path+"/")) && len(path) > len(owner) {
				owner = path
			}
		}
		if owner != "" {
			direct[owner] = true
		}
	}
	return direct, indirect
}
