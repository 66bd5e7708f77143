-- What is counted on every page of an area's work comes from indexes alone (db/tray.go, docs/performance.md).

-- The due date of what an area holds.
DROP INDEX documents_holder;
CREATE INDEX documents_holder ON documents (current_area_id, state, listed_at DESC, id DESC, due_on);

-- The document of what an area sent.
DROP INDEX derivations_sent;
CREATE INDEX derivations_sent ON derivations (from_id, id DESC, document_id) WHERE state IN ('PENDING', 'RECEIVED');

-- What an area has to act on beside the holder.
CREATE INDEX derivations_beside ON derivations (to_id, document_id) WHERE kind = 'ACTION' AND state IN ('PENDING', 'RECEIVED') AND NOT is_lead;
