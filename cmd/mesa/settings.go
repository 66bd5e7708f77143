package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/exchange"
	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/jobs"
)

// settings are what an operator can set. Each is a flag, an environment variable and a line of the env file.
type settings struct {
	DataDir       string        `default:"./var" env:"MESA_DATA_DIR" help:"Folder for the embedded database and other files."`
	DatabaseURL   string        `env:"MESA_DATABASE_URL" help:"sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME; default: mesa.db in the data folder." secret:"url"`
	RedisURL      string        `env:"MESA_REDIS_URL" help:"redis://:PASSWORD@HOST:6379/0 to share the cache and announce jobs between processes." secret:"url"`
	RedisPrefix   string        `default:"mesa" env:"MESA_REDIS_PREFIX" help:"Beginning of every key in Redis: one for each database."`
	NoCache       bool          `env:"MESA_NO_CACHE" help:"Keep no answers."`
	CacheMiB      int64         `name:"cache-mib" default:"64" env:"MESA_CACHE_MIB" help:"Memory for kept answers, in MiB."`
	MaxConns      int           `default:"0" env:"MESA_DATABASE_CONNECTIONS" help:"Connections to PostgreSQL; 0 chooses by the number of processors."`
	Files         string        `env:"MESA_FILES" help:"Where the files of reports are: a folder, or s3://ACCESS:SECRET@HOST/BUCKET/PREFIX?region=…&tls=false; default: files in the data folder." secret:"url"`
	Keys          string        `env:"MESA_KEYS" help:"Keys that seal credentials and sign links, NAME:BASE64 of 32 bytes, separated by commas, the active one first; default: one is made in the data folder. All processes need the same." secret:"yes"`
	Mode          string        `default:"development" enum:"development,production" env:"MESA_MODE" help:"In production strangers cannot explore the schema, and the clock cannot be set."`
	OutboundAllow string        `env:"MESA_OUTBOUND_ALLOW" help:"Networks that may be called although they are private, such as 10.20.0.0/16, separated by commas."`
	ExchangeScale float64       `default:"1" env:"MESA_EXCHANGE_SCALE" help:"Factor of the waits between attempts to send to other institutions, to try them out; not in production."`
	Diagnostics   bool          `env:"MESA_DIAGNOSTICS" help:"Let administrators add jobs that try the queue: they take time, fail, or crash the worker."`
	Clock         string        `env:"MESA_CLOCK" help:"Instant (RFC 3339) at which the clock starts, to show and test deadlines; not in production."`
	Log           string        `default:"auto" enum:"auto,json,text" env:"MESA_LOG" help:"Form of the log; auto is JSON in production and text elsewhere."`
	LogLevel      slog.Level    `default:"info" env:"MESA_LOG_LEVEL" help:"debug, info, warn or error."`
	SlowAt        time.Duration `default:"500ms" env:"MESA_SLOW_STATEMENT" help:"Statements that take longer are logged and kept for slowQueries; 0: none is slow."`
}

// clock is the one clock of the process: the real one, or one that starts at the instant set.
func (s *settings) clock() (func() time.Time, error) {
	if s.Clock == "" {
		return time.Now, nil
	}
	if s.Mode == "production" {
		return nil, fmt.Errorf("the clock cannot be set in production: unset MESA_CLOCK or MESA_MODE")
	}
	start, err := time.Parse(time.RFC3339, s.Clock)
	if err != nil {
		return nil, fmt.Errorf("clock must be an instant such as 2026-07-28T09:00:00-05:00, not %q", s.Clock)
	}
	began := time.Now()
	return func() time.Time { return start.Add(time.Since(began)) }, nil
}

func (s *settings) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.LogLevel, ReplaceAttr: readable}
	if s.Log == "json" || s.Log == "auto" && s.Mode == "production" {
		return slog.New(trace.Logged(slog.NewJSONHandler(w, options)))
	}
	return slog.New(trace.Logged(slog.NewTextHandler(w, options)))
}

// readable writes durations as people write them; JSON would have nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// databaseURL is the database in force; it makes the data folder when the database lies in it.
func (s *settings) databaseURL() (string, error) {
	if s.DatabaseURL != "" {
		return s.DatabaseURL, nil
	}
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		return "", &wrongSetting{"MESA_DATA_DIR", fmt.Errorf("data folder: %w", err)}
	}
	return "sqlite://" + s.databaseFile(), nil
}

// databaseFile is the file that the database is, "" when it is none.
func (s *settings) databaseFile() string {
	if s.DatabaseURL == "" {
		return filepath.Join(s.DataDir, "mesa.db")
	}
	if path, isFile := strings.CutPrefix(s.DatabaseURL, "sqlite://"); isFile {
		return path
	}
	return ""
}

// fileStore is where the files of reports are.
func (s *settings) fileStore() (files.Store, error) {
	if s.Files != "" && !strings.Contains(s.Files, "://") {
		return files.Open("", s.Files)
	}
	return files.Open(s.Files, filepath.Join(s.DataDir, "files"))
}

// keyring are the keys of the installation: those that were set, or one that is made once and kept in the data folder.
func (s *settings) keyring() (*secret.Keyring, error) {
	if s.Keys != "" {
		return secret.Parse(s.Keys)
	}
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	return secret.LoadOrCreate(filepath.Join(s.DataDir, "keys"))
}

// store is the database, and what is told of its changes.
type store struct {
	*db.DB
	cache   *cache.Cache // nil when nothing is kept
	signals *jobs.Signals
	peers   *exchange.Peers // nil until startExchange

	stopRecording func() // of slow statements; nil until watch
}

// Close closes all. It can be called twice.
func (s *store) Close() error {
	s.cache.Close()
	s.signals.Stop()
	if s.peers != nil {
		s.peers.Close()
	}
	if s.stopRecording != nil {
		s.stopRecording()
	}
	return s.DB.Close()
}

// cause says for which operation or job a statement runs.
func cause(ctx context.Context) (operation, field string) {
	if job := jobs.Cause(ctx); job != "" {
		return job, ""
	}
	return graph.Cause(ctx)
}

// watch lets the cache and those who wait for jobs look for changes that they were not told of, and keeps the figures of slow statements.
// The schema has to be up to date by then.
func (s *store) watch(ctx context.Context) error {
	s.signals.Start(s.DB)
	recording, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { s.RecordSlow(recording) })
	s.stopRecording = func() { stop(); running.Wait() }
	return s.cache.Watch(ctx, s.DB)
}

// wrongSetting is why nothing can be opened with a setting.
type wrongSetting struct {
	name string
	error
}

// open connects to the database and makes the cache. A command that shares its Redis with servers tells them of its changes.
func (s *settings) open(ctx context.Context, log *slog.Logger) (*store, error) {
	now, err := s.clock()
	if err != nil {
		return nil, &wrongSetting{"MESA_CLOCK", err}
	}
	if s.MaxConns < 0 {
		return nil, &wrongSetting{"MESA_DATABASE_CONNECTIONS", errors.New("MESA_DATABASE_CONNECTIONS cannot be negative: 0 chooses by the number of processors")}
	}
	url, err := s.databaseURL()
	if err != nil {
		return nil, err
	}
	st := &store{}
	if !s.NoCache {
		if s.CacheMiB < 1 {
			return nil, &wrongSetting{"MESA_CACHE_MIB", errors.New("the cache needs at least 1 MiB; MESA_NO_CACHE=true keeps no answers")}
		}
		st.cache, err = cache.New(cache.Options{Redis: s.RedisURL, Prefix: s.RedisPrefix, Version: graph.Version(build()), MemoryBytes: s.CacheMiB << 20, Log: log})
		if err != nil {
			return nil, &wrongSetting{"MESA_REDIS_URL", err}
		}
	}
	if st.signals, err = jobs.NewSignals(s.RedisURL, s.RedisPrefix, log); err != nil {
		st.cache.Close()
		return nil, &wrongSetting{"MESA_REDIS_URL", err}
	}
	changed := func(c db.Change) { st.cache.Move(c.Tags, c.Entries) }
	if st.cache == nil {
		changed = nil
	}
	st.DB, err = db.Open(ctx, url, db.Options{MaxConns: s.MaxConns, Now: now, Log: log, SlowAt: s.SlowAt, Cause: cause, Changed: changed, JobsChanged: st.signals.Changed})
	if err != nil {
		st.cache.Close()
		st.signals.Stop()
		return nil, err
	}
	return st, nil
}

// openMigrated opens a database whose schema is this binary's.
func (s *settings) openMigrated(ctx context.Context, log *slog.Logger) (*store, error) {
	st, pending, err := s.openWatched(ctx, log)
	if err == nil && len(pending) > 0 {
		err = errors.Join(fmt.Errorf("the database lacks migration %s: run mesa migrate", pending[0]), st.Close())
		st = nil
	}
	return st, err
}

// openWatched opens a database; when no migration is pending, it is watched.
func (s *settings) openWatched(ctx context.Context, log *slog.Logger) (st *store, pending []string, err error) {
	if st, err = s.open(ctx, log); err != nil {
		return nil, nil, err
	}
	pending, _, err = st.PendingMigrations(ctx)
	if err == nil && len(pending) == 0 {
		err = errors.Join(warnOfNewer(ctx, st.DB, log), st.watch(ctx))
	}
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return st, pending, nil
}

// warnOfNewer logs that a newer program has migrated the database. That is how it is amid an upgrade, when this one has to go on.
func warnOfNewer(ctx context.Context, database *db.DB, log *slog.Logger) error {
	newer, err := database.NewerMigrations(ctx)
	if len(newer) > 0 {
		log.WarnContext(ctx, "a newer version of mesa has migrated the database", "migrations", newer, "version", version)
	}
	return err
}

// configCmd takes the settings of serve too, to print them.
type configCmd struct{ serveCmd }

// Run prints each setting as a line of an env file.
func (c *configCmd) Run(out *streams, s *settings) error {
	printSettings(out.stdout, reflect.ValueOf(*s))
	printSettings(out.stdout, reflect.ValueOf(c.serveCmd))
	for _, v := range trace.Variables {
		printSetting(out.stdout, v.Name, trace.Setting(v.Name), v.Secret)
	}
	return nil
}

func printSettings(w io.Writer, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			printSettings(w, v.Field(i))
			continue
		}
		value := fmt.Sprint(v.Field(i).Interface())
		if list, ok := v.Field(i).Interface().([]string); ok {
			value = strings.Join(list, ",")
		}
		printSetting(w, f.Tag.Get("env"), value, f.Tag.Get("secret"))
	}
}

func printSetting(w io.Writer, name, value, secret string) {
	switch secret {
	case "url":
		value = withoutPassword(value)
	case "yes":
		if value != "" {
			value = "xxxxx"
		}
	}
	fmt.Fprintf(w, "%s=%s\n", name, value)
}

func withoutPassword(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable)"
	}
	q := u.Query()
	for key := range q {
		if strings.HasSuffix(key, "password") {
			q.Set(key, "xxxxx")
			u.RawQuery = q.Encode()
		}
	}
	return u.Redacted()
}
