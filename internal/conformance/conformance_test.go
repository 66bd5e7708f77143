package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/graph"
	"github.com/mesapartes/mesa/internal/bus"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
	"github.com/mesapartes/mesa/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// suites are what runs, one process of Node.js each, and how many checks each has at least: a suite that ends early has failed.
var suites = map[string]int{"audits": 61, "graphql-ws": 7, "graphql-sse": 5, "apollo": 5, "urql": 5}

func TestReferenceClients(t *testing.T) {
	t.Parallel()
	folder := testkit.NodeFolder(t)
	s := serve(t)
	for suite, least := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			checks := 0
			for _, c := range s.run(t, folder, suite) {
				checks++
				if c.Error != "" {
					t.Errorf("%s: %s", c.Name, c.Error)
				}
			}
			if checks < least {
				t.Errorf("%d checks of %d", checks, least)
			}
			t.Logf("%d checks", checks)
		})
	}
}

// A developer's own npm may write the addresses of its registry into the lock file, where nobody else may reach it.
func TestTheLockFileNamesNoRegistry(t *testing.T) {
	t.Parallel()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(lock, []byte(`"resolved"`)) || !bytes.Contains(lock, []byte(`"integrity"`)) {
		t.Error("write it with npm install --omit-lockfile-registry-resolved")
	}
}

// server is a desk with one document that changes all the time.
type server struct {
	url, token string
	document   mesa.DocumentID
}

func serve(t *testing.T) server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	database, err := db.Open(t.Context(), testkit.SQLiteClone(t, "conformance", testkit.Migrated(db.Options{}, testkit.Demo(-1))), db.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { database.Close() })
	kept, err := cache.New(cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kept.Close)
	feed := bus.New(database, log)
	feed.Confirm = kept.Confirm
	work := desk.New(database, log)
	site := &web.Server{Resolver: &graph.Resolver{DB: database, Desk: work, Feed: feed, Log: log, Cache: kept}, Log: log, Introspection: true}
	listening := httptest.NewServer(site.Handler())
	t.Cleanup(listening.Close)
	t.Cleanup(feed.Stop)
	in, err := work.OpenSession(t.Context(), "mesa1@demo.mesa.pe")
	if err != nil {
		t.Fatal(err)
	}
	return server{url: listening.URL + "/graphql", token: in.Token, document: busy(t, work, in.Actor)}
}

// busy registers a document and changes it twenty times a second, so that who follows it hears of something.
func busy(t *testing.T, work *desk.Desk, by *mesa.Actor) mesa.DocumentID {
	t.Helper()
	doc, err := work.Register(t.Context(), by, desk.RegisterDocumentInput{
		TypeID: by.Catalogue.Types[0].ID, Subject: "Solicita copia", Folios: 1, Confidentiality: mesa.Public,
		Sender: desk.SenderInput{Kind: mesa.PersonParty, IDType: mesa.NoID, Name: "Una persona"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { stop(); <-done })
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			notes := fmt.Sprint("cambio ", n)
			_, err := work.Update(ctx, by, desk.UpdateDocumentInput{DocumentID: doc.ID, Notes: &notes, Given: []string{"documentId", "notes"}})
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	}()
	return doc.ID
}

// check is what a suite says of one of its checks.
type check struct{ Name, Error string }

// run runs a suite in the folder of the packages, in which Node.js looks for what a script from standard input imports.
func (s server) run(t *testing.T, folder, suite string) (list []check) {
	t.Helper()
	var script []byte
	for _, name := range []string{"check", suite} {
		text, err := os.ReadFile(filepath.Join("clients", name+".mjs"))
		if err != nil {
			t.Fatal(err)
		}
		script = append(script, text...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--input-type=module", "-")
	cmd.Dir, cmd.Stdin = folder, bytes.NewReader(script)
	cmd.Env = append(os.Environ(), "MESA_URL="+s.url, "MESA_TOKEN="+s.token, "MESA_DOCUMENT="+string(s.document))
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	for lines := bufio.NewReader(strings.NewReader(out.String())); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return list
		}
		var c check
		if err := json.Unmarshal(line, &c); err != nil {
			t.Errorf("the suite says %q", line)
		}
		list = append(list, c)
	}
}
