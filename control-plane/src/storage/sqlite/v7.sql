-- Tokens of agents, and tokens that expire. SQLite cannot widen a CHECK: a new table, the same rows.
CREATE TABLE tokens_wider (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('data', 'admin', 'agent')),
    name       TEXT NOT NULL CHECK (length(name) > 0),
    sha256     BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    principal  TEXT,
    expires_at INTEGER,
    -- What an agent's token covers: the agent, its tenant, and globs of its tools (JSON).
    agent      TEXT,
    tenant     TEXT,
    tools      TEXT CHECK (tools IS NULL OR json_valid(tools)),
    CHECK ((kind = 'agent') = (agent IS NOT NULL AND tools IS NOT NULL))
) STRICT;
INSERT INTO tokens_wider (id, kind, name, sha256, created_at, revoked_at, principal)
    SELECT id, kind, name, sha256, created_at, revoked_at, principal FROM tokens;
DROP TABLE tokens;
ALTER TABLE tokens_wider RENAME TO tokens;
