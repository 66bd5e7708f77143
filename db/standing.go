package db

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// What an operator is told of a database from outside of the desk.

// PoolStanding is how the connections of this process stand.
type PoolStanding struct {
	Open, InUse, Most int   // of this process
	Waits             int64 // how often somebody waited for one
	Server            int   // connections that the database takes from all processes, 0 where it does not count
}

// PoolStanding says how the connections of this process stand. It waits for one.
func (db *DB) PoolStanding(ctx context.Context) (s PoolStanding, err error) {
	if err = db.read.NewRaw(db.dialect.mostConnections()).Scan(ctx, &s.Server); err != nil {
		return s, fmt.Errorf("ask for a connection: %w", err)
	}
	figures := db.read.DB.Stats()
	s.Open, s.InUse, s.Most, s.Waits = figures.OpenConnections, figures.InUse, figures.MaxOpenConnections, figures.WaitCount
	return s, nil
}

// Pools are the figures of the pools of connections of this process: "read" and "write", or "all" where both are the same.
func (db *DB) Pools() map[string]sql.DBStats {
	if db.read == db.write {
		return map[string]sql.DBStats{"all": db.read.DB.Stats()}
	}
	return map[string]sql.DBStats{"read": db.read.DB.Stats(), "write": db.write.DB.Stats()}
}

// Clock is the time of the database's machine.
func (db *DB) Clock(ctx context.Context) (now time.Time, err error) {
	var us int64
	if err := db.read.NewRaw("SELECT "+db.dialect.clock()).Scan(ctx, &us); err != nil {
		return now, fmt.Errorf("read the time of the database: %w", err)
	}
	return time.UnixMicro(us).UTC(), nil
}
