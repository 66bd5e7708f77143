package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

type jobsCmd struct {
	List   listJobsCmd   `cmd:"" help:"List jobs, the newest first."`
	Show   showJobCmd    `cmd:"" help:"Print all that is known of a job."`
	Retry  retryJobCmd   `cmd:"" help:"Let a job that failed or was cancelled be done again."`
	Cancel cancelJobCmd  `cmd:"" help:"Cancel a job that waits, or ask the worker of one that runs to stop."`
	Pause  pauseQueueCmd `cmd:"" help:"Keep workers from taking jobs of a queue."`
	Resume resumeCmd     `cmd:"" help:"Let workers take jobs of a queue again."`
	Stats  jobStatsCmd   `cmd:"" help:"Print how queues, workers and the schedule stand."`
}

type listJobsCmd struct {
	State []mesa.JobState `help:"Only those in one of these states, such as FAILED,RUNNING."`
	Kind  []mesa.JobKind  `help:"Only those of one of these kinds."`
	Queue []string        `help:"Only those in one of these queues."`
	Limit int             `default:"50" help:"How many, at most 200."`
	JSON  bool            `help:"Print JSON, one job on each line."`
}

// Run prints a line for each job.
func (c *listJobsCmd) Run(out *streams, s *settings) error {
	if err := errors.Join(oneOf("--state", c.State, mesa.JobStates), oneOf("--kind", c.Kind, mesa.JobKinds)); err != nil {
		return err
	}
	return withStore(out, s, func(st *store, _ *desk.Desk, _ *mesa.Actor) error {
		page, err := st.Jobs(out.ctx, mesa.JobFilter{States: c.State, Kinds: c.Kind, Queues: c.Queue}, db.Page{First: &c.Limit})
		if err != nil {
			return err
		}
		if c.JSON {
			return printLines(out.stdout, page.Items)
		}
		w := table(out.stdout, "ID", "KIND", "QUEUE", "STATE", "PROGRESS", "FAILURES", "CREATED", "ERROR")
		for _, j := range page.Items {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d %%\t%d of %d\t%s\t%s\n", j.ID, j.Kind, j.Queue, j.State, j.Progress, j.Attempt, j.MaxAttempts, instant(j.CreatedAt), j.ErrorCode)
		}
		return w.Flush()
	})
}

// oneOf refuses values of a flag that are none of those there are.
func oneOf[T ~string](flag string, given, all []T) error {
	for _, v := range given {
		if !slices.Contains(all, v) {
			return fmt.Errorf("%s cannot be %q: it is one of %v", flag, v, all)
		}
	}
	return nil
}

// printJSON prints a value, indented.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// printLines prints each value as JSON on a line of its own.
func printLines[T any](w io.Writer, list []T) error {
	encoder := json.NewEncoder(w)
	for _, v := range list {
		if err := encoder.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

func table(w io.Writer, columns ...string) *tabwriter.Writer {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, c := range columns {
		if i > 0 {
			fmt.Fprint(t, "\t")
		}
		fmt.Fprint(t, c)
	}
	fmt.Fprintln(t)
	return t
}

// oneJob names a job.
type oneJob struct {
	ID mesa.JobID `arg:"" help:"The job."`
}

type showJobCmd struct{ oneJob }

// Run prints the job, its arguments and attempts as JSON.
func (c *showJobCmd) Run(out *streams, s *settings) error {
	return withStore(out, s, func(st *store, _ *desk.Desk, _ *mesa.Actor) error {
		ids := []mesa.JobID{c.ID}
		found, err := st.JobsByID(out.ctx, ids)
		if err != nil {
			return err
		}
		if found[c.ID] == nil {
			return fmt.Errorf("there is no job %s", c.ID)
		}
		attempts, err := st.AttemptsByJob(out.ctx, ids)
		if err != nil {
			return err
		}
		return printJSON(out.stdout, struct {
			*mesa.Job
			Attempts []*mesa.JobAttempt
		}{found[c.ID], attempts[c.ID]})
	})
}

type retryJobCmd struct{ oneJob }

// Run lets the job be done again.
func (c *retryJobCmd) Run(out *streams, s *settings) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error {
		j, err := d.RetryJob(out.ctx, by, c.ID, nil)
		if err != nil {
			return err
		}
		fmt.Fprintf(out.stdout, "%s is %s\n", j.ID, j.State)
		return nil
	})
}

type cancelJobCmd struct{ oneJob }

// Run cancels the job.
func (c *cancelJobCmd) Run(out *streams, s *settings) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error {
		j, outcome, err := d.CancelJob(out.ctx, by, c.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(out.stdout, "%s: %s is %s\n", outcome, j.ID, j.State)
		return nil
	})
}

// oneQueue names a queue.
type oneQueue struct {
	Name string `arg:"" help:"The queue."`
}

func (q oneQueue) pause(out *streams, s *settings, pause bool) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error { return d.PauseQueue(out.ctx, by, q.Name, pause) })
}

type pauseQueueCmd struct{ oneQueue }

// Run pauses the queue.
func (c *pauseQueueCmd) Run(out *streams, s *settings) error { return c.pause(out, s, true) }

type resumeCmd struct{ oneQueue }

// Run resumes the queue.
func (c *resumeCmd) Run(out *streams, s *settings) error { return c.pause(out, s, false) }

type jobStatsCmd struct{}

// Run prints queues, workers and the schedule.
func (jobStatsCmd) Run(out *streams, s *settings) error {
	return withStore(out, s, func(st *store, _ *desk.Desk, by *mesa.Actor) error {
		queues, err := st.Queues(out.ctx)
		if err != nil {
			return err
		}
		workers, err := st.Workers(out.ctx)
		if err != nil {
			return err
		}
		schedule, err := jobs.Standings(out.ctx, st.DB, by.Catalogue.Calendar.Zone())
		if err != nil {
			return err
		}
		w := table(out.stdout, "QUEUE", "WAITING", "RUNNING", "FAILED", "OLDEST", "PAUSED")
		for _, q := range queues {
			age := "-"
			if q.OldestAge != nil {
				age = (time.Duration(*q.OldestAge) * time.Second).String()
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%t\n", q.Name, q.Depth, q.Running, q.Failed, age, q.Paused)
		}
		fmt.Fprintln(w, "\nWORKER\tSINCE\tLAST SEEN\tRUNNING")
		for _, one := range workers {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", one.ID, instant(one.StartedAt), instant(one.LastSeenAt), one.Running)
		}
		fmt.Fprintln(w, "\nSCHEDULE\tCRON\tLAST\tNEXT\tRESULT")
		for _, e := range schedule {
			last, result := time.Time{}, mesa.JobState("")
			if e.LastRun != nil {
				last = *e.LastRun
			}
			if e.LastResult != nil {
				result = *e.LastResult
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.Name, e.Cron, instant(last), instant(e.NextRun), cmp.Or(result, "-"))
		}
		return w.Flush()
	})
}
