-- Figures of statements that were slow, of each process on each day (UTC).
CREATE TABLE slow_statements (
  day          TEXT NOT NULL,
  process      TEXT NOT NULL,
  fingerprint  TEXT NOT NULL,
  sql          TEXT NOT NULL,
  operation    TEXT,
  field        TEXT,
  count        INTEGER NOT NULL,
  slow         INTEGER NOT NULL,
  failed       INTEGER NOT NULL,
  rows         INTEGER NOT NULL,
  total_us     INTEGER NOT NULL,
  max_us       INTEGER NOT NULL,
  times        TEXT NOT NULL,
  last_seen_at TEXT NOT NULL,
  PRIMARY KEY (day, process, fingerprint)
);
