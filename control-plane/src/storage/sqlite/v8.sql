-- What leads from one record to others of the same tool-use loop. Written for what has such ids and for nothing else:
-- `tool`: `quoted` = 0: the answer to the call of that decision proposes the tool call `id`; 1: the decision is about a request
-- (or a tool) that names it. `session`: the answer names a session. `sdk`: the decision is a retry, `id` is the SDK's name for
-- the call. Ids are the callers' own words: they say something of one principal only.
CREATE TABLE links (
    kind      TEXT NOT NULL CHECK (kind IN ('tool', 'session', 'sdk')),
    id        TEXT NOT NULL CHECK (length(id) > 0),
    principal TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    quoted    INTEGER NOT NULL CHECK (quoted IN (0, 1)),
    PRIMARY KEY (kind, id, principal, seq, quoted)
) STRICT, WITHOUT ROWID;
