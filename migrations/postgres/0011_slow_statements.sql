-- Figures of statements that were slow, of each process on each day (UTC).
CREATE TABLE slow_statements (
  day          DATE NOT NULL,
  process      TEXT COLLATE "C" NOT NULL,
  fingerprint  TEXT COLLATE "C" NOT NULL,
  sql          TEXT NOT NULL,
  operation    TEXT,
  field        TEXT,
  count        BIGINT NOT NULL,
  slow         BIGINT NOT NULL,
  failed       BIGINT NOT NULL,
  rows         BIGINT NOT NULL,
  total_us     BIGINT NOT NULL,
  max_us       BIGINT NOT NULL,
  times        JSONB NOT NULL,
  last_seen_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (day, process, fingerprint)
);
