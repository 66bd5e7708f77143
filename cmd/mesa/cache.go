package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/mesa"
)

type cacheCmd struct {
	Stats cacheStatsCmd `cmd:"" help:"Print the figures of all processes."`
	Clear cacheClearCmd `cmd:"" help:"Let every process forget what it keeps, as after restoring a backup."`
}

type cacheStatsCmd struct {
	URL  string `default:"http://127.0.0.1:8080" env:"MESA_URL" help:"Where the server is; not needed with Redis."`
	JSON bool   `help:"Print JSON."`
}

// Run asks Redis for what the processes tell there; without Redis it asks the server.
func (c *cacheStatsCmd) Run(out *streams, s *settings) error {
	st, err := s.openMigrated(out.ctx, s.logger(out.stderr))
	if err != nil {
		return err
	}
	defer st.Close()
	if st.cache == nil {
		return errors.New("no answers are kept (MESA_NO_CACHE)")
	}
	list, err := c.collect(out.ctx, s, st)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.stdout, list)
	}
	for _, p := range list {
		printStats(out.stdout, p)
	}
	return nil
}

func (c *cacheStatsCmd) collect(ctx context.Context, s *settings, st *store) ([]cache.Stats, error) {
	if s.RedisURL == "" {
		return c.askServer(ctx, s, st)
	}
	if err := st.cache.WaitForRedis(ctx); err != nil {
		return nil, err
	}
	list := st.cache.Peers(ctx)[1:] // all but this command
	if len(list) == 0 {
		return nil, errors.New("no server uses this Redis with this prefix")
	}
	return list, nil
}

func printStats(w io.Writer, p cache.Stats) {
	fmt.Fprintf(w, "%s  %s\n", p.Process, placeOf(p))
	fmt.Fprintf(w, "  hits %d, misses %d, bypasses %d, hit rate %.1f %%\n", p.Hits, p.Misses, p.Bypasses, 100*p.HitRate())
	fmt.Fprintf(w, "  entries %d, about %d KiB of %d KiB\n", p.Entries, p.Bytes>>10, p.MaxBytes>>10)
	fmt.Fprintf(w, "  invalidations %d, changes nobody told of %d\n", p.Invalidations(), p.Found)
}

// placeOf says where a process keeps answers.
func placeOf(p cache.Stats) string {
	if p.Backend == "MEMORY" {
		return "in memory, no Redis is configured"
	}
	place := map[cache.State]string{cache.Closed: "Redis in use", cache.Open: "Redis does not answer", cache.HalfOpen: "Redis is back, not in use yet"}[p.State]
	if p.Problem != "" {
		place += " (" + p.Problem + ")"
	}
	return place
}

const statsQuery = `{ cacheStats { backend state problem hits misses bypasses entries bytes maxBytes found invalidationsByTag { tag count } processes { name } } }`

// askServer asks a running server with a session of an administrator that it opens for the purpose.
func (c *cacheStatsCmd) askServer(ctx context.Context, s *settings, st *store) (list []cache.Stats, err error) {
	d := desk.New(st.DB, s.logger(io.Discard))
	admin, err := administrator(ctx, st)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			CacheStats *struct {
				cache.Stats
				InvalidationsByTag []struct {
					Tag   string
					Count int64
				}
				Processes []struct{ Name string }
			}
		}
		Errors []struct{ Message string }
	}
	err = withSession(ctx, st, d, admin, func(token string) error { return ask(ctx, c.URL+"/graphql", token, statsQuery, &answer) })
	if err != nil {
		return nil, err
	}
	if len(answer.Errors) > 0 || answer.Data.CacheStats == nil {
		return nil, fmt.Errorf("the server at %s answers with errors: %v", c.URL, answer.Errors)
	}
	figures := answer.Data.CacheStats.Stats
	figures.Moved = map[string]int64{}
	for _, row := range answer.Data.CacheStats.InvalidationsByTag {
		figures.Moved[row.Tag] = row.Count
	}
	if p := answer.Data.CacheStats.Processes; len(p) > 0 {
		figures.Process = p[0].Name
	}
	return []cache.Stats{figures}, nil
}

// withSession does something with the token of a session that it opens for the purpose.
func withSession(ctx context.Context, st *store, d *desk.Desk, email string, do func(token string) error) error {
	in, err := d.OpenSession(ctx, email)
	if err != nil {
		return err
	}
	err = do(in.Token)
	actor, failed := st.Actor(context.WithoutCancel(ctx), in.Token)
	if failed == nil {
		failed = d.SignOut(context.WithoutCancel(ctx), actor)
	}
	return errors.Join(err, failed)
}

// administrator is the e-mail of somebody who may see the figures.
func administrator(ctx context.Context, st *store) (string, error) {
	cat, err := st.Catalogue(ctx, 0)
	if err != nil {
		return "", err
	}
	for _, u := range cat.Users {
		if !u.IsActive {
			continue
		}
		if actor, err := st.ActorOf(ctx, u.ID); err == nil && actor.MayEverywhere(mesa.MayManageSettings) {
			return u.Email, nil
		}
	}
	return "", errors.New("there is no active administrator: mesa user create --role ADMIN")
}

// ask asks a server over HTTP.
func ask(ctx context.Context, url, token, text string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	res, err := send(ctx, http.MethodPost, url, token, "application/json", query(text))
	if err != nil {
		return fmt.Errorf("no server answers (--url or MESA_URL says where it is): %w", err)
	}
	defer res.Body.Close()
	return json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(into)
}

type cacheClearCmd struct{}

// Run leaves a note in the journal, which every process follows.
func (cacheClearCmd) Run(out *streams, s *settings) error {
	err := withDesk(out, s, func(d *desk.Desk, by *mesa.Actor) error { return d.ClearCache(out.ctx, by) })
	if err == nil {
		fmt.Fprintln(out.stdout, "every process has forgotten what it kept")
	}
	return err
}
