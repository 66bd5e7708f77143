-- The audit trail is sealed: each event gets a place in a chain of hashes, soon after it was committed (docs/decisions/0013-audit-chain.md).

-- One seal for each event, in the order of their commits. hash = SHA-256 of the hash before and the event in its canonical form.
CREATE TABLE seals (
  seq       INTEGER PRIMARY KEY, -- 1, 2, 3, …; that nobody can take a number twice is what keeps the chain from forking
  event_tx  BIGINT NOT NULL,
  event_seq BIGINT NOT NULL UNIQUE,
  event_id  TEXT NOT NULL,
  hash      TEXT NOT NULL,
  sealed_at TIMESTAMP NOT NULL
);

-- How far the chain was at the end of a day, for somebody to keep elsewhere.
CREATE TABLE audit_checkpoints (
  seq        INTEGER PRIMARY KEY,
  hash       TEXT NOT NULL,
  date       DATE NOT NULL,
  created_at TIMESTAMP NOT NULL
);

-- The triggers on INSERT are for INSERT OR REPLACE, which deletes without asking those on DELETE.
CREATE TRIGGER seals_no_update BEFORE UPDATE ON seals BEGIN
  SELECT RAISE(ABORT, 'rows of seals are only ever added');
END;
CREATE TRIGGER seals_no_delete BEFORE DELETE ON seals BEGIN
  SELECT RAISE(ABORT, 'rows of seals are only ever added');
END;
CREATE TRIGGER seals_no_replace BEFORE INSERT ON seals WHEN EXISTS (SELECT 1 FROM seals WHERE seq = NEW.seq OR event_seq = NEW.event_seq) BEGIN
  SELECT RAISE(ABORT, 'rows of seals are only ever added');
END;
CREATE TRIGGER audit_checkpoints_no_update BEFORE UPDATE ON audit_checkpoints BEGIN
  SELECT RAISE(ABORT, 'rows of audit_checkpoints are only ever added');
END;
CREATE TRIGGER audit_checkpoints_no_delete BEFORE DELETE ON audit_checkpoints BEGIN
  SELECT RAISE(ABORT, 'rows of audit_checkpoints are only ever added');
END;
CREATE TRIGGER audit_checkpoints_no_replace BEFORE INSERT ON audit_checkpoints WHEN EXISTS (SELECT 1 FROM audit_checkpoints WHERE seq = NEW.seq) BEGIN
  SELECT RAISE(ABORT, 'rows of audit_checkpoints are only ever added');
END;
CREATE TRIGGER events_no_replace BEFORE INSERT ON events WHEN NEW.seq > 0 AND EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq) BEGIN
  SELECT RAISE(ABORT, 'events are only ever added');
END;
