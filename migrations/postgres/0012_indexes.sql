-- Indexes by what the plans of the named queries say (db/indexes.go, docs/performance.md).

-- Open work of somebody in the order in which it is listed: the one before had all legs, and no order.
DROP INDEX derivations_assignee;
CREATE INDEX derivations_assigned ON derivations (assignee_id, id, document_id) WHERE assignee_id IS NOT NULL AND state IN ('PENDING', 'RECEIVED');

-- Nothing asks for the tokens of a session, and sessions are not deleted.
DROP INDEX refresh_tokens_session;
