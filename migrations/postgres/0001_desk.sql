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
  id        TEXT COLLATE "C" PRIMARY KEY,
  code      TEXT NOT NULL UNIQUE,
  name      TEXT NOT NULL,
  parent_id TEXT COLLATE "C" REFERENCES areas (id),
  head_id   TEXT COLLATE "C",
  email     TEXT,
  is_desk   BOOLEAN NOT NULL,
  is_active BOOLEAN NOT NULL
);

CREATE TABLE users (
  id              TEXT COLLATE "C" PRIMARY KEY,
  email           TEXT NOT NULL UNIQUE CHECK (email = lower(email)),
  full_name       TEXT NOT NULL,
  job_title       TEXT,
  password_hash   TEXT NOT NULL,
  is_active       BOOLEAN NOT NULL,
  last_sign_in_at TIMESTAMPTZ,
  created_at      TIMESTAMPTZ NOT NULL
);

CREATE TABLE memberships (
  user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id),
  area_id    TEXT COLLATE "C" NOT NULL REFERENCES areas (id),
  is_primary BOOLEAN NOT NULL,
  from_on    DATE NOT NULL,
  until_on   DATE,
  PRIMARY KEY (user_id, area_id)
);
CREATE INDEX memberships_area ON memberships (area_id);
CREATE UNIQUE INDEX memberships_primary ON memberships (user_id) WHERE is_primary;

-- area_id is '' for the whole institution, so that it can be part of the key.
CREATE TABLE role_assignments (
  user_id       TEXT COLLATE "C" NOT NULL REFERENCES users (id),
  role          TEXT NOT NULL,
  area_id       TEXT COLLATE "C" NOT NULL,
  granted_by_id TEXT COLLATE "C",
  granted_at    TIMESTAMPTZ NOT NULL,
  until_on      DATE,
  PRIMARY KEY (user_id, role, area_id)
);

CREATE TABLE sessions (
  id         TEXT COLLATE "C" PRIMARY KEY,
  token_hash BYTEA NOT NULL UNIQUE,
  user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id),
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  ended_at   TIMESTAMPTZ
);
CREATE INDEX sessions_user ON sessions (user_id);

-- Failed sign-ins of the last minutes, by account; see desk/signin.go.
CREATE TABLE sign_in_failures (
  email TEXT NOT NULL,
  at    TIMESTAMPTZ NOT NULL
);
CREATE INDEX sign_in_failures_email ON sign_in_failures (email, at);

CREATE TABLE parties (
  id            TEXT COLLATE "C" PRIMARY KEY,
  kind          TEXT NOT NULL,
  id_type       TEXT NOT NULL,
  id_number     TEXT,
  name          TEXT NOT NULL,
  email         TEXT,
  phone         TEXT,
  address       TEXT,
  ubigeo        TEXT,
  accepts_email BOOLEAN NOT NULL,
  created_at    TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX parties_identity ON parties (id_type, id_number) WHERE id_type <> 'NONE';

CREATE TABLE document_types (
  id                         TEXT COLLATE "C" PRIMARY KEY,
  code                       TEXT NOT NULL UNIQUE,
  name                       TEXT NOT NULL,
  is_active                  BOOLEAN NOT NULL,
  default_term_business_days INT,
  default_confidentiality    TEXT NOT NULL,
  allows_anonymous           BOOLEAN NOT NULL
);

CREATE TABLE categories (
  id        TEXT COLLATE "C" PRIMARY KEY,
  type_id   TEXT COLLATE "C" NOT NULL REFERENCES document_types (id),
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
  id           TEXT COLLATE "C" PRIMARY KEY,
  code         TEXT NOT NULL UNIQUE,
  name         TEXT NOT NULL,
  pattern      TEXT NOT NULL,
  is_yearly    BOOLEAN NOT NULL,
  desk_area_id TEXT COLLATE "C" REFERENCES areas (id),
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
  valid_from DATE PRIMARY KEY,
  windows    JSONB NOT NULL
);

CREATE TABLE calendar_days (
  date        DATE NOT NULL,
  kind        TEXT NOT NULL,
  name        TEXT NOT NULL,
  legal_basis TEXT NOT NULL,
  is_disabled BOOLEAN NOT NULL,
  PRIMARY KEY (date, kind)
);

CREATE TABLE suspension_ranges (
  id       TEXT PRIMARY KEY,
  from_on  DATE NOT NULL,
  until_on DATE,
  reason   TEXT NOT NULL
);

CREATE TABLE documents (
  id                 TEXT COLLATE "C" PRIMARY KEY,
  file_number        TEXT UNIQUE,
  registry_id        TEXT COLLATE "C" REFERENCES registries (id),
  year               INT,
  seq                BIGINT,
  tracking_code      TEXT NOT NULL UNIQUE,
  state              TEXT NOT NULL CHECK (state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS', 'ATTENDED', 'ARCHIVED', 'NOT_FILED', 'VOIDED')),
  came_from          TEXT,
  version            INT NOT NULL,
  channel            TEXT NOT NULL,
  submitted_at       TIMESTAMPTZ NOT NULL,
  filed_on           DATE NOT NULL,
  filing_policy      TEXT NOT NULL,
  registered_at      TIMESTAMPTZ,
  registered_by_id   TEXT COLLATE "C" REFERENCES users (id),
  listed_at          TIMESTAMPTZ NOT NULL, -- registered_at, before that submitted_at: the default order
  desk_area_id       TEXT COLLATE "C" NOT NULL REFERENCES areas (id),
  type_id            TEXT COLLATE "C" NOT NULL REFERENCES document_types (id),
  category_id        TEXT COLLATE "C" REFERENCES categories (id),
  sender_id          TEXT COLLATE "C" REFERENCES parties (id),
  sender_kind        TEXT NOT NULL,
  sender_id_type     TEXT NOT NULL,
  sender_id_number   TEXT,
  sender_name        TEXT NOT NULL,
  sender_email       TEXT,
  subject            TEXT NOT NULL,
  folios             INT NOT NULL CHECK (folios BETWEEN 0 AND 99999),
  annex_description  TEXT,
  external_number    TEXT,
  document_date      DATE,
  priority           TEXT NOT NULL,
  priority_rank      INT NOT NULL, -- 1 is the most urgent
  confidentiality    TEXT NOT NULL CHECK (confidentiality IN ('PUBLIC', 'RESTRICTED', 'CONFIDENTIAL')),
  due_on             DATE,
  due_source         TEXT NOT NULL,
  term_days          INT,
  manual_due_on      DATE,
  related_id         TEXT COLLATE "C" REFERENCES documents (id),
  tags               JSONB NOT NULL,
  notes              TEXT,
  current_area_id    TEXT COLLATE "C" NOT NULL REFERENCES areas (id),
  current_area_ids   JSONB NOT NULL,
  assignee_id        TEXT COLLATE "C" REFERENCES users (id),
  opened_at          TIMESTAMPTZ NOT NULL,
  attended_at        TIMESTAMPTZ,
  attended_on        DATE,
  outcome            TEXT,
  void_reason        TEXT,
  integration_id     TEXT,
  external_id        TEXT,
  created_at         TIMESTAMPTZ NOT NULL,
  search_text        TEXT NOT NULL,
  search             TSVECTOR GENERATED ALWAYS AS (array_to_tsvector(string_to_array(search_text, ' '))) STORED,
  UNIQUE (registry_id, year, seq)
);
CREATE INDEX documents_listed ON documents (listed_at DESC, id DESC, confidentiality); -- confidentiality: counting what is visible needs nothing else
CREATE INDEX documents_filed ON documents (filed_on DESC, id DESC, state); -- state: the statistics need nothing else
CREATE INDEX documents_numbered ON documents ((COALESCE(year, 0)) DESC, (COALESCE(seq, 0)) DESC, id DESC);
CREATE INDEX documents_due ON documents ((COALESCE(due_on, DATE '9999-12-31')), id);
CREATE INDEX documents_due_desc ON documents ((COALESCE(due_on, DATE '0001-01-01')) DESC, id DESC);
CREATE INDEX documents_priority ON documents (priority_rank, (COALESCE(due_on, DATE '9999-12-31')), id);
CREATE INDEX documents_state ON documents (state, listed_at DESC, id DESC);
CREATE INDEX documents_type ON documents (type_id, listed_at DESC, id DESC);
CREATE INDEX documents_holder ON documents (current_area_id, state, listed_at DESC, id DESC);
CREATE INDEX documents_attended ON documents (attended_on, filed_on, due_on, state) WHERE attended_on IS NOT NULL; -- all of db/statistics.go
CREATE INDEX documents_open_due ON documents (due_on, state, priority) WHERE state IN ('SUBMITTED', 'OBSERVED', 'REGISTERED', 'IN_PROCESS');
CREATE INDEX documents_sender ON documents (sender_id_number, listed_at DESC, id DESC) WHERE sender_id_number IS NOT NULL;
CREATE INDEX documents_registrar ON documents (registered_by_id, listed_at DESC, id DESC);
CREATE INDEX documents_related ON documents (related_id) WHERE related_id IS NOT NULL;
CREATE UNIQUE INDEX documents_external ON documents (integration_id, external_id) WHERE integration_id IS NOT NULL;
CREATE INDEX documents_search ON documents USING gin (search);
CREATE INDEX documents_tags ON documents USING gin (tags jsonb_path_ops);

-- Who was given access to a document by taking part in it: ids of areas and of users.
CREATE TABLE document_access (
  document_id TEXT COLLATE "C" NOT NULL REFERENCES documents (id),
  grantee     TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (document_id, grantee)
);
CREATE INDEX document_access_grantee ON document_access (grantee, document_id);

CREATE TABLE watches (
  user_id     TEXT COLLATE "C" NOT NULL REFERENCES users (id),
  document_id TEXT COLLATE "C" NOT NULL REFERENCES documents (id),
  PRIMARY KEY (user_id, document_id)
);

CREATE TABLE derivations (
  id                TEXT COLLATE "C" PRIMARY KEY,
  number            TEXT NOT NULL UNIQUE,
  document_id       TEXT COLLATE "C" NOT NULL REFERENCES documents (id),
  batch_id          TEXT COLLATE "C" NOT NULL,
  kind              TEXT NOT NULL CHECK (kind IN ('ACTION', 'COPY')),
  purpose_code      TEXT REFERENCES purposes (code),
  from_id           TEXT COLLATE "C" NOT NULL REFERENCES areas (id),
  to_id             TEXT COLLATE "C" NOT NULL REFERENCES areas (id),
  assignee_id       TEXT COLLATE "C" REFERENCES users (id),
  previous_id       TEXT COLLATE "C" REFERENCES derivations (id),
  origin            TEXT NOT NULL,
  is_lead           BOOLEAN NOT NULL,
  sent_by_id        TEXT COLLATE "C" REFERENCES users (id),
  sent_at           TIMESTAMPTZ NOT NULL,
  instructions      TEXT NOT NULL,
  urgent            BOOLEAN NOT NULL,
  requires_response BOOLEAN NOT NULL,
  due_on            DATE,
  state             TEXT NOT NULL CHECK (state IN ('PENDING', 'RECEIVED', 'ATTENDED', 'REJECTED', 'RETURNED', 'RECALLED', 'REASSIGNED', 'ACKNOWLEDGED', 'CLOSED')),
  received_by_id    TEXT COLLATE "C" REFERENCES users (id),
  received_at       TIMESTAMPTZ,
  received_on       DATE,
  reception_minutes INT NOT NULL,
  closed_by_id      TEXT COLLATE "C" REFERENCES users (id),
  closed_at         TIMESTAMPTZ,
  closed_on         DATE,
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
  id              TEXT COLLATE "C" PRIMARY KEY,
  document_id     TEXT COLLATE "C" NOT NULL REFERENCES documents (id),
  classification  TEXT NOT NULL,
  policy_code     TEXT NOT NULL REFERENCES retention_policies (code),
  archived_on     DATE NOT NULL,
  archived_at     TIMESTAMPTZ NOT NULL,
  archived_by_id  TEXT COLLATE "C" REFERENCES users (id),
  location_code   TEXT NOT NULL UNIQUE,
  physical_place  TEXT,
  folios          INT NOT NULL,
  retain_until    DATE,
  state           TEXT NOT NULL,
  restored_at     TIMESTAMPTZ,
  restored_by_id  TEXT COLLATE "C" REFERENCES users (id),
  restore_reason  TEXT
);
CREATE INDEX archive_records_document ON archive_records (document_id, id);
CREATE UNIQUE INDEX archive_records_active ON archive_records (document_id) WHERE state = 'ACTIVE';

-- Audit trail, timeline and source of subscriptions in one. tx orders commits, see db/events.go.
CREATE TABLE events (
  seq           BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  tx            BIGINT NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
  id            TEXT COLLATE "C" NOT NULL UNIQUE,
  at            TIMESTAMPTZ NOT NULL,
  type          TEXT NOT NULL,
  actor_kind    TEXT NOT NULL,
  actor_id      TEXT COLLATE "C",
  actor_name    TEXT NOT NULL,
  document_id   TEXT COLLATE "C",
  derivation_id TEXT COLLATE "C",
  object_id     TEXT,
  area_ids      JSONB NOT NULL,
  text          TEXT NOT NULL,
  reason        TEXT,
  changes       JSONB,
  request_id    TEXT
);
CREATE INDEX events_tail ON events (tx, seq);
CREATE INDEX events_document ON events (document_id, seq) WHERE document_id IS NOT NULL;
CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'events are only ever added';
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only();

-- What an actor's idempotency key led to; kept for 24 h.
CREATE TABLE idempotency_keys (
  actor_id   TEXT COLLATE "C" NOT NULL,
  key        TEXT NOT NULL,
  input_hash BYTEA NOT NULL,
  result     JSONB NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (actor_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
