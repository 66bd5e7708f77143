package db

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/mesapartes/mesa/migrations"
)

// MissingIndex is an index that the migrations make and that is not there, or that PostgreSQL did not finish making.
type MissingIndex struct {
	Name       string
	Definition string // the statement that makes it
	IsInvalid  bool   // it is there and serves nothing
}

var makesIndex = regexp.MustCompile(`(?m)^(?:CREATE (?:UNIQUE )?INDEX (\w+) ON [^;]*|DROP INDEX (\w+));`)

// expectedIndexes are those that the migrations make, in their order. They are read from the migrations themselves, so that there is no
// list of them to go stale.
func (db *DB) expectedIndexes() (list []MissingIndex, err error) {
	names, err := fs.Glob(migrations.Files, db.Backend()+"/*.sql")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.Files, name)
		if err != nil {
			return nil, err
		}
		for _, m := range makesIndex.FindAllStringSubmatch(string(text), -1) {
			if dropped := m[2]; dropped != "" {
				list = slices.DeleteFunc(list, func(i MissingIndex) bool { return i.Name == dropped })
				continue
			}
			list = append(list, MissingIndex{Name: m[1], Definition: strings.TrimSuffix(m[0], ";")})
		}
	}
	return list, nil
}

// MissingIndexes lists the indexes that the migrations make and that no query can use, none when all is well; expected is how many there
// should be. All migrations have to be applied.
func (db *DB) MissingIndexes(ctx context.Context) (missing []MissingIndex, expected int, err error) {
	list, err := db.expectedIndexes()
	if err != nil {
		return nil, 0, err
	}
	var rows []struct {
		Name    string
		IsValid bool
	}
	if err := db.read.NewRaw(db.dialect.presentIndexes()).Scan(ctx, &rows); err != nil {
		return nil, 0, fmt.Errorf("list indexes: %w", err)
	}
	valid := make(map[string]bool, len(rows))
	for _, row := range rows {
		valid[row.Name] = row.IsValid
	}
	for _, i := range list {
		if isValid, isThere := valid[i.Name]; !isValid {
			i.IsInvalid = isThere
			missing = append(missing, i)
		}
	}
	return missing, len(list), nil
}

// RepairIndexes makes the indexes that MissingIndexes lists, one after the other while others write, and returns the names of those that
// it made. An error may be that rows which came meanwhile are not unique.
func (db *DB) RepairIndexes(ctx context.Context) (made []string, err error) {
	missing, _, err := db.MissingIndexes(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range missing {
		for _, statement := range db.dialect.remakeIndex(i) {
			if _, err := db.write.DB.ExecContext(ctx, statement); err != nil {
				return made, fmt.Errorf("make index %s: %w", i.Name, err)
			}
		}
		made = append(made, i.Name)
	}
	return made, nil
}
