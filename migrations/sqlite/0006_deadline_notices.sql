-- Of which due dates an event has told: document.due_soon and document.overdue come once for each.
CREATE TABLE deadline_notices (
  document_id TEXT NOT NULL REFERENCES documents (id),
  type        TEXT NOT NULL,
  due_on      TEXT NOT NULL,
  PRIMARY KEY (document_id, type, due_on)
);
