package testkit

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mesapartes/mesa/internal/testkit/server"
)

// PostgresServer is a PostgreSQL of one test's own, which the test may harm.
type PostgresServer struct {
	URL string // of an empty database

	t testing.TB
}

// StartPostgres starts a PostgreSQL for this test, which ends with it. It is a private one even when MESA_TEST_POSTGRES_URL is set. What is
// committed survives Crash.
func StartPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	s, err := private(server.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	p := &PostgresServer{URL: s.URL, t: t}
	// The others of tests may forget the latest commits when they crash.
	p.must(`CREATE DATABASE own ENCODING 'UTF8' TEMPLATE template0`, `ALTER DATABASE own SET synchronous_commit = on`)
	p.URL = strings.Replace(s.URL, "/postgres?", "/own?", 1)
	return p
}

// Crash kills a process of the server. The server ends all others at once, recovers from its log and takes connections again, as after an
// immediate restart. It returns when that is done.
func (p *PostgresServer) Crash() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.URL)
	if err != nil {
		p.t.Fatalf("PostgreSQL for tests: %v", err)
	}
	defer conn.Close(ctx)
	if err := syscall.Kill(int(conn.PgConn().PID()), syscall.SIGKILL); err != nil {
		p.t.Fatalf("kill a process of PostgreSQL: %v", err)
	}
	for conn.Ping(ctx) == nil { // until it has happened
		time.Sleep(time.Millisecond)
	}
	for err = errors.New("gone"); err != nil && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		var again *pgx.Conn
		if again, err = pgx.Connect(ctx, p.URL); err == nil {
			err = again.Close(ctx)
		}
	}
	if err != nil {
		p.t.Fatalf("PostgreSQL does not come back: %v", err)
	}
}

func (p *PostgresServer) must(statements ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.URL)
	for _, statement := range statements {
		if err == nil {
			_, err = conn.Exec(ctx, statement)
		}
	}
	if err != nil {
		p.t.Fatalf("PostgreSQL for tests: %v", err)
	}
	_ = conn.Close(ctx)
}
