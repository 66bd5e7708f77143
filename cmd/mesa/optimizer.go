package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/bus"
	"github.com/mesapartes/mesa/internal/verify"
	"github.com/mesapartes/mesa/mesa"
)

type queriesCmd struct {
	Days  int  `default:"6" help:"Today and so many days before, at most 29."`
	Limit int  `default:"20" help:"How many kinds of statements."`
	JSON  bool `help:"Print JSON, one kind on each line."`
}

// Run prints the statements that were slow, those first that took most time.
func (c *queriesCmd) Run(out *streams, s *settings) error {
	if c.Days < 0 || c.Days >= db.SlowDays || c.Limit < 1 {
		return fmt.Errorf("--days is from 0 to %d, --limit at least 1", db.SlowDays-1)
	}
	return withStore(out, s, func(st *store, _ *desk.Desk, _ *mesa.Actor) error {
		list, err := st.SlowStatements(out.ctx, c.Days, c.Limit)
		if err != nil {
			return err
		}
		if c.JSON {
			return printLines(out.stdout, list)
		}
		for _, q := range list {
			fmt.Fprintf(out.stdout, "%s  %d of %d were slow, mean %.1f ms, 95 %% within %.1f ms, slowest %.1f ms, last %s\n", q.Fingerprint, q.Slow, q.Count, q.MeanMs(), q.P95Ms(), q.MaxMs(), instant(q.LastSeenAt))
			if q.Operation != "" {
				fmt.Fprintf(out.stdout, "  %s %s\n", q.Operation, q.Field)
			}
			fmt.Fprintf(out.stdout, "  %s\n", q.SQL)
		}
		if len(list) == 0 {
			fmt.Fprintf(out.stdout, "no statement took %s\n", s.SlowAt)
		}
		return nil
	})
}

type explainCmd struct {
	File      string `arg:"" help:"File with the text of a query; - is the standard input."`
	Email     string `required:"" help:"Account with whose rights it runs."`
	Variables string `help:"Variables, as a JSON object."`
	Operation string `help:"Which operation, when the text has several."`
	JSON      bool   `help:"Print JSON."`
}

// Run prints the plan of each statement that a query causes, and what could be better.
func (c *explainCmd) Run(out *streams, s *settings) error {
	text, err := readText(c.File)
	if err != nil {
		return err
	}
	q := graph.Question{Query: string(text), OperationName: c.Operation}
	if c.Variables != "" {
		decoder := json.NewDecoder(strings.NewReader(c.Variables))
		decoder.UseNumber() // a Float is not an Int
		if err := decoder.Decode(&q.Variables); err != nil {
			return fmt.Errorf("--variables is no JSON object: %w", err)
		}
	}
	return withStore(out, s, func(st *store, d *desk.Desk, _ *mesa.Actor) error {
		user, err := st.UserByEmail(out.ctx, c.Email)
		if err != nil {
			return err
		}
		by, err := st.ActorOf(out.ctx, user.ID)
		if err != nil {
			return err
		}
		log := s.logger(out.stderr)
		feed := bus.New(st.DB, log)
		defer feed.Stop()
		found, err := (&graph.Resolver{DB: st.DB, Desk: d, Feed: feed, Jobs: st.signals, Log: log, Version: version}).Explain(out.ctx, by, q)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(out.stdout, found)
		}
		return printExplanation(out, found)
	})
}

func readText(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(path)
}

func printExplanation(out *streams, found *mesa.Explanation) error {
	fmt.Fprintf(out.stdout, "%s, %.1f ms\n", verify.Count(len(found.Statements), "statement"), found.DurationMs)
	for _, e := range found.Errors {
		fmt.Fprintf(out.stdout, "error: %s\n", e)
	}
	for i, st := range found.Statements {
		fmt.Fprintf(out.stdout, "\n%d. %s (%.1f ms, %d rows)\n%s\n", i+1, st.Field, st.DurationMs, st.Rows, st.SQL)
		for line := range strings.Lines(st.Plan) {
			fmt.Fprintf(out.stdout, "   %s", line)
		}
		for _, a := range st.Advice {
			fmt.Fprintf(out.stdout, "   %s: %s\n", a.Severity, a.Text)
		}
	}
	return nil
}
