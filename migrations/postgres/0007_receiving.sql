-- What institutions hand in with their keys, and how it is received.

ALTER TABLE integrations ADD COLUMN can_receive BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE integrations ADD COLUMN auto_register BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE integrations ADD COLUMN default_area_id TEXT COLLATE "C" REFERENCES areas (id);
ALTER TABLE integrations ADD COLUMN default_type_id TEXT COLLATE "C" REFERENCES document_types (id);
ALTER TABLE api_keys ADD COLUMN integration_id TEXT COLLATE "C" REFERENCES integrations (id);
