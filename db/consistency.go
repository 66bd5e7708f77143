package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// invariant is something that is true of the data after every transaction, and the query that finds what breaks it.
type invariant struct {
	says string
	find string // one text column: the document, leg or series at fault
}

// openAction is the condition on a leg x that its area must still act.
const openAction = "x.kind = 'ACTION' AND x.state IN ('PENDING', 'RECEIVED')"

// name is a document d for people: its number, else its id.
const name = "coalesce(d.file_number, d.id)"

// gapless compares the numbers of a series and year (columns series, year, seq) with their counter: each of 1 to last exactly once.
func gapless(numbers string) string {
	return `SELECT coalesce(n.series, c.series) || ' ' || coalesce(n.year, c.year) || ': ' || coalesce(n.many, 0) || ' numbers from ' || coalesce(n.least, 0) || ' to ' || coalesce(n.most, 0) || ', counter at ' || coalesce(c.last, 0)
		FROM (SELECT series, year, count(DISTINCT seq) AS many, count(*) AS rows, min(seq) AS least, max(seq) AS most FROM (` + numbers + `) AS s GROUP BY series, year) AS n
		LEFT JOIN counters AS c ON c.series = n.series AND c.year = n.year
		WHERE n.many <> n.rows OR n.least <> 1 OR n.most <> n.many OR c.last IS NULL OR c.last <> n.most`
}

// invariants are listed in the order in which they are best read.
var invariants = []invariant{
	{"file numbers have no gaps", gapless(`SELECT 'REG-' || d.registry_id AS series, CASE WHEN r.is_yearly THEN d.year ELSE 0 END AS year, d.seq FROM documents AS d JOIN registries AS r ON r.id = d.registry_id`)},
	{"derivation numbers have no gaps", gapless(`SELECT 'DER' AS series, CAST(substr(number, 5, 4) AS INT) AS year, CAST(substr(number, 10) AS BIGINT) AS seq FROM derivations`)},
	{"archive locations have no gaps", gapless(`SELECT substr(location_code, 1, 6) AS series, CAST(substr(location_code, 8, 4) AS INT) AS year, CAST(substr(location_code, 13) AS BIGINT) AS seq FROM archive_records`)},
	{"a counter moves only with the numbers it gives",
		`SELECT c.series || ' ' || c.year FROM counters AS c WHERE c.last > 0 AND NOT EXISTS (SELECT 1 FROM derivations WHERE c.series = 'DER' AND number LIKE 'DER-' || c.year || '-%')
			AND NOT EXISTS (SELECT 1 FROM archive_records WHERE location_code LIKE c.series || '-' || c.year || '-%')
			AND NOT EXISTS (SELECT 1 FROM documents WHERE 'REG-' || registry_id = c.series AND (year = c.year OR c.year = 0))`},
	{"a document has a number from its registration on",
		`SELECT d.id FROM documents AS d WHERE (d.registered_at IS NOT NULL OR d.state IN ('REGISTERED', 'IN_PROCESS', 'ATTENDED')) AND (d.registered_at IS NULL OR d.seq IS NULL OR d.year IS NULL OR d.file_number IS NULL OR d.registry_id IS NULL)`},
	{"a submission has no number, no registrar and no due date",
		`SELECT d.id FROM documents AS d WHERE d.state = 'SUBMITTED' AND (d.seq IS NOT NULL OR d.file_number IS NOT NULL OR d.registered_at IS NOT NULL OR d.registered_by_id IS NOT NULL OR d.due_on IS NOT NULL)`},
	{"at most one open leg leads, and one does when any is open",
		`SELECT ` + name + ` FROM documents AS d JOIN (SELECT x.document_id, sum(CASE WHEN x.is_lead THEN 1 ELSE 0 END) AS leads FROM derivations AS x WHERE ` + openAction + ` GROUP BY x.document_id) AS l ON l.document_id = d.id WHERE l.leads <> 1`},
	{"the holder is the target of the open lead leg, and the assignee is its",
		`SELECT ` + name + ` FROM documents AS d JOIN derivations AS x ON x.document_id = d.id AND x.is_lead AND ` + openAction + `
			WHERE d.current_area_id <> x.to_id OR coalesce(d.assignee_id, '') <> coalesce(x.assignee_id, '')`},
	{"without an open ACTION leg the desk holds a document, and nobody is assigned",
		`SELECT ` + name + ` FROM documents AS d WHERE (d.current_area_id <> d.desk_area_id OR d.assignee_id IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM derivations AS x WHERE x.document_id = d.id AND ` + openAction + `)`},
	{"the current areas are those with an open ACTION leg",
		`SELECT ` + name + ` FROM documents AS d JOIN (
			SELECT document_id FROM (SELECT x.document_id, x.to_id FROM derivations AS x WHERE ` + openAction + ` EXCEPT SELECT d.id, a.value FROM documents AS d, ?each AS a) AS m
			UNION SELECT id FROM (SELECT d.id, a.value FROM documents AS d, ?each AS a EXCEPT SELECT x.document_id, x.to_id FROM derivations AS x WHERE ` + openAction + `) AS n) AS wrong ON wrong.document_id = d.id`},
	{"a document in process has an open ACTION leg",
		`SELECT ` + name + ` FROM documents AS d WHERE d.state = 'IN_PROCESS' AND NOT EXISTS (SELECT 1 FROM derivations AS x WHERE x.document_id = d.id AND ` + openAction + `)`},
	{"only a document in process or observed has open ACTION legs",
		`SELECT ` + name + ` FROM documents AS d JOIN (SELECT DISTINCT x.document_id FROM derivations AS x WHERE ` + openAction + `) AS l ON l.document_id = d.id WHERE d.state NOT IN ('IN_PROCESS', 'OBSERVED')`},
	{"a voided document was never derived but in copies", `SELECT ` + name + ` FROM documents AS d WHERE d.state = 'VOIDED' AND EXISTS (SELECT 1 FROM derivations AS x WHERE x.document_id = d.id AND x.kind = 'ACTION')`},
	{"an attended document knows when, one in process does not",
		`SELECT ` + name + ` FROM documents AS d WHERE (d.attended_at IS NULL) <> (d.attended_on IS NULL) OR d.state = 'ATTENDED' AND d.attended_at IS NULL
			OR d.state IN ('REGISTERED', 'IN_PROCESS') AND d.attended_at IS NOT NULL`},
	{"the dates of a leg are in order and fit its state",
		`SELECT x.number FROM derivations AS x WHERE x.received_at < x.sent_at OR x.closed_at < x.sent_at OR x.closed_at < x.received_at
			OR (x.received_at IS NULL) <> (x.received_on IS NULL) OR (x.closed_at IS NULL) <> (x.closed_on IS NULL)
			OR x.state = 'PENDING' AND x.received_at IS NOT NULL OR x.state = 'RECEIVED' AND x.received_at IS NULL
			OR (x.closed_at IS NULL) <> (x.state IN ('PENDING', 'RECEIVED')) OR (x.resolution IS NULL) <> (x.state <> 'ATTENDED')`},
	{"no leg was sent before its document was registered",
		`SELECT x.number FROM derivations AS x JOIN documents AS d ON d.id = x.document_id WHERE x.sent_at < d.registered_at`},
	{"the desk sees its documents",
		`SELECT ` + name + ` FROM documents AS d WHERE NOT EXISTS (SELECT 1 FROM document_access AS a WHERE a.document_id = d.id AND a.grantee = d.desk_area_id)`},
	{"both areas of a leg see its document",
		`SELECT x.number FROM derivations AS x WHERE NOT EXISTS (SELECT 1 FROM document_access AS a WHERE a.document_id = x.document_id AND a.grantee = x.from_id)
			OR NOT EXISTS (SELECT 1 FROM document_access AS a WHERE a.document_id = x.document_id AND a.grantee = x.to_id)`},
	{"whoever sees a document in person is assigned to a leg of it, or shelved or fetched it",
		// CROSS makes SQLite begin with the people, who are few.
		`SELECT a.document_id FROM users AS u CROSS JOIN document_access AS a
			WHERE a.grantee = u.id AND NOT EXISTS (SELECT 1 FROM derivations AS x WHERE x.document_id = a.document_id AND x.assignee_id = a.grantee)
			AND NOT EXISTS (SELECT 1 FROM archive_records AS r WHERE r.document_id = a.document_id AND a.grantee IN (r.archived_by_id, r.restored_by_id))`},
	{"an archived document, and no other, has one active record",
		`SELECT ` + name + ` FROM documents AS d LEFT JOIN (SELECT document_id, count(*) AS n FROM archive_records WHERE state = 'ACTIVE' GROUP BY document_id) AS r ON r.document_id = d.id
			WHERE coalesce(r.n, 0) <> CASE WHEN d.state = 'ARCHIVED' THEN 1 ELSE 0 END`},
	{"tallies add up to the documents and legs",
		`SELECT measure || ' ' || key || ' ' || day FROM (SELECT measure, day, key, since, n FROM tallied UNION ALL SELECT measure, day, key, since, -n FROM tally) AS told GROUP BY measure, day, key, since HAVING sum(n) <> 0`},
	{"every document has its events",
		`SELECT ` + name + ` FROM documents AS d WHERE NOT EXISTS (SELECT 1 FROM events AS e WHERE e.document_id = d.id)`},
}

// maxFaults is how many examples of each broken invariant are told.
const maxFaults = 10

// Inconsistencies looks for data that no series of verbs can lead to, in one snapshot: numbers with gaps, documents that disagree with
// their legs, and the like. Each line says what should be true and names an example. Empty, never nil, is the only good answer.
func (db *DB) Inconsistencies(ctx context.Context) ([]string, error) {
	each := bun.Safe("json_each(d.current_area_ids)")
	if db.Backend() == "postgres" {
		each = "jsonb_array_elements_text(d.current_area_ids)"
	}
	args := struct {
		Each  bun.Safe
		Limit int
	}{each, maxFaults}
	found := []string{}
	err := db.read.RunInTx(ctx, db.dialect.snapshot(), func(ctx context.Context, tx bun.Tx) error {
		for _, inv := range invariants {
			var faults []string
			if err := tx.NewRaw("SELECT * FROM ("+inv.find+") AS faults LIMIT ?limit", args).Scan(ctx, &faults); err != nil {
				return fmt.Errorf("check that %s: %w", inv.says, err)
			}
			for _, fault := range faults {
				found = append(found, inv.says+": not so with "+fault)
			}
		}
		return nil
	})
	return found, err
}
