// Package verify is the checklist of an installation: what mesa verify prints, and /readyz?verbose of a running server.
package verify

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// State is how a check ended.
type State string

// The states. What is not configured, or could not be looked at, is skipped and never ok.
const (
	StateOK      State = "ok"
	StateFailed  State = "failed"
	StateSkipped State = "skipped"
)

// Result is the outcome of a check.
type Result struct {
	State  State  `json:"state"`
	Figure string `json:"figure"`           // what was found
	Remedy string `json:"remedy,omitempty"` // what to do, "" unless it failed
}

// OK is the result of a check that found all well.
func OK(format string, args ...any) Result {
	return Result{State: StateOK, Figure: fmt.Sprintf(format, args...)}
}

// Skipped is the result of a check that had nothing to look at.
func Skipped(format string, args ...any) Result {
	return Result{State: StateSkipped, Figure: fmt.Sprintf(format, args...)}
}

// Failed is the result of a check that met an error.
func Failed(remedy string, err error) Result { return fail(remedy, "%v", err) }

func fail(remedy, format string, args ...any) Result {
	return Result{StateFailed, fmt.Sprintf(format, args...), remedy}
}

// Check is one line of the list.
type Check struct {
	Name     string
	Patience time.Duration // it has failed when it takes longer
	Schema   bool          // it needs the schema of this program: skipped when what looks at that has failed
	Run      func(ctx context.Context) Result
}

// Line is a check with its outcome.
type Line struct {
	Name string `json:"name"`
	Result
	Millis float64 `json:"ms"`
}

var marks = map[State]string{StateOK: "✓", StateFailed: "✗", StateSkipped: "–"}

// String is the line as people read it, with what to do below.
func (l Line) String() string {
	text := fmt.Sprintf("%s %s: %s\n", marks[l.State], l.Name, l.Figure)
	if l.Remedy != "" {
		text += "  → " + l.Remedy + "\n"
	}
	return text
}

// Run does the checks one after the other, so that they do not disturb each other, and calls told with each line.
func Run(ctx context.Context, checks []Check, told func(Line)) (lines []Line) {
	hasSchema := true
	for _, c := range checks {
		line := Line{Name: c.Name, Result: Skipped("not looked at before %s are well", schemaName)}
		if hasSchema || !c.Schema {
			line = c.line(ctx)
		}
		if c.Name == schemaName {
			hasSchema = line.State == StateOK
		}
		lines = append(lines, line)
		told(line)
	}
	return lines
}

func (c Check) line(ctx context.Context) Line {
	limited, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	began := time.Now()
	r := c.Run(limited)
	if r.State == StateFailed && limited.Err() != nil && ctx.Err() == nil {
		r.Figure = fmt.Sprintf("not within %s: %s", c.Patience, r.Figure)
	}
	return Line{c.Name, r, float64(time.Since(began).Microseconds()) / 1000}
}

// HaveFailed says whether any line failed.
func HaveFailed(lines []Line) bool {
	return slices.ContainsFunc(lines, func(l Line) bool { return l.State == StateFailed })
}

// Report is the list as JSON.
type Report struct {
	OK     bool   `json:"ok"`
	Checks []Line `json:"checks"`
}

// ReportOf makes a report of lines.
func ReportOf(lines []Line) Report { return Report{!HaveFailed(lines), lines} }

// Count is a number of things, such as "1 worker" and "2 workers".
func Count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// Print writes the lines.
func Print(w io.Writer, lines []Line) {
	for _, l := range lines {
		_, _ = io.WriteString(w, l.String())
	}
}

// Board keeps the outcome of checks for a moment: however many ask, the checks are done once in it.
type Board struct {
	Checks []Check

	mu    sync.Mutex
	until time.Time
	lines []Line
}

// shownFor is how old the outcome on a board may be.
const shownFor = 2 * time.Second

// Lines is the outcome, at most two seconds old. It waits for checks that run.
func (b *Board) Lines(ctx context.Context) []Line {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Now().After(b.until) {
		b.lines = Run(context.WithoutCancel(ctx), b.Checks, func(Line) {}) // others read it, too, when who asked has gone
		b.until = time.Now().Add(shownFor)
	}
	return b.lines
}
