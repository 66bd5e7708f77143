package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// writes is a desk at work, of which backups are made.
type writes struct {
	*office
	server *server
	typ    string
	files  string
}

func startWrites(t *testing.T, url string) *writes {
	t.Helper()
	w := &writes{files: filesOf(t, url)}
	w.office = openOffice(t, url, "--files", w.files)
	w.server = w.serve()
	body, _ := w.server.must(w.token, `{ documentTypes { id code } }`, nil)
	w.typ = regexp.MustCompile(`"id":"(typ_\w+)","code":"SOL"`).FindStringSubmatch(body)[1]
	w.token = w.tokenOf(url)
	return w
}

func (w *writes) tokenOf(url string) string {
	return strings.TrimSpace(works(w.T, "token", "--email", "jefe.mesa@demo.mesa.pe", "--database-url", url))
}

const register = `mutation($input: RegisterDocumentInput!) { registerDocument(input: $input) { document { fileNumber } } }`

// register gives a document the next number.
func (w *writes) register(s *server, token string) (number string) {
	w.Helper()
	number, err := w.registered(s, token)
	if err != nil {
		w.Fatal(err)
	}
	return number
}

// registered is register for who must not end the test.
func (w *writes) registered(s *server, token string) (number string, err error) {
	body, _, err := s.ask(token, register, map[string]any{"input": map[string]any{
		"typeId": w.typ, "subject": "Solicita:\tcopia \\N de \"planos\"\nde la ¿Ñusta?", "folios": 3, "sender": map[string]any{"kind": "PERSON", "name": "María Quispe"},
	}})
	found := regexp.MustCompile(`"fileNumber":"(EXP-\d+-\d+)`).FindStringSubmatch(body)
	if err != nil || found == nil {
		return "", fmt.Errorf("registered: %s, %w", body, err)
	}
	return found[1], nil
}

// makeReport waits for the file of a report.
func (w *writes) makeReport() {
	w.Helper()
	admin := strings.TrimSpace(works(w.T, "token", "--email", "admin@demo.mesa.pe", "--database-url", w.url))
	w.server.must(admin, `mutation($input: RequestReportInput!) { requestReport(input: $input) { report { id } } }`, map[string]any{"input": map[string]any{"type": "DOCUMENT_REGISTER", "format": "CSV", "period": map[string]any{"from": "2020-01-01"}}})
	w.until(time.Minute, "the report is there", func() bool { return len(w.reports(w.files)) == 1 })
	w.until(time.Minute, "the report is known", func() bool {
		known, err := w.db.KnownFiles(w.Context(), w.reports(w.files))
		return err == nil && len(known) == 1
	})
}

// reports are the keys of the files in a store.
func (w *writes) reports(setting string) (keys []string) {
	w.Helper()
	store, err := (&settings{Files: setting}).fileStore()
	if err != nil {
		w.Fatal(err)
	}
	for file, err := range store.List(w.Context(), "") {
		if err != nil {
			w.Fatal(err)
		}
		keys = append(keys, file.Key)
	}
	return keys
}

// filesOf is a new store: a folder for SQLite, S3 for PostgreSQL.
func filesOf(t *testing.T, database string) string {
	t.Helper()
	if strings.HasPrefix(database, "sqlite") {
		return t.TempDir()
	}
	return testkit.S3URL(t)
}

// aFew are questions whose answers tell databases apart.
var aFew = []string{
	`{ documents(first: 20) { totalCount nodes { id fileNumber subject tags submittedAt registeredAt dueOn currentAreas { code } timeline(first: 20) { nodes { id at type text reason actor { name } } } } } }`,
	`{ documents(first: 1, filter: { text: "planos nusta" }) { totalCount } }`,
}

// state is what a server of a database answers.
func (w *writes) state(s *server, token string) (answers []string) {
	w.Helper()
	for _, q := range aFew {
		body, _ := s.must(token, q, nil)
		answers = append(answers, body)
	}
	return answers
}

// sealed waits until all events have seals.
func (w *writes) sealed(database *db.DB) {
	w.Helper()
	w.until(time.Minute, "all events are sealed", func() bool {
		v, err := database.VerifyAudit(w.Context(), 1, 0)
		return err == nil && v.Unsealed == 0 && v.FirstBroken == nil
	})
}

// A backup is made while documents are registered, and restored into a database of either kind, which goes on from there.
func TestABackupIsOneStateAndEitherDatabaseGoesOnFromIt(t *testing.T) {
	testkit.EachClone(t, furnished, furnish(t), func(t *testing.T, url string) {
		t.Parallel()
		w := startWrites(t, url)
		w.makeReport()
		stop, last := make(chan bool), ""
		var writing errgroup.Group
		writing.Go(func() (err error) {
			for {
				if last, err = w.registered(w.server, w.token); err != nil {
					return err
				}
				select {
				case <-stop:
					return nil
				default:
				}
			}
		})
		folder := t.TempDir()
		during := works(t, "backup", filepath.Join(folder, "during.tar.zst"), "--database-url", url, "--files", w.files)
		if !strings.Contains(during, ", 1 files of reports\n") || strings.Contains(during, "–") {
			t.Errorf("backup printed %q", during)
		}
		close(stop)
		if err := writing.Wait(); err != nil {
			t.Fatal(err)
		}
		before := w.state(w.server, w.token)
		w.sealed(w.db)
		w.server.kill()
		testkit.Execute(t, url, "UPDATE jobs SET state = 'RUNNING', worker = 'elsewhere', lease_until = '2999-01-01 00:00:00+00:00', announced_at = NULL WHERE kind = 'REPORT'")
		works(t, "backup", folder, "--database-url", url, "--files", w.files)
		named, err := filepath.Glob(filepath.Join(folder, "mesa-2*Z.tar.zst"))
		if err != nil || len(named) != 1 {
			t.Fatalf("the folder has %v, %v", named, err)
		}
		if info, err := os.Stat(named[0]); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		if code, _, stderr := typed(t, "backup", named[0], "--database-url", url); code != 1 || !strings.Contains(stderr, "exists") {
			t.Errorf("over another: %d %s", code, stderr)
		}
		testkit.EachDatabase(t, func(t *testing.T, target string) {
			w := &writes{office: &office{T: t}, typ: w.typ}
			files := filesOf(t, target)
			flags := []string{"--database-url", target, "--files", files}
			for _, path := range []string{filepath.Join(folder, "during.tar.zst"), named[0]} {
				stdout := works(t, append([]string{"restore", path, "--replace", "--yes"}, flags...)...)
				if strings.Contains(stdout, "✗") || !strings.Contains(stdout, "✓ records") || !strings.Contains(stdout, "✓ audit trail") {
					t.Errorf("restore printed %s", stdout)
				}
			}
			if len(w.reports(files)) != 1 {
				t.Errorf("files of reports: %v", w.reports(files))
			}
			database, err := db.Open(t.Context(), target, db.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer database.Close()
			jobs, err := database.RescueJobs(t.Context())
			ofReport := func(j *mesa.Job) bool { return j.Kind == mesa.JobReport } // the schedule may have added others
			if i := slices.IndexFunc(jobs, ofReport); err != nil || i < 0 || jobs[i].State != mesa.JobQueued {
				t.Errorf("a job that ran elsewhere: %v, %v", jobs, err)
			}
			server, token := startProcess(t, slices.Concat(flags, []string{"--no-graphiql"})...), w.tokenOf(target)
			for i, after := range w.state(server, token) {
				if after != before[i] {
					t.Errorf("%s\nbefore %s\nafter  %s", aFew[i], before[i], after)
				}
			}
			var n, next int
			if _, err := fmt.Sscanf(last[len("EXP-2026-"):], "%d", &n); err != nil {
				t.Fatal(err)
			}
			number := w.register(server, token)
			if sameYear := number[:len("EXP-2026-")] == last[:len("EXP-2026-")]; !sameYear {
				n = 0
			}
			if _, err := fmt.Sscanf(number[len("EXP-2026-"):], "%d", &next); err != nil || next != n+1 {
				t.Errorf("after %s comes %s", last, number)
			}
			w.sealed(database)
			server.stop()
			if stdout := verifies(t, append([]string{"--audit"}, flags...)...); !strings.Contains(stdout, " 0 not sealed yet") {
				t.Errorf("verify printed %s", stdout)
			}
			for _, statement := range []string{"UPDATE events SET text = ''", "DELETE FROM seals"} {
				if _, err := testkit.Beside(t, target).ExecContext(t.Context(), statement); err == nil {
					t.Errorf("%s is no error", statement)
				}
			}
		})
	})
}

// Nothing that goes wrong changes what is there: a damaged file, a server that runs, a database that is not empty, a process that is killed.
func TestARestoreIsDoneWholeOrNotAtAll(t *testing.T) {
	testkit.EachClone(t, furnished, furnish(t), func(t *testing.T, url string) {
		t.Parallel()
		flags := []string{"--database-url", url, "--files", t.TempDir(), "--data-dir", t.TempDir()}
		path := filepath.Join(t.TempDir(), "b.tar.zst")
		works(t, append([]string{"backup", path}, flags...)...)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		w := &writes{office: &office{T: t, url: url}}
		s := startProcess(t, flags...)
		body, _ := s.must(w.tokenOf(url), `{ documentTypes { id code } }`, nil)
		w.typ = regexp.MustCompile(`"id":"(typ_\w+)","code":"SOL"`).FindStringSubmatch(body)[1]
		w.register(s, w.tokenOf(url))
		before := w.state(s, w.tokenOf(url))
		refused := func(path, why string, args ...string) {
			t.Helper()
			if code, stdout, stderr := typed(t, slices.Concat([]string{"restore", path}, args, flags)...); code != 1 || !strings.Contains(stderr, why) {
				t.Errorf("restore %v: %d, want %q\n%s%s", args, code, why, stdout, stderr)
			}
		}
		refused(path, "other processes use the database", "--replace", "--yes")
		s.stop()
		refused(path, "not empty; --replace")
		refused(path, "nothing was changed", "--replace") // nobody answers
		damaged := filepath.Join(t.TempDir(), "b.tar.zst")
		flipped := slices.Clone(content)
		flipped[len(flipped)/2] ^= 4
		for _, wrong := range [][]byte{content[:len(content)/2], content[:len(content)-1], flipped, {}, []byte("mesa")} {
			if err := os.WriteFile(damaged, wrong, 0o600); err != nil {
				t.Fatal(err)
			}
			refused(damaged, "the backup is damaged", "--replace", "--yes")
			if code, _, stderr := typed(t, "backup", "--check", damaged); code != 1 || !strings.Contains(stderr, "the backup is damaged") {
				t.Errorf("check: %d %s", code, stderr)
			}
		}

		// The program reads the pipe to its end to check it, then again, and is killed amid that.
		pipe := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd, log := program(t, slices.Concat([]string{"restore", pipe, "--replace", "--yes"}, flags)...)
		for _, part := range [][]byte{content, content[:len(content)-1000]} {
			f, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits for the program
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Remove(pipe), syscall.Mkfifo(pipe, 0o600)); err != nil { // the second time it opens another one
				t.Fatal(err)
			}
			if n, err := f.Write(part); err != nil {
				t.Fatalf("%d bytes of %d: %v\n%s", n, len(part), err, log)
			}
			if len(part) == len(content) {
				f.Close()
				continue
			}
			defer f.Close()
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		verifies(t, append([]string{"--audit"}, flags...)...)
		s = startProcess(t, flags...)
		if after := w.state(s, w.tokenOf(url)); !slices.Equal(before, after) {
			t.Errorf("before %s\nafter %s", before, after)
		}
		s.kill()
		works(t, slices.Concat([]string{"restore", path, "--replace", "--yes"}, flags)...)
	})
}

// A backup of an older schema is brought up to date; one that is newer than the program is refused, and cannot be made by it.
func TestABackupOfAnotherSchema(t *testing.T) {
	testkit.EachClone(t, furnished, furnish(t), func(t *testing.T, url string) {
		t.Parallel()
		flags := []string{"--database-url", url, "--files", t.TempDir()}
		path := filepath.Join(t.TempDir(), "b.tar.zst")
		testkit.Execute(t, url, "DROP TABLE slow_statements")
		testkit.Execute(t, url, "DELETE FROM schema_migrations WHERE name = '0011_slow_statements'")
		works(t, append([]string{"backup", path}, flags...)...)
		works(t, slices.Concat([]string{"restore", path, "--replace", "--yes"}, flags)...)
		testkit.Execute(t, url, "DELETE FROM slow_statements")
		testkit.Execute(t, url, "INSERT INTO schema_migrations (name, applied_at) VALUES ('9999_x', '')")
		if code, _, stderr := typed(t, append([]string{"backup", filepath.Join(filepath.Dir(path), "later.tar.zst")}, flags...)...); code != 1 || !strings.Contains(stderr, "newer version of mesa") {
			t.Errorf("backup: %d %s", code, stderr)
		}
	})
}

// A Redis that the restore does not know of keeps answers from after the backup: nobody gets them.
func TestAfterARestoreNothingIsKeptFromBefore(t *testing.T) {
	p := startTwo(t)
	p.one.must(p.token, writeNotes, map[string]any{"id": p.document, "notes": "antes"})
	database := p.flags[:2]
	path := filepath.Join(t.TempDir(), "b.tar.zst")
	works(t, append([]string{"backup", path}, database...)...)
	p.one.must(p.token, writeNotes, map[string]any{"id": p.document, "notes": "después"})
	p.warm(p.one)
	p.warm(p.two)
	p.one.kill()
	p.two.kill()
	works(t, slices.Concat([]string{"restore", path, "--replace", "--yes"}, database)...)
	again := startProcess(t, p.flags...)
	if body, from := p.read(again); !strings.Contains(body, "antes") {
		t.Errorf("%s (%s)", body, from)
	}
}
