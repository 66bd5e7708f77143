package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/internal/testkit/server"
	"github.com/mesapartes/mesa/mesa"
	"github.com/mesapartes/mesa/migrations"
)

// noon is the instant that the desk lives in, so that every run sees the same data on the same day.
var noon = time.Date(2026, time.November, 20, 17, 0, 0, 0, time.UTC)

// desk is a database full of documents, opened twice: by the program and by the hand-written handlers.
type desk struct {
	*db.DB
	plain *sql.DB
	url   string
	cat   *mesa.Catalogue
	head  caller // of the desk: sees all but the confidential documents of others
	clerk caller // of an area: sees what the area took part in
}

// caller is somebody who is signed in.
type caller struct {
	*mesa.Actor
	token string
}

// openDesk opens the kept database of this size and schema, or makes it.
func openDesk(ctx context.Context, o options, backend string, stderr io.Writer) (*desk, error) {
	name := fmt.Sprintf("bench_%d_%s", o.documents, schemaVersion(backend))
	address, driver, source, err := locate(ctx, o, backend, name)
	if err != nil {
		return nil, err
	}
	database, err := db.Open(ctx, address, db.Options{Now: func() time.Time { return noon }})
	if err != nil {
		return nil, err
	}
	d := &desk{DB: database, url: address}
	if d.plain, err = sql.Open(driver, source); err != nil {
		return nil, errors.Join(err, d.close())
	}
	conns := max(16, 4*runtime.NumCPU()) // as many as the program has
	d.plain.SetMaxOpenConns(conns)
	d.plain.SetMaxIdleConns(conns)
	if err := d.prepare(ctx, o, stderr); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// schemaVersion tells one state of the migrations from another.
func schemaVersion(backend string) string {
	sum := sha256.New()
	_ = fs.WalkDir(migrations.Files, backend, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			text, _ := migrations.Files.ReadFile(path) // embedded
			sum.Write(text)
		}
		return err
	})
	return fmt.Sprintf("%x", sum.Sum(nil))[:8]
}

// locate says where the database is. A private PostgreSQL begins empty each time; one that was given keeps it.
func locate(ctx context.Context, o options, backend, name string) (address, driver, source string, err error) {
	if backend == "sqlite" {
		if err := os.MkdirAll(o.folder, 0o700); err != nil {
			return "", "", "", err
		}
		path := filepath.Join(o.folder, name+".db")
		return "sqlite://" + path, "sqlite", "file:" + path + "?_pragma=query_only(1)&_pragma=cache_size(-65536)&_pragma=mmap_size(268435456)", nil
	}
	base, admin, err := postgres()
	if err != nil {
		return "", "", "", err
	}
	defer admin.Close()
	var exists bool
	if err := admin.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil {
		return "", "", "", err
	}
	if !exists {
		if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+name+" ENCODING 'UTF8' TEMPLATE template0"); err != nil {
			return "", "", "", err
		}
	}
	base.Path = "/" + name
	return base.String(), "pgx", base.String(), nil
}

// postgres is the server to measure on, and a handle to administer it.
func postgres() (*url.URL, *sql.DB, error) {
	base, err := url.Parse(os.Getenv(server.Postgres.Env))
	if err != nil || base.Host == "" {
		return nil, nil, fmt.Errorf("%s is not the URL of a server: use make bench, or go run ./internal/testkit/run -- …", server.Postgres.Env)
	}
	admin, err := sql.Open("pgx", base.String())
	return base, admin, err
}

// temporary makes an empty database that goes with drop.
func temporary(ctx context.Context, backend string) (address string, drop func(), err error) {
	if backend == "sqlite" {
		folder, err := os.MkdirTemp("", "mesa-bench-")
		return "sqlite://" + filepath.Join(folder, "load.db"), func() { _ = os.RemoveAll(folder) }, err
	}
	base, admin, err := postgres()
	if err != nil {
		return "", nil, err
	}
	name := "bench_load_" + strings.ToLower(rand.Text())
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+name+" ENCODING 'UTF8' TEMPLATE template0"); err != nil {
		return "", nil, errors.Join(err, admin.Close())
	}
	base.Path = "/" + name
	return base.String(), func() {
		_, _ = admin.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)") // else it ends with the server
		_ = admin.Close()
	}, nil
}

func (d *desk) close() error {
	if d.plain == nil {
		return d.DB.Close()
	}
	return errors.Join(d.plain.Close(), d.DB.Close())
}

// prepare fills the database unless that was done and signs the callers in.
func (d *desk) prepare(ctx context.Context, o options, stderr io.Writer) (err error) {
	if _, err := d.Migrate(ctx); err != nil {
		return err
	}
	begun := time.Now()
	if _, _, err := demo.Create(ctx, d.DB, demo.Options{Seed: 1, Documents: -1}); err != nil {
		return err
	}
	var n int
	if err := d.plain.QueryRowContext(ctx, "SELECT count(*) FROM documents").Scan(&n); err != nil {
		return err
	}
	if n < o.documents {
		if n > 0 {
			return fmt.Errorf("an earlier run left a database with %d of %d documents: remove %s", n, o.documents, d.place())
		}
		if _, err := demo.Seed(ctx, d.DB, demo.SeedOptions{Documents: o.documents, Legs: 3, Seed: 1}); err != nil {
			return err
		}
		if err := analyze(ctx, d.url); err != nil {
			return err
		}
		fmt.Fprintf(stderr, "%s: seeded in %v\n", d.Backend(), time.Since(begun).Round(time.Second/10))
	}
	if d.Backend() == "postgres" {
		if err := d.removeDerived(ctx); err != nil {
			return err
		}
	}
	if d.cat, err = d.Catalogue(ctx, 0); err != nil {
		return err
	}
	if d.head, err = d.signIn(ctx, "jefe.mesa@demo.mesa.pe"); err != nil {
		return err
	}
	d.clerk, err = d.signIn(ctx, "som1@demo.mesa.pe")
	return err
}

// place is where the database is, without how to get in.
func (d *desk) place() string {
	if path, ok := strings.CutPrefix(d.url, "sqlite://"); ok {
		return path
	}
	u, _ := url.Parse(d.url) // locate made it
	return fmt.Sprintf("the database %s on %s", strings.TrimPrefix(u.Path, "/"), u.Host)
}

// analyze does what PostgreSQL would do by itself in the next minutes.
func analyze(ctx context.Context, address string) error {
	if strings.HasPrefix(address, "sqlite:") {
		return nil
	}
	database, err := sql.Open("pgx", address)
	if err != nil {
		return err
	}
	defer database.Close()
	_, err = database.ExecContext(ctx, "VACUUM (ANALYZE)")
	return err
}

func (d *desk) signIn(ctx context.Context, email string) (c caller, err error) {
	user, err := d.UserByEmail(ctx, email)
	if err != nil {
		return c, fmt.Errorf("%s: %w", email, err)
	}
	c.token = "bench-" + email
	if c.Actor, err = d.Actor(ctx, c.token); err == nil {
		return c, nil
	}
	err = d.InTx(ctx, func(tx *db.Tx) error {
		ids := tx.IDs()
		session := &mesa.Session{ID: ids.Session(noon), TokenHash: db.TokenHash(c.token), UserID: user.ID, CreatedAt: noon, ExpiresAt: noon.AddDate(1, 0, 0)}
		refresh := &mesa.RefreshToken{TokenHash: db.TokenHash("refresh-" + email), SessionID: session.ID, CreatedAt: noon, ExpiresAt: session.ExpiresAt}
		return tx.InsertSession(ctx, session, refresh)
	})
	if err != nil {
		return c, err
	}
	c.Actor, err = d.Actor(ctx, c.token)
	return c, err
}

// area is where the clerk works.
func (d *desk) area() mesa.AreaID { return cmp.Or(d.clerk.Areas[0], "") }
