package db

import (
	"strings"
	"testing"
	"testing/quick"
)

func TestStatementsThatDifferInLiteralsHaveOneShape(t *testing.T) {
	for _, c := range []struct{ shape, one, other string }{
		{`SELECT "d"."id" FROM "documents" AS "d" WHERE (state = ?) LIMIT ?`,
			`SELECT "d"."id" FROM "documents" AS "d" WHERE (state = 'IN_PROCESS') LIMIT 20`, "SELECT \"d\".\"id\"\n\tFROM \"documents\" AS \"d\" WHERE (state = 'O''Higgins; --')  LIMIT 100"},
		{`SELECT * FROM t1 WHERE id IN (?)`, `SELECT * FROM t1 WHERE id IN ('a')`, `SELECT * FROM t1 WHERE id IN ('a', 'b',3, NULL)`},
		{`INSERT INTO x ("a", "b") VALUES (?)`, `INSERT INTO x ("a", "b") VALUES (1, 'x')`, `INSERT INTO x ("a", "b") VALUES (1, 'x'), (2, NULL), (DEFAULT, TRUE)`},
		{`SELECT 'it ends nowhere`[:7] + `?`, `SELECT 'it ends nowhere`, `SELECT 'ñandú ? `},
		{`SELECT a FROM b WHERE c IS NULL AND d = ?::jsonb AND e < ? + ?`, `SELECT a FROM b WHERE c IS NULL AND d = '{"x": 1}'::jsonb AND e < 1.5e3 + 0x1F`, `SELECT a FROM b WHERE c IS NULL AND d = ''::jsonb AND e < 7 + 1`},
	} {
		for _, statement := range []string{c.one, c.other} {
			if got := withoutLiterals(statement); got != c.shape {
				t.Errorf("%s\nhas the shape %s\nwant          %s", statement, got, c.shape)
			}
		}
	}
}

// Whatever is written between quotes is not in the shape.
func TestShapesHoldNoArguments(t *testing.T) {
	err := quick.Check(func(argument string, n uint32) bool {
		quoted := "'" + strings.ReplaceAll(argument, "'", "''") + "'"
		return withoutLiterals("SELECT x FROM y WHERE z = "+quoted+" AND n = ?") == "SELECT x FROM y WHERE z = ? AND n = ?"
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

func BenchmarkShape(b *testing.B) {
	statement := `SELECT ` + strings.Repeat(`"document"."some_column", `, 45) + `"document"."id" FROM "documents" AS "document" WHERE (document.state IN ('REGISTERED', 'IN_PROCESS')) AND (document.id < 'doc_06h0x48ca5zq10018k4aze8tvm') ORDER BY document.id DESC LIMIT 101`
	b.SetBytes(int64(len(statement)))
	b.ReportAllocs()
	var buffer []byte
	for b.Loop() {
		buffer = shape(buffer[:0], statement)
	}
}
