package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/verify"
	"github.com/mesapartes/mesa/mesa"
)

type verifyCmd struct {
	Audit bool   `help:"Check the whole audit trail, not only the last 10,000 entries: about half a minute for a million."`
	URL   string `env:"MESA_URL" help:"Where a server has to be running, such as http://127.0.0.1:8080; default: none is asked."`
	JSON  bool   `help:"Print JSON."`
}

var errNotWell = errors.New("not everything is well")

// Run prints one line for each check; the exit code is 1 when one failed.
func (c *verifyCmd) Run(out *streams, s *settings) error {
	told := func(l verify.Line) { _, _ = io.WriteString(out.stdout, l.String()) }
	if c.JSON {
		told = func(verify.Line) {}
	}
	st, checks := c.checks(out, s)
	if st != nil {
		defer st.Close()
	}
	lines := verify.Run(out.ctx, checks, told)
	if c.JSON {
		if err := printJSON(out.stdout, verify.ReportOf(lines)); err != nil {
			return err
		}
	}
	if verify.HaveFailed(lines) {
		return errNotWell
	}
	return nil
}

// checks are all that can be done with the settings. When the database does not open, that is the only one besides the settings.
func (c *verifyCmd) checks(out *streams, s *settings) (*store, []verify.Check) {
	checks := []verify.Check{{Name: "settings", Patience: time.Second, Run: s.verify}}
	st, remedy, err := s.openExisting(out.ctx, s.logger(out.stderr))
	if err != nil {
		return nil, append(checks, verify.Unreachable(remedy, err))
	}
	store, err := s.existingFiles()
	in := s.installation(st, store)
	in.NoFiles = err
	in.WholeAudit, in.MustWork = c.Audit, c.URL != ""
	asked := &askedServer{url: strings.TrimSuffix(c.URL, "/"), store: st, desk: desk.New(st.DB, s.logger(io.Discard))}
	checks = append(append(checks, in.Checks()...),
		verify.Check{Name: "server", Patience: 5 * time.Second, Run: asked.ready},
		verify.Check{Name: "subscriptions", Patience: 10 * time.Second, Schema: true, Run: asked.subscribe})
	return st, checks
}

// openExisting is openWatched for a database that is there; an error comes with what to do.
func (s *settings) openExisting(ctx context.Context, log *slog.Logger) (st *store, remedy string, err error) {
	remedy = verify.StartDatabase
	if file := s.databaseFile(); file != "" {
		setting := "MESA_DATABASE_URL"
		if s.DatabaseURL == "" {
			setting = "MESA_DATA_DIR"
		}
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil, "mesa migrate makes one; or correct " + setting, fmt.Errorf("there is no installation here: no database %s", absolute(file))
		}
		remedy = fmt.Sprintf("let the user that runs mesa read and write %s and its folder (chown, chmod), or correct %s", absolute(file), setting)
	}
	st, _, err = s.openWatched(ctx, log)
	if wrong, ok := errors.AsType[*wrongSetting](err); ok {
		remedy = "correct " + wrong.name
	}
	return st, remedy, err
}

// existingFiles is fileStore, but makes no data folder where there is none.
func (s *settings) existingFiles() (files.Store, error) {
	if _, err := os.Stat(s.DataDir); s.Files == "" && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no data folder %s yet", absolute(s.DataDir))
	}
	return s.fileStore()
}

// absolute is where a path leads from anywhere.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// installation is what the checklist looks at.
func (s *settings) installation(st *store, store files.Store) *verify.Installation {
	return &verify.Installation{DB: st.DB, Cache: st.cache, Signals: st.signals, Files: store, HasRedis: s.RedisURL != ""}
}

// verify looks at settings that are read only when something needs them.
func (s *settings) verify(context.Context) verify.Result {
	if _, err := s.clock(); err != nil {
		return verify.Failed("correct MESA_CLOCK", err)
	}
	if _, err := s.fileStore(); err != nil {
		return verify.Failed("correct MESA_FILES", err)
	}
	if s.Keys == "" {
		return verify.OK("%s, keys in the data folder", s.Mode)
	}
	if _, err := s.keyring(); err != nil {
		return verify.Failed("MESA_KEYS is NAME:KEY, where openssl rand -base64 32 makes the KEY", err)
	}
	return verify.OK("%s, keys in MESA_KEYS", s.Mode)
}

// askedServer is a running server, as its clients see it.
type askedServer struct {
	url   string // "" when none is asked
	store *store
	desk  *desk.Desk
}

const startServer = "start mesa serve, or correct --url (MESA_URL)"

// ready asks whether requests may be sent there, and compares its time.
func (a *askedServer) ready(ctx context.Context) verify.Result {
	if a.url == "" {
		return verify.Skipped("not asked (--url or MESA_URL says where one has to be)")
	}
	began := time.Now()
	res, err := send(ctx, http.MethodGet, a.url+"/readyz", "", "*/*", nil)
	if err != nil {
		return verify.Failed(startServer, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 200))
	if err != nil || res.StatusCode != http.StatusOK {
		return verify.Failed("its log says more; "+startServer, fmt.Errorf("it is not ready: %s %s", res.Status, bytes.TrimSpace(text)))
	}
	took := time.Since(began)
	if there, err := http.ParseTime(res.Header.Get("Date")); err == nil && there.Sub(began).Abs() > verify.SkewWell {
		return verify.Failed(verify.SetClock, fmt.Errorf("its clock is %s apart from this machine's", there.Sub(began).Round(time.Second).Abs()))
	}
	return verify.OK("ready, an answer in %s", took.Round(10*time.Microsecond))
}

// subscribe follows a job on the server until its first event, in a session of an administrator.
func (a *askedServer) subscribe(ctx context.Context) verify.Result {
	if a.url == "" {
		return verify.Skipped("no server is asked")
	}
	admin, err := administrator(ctx, a.store)
	if err != nil {
		return verify.Skipped("%v", err)
	}
	took := time.Duration(0)
	err = withSession(ctx, a.store, a.desk, admin, func(token string) error {
		job, err := verify.Probe(ctx, a.store.DB)
		if err != nil {
			return err
		}
		began := time.Now()
		err = a.firstEvent(ctx, token, fmt.Sprintf(`subscription { jobUpdated(id: %q) { state } }`, job.ID))
		took = time.Since(began)
		return err
	})
	if errors.Is(err, errTrustedOnly) {
		return verify.Skipped("%v", err)
	}
	if err != nil {
		return verify.Failed("when a proxy is in between, let it pass text/event-stream at once; else the log of the server says more", err)
	}
	return verify.OK("the first event in %s", took.Round(10*time.Microsecond))
}

// errTrustedOnly is no fault: the server does as it was told.
var errTrustedOnly = errors.New("the server runs trusted documents only (MESA_DOCUMENTS=require)")

// firstEvent reads a stream until there is data.
func (a *askedServer) firstEvent(ctx context.Context, token, subscription string) error {
	res, err := send(ctx, http.MethodPost, a.url+"/graphql", token, "text/event-stream", query(subscription))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(io.LimitReader(res.Body, 64<<10)); lines.Scan(); {
		if data, isData := strings.CutPrefix(lines.Text(), "data: "); isData && strings.Contains(data, `"state"`) {
			return nil
		} else if strings.Contains(lines.Text(), string(mesa.PersistedQueryRequired)) {
			return errTrustedOnly
		} else if strings.Contains(lines.Text(), `"errors"`) {
			return fmt.Errorf("refused: %.300s", lines.Text())
		}
	}
	return fmt.Errorf("no event: %s", res.Status)
}
