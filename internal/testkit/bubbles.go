package testkit

import (
	"context"
	"io"
	"net"
	"os"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// InBubbles makes connections to PostgreSQL fit for bubbles of testing/synctest. When a write takes longer than 15 ms, as on a busy machine,
// pgx has a goroutine of its own read what the server says meanwhile. That one may go on until the next statement is answered, and then wake
// whoever asked it: in a bubble, which nobody outside may wake, that ends the whole program. Here it gets nothing to read. It is there for
// servers that take no more before they are read from, as in COPY, which tests in bubbles do not do.
func InBubbles(config *pgx.ConnConfig) {
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &unattended{Conn: conn}, nil
	}
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		if conn, ok := w.(*unattended); ok {
			conn.framed.Store(true)
			r = conn.Conn
		}
		return pgproto3.NewFrontend(r, w)
	}
}

// unattended is a connection that only a frontend reads from as soon as there is one.
type unattended struct {
	net.Conn
	framed atomic.Bool
}

func (c *unattended) Read(b []byte) (int, error) {
	if c.framed.Load() {
		return 0, os.ErrDeadlineExceeded // what the background reader takes for no news
	}
	return c.Conn.Read(b)
}
