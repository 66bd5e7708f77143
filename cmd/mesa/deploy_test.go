package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/internal/testkit"
)

const deploy = "../../deploy"

// metricsOf is what a server with a little of everything behind it shows to Prometheus.
func metricsOf(t *testing.T) string {
	t.Helper()
	database := testkit.SQLiteClone(t, furnished, furnish(t))
	s := startProcess(t, "--database-url", database, "--metrics-addr", "127.0.0.1:0", "--limits", "aliases=1")
	token := strings.TrimSpace(works(t, "token", "--email", "jefe.mesa@demo.mesa.pe", "--database-url", database))
	document := s.editable(token)
	s.must(token, writeNotes, map[string]any{"id": document, "notes": "seen"})
	s.must(token, `query Anything($id: ID!) { nodes(ids: [$id]) { id } }`, map[string]any{"id": document})
	if body, _, err := s.ask(token, `{ a: __typename b: __typename }`, nil); err != nil || !strings.Contains(body, "LIMIT_EXCEEDED") {
		t.Fatalf("%v %s", err, body)
	}
	return shows(t, s.log, `mesa_refused_total{limit="aliases"} 1`, `mesa_errors_total{code="LIMIT_EXCEEDED"} 1`)
}

// expressions are those of the dashboard's panels and of the rules, each with where it stands.
func expressions(t *testing.T) (list [][2]string) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(fileOf(t, "grafana/mesa.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			list = append(list, [2]string{"panel " + p.Title, target.Expr})
		}
	}
	for _, rule := range regexp.MustCompile(`- alert: (\w+)\n +expr: (.+)`).FindAllStringSubmatch(fileOf(t, "prometheus/mesa.rules.yml"), -1) {
		list = append(list, [2]string{"alert " + rule[1], rule[2]})
	}
	return list
}

func fileOf(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDashboardsAndAlertsAskForMetricsThatExist(t *testing.T) {
	t.Parallel()
	var (
		metrics = metricsOf(t)
		name    = regexp.MustCompile(`\b(?:mesa|go|process)_\w+`)
		chosen  = regexp.MustCompile(`\b((?:mesa|go|process)_\w+)\{(\w+)(?:!?=|=~)"([\w|]+)"\}`)
		grouped = regexp.MustCompile(`by \(([\w, ]+)\) \(*(?:rate\()?(mesa_\w+)`)
		asked   int
	)
	has := func(where, pattern string) {
		if asked++; !regexp.MustCompile(`(?m)^` + pattern).MatchString(metrics) {
			t.Errorf("%s: no server shows %s", where, pattern)
		}
	}
	for _, e := range expressions(t) {
		where, expr := e[0], e[1]
		for _, n := range name.FindAllString(expr, -1) {
			has(where, n+`[{ ]`)
		}
		for _, c := range chosen.FindAllStringSubmatch(expr, -1) {
			if c[2] != "job" { // that is Prometheus' own
				for value := range strings.SplitSeq(c[3], "|") {
					has(where, c[1]+`\{.*\b`+c[2]+`="`+value+`"`)
				}
			}
		}
		for _, g := range grouped.FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(g[1], ", ") {
				if label != "instance" {
					has(where, g[2]+`\{.*\b`+label+`="`)
				}
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d names were looked at", asked)
	}
}

func TestDeployNamesSettingsThatExist(t *testing.T) {
	known := works(t, "config") + "MESA_ENV_FILE=\n"
	setting, named := regexp.MustCompile(`\bMESA_[A-Z_]+`), 0
	err := filepath.WalkDir(deploy, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, s := range setting.FindAllString(string(text), -1) {
			if named++; !strings.Contains("\n"+known, "\n"+s+"=") {
				t.Errorf("%s: there is no setting %s", path, s)
			}
		}
		return err
	})
	if err != nil || named < 20 {
		t.Errorf("%d settings are named, %v", named, err)
	}
}
