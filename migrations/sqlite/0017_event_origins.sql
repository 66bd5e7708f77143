-- Where the request came from that an event is due to: the IP address of its sender, and what that calls itself. Entries of format 1 are
-- sealed without both (docs/decisions/0013-audit-chain.md): those of before, and what a process of before still seals amid an upgrade.
ALTER TABLE events ADD COLUMN address TEXT;
ALTER TABLE events ADD COLUMN client TEXT;
ALTER TABLE seals ADD COLUMN format INTEGER NOT NULL DEFAULT 1;
