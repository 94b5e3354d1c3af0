-- Versions of the policy bundle: one row per digest, never changed but for a signature that comes later.
CREATE TABLE bundle_versions (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    digest    TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
    name      TEXT NOT NULL,
    version   TEXT NOT NULL,
    rules     INTEGER NOT NULL,
    source    TEXT NOT NULL CHECK (source IN ('api', 'directory')),
    signed_by TEXT,
    stored_at INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    why       TEXT NOT NULL,
    -- The files, signatures included, as .tar.gz. Last, so that the other columns are read without it.
    archive   BLOB NOT NULL
) STRICT;

-- What became active, in order; a version that was active already is not repeated.
CREATE TABLE bundle_activations (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL REFERENCES bundle_versions (digest),
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    why    TEXT NOT NULL
) STRICT;
CREATE INDEX bundle_activations_digest ON bundle_activations (digest);

-- The version that was activated over the API, if one is: it is in force whatever the directory says.
CREATE TABLE bundle_pin (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    digest TEXT NOT NULL REFERENCES bundle_versions (digest),
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    why    TEXT NOT NULL
) STRICT;
