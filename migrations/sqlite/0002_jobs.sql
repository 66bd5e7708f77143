-- Work in the background. The row is the truth; what is announced in Redis only tells workers to look.
CREATE TABLE jobs (
  id                  TEXT PRIMARY KEY,
  kind                TEXT NOT NULL,
  queue               TEXT NOT NULL,
  priority            INT NOT NULL,
  state               TEXT NOT NULL CHECK (state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
  epoch               BIGINT NOT NULL,
  rev                 BIGINT NOT NULL,
  attempt             INT NOT NULL,
  max_attempts        INT NOT NULL,
  crashes             INT NOT NULL,
  created_at          TIMESTAMP NOT NULL,
  run_at              TIMESTAMP NOT NULL,
  announced_at        TIMESTAMP,
  worker              TEXT,
  lease_until         TIMESTAMP,
  claimed_at          TIMESTAMP,
  started_at          TIMESTAMP,
  finished_at         TIMESTAMP,
  cancel_requested_at TIMESTAMP,
  progress            INT NOT NULL,
  done                BIGINT NOT NULL,
  total               BIGINT NOT NULL,
  about               TEXT,
  args                TEXT NOT NULL,
  result              TEXT,
  error_code          TEXT,
  last_error          TEXT,
  unique_key          TEXT,
  exclusive_key       TEXT,
  requested_by_id     TEXT REFERENCES users (id),
  expires_at          TIMESTAMP
);
CREATE INDEX jobs_ready ON jobs (queue, priority, run_at, id) WHERE state = 'QUEUED';
CREATE INDEX jobs_unannounced ON jobs (run_at) WHERE state = 'QUEUED' AND announced_at IS NULL;
CREATE INDEX jobs_running ON jobs (worker) WHERE state = 'RUNNING'; -- not by lease, which each heartbeat changes
CREATE INDEX jobs_expired ON jobs (expires_at) WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX jobs_unique_live ON jobs (unique_key) WHERE unique_key IS NOT NULL AND state IN ('QUEUED', 'RUNNING');
CREATE INDEX jobs_failed ON jobs (queue) WHERE state = 'FAILED';
CREATE INDEX jobs_behind ON jobs (exclusive_key, priority, run_at, id) WHERE exclusive_key IS NOT NULL AND state = 'QUEUED';
CREATE UNIQUE INDEX jobs_exclusive ON jobs (exclusive_key) WHERE exclusive_key IS NOT NULL AND state = 'RUNNING';

-- Each time that a worker took a job and how it ended; the present time is in the job's own row.
CREATE TABLE job_attempts (
  job_id     TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  epoch      BIGINT NOT NULL,
  worker     TEXT NOT NULL,
  started_at TIMESTAMP NOT NULL,
  ended_at   TIMESTAMP NOT NULL,
  outcome    TEXT NOT NULL,
  error_code TEXT,
  PRIMARY KEY (job_id, epoch)
);

CREATE TABLE paused_queues (
  queue     TEXT PRIMARY KEY,
  paused_at TIMESTAMP NOT NULL
);

-- When each entry of the schedule fired last.
CREATE TABLE schedules (
  name        TEXT PRIMARY KEY,
  fired_at    TIMESTAMP NOT NULL,
  last_job_id TEXT
);

-- Processes that work, as they last said.
CREATE TABLE workers (
  id           TEXT PRIMARY KEY,
  host         TEXT NOT NULL,
  started_at   TIMESTAMP NOT NULL,
  last_seen_at TIMESTAMP NOT NULL,
  running      INT NOT NULL
);
