package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/mesapartes/mesa/desk"
)

// Diagnostic does what the arguments of a job tell it to, so that the queue can be tried: it takes time in steps, fails, panics, does not
// heed its cancellation, or takes the whole process down.
func Diagnostic(ctx context.Context, w *Work) (Done, error) {
	var in desk.DiagnosticJobInput
	if err := json.Unmarshal(w.Job.Args, &in); err != nil {
		return Done{}, &Failure{Code: "BAD_ARGUMENTS", Err: err, Permanent: true}
	}
	if in.IgnoreCancel {
		ctx = context.WithoutCancel(ctx)
	}
	steps := max(in.Steps, 1)
	for step := range steps {
		if !pause(ctx, time.Duration(in.SleepMs)*time.Millisecond/time.Duration(steps)) {
			return Done{}, context.Cause(ctx)
		}
		w.Progress(int64(step+1), int64(steps))
	}
	switch {
	case in.Crash:
		os.Exit(137)
	case in.Panic:
		panic("told to")
	case w.Job.Attempt < in.FailTimes:
		return Done{}, &Failure{Code: "TOLD_TO", Err: errors.New("told to fail")}
	}
	return Done{Result: map[string]any{"output": strings.Repeat("x", in.OutputBytes), "steps": steps}}, nil
}

// Probe does nothing.
func Probe(context.Context, *Work) (Done, error) { return Done{}, nil }
