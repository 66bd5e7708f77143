package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/mesa"
)

// pool is registered documents on the desk, one for each request that derives one.
type pool struct {
	*desk
	to   mesa.AreaID
	docs []*mesa.Document
	next atomic.Int64
}

// A pool is made anew when fewer documents are left than a slice of time or a price may use up.
const (
	poolDocuments = 6000
	poolLeast     = 2000
)

// fill makes the pool anew unless enough of it is left.
func (p *pool) fill(ctx context.Context) error {
	if len(p.docs)-int(p.next.Load()) >= poolLeast {
		return nil
	}
	if err := p.removeDerived(ctx); err != nil {
		return err
	}
	var (
		bulk db.Bulk
		ids  mesa.IDs
	)
	for range poolDocuments {
		code, err := mesa.NewTrackingCode(rand.Reader)
		if err != nil {
			return err
		}
		f, err := mesa.Register(p.head.Actor, noon, &ids, p.head.Areas[0], code, mesa.Registration{
			TypeID: p.cat.Types[0].ID, Subject: "Solicita mantenimiento del puente peatonal", Folios: 3,
			Sender: mesa.Sender{Kind: mesa.PersonParty, IDType: mesa.DNI, IDNumber: "40123456", Name: "María Quispe Huamán"},
		})
		if err != nil {
			return err
		}
		changes := f.Changes()
		bulk.Documents, bulk.Events = append(bulk.Documents, f.Doc), append(bulk.Events, changes.Events...)
		for _, g := range changes.Grants {
			bulk.Access = append(bulk.Access, db.Access{DocumentID: f.Doc.ID, Grantee: g})
		}
	}
	p.docs = bulk.Documents
	p.next.Store(0)
	return p.BulkInsert(ctx, p.cat, bulk)
}

// leave leaves the database as it was before the pool, but for the numbers that were given.
func (p *pool) leave(ctx context.Context) error {
	p.docs = nil
	p.next.Store(0)
	if err := p.removeDerived(ctx); err != nil {
		return err
	}
	_, err := p.plain.ExecContext(ctx, "VACUUM documents, derivations, document_access, events")
	return err
}

// removeDerived removes what a pool, also one of a run that was stopped, left behind: all of it is of the very instant of noon, and nothing else is.
func (d *desk) removeDerived(ctx context.Context) error {
	var any bool
	if err := d.plain.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM documents WHERE listed_at = $1)", noon).Scan(&any); err != nil || !any {
		return err
	}
	tx, err := d.plain.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit this does nothing
	// Documents are never removed otherwise, so that nothing takes them out of the tallies.
	for _, removed := range []string{
		"documents AS r CROSS JOIN LATERAL tallies_of_document(r.state, r.filed_on, r.attended_on, r.due_on, r.priority, r.type_id, r.category_id, r.channel, r.sender_kind) AS t WHERE r.listed_at = $1",
		`derivations AS r CROSS JOIN LATERAL tallies_of_leg(r.kind, r.state, r.to_id, r.sent_at, r.received_on, r.closed_on, r.due_on) AS t
			WHERE r.document_id IN (SELECT id FROM documents WHERE listed_at = $1)`,
	} {
		if _, err := tx.ExecContext(ctx, "INSERT INTO tally_changes SELECT t.measure, t.day, t.key, t.since, -sum(t.n) FROM "+removed+" GROUP BY 1, 2, 3, 4", noon); err != nil {
			return fmt.Errorf("take what was derived out of the tallies: %w", err)
		}
	}
	// Triggers keep events from being removed, and look for each document in all that may refer to one.
	if _, err := tx.ExecContext(ctx, "SET LOCAL session_replication_role = replica"); err != nil {
		return fmt.Errorf("remove what was derived, which needs a superuser: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `WITH gone AS (DELETE FROM documents WHERE listed_at = $1 RETURNING id),
		legs AS (DELETE FROM derivations WHERE document_id IN (SELECT id FROM gone)),
		access AS (DELETE FROM document_access WHERE document_id IN (SELECT id FROM gone))
		DELETE FROM events WHERE document_id IN (SELECT id FROM gone)`, noon); err != nil {
		return fmt.Errorf("remove what was derived: %w", err)
	}
	return tx.Commit()
}

// ask asks at the path of a way to derive.
func (p *pool) ask(s *site, path string, op operation) ask {
	return func() *http.Request {
		i := int(p.next.Add(1)) - 1
		if i >= len(p.docs) {
			return nil
		}
		op := op
		op.variables = map[string]any{"input": map[string]any{
			"documentId": p.docs[i].ID, "expectedVersion": p.docs[i].Version,
			"targets": []any{map[string]any{"areaId": p.to, "instructions": "Para su atención", "purposeCode": "ATENCION"}},
		}}
		return s.post(path, op, op.body())()
	}
}

// derive answers Derive for one target that is to act on a document of the caller's desk. All that it does is one statement.
func (d *desk) derive(c caller) http.HandlerFunc {
	row := d.statement(d.deriveStatement(c))
	return func(w http.ResponseWriter, r *http.Request) {
		reply(w, func(o *out) error {
			input, err := derivedIn(r.Body)
			if err != nil {
				return err
			}
			var (
				ids     mesa.IDs
				target  = input.Targets[0]
				leg     = string(ids.Derivation(noon))
				sender  = d.cat.AreaName(c.Areas[0])
				area    = d.cat.Area(target.AreaID)
				number  string
				due     mesa.Date
				version int
			)
			args := append(session(r), input.DocumentID, input.ExpectedVersion, leg, string(ids.Batch(noon)), string(target.AreaID), target.Instructions, target.PurposeCode,
				string(ids.Event(noon)), "Derivado de "+sender+" a "+area.Name, string(ids.Event(noon)), "Derivado a "+area.Name, rand.Text())
			err = row(r.Context(), args, func(rows *sql.Rows) error { return rows.Scan(&number, &due, &version) })
			if err != nil {
				return err
			}
			if version == 0 {
				return errors.New("not on this desk, or changed by somebody else")
			}
			o.raw(`{"data":{"deriveDocument":{"document":{"id":"`)
			o.raw(input.DocumentID)
			o.raw(`","state":"IN_PROCESS","version":`)
			o.int(version)
			o.raw(`,"currentArea":`)
			o.named("code", text(area.Code))
			o.raw(`},"derivations":[{"id":"`)
			o.raw(leg)
			o.raw(`","number":`)
			o.text(number)
			o.raw(`,"state":"PENDING","kind":"ACTION","isLead":true,"dueOn":`)
			o.date(due)
			o.raw(`,"toArea":`)
			o.named("code", text(area.Code))
			o.raw(`}]}}}`)
			return nil
		})
	}
}

// deriveStatement finds and locks the document, takes a number, writes leg, document, access and both events. ?3 to ?14 are the document, its
// version, the ids of leg and batch, the target with its instructions and purpose, then id and text of each event, and the request.
func (d *desk) deriveStatement(c caller) string {
	year, _, _ := d.cat.Today(noon).YMD()
	return strings.NewReplacer("{from}", quoted(c.Areas[:1]), "{to}", "?7::text", "{user}", quoted([]mesa.UserID{c.UserID}), "{name}", quoted([]string{c.Name}),
		"{year}", strconv.Itoa(year), "{may}", visible(c)+" AND "+signedIn).Replace(`
WITH doc AS (
  SELECT d.id, d.due_on FROM documents AS d WHERE d.id = ?3 AND d.version = ?4 AND d.state = 'REGISTERED' AND d.desk_area_id = {from} AND {may} FOR UPDATE OF d
), counter AS (
  INSERT INTO counters (series, year, last) SELECT 'DER', {year}, 1 FROM doc
  ON CONFLICT (series, year) DO UPDATE SET last = counters.last + excluded.last RETURNING last
), leg AS (
  INSERT INTO derivations (id, number, document_id, batch_id, kind, purpose_code, from_id, to_id, origin, is_lead, sent_by_id, sent_at,
    instructions, urgent, requires_response, due_on, state, reception_minutes, version)
  SELECT ?5, 'DER-{year}-' || lpad(last::text, greatest(6, length(last::text)), '0'), doc.id, ?6, 'ACTION', ?9, {from}, {to}, 'SEND', TRUE, {user}, ?2,
    ?8, FALSE, FALSE, doc.due_on, 'PENDING', 0, 1 FROM doc, counter RETURNING number, due_on
), moved AS (
  UPDATE documents AS d SET state = 'IN_PROCESS', version = d.version + 1, current_area_id = {to}, current_area_ids = jsonb_build_array({to}), assignee_id = NULL
  FROM doc WHERE d.id = doc.id RETURNING d.version
), access AS (
  INSERT INTO document_access (document_id, grantee) SELECT doc.id, g FROM doc, unnest(ARRAY[{from}, {to}]) AS g ON CONFLICT DO NOTHING
), told AS (
  INSERT INTO events (id, at, type, actor_kind, actor_id, actor_name, document_id, derivation_id, area_ids, text, changes, request_id)
  SELECT e.id, ?2, e.type, 'USER', {user}, {name}, doc.id, e.leg, jsonb_build_array({from}, {to}), e.text, e.changes, ?14 FROM doc, (VALUES
    (?10, 'derivation.created', ?5, ?11, '{"derivation.state": {"before": null, "after": "PENDING"}}'::jsonb),
    (?12, 'document.derived', NULL, ?13, jsonb_build_object('state', '{"before": "REGISTERED", "after": "IN_PROCESS"}'::jsonb,
      'currentAreaId', jsonb_build_object('before', {from}, 'after', {to})))) AS e (id, type, leg, text, changes)
) SELECT leg.number, leg.due_on, moved.version FROM leg, moved`)
}

// deriveInput is what a request to derive asks for.
type deriveInput struct {
	DocumentID      string
	ExpectedVersion int
	Targets         []struct {
		AreaID                    mesa.AreaID
		Instructions, PurposeCode string
	}
}

func derivedIn(body io.Reader) (deriveInput, error) {
	var asked struct{ Variables struct{ Input deriveInput } }
	err := json.NewDecoder(body).Decode(&asked)
	if err == nil && len(asked.Variables.Input.Targets) != 1 {
		err = errors.New("one target")
	}
	return asked.Variables.Input, err
}

// made is what two derivations cannot have in common.
var made = regexp.MustCompile(`(doc|der|bat|evt)_[0-9a-z]{26}|DER-\d+-\d+`)

// compareDeriving derives a document both ways and makes sure that the answers, and the rows that are there afterwards, are the same.
func (p *pool) compareDeriving(ctx context.Context, s *site, r rivals) error {
	if err := p.fill(ctx); err != nil {
		return err
	}
	var (
		first = p.next.Load()
		did   [2][]byte
	)
	for i, a := range []ask{r.program, r.against} {
		answer, err := s.direct(ctx, a())
		if err != nil {
			return err
		}
		var rows []byte
		err = p.plain.QueryRowContext(ctx, `SELECT jsonb_build_array(to_jsonb(d) - '{seq,file_number,tracking_code,search,search_text}'::text[],
			(SELECT jsonb_agg(to_jsonb(l) ORDER BY l.id) FROM derivations AS l WHERE l.document_id = d.id),
			(SELECT jsonb_agg(a.grantee ORDER BY a.grantee) FROM document_access AS a WHERE a.document_id = d.id),
			(SELECT jsonb_agg(to_jsonb(e) - '{seq,tx,request_id}'::text[] ORDER BY e.seq) FROM events AS e WHERE e.document_id = d.id)) FROM documents AS d WHERE d.id = $1`,
			p.docs[int(first)+i].ID).Scan(&rows)
		if err != nil {
			return err
		}
		did[i] = made.ReplaceAll(fmt.Appendf(nil, "[%s,%s]", answer, rows), []byte("$1"))
	}
	differs, err := differ(did[0], did[1])
	if differs != "" {
		err = errors.New("what was derived differs: " + differs)
	}
	return err
}
