package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// version is set by the build.
var version = "dev"

// facts are what a build tells of itself.
type facts struct {
	Version    string            `json:"version"`
	Commit     string            `json:"commit"`     // "" when the sources were no git repository
	CommitTime string            `json:"commitTime"` // RFC 3339; "" without a commit
	Modified   bool              `json:"modified"`   // by what was not committed
	Go         string            `json:"go"`
	OS         string            `json:"os"`
	Arch       string            `json:"arch"`
	CGO        bool              `json:"cgo"`
	TrimPath   bool              `json:"trimPath"`
	Modules    map[string]string `json:"modules"` // the version of each that is linked
}

// factsOf reads what the Go command noted in the program; info is nil when it noted nothing.
func factsOf(info *debug.BuildInfo) facts {
	f := facts{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Modules: map[string]string{}}
	if info == nil {
		return f
	}
	for _, kv := range info.Settings {
		switch kv.Key {
		case "vcs.revision":
			f.Commit = kv.Value
		case "vcs.time":
			f.CommitTime = kv.Value
		case "vcs.modified":
			f.Modified = kv.Value == "true"
		case "CGO_ENABLED":
			f.CGO = kv.Value == "1"
		case "-trimpath":
			f.TrimPath = kv.Value == "true"
		}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		f.Modules[m.Path] = m.Version
	}
	return f
}

// ownFacts are those of this program.
func ownFacts() facts {
	info, _ := debug.ReadBuildInfo() // nil without one
	return factsOf(info)
}

func (f facts) String() string {
	commit := "unknown: it was not built from a git repository"
	if f.Commit != "" {
		changes := map[bool]string{false: "no changes since", true: "with changes that were not committed"}[f.Modified]
		commit = fmt.Sprintf("%s of %s, %s", f.Commit, f.CommitTime, changes)
	}
	how := map[bool]string{false: "pure Go", true: "with cgo"}[f.CGO] + map[bool]string{true: ", -trimpath"}[f.TrimPath]
	return fmt.Sprintf("mesa %s\n  commit   %s\n  build    %s %s/%s, %s\n  modules  %d (--json lists them)\n", f.Version, commit, f.Go, f.OS, f.Arch, how, len(f.Modules))
}

type versionCmd struct {
	JSON bool `help:"Print JSON, with the version of each module."`
}

// Run prints what was built, from what and with what.
func (c *versionCmd) Run(out *streams, _ *settings) error {
	f := ownFacts()
	if c.JSON {
		return printJSON(out.stdout, f)
	}
	_, err := fmt.Fprint(out.stdout, f)
	return err
}

// build names this build. Builds that nobody can tell apart by their source are told apart by the time of the file.
func build() string {
	f := ownFacts()
	name := version + " " + f.Commit
	if f.Commit != "" && !f.Modified {
		return name
	}
	if path, err := os.Executable(); err == nil {
		if info, err := os.Stat(path); err == nil {
			name += " " + info.ModTime().UTC().Format(time.RFC3339Nano)
		}
	}
	return name
}
