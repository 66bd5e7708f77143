-- Documents on their way to other institutions.

CREATE TABLE integrations (
  id                 TEXT PRIMARY KEY,
  code               TEXT NOT NULL UNIQUE,
  name               TEXT NOT NULL,
  kind               TEXT NOT NULL,
  base_url           TEXT NOT NULL,
  is_active          BOOLEAN NOT NULL,
  can_send           BOOLEAN NOT NULL,
  timeout_seconds    INT NOT NULL,
  max_attempts       INT NOT NULL,
  sealed_credentials TEXT,
  health             TEXT NOT NULL,
  failures           INT NOT NULL,
  open_until         TIMESTAMP,
  last_ok_at         TIMESTAMP,
  last_error_at      TIMESTAMP,
  last_error_code    TEXT,
  created_by_id      TEXT REFERENCES users (id),
  created_at         TIMESTAMP NOT NULL,
  updated_at         TIMESTAMP NOT NULL
);

CREATE TABLE exchange_messages (
  id                   TEXT PRIMARY KEY,
  exchange_code        TEXT NOT NULL UNIQUE,
  integration_id       TEXT NOT NULL REFERENCES integrations (id),
  document_id          TEXT NOT NULL REFERENCES documents (id),
  direction            TEXT NOT NULL,
  state                TEXT NOT NULL,
  payload              TEXT NOT NULL,
  remote_id            TEXT,
  remote_tracking_code TEXT,
  remote_number        TEXT,
  remote_area          TEXT,
  remote_date          TIMESTAMP,
  remote_observation   TEXT,
  attempts             INT NOT NULL,
  next_attempt_at      TIMESTAMP,
  checked_at           TIMESTAMP,
  error_code           TEXT,
  problem              TEXT,
  job_id               TEXT NOT NULL,
  created_by_id        TEXT REFERENCES users (id),
  created_at           TIMESTAMP NOT NULL,
  updated_at           TIMESTAMP NOT NULL
);
CREATE INDEX exchange_messages_integration ON exchange_messages (integration_id, id);
CREATE INDEX exchange_messages_document ON exchange_messages (document_id, id);
CREATE INDEX exchange_messages_followed ON exchange_messages (integration_id, checked_at, id) WHERE state IN ('SENT', 'DELIVERED', 'OBSERVED');
CREATE INDEX exchange_messages_waiting ON exchange_messages (id) WHERE state IN ('QUEUED', 'SENDING', 'RETRYING');
-- A document is on its way to an institution once.
CREATE UNIQUE INDEX exchange_messages_live ON exchange_messages (document_id, integration_id) WHERE state NOT IN ('REJECTED', 'DEAD', 'CANCELLED');

CREATE TABLE exchange_attempts (
  message_id  TEXT NOT NULL REFERENCES exchange_messages (id),
  n           INT NOT NULL,
  kind        TEXT NOT NULL,
  at          TIMESTAMP NOT NULL,
  duration_ms INT NOT NULL,
  http_status INT,
  error_code  TEXT,
  remote_addr TEXT,
  answer      TEXT,
  PRIMARY KEY (message_id, n)
) WITHOUT ROWID;
CREATE INDEX exchange_attempts_at ON exchange_attempts (at);
