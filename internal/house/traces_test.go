package house

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// The repository speaks for itself: it names no folder of the machine it was written on, no mirror it was built through, and no paper
// that its readers do not have. The strings are put together here so that this file does not name them either.
var traces = []string{
	"/work" + "/main",
	"/work" + "/shared",
	"/work" + "/.library",
	"/root" + "/go/",
	"../shared" + "/",
	"proxy.golang" + ".org",
	"registry.npmjs" + ".org",
	"deb.debian" + ".org",
}

// Papers that only count when the repository has no file of that name.
var papers = []string{"design" + ".md", "house-style" + ".md", "stack" + ".md", "queue" + ".md", "domain" + ".md"}

// Written by tools, checked by their own sums.
var untouched = []string{"go.sum", "web/graphiql/dist", "web/graphiql/package-lock.json"}

func TestRepositorySpeaksForItself(t *testing.T) {
	files := repositoryFiles(t)
	missing := map[string]bool{}
	for _, paper := range papers {
		missing[paper] = true
	}
	for _, file := range files {
		delete(missing, path.Base(file))
	}
	for _, file := range files {
		if within(file, untouched...) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil || bytes.IndexByte(content, 0) >= 0 {
			continue // deleted but not yet committed, a directory, or not text
		}
		for number, line := range strings.Split(string(content), "\n") {
			for _, trace := range traces {
				if strings.Contains(line, trace) {
					t.Errorf("%s:%d mentions %s", file, number+1, trace)
				}
			}
			for paper := range missing {
				if mentions(line, paper) {
					t.Errorf("%s:%d mentions %s, which is not in the repository", file, number+1, paper)
				}
			}
		}
	}
}

// mentions reports whether line names the file itself, not one whose name ends like it ("a.md" in "data.md").
func mentions(line, file string) bool {
	for rest := line; ; {
		i := strings.Index(rest, file)
		if i < 0 {
			return false
		}
		if i == 0 || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz-_", rune(rest[i-1])) {
			return true
		}
		rest = rest[i+len(file):]
	}
}

// repositoryFiles returns what git tracks or would track; without git, in a source archive for instance, every file.
func repositoryFiles(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	if out, err := cmd.Output(); err == nil && len(out) > 0 {
		return strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	}
	var files []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case ".git", "node_modules", "var", "bin":
				return filepath.SkipDir
			}
			return nil
		}
		files = append(files, fromRoot(path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
