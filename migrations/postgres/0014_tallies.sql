-- What the figures of the institution are added up from (docs/decisions/0016-statistics.md): how many documents or legs count under a key on a day.
-- Triggers keep them, so that they are right whoever writes, a process of the version before too. Rows that are alike are to be added up.
CREATE TABLE tallies (
  measure TEXT COLLATE "C" NOT NULL,
  day     DATE NOT NULL, -- 9999-12-31: none, here and in since
  key     TEXT COLLATE "C" NOT NULL,
  since   DATE NOT NULL, -- another date of what is counted, else day again
  n       BIGINT NOT NULL,
  PRIMARY KEY (measure, day, key, since)
);

-- What transactions added to tallies, and took from them. Rows are only ever added, so that nobody waits for anybody, and soon merged into the tallies.
CREATE TABLE tally_changes (
  measure TEXT COLLATE "C" NOT NULL,
  day     DATE NOT NULL,
  key     TEXT COLLATE "C" NOT NULL,
  since   DATE NOT NULL,
  n       BIGINT NOT NULL
);

CREATE VIEW tally AS SELECT measure, day, key, since, n FROM tallies UNION ALL SELECT measure, day, key, since, n FROM tally_changes;

-- What a document counts under, but for the hops.
CREATE FUNCTION tallies_of_document(state_ TEXT, filed_on_ DATE, attended_on_ DATE, due_on_ DATE, priority_ TEXT, type_id_ TEXT, category_id_ TEXT, channel_ TEXT, sender_kind_ TEXT)
RETURNS TABLE (measure TEXT, day DATE, key TEXT, since DATE, n BIGINT) LANGUAGE sql IMMUTABLE AS $$
  SELECT v.measure, filed_on_, v.key, filed_on_, 1::bigint
  FROM (VALUES ('state', state_), ('priority', priority_), ('type', type_id_), ('category', category_id_), ('channel', channel_), ('sender', sender_kind_)) AS v (measure, key)
  WHERE state_ <> 'VOIDED' AND v.key IS NOT NULL
  UNION ALL
  SELECT CASE state_ WHEN 'OBSERVED' THEN 'paused' ELSE 'running' END, coalesce(due_on_, DATE '9999-12-31'), priority_, coalesce(due_on_, DATE '9999-12-31'), 1
  WHERE state_ IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS')
  UNION ALL
  SELECT 'attended', attended_on_, CASE WHEN due_on_ IS NULL THEN '' WHEN attended_on_ <= due_on_ THEN 'ON_TIME' ELSE 'LATE' END, filed_on_, 1
  WHERE state_ IN ('ATTENDED', 'ARCHIVED') AND attended_on_ IS NOT NULL
$$;

-- What a leg counts under. sent_at counts by days of UTC: the database does not know the institution's.
CREATE FUNCTION tallies_of_leg(kind_ TEXT, state_ TEXT, to_id_ TEXT, sent_at_ TIMESTAMPTZ, received_on_ DATE, closed_on_ DATE, due_on_ DATE)
RETURNS TABLE (measure TEXT, day DATE, key TEXT, since DATE, n BIGINT) LANGUAGE sql IMMUTABLE AS $$
  SELECT v.measure, v.day, to_id_, coalesce(v.since, DATE '9999-12-31'), 1::bigint FROM (VALUES
    ('sent', (sent_at_ AT TIME ZONE 'UTC')::date, (sent_at_ AT TIME ZONE 'UTC')::date, TRUE),
    ('sent back', (sent_at_ AT TIME ZONE 'UTC')::date, (sent_at_ AT TIME ZONE 'UTC')::date, state_ IN ('REJECTED', 'RETURNED')),
    ('received', received_on_, received_on_, TRUE),
    ('effective', received_on_, received_on_, state_ = 'ATTENDED'),
    ('handled', closed_on_, received_on_, state_ = 'ATTENDED'),
    ('pending', coalesce(due_on_, DATE '9999-12-31'), due_on_, state_ = 'PENDING'),
    ('in hand', coalesce(due_on_, DATE '9999-12-31'), due_on_, state_ = 'RECEIVED')) AS v (measure, day, since, counts)
  WHERE kind_ = 'ACTION' AND v.counts AND v.day IS NOT NULL
$$;

-- What the tallies are to add up to.
CREATE VIEW tallied AS
SELECT t.* FROM documents AS d CROSS JOIN LATERAL tallies_of_document(d.state, d.filed_on, d.attended_on, d.due_on, d.priority, d.type_id, d.category_id, d.channel, d.sender_kind) AS t
UNION ALL
SELECT t.* FROM derivations AS l CROSS JOIN LATERAL tallies_of_leg(l.kind, l.state, l.to_id, l.sent_at, l.received_on, l.closed_on, l.due_on) AS t
UNION ALL
SELECT 'hops', d.attended_on, '', d.attended_on, 1 FROM documents AS d JOIN derivations AS l ON l.document_id = d.id
WHERE d.state IN ('ATTENDED', 'ARCHIVED') AND d.attended_on IS NOT NULL AND l.kind = 'ACTION' AND l.origin IN ('SEND', 'RETURN', 'REASSIGN');

CREATE FUNCTION tally_documents() RETURNS trigger LANGUAGE plpgsql SET jit = off AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO tally_changes
    SELECT t.measure, t.day, t.key, t.since, sum(t.n) FROM new_rows AS d
    CROSS JOIN LATERAL tallies_of_document(d.state, d.filed_on, d.attended_on, d.due_on, d.priority, d.type_id, d.category_id, d.channel, d.sender_kind) AS t
    GROUP BY t.measure, t.day, t.key, t.since;
  ELSE
    INSERT INTO tally_changes
    SELECT t.measure, t.day, t.key, t.since, sum(d.sign * t.n) FROM (SELECT 1 AS sign, r.* FROM new_rows AS r UNION ALL SELECT -1, r.* FROM old_rows AS r) AS d
    CROSS JOIN LATERAL tallies_of_document(d.state, d.filed_on, d.attended_on, d.due_on, d.priority, d.type_id, d.category_id, d.channel, d.sender_kind) AS t
    GROUP BY t.measure, t.day, t.key, t.since HAVING sum(d.sign * t.n) <> 0;
    IF EXISTS (SELECT 1 FROM new_rows WHERE attended_on IS NOT NULL UNION ALL SELECT 1 FROM old_rows WHERE attended_on IS NOT NULL) THEN
      INSERT INTO tally_changes
      SELECT 'hops', d.attended_on, '', d.attended_on, sum(d.sign * (SELECT count(*) FROM derivations AS l WHERE l.document_id = d.id AND l.kind = 'ACTION' AND l.origin IN ('SEND', 'RETURN', 'REASSIGN')))
      FROM (SELECT 1 AS sign, id, state, attended_on FROM new_rows UNION ALL SELECT -1, id, state, attended_on FROM old_rows) AS d
      WHERE d.state IN ('ATTENDED', 'ARCHIVED') AND d.attended_on IS NOT NULL
      GROUP BY d.attended_on;
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION tally_legs() RETURNS trigger LANGUAGE plpgsql SET jit = off AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO tally_changes
    SELECT t.measure, t.day, t.key, t.since, sum(t.n) FROM new_rows AS l
    CROSS JOIN LATERAL tallies_of_leg(l.kind, l.state, l.to_id, l.sent_at, l.received_on, l.closed_on, l.due_on) AS t
    GROUP BY t.measure, t.day, t.key, t.since
    UNION ALL
    SELECT 'hops', d.attended_on, '', d.attended_on, count(*) FROM new_rows AS l JOIN documents AS d ON d.id = l.document_id
    WHERE d.state IN ('ATTENDED', 'ARCHIVED') AND d.attended_on IS NOT NULL AND l.kind = 'ACTION' AND l.origin IN ('SEND', 'RETURN', 'REASSIGN')
    GROUP BY d.attended_on;
  ELSE
    INSERT INTO tally_changes
    SELECT t.measure, t.day, t.key, t.since, sum(l.sign * t.n) FROM (SELECT 1 AS sign, r.* FROM new_rows AS r UNION ALL SELECT -1, r.* FROM old_rows AS r) AS l
    CROSS JOIN LATERAL tallies_of_leg(l.kind, l.state, l.to_id, l.sent_at, l.received_on, l.closed_on, l.due_on) AS t
    GROUP BY t.measure, t.day, t.key, t.since HAVING sum(l.sign * t.n) <> 0;
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER documents_tallied_insert AFTER INSERT ON documents REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_documents();
CREATE TRIGGER documents_tallied_update AFTER UPDATE ON documents REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_documents();
CREATE TRIGGER derivations_tallied_insert AFTER INSERT ON derivations REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_legs();
CREATE TRIGGER derivations_tallied_update AFTER UPDATE ON derivations REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_legs();

INSERT INTO tallies SELECT measure, day, key, since, sum(n) FROM tallied GROUP BY measure, day, key, since ORDER BY measure, day, key, since;
ANALYZE tallies;
