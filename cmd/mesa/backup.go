package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/backup"
)

type backupCmd struct {
	To    string `arg:"" help:"File to write, NAME.tar.zst, or a folder, where the name says when: mesa-20261231T235000Z.tar.zst."`
	Check bool   `help:"Write nothing: check that a backup is whole, and say what is in it."`
}

// Run writes a backup, or checks one; the exit code is 1 when that fails.
func (c *backupCmd) Run(out *streams, s *settings) error {
	if c.Check {
		m, err := backup.Check(c.To)
		if err == nil {
			describe(out.stdout, "✓ "+c.To, m)
		}
		return err
	}
	st, err := s.open(out.ctx, s.logger(out.stderr))
	if err != nil {
		return err
	}
	defer st.Close()
	store, err := s.fileStore()
	if err != nil {
		return err
	}
	path, err := c.path(st.Now())
	if err != nil {
		return err
	}
	m, err := backup.Write(out.ctx, st.DB, store, path, version, progress(out.stderr))
	if err != nil {
		return err
	}
	describe(out.stdout, path, m)
	return nil
}

// path is the file to write. Only the name of an archive is taken for one: a folder that is not there must not become a file.
func (c *backupCmd) path(now time.Time) (string, error) {
	const archive = ".tar.zst"
	switch info, err := os.Stat(c.To); {
	case err == nil && info.IsDir():
		return filepath.Join(c.To, "mesa-"+now.Format("20060102T150405Z")+archive), nil
	case !strings.HasSuffix(c.To, archive):
		return "", fmt.Errorf("there is no folder %s; the name of a file ends in %s", c.To, archive)
	}
	return c.To, nil
}

// progress shows on one line of a terminal what is being done.
func progress(w io.Writer) backup.Progress {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return func(what string) { fmt.Fprintf(w, "\r\x1b[K%.100s\r", what) }
		}
	}
	return func(string) {}
}

func describe(w io.Writer, title string, m *backup.Manifest) {
	fmt.Fprintf(w, "%s: %s as of %s, by mesa %s: %d documents, %d events, %d files of reports\n",
		title, m.Database, m.TakenAt.Format(time.RFC3339), m.Mesa, m.Rows["documents"], m.Rows["events"], m.Files())
	for _, note := range m.Notes {
		fmt.Fprintf(w, "– %s\n", note)
	}
}

type restoreCmd struct {
	File    string `arg:"" type:"existingfile" help:"What mesa backup wrote, from either kind of database."`
	Replace bool   `help:"Drop what the database holds; asks first."`
	Yes     bool   `help:"Do not ask."`
}

// Run restores a backup and checks what has come of it.
func (c *restoreCmd) Run(out *streams, s *settings) error {
	if err := c.confirm(out, s); err != nil {
		return err
	}
	m, err := c.restore(out, s)
	if err != nil {
		return err
	}
	describe(out.stdout, "restored "+c.File, m)
	return (&verifyCmd{Audit: true}).Run(out, s)
}

func (c *restoreCmd) restore(out *streams, s *settings) (*backup.Manifest, error) {
	url, err := s.databaseURL()
	if err != nil {
		return nil, err
	}
	now, err := s.clock()
	if err != nil {
		return nil, err
	}
	store, err := s.fileStore()
	if err != nil {
		return nil, err
	}
	database, err := db.Open(out.ctx, url, db.Options{Alone: true, Now: now, Log: s.logger(out.stderr)})
	if err != nil {
		return nil, err
	}
	defer database.Close()
	m, err := backup.Restore(out.ctx, database, store, c.File, c.Replace, progress(out.stderr))
	if errors.Is(err, db.ErrNotEmpty) {
		err = fmt.Errorf("%w; --replace drops what it holds", err)
	}
	return m, err
}

// confirm asks whoever replaces a database whether they mean it.
func (c *restoreCmd) confirm(out *streams, s *settings) error {
	if !c.Replace || c.Yes {
		return nil
	}
	url, err := s.databaseURL()
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stderr, "All that is in %s will be dropped. Type yes: ", withoutPassword(url))
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // no answer is no
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}
