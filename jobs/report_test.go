package jobs_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/files"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/jobs"
	"github.com/mesapartes/mesa/mesa"
)

// agency is a queue of an institution that has documents, and a folder for the files of its reports.
type agency struct {
	*queue
	desk *desk.Desk
	dir  string
}

// inAgencies runs a test on both databases.
func inAgencies(t *testing.T, body func(o *agency)) {
	t.Helper()
	testkit.EachClone(t, "agency", prepareAgency, func(t *testing.T, url string) {
		t.Parallel()
		body(newAgency(t, url))
	})
}

func newAgency(t *testing.T, url string) *agency {
	q := (&queue{T: t, url: url}).process()
	o := &agency{q, desk.New(q.db, nil), t.TempDir()}
	o.keepIn(files.Folder(o.dir))
	return o
}

var prepareAgency = testkit.Migrated(db.Options{}, testkit.Demo(60))

// keepIn lets reports be written into a store.
func (o *agency) keepIn(s files.Store) { o.handlers[mesa.JobReport] = jobs.Report(o.db, s) }

func (o *agency) actor(who string) *mesa.Actor {
	o.Helper()
	user, err := o.db.UserByEmail(o.Context(), who+"@demo.mesa.pe")
	o.ok(err)
	actor, err := o.db.ActorOf(o.Context(), user.ID)
	o.ok(err)
	return actor
}

// request asks for the register.
func (o *agency) request(who string, format mesa.ReportFormat) *mesa.ReportRun {
	o.Helper()
	run, err := o.desk.RequestReport(o.Context(), o.actor(who), desk.RequestReportInput{Type: mesa.DocumentRegister, Format: format})
	o.ok(err)
	return run
}

// done waits for the end of a run.
func (o *agency) done(run *mesa.ReportRun) *mesa.ReportRun {
	o.Helper()
	o.ended(run.JobID)
	return o.run(run.ID)
}

// run is a run as it is.
func (o *agency) run(id mesa.ReportID) *mesa.ReportRun {
	o.Helper()
	runs, err := o.db.ReportsByID(o.Context(), []mesa.ReportID{id})
	o.ok(err)
	return runs[id]
}

// trail lists what is recorded of a run.
func (o *agency) trail(id mesa.ReportID) (types []mesa.EventType) {
	o.Helper()
	testkit.Certain(o.T, o.db)
	for at := (db.Tail{}); ; {
		events, err := o.db.EventsAfter(o.Context(), at, 1000)
		o.ok(err)
		if len(events) == 0 {
			return types
		}
		for _, e := range events {
			at = db.Tail{Tx: e.Tx, Seq: e.Seq}
			if e.ObjectID == string(id) {
				types = append(types, e.Type)
			}
		}
	}
}

// kept lists the files in the folder, unfinished ones too.
func (o *agency) kept() (names []string) {
	o.Helper()
	o.ok(filepath.WalkDir(o.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(o.dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	}))
	return names
}

func TestAReportIsMadeInEachFormat(t *testing.T) {
	inAgencies(t, func(o *agency) {
		o.work(quick)
		seen, err := o.db.View(o.actor("jefe.mesa")).CountDocuments(o.Context(), mesa.DocumentFilter{})
		o.ok(err)
		for _, format := range mesa.ReportFormats {
			asked := time.Now()
			run := o.done(o.request("jefe.mesa", format))
			if run.State() != "SUCCEEDED" || run.RowsDone() != seen || *run.RowsTotal() != seen || run.Progress() != 100 || run.Attempts() != 1 {
				o.Errorf("%s is %s %s with %d rows of %d, %d seen", format, run.State(), run.Job.LastError, run.RowsDone(), *run.RowsTotal(), seen)
				continue
			}
			content, err := os.ReadFile(filepath.Join(o.dir, filepath.FromSlash(string(run.StorageKey))))
			o.ok(err)
			if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != string(run.SHA256) || int64(len(content)) != *run.Size || len(content) == 0 {
				o.Errorf("%s: the file has %d bytes and not what the run says: %d", format, len(content), *run.Size)
			}
			if name := string(run.FileName); !strings.HasPrefix(name, "registro-de-expedientes_20") || !strings.HasSuffix(name, "."+strings.ToLower(string(format))) {
				o.Errorf("%s is named %s", format, name)
			}
			if left := run.ExpiresAt.Sub(asked); left < 71*time.Hour || left > 73*time.Hour {
				o.Errorf("%s expires in %s", format, left)
			}
			if got := o.trail(run.ID); !slices.Equal(got, []mesa.EventType{mesa.ReportRequested, "report.completed"}) {
				o.Errorf("%s left %v", format, got)
			}
		}
		if n := len(o.kept()); n != len(mesa.ReportFormats) {
			o.Errorf("%d files: %v", n, o.kept())
		}
	})
}

// The same in an object store, which machines share.
func TestAReportIsMadeInS3(t *testing.T) {
	t.Parallel()
	store, err := files.Open(testkit.S3URL(t), "")
	if err != nil {
		t.Fatal(err)
	}
	o := newAgency(t, testkit.SQLiteClone(t, "agency", prepareAgency))
	o.keepIn(store)
	o.work(quick)
	run := o.done(o.request("jefe.mesa", mesa.ReportXLSX))
	if run.State() != "SUCCEEDED" {
		t.Fatalf("it is %s: %s", run.State(), run.Job.LastError)
	}
	content, _, err := store.Open(t.Context(), string(run.StorageKey))
	o.ok(err)
	defer content.Close()
	h := sha256.New()
	if n, err := io.Copy(h, content); err != nil || n != *run.Size || hex.EncodeToString(h.Sum(nil)) != string(run.SHA256) {
		t.Errorf("%d bytes of %d, or others: %v", n, *run.Size, err)
	}
	if got := o.forget(store, 73*time.Hour); text(got) != text(map[string]int{"exchangeAttempts": 0, "idempotencyKeys": 0, "jobs": 0, "orphanFiles": 0, "refreshTokens": 0, "reportFiles": 1}) {
		t.Errorf("forgotten: %v", got)
	}
	for info := range store.List(t.Context(), "reports/") {
		t.Errorf("%s is still there", info.Key)
	}
}

func TestWhoLostTheirRoleGetsNoReport(t *testing.T) {
	inAgencies(t, func(o *agency) {
		run := o.request("jefe.log", mesa.ReportCSV)
		gone := o.request("mesa1", mesa.ReportCSV)
		admin := mesa.System(o.actor("admin").Catalogue, "test")
		_, err := o.desk.RevokeRole(o.Context(), admin, desk.RoleInput{UserID: o.actor("jefe.log").UserID, Role: mesa.AreaHead})
		o.ok(err)
		_, err = o.desk.SetActive(o.Context(), admin, o.actor("mesa1").UserID, false)
		o.ok(err)
		o.work(quick)
		for _, run := range []*mesa.ReportRun{o.done(run), o.done(gone)} {
			if run.State() != "FAILED" || run.ErrorCode() != mesa.ReportForbidden || run.Attempts() != 1 || run.ErrorMessage() != "Ya no tiene permiso para este reporte." {
				o.Errorf("it is %s after %d attempts: %s %q", run.State(), run.Attempts(), run.ErrorCode(), run.ErrorMessage())
			}
		}
		if names := o.kept(); len(names) > 0 {
			o.Errorf("left behind: %v", names)
		}
	})
}

func TestAPDFOfTooManyRowsIsRefusedForGood(t *testing.T) {
	t.Parallel()
	o := newAgency(t, testkit.SQLiteClone(t, "agency", prepareAgency))
	multiply(t, o.url, 84)
	o.work(quick)
	run := o.done(o.request("auditor", mesa.ReportPDF))
	if run.State() != "FAILED" || run.ErrorCode() != mesa.ReportTooLarge || run.Attempts() != 1 || !strings.Contains(string(run.ErrorMessage()), "pida XLSX") {
		t.Errorf("it is %s after %d attempts: %s %q", run.State(), run.Attempts(), run.ErrorCode(), run.ErrorMessage())
	}
	if names := o.kept(); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

// multiply makes as many documents out of each one in a SQLite database, in a moment.
func multiply(t *testing.T, url string, times int) {
	t.Helper()
	database := testkit.Beside(t, url)
	defer database.Close()
	var columns string
	other := "CASE WHEN name IN ('row', 'seq') THEN name || ' + 1000000 * n' WHEN name IN ('id', 'file_number', 'tracking_code') THEN name || ' || n' ELSE name END"
	if err := database.QueryRowContext(t.Context(), "SELECT group_concat("+other+") FROM pragma_table_info('documents')").Scan(&columns); err != nil {
		t.Fatal(err)
	}
	copies := "WITH RECURSIVE copies (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < ?) INSERT INTO documents SELECT " + columns + " FROM documents, copies"
	if _, err := database.ExecContext(t.Context(), copies, times-1); err != nil {
		t.Fatal(err)
	}
}

// full is a store whose disk is full for a number of files.
type full struct {
	files.Store
	mu    sync.Mutex
	times int
}

func (s *full) Create(ctx context.Context, key string) (files.Writer, error) {
	w, err := s.Store.Create(ctx, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.times--; err != nil || s.times < 0 {
		return w, err
	}
	return &fullWriter{w, 1000}, nil
}

type fullWriter struct {
	files.Writer
	room int
}

func (w *fullWriter) Write(b []byte) (int, error) {
	if w.room -= len(b); w.room < 0 {
		return 0, fmt.Errorf("write file: %w", syscall.ENOSPC)
	}
	return w.Writer.Write(b)
}

func (w *fullWriter) Commit() (int64, string, error) {
	if w.room < 0 {
		w.Abort()
		return 0, "", syscall.ENOSPC
	}
	return w.Writer.Commit()
}

func TestAFullDiskIsTriedAgain(t *testing.T) {
	inAgencies(t, func(o *agency) {
		for _, format := range mesa.ReportFormats { // each has another writer on the way to the store
			o.keepIn(&full{Store: files.Folder(o.dir), times: 3})
			stop := o.work(quick)
			run := o.done(o.request("auditor", format))
			stop()
			if run.State() != "FAILED" || run.ErrorCode() != mesa.ReportStorage || run.Attempts() != 3 {
				o.Errorf("%s is %s after %d attempts: %s %s", format, run.State(), run.Attempts(), run.ErrorCode(), run.Job.LastError)
			}
			if strings.Contains(string(run.ErrorMessage()), "space") {
				o.Errorf("people are told of the inside: %s", run.ErrorMessage())
			}
			if names := o.kept(); len(names) > 0 {
				o.Errorf("%s left behind: %v", format, names)
			}
			if got := o.trail(run.ID); !slices.Equal(got, []mesa.EventType{mesa.ReportRequested, "report.failed"}) {
				o.Errorf("%s left %v", format, got)
			}
		}
		o.keepIn(&full{Store: files.Folder(o.dir), times: 1})
		o.work(quick)
		if run := o.done(o.request("auditor", mesa.ReportCSV)); run.State() != "SUCCEEDED" || run.Attempts() != 2 || len(o.kept()) != 1 {
			o.Errorf("after somebody made room it is %s after %d attempts, files %v", run.State(), run.Attempts(), o.kept())
		}
	})
}

// held is a store that waits: with the first byte of a file, or when it has become visible.
type held struct {
	files.Store
	atWrite, atCommit bool
	reached           chan struct{} // one for each that waits
	goOn              chan struct{}
	removed           chan string
}

func newHeld(dir string) *held {
	return &held{Store: files.Folder(dir), reached: make(chan struct{}, 9), goOn: make(chan struct{}), removed: make(chan string, 9)}
}

func (s *held) Create(ctx context.Context, key string) (files.Writer, error) {
	w, err := s.Store.Create(ctx, key)
	return &heldWriter{w, ctx, s, false}, err
}

func (s *held) Remove(ctx context.Context, key string) error {
	err := s.Store.Remove(ctx, key)
	s.removed <- key
	return err
}

type heldWriter struct {
	files.Writer
	ctx   context.Context
	store *held
	begun bool
}

func (w *heldWriter) wait() {
	w.store.reached <- struct{}{}
	select {
	case <-w.store.goOn:
	case <-w.ctx.Done():
	}
}

func (w *heldWriter) Write(b []byte) (int, error) {
	if w.store.atWrite && !w.begun {
		w.begun = true
		w.wait()
	}
	return w.Writer.Write(b)
}

func (w *heldWriter) Commit() (int64, string, error) {
	size, sum, err := w.Writer.Commit()
	if w.store.atCommit {
		w.wait()
	}
	return size, sum, err
}

// Whoever is taken for dead while they write leaves no second file, however far they came.
func TestAReportThatWasTakenOverLeavesOneFile(t *testing.T) {
	inAgencies(t, func(o *agency) {
		for _, atCommit := range []bool{false, true} {
			before := len(o.kept())
			store := newHeld(o.dir)
			store.atCommit, store.atWrite = atCommit, !atCommit
			o.keepIn(store)
			stop := o.work(quick)
			run := o.request("auditor", mesa.ReportCSV)
			<-store.reached
			first := o.job(run.JobID)
			o.takeOver(first)
			close(store.goOn)
			run = o.done(run)
			if atCommit {
				if key := <-store.removed; key == string(run.StorageKey) || !strings.HasSuffix(key, fmt.Sprintf("-%d", first.Epoch)) {
					o.Errorf("removed %s, the run leads to %s", key, run.StorageKey)
				}
			}
			stop()
			if run.State() != "SUCCEEDED" || run.Attempts() != 2 || run.Job.Crashes != 1 {
				o.Errorf("it is %s after %d attempts", run.State(), run.Attempts())
			}
			if names := o.kept(); len(names) != before+1 || !slices.Contains(names, string(run.StorageKey)) {
				o.Errorf("at commit %v: the run leads to %s, there are %v", atCommit, run.StorageKey, names)
			}
			if got := o.trail(run.ID); !slices.Equal(got, []mesa.EventType{mesa.ReportRequested, "report.completed"}) {
				o.Errorf("it left %v", got)
			}
		}
	})
}

func TestAReportIsCancelledWhileItIsWritten(t *testing.T) {
	inAgencies(t, func(o *agency) {
		for _, format := range mesa.ReportFormats {
			store := newHeld(o.dir)
			store.atWrite = true
			o.keepIn(store)
			stop := o.work(quick)
			var run *mesa.ReportRun
			onceWithin(o.T, soon, func() time.Duration {
				run = o.request("jefe.mesa", format)
				<-store.reached
				asked := time.Now()
				if _, err := o.desk.CancelReport(o.Context(), o.actor("jefe.mesa"), run.ID); err != nil {
					o.Fatal(err)
				}
				if run = o.done(run); run.State() != "CANCELLED" {
					o.Errorf("%s is %s", format, run.State())
				}
				return time.Since(asked)
			})
			stop()
			if names := o.kept(); len(names) > 0 || run.StorageKey != "" {
				o.Errorf("%s left behind: %v", format, names)
			}
			if got := o.trail(run.ID); !slices.Equal(got, []mesa.EventType{mesa.ReportRequested, "report.cancelled"}) {
				o.Errorf("%s left %v", format, got)
			}
		}
	})
}

// forget is the retention as it will be after some time.
func (o *agency) forget(store files.Store, after time.Duration) any {
	o.Helper()
	later, err := db.Open(o.Context(), o.url, db.Options{Now: func() time.Time { return time.Now().Add(after) }})
	o.ok(err)
	defer later.Close()
	done, err := jobs.Retention(later, store)(o.Context(), &jobs.Work{Job: &mesa.Job{}})
	o.ok(err)
	return done.Result
}

func TestFilesGoWhenTheirTimeIsOver(t *testing.T) {
	inAgencies(t, func(o *agency) {
		store := files.Folder(o.dir)
		stop := o.work(quick)
		run := o.done(o.request("jefe.mesa", mesa.ReportCSV))
		stop()
		old, young := "reports/left-behind-7", "reports/just-begun-1"
		for _, key := range []string{old, young} {
			w, err := store.Create(o.Context(), key)
			o.ok(err)
			_, _, err = w.Commit()
			o.ok(err)
		}
		long := time.Now().Add(-61 * time.Minute)
		for _, key := range []string{old, string(run.StorageKey)} { // the second belongs to a run
			o.ok(os.Chtimes(filepath.Join(o.dir, filepath.FromSlash(key)), long, long))
		}
		if got := o.forget(store, 71*time.Hour); text(got) != text(map[string]int{"exchangeAttempts": 0, "idempotencyKeys": 0, "jobs": 0, "orphanFiles": 1, "refreshTokens": 0, "reportFiles": 0}) {
			o.Errorf("a little before: %v", got)
		}
		if names := o.kept(); len(names) != 2 || slices.Contains(names, old) || o.run(run.ID).State() != "SUCCEEDED" {
			o.Errorf("a little before there are %v", names)
		}
		before := o.run(run.ID).Rev()
		if got := o.forget(store, 73*time.Hour); text(got) != text(map[string]int{"exchangeAttempts": 0, "idempotencyKeys": 0, "jobs": 0, "orphanFiles": 0, "refreshTokens": 0, "reportFiles": 1}) {
			o.Errorf("afterwards: %v", got)
		}
		if now := o.run(run.ID); now.State() != mesa.ReportExpired || now.StorageKey != "" || now.Rev() <= before || now.SHA256 == "" {
			o.Errorf("the run is %s, revision %d after %d", now.State(), now.Rev(), before)
		}
		if names := o.kept(); !slices.Equal(names, []string{young}) {
			o.Errorf("there are %v", names)
		}
	})
}
