-- Machines: their keys, and the documents that they hand in.

CREATE TABLE api_keys (
  id             TEXT PRIMARY KEY,
  name           TEXT NOT NULL,
  prefix         TEXT NOT NULL,
  secret_hash    BLOB NOT NULL UNIQUE,
  previous_hash  BLOB UNIQUE,
  previous_until TIMESTAMP,
  scopes         TEXT NOT NULL,
  area_ids       TEXT NOT NULL,
  created_by_id  TEXT REFERENCES users (id),
  created_at     TIMESTAMP NOT NULL,
  expires_at     TIMESTAMP,
  revoked_at     TIMESTAMP,
  last_used_at   TIMESTAMP
);

-- What each key handed in under which id of its own, for ever: a repeat is told by it from another document. documents_external leads
-- from here to the document.
CREATE TABLE submissions (
  api_key_id  TEXT NOT NULL REFERENCES api_keys (id),
  external_id TEXT NOT NULL,
  input_hash  BLOB NOT NULL,
  PRIMARY KEY (api_key_id, external_id)
) WITHOUT ROWID;

ALTER TABLE documents ADD COLUMN not_filed_reason TEXT;
ALTER TABLE documents ADD COLUMN not_filed_text TEXT;
