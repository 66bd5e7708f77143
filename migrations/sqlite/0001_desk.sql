-- The desk: organisation, catalogue, documents, derivations, events. Times are UTC with microseconds, dates are local to the institution.

CREATE TABLE institutions (
  id                         INT PRIMARY KEY CHECK (id = 1),
  name                       TEXT NOT NULL,
  short_name                 TEXT NOT NULL,
  ruc                        TEXT NOT NULL,
  time_zone                  TEXT NOT NULL,
  locale                     TEXT NOT NULL,
  public_base_url            TEXT,
  filing_policy              TEXT NOT NULL CHECK (filing_policy IN ('SAME_DAY_24H', 'OFFICE_HOURS')),
  office_cutoff              TEXT NOT NULL,
  default_term_business_days INT NOT NULL,
  max_backdate_business_days INT NOT NULL
);

-- One row whose version rises with every change of the tables that processes keep in memory (see db/catalogue.go).
CREATE TABLE catalogue_version (
  id      INT PRIMARY KEY CHECK (id = 1),
  version BIGINT NOT NULL
);
INSERT INTO catalogue_version (id, version) VALUES (1, 1);

CREATE TABLE areas (
  id        TEXT PRIMARY KEY,
  code      TEXT NOT NULL UNIQUE,
  name      TEXT NOT NULL,
  parent_id TEXT REFERENCES areas (id),
  head_id   TEXT,
  email     TEXT,
  is_desk   BOOLEAN NOT NULL,
  is_active BOOLEAN NOT NULL
);

CREATE TABLE users (
  id              TEXT PRIMARY KEY,
  email           TEXT NOT NULL UNIQUE CHECK (email = lower(email)),
  full_name       TEXT NOT NULL,
  job_title       TEXT,
  password_hash   TEXT NOT NULL,
  is_active       BOOLEAN NOT NULL,
  last_sign_in_at TIMESTAMP,
  created_at      TIMESTAMP NOT NULL
);

CREATE TABLE memberships (
  user_id    TEXT NOT NULL REFERENCES users (id),
  area_id    TEXT NOT NULL REFERENCES areas (id),
  is_primary BOOLEAN NOT NULL,
  from_on    TEXT NOT NULL,
  until_on   TEXT,
  PRIMARY KEY (user_id, area_id)
);
CREATE INDEX memberships_area ON memberships (area_id);
CREATE UNIQUE INDEX memberships_primary ON memberships (user_id) WHERE is_primary;

-- area_id is '' for the whole institution, so that it can be part of the key.
CREATE TABLE role_assignments (
  user_id       TEXT NOT NULL REFERENCES users (id),
  role          TEXT NOT NULL,
  area_id       TEXT NOT NULL,
  granted_by_id TEXT,
  granted_at    TIMESTAMP NOT NULL,
  until_on      TEXT,
  PRIMARY KEY (user_id, role, area_id)
);

CREATE TABLE sessions (
  id         TEXT PRIMARY KEY,
  token_hash BLOB NOT NULL UNIQUE,
  user_id    TEXT NOT NULL REFERENCES users (id),
  created_at TIMESTAMP NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  ended_at   TIMESTAMP
);
CREATE INDEX sessions_user ON sessions (user_id);

-- Failed sign-ins of the last minutes, by account; see desk/signin.go.
CREATE TABLE sign_in_failures (
  email TEXT NOT NULL,
  at    TIMESTAMP NOT NULL
);
CREATE INDEX sign_in_failures_email ON sign_in_failures (email, at);

CREATE TABLE parties (
  id            TEXT PRIMARY KEY,
  kind          TEXT NOT NULL,
  id_type       TEXT NOT NULL,
  id_number     TEXT,
  name          TEXT NOT NULL,
  email         TEXT,
  phone         TEXT,
  address       TEXT,
  ubigeo        TEXT,
  accepts_email BOOLEAN NOT NULL,
  created_at    TIMESTAMP NOT NULL
);
CREATE UNIQUE INDEX parties_identity ON parties (id_type, id_number) WHERE id_type <> 'NONE';

CREATE TABLE document_types (
  id                         TEXT PRIMARY KEY,
  code                       TEXT NOT NULL UNIQUE,
  name                       TEXT NOT NULL,
  is_active                  BOOLEAN NOT NULL,
  default_term_business_days INT,
  default_confidentiality    TEXT NOT NULL,
  allows_anonymous           BOOLEAN NOT NULL
);

CREATE TABLE categories (
  id        TEXT PRIMARY KEY,
  type_id   TEXT NOT NULL REFERENCES document_types (id),
  code      TEXT NOT NULL,
  name      TEXT NOT NULL,
  is_active BOOLEAN NOT NULL,
  UNIQUE (type_id, code)
);

CREATE TABLE purposes (
  code                       TEXT PRIMARY KEY,
  label                      TEXT NOT NULL,
  kind_default               TEXT NOT NULL,
  default_term_business_days INT,
  position                   INT NOT NULL
);

CREATE TABLE registries (
  id           TEXT PRIMARY KEY,
  code         TEXT NOT NULL UNIQUE,
  name         TEXT NOT NULL,
  pattern      TEXT NOT NULL,
  is_yearly    BOOLEAN NOT NULL,
  desk_area_id TEXT REFERENCES areas (id),
  is_default   BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX registries_default ON registries (is_default) WHERE is_default;

CREATE TABLE retention_policies (
  code  TEXT PRIMARY KEY,
  name  TEXT NOT NULL,
  years INT
);

-- The last number given out in each series and year. Its row is locked by whoever takes a number until they commit, so numbers
-- have no gaps and no duplicates.
CREATE TABLE counters (
  series TEXT NOT NULL,
  year   INT NOT NULL,
  last   BIGINT NOT NULL,
  PRIMARY KEY (series, year)
);

CREATE TABLE work_schedules (
  valid_from TEXT PRIMARY KEY,
  windows    TEXT NOT NULL
);

CREATE TABLE calendar_days (
  date        TEXT NOT NULL,
  kind        TEXT NOT NULL,
  name        TEXT NOT NULL,
  legal_basis TEXT NOT NULL,
  is_disabled BOOLEAN NOT NULL,
  PRIMARY KEY (date, kind)
);

CREATE TABLE suspension_ranges (
  id       TEXT PRIMARY KEY,
  from_on  TEXT NOT NULL,
  until_on TEXT,
  reason   TEXT NOT NULL
);

CREATE TABLE documents (
  row                INTEGER PRIMARY KEY, -- stable name of the row for the search index
  id                 TEXT NOT NULL UNIQUE,
  file_number        TEXT UNIQUE,
  registry_id        TEXT REFERENCES registries (id),
  year               INT,
  seq                BIGINT,
  tracking_code      TEXT NOT NULL UNIQUE,
  state              TEXT NOT NULL CHECK (state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS', 'ATTENDED', 'ARCHIVED', 'NOT_FILED', 'VOIDED')),
  came_from          TEXT,
  version            INT NOT NULL,
  channel            TEXT NOT NULL,
  submitted_at       TIMESTAMP NOT NULL,
  filed_on           TEXT NOT NULL,
  filing_policy      TEXT NOT NULL,
  registered_at      TIMESTAMP,
  registered_by_id   TEXT REFERENCES users (id),
  listed_at          TIMESTAMP NOT NULL, -- registered_at, before that submitted_at: the default order
  desk_area_id       TEXT NOT NULL REFERENCES areas (id),
  type_id            TEXT NOT NULL REFERENCES document_types (id),
  category_id        TEXT REFERENCES categories (id),
  sender_id          TEXT REFERENCES parties (id),
  sender_kind        TEXT NOT NULL,
  sender_id_type     TEXT NOT NULL,
  sender_id_number   TEXT,
  sender_name        TEXT NOT NULL,
  sender_email       TEXT,
  subject            TEXT NOT NULL,
  folios             INT NOT NULL CHECK (folios BETWEEN 0 AND 99999),
  annex_description  TEXT,
  external_number    TEXT,
  document_date      TEXT,
  priority           TEXT NOT NULL,
  priority_rank      INT NOT NULL, -- 1 is the most urgent
  confidentiality    TEXT NOT NULL CHECK (confidentiality IN ('PUBLIC', 'RESTRICTED', 'CONFIDENTIAL')),
  due_on             TEXT,
  due_source         TEXT NOT NULL,
  term_days          INT,
  manual_due_on      TEXT,
  related_id         TEXT REFERENCES documents (id),
  tags               TEXT NOT NULL,
  notes              TEXT,
  current_area_id    TEXT NOT NULL REFERENCES areas (id),
  current_area_ids   TEXT NOT NULL,
  assignee_id        TEXT REFERENCES users (id),
  opened_at          TIMESTAMP NOT NULL,
  attended_at        TIMESTAMP,
  attended_on        TEXT,
  outcome            TEXT,
  void_reason        TEXT,
  integration_id     TEXT,
  external_id        TEXT,
  created_at         TIMESTAMP NOT NULL,
  search_text        TEXT NOT NULL,
  UNIQUE (registry_id, year, seq)
);
CREATE INDEX documents_listed ON documents (listed_at DESC, id DESC, confidentiality); -- confidentiality: counting what is visible needs nothing else
CREATE INDEX documents_filed ON documents (filed_on DESC, id DESC, state); -- state: the statistics need nothing else
CREATE INDEX documents_numbered ON documents ((COALESCE(year, 0)) DESC, (COALESCE(seq, 0)) DESC, id DESC);
CREATE INDEX documents_due ON documents ((COALESCE(due_on, '9999-12-31')), id);
CREATE INDEX documents_due_desc ON documents ((COALESCE(due_on, '0001-01-01')) DESC, id DESC);
CREATE INDEX documents_priority ON documents (priority_rank, (COALESCE(due_on, '9999-12-31')), id);
CREATE INDEX documents_state ON documents (state, listed_at DESC, id DESC);
CREATE INDEX documents_type ON documents (type_id, listed_at DESC, id DESC);
CREATE INDEX documents_holder ON documents (current_area_id, state, listed_at DESC, id DESC);
CREATE INDEX documents_attended ON documents (attended_on, filed_on, due_on, state) WHERE attended_on IS NOT NULL; -- all of db/statistics.go
CREATE INDEX documents_open_due ON documents (due_on, state, priority) WHERE state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS');
CREATE INDEX documents_sender ON documents (sender_id_number, listed_at DESC, id DESC) WHERE sender_id_number IS NOT NULL;
CREATE INDEX documents_registrar ON documents (registered_by_id, listed_at DESC, id DESC);
CREATE INDEX documents_related ON documents (related_id) WHERE related_id IS NOT NULL;
CREATE UNIQUE INDEX documents_external ON documents (integration_id, external_id) WHERE integration_id IS NOT NULL;
CREATE VIRTUAL TABLE documents_search USING fts5 (search_text, content = 'documents', content_rowid = 'row', tokenize = 'ascii');
CREATE TRIGGER documents_search_insert AFTER INSERT ON documents BEGIN
  INSERT INTO documents_search (rowid, search_text) VALUES (new.row, new.search_text);
END;
CREATE TRIGGER documents_search_update AFTER UPDATE OF search_text ON documents WHEN old.search_text <> new.search_text BEGIN
  INSERT INTO documents_search (documents_search, rowid, search_text) VALUES ('delete', old.row, old.search_text);
  INSERT INTO documents_search (rowid, search_text) VALUES (new.row, new.search_text);
END;

-- Who was given access to a document by taking part in it: ids of areas and of users.
CREATE TABLE document_access (
  document_id TEXT NOT NULL REFERENCES documents (id),
  grantee     TEXT NOT NULL,
  PRIMARY KEY (document_id, grantee)
) WITHOUT ROWID;
CREATE INDEX document_access_grantee ON document_access (grantee, document_id);

CREATE TABLE watches (
  user_id     TEXT NOT NULL REFERENCES users (id),
  document_id TEXT NOT NULL REFERENCES documents (id),
  PRIMARY KEY (user_id, document_id)
) WITHOUT ROWID;

CREATE TABLE derivations (
  id                TEXT PRIMARY KEY,
  number            TEXT NOT NULL UNIQUE,
  document_id       TEXT NOT NULL REFERENCES documents (id),
  batch_id          TEXT NOT NULL,
  kind              TEXT NOT NULL CHECK (kind IN ('ACTION', 'COPY')),
  purpose_code      TEXT REFERENCES purposes (code),
  from_id           TEXT NOT NULL REFERENCES areas (id),
  to_id             TEXT NOT NULL REFERENCES areas (id),
  assignee_id       TEXT REFERENCES users (id),
  previous_id       TEXT REFERENCES derivations (id),
  origin            TEXT NOT NULL,
  is_lead           BOOLEAN NOT NULL,
  sent_by_id        TEXT REFERENCES users (id),
  sent_at           TIMESTAMP NOT NULL,
  instructions      TEXT NOT NULL,
  urgent            BOOLEAN NOT NULL,
  requires_response BOOLEAN NOT NULL,
  due_on            TEXT,
  state             TEXT NOT NULL CHECK (state IN ('PENDING', 'RECEIVED', 'ATTENDED', 'REJECTED', 'RETURNED', 'RECALLED', 'REASSIGNED', 'ACKNOWLEDGED', 'CLOSED')),
  received_by_id    TEXT REFERENCES users (id),
  received_at       TIMESTAMP,
  received_on       TEXT,
  reception_minutes INT NOT NULL,
  closed_by_id      TEXT REFERENCES users (id),
  closed_at         TIMESTAMP,
  closed_on         TEXT,
  resolution        TEXT,
  closing_notes     TEXT,
  reason            TEXT,
  version           INT NOT NULL
);
CREATE INDEX derivations_document ON derivations (document_id, id);
CREATE INDEX derivations_tray ON derivations (to_id, state, kind, id DESC);
CREATE INDEX derivations_sent ON derivations (from_id, id DESC) WHERE state IN ('PENDING', 'RECEIVED');
-- These four are for the statistics of areas, see db/statistics.go.
CREATE INDEX derivations_handled ON derivations (closed_on, to_id, received_on) WHERE kind = 'ACTION' AND state = 'ATTENDED' AND closed_on IS NOT NULL;
CREATE INDEX derivations_received ON derivations (received_on, to_id, reception_minutes, state) WHERE kind = 'ACTION' AND received_on IS NOT NULL;
CREATE INDEX derivations_sent_at ON derivations (sent_at, to_id, state) WHERE kind = 'ACTION';
CREATE INDEX derivations_open ON derivations (to_id, state, due_on) WHERE kind = 'ACTION' AND state IN ('PENDING', 'RECEIVED');
CREATE INDEX derivations_assignee ON derivations (assignee_id, document_id) WHERE assignee_id IS NOT NULL;

CREATE TABLE archive_records (
  id              TEXT PRIMARY KEY,
  document_id     TEXT NOT NULL REFERENCES documents (id),
  classification  TEXT NOT NULL,
  policy_code     TEXT NOT NULL REFERENCES retention_policies (code),
  archived_on     TEXT NOT NULL,
  archived_at     TIMESTAMP NOT NULL,
  archived_by_id  TEXT REFERENCES users (id),
  location_code   TEXT NOT NULL UNIQUE,
  physical_place  TEXT,
  folios          INT NOT NULL,
  retain_until    TEXT,
  state           TEXT NOT NULL,
  restored_at     TIMESTAMP,
  restored_by_id  TEXT REFERENCES users (id),
  restore_reason  TEXT
);
CREATE INDEX archive_records_document ON archive_records (document_id, id);
CREATE UNIQUE INDEX archive_records_active ON archive_records (document_id) WHERE state = 'ACTIVE';

-- Audit trail, timeline and source of subscriptions in one. tx orders commits, see db/events.go.
CREATE TABLE events (
  seq           INTEGER PRIMARY KEY AUTOINCREMENT,
  tx            BIGINT NOT NULL DEFAULT 0,
  id            TEXT NOT NULL UNIQUE,
  at            TIMESTAMP NOT NULL,
  type          TEXT NOT NULL,
  actor_kind    TEXT NOT NULL,
  actor_id      TEXT,
  actor_name    TEXT NOT NULL,
  document_id   TEXT,
  derivation_id TEXT,
  object_id     TEXT,
  area_ids      TEXT NOT NULL,
  text          TEXT NOT NULL,
  reason        TEXT,
  changes       TEXT,
  request_id    TEXT
);
CREATE INDEX events_tail ON events (tx, seq);
CREATE INDEX events_document ON events (document_id, seq) WHERE document_id IS NOT NULL;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN
  SELECT RAISE(ABORT, 'events are only ever added');
END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN
  SELECT RAISE(ABORT, 'events are only ever added');
END;

-- What an actor's idempotency key led to; kept for 24 h.
CREATE TABLE idempotency_keys (
  actor_id   TEXT NOT NULL,
  key        TEXT NOT NULL,
  input_hash BLOB NOT NULL,
  result     TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  PRIMARY KEY (actor_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
