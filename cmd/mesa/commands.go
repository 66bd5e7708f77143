package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/mesa"
)

type migrateCmd struct {
	Status bool `help:"Only say what is applied and what is pending."`
}

// Run applies what is pending, or lists it.
func (c *migrateCmd) Run(out *streams, s *settings) error {
	log := s.logger(out.stderr)
	database, err := s.open(out.ctx, log)
	if err != nil {
		return err
	}
	defer database.Close()
	if !c.Status {
		if err := migrate(out.ctx, database, log); err != nil {
			return err
		}
	}
	list, err := database.Migrations(out.ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		state := "pending"
		if !m.AppliedAt.IsZero() {
			state = "applied " + m.AppliedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(out.stdout, "%s  %s\n", m.Name, state)
	}
	return nil
}

func migrate(ctx context.Context, database *db.DB, log *slog.Logger) error {
	applied, err := database.Migrate(ctx)
	for _, name := range applied {
		log.Info("migration applied", "name", name)
	}
	return err
}

type seedCmd struct {
	Documents              int     `default:"10000" help:"How many documents to add."`
	DerivationsPerDocument float64 `default:"3" help:"Legs of a finished document, on average."`
	Months                 int     `default:"18" help:"How far back they go."`
	Seed                   uint64  `default:"1" help:"The same seed on the same database adds the same documents."`
	NoEvents               bool    `help:"Leave out all events but the registrations: faster, but timelines are empty."`
}

// Run adds the data and says how far it is.
func (c *seedCmd) Run(out *streams, s *settings) error {
	log := s.logger(out.stderr)
	database, err := s.open(out.ctx, log)
	if err != nil {
		return err
	}
	defer database.Close()
	if err := migrate(out.ctx, database, log); err != nil {
		return err
	}
	credentials, created, err := demo.Create(out.ctx, database, demo.Options{})
	if err != nil {
		return err
	}
	if created {
		if err := writeCredentials(s.credentialsFile(), credentials); err != nil {
			return err
		}
		fmt.Fprintf(out.stdout, "demo institution created; sign-ins are in %s\n", s.credentialsFile())
	}
	began := time.Now()
	done, err := demo.Seed(out.ctx, database, demo.SeedOptions{
		Documents: c.Documents, Legs: c.DerivationsPerDocument, Months: c.Months, Seed: c.Seed, NoEvents: c.NoEvents,
		Progress: func(done demo.Seeded) {
			fmt.Fprintf(out.stderr, "\r%d of %d documents, %.0f per second ", done.Documents, c.Documents, float64(done.Documents)/time.Since(began).Seconds())
		},
	})
	fmt.Fprintln(out.stderr)
	fmt.Fprintf(out.stdout, "added %d documents, %d derivations and %d events in %s\n", done.Documents, done.Derivations, done.Events, time.Since(began).Round(time.Millisecond))
	return err
}

type userCmd struct {
	Create   createUserCmd   `cmd:"" help:"Create an account; the password is generated and printed once, or read from standard input."`
	Password passwordUserCmd `cmd:"" help:"Give an account a new password and end its sessions."`
}

type createUserCmd struct {
	Email         string        `required:"" help:"E-mail to sign in with."`
	Name          string        `required:"" help:"Name and surnames."`
	Role          mesa.RoleCode `required:"" help:"One of ADMIN, DESK_HEAD, DESK_CLERK, AREA_HEAD, AREA_USER, ARCHIVIST, AUDITOR, VIEWER."`
	Area          string        `help:"Code of the area that the person works in, such as MP."`
	PasswordStdin bool          `help:"Read the password from the first line of standard input."`
}

// Run creates the account.
func (c *createUserCmd) Run(out *streams, s *settings) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error {
		password, generated, err := choosePassword(c.PasswordStdin)
		if err != nil {
			return err
		}
		user, err := d.CreateUser(out.ctx, by, desk.CreateUserInput{Email: c.Email, FullName: c.Name, Role: c.Role, AreaCode: c.Area, Password: password})
		if err != nil {
			return err
		}
		fmt.Fprintf(out.stdout, "created %s\n", user.Email)
		if generated {
			fmt.Fprintf(out.stdout, "password: %s\n", password)
		}
		return nil
	})
}

type passwordUserCmd struct {
	Email         string `required:"" help:"E-mail of the account."`
	PasswordStdin bool   `help:"Read the password from the first line of standard input."`
}

// Run sets the password.
func (c *passwordUserCmd) Run(out *streams, s *settings) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error {
		password, generated, err := choosePassword(c.PasswordStdin)
		if err != nil {
			return err
		}
		if err := d.SetPassword(out.ctx, by, c.Email, password); err != nil {
			return err
		}
		if generated {
			fmt.Fprintf(out.stdout, "password: %s\n", password)
		}
		return nil
	})
}

func choosePassword(fromStdin bool) (password string, generated bool, err error) {
	if !fromStdin {
		b := make([]byte, 15)
		rand.Read(b)
		return strings.ToLower(base32.StdEncoding.EncodeToString(b)), true, nil
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", false, fmt.Errorf("no password on standard input: %v", err)
	}
	return line, false, nil
}

type tokenCmd struct {
	Email string `required:"" help:"E-mail of the account."`
}

// Run prints a token and nothing else.
func (c *tokenCmd) Run(out *streams, s *settings) error {
	return withDesk(out, s, func(d *desk.Desk, _ *mesa.Actor) error {
		in, err := d.OpenSession(out.ctx, c.Email)
		if err != nil {
			return err
		}
		fmt.Fprintln(out.stdout, in.Token)
		return nil
	})
}

// withDesk runs a command of the operator on an up-to-date database, with the base catalogue if nothing is there yet.
func withDesk(out *streams, s *settings, do func(d *desk.Desk, by *mesa.Actor) error) error {
	log := s.logger(out.stderr)
	database, err := s.openMigrated(out.ctx, log)
	if err != nil {
		return err
	}
	defer database.Close()
	if _, err := demo.CreateBase(out.ctx, database); err != nil {
		return err
	}
	cat, err := database.Catalogue(out.ctx, 0)
	if err != nil {
		return err
	}
	return do(desk.New(database, log), mesa.System(cat, "mesa"))
}

type verifyCmd struct{}

// Run prints one line for each check; the exit code is 1 when one failed.
func (verifyCmd) Run(out *streams, s *settings) error {
	database, err := s.openMigrated(out.ctx, s.logger(out.stderr))
	if err != nil {
		fmt.Fprintf(out.stdout, "✗ database and migrations: %v\n", err)
		return fmt.Errorf("not everything is well")
	}
	defer database.Close()
	fmt.Fprintf(out.stdout, "✓ database and migrations (%s)\n", database.Backend())
	wrong, err := database.Inconsistencies(out.ctx)
	if err != nil {
		return err
	}
	for _, w := range wrong {
		fmt.Fprintf(out.stdout, "✗ %s\n", w)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("not everything is well")
	}
	fmt.Fprintln(out.stdout, "✓ numbers, states, holders and access agree")
	return nil
}

// version is set by the build.
var version = "dev"

type versionCmd struct{}

// Run prints what was built, from what and with what.
func (versionCmd) Run(out *streams, _ *settings) error {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, kv := range info.Settings {
			if kv.Key == "vcs.revision" {
				revision = " " + kv.Value
			}
		}
	}
	fmt.Fprintf(out.stdout, "mesa %s%s %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
