package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/internal/verify"
	"github.com/mesapartes/mesa/mesa"
)

type migrateCmd struct {
	Status bool `xor:"do" help:"Only say what is applied and what is pending."`
	Repair bool `xor:"do" help:"Also make the indexes that are missing and correct tallies of statistics that do not add up, while servers run."`
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
		if err := migrate(out.ctx, database.DB, log); err != nil {
			return err
		}
	}
	if c.Repair {
		made, err := database.RepairIndexes(out.ctx)
		for _, name := range made {
			fmt.Fprintf(out.stdout, "made index %s\n", name)
		}
		if err != nil {
			return err
		}
		wrong, err := database.RepairTallies(out.ctx)
		if err != nil {
			return err
		}
		if wrong > 0 {
			fmt.Fprintf(out.stdout, "corrected %d tallies\n", wrong)
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
		if m.Newer {
			state += " by a newer version of mesa"
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
	if c.Documents < 1 {
		return fmt.Errorf("--documents has to be at least 1, not %d", c.Documents)
	}
	if c.Months < 1 {
		return fmt.Errorf("--months has to be at least 1, not %d", c.Months)
	}
	log := s.logger(out.stderr)
	database, err := s.open(out.ctx, log)
	if err != nil {
		return err
	}
	defer database.Close()
	if err := migrate(out.ctx, database.DB, log); err != nil {
		return err
	}
	if err := database.watch(out.ctx); err != nil {
		return err
	}
	credentials, created, err := demo.Create(out.ctx, database.DB, demo.Options{})
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
	done, err := demo.Seed(out.ctx, database.DB, demo.SeedOptions{
		Documents: c.Documents, Legs: c.DerivationsPerDocument, Months: c.Months, Seed: c.Seed, NoEvents: c.NoEvents,
		Progress: func(done demo.Seeded) {
			fmt.Fprintf(out.stderr, "\r%d of %d documents, %.0f per second ", done.Documents, c.Documents, float64(done.Documents)/time.Since(began).Seconds())
		},
	})
	database.cache.Linger(out.ctx)
	fmt.Fprintln(out.stderr)
	fmt.Fprintf(out.stdout, "added %s, %s and %s in %s\n", verify.Count(done.Documents, "document"), verify.Count(done.Derivations, "derivation"),
		verify.Count(done.Events, "event"), time.Since(began).Round(time.Millisecond))
	return err
}

type userCmd struct {
	Create   createUserCmd   `cmd:"" help:"Create an account; the password is generated, printed once and has to be changed, or is read from standard input."`
	Password passwordUserCmd `cmd:"" help:"Give an account a new password, which has to be changed unless it is read from standard input, and end its sessions."`
	Grant    grantUserCmd    `cmd:"" help:"Give an account a role, from its next request on."`
	Revoke   revokeUserCmd   `cmd:"" help:"Take a role from an account, from its next request on."`

	Deactivate deactivateUserCmd `cmd:"" help:"Let an account no longer act or sign in, from its next request on."`
	Activate   activateUserCmd   `cmd:"" help:"Let an account act and sign in again."`
}

// roleOf names a role of an account.
type roleOf struct {
	Email string        `required:"" help:"E-mail of the account."`
	Role  mesa.RoleCode `required:"" help:"One of ADMIN, DESK_HEAD, DESK_CLERK, AREA_HEAD, AREA_USER, ARCHIVIST, AUDITOR, VIEWER."`
	Area  string        `help:"Code of the one area in which it holds; default: the whole institution."`
}

func (r roleOf) input(cat *mesa.Catalogue) (in desk.RoleInput, err error) {
	in.Role = r.Role
	if in.UserID, err = userOf(cat, r.Email); err == nil && r.Area != "" {
		in.AreaID, err = areaOf(cat, r.Area)
	}
	return in, err
}

// userOf is the account with an address.
func userOf(cat *mesa.Catalogue, email string) (mesa.UserID, error) {
	if user := cat.UserByEmail(strings.TrimSpace(email)); user != nil {
		return user.ID, nil
	}
	return "", mesa.ErrNotFound("email")
}

// areaOf is the area with a code.
func areaOf(cat *mesa.Catalogue, code string) (mesa.AreaID, error) {
	if area := cat.AreaByCode(code); area != nil {
		return area.ID, nil
	}
	return "", mesa.Invalid("area", "El área no existe.")
}

type grantUserCmd struct{ roleOf }

// Run gives the role.
func (c *grantUserCmd) Run(out *streams, s *settings) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error {
		in, err := c.input(by.Catalogue)
		if err == nil {
			_, err = d.GrantRole(out.ctx, by, in)
		}
		return err
	})
}

type revokeUserCmd struct{ roleOf }

// Run takes the role away.
func (c *revokeUserCmd) Run(out *streams, s *settings) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error {
		in, err := c.input(by.Catalogue)
		if err == nil {
			_, err = d.RevokeRole(out.ctx, by, in)
		}
		return err
	})
}

// accountOf names an account.
type accountOf struct {
	Email string `required:"" help:"E-mail of the account."`
}

func (a accountOf) setActive(out *streams, s *settings, active bool) error {
	return withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error {
		id, err := userOf(by.Catalogue, a.Email)
		if err == nil {
			_, err = d.SetActive(out.ctx, by, id, active)
		}
		return err
	})
}

type deactivateUserCmd struct{ accountOf }

// Run lets the account no longer act.
func (c *deactivateUserCmd) Run(out *streams, s *settings) error {
	return c.setActive(out, s, false)
}

type activateUserCmd struct{ accountOf }

// Run lets the account act again.
func (c *activateUserCmd) Run(out *streams, s *settings) error {
	return c.setActive(out, s, true)
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
		in := desk.CreateUserInput{Email: c.Email, FullName: c.Name, Roles: []desk.NewRoleInput{{Role: c.Role}}}
		if c.Area != "" {
			area, err := areaOf(by.Catalogue, c.Area)
			if err != nil {
				return err
			}
			in.AreaIDs = []mesa.AreaID{area}
		}
		if c.PasswordStdin {
			own, err := readPassword()
			if err != nil {
				return err
			}
			in.Password = own
		}
		user, drawn, err := d.CreateUser(out.ctx, by, in)
		if err != nil {
			return err
		}
		fmt.Fprintf(out.stdout, "created %s\n", user.Email)
		if drawn != "" {
			fmt.Fprintf(out.stdout, "password: %s\n", drawn)
			fmt.Fprintln(out.stderr, "It has to be changed at the first sign-in.")
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
		if c.PasswordStdin {
			own, err := readPassword()
			if err != nil {
				return err
			}
			return d.SetPassword(out.ctx, by, c.Email, own, false)
		}
		drawn := desk.NewPassword()
		if err := d.SetPassword(out.ctx, by, c.Email, drawn, true); err != nil {
			return err
		}
		fmt.Fprintf(out.stdout, "password: %s\n", drawn)
		fmt.Fprintln(out.stderr, "It has to be changed at the first sign-in.")
		return nil
	})
}

// readPassword reads the password of somebody's own choice.
func readPassword() (string, error) {
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", fmt.Errorf("read the password from standard input: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.New("no password on the first line of standard input")
	}
	return line, nil
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
	return withStore(out, s, func(_ *store, d *desk.Desk, by *mesa.Actor) error { return do(d, by) })
}

// withStore is withDesk for commands that look at the database, too.
func withStore(out *streams, s *settings, do func(st *store, d *desk.Desk, by *mesa.Actor) error) error {
	log := s.logger(out.stderr)
	st, err := s.openMigrated(out.ctx, log)
	if err != nil {
		return err
	}
	defer st.Close()
	if _, err := demo.CreateBase(out.ctx, st.DB); err != nil {
		return err
	}
	cat, err := st.Catalogue(out.ctx, 0)
	if err != nil {
		return err
	}
	err = do(st, desk.New(st.DB, log), mesa.System(cat, "mesa"))
	st.cache.Linger(out.ctx)
	return err
}
