-- Decisions are appended and never changed. The columns beside `record` are copies for searching; `record` (JSON) is
-- what was committed. `seq` is unix_ms << 12 | counter and the first 60 bits of the decision id: it serves as index
-- of time and of id.
CREATE TABLE decisions (
    seq        INTEGER PRIMARY KEY CHECK (seq > 0),
    call_id    TEXT NOT NULL CHECK (length(call_id) > 0),
    principal  TEXT NOT NULL,
    operation  TEXT NOT NULL,
    model      TEXT,
    model_base TEXT,
    verdict    TEXT NOT NULL CHECK (verdict IN ('allow', 'deny', 'throttle', 'pending_approval')),
    record     TEXT NOT NULL CHECK (length(record) > 1)
) STRICT;
-- One decision per call; also finds it for its outcome.
CREATE UNIQUE INDEX decisions_call ON decisions (call_id);
-- Every index is paid for on every call: who called and what was refused are worth it (the second index holds
-- refusals only); models are few, so a scan from the newest finds them soon (docs/decisions/0002-storage.md).
CREATE INDEX decisions_principal ON decisions (principal);
CREATE INDEX decisions_refused ON decisions (verdict) WHERE verdict <> 'allow';

-- What became of a call; may come before its decision, or without one. A row that is final is never changed.
CREATE TABLE outcomes (
    call_id     TEXT PRIMARY KEY CHECK (length(call_id) > 0),
    state       TEXT NOT NULL CHECK (state IN ('completed', 'failed', 'aborted', 'blocked', 'unknown')),
    recorded_at INTEGER NOT NULL,
    record      TEXT NOT NULL CHECK (length(record) > 1)
) STRICT, WITHOUT ROWID;

-- What is neither decision nor outcome and belongs on the record.
CREATE TABLE events (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('admin', 'bundle', 'gap')),
    actor  TEXT NOT NULL,
    detail TEXT NOT NULL CHECK (json_valid(detail))
) STRICT;

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('data', 'admin')),
    name       TEXT NOT NULL CHECK (length(name) > 0),
    sha256     BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE aws_keys (
    access_key_id TEXT PRIMARY KEY,
    sealed_secret BLOB NOT NULL,
    name          TEXT NOT NULL CHECK (length(name) > 0),
    principal     TEXT NOT NULL CHECK (length(principal) > 0),
    tenant        TEXT,
    created_at    INTEGER NOT NULL,
    revoked_at    INTEGER
) STRICT;

-- Small facts: `reaped_to` (the reaper has looked at every decision up to this seq), `probe` (last test write).
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
