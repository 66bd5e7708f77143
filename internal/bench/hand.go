package main

import (
	"context"
	"database/sql"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// The handlers of this file are what somebody would write who has one question to answer: one prepared statement that also looks the
// session up, rows scanned into variables, JSON put together by hand. Rights and catalogue are worked out once, before the first request.

// signedIn is a condition of every statement; ?1 is the hash of the token and ?2 the instant.
const signedIn = "EXISTS (SELECT 1 FROM sessions AS s JOIN users AS u ON u.id = s.user_id WHERE s.token_hash = ?1 AND s.ended_at IS NULL AND s.expires_at > ?2 AND u.is_active)"

// visible is the condition on a document d that a caller may see it.
func visible(c caller) string {
	scope := c.Scope()
	access := "EXISTS (SELECT 1 FROM document_access AS g WHERE g.document_id = d.id AND g.grantee IN (" + quoted(scope.Grantees) + "))"
	if len(scope.Open) == 0 {
		return access
	}
	return "(d.confidentiality IN (" + quoted(scope.Open) + ") OR " + strings.TrimSuffix(access, ")") + " LIMIT 1 OFFSET 0))"
}

func quoted[T ~string](values []T) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = "'" + string(v) + "'"
	}
	return strings.Join(parts, ", ")
}

// statement prepares a text whose placeholders are ?1, ?2, … and hands its rows over one by one.
func (d *desk) statement(query string) func(ctx context.Context, args []any, scan func(*sql.Rows) error) error {
	if d.Backend() == "postgres" {
		query = strings.ReplaceAll(query, "?", "$")
	}
	prepared, err := d.plain.Prepare(query)
	return func(ctx context.Context, args []any, scan func(*sql.Rows) error) error {
		if err != nil {
			return err
		}
		rows, err := prepared.QueryContext(ctx, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
}

// session are the first two arguments of every statement.
func session(r *http.Request) []any {
	return []any{db.TokenHash(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")), noon}
}

// list is a page of documents.
type list struct {
	first       int
	after       *place
	total, text bool
}

// documents answers Documents.
func (d *desk) documents(c caller, l list) http.HandlerFunc {
	where := visible(c)
	if l.text {
		where += map[string]string{
			"postgres": " AND d.search @@ '''reparacion'':* & ''baches'':*'::tsquery",
			"sqlite":   ` AND d.row IN (SELECT rowid FROM documents_search WHERE documents_search MATCH '"reparacion"* AND "baches"*')`,
		}[d.Backend()]
	}
	total := "0"
	if l.total {
		total = "(SELECT count(*) FROM documents AS d WHERE " + where + ")"
	}
	var at []any
	if l.after != nil {
		where += " AND (d.listed_at, d.id) < (?3, ?4)"
		at = []any{d.stored(l.after), l.after.id}
	}
	rows := d.statement("SELECT d.id, d.file_number, d.subject, d.state, d.priority, d.channel, d.filed_on, d.registered_at, d.listed_at, d.due_on, d.attended_on, " +
		"t.code, t.name, a.code, a.name, u.full_name, d.sender_name, d.sender_id_number, " + total + " FROM documents AS d JOIN document_types AS t ON t.id = d.type_id " +
		"JOIN areas AS a ON a.id = d.current_area_id LEFT JOIN users AS u ON u.id = d.registered_by_id WHERE " + signedIn + " AND " + where +
		" ORDER BY d.listed_at DESC, d.id DESC LIMIT " + strconv.Itoa(l.first+1))
	today := d.cat.Today(noon)
	return func(w http.ResponseWriter, r *http.Request) {
		reply(w, func(o *out) error {
			var (
				id, subject, state, priority, channel, typeCode, typeName, areaCode, areaName, sender string
				fileNumber, registrar, senderNumber                                                   text
				filedOn, dueOn, attendedOn                                                            mesa.Date
				registeredAt, listedAt                                                                instant
				all, n                                                                                int
				cursors                                                                               []string
				ids                                                                                   []string
			)
			o.raw(`{"data":{"documents":{"nodes":[`)
			err := rows(r.Context(), append(session(r), at...), func(rows *sql.Rows) error {
				err := rows.Scan(&id, &fileNumber, &subject, &state, &priority, &channel, &filedOn, &registeredAt, &listedAt, &dueOn, &attendedOn,
					&typeCode, &typeName, &areaCode, &areaName, &registrar, &sender, &senderNumber, &all)
				if n++; err != nil || n > l.first {
					return err
				}
				ids, cursors = append(ids, id), append(cursors, handCursor(listedAt, id))
				o.comma()
				o.raw(`{"id":"`)
				o.raw(id)
				o.raw(`","fileNumber":`)
				o.maybe(fileNumber)
				o.raw(`,"subject":`)
				o.text(subject)
				o.raw(`,"state":"`)
				o.raw(state)
				o.raw(`","priority":"`)
				o.raw(priority)
				o.raw(`","channel":"`)
				o.raw(channel)
				o.raw(`","filedOn":`)
				o.date(filedOn)
				o.raw(`,"registeredAt":`)
				o.time(registeredAt)
				o.raw(`,"dueOn":`)
				o.date(dueOn)
				o.raw(`,"light":"`)
				o.raw(string(d.cat.Calendar.Light(mesa.DocumentState(state), dueOn, attendedOn, today, state == "OBSERVED")))
				o.raw(`","type":{"code":`)
				o.text(typeCode)
				o.raw(`,"name":`)
				o.text(typeName)
				o.raw(`},"currentArea":{"code":`)
				o.text(areaCode)
				o.raw(`,"name":`)
				o.text(areaName)
				o.raw(`},"registeredBy":`)
				o.named("fullName", registrar)
				o.raw(`,"sender":{"name":`)
				o.text(sender)
				o.raw(`,"idNumber":`)
				o.maybe(senderNumber)
				o.raw(`}}`)
				return nil
			})
			o.raw(`],"edges":[`)
			for i := range ids {
				o.comma()
				o.raw(`{"cursor":"`)
				o.raw(cursors[i])
				o.raw(`","node":{"id":"`)
				o.raw(ids[i])
				o.raw(`"}}`)
			}
			o.raw(`],"pageInfo":{"hasNextPage":`)
			o.bool(n > l.first)
			o.raw(`,"hasPreviousPage":`)
			o.bool(l.after != nil)
			if len(cursors) > 0 {
				o.raw(`,"startCursor":"` + cursors[0] + `","endCursor":"` + cursors[len(cursors)-1] + `"}`)
			} else {
				o.raw(`,"startCursor":null,"endCursor":null}`)
			}
			if l.total {
				o.raw(`,"totalCount":`)
				o.int(all)
			}
			o.raw(`}}}`)
			return err
		})
	}
}

// stored is an instant as the database compares it: SQLite has texts, without zeros at the end.
func (d *desk) stored(p *place) any {
	if d.Backend() == "postgres" {
		return p.listedAt
	}
	return p.listedAt.UTC().Format("2006-01-02 15:04:05.999999-07:00")
}

// nested answers DocumentsNested.
func (d *desk) nested(c caller, first int) http.HandlerFunc {
	rows := d.statement("WITH page AS (SELECT d.id, d.listed_at, d.file_number, d.type_id, d.current_area_id FROM documents AS d WHERE " + signedIn + " AND " + visible(c) +
		" ORDER BY d.listed_at DESC, d.id DESC LIMIT " + strconv.Itoa(first) + ") SELECT p.id, p.file_number, t.name, a.name, l.number, l.state, l.sent_at, x.name, y.name, s.full_name, v.full_name " +
		"FROM page AS p JOIN document_types AS t ON t.id = p.type_id JOIN areas AS a ON a.id = p.current_area_id LEFT JOIN derivations AS l ON l.document_id = p.id " +
		"LEFT JOIN areas AS x ON x.id = l.to_id LEFT JOIN areas AS y ON y.id = l.from_id LEFT JOIN users AS s ON s.id = l.sent_by_id LEFT JOIN users AS v ON v.id = l.received_by_id " +
		"ORDER BY p.listed_at DESC, p.id DESC, l.id")
	return func(w http.ResponseWriter, r *http.Request) {
		reply(w, func(o *out) error {
			var (
				id, last, typeName, areaName                         string
				fileNumber, leg, state, to, from, sentBy, receivedBy text
				sentAt                                               instant
				n                                                    int
			)
			end := func() {
				if last != "" {
					o.raw(`],"totalCount":`)
					o.int(n)
					o.raw(`}}`)
				}
				n = 0
			}
			o.raw(`{"data":{"documents":{"nodes":[`)
			err := rows(r.Context(), session(r), func(rows *sql.Rows) error {
				if err := rows.Scan(&id, &fileNumber, &typeName, &areaName, &leg, &state, &sentAt, &to, &from, &sentBy, &receivedBy); err != nil {
					return err
				}
				if id != last {
					end()
					last = id
					o.comma()
					o.raw(`{"id":"`)
					o.raw(id)
					o.raw(`","fileNumber":`)
					o.maybe(fileNumber)
					o.raw(`,"type":{"name":`)
					o.text(typeName)
					o.raw(`},"currentArea":{"name":`)
					o.text(areaName)
					o.raw(`},"derivations":{"nodes":[`)
				}
				if leg == "" {
					return nil
				}
				if n++; n > 10 {
					return nil
				}
				o.comma()
				o.raw(`{"number":`)
				o.maybe(leg)
				o.raw(`,"state":`)
				o.maybe(state)
				o.raw(`,"sentAt":`)
				o.time(sentAt)
				o.raw(`,"toArea":`)
				o.named("name", to)
				o.raw(`,"fromArea":`)
				o.named("name", from)
				o.raw(`,"sentBy":`)
				o.named("fullName", sentBy)
				o.raw(`,"receivedBy":`)
				o.named("fullName", receivedBy)
				o.raw(`}`)
				return nil
			})
			end()
			o.raw(`]}}}`)
			return err
		})
	}
}

// trayBoxes are the lists of an area as conditions: on a leg x where there is one, and on the document d.
var trayBoxes = []struct{ box, leg, doc string }{
	{"TO_REGISTER", "", "d.state = 'SUBMITTED' AND d.current_area_id = ?3"},
	{"TO_DERIVE", "", "d.state = 'REGISTERED' AND d.current_area_id = ?3"},
	{"TO_RECEIVE", "x.to_id = ?3 AND x.kind = 'ACTION' AND x.state = 'PENDING'", ""},
	{"IN_HAND", "x.to_id = ?3 AND x.kind = 'ACTION' AND x.state = 'RECEIVED'", ""},
	{"COPIES", "x.to_id = ?3 AND x.kind = 'COPY' AND x.state = 'PENDING'", ""},
	{"RETURNED", "x.to_id = ?3 AND x.kind = 'ACTION' AND x.state = 'PENDING' AND x.origin = 'RETURN'", ""},
	{"SENT", "x.from_id = ?3 AND x.state IN ('PENDING', 'RECEIVED')", ""},
	{"OBSERVED", "", "d.state = 'OBSERVED' AND d.current_area_id = ?3"},
	{"OVERDUE", "", held + " AND d.due_on < ?4"},
	{"DUE_SOON", "", held + " AND d.due_on BETWEEN ?4 AND ?5"},
	{"ATTENDED", attendedLeg, "d.state = 'ATTENDED'"},
	{"TO_ARCHIVE", "", "d.state IN ('ATTENDED', 'NOT_FILED') AND d.current_area_id = ?3"},
	{"WATCHED", "", "d.id IN (SELECT w.document_id FROM watches AS w WHERE w.user_id = ?6)"},
}

const (
	attendedLeg = "x.to_id = ?3 AND x.kind = 'ACTION' AND x.state = 'ATTENDED'"
	held        = "d.state IN ('SUBMITTED', 'REGISTERED', 'IN_PROCESS') AND d.id IN (SELECT o.id FROM documents AS o WHERE o.current_area_id = ?3 AND o.state IN ('SUBMITTED', 'REGISTERED', 'IN_PROCESS') UNION ALL SELECT h.document_id FROM derivations AS h WHERE h.to_id = ?3 AND h.kind = 'ACTION' AND h.state IN ('PENDING', 'RECEIVED'))"
)

// tray answers Tray for the box ATTENDED.
func (d *desk) tray(c caller, area mesa.AreaID, first int) http.HandlerFunc {
	scope := visible(c)
	parts := []string{"SELECT * FROM (SELECT 'item' AS part, d.id, d.file_number, d.subject, d.state AS doc_state, d.due_on, d.attended_on, x.id AS leg, x.number, x.state, x.kind, 0 AS n " +
		"FROM derivations AS x JOIN documents AS d ON d.id = x.document_id WHERE " + attendedLeg + " AND d.state = 'ATTENDED' AND " + signedIn +
		" AND NOT EXISTS (SELECT 1 FROM derivations AS y" + d.through("derivations_document") + " WHERE y.document_id = d.id AND y.id > x.id AND " + strings.ReplaceAll(attendedLeg, "x.", "y.") + ")" +
		" ORDER BY x.id DESC LIMIT " + strconv.Itoa(first+1) + ") AS items"}
	for _, b := range trayBoxes {
		from, where := "count(*) FROM documents AS d", b.doc
		if b.leg != "" {
			from, where = "count(DISTINCT d.id) FROM derivations AS x JOIN documents AS d ON d.id = x.document_id", b.leg
			if b.doc != "" {
				where += " AND " + b.doc
			}
		}
		if b.box == "WATCHED" {
			where += " AND " + scope // the area was given access to what is in its other lists
		}
		parts = append(parts, "SELECT 'count', '"+b.box+"', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "+from+" WHERE "+where)
	}
	rows := d.statement(strings.Join(parts, " UNION ALL "))
	today := d.cat.Today(noon)
	args := []any{string(area), today, d.cat.Calendar.AmberUntil(today), string(c.UserID)}
	return func(w http.ResponseWriter, r *http.Request) {
		reply(w, func(o *out) error {
			var (
				part, id                                                string
				fileNumber, subject, docState, leg, number, state, kind text
				dueOn, attendedOn                                       mesa.Date
				n, items, total                                         int
				end                                                     text
				counts                                                  = &out{}
			)
			o.raw(`{"data":{"tray":{"nodes":[`)
			counts.raw(`[`)
			err := rows(r.Context(), append(session(r), args...), func(rows *sql.Rows) error {
				if err := rows.Scan(&part, &id, &fileNumber, &subject, &docState, &dueOn, &attendedOn, &leg, &number, &state, &kind, &n); err != nil {
					return err
				}
				if part == "count" {
					counts.comma()
					counts.raw(`{"box":"` + id + `","count":`)
					counts.int(n)
					counts.raw(`}`)
					if id == "ATTENDED" {
						total = n
					}
					return nil
				}
				if items++; items > first {
					return nil
				}
				end = leg
				o.comma()
				o.raw(`{"document":{"id":"`)
				o.raw(id)
				o.raw(`","fileNumber":`)
				o.maybe(fileNumber)
				o.raw(`,"subject":`)
				o.maybe(subject)
				o.raw(`,"light":"`)
				o.raw(string(d.cat.Calendar.Light(mesa.DocumentState(docState), dueOn, attendedOn, today, docState == "OBSERVED")))
				o.raw(`"},"derivation":{"id":`)
				o.maybe(leg)
				o.raw(`,"number":`)
				o.maybe(number)
				o.raw(`,"state":`)
				o.maybe(state)
				o.raw(`,"kind":`)
				o.maybe(kind)
				o.raw(`}}`)
				return nil
			})
			o.raw(`],"totalCount":`)
			o.int(total)
			o.raw(`,"pageInfo":{"hasNextPage":`)
			o.bool(items > first)
			o.raw(`,"endCursor":`)
			if end == "" {
				o.raw("null")
			} else {
				o.raw(`"` + cursorOf("tray-legs", string(end)) + `"`)
			}
			o.raw(`}},"trayCounts":`)
			o.b = append(o.b, counts.b...)
			o.raw(`]}}`)
			return err
		})
	}
}

// through names the index to use where SQLite, which has no statistics, would take a worse one.
func (d *desk) through(index string) string {
	if d.Backend() == "sqlite" {
		return " INDEXED BY " + index
	}
	return ""
}

// document answers Document, one part of it after the other.
func (d *desk) document(c caller, id mesa.DocumentID) http.HandlerFunc {
	const none8 = "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
	rows := d.statement("SELECT 'leg' AS part, row_number() OVER (ORDER BY l.id) AS n, l.id, l.number, l.kind, l.state, l.origin, l.instructions, l.reason, l.from_id, l.to_id, f.code, t.code, " +
		"s.full_name, r.full_name, c.full_name, a.full_name, l.assignee_id, l.sent_by_id, l.is_lead, l.urgent, l.sent_at, l.received_at, l.closed_at, l.due_on, l.due_on, l.due_on, l.due_on, l.version, l.version " +
		"FROM derivations AS l JOIN areas AS f ON f.id = l.from_id JOIN areas AS t ON t.id = l.to_id LEFT JOIN users AS s ON s.id = l.sent_by_id LEFT JOIN users AS r ON r.id = l.received_by_id " +
		"LEFT JOIN users AS c ON c.id = l.closed_by_id LEFT JOIN users AS a ON a.id = l.assignee_id WHERE l.document_id = ?3 " +
		"UNION ALL SELECT 'event', e.seq, e.type, e.text, e.actor_name, NULL, NULL, NULL, " + none8 + ", NULL, NULL, NULL, NULL, NULL, e.at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL " +
		"FROM events AS e WHERE e.document_id = ?3 AND (e.type LIKE 'document.%' OR e.type LIKE 'derivation.%' OR e.type LIKE 'exchange.%') " +
		"UNION ALL SELECT 'record', row_number() OVER (ORDER BY k.id), k.location_code, k.state, NULL, NULL, NULL, NULL, " + none8 + ", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, k.retain_until, NULL, NULL, NULL, NULL, NULL " +
		"FROM archive_records AS k WHERE k.document_id = ?3 " +
		"UNION ALL SELECT 'doc', 0, d.file_number, d.tracking_code, d.subject, d.state, CAST(d.tags AS TEXT), d.notes, y.name, g.name, h.name, CAST(d.current_area_ids AS TEXT), d.sender_name, " +
		"d.desk_area_id, d.current_area_id, d.due_source, d.confidentiality, d.assignee_id, NULL, NULL, NULL, NULL, NULL, NULL, d.filed_on, d.due_on, d.attended_on, d.manual_due_on, d.version, d.term_days " +
		"FROM documents AS d JOIN document_types AS y ON y.id = d.type_id LEFT JOIN categories AS g ON g.id = d.category_id JOIN areas AS h ON h.id = d.current_area_id WHERE d.id = ?3 AND " + signedIn + " AND " + visible(c) +
		" ORDER BY 1, 2")
	today := d.cat.Today(noon)
	return func(w http.ResponseWriter, r *http.Request) {
		reply(w, func(o *out) error {
			var (
				part                   string
				seq                    int
				t                      [17]text
				b                      [2]sql.NullBool
				at                     [3]instant
				on                     [4]mesa.Date
				n                      [2]number
				doc                    mesa.Document
				legs                   []*mesa.Derivation
				lines, events, records = &out{}, &out{}, &out{}
				into                   = []any{&part, &seq}
			)
			for i := range t {
				into = append(into, &t[i])
			}
			into = append(into, &b[0], &b[1], &at[0], &at[1], &at[2], &on[0], &on[1], &on[2], &on[3], &n[0], &n[1])
			lines.raw("[")
			events.raw("[")
			records.raw("[")
			o.raw(`{"data":{"node":{"__typename":"Document","id":"`)
			o.raw(string(id))
			o.raw(`"`)
			err := rows(r.Context(), append(session(r), string(id)), func(rows *sql.Rows) error {
				if err := rows.Scan(into...); err != nil {
					return err
				}
				switch part {
				case "event":
					events.comma()
					events.raw(`{"at":`)
					events.time(at[0])
					for i, key := range []string{`,"type":`, `,"text":`} {
						events.raw(key)
						events.text(string(t[i]))
					}
					events.raw(`,"actor":`)
					events.named("name", t[2])
					events.raw(`}`)
				case "record":
					records.comma()
					records.raw(`{"locationCode":`)
					records.maybe(t[0])
					records.raw(`,"state":`)
					records.maybe(t[1])
					records.raw(`,"retainUntil":`)
					records.date(on[0])
					records.raw(`}`)
				case "leg":
					legs = append(legs, &mesa.Derivation{ID: mesa.DerivationID(t[0]), Kind: mesa.DerivationKind(t[2]), State: mesa.DerivationState(t[3]), FromID: mesa.AreaID(t[7]), ToID: mesa.AreaID(t[8]),
						AssigneeID: mesa.UserID(t[15]), SentByID: mesa.UserID(t[16]), IsLead: b[0].Bool, Origin: mesa.DerivationOrigin(t[4])})
					lines.comma()
					lines.raw(`{"id":`)
					lines.maybe(t[0])
					for i, key := range []string{`,"number":`, `,"kind":`, `,"state":`, `,"origin":`, `,"instructions":`} {
						lines.raw(key)
						lines.text(string(t[i+1]))
					}
					lines.raw(`,"reason":`)
					lines.maybe(t[6])
					lines.raw(`,"isLead":`)
					lines.bool(b[0].Bool)
					lines.raw(`,"urgent":`)
					lines.bool(b[1].Bool)
					for i, key := range []string{`,"sentAt":`, `,"receivedAt":`, `,"closedAt":`} {
						lines.raw(key)
						lines.time(at[i])
					}
					lines.raw(`,"fromArea":`)
					lines.named("code", t[9])
					lines.raw(`,"toArea":`)
					lines.named("code", t[10])
					for i, key := range []string{`,"sentBy":`, `,"receivedBy":`, `,"closedBy":`, `,"assignee":`} {
						lines.raw(key)
						lines.named("fullName", t[11+i])
					}
					lines.raw(`}`)
				case "doc":
					doc = mesa.Document{ID: id, State: mesa.DocumentState(t[3]), DeskAreaID: mesa.AreaID(t[11]), CurrentAreaID: mesa.AreaID(t[12]), DueSource: mesa.DueSource(t[13]),
						Confidentiality: mesa.Confidentiality(t[14]), AssigneeID: mesa.UserID(t[15]), FiledOn: on[0], DueOn: on[1], AttendedOn: on[2], ManualDueOn: on[3], TermDays: int(n[1])}
					o.raw(`,"fileNumber":`)
					o.maybe(t[0])
					o.raw(`,"trackingCode":`)
					o.text(mesa.TrackingCode(t[1]).String())
					o.raw(`,"subject":`)
					o.maybe(t[2])
					o.raw(`,"state":`)
					o.maybe(t[3])
					o.raw(`,"version":`)
					o.int(int(n[0]))
					o.raw(`,"filedOn":`)
					o.date(on[0])
					o.raw(`,"dueOn":`)
					o.date(on[1])
					o.raw(`,"light":"` + string(d.cat.Calendar.Light(doc.State, doc.DueOn, doc.AttendedOn, today, doc.IsPaused())) + `","tags":`)
					o.raw(string(t[4]))
					o.raw(`,"notes":`)
					o.maybe(t[5])
					o.raw(`,"type":`)
					o.named("name", t[6])
					o.raw(`,"category":`)
					o.named("name", t[7])
					o.raw(`,"currentArea":`)
					o.named("name", t[8])
					o.raw(`,"currentAreas":[`)
					for _, area := range d.cat.Areas {
						if strings.Contains(string(t[9]), string(area.ID)) {
							o.comma()
							o.named("code", text(area.Code))
						}
					}
					o.raw(`],"sender":`)
					o.named("name", t[10])
				}
				return nil
			})
			slices.SortFunc(legs, func(a, b *mesa.Derivation) int { return strings.Compare(string(a.ID), string(b.ID)) })
			o.raw(`,"availableActions":[`)
			for _, action := range mesa.AvailableActions(c.Actor, &doc, legs) {
				o.comma()
				o.text(string(action))
			}
			o.raw(`],"deadlineTrace":[`)
			for _, day := range d.cat.Calendar.DeadlineTrace(doc.Deadline()) {
				o.comma()
				o.raw(`{"date":`)
				o.date(day.Date)
				o.raw(`,"counted":`)
				o.bool(day.Counted)
				o.raw(`,"reason":`)
				o.maybe(text(day.Reason))
				o.raw(`}`)
			}
			o.raw(`],"derivations":{"nodes":`)
			o.b = append(o.b, lines.b...)
			o.raw(`]},"timeline":{"nodes":`)
			o.b = append(o.b, events.b...)
			o.raw(`]},"archiveRecords":`)
			o.b = append(o.b, records.b...)
			o.raw(`]}}}`)
			return err
		})
	}
}
