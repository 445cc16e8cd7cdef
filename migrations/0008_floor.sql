-- Schema 8: a log may lose its beginning, and an entry may be changed by a later one.
--
-- entries  `said` counts the messages in the room up to this entry: written once, so that what is unread is a difference.
--          `target` is the earlier entry that this one changes, `whom` the account that it is about where that is not the
--          sender, `edit` the last entry that changed the body of this one. No kind of entry of today has a target.
-- posts    The ids that entries were posted under, split off from their rows: they outlive them, so that whoever sends an old
--          message again is told where it was, and no second copy is made. It takes the place of the unique index.
-- rooms    `first` is the lowest seq that is kept. The triggers are the law of the log: rows go from the beginning alone, so
--          that it has no hole, and never the last one, so that no seq is given twice. A long text goes with what names it.
-- meta     `vacuum_due`: the rows of the table that was rewritten are in free pages, readable, until the file is rewritten.
--          `copies_ms`: when, in lived time, a start first saw the copy that the last upgrade kept; NULL: none did yet.

CREATE TABLE posts (
    client_id BLOB    NOT NULL CHECK (length(client_id) = 16),
    sender    INTEGER NOT NULL,
    room      INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    PRIMARY KEY (client_id, sender)
) STRICT, WITHOUT ROWID;

INSERT INTO posts (client_id, sender, room, seq)
SELECT client_id, sender, room, seq FROM entries ORDER BY client_id, sender;

CREATE TABLE entries_8 (
    room      INTEGER NOT NULL REFERENCES rooms,
    seq       INTEGER NOT NULL CHECK (seq BETWEEN 1 AND 9007199254740991),
    sender    INTEGER NOT NULL REFERENCES accounts,
    client_id BLOB    NOT NULL CHECK (length(client_id) = 16),
    at_ms     INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    said      INTEGER NOT NULL CHECK (said BETWEEN 0 AND seq),
    target    INTEGER CHECK (target BETWEEN 1 AND seq - 1),
    whom      INTEGER REFERENCES accounts,
    edit      INTEGER CHECK (edit > seq),
    body      TEXT,
    long      INTEGER CHECK (long IS NULL OR body IS NULL),
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO entries_8 (room, seq, sender, client_id, at_ms, kind, said, body, long)
SELECT room, seq, sender, client_id, at_ms, kind,
    sum(kind IN ('message', 'action')) OVER (PARTITION BY room ORDER BY seq ROWS UNBOUNDED PRECEDING), body, long
FROM entries;

DROP TABLE entries;

ALTER TABLE entries_8 RENAME TO entries;

ALTER TABLE rooms ADD COLUMN first INTEGER NOT NULL DEFAULT 1 CHECK (first > 0);

CREATE TRIGGER log_keeps_its_end BEFORE DELETE ON entries
WHEN old.seq <> (SELECT first FROM rooms WHERE id = old.room)
    OR old.seq = (SELECT max(seq) FROM entries WHERE room = old.room)
BEGIN
    SELECT raise(ABORT, 'a log is pruned from its beginning, and keeps its last entry');
END;

CREATE TRIGGER log_loses_its_beginning AFTER DELETE ON entries BEGIN
    UPDATE rooms SET first = old.seq + 1 WHERE id = old.room;
END;

CREATE TRIGGER long_text_goes_with_its_row AFTER DELETE ON entries WHEN old.long IS NOT NULL BEGIN
    DELETE FROM long_texts WHERE id = old.long;
END;

CREATE TRIGGER long_text_goes_with_its_name AFTER UPDATE OF long ON entries
WHEN old.long IS NOT NULL AND new.long IS NOT old.long BEGIN
    DELETE FROM long_texts WHERE id = old.long;
END;

ALTER TABLE meta ADD COLUMN vacuum_due INTEGER NOT NULL DEFAULT 0 CHECK (vacuum_due IN (0, 1));

ALTER TABLE meta ADD COLUMN copies_ms INTEGER CHECK (copies_ms >= 0);

UPDATE meta SET vacuum_due = EXISTS (SELECT 1 FROM entries);
