package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/testkit/server"
)

// node is the program as one process is it: a web server with a database handle and a cache of its own.
type node struct {
	*site
	db    *db.DB
	cache *cache.Cache
}

// startNode starts a node whose cache is used by the time it returns; nil options keep nothing.
func startNode(ctx context.Context, address string, now func() time.Time, o *cache.Options) (n *node, err error) {
	n = &node{}
	defer func() {
		if err != nil {
			n.stop()
		}
	}()
	if o != nil {
		with := *o
		with.Version = graph.Version("bench")
		if n.cache, err = cache.New(with); err != nil {
			return n, err
		}
	}
	changed := func(c db.Change) { n.cache.Move(c.Tags, c.Entries) }
	if n.db, err = db.Open(ctx, address, db.Options{Now: now, Changed: changed}); err != nil {
		return n, err
	}
	if err = n.cache.Watch(ctx, n.db); err != nil {
		return n, err
	}
	if o != nil {
		if err = n.cache.WaitForRedis(ctx); err != nil {
			return n, err
		}
	}
	n.site, err = serveProgram(n.db, n.cache)
	return n, err
}

// stop stops what was started.
func (n *node) stop() {
	if n.site != nil {
		n.site.stop()
	}
	n.cache.Close()
	if n.db != nil {
		_ = n.db.Close()
	}
}

// redisURL is the Redis to measure with.
func redisURL() (string, error) {
	address := os.Getenv(server.Redis.Env)
	if address == "" {
		return "", fmt.Errorf("%s is not set: use make bench, or go run ./internal/testkit/run -- …", server.Redis.Env)
	}
	return address, nil
}

// newPrefix is one that nobody else uses in a Redis.
func newPrefix() string { return "bench-" + rand.Text() }

// got is an answer with what the program says about where it is from.
type got struct {
	body    []byte
	outcome cache.Outcome
}

// fetch asks over HTTP.
func (s *site) fetch(ctx context.Context, a ask) (got, error) {
	res, err := s.client.Do(a().WithContext(ctx))
	if err != nil {
		return got{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(res.Status)
	}
	return got{body, cache.Outcome(res.Header.Get("X-Cache"))}, err
}
