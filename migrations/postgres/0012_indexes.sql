-- Indexes by what the plans of the named queries say (db/indexes.go, docs/performance.md).

-- Open work of somebody in the order in which it is listed: the one before had all legs, and no order.
DROP INDEX derivations_assignee;
CREATE INDEX derivations_assigned ON derivations (assignee_id, id, document_id) WHERE assignee_id IS NOT NULL AND state IN ('PENDING', 'RECEIVED');

-- The document, so that counting a tray needs nothing else of its legs.
DROP INDEX derivations_tray;
CREATE INDEX derivations_tray ON derivations (to_id, state, kind, id DESC, document_id);

-- Nothing asks for the tokens of a session, and sessions are not deleted.
DROP INDEX refresh_tokens_session;
