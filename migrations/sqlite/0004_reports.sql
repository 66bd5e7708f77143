-- Reports that somebody asked for. How far one is, is in its job; it goes when the job goes.
CREATE TABLE report_runs (
  id              TEXT PRIMARY KEY,
  job_id          TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  type            TEXT NOT NULL,
  format          TEXT NOT NULL,
  parameters      TEXT NOT NULL,
  requested_by_id TEXT NOT NULL REFERENCES users (id),
  requested_at    TIMESTAMP NOT NULL,
  file_name       TEXT,
  storage_key     TEXT, -- null before the file is there and after it was deleted
  size            BIGINT,
  sha256          TEXT,
  rows            BIGINT,
  expires_at      TIMESTAMP
);
CREATE UNIQUE INDEX report_runs_job ON report_runs (job_id);
CREATE INDEX report_runs_own ON report_runs (requested_by_id, id);
CREATE INDEX report_runs_files ON report_runs (expires_at) WHERE storage_key IS NOT NULL;
CREATE UNIQUE INDEX report_runs_file ON report_runs (storage_key) WHERE storage_key IS NOT NULL;
