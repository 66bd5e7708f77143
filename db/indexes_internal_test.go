package db

import "testing"

// What the catalogue says is of indexes that there are, and each that enforces nothing serves something.
func TestTheCatalogueSpeaksOfIndexesThatAreMade(t *testing.T) {
	made := madeIndexes("sqlite")
	for name, index := range madeIndexes("postgres") {
		made[name] = index
	}
	for name := range served {
		if made[name] == nil {
			t.Errorf("no migration makes %s", name)
		}
	}
	for name, index := range made {
		if _, ok := served[name]; !ok || index.Rule == "" && len(index.Serves) == 0 {
			t.Errorf("nobody says what %s on %s serves", name, index.Table)
		}
	}
}
