package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// allowed are the licences that what is linked into the program may have, with words that tell each.
var allowed = []struct{ licence, words string }{
	{"Apache-2.0", "apache license version 2.0"},
	{"Apache-2.0", "under the apache license, version 2.0"},
	{"BSD-3-Clause", "redistribution and use in source and binary forms"}, // or with two clauses, see licencesIn
	{"ISC", "permission to use, copy, modify, and/or distribute this software"},
	{"ISC", "permission to use, copy, modify, and distribute this software"},
	{"MIT", "permission is hereby granted, free of charge"},
	{"MPL-2.0", "mozilla public license, version 2.0"},
}

// forbidden are words of licences that would bind the program as a whole, or whoever runs it.
var forbidden = []string{"gnu general public license version", "gnu lesser general public license version", "gnu affero general public license version",
	"server side public license", "business source license", "elastic license"}

// licencesIn names the licences of a text; an error when there is none, or one that is not allowed.
func licencesIn(text string) (names []string, err error) {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, words := range forbidden {
		if strings.Contains(text, words) {
			return nil, fmt.Errorf("is under the %s", words)
		}
	}
	seen := map[string]bool{}
	for _, row := range allowed {
		name := row.licence
		if name == "BSD-3-Clause" && !strings.Contains(text, "neither the name") {
			name = "BSD-2-Clause"
		}
		if strings.Contains(text, row.words) && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("has no licence that is allowed")
	}
	return names, nil
}

// licenceFile is the name of a file with the licence of a module.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)(\.txt|\.md)?$`)

// licences lists the modules that are linked into the program on Linux, with the licences that their files name. It ends the process when
// one has none that is allowed.
func licences() string {
	var b strings.Builder
	b.WriteString("# Licences\n\nPrinted by `make generate`, which fails for a module without a licence that is allowed (`internal/docs/licences.go`). " +
		"Every module that is linked into the binary:\n\n| module | licence |\n|---|---|\n")
	for _, m := range linked() {
		names, err := licencesIn(licenceText(m[1]))
		if err != nil {
			log.Fatalf("%s %v", m[0], err)
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", m[0], strings.Join(names, ", "))
	}
	b.WriteString("\nBesides: Go and its standard library (BSD-3-Clause), the Go fonts (BSD-3-Clause), SQLite (public domain), and the packages of the GraphiQL page, whose licences are in `web/graphiql/dist/licenses.md`.\n")
	return b.String()
}

// linked are the modules of the program in order, each its path and its folder.
func linked() (modules [][]string) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", "github.com/mesapartes/mesa/cmd/mesa")
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		log.Fatal("go list: ", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	for _, line := range slices.Compact(lines) {
		modules = append(modules, strings.Split(line, "\t"))
	}
	return modules
}

// licenceText is what the licence files of a module say.
func licenceText(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		log.Fatal(err)
	}
	var text []byte
	for _, e := range entries {
		if licenceFile.MatchString(e.Name()) {
			one, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				log.Fatal(err)
			}
			text = append(text, one...)
		}
	}
	return string(text)
}
