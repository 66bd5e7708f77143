-- Whoever is no longer assigned to any leg of a document sees it no longer for having been so (docs/decisions/0007-readings-of-the-rules.md).
DELETE FROM document_access WHERE grantee IN (SELECT id FROM users)
  AND NOT EXISTS (SELECT 1 FROM derivations AS x WHERE x.document_id = document_access.document_id AND x.assignee_id = document_access.grantee)
  AND NOT EXISTS (SELECT 1 FROM archive_records AS r WHERE r.document_id = document_access.document_id AND document_access.grantee IN (r.archived_by_id, r.restored_by_id));
