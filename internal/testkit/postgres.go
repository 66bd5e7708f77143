package testkit

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mesapartes/mesa/internal/testkit/server"
)

// PostgresURL returns the URL of a new empty database (UTF-8), dropped when the test ends.
//
// The server is the one of MESA_TEST_POSTGRES_URL, whose user must be allowed to create databases; when that is not set, the first
// call of the process starts a private server, which ends with the process.
func PostgresURL(t testing.TB) string {
	t.Helper()
	return postgres(t).create(t, "template0") // not template1, which a given server may have filled
}

// PostgresClone returns the URL of a copy of the database that prepare made under this template name, once per process; the copy is
// dropped when the test ends. Prepare must close its connections.
func PostgresClone(t testing.TB, template string, prepare func(url string)) string {
	t.Helper()
	p := postgres(t)
	name := p.templates.get(template, func() string {
		name := p.createNamed(t, "template0")
		ready := false
		defer func() {
			if !ready {
				p.drop(t, name)
			}
		}()
		prepare(p.url(name))
		p.exec(t, `ALTER DATABASE `+quote(name)+` ALLOW_CONNECTIONS false`)
		p.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '`+name+`'`)
		ready = true
		return name
	})
	return p.create(t, name)
}

// postgresServer is the server that this process uses and the one connection it administers it with.
type postgresServer struct {
	base      *url.URL
	private   *server.Server // nil when the server was given; kept, since letting go of it would stop it
	templates templates[string]

	mu    sync.Mutex // guards conn and owner
	conn  *pgx.Conn
	owner *server.Owner
}

// postgres returns the server, started or connected to on the first call. A failure is the same for all tests of the process.
func postgres(t testing.TB) *postgresServer {
	t.Helper()
	p, err := startOnce()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var startOnce = sync.OnceValues(func() (*postgresServer, error) {
	p := &postgresServer{owner: server.NewOwner()}
	given := os.Getenv(server.Postgres.Env)
	if given == "" {
		s, err := private(server.Postgres)
		if err != nil {
			return nil, err
		}
		p.private, given = s, s.URL
	}
	base, err := url.Parse(given)
	if err != nil {
		return nil, fmt.Errorf("%s is not a URL", server.Postgres.Env) // the parser's error would print the password
	}
	p.base = base
	return p, nil
})

// url returns the server's URL with another database.
func (p *postgresServer) url(database string) string {
	u := *p.base
	u.Path = "/" + database
	return u.String()
}

// create makes a database and drops it when the test ends.
func (p *postgresServer) create(t testing.TB, template string) string {
	t.Helper()
	name := p.createNamed(t, template)
	t.Cleanup(func() { p.drop(t, name) })
	return p.url(name)
}

func (p *postgresServer) createNamed(t testing.TB, template string) (name string) {
	t.Helper()
	p.admin(t, func(ctx context.Context, conn *pgx.Conn) error {
		name = p.owner.NextName()
		_, err := conn.Exec(ctx, `CREATE DATABASE `+quote(name)+` ENCODING 'UTF8' TEMPLATE `+quote(template))
		return err
	})
	return name
}

// drop throws out who is still connected: a test that leaks a pool is for the leak check to report, not for the next test to suffer.
func (p *postgresServer) drop(t testing.TB, name string) {
	t.Helper()
	p.exec(t, `DROP DATABASE IF EXISTS `+quote(name)+` WITH (FORCE)`)
}

func (p *postgresServer) exec(t testing.TB, sql string) {
	t.Helper()
	p.admin(t, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql)
		return err
	})
}

// admin lends the administration connection, opening it when there is none or the last one was lost. The context is not the test's,
// which has ended when its cleanup runs.
func (p *postgresServer) admin(t testing.TB, do func(ctx context.Context, conn *pgx.Conn) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.connect(ctx); err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	if err := do(ctx, p.conn); err != nil {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
}

func (p *postgresServer) connect(ctx context.Context) (err error) {
	if p.conn != nil && !p.conn.IsClosed() {
		return nil
	}
	p.conn, err = p.owner.Connect(ctx, p.base.String())
	return err
}

func quote(identifier string) string { return pgx.Identifier{identifier}.Sanitize() }
