package db

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/mesapartes/mesa/mesa"
)

// Documents on their way to other institutions. Whoever locks several rows locks the job first, then the message, then the integration.

// InsertIntegration stores a new integration. Invalid when its code is taken.
func (tx *Tx) InsertIntegration(ctx context.Context, i *mesa.Integration) error {
	if _, err := tx.NewInsert().Model(i).Exec(ctx); err != nil {
		if tx.db.dialect.isUnique(err) {
			return mesa.Invalid("code", "Ya existe una integración con ese código.")
		}
		return fmt.Errorf("insert integration: %w", err)
	}
	return nil
}

// Integration locks an integration; NotFound of the field when there is none.
func (tx *Tx) Integration(ctx context.Context, id mesa.IntegrationID, field string) (*mesa.Integration, error) {
	i := &mesa.Integration{}
	if err := tx.db.dialect.forUpdate(tx.NewSelect().Model(i).Where("integration.id = ?", id), "integration").Scan(ctx); err != nil {
		return nil, notFound(err, field, "lock integration")
	}
	return i, nil
}

// IntegrationOfKey is the integration that the actor's key belongs to, nil when it belongs to none. It is not locked: submissions wait
// neither for each other nor for calls being noted.
func (tx *Tx) IntegrationOfKey(ctx context.Context, key *mesa.APIKey) (*mesa.Integration, error) {
	if key.IntegrationID == "" {
		return nil, nil
	}
	i := &mesa.Integration{}
	if err := tx.NewSelect().Model(i).Where("integration.id = ?", key.IntegrationID).Scan(ctx); err != nil {
		return nil, notFound(err, "integrationId", "find integration of a key")
	}
	return i, nil
}

// SaveIntegration stores a locked integration.
func (tx *Tx) SaveIntegration(ctx context.Context, i *mesa.Integration) error {
	if _, err := tx.NewUpdate().Model(i).WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("save integration: %w", err)
	}
	return nil
}

// NoteCall notes on a locked integration how a call went, and records when that changes its health.
func (tx *Tx) NoteCall(ctx context.Context, by *mesa.Actor, i *mesa.Integration, call *mesa.ExchangeCall, every time.Duration) error {
	before := i.Health
	changed := i.Note(call, tx.Now(), every)
	if err := tx.SaveIntegration(ctx, i); err != nil || !changed {
		return err
	}
	e := mesa.NewEvent(tx.IDs(), by, tx.Now(), mesa.HealthChanged)
	e.ObjectID, e.Text, e.Reason = string(i.ID), i.Name, mesa.Text(call.ErrorCode)
	e.Changes = map[string]mesa.Change{"health": {Before: before, After: i.Health}}
	return tx.AppendEvents(ctx, []*mesa.Event{e})
}

// IntegrationsByID finds integrations; the others are missing from the map.
func (db *DB) IntegrationsByID(ctx context.Context, ids []mesa.IntegrationID) (map[mesa.IntegrationID]*mesa.Integration, error) {
	var rows []*mesa.Integration
	if err := db.read.NewSelect().Model(&rows).Where("integration.id IN (?)", bun.List(ids)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("integrations by id: %w", err)
	}
	return byID(rows, func(i *mesa.Integration) mesa.IntegrationID { return i.ID }), nil
}

var integrationOrder = keyset{name: "integrations", keys: []key{{"integration.code", textKey}}}

// Integrations lists all integrations by code. The caller has checked that the actor may look at them.
func (db *DB) Integrations(ctx context.Context, p Page) (Slice[*mesa.Integration], error) {
	return list(ctx, db.read.NewSelect(), integrationOrder, func(i *mesa.Integration) []any { return []any{i.Code} }, p)
}

// AllIntegrations are all integrations there are, the active ones alone if that is asked for.
func (db *DB) AllIntegrations(ctx context.Context, active bool) (rows []*mesa.Integration, err error) {
	q := db.read.NewSelect().Model(&rows).Order("id")
	if active {
		q = q.Where("is_active")
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("read integrations: %w", err)
	}
	return rows, nil
}

// InsertMessage stores a new message.
func (tx *Tx) InsertMessage(ctx context.Context, m *mesa.ExchangeMessage) error {
	if _, err := tx.NewInsert().Model(m).Exec(ctx); err != nil {
		return fmt.Errorf("insert message: %w", err)
	}
	return nil
}

// Message locks a message; NotFound of the field when there is none.
func (tx *Tx) Message(ctx context.Context, id mesa.MessageID, field string) (*mesa.ExchangeMessage, error) {
	m := &mesa.ExchangeMessage{}
	if err := tx.db.dialect.forUpdate(tx.NewSelect().Model(m).Where("exchange_message.id = ?", id), "exchange_message").Scan(ctx); err != nil {
		return nil, notFound(err, field, "lock message")
	}
	return m, nil
}

// DocumentOfMessage is the document of a message; NotFound when there is none.
func (tx *Tx) DocumentOfMessage(ctx context.Context, id mesa.MessageID) (doc mesa.DocumentID, err error) {
	if err := tx.NewRaw("SELECT document_id FROM exchange_messages WHERE id = ?", id).Scan(ctx, &doc); err != nil {
		return "", notFound(err, "messageId", "find message")
	}
	return doc, nil
}

// ConfidentialityOf is that of a document; NotFound when there is none.
func (tx *Tx) ConfidentialityOf(ctx context.Context, id mesa.DocumentID) (grade mesa.Confidentiality, err error) {
	if err := tx.NewRaw("SELECT confidentiality FROM documents WHERE id = ?", id).Scan(ctx, &grade); err != nil {
		return "", notFound(err, "documentId", "read the confidentiality of a document")
	}
	return grade, nil
}

// JobOfMessage locks the job that sends a message, to be locked before that; nil when there is none any more. The caller has the document
// locked, so that it stays the message's job.
func (tx *Tx) JobOfMessage(ctx context.Context, id mesa.MessageID) (*mesa.Job, error) {
	var rows []*mesa.Job
	q := tx.NewSelect().Model(&rows).Where("job.id = (SELECT job_id FROM exchange_messages WHERE id = ?)", id)
	if err := tx.db.dialect.forUpdate(q, "job").Scan(ctx); err != nil {
		return nil, fmt.Errorf("lock the job of a message: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return rows[0], nil
}

// LiveMessage is the message by which a document is on its way to an institution, or arrived there; nil when there is none. It stays so for
// the transaction if that has the document locked.
func (tx *Tx) LiveMessage(ctx context.Context, doc mesa.DocumentID, to mesa.IntegrationID) (*mesa.ExchangeMessage, error) {
	var rows []*mesa.ExchangeMessage
	err := tx.NewSelect().Model(&rows).Where("document_id = ? AND integration_id = ? AND state NOT IN ('REJECTED', 'DEAD', 'CANCELLED')", doc, to).Scan(ctx)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

// SaveMessage stores a locked message with what happened to it.
func (tx *Tx) SaveMessage(ctx context.Context, by *mesa.Actor, m *mesa.ExchangeMessage, to *mesa.Integration, what ...mesa.EventType) error {
	if _, err := tx.NewUpdate().Model(m).WherePK().Exec(ctx); err != nil {
		return fmt.Errorf("save message: %w", err)
	}
	events := make([]*mesa.Event, len(what))
	for i, w := range what {
		events[i] = m.Event(tx.IDs(), by, tx.Now(), w, to)
	}
	return tx.AppendEvents(ctx, events)
}

// AddAttempt adds a call about a locked message to the log.
func (tx *Tx) AddAttempt(ctx context.Context, id mesa.MessageID, kind mesa.AttemptKind, call *mesa.ExchangeCall) error {
	a := &mesa.ExchangeAttempt{
		MessageID: id, Kind: kind, At: tx.Now(), DurationMs: int(call.Took.Milliseconds()), HTTPStatus: call.HTTPStatus,
		ErrorCode: mesa.Text(call.ErrorCode), RemoteAddr: mesa.Text(call.RemoteAddr), Answer: mesa.Text(call.Answer),
	}
	if err := tx.NewRaw("SELECT coalesce(max(n), 0) + 1 FROM exchange_attempts WHERE message_id = ?", id).Scan(ctx, &a.N); err != nil {
		return fmt.Errorf("number attempt: %w", err)
	}
	if _, err := tx.NewInsert().Model(a).Exec(ctx); err != nil {
		return fmt.Errorf("insert attempt: %w", err)
	}
	return nil
}

// ForgetAttempts deletes at most limit calls of the log that were kept for long enough, and says how many there were.
func (db *DB) ForgetAttempts(ctx context.Context, limit int) (int64, error) {
	now := db.Now()
	result, err := db.write.NewRaw(`DELETE FROM exchange_attempts WHERE (message_id, n) IN (SELECT message_id, n FROM exchange_attempts
		WHERE at < ? AND (error_code IS NULL OR at < ?) LIMIT ?)`, now.Add(-mesa.KeepGoodAttempts), now.Add(-mesa.KeepBadAttempts), limit).Exec(ctx)
	if err != nil {
		return 0, fmt.Errorf("forget attempts: %w", err)
	}
	return result.RowsAffected()
}

// MessagesByID finds messages of visible documents; the others are missing from the map.
func (v *View) MessagesByID(ctx context.Context, ids []mesa.MessageID) (map[mesa.MessageID]*mesa.ExchangeMessage, error) {
	var rows []*mesa.ExchangeMessage
	q := v.idb.NewSelect().Model(&rows).Join("JOIN documents AS document ON document.id = exchange_message.document_id").Where("exchange_message.id IN (?)", bun.List(ids))
	if err := v.visible(q).Scan(ctx); err != nil {
		return nil, fmt.Errorf("messages by id: %w", err)
	}
	return byID(rows, func(m *mesa.ExchangeMessage) mesa.MessageID { return m.ID }), nil
}

// MessagesOfDocument lists the messages of a document, the oldest first. The caller has checked that the actor may look at them.
func (db *DB) MessagesOfDocument(ctx context.Context, id mesa.DocumentID) ([]*mesa.ExchangeMessage, error) {
	rows := []*mesa.ExchangeMessage{}
	if err := db.read.NewSelect().Model(&rows).Where("document_id = ?", id).Order("id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("messages of document: %w", err)
	}
	return rows, nil
}

// AttemptsByMessage lists the calls about messages, the first one first; every key is there.
func (db *DB) AttemptsByMessage(ctx context.Context, ids []mesa.MessageID) (map[mesa.MessageID][]*mesa.ExchangeAttempt, error) {
	var rows []*mesa.ExchangeAttempt
	if err := db.read.NewSelect().Model(&rows).Where("message_id IN (?)", bun.List(ids)).Order("message_id", "n").Scan(ctx); err != nil {
		return nil, fmt.Errorf("attempts by message: %w", err)
	}
	return grouped(ids, rows, func(a *mesa.ExchangeAttempt) mesa.MessageID { return a.MessageID }), nil
}

var messagesOf = child[mesa.IntegrationID, mesa.ExchangeMessage]{
	table: "exchange_messages", key: "integration_id", where: "1 = 1", keyset: keyset{name: "messages", keys: []key{{"id", textKey}}, desc: true},
	parent: func(m *mesa.ExchangeMessage) mesa.IntegrationID { return m.IntegrationID }, value: func(m *mesa.ExchangeMessage) any { return m.ID },
}

// MessagePages finds pages of the messages of integrations, the newest first, as far as their documents are visible: the answers of the other
// side say what is in these. Every key is there. Keys that differ only in the integration cost one statement together (and one more with
// totals).
func (v *View) MessagePages(ctx context.Context, keys []ChildPage[mesa.IntegrationID]) (map[ChildPage[mesa.IntegrationID]]*Slice[*mesa.ExchangeMessage], error) {
	seen := messagesOf
	if condition, args := v.sees(); condition != "" {
		seen.where, seen.args = "EXISTS (SELECT 1 FROM documents AS document WHERE document.id = exchange_messages.document_id AND "+condition+")", args
	}
	return seen.pages(ctx, v.db, v.idb, AllFields, keys)
}

// MessagesToFollow are messages of an integration of which the other side is to be asked how they stand, at most limit: those first that
// were not asked about for longest.
func (db *DB) MessagesToFollow(ctx context.Context, id mesa.IntegrationID, limit int) (rows []*mesa.ExchangeMessage, err error) {
	err = db.read.NewSelect().Model(&rows).Where("integration_id = ? AND state IN ('SENT', 'DELIVERED', 'OBSERVED')", id).
		OrderExpr("checked_at ASC NULLS FIRST, id").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("messages to follow: %w", err)
	}
	return rows, nil
}

// Orphans are messages that wait to be sent although their jobs have ended or are gone, with what is known of these.
func (db *DB) Orphans(ctx context.Context, limit int) (orphans []Orphan, err error) {
	err = db.read.NewRaw(`SELECT m.id AS message_id, j.error_code FROM exchange_messages AS m LEFT JOIN jobs AS j ON j.id = m.job_id
		WHERE m.state IN ('QUEUED', 'SENDING', 'RETRYING') AND (j.id IS NULL OR j.state NOT IN ('QUEUED', 'RUNNING')) ORDER BY m.id LIMIT ?`, limit).Scan(ctx, &orphans)
	if err != nil {
		return nil, fmt.Errorf("messages without a job: %w", err)
	}
	return orphans, nil
}

// Orphan is a message that nobody will send.
type Orphan struct {
	MessageID mesa.MessageID
	ErrorCode mesa.Text // of its job
}

// HasLiveJob says whether the job of a message waits or runs.
func (tx *Tx) HasLiveJob(ctx context.Context, id mesa.JobID) (bool, error) {
	n, err := tx.NewSelect().Model((*mesa.Job)(nil)).Where("id = ? AND state IN ('QUEUED', 'RUNNING')", id).Count(ctx)
	return n > 0, err
}
