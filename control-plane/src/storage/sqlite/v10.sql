-- Legal holds. A row is never removed, and changed by its release alone: a name stands for one hold for ever.
CREATE TABLE holds (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL UNIQUE CHECK (length(name) > 0),
    scope        TEXT NOT NULL CHECK (json_valid(scope)),
    reason       TEXT NOT NULL,
    actor        TEXT NOT NULL,
    at           INTEGER NOT NULL,
    released_at  INTEGER,
    released_by  TEXT,
    released_why TEXT,
    CHECK ((released_at IS NULL) = (released_by IS NULL) AND (released_at IS NULL) = (released_why IS NULL))
) STRICT;
