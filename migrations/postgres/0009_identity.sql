-- Sessions that are renewed, passwords that have to be changed, and rights that are given to or kept from one person.

ALTER TABLE users ADD COLUMN must_change_password BOOLEAN NOT NULL DEFAULT FALSE;
-- Whether the operator opened a session without a password: then none has to be changed first.
ALTER TABLE sessions ADD COLUMN is_operators BOOLEAN NOT NULL DEFAULT FALSE;

-- Each works once: the row of a used one stays, so that whoever comes with it again is known for a thief or a victim.
CREATE TABLE refresh_tokens (
  token_hash BYTEA PRIMARY KEY,
  session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id),
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  used_at    TIMESTAMPTZ
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

-- area_id is '' for the whole institution, as in role_assignments.
CREATE TABLE permission_overrides (
  user_id       TEXT COLLATE "C" NOT NULL REFERENCES users (id),
  permission    TEXT NOT NULL,
  area_id       TEXT COLLATE "C" NOT NULL,
  effect        TEXT NOT NULL CHECK (effect IN ('GRANT', 'DENY')),
  reason        TEXT NOT NULL,
  granted_by_id TEXT COLLATE "C",
  granted_at    TIMESTAMPTZ NOT NULL,
  until_on      DATE,
  PRIMARY KEY (user_id, permission, area_id)
);
