package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/secret"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

// counter is an institution where Ana has asked for a report and has got it.
type counter struct {
	*testing.T
	server *Server
	http   *httptest.Server
	db     *db.DB
	keys   *secret.Keyring
	ahead  atomic.Int64 // ns by which the clock is
	run    *mesa.ReportRun
	file   string // on the disk
	text   string // what is in it
}

const ana, rosa = "ana@example.org", "rosa@example.org"

// atCounter runs a test on both databases.
func atCounter(t *testing.T, body func(c *counter)) {
	t.Helper()
	testkit.EachClone(t, "base", prepare, func(t *testing.T, url string) {
		t.Parallel()
		c := &counter{T: t}
		log := slog.New(slog.DiscardHandler)
		signals, err := jobs.NewSignals("", "", log)
		c.ok(err)
		c.db, err = db.Open(t.Context(), url, db.Options{Now: func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }, JobsChanged: signals.Changed})
		c.ok(err)
		t.Cleanup(func() { signals.Stop(); c.db.Close() })
		signals.Start(c.db)
		c.keys, err = secret.Parse("test:" + strings.Repeat("A", 43))
		c.ok(err)
		dir := t.TempDir()
		c.server = &Server{Resolver: &graph.Resolver{DB: c.db, Desk: desk.New(c.db, log), Jobs: signals, Log: log, Files: files.Folder(dir), Keys: c.keys}, Log: log}
		c.http = httptest.NewServer(c.server.Handler())
		t.Cleanup(c.http.Close)
		for email, role := range map[string]mesa.RoleCode{ana: mesa.DeskHead, rosa: mesa.Auditor, "admin@example.org": mesa.Admin} {
			in := desk.CreateUserInput{Email: email, FullName: "Ana", Roles: []desk.NewRoleInput{{Role: role}}, Password: "tuma-lore-kiva-pono"}
			in.AreaIDs = []mesa.AreaID{c.system().Catalogue.AreaByCode("MP").ID}
			_, _, err := c.server.Resolver.Desk.CreateUser(t.Context(), c.system(), in)
			c.ok(err)
		}
		c.make(signals, dir)
		body(c)
	})
}

func (c *counter) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *counter) system() *mesa.Actor {
	c.Helper()
	cat, err := c.db.Catalogue(c.Context(), 0)
	c.ok(err)
	return mesa.System(cat, "test")
}

// id is the account with an address.
func (c *counter) id(email string) mesa.UserID {
	c.Helper()
	return c.system().Catalogue.UserByEmail(email).ID
}

// make lets a worker make Ana's report.
func (c *counter) make(signals *jobs.Signals, dir string) {
	c.Helper()
	in, err := c.server.Resolver.Desk.OpenSession(c.Context(), ana)
	c.ok(err)
	c.run, err = c.server.Resolver.Desk.RequestReport(c.Context(), in.Actor, desk.RequestReportInput{Type: mesa.DocumentRegister, Format: mesa.ReportCSV})
	c.ok(err)
	changes := signals.Follow(c.Context(), c.run.JobID)
	pool := jobs.NewPool(c.db, signals, jobs.Handlers{mesa.JobReport: jobs.Report(c.db, c.server.Resolver.Files)}, jobs.Timing{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(c.Context())
	var running sync.WaitGroup
	running.Go(func() { pool.Run(ctx) })
	for job := range changes {
		if job.State.IsFinal() {
			break
		}
	}
	cancel()
	running.Wait()
	runs, err := c.db.ReportsByID(c.Context(), []mesa.ReportID{c.run.ID})
	c.ok(err)
	c.run = runs[c.run.ID]
	c.file = filepath.Join(dir, filepath.FromSlash(string(c.run.StorageKey)))
	text, err := os.ReadFile(c.file)
	c.ok(err)
	c.text = string(text)
}

// link asks for the link as a client does, "" when there is none.
func (c *counter) link(who string) string {
	c.Helper()
	in, err := c.server.Resolver.Desk.OpenSession(c.Context(), who)
	c.ok(err)
	_, body := ask(c.T, c.http, "GET", "/graphql?query="+url.QueryEscape(`{ reportRun(id: "`+string(c.run.ID)+`") { downloadUrl } }`), "Authorization", "Bearer "+in.Token)
	_, rest, _ := strings.Cut(body, `"downloadUrl":"`)
	link, _, _ := strings.Cut(rest, `"`)
	return strings.ReplaceAll(link, `\u0026`, "&")
}

// signed is a link that may last longer than those that clients get.
func (c *counter) signed(user mesa.UserID, lasts time.Duration) string {
	until := strconv.FormatInt(c.db.Now().Add(lasts).Unix(), 10)
	q := url.Values{"user": {string(user)}, "until": {until}, "signature": {c.keys.Sign("report download", string(c.run.ID), string(c.run.StorageKey), string(user), until)}}
	return "/reports/" + string(c.run.ID) + "/file?" + q.Encode()
}

// downloads counts what is recorded.
func (c *counter) downloads() (n int) {
	c.Helper()
	testkit.Certain(c.T, c.db)
	events, err := c.db.EventsAfter(c.Context(), db.Tail{}, 1000)
	c.ok(err)
	for _, e := range events {
		if e.Type == mesa.ReportFetched && e.ObjectID == string(c.run.ID) {
			n++
			if e.Address == "" || e.RequestID == "" {
				c.Errorf("it is not noted where from: %+v", e)
			}
		}
	}
	return n
}

func TestAReportIsDownloaded(t *testing.T) {
	atCounter(t, func(c *counter) {
		link := c.link(ana)
		res, body := ask(c.T, c.http, "GET", link)
		if res.StatusCode != 200 || body != c.text || res.ContentLength != *c.run.Size || len(body) < 100 {
			c.Fatalf("%s: %d bytes of %d", res.Status, len(body), len(c.text))
		}
		for name, want := range map[string]string{
			"Content-Type": "text/csv; charset=utf-8; header=present", "Content-Disposition": "attachment; filename=" + string(c.run.FileName), "ETag": `"` + string(c.run.SHA256) + `"`,
			"Cache-Control": "private, no-store", "Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff", "Accept-Ranges": "bytes",
		} {
			if got := res.Header.Get(name); got != want {
				c.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if _, body := ask(c.T, c.http, "GET", c.link(rosa)); body != c.text {
			c.Errorf("an auditor gets %q", body)
		}
		recorded := 2
		for _, r := range []struct {
			method, rang, want string
			status, recorded   int
		}{
			{"HEAD", "", "", 200, 0},
			{"GET", "bytes=1-", c.text[1:], 206, 1},
			{"GET", "bytes=5-9", c.text[5:10], 206, 1},
			{"GET", "bytes=0-", c.text, 206, 1},
			{"GET", "bytes=-" + strconv.Itoa(len(c.text)), c.text, 206, 1},
			{"GET", "", c.text, 200, 1},
		} {
			res, body := ask(c.T, c.http, r.method, link, "Range", r.rang)
			if recorded += r.recorded; res.StatusCode != r.status || body != r.want || c.downloads() != recorded {
				c.Errorf("%s %s: %s, %d bytes, want %d; recorded %d times, want %d", r.method, r.rang, res.Status, len(body), len(r.want), c.downloads(), recorded)
			}
		}
	})
}

// Whatever is wrong with a link, the answer is the same: it does not help to guess.
func TestALinkThatIsNotOursLeadsNowhere(t *testing.T) {
	atCounter(t, func(c *counter) {
		good := c.link(ana)
		lasting := c.signed(c.run.RequestedByID, 80*time.Hour)
		user, err := c.db.UserByEmail(c.Context(), rosa)
		c.ok(err)
		theirs := c.signed(user.ID, 80*time.Hour)
		for _, link := range []string{good, lasting, theirs} {
			if res, body := ask(c.T, c.http, "GET", link); res.StatusCode != 200 || body != c.text {
				c.Fatalf("to begin with: %s", res.Status)
			}
		}
		with := func(name, value string) string {
			path, query, _ := strings.Cut(good, "?")
			q, err := url.ParseQuery(query)
			c.ok(err)
			q.Set(name, value)
			return path + "?" + q.Encode()
		}
		d := c.server.Resolver.Desk
		var first string
		for _, l := range []struct {
			what, link string
			before     func()
		}{
			{"no signature", strings.Split(good, "?")[0], nil},
			{"another user", with("user", string(user.ID)), nil},
			{"a user who is not there", with("user", "usr_nothing"), nil},
			{"a later end", with("until", strconv.FormatInt(c.db.Now().Add(time.Hour).Unix(), 10)), nil},
			{"an end that is none", with("until", "tomorrow"), nil},
			{"another signature", with("signature", strings.Repeat("A", 43)), nil},
			{"another run's", strings.Replace(good, string(c.run.ID), "rep_nothing", 1), nil},
			{"signed for something else", with("signature", c.keys.Sign("something", string(c.run.ID))), nil},
			{"too old", good, func() { c.ahead.Store(int64(mesa.ReportLinkFor + 2*time.Second)) }},
			{"of who is no auditor any more", theirs, func() {
				_, err := d.RevokeRole(c.Context(), c.system(), desk.RoleInput{UserID: c.id(rosa), Role: mesa.Auditor})
				c.ok(err)
			}},
			{"of who was deactivated", lasting, func() {
				_, err := d.SetActive(c.Context(), c.system(), c.id(ana), false)
				c.ok(err)
			}},
			{"of who is back, but the file's time is over", lasting, func() {
				_, err := d.SetActive(c.Context(), c.system(), c.id(ana), true)
				c.ok(err)
				c.ahead.Store(int64(mesa.ReportKeptFor + time.Minute))
			}},
			{"to a file that is deleted", lasting, func() {
				_, err := c.db.ExpireReports(c.Context(), 10)
				c.ok(err)
				c.ahead.Store(0)
			}},
		} {
			if l.before != nil {
				l.before()
			}
			res, body := ask(c.T, c.http, "GET", l.link)
			if first == "" {
				first = body
			}
			if res.StatusCode != 404 || body != first || res.Header.Get("Content-Disposition") != "" {
				c.Errorf("%s: %s %s", l.what, res.Status, body)
			}
		}
		if n := c.downloads(); n != 3 {
			c.Errorf("%d downloads are recorded", n)
		}
	})
}

// The link ends with the file although the retention has not come by yet.
func TestNoLinkAfterTheTimeOfTheFile(t *testing.T) {
	atCounter(t, func(c *counter) {
		c.ahead.Store(int64(mesa.ReportKeptFor - time.Minute))
		if c.link(ana) == "" {
			c.Error("no link before the end")
		}
		c.ahead.Store(int64(mesa.ReportKeptFor + time.Minute))
		if link := c.link(ana); link != "" {
			c.Errorf("a link to what is over: %s", link)
		}
	})
}

// A file that is not what was written is not handed out, not even its beginning.
func TestADamagedFileIsKeptBack(t *testing.T) {
	atCounter(t, func(c *counter) {
		link := c.link(ana)
		for what, damage := range map[string]func() error{
			"another byte": func() error {
				return os.WriteFile(c.file, []byte(strings.Replace(c.text, "Asunto", "asunto", 1)), 0o600)
			},
			"cut":  func() error { return os.Truncate(c.file, int64(len(c.text)-1)) },
			"gone": func() error { return os.Remove(c.file) },
		} {
			c.ok(os.WriteFile(c.file, []byte(c.text), 0o600))
			c.ok(damage())
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				res, body := ask(c.T, c.http, method, link)
				if res.StatusCode != 500 || strings.Contains(body, "Expediente,") || res.Header.Get("Content-Disposition") != "" || method == "GET" && !strings.Contains(body, "INTERNAL") {
					c.Errorf("%s, %s: %s %s", what, method, res.Status, body)
				}
			}
		}
		if n := c.downloads(); n != 0 {
			c.Errorf("%d downloads are recorded", n)
		}
	})
}
