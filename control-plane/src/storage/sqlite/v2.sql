-- The use of limits (crates/limits). Written in the transaction of the decision or outcome that changes it.
-- What stands in one slice of a window; reservations included. The limit may be one that no bundle has now.
CREATE TABLE limit_use (
    limit_id  TEXT NOT NULL,
    key       TEXT NOT NULL,
    slice_end INTEGER NOT NULL,
    amount    INTEGER NOT NULL,
    PRIMARY KEY (limit_id, key, slice_end)
) STRICT, WITHOUT ROWID;

-- What a call without an outcome has reserved (JSON), so that its outcome can settle it.
CREATE TABLE limit_open (
    call_id TEXT PRIMARY KEY,
    at      INTEGER NOT NULL,
    kept    INTEGER NOT NULL,
    entries TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Attempts of one invocation that share a count (JSON).
CREATE TABLE limit_groups (
    limit_id TEXT NOT NULL,
    key      TEXT NOT NULL,
    founder  TEXT NOT NULL,
    record   TEXT NOT NULL,
    PRIMARY KEY (limit_id, key, founder)
) STRICT, WITHOUT ROWID;

-- The agent session of a call, so that what was seen in it is found again. Absent in rows from before.
ALTER TABLE decisions ADD COLUMN session TEXT;
CREATE INDEX decisions_session ON decisions (session) WHERE session IS NOT NULL;
