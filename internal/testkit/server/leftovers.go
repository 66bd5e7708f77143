package server

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
)

// Databases of tests are named mesa_test_<owner>_<n>, and the owning process keeps one connection under the application name
// mesa_test_<owner>. A database without that connection was left by a process that was killed: whoever comes next drops it.
const testPrefix = "mesa_test_"

// Owner names the test databases of this process on a server that others may use too.
type Owner struct {
	name  string
	count int
}

// NewOwner returns an owner that no other process has.
func NewOwner() *Owner {
	return &Owner{name: fmt.Sprintf("%s%016x", testPrefix, rand.Uint64())}
}

// Connect opens the connection that shows the owner to be alive, and drops what dead ones left. It must stay open.
func (o *Owner) Connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = o.name
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := dropLeftovers(ctx, conn); err != nil {
		conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// NextName returns a database name that nobody else uses.
func (o *Owner) NextName() string {
	o.count++
	return fmt.Sprintf("%s_%d", o.name, o.count)
}

// dropLeftovers drops the test databases whose owner is gone.
func dropLeftovers(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
		SELECT d.datname FROM pg_database d
		WHERE starts_with(d.datname, $1) AND pg_get_userbyid(d.datdba) = current_user
		AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = regexp_replace(d.datname, '_\d+$', ''))`, testPrefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		// An error here means that another test binary was quicker, or that it will be dropped next time.
		conn.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{name}.Sanitize()+` WITH (FORCE)`)
	}
	return nil
}

// tidyPostgres drops leftovers with a connection of its own.
func tidyPostgres(ctx context.Context, url string) error {
	conn, err := NewOwner().Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}
