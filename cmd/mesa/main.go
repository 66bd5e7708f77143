// Command mesa is the document desk: the server and all that an operator does with it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // the institution's time zone, on machines that have no data of zones

	"github.com/alecthomas/kong"
	"github.com/joho/godotenv"

	"github.com/mesapartes/mesa/mesa"
)

// cli is the whole command line: settings that every command has, and one field per command.
type cli struct {
	settings

	Serve   serveCmd   `cmd:"" help:"Serve the API (and GraphiQL) until SIGTERM."`
	Work    workCmd    `cmd:"" help:"Work in the background only, until SIGTERM: reports and whatever else is queued or due regularly."`
	Jobs    jobsCmd    `cmd:"" help:"Look at the work in the background, retry, cancel, pause."`
	Migrate migrateCmd `cmd:"" help:"Bring the database's schema up to date."`
	Seed    seedCmd    `cmd:"" help:"Add a large invented data set, to measure on."`
	User    userCmd    `cmd:"" help:"Create accounts and set passwords."`
	APIKey  apiKeyCmd  `cmd:"" name:"apikey" help:"Create, list and revoke the keys with which machines act."`
	Token   tokenCmd   `cmd:"" help:"Open a session for an account and print its bearer token, for scripts."`
	Cache   cacheCmd   `cmd:"" help:"Look at the cache, or clear it."`
	Queries queriesCmd `cmd:"" help:"Print the SQL statements that were slow."`
	Explain explainCmd `cmd:"" help:"Run a query and print the plan of each SQL statement that it causes."`
	Indexes indexesCmd `cmd:"" help:"Print what each index of the database is for, its size and its use."`
	Audit   auditCmd   `cmd:"" help:"Export the audit trail, or check what was exported."`
	Backup  backupCmd  `cmd:"" help:"Write the database and the files of reports into one file, while servers run; or check such a file."`
	Restore restoreCmd `cmd:"" help:"Make the database what a backup says, while no server runs."`
	Verify  verifyCmd  `cmd:"" help:"Go through the checklist of an installation: each line says what was found and, when it failed, what to do."`
	Config  configCmd  `cmd:"" help:"Print the settings in force, secrets left out."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// streams are where a command writes; ctx ends with SIGINT or SIGTERM.
type streams struct {
	ctx            context.Context
	stdout, stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// exit ends the parser, which wants to end the process on --help.
type exit int

// run is the program as a function: 0 when it did what was asked, 1 when that failed, 2 when the command line is wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		if r := recover(); r != nil {
			c, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = int(c)
		}
	}()
	if err := loadEnvFile(); err != nil {
		fmt.Fprintln(stderr, "mesa:", err)
		return 2
	}
	c := &cli{}
	parser, err := kong.New(c, kong.Name("mesa"), rateDefaults(), kong.UsageOnError(), kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exit(code)) }),
		kong.Description("Mesa is the document desk (mesa de partes) of a public institution.\n\nSettings come from flags, then the environment (MESA_…), then the file named by MESA_ENV_FILE."))
	if err != nil {
		fmt.Fprintln(stderr, "mesa:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(stderr, "mesa:", err)
		fmt.Fprintln(stderr, "mesa --help lists the commands.")
		return 2
	}
	if err := command.Run(&streams{ctx, stdout, stderr}, &c.settings); err != nil {
		fmt.Fprintln(stderr, "mesa:", inEnglish(err))
		return 1
	}
	return 0
}

// inEnglish is an error for an operator: what the desk refuses names the fields, and is not in the language of the desk.
func inEnglish(err error) string {
	e, ok := errors.AsType[*mesa.Error](err)
	if !ok {
		return err.Error()
	}
	violations := e.Violations
	if len(violations) == 0 {
		violations = []*mesa.Error{e}
	}
	text := string(e.Code) + ":"
	for _, v := range violations {
		if v.Field != "" {
			text += " " + v.Field + ":"
		}
		text += " " + v.In("en")
	}
	return strings.Replace(err.Error(), e.Error(), text, 1)
}

// loadEnvFile adds the settings of a KEY=VALUE file to the environment; what is set already stays.
func loadEnvFile() error {
	path := os.Getenv("MESA_ENV_FILE")
	if path == "" {
		return nil
	}
	err := godotenv.Load(path)
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("MESA_ENV_FILE: %w", failed)
	}
	if err != nil {
		return fmt.Errorf("MESA_ENV_FILE: the lines of %s are not all KEY=VALUE", path) // the cause would quote secrets
	}
	return nil
}
