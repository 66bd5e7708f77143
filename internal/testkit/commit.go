package testkit

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// LostCommit breaks a connection to PostgreSQL once, at the commit of a transaction with a statement that contains Statement. Whoever asked
// for it does not know whether it landed.
type LostCommit struct {
	Statement string
	Landed    bool // the server committed
	lost      atomic.Bool
}

// IsLost says whether it has happened.
func (l *LostCommit) IsLost() bool { return l.lost.Load() }

// In plants it in connections.
func (l *LostCommit) In(config *pgx.ConnConfig) {
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &breaking{Conn: conn, at: l}, nil
	}
}

// breaking is a connection that may break at a commit.
type breaking struct {
	net.Conn
	at         *LostCommit
	asked      bool
	committing atomic.Bool
}

func (c *breaking) Write(b []byte) (int, error) {
	c.asked = c.asked || bytes.Contains(b, []byte(c.at.Statement))
	if c.asked && bytes.Contains(b, []byte("commit\x00")) {
		c.committing.Store(true)
		if !c.at.Landed && c.breaks() {
			return len(b), nil // which nobody will answer
		}
	}
	return c.Conn.Write(b)
}

func (c *breaking) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.at.Landed && c.committing.Load() && c.breaks() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *breaking) breaks() bool {
	first := c.at.lost.CompareAndSwap(false, true)
	if first {
		_ = c.Close()
	}
	return first
}
