-- Schema 2: a commit touches few pages, however many people and rooms it is about.
--
-- entries  UNIQUE (client_id, sender) instead of (sender, client_id): ids that are ordered by time, as UUIDv7 are, then
--          all go to the end of that index, and not to one place per sender.
-- rooms    `head` is gone: it is the last `seq` of the log, and writing it down a second time was one more page in
--          every commit. The end of a range is found as fast as a column is read.

CREATE TABLE entries_2 (
    room      INTEGER NOT NULL REFERENCES rooms,
    seq       INTEGER NOT NULL CHECK (seq BETWEEN 1 AND 9007199254740991),
    sender    INTEGER NOT NULL REFERENCES accounts,
    client_id BLOB    NOT NULL CHECK (length(client_id) = 16),
    at_ms     INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    body      TEXT,
    PRIMARY KEY (room, seq),
    UNIQUE (client_id, sender)
) STRICT, WITHOUT ROWID;

INSERT INTO entries_2 (room, seq, sender, client_id, at_ms, kind, body)
SELECT room, seq, sender, client_id, at_ms, kind, body FROM entries ORDER BY room, seq;

DROP TABLE entries;

ALTER TABLE entries_2 RENAME TO entries;

ALTER TABLE rooms DROP COLUMN head;
