-- What the figures of the institution are added up from (docs/decisions/0016-statistics.md): how many documents or legs count under a key on a day.
-- Triggers keep them, so that they are right whoever writes. Rows that are alike are to be added up.
CREATE TABLE tallies (
  measure TEXT NOT NULL,
  day     DATE NOT NULL, -- 9999-12-31: none, here and in since
  key     TEXT NOT NULL,
  since   DATE NOT NULL, -- another date of what is counted, else day again
  n       BIGINT NOT NULL,
  PRIMARY KEY (measure, day, key, since)
) WITHOUT ROWID;

-- What transactions added to tallies, and took from them. Rows are only ever added, and soon merged into the tallies.
CREATE TABLE tally_changes (
  measure TEXT NOT NULL,
  day     DATE NOT NULL,
  key     TEXT NOT NULL,
  since   DATE NOT NULL,
  n       BIGINT NOT NULL
);

CREATE VIEW tally AS SELECT measure, day, key, since, n FROM tallies UNION ALL SELECT measure, day, key, since, n FROM tally_changes;

CREATE VIEW tallies_of_documents AS
SELECT id, 'state' AS measure, filed_on AS day, state AS key, filed_on AS since, 1 AS n FROM documents WHERE state <> 'VOIDED'
UNION ALL SELECT id, 'priority', filed_on, priority, filed_on, 1 FROM documents WHERE state <> 'VOIDED'
UNION ALL SELECT id, 'type', filed_on, type_id, filed_on, 1 FROM documents WHERE state <> 'VOIDED'
UNION ALL SELECT id, 'category', filed_on, category_id, filed_on, 1 FROM documents WHERE state <> 'VOIDED' AND category_id IS NOT NULL
UNION ALL SELECT id, 'channel', filed_on, channel, filed_on, 1 FROM documents WHERE state <> 'VOIDED'
UNION ALL SELECT id, 'sender', filed_on, sender_kind, filed_on, 1 FROM documents WHERE state <> 'VOIDED'
UNION ALL SELECT id, CASE state WHEN 'OBSERVED' THEN 'paused' ELSE 'running' END, coalesce(due_on, '9999-12-31'), priority, coalesce(due_on, '9999-12-31'), 1 FROM documents
  WHERE state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS')
UNION ALL SELECT id, 'attended', attended_on, CASE WHEN due_on IS NULL THEN '' WHEN attended_on <= due_on THEN 'ON_TIME' ELSE 'LATE' END, filed_on, 1 FROM documents
  WHERE state IN ('ATTENDED', 'ARCHIVED') AND attended_on IS NOT NULL
UNION ALL SELECT d.id, 'hops', d.attended_on, '', d.attended_on, 1 FROM documents AS d JOIN derivations AS l ON l.document_id = d.id
  WHERE d.state IN ('ATTENDED', 'ARCHIVED') AND d.attended_on IS NOT NULL AND l.kind = 'ACTION' AND l.origin IN ('SEND', 'RETURN', 'REASSIGN');

-- sent_at counts by days of UTC: the database does not know the institution's.
CREATE VIEW tallies_of_legs AS
SELECT id, 'sent' AS measure, substr(sent_at, 1, 10) AS day, to_id AS key, substr(sent_at, 1, 10) AS since, 1 AS n FROM derivations WHERE kind = 'ACTION'
UNION ALL SELECT id, 'sent back', substr(sent_at, 1, 10), to_id, substr(sent_at, 1, 10), 1 FROM derivations WHERE kind = 'ACTION' AND state IN ('REJECTED', 'RETURNED')
UNION ALL SELECT id, 'received', received_on, to_id, received_on, 1 FROM derivations WHERE kind = 'ACTION' AND received_on IS NOT NULL
UNION ALL SELECT id, 'effective', received_on, to_id, received_on, 1 FROM derivations WHERE kind = 'ACTION' AND received_on IS NOT NULL AND state = 'ATTENDED'
UNION ALL SELECT id, 'handled', closed_on, to_id, coalesce(received_on, '9999-12-31'), 1 FROM derivations WHERE kind = 'ACTION' AND closed_on IS NOT NULL AND state = 'ATTENDED'
UNION ALL SELECT id, CASE state WHEN 'PENDING' THEN 'pending' ELSE 'in hand' END, coalesce(due_on, '9999-12-31'), to_id, coalesce(due_on, '9999-12-31'), 1 FROM derivations
  WHERE kind = 'ACTION' AND state IN ('PENDING', 'RECEIVED');

-- What the tallies are to add up to; the triggers say the same of one row.
CREATE VIEW tallied AS SELECT measure, day, key, since, n FROM tallies_of_documents UNION ALL SELECT measure, day, key, since, n FROM tallies_of_legs;

-- Rows with n = 0 change nothing: writing them is quicker than asking whether to.
CREATE TRIGGER documents_tallied_insert AFTER INSERT ON documents BEGIN
  INSERT INTO tally_changes VALUES
    ('state', new.filed_on, new.state, new.filed_on, (new.state <> 'VOIDED')),
    ('priority', new.filed_on, new.priority, new.filed_on, (new.state <> 'VOIDED')),
    ('type', new.filed_on, new.type_id, new.filed_on, (new.state <> 'VOIDED')),
    ('category', new.filed_on, coalesce(new.category_id, ''), new.filed_on, (new.state <> 'VOIDED' AND new.category_id IS NOT NULL)),
    ('channel', new.filed_on, new.channel, new.filed_on, (new.state <> 'VOIDED')),
    ('sender', new.filed_on, new.sender_kind, new.filed_on, (new.state <> 'VOIDED')),
    (CASE new.state WHEN 'OBSERVED' THEN 'paused' ELSE 'running' END, coalesce(new.due_on, '9999-12-31'), new.priority, coalesce(new.due_on, '9999-12-31'), (new.state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS'))),
    ('attended', coalesce(new.attended_on, '9999-12-31'), CASE WHEN new.due_on IS NULL THEN '' WHEN new.attended_on <= new.due_on THEN 'ON_TIME' ELSE 'LATE' END, new.filed_on, (new.state IN ('ATTENDED', 'ARCHIVED') AND new.attended_on IS NOT NULL));
END;
CREATE TRIGGER documents_tallied_update AFTER UPDATE ON documents
WHEN old.state <> new.state OR old.filed_on <> new.filed_on OR old.attended_on IS NOT new.attended_on OR old.due_on IS NOT new.due_on OR old.priority <> new.priority
  OR old.type_id <> new.type_id OR old.category_id IS NOT new.category_id OR old.channel <> new.channel OR old.sender_kind <> new.sender_kind BEGIN
  INSERT INTO tally_changes VALUES
    ('state', old.filed_on, old.state, old.filed_on, -(old.state <> 'VOIDED')),
    ('priority', old.filed_on, old.priority, old.filed_on, -(old.state <> 'VOIDED')),
    ('type', old.filed_on, old.type_id, old.filed_on, -(old.state <> 'VOIDED')),
    ('category', old.filed_on, coalesce(old.category_id, ''), old.filed_on, -(old.state <> 'VOIDED' AND old.category_id IS NOT NULL)),
    ('channel', old.filed_on, old.channel, old.filed_on, -(old.state <> 'VOIDED')),
    ('sender', old.filed_on, old.sender_kind, old.filed_on, -(old.state <> 'VOIDED')),
    (CASE old.state WHEN 'OBSERVED' THEN 'paused' ELSE 'running' END, coalesce(old.due_on, '9999-12-31'), old.priority, coalesce(old.due_on, '9999-12-31'), -(old.state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS'))),
    ('attended', coalesce(old.attended_on, '9999-12-31'), CASE WHEN old.due_on IS NULL THEN '' WHEN old.attended_on <= old.due_on THEN 'ON_TIME' ELSE 'LATE' END, old.filed_on, -(old.state IN ('ATTENDED', 'ARCHIVED') AND old.attended_on IS NOT NULL)),
    ('state', new.filed_on, new.state, new.filed_on, (new.state <> 'VOIDED')),
    ('priority', new.filed_on, new.priority, new.filed_on, (new.state <> 'VOIDED')),
    ('type', new.filed_on, new.type_id, new.filed_on, (new.state <> 'VOIDED')),
    ('category', new.filed_on, coalesce(new.category_id, ''), new.filed_on, (new.state <> 'VOIDED' AND new.category_id IS NOT NULL)),
    ('channel', new.filed_on, new.channel, new.filed_on, (new.state <> 'VOIDED')),
    ('sender', new.filed_on, new.sender_kind, new.filed_on, (new.state <> 'VOIDED')),
    (CASE new.state WHEN 'OBSERVED' THEN 'paused' ELSE 'running' END, coalesce(new.due_on, '9999-12-31'), new.priority, coalesce(new.due_on, '9999-12-31'), (new.state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS'))),
    ('attended', coalesce(new.attended_on, '9999-12-31'), CASE WHEN new.due_on IS NULL THEN '' WHEN new.attended_on <= new.due_on THEN 'ON_TIME' ELSE 'LATE' END, new.filed_on, (new.state IN ('ATTENDED', 'ARCHIVED') AND new.attended_on IS NOT NULL));
  INSERT INTO tally_changes SELECT 'hops', old.attended_on, '', old.attended_on, -count(*) FROM derivations
  WHERE document_id = old.id AND kind = 'ACTION' AND origin IN ('SEND', 'RETURN', 'REASSIGN') AND old.state IN ('ATTENDED', 'ARCHIVED') AND old.attended_on IS NOT NULL HAVING count(*) > 0;
  INSERT INTO tally_changes SELECT 'hops', new.attended_on, '', new.attended_on, count(*) FROM derivations
  WHERE document_id = new.id AND kind = 'ACTION' AND origin IN ('SEND', 'RETURN', 'REASSIGN') AND new.state IN ('ATTENDED', 'ARCHIVED') AND new.attended_on IS NOT NULL HAVING count(*) > 0;
END;
CREATE TRIGGER derivations_tallied_insert AFTER INSERT ON derivations BEGIN
  INSERT INTO tally_changes VALUES
    ('sent', substr(new.sent_at, 1, 10), new.to_id, substr(new.sent_at, 1, 10), (new.kind = 'ACTION')),
    ('sent back', substr(new.sent_at, 1, 10), new.to_id, substr(new.sent_at, 1, 10), (new.kind = 'ACTION' AND new.state IN ('REJECTED', 'RETURNED'))),
    ('received', coalesce(new.received_on, '9999-12-31'), new.to_id, coalesce(new.received_on, '9999-12-31'), (new.kind = 'ACTION' AND new.received_on IS NOT NULL)),
    ('effective', coalesce(new.received_on, '9999-12-31'), new.to_id, coalesce(new.received_on, '9999-12-31'), (new.kind = 'ACTION' AND new.received_on IS NOT NULL AND new.state = 'ATTENDED')),
    ('handled', coalesce(new.closed_on, '9999-12-31'), new.to_id, coalesce(new.received_on, '9999-12-31'), (new.kind = 'ACTION' AND new.closed_on IS NOT NULL AND new.state = 'ATTENDED')),
    (CASE new.state WHEN 'PENDING' THEN 'pending' ELSE 'in hand' END, coalesce(new.due_on, '9999-12-31'), new.to_id, coalesce(new.due_on, '9999-12-31'), (new.kind = 'ACTION' AND new.state IN ('PENDING', 'RECEIVED')));
  INSERT INTO tally_changes SELECT 'hops', attended_on, '', attended_on, 1 FROM documents WHERE id = new.document_id AND state IN ('ATTENDED', 'ARCHIVED') AND attended_on IS NOT NULL
    AND new.kind = 'ACTION' AND new.origin IN ('SEND', 'RETURN', 'REASSIGN');
END;
CREATE TRIGGER derivations_tallied_update AFTER UPDATE ON derivations BEGIN
  INSERT INTO tally_changes VALUES
    ('sent', substr(old.sent_at, 1, 10), old.to_id, substr(old.sent_at, 1, 10), -(old.kind = 'ACTION')),
    ('sent back', substr(old.sent_at, 1, 10), old.to_id, substr(old.sent_at, 1, 10), -(old.kind = 'ACTION' AND old.state IN ('REJECTED', 'RETURNED'))),
    ('received', coalesce(old.received_on, '9999-12-31'), old.to_id, coalesce(old.received_on, '9999-12-31'), -(old.kind = 'ACTION' AND old.received_on IS NOT NULL)),
    ('effective', coalesce(old.received_on, '9999-12-31'), old.to_id, coalesce(old.received_on, '9999-12-31'), -(old.kind = 'ACTION' AND old.received_on IS NOT NULL AND old.state = 'ATTENDED')),
    ('handled', coalesce(old.closed_on, '9999-12-31'), old.to_id, coalesce(old.received_on, '9999-12-31'), -(old.kind = 'ACTION' AND old.closed_on IS NOT NULL AND old.state = 'ATTENDED')),
    (CASE old.state WHEN 'PENDING' THEN 'pending' ELSE 'in hand' END, coalesce(old.due_on, '9999-12-31'), old.to_id, coalesce(old.due_on, '9999-12-31'), -(old.kind = 'ACTION' AND old.state IN ('PENDING', 'RECEIVED'))),
    ('sent', substr(new.sent_at, 1, 10), new.to_id, substr(new.sent_at, 1, 10), (new.kind = 'ACTION')),
    ('sent back', substr(new.sent_at, 1, 10), new.to_id, substr(new.sent_at, 1, 10), (new.kind = 'ACTION' AND new.state IN ('REJECTED', 'RETURNED'))),
    ('received', coalesce(new.received_on, '9999-12-31'), new.to_id, coalesce(new.received_on, '9999-12-31'), (new.kind = 'ACTION' AND new.received_on IS NOT NULL)),
    ('effective', coalesce(new.received_on, '9999-12-31'), new.to_id, coalesce(new.received_on, '9999-12-31'), (new.kind = 'ACTION' AND new.received_on IS NOT NULL AND new.state = 'ATTENDED')),
    ('handled', coalesce(new.closed_on, '9999-12-31'), new.to_id, coalesce(new.received_on, '9999-12-31'), (new.kind = 'ACTION' AND new.closed_on IS NOT NULL AND new.state = 'ATTENDED')),
    (CASE new.state WHEN 'PENDING' THEN 'pending' ELSE 'in hand' END, coalesce(new.due_on, '9999-12-31'), new.to_id, coalesce(new.due_on, '9999-12-31'), (new.kind = 'ACTION' AND new.state IN ('PENDING', 'RECEIVED')));
END;

INSERT INTO tallies SELECT measure, day, key, since, sum(n) FROM tallied GROUP BY measure, day, key, since;
