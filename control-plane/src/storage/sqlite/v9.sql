-- The log. Every record is a row of `records`, in the order of the log, never changed but for pruning; everything beside it
-- points into it. `kind` is RecordKind::code, `leaf` the hash of its entry, `record` its canonical JSON, packed with the
-- dictionary of that number (0: not packed). Of a pruned record `entry` stays, so that every proof still holds.
CREATE TABLE records (
    idx    INTEGER PRIMARY KEY CHECK (idx >= 0),
    kind   INTEGER NOT NULL CHECK (kind > 0),
    at     INTEGER NOT NULL,
    leaf   BLOB NOT NULL CHECK (length(leaf) = 32),
    dict   INTEGER NOT NULL CHECK (dict >= 0),
    record BLOB,
    entry  TEXT,
    CHECK ((record IS NULL) = (entry IS NOT NULL))
) STRICT;

-- Roots of complete subtrees of 256^level leaves, level 1 and up: with the leaves they are the tiles of tlog-tiles.
CREATE TABLE log_nodes (
    level INTEGER NOT NULL CHECK (level BETWEEN 1 AND 7),
    n     INTEGER NOT NULL CHECK (n >= 0),
    hash  BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, n)
) STRICT, WITHOUT ROWID;

-- The newest checkpoint, written with the records that it covers.
CREATE TABLE log_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL CHECK (size >= 0),
    root BLOB NOT NULL CHECK (length(root) = 32),
    at   INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

-- One checkpoint a second while the log grows, and each that was cosigned.
CREATE TABLE log_checkpoints (
    size INTEGER PRIMARY KEY CHECK (size >= 0),
    at   INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;

-- Lines of witnesses, under the checkpoint of that size.
CREATE TABLE log_cosignatures (
    size INTEGER NOT NULL,
    line TEXT NOT NULL CHECK (length(line) > 0),
    PRIMARY KEY (size, line)
) STRICT, WITHOUT ROWID;

-- Public keys (signed-note's vkey), the newest last; `since`: records in the log when it came.
CREATE TABLE log_keys (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    since INTEGER NOT NULL CHECK (since >= 0),
    at    INTEGER NOT NULL,
    vkey  TEXT NOT NULL UNIQUE CHECK (length(vkey) > 0)
) STRICT;

-- How far those who follow the log have come.
CREATE TABLE cursors (
    follower TEXT PRIMARY KEY CHECK (length(follower) > 0),
    at       INTEGER NOT NULL CHECK (at >= 0)
) STRICT, WITHOUT ROWID;

-- What was recorded before waits here until the program has written it to the log, the oldest first and a slice at a time;
-- then these tables are dropped (log/migrate.rs). Names of indexes are taken again below.
DROP INDEX decisions_call;
DROP INDEX decisions_principal;
DROP INDEX decisions_refused;
DROP INDEX decisions_session;
DROP INDEX decisions_found;
ALTER TABLE decisions RENAME TO decisions_v8;
ALTER TABLE outcomes RENAME TO outcomes_v8;
ALTER TABLE events RENAME TO events_v8;
CREATE INDEX outcomes_v8_time ON outcomes_v8 (recorded_at, call_id);
CREATE INDEX events_v8_time ON events_v8 (at, seq);

-- Decisions: what they are searched by. `seq` is unix_ms << 12 | counter and the first 60 bits of the decision id: it serves
-- as index of time and of id. `correlation` is NULL where it is the decision's own id; `shadowed` is 1 where shadow mode has
-- changed the verdict; `idx` is the record.
CREATE TABLE decisions (
    seq         INTEGER PRIMARY KEY CHECK (seq > 0),
    call_id     TEXT NOT NULL CHECK (length(call_id) > 0),
    principal   TEXT NOT NULL,
    operation   TEXT NOT NULL,
    model       TEXT,
    model_base  TEXT,
    verdict     TEXT NOT NULL CHECK (verdict IN ('allow', 'deny', 'throttle', 'pending_approval')),
    session     TEXT,
    kind        TEXT NOT NULL CHECK (kind IN ('call', 'tool_call', 'answer_text')),
    tool        TEXT,
    correlation TEXT,
    shadowed    INTEGER NOT NULL CHECK (shadowed IN (0, 1)),
    idx         INTEGER NOT NULL CHECK (idx >= 0)
) STRICT;
CREATE UNIQUE INDEX decisions_call ON decisions (call_id);
CREATE INDEX decisions_principal ON decisions (principal);
CREATE INDEX decisions_refused ON decisions (verdict) WHERE verdict <> 'allow';
CREATE INDEX decisions_session ON decisions (session) WHERE session IS NOT NULL;
CREATE INDEX decisions_found ON decisions (kind, seq, principal, tool) WHERE kind <> 'call';

-- What became of a call, by the newest record of it; may come before its decision, or without one. A row that is final is never
-- changed. `replaced` is the record `unknown` that a late report has replaced: it stays in the log.
CREATE TABLE outcomes (
    call_id     TEXT PRIMARY KEY CHECK (length(call_id) > 0),
    state       TEXT NOT NULL CHECK (state IN ('completed', 'failed', 'aborted', 'blocked', 'unknown')),
    recorded_at INTEGER NOT NULL,
    idx         INTEGER NOT NULL CHECK (idx >= 0),
    replaced    INTEGER
) STRICT, WITHOUT ROWID;

-- What is neither decision nor outcome and belongs on the record.
CREATE TABLE events (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    at    INTEGER NOT NULL,
    kind  TEXT NOT NULL CHECK (kind IN ('admin', 'bundle', 'gap', 'approval')),
    actor TEXT NOT NULL,
    id    TEXT NOT NULL UNIQUE CHECK (length(id) > 0),
    idx   INTEGER NOT NULL CHECK (idx >= 0)
) STRICT;
