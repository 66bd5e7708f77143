package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/files"
)

// Progress is told what is done next, for people.
type Progress func(what string)

// Write backs up one state of a database and the files of its reports into a file, which is not there before all of it is durable. Others
// may use the database meanwhile. Files that are gone by then are noted. errors.Is(err, fs.ErrExist) when there is such a file.
func Write(ctx context.Context, database *db.DB, store files.Store, path, version string, progress Progress) (m *Manifest, err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("backup: %w", &fs.PathError{Op: "create", Path: path, Err: errors.Join(err, fs.ErrExist)})
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".mesa-backup-*") // for its owner only
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	defer os.Remove(f.Name()) // after it was renamed this does nothing
	defer f.Close()
	a, err := newArchive(f)
	if err != nil {
		return nil, err
	}
	defer a.compressor.Close()
	a.manifest.Mesa, a.manifest.Database = version, database.Backend()
	var reports []db.ReportFile
	err = database.Backup(ctx, func(s *db.Snapshot) error {
		if reports, err = s.ReportFiles(ctx); err != nil {
			return err
		}
		return a.addTables(ctx, s, progress)
	})
	if err != nil {
		return nil, err
	}
	for _, file := range reports {
		progress("file " + file.Key)
		if err := a.addFile(ctx, store, file); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(a.close(), f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err := publish(f.Name(), path); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return &a.manifest, nil
}

// publish gives a file its name, unless somebody else has it, and makes that durable.
func publish(from, to string) error {
	if err := os.Link(from, to); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := os.Rename(from, to); err != nil { // a file system without links
			return err
		}
	}
	folder, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

func (a *archive) addTables(ctx context.Context, s *db.Snapshot, progress Progress) error {
	a.manifest.TakenAt, a.manifest.Migrations, a.manifest.Tables = s.TakenAt, s.Migrations, s.Tables
	for _, t := range s.Tables {
		progress(t.Name)
		c := &chunks{archive: a, table: t.Name}
		if err := s.Rows(ctx, t.Name, c); err != nil {
			return err
		}
		if err := c.flush(len(c.buf)); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
	}
	return nil
}

// addFile adds the file of a report, or notes that it is gone: it has expired since, or was lost.
func (a *archive) addFile(ctx context.Context, store files.Store, file db.ReportFile) error {
	content, info, err := store.Open(ctx, file.Key)
	if errors.Is(err, fs.ErrNotExist) {
		a.manifest.Notes = append(a.manifest.Notes, "file "+file.Key+" was gone")
		return nil
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer content.Close()
	if err := a.add(filesFolder+file.Key, info.Size, content); err != nil {
		return fmt.Errorf("backup: file %s: %w", file.Key, err)
	}
	if last := a.manifest.Members[len(a.manifest.Members)-1]; last.SHA256 != file.SHA256 {
		a.manifest.Notes = append(a.manifest.Notes, "file "+file.Key+" is not what its report made")
	}
	return nil
}

// Check reads all of a backup and says what is in it. ErrDamaged when it is not as it was written.
func Check(path string) (*Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows := map[string]int64{}
	m, err := read(f, func(name string, content io.Reader) error {
		table, ok := tableOf(name)
		if !ok {
			return nil
		}
		lines := &counter{of: []byte{'\n'}}
		_, err := io.Copy(lines, content)
		rows[table] += lines.n
		return err
	})
	if err != nil {
		return nil, err
	}
	for table, n := range m.Rows {
		if rows[table] != n {
			return nil, damaged("%s has %d rows, not %d", table, rows[table], n)
		}
	}
	return m, nil
}

// tableOf is the table of which a member has rows.
func tableOf(member string) (table string, ok bool) {
	rest, ok := strings.CutPrefix(member, tablesFolder)
	table, _, _ = strings.Cut(rest, "/")
	return table, ok
}

// Restore makes a database, which was opened Alone, what a backup says, and puts the files of its reports into a store. All of the backup is
// checked before anything is changed, and the database is changed at once or not at all. Files that were put by then stay: nothing
// leads to them, and the retention of reports removes them. Errors are those of Check and of db.Restore.
func Restore(ctx context.Context, database *db.DB, store files.Store, path string, replace bool, progress Progress) (*Manifest, error) {
	progress("checking " + path)
	m, err := Check(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	err = database.Restore(ctx, db.Restoring{TakenAt: m.TakenAt, Migrations: m.Migrations, Tables: m.Tables, Replace: replace}, func(l *db.Loader) error {
		again, err := read(f, func(name string, content io.Reader) error {
			progress(name)
			if table, ok := tableOf(name); ok {
				return l.Rows(ctx, table, content)
			}
			if key, ok := strings.CutPrefix(name, filesFolder); ok {
				return putFile(ctx, store, key, content)
			}
			return damaged("nobody knows what %s is", name)
		})
		if err == nil && !reflect.DeepEqual(again, m) {
			err = damaged("it has changed since it was checked")
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return m, nil
}

func putFile(ctx context.Context, store files.Store, key string, content io.Reader) error {
	w, err := store.Create(ctx, key)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := io.Copy(w, content); err != nil {
		return err
	}
	_, _, err = w.Commit()
	return err
}
