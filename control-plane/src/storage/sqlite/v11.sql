-- Texts of calls, encrypted. They are beside the log, not in it: the record tells their length and HMAC, and stays when they go.
-- `seq` is that of the decision, and so its time.
CREATE TABLE captured (
    id     INTEGER PRIMARY KEY,
    seq    INTEGER NOT NULL CHECK (seq > 0),
    kind   TEXT NOT NULL CHECK (length(kind) > 0),
    key_id INTEGER NOT NULL CHECK (key_id > 0),
    nonce  BLOB NOT NULL CHECK (length(nonce) = 12),
    bytes  BLOB NOT NULL
) STRICT;
CREATE INDEX captured_seq ON captured (seq);
