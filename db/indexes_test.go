package db_test

import (
	"slices"
	"testing"

	"github.com/mesapartes/mesa/db"
)

// indexed finds an index by name.
func indexed(t *testing.T, database *db.DB, name string) *db.Index {
	t.Helper()
	list, err := database.Indexes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(list, func(i *db.Index) bool { return i.Name == name })
	if at < 0 {
		t.Fatalf("there is no %s among %d indexes", name, len(list))
	}
	return list[at]
}

// Each index is there and says which queries it serves or which rule it enforces; what nobody declared is told.
func TestTheIndexesAreThoseOfTheCatalogue(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, database *db.DB) {
		list, err := database.Indexes(t.Context())
		if err != nil || len(list) < 50 {
			t.Fatalf("%v among %d", err, len(list))
		}
		for _, i := range list {
			if i.State != db.IndexFine || i.Columns == "" || i.Table == "" {
				t.Errorf("%+v", i)
			}
			if len(i.Serves) == 0 && i.Rule == "" {
				t.Errorf("%s serves nothing", i.Name)
			}
		}
	})
}

func TestIndexesThatAreMissingDoubledOrUnknownAreTold(t *testing.T) {
	onMigrated(t, func(t *testing.T, url string, database *db.DB) {
		fine := indexed(t, database, "documents_due_desc")
		run(t, database, "DROP INDEX documents_due_desc", "CREATE INDEX ours ON documents (state, listed_at DESC)", "CREATE INDEX theirs ON documents (notes)",
			"CREATE INDEX many_ids ON jobs (id)")
		if missing := indexed(t, database, "documents_due_desc"); missing.State != db.IndexMissing || missing.Columns != fine.Columns || !missing.State.IsFault() {
			t.Errorf("missing: %+v, it was %+v", missing, fine)
		} else {
			run(t, database, missing.Definition)
		}
		if again := indexed(t, database, "documents_due_desc"); again.State != db.IndexFine {
			t.Errorf("made again: %+v", again)
		}
		if double := indexed(t, database, "ours"); double.State != db.IndexDuplicate || double.Like != "documents_state" || double.State.IsFault() {
			t.Errorf("double: %+v", double)
		}
		if unknown := indexed(t, database, "theirs"); unknown.State != db.IndexUnknown {
			t.Errorf("unknown: %+v", unknown)
		}
		if key := indexed(t, database, "many_ids"); key.State != db.IndexDuplicate {
			t.Errorf("of the primary key: %+v", key)
		}
		if sizes, err := database.IndexSizes(t.Context()); err != nil || sizes["documents_state"] == 0 {
			t.Errorf("sizes: %v %v", sizes, err)
		}
	})
}
