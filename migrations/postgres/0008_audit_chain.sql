-- The audit trail is sealed: each event gets a place in a chain of hashes, soon after it was committed (docs/decisions/0013-audit-chain.md).

-- One seal for each event, in the order of their commits. hash = SHA-256 of the hash before and the event in its canonical form.
CREATE TABLE seals (
  seq       BIGINT PRIMARY KEY, -- 1, 2, 3, …; that nobody can take a number twice is what keeps the chain from forking
  event_tx  BIGINT NOT NULL,
  event_seq BIGINT NOT NULL UNIQUE,
  event_id  TEXT COLLATE "C" NOT NULL,
  hash      TEXT NOT NULL,
  sealed_at TIMESTAMPTZ NOT NULL
);

-- How far the chain was at the end of a day, for somebody to keep elsewhere.
CREATE TABLE audit_checkpoints (
  seq        BIGINT PRIMARY KEY,
  hash       TEXT NOT NULL,
  date       DATE NOT NULL,
  created_at TIMESTAMPTZ NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME;
END $$;
CREATE TRIGGER seals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
