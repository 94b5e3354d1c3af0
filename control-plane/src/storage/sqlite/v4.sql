-- Approvals: questions to people. `record` (JSON) is the approval with its history; the columns beside it are copies for
-- finding it. `live` is 1 while it may decide a call: pending, approved, or a denial whose time is not over. `due` is
-- when its time is over.
CREATE TABLE approvals (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT NOT NULL UNIQUE CHECK (length(id) > 0),
    digest    TEXT NOT NULL CHECK (length(digest) = 64),
    rule      TEXT NOT NULL,
    principal TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'consumed')),
    live      INTEGER NOT NULL CHECK (live IN (0, 1)),
    due       INTEGER,
    record    TEXT NOT NULL CHECK (json_valid(record))
) STRICT;
-- One question about one call at a time, however many ask at once.
CREATE UNIQUE INDEX approvals_live ON approvals (digest, rule) WHERE live = 1;
CREATE INDEX approvals_due ON approvals (due) WHERE live = 1;
CREATE INDEX approvals_state ON approvals (state);

CREATE TABLE grants (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE CHECK (length(id) > 0),
    rule       TEXT NOT NULL,
    principal  TEXT NOT NULL,
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    live       INTEGER NOT NULL CHECK (live IN (0, 1)),
    expires_at INTEGER NOT NULL,
    record     TEXT NOT NULL CHECK (json_valid(record))
) STRICT;
CREATE INDEX grants_due ON grants (expires_at) WHERE live = 1;

-- What webhooks must be told; a row is deleted when it was. `subject` is the approval or grant: of each, a webhook is told
-- in order.
CREATE TABLE deliveries (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE CHECK (length(id) > 0),
    webhook    TEXT NOT NULL,
    subject    TEXT NOT NULL,
    event      TEXT NOT NULL CHECK (json_valid(event)),
    created_at INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,
    error      TEXT
) STRICT;
CREATE INDEX deliveries_order ON deliveries (webhook, subject, seq);
CREATE INDEX deliveries_next ON deliveries (webhook, next_at);

-- An admin token may belong to a principal: who asks for a call may not approve it.
ALTER TABLE tokens ADD COLUMN principal TEXT;

-- SQLite cannot widen a CHECK: a new table, the same rows.
CREATE TABLE events_wider (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('admin', 'bundle', 'gap', 'approval')),
    actor  TEXT NOT NULL,
    detail TEXT NOT NULL CHECK (json_valid(detail))
) STRICT;
INSERT INTO events_wider (seq, at, kind, actor, detail) SELECT seq, at, kind, actor, detail FROM events ORDER BY seq;
DROP TABLE events;
ALTER TABLE events_wider RENAME TO events;
