package main

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
)

func TestABuildTellsWhatItWasMadeFrom(t *testing.T) {
	setting := func(kv ...string) (list []debug.BuildSetting) {
		for i := 0; i < len(kv); i += 2 {
			list = append(list, debug.BuildSetting{Key: kv[i], Value: kv[i+1]})
		}
		return list
	}
	committed := []string{"vcs.revision", "cf032f55", "vcs.time", "2026-11-24T20:33:13Z", "CGO_ENABLED", "0", "-trimpath", "true"}
	for _, c := range []struct {
		name string
		info *debug.BuildInfo
		says []string
	}{
		{"a release", &debug.BuildInfo{Settings: setting(append(committed, "vcs.modified", "false")...)}, []string{"commit   cf032f55 of 2026-11-24T20:33:13Z, no changes since\n", "pure Go, -trimpath\n"}},
		{"amid changes", &debug.BuildInfo{Settings: setting(append(committed, "vcs.modified", "true")...)}, []string{"cf032f55", "not committed"}},
		{"a tarball", &debug.BuildInfo{Settings: setting("CGO_ENABLED", "1")}, []string{"commit   unknown", "with cgo\n"}},
		{"nothing noted", nil, []string{"commit   unknown", "modules  0"}},
		{"a replaced module", &debug.BuildInfo{Deps: []*debug.Module{{Path: "a", Version: "v1"}, {Path: "b", Version: "v1", Replace: &debug.Module{Path: "c", Version: "v2"}}}}, []string{"modules  2"}},
	} {
		for _, part := range c.says {
			if got := factsOf(c.info).String(); !strings.Contains(got, part) {
				t.Errorf("%s: no %q in\n%s", c.name, part, got)
			}
		}
	}
	var told facts
	if err := json.Unmarshal([]byte(works(t, "version", "--json")), &told); err != nil || told.Version != "dev" || told.Modules["github.com/uptrace/bun"] == "" {
		t.Errorf("version --json: %+v, %v", told, err)
	}
}
