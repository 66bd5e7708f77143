-- Machines: their keys, and the documents that they hand in.

CREATE TABLE api_keys (
  id             TEXT COLLATE "C" PRIMARY KEY,
  name           TEXT NOT NULL,
  prefix         TEXT NOT NULL,
  secret_hash    BYTEA NOT NULL UNIQUE,
  previous_hash  BYTEA UNIQUE,
  previous_until TIMESTAMPTZ,
  scopes         JSONB NOT NULL,
  area_ids       JSONB NOT NULL,
  created_by_id  TEXT COLLATE "C" REFERENCES users (id),
  created_at     TIMESTAMPTZ NOT NULL,
  expires_at     TIMESTAMPTZ,
  revoked_at     TIMESTAMPTZ,
  last_used_at   TIMESTAMPTZ
);

-- What each key handed in under which id of its own, for ever: a repeat is told by it from another document. documents_external leads
-- from here to the document.
CREATE TABLE submissions (
  api_key_id  TEXT COLLATE "C" NOT NULL REFERENCES api_keys (id),
  external_id TEXT COLLATE "C" NOT NULL,
  input_hash  BYTEA NOT NULL,
  PRIMARY KEY (api_key_id, external_id)
);

ALTER TABLE documents ADD COLUMN not_filed_reason TEXT;
ALTER TABLE documents ADD COLUMN not_filed_text TEXT;
