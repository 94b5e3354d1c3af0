-- The test write behind readiness. It is as large as what a decision changes (some pages): a disk that has room for one
-- page and not for a decision must not be called writable.
CREATE TABLE probe (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    at     INTEGER NOT NULL,
    filler BLOB NOT NULL
) STRICT;
DELETE FROM meta WHERE key = 'probe';
