-- Schema 1: accounts, devices, rooms, memberships, logs and read marks.
--
-- meta         One row. `epoch` names this history: it changes if and only if history is restored
--              or reset, so that a client with cursors of another one resynchronises.
-- accounts     Presence stands beside the account because it is latest-value state that survives a
--              restart. Ids are never used twice (AUTOINCREMENT): a log and a live session may
--              still hold an old one.
-- devices      One login of one account. Holds hashes of tokens, never tokens: the file alone lets
--              nobody in. `next_token` becomes `token` once its device has used it; `rotation`
--              counts how often that was.
-- spent_tokens Tokens older than the current one. Whoever shows one holds a copy. All of them are
--              kept, up to a bound, and not only the last: a thief who rotates twice must not get
--              out of sight.
-- rooms        A group has a name; a private chat has two accounts, the smaller id first, so that
--              a pair has one room. `head` is the last seq of the log and is raised in the
--              transaction that appends.
-- memberships  Keyed by room, with an index by account: both directions are asked at every login.
--              The triggers keep `rooms.members`, because counting the lobby at every login would
--              grow with the square of the people.
-- entries      The logs. The key is the order, so a page is one range of one tree, and the table is
--              that tree. UNIQUE (sender, client_id) makes a resend find the first post. `kind` is
--              an open list: a program that does not know a kind is older than the database, and
--              refuses it as a whole.
-- marks        How far a device has seen a room. They outlive a membership: who comes back finds
--              the place.

PRAGMA application_id = 0x4c414e43; -- "LANC": tells our file from any other database

CREATE TABLE meta (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch    TEXT    NOT NULL CHECK (length(epoch) = 32)
) STRICT;

CREATE TABLE accounts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
    display_name TEXT    NOT NULL CHECK (length(display_name) > 0),
    phc          TEXT    NOT NULL CHECK (length(phc) > 0),
    admin        INTEGER NOT NULL DEFAULT 0 CHECK (admin IN (0, 1)),
    created_ms   INTEGER NOT NULL,
    last_seen_ms INTEGER,
    online       INTEGER NOT NULL DEFAULT 0 CHECK (online IN (0, 1)),
    away         INTEGER NOT NULL DEFAULT 0 CHECK (away IN (0, 1)),
    away_reason  TEXT    CHECK (away_reason IS NULL OR away = 1)
) STRICT;

CREATE INDEX accounts_online ON accounts (id) WHERE online = 1;

CREATE TABLE devices (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    account      INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    label        TEXT,
    token        BLOB    NOT NULL UNIQUE CHECK (length(token) = 32),
    next_token   BLOB    UNIQUE CHECK (length(next_token) = 32),
    rotation     INTEGER NOT NULL DEFAULT 0,
    created_ms   INTEGER NOT NULL,
    last_used_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX devices_by_account ON devices (account);

CREATE TABLE spent_tokens (
    device   INTEGER NOT NULL REFERENCES devices ON DELETE CASCADE,
    rotation INTEGER NOT NULL,
    token    BLOB    NOT NULL UNIQUE CHECK (length(token) = 32),
    PRIMARY KEY (device, rotation)
) STRICT, WITHOUT ROWID;

CREATE TABLE rooms (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    UNIQUE CHECK (length(name) > 0),
    one     INTEGER REFERENCES accounts,
    other   INTEGER REFERENCES accounts,
    head    INTEGER NOT NULL DEFAULT 0 CHECK (head BETWEEN 0 AND 9007199254740991),
    members INTEGER NOT NULL DEFAULT 0 CHECK (members >= 0),
    UNIQUE (one, other),
    CHECK (one < other),
    CHECK ((name IS NULL) = (one IS NOT NULL) AND (one IS NULL) = (other IS NULL))
) STRICT;

CREATE TABLE memberships (
    room    INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    PRIMARY KEY (room, account)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_by_account ON memberships (account);

CREATE TRIGGER membership_begins AFTER INSERT ON memberships BEGIN
    UPDATE rooms SET members = members + 1 WHERE id = new.room;
END;

CREATE TRIGGER membership_ends AFTER DELETE ON memberships BEGIN
    UPDATE rooms SET members = members - 1 WHERE id = old.room;
END;

CREATE TABLE entries (
    room      INTEGER NOT NULL REFERENCES rooms,
    seq       INTEGER NOT NULL CHECK (seq > 0),
    sender    INTEGER NOT NULL REFERENCES accounts,
    client_id BLOB    NOT NULL CHECK (length(client_id) = 16),
    at_ms     INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    body      TEXT,
    PRIMARY KEY (room, seq),
    UNIQUE (sender, client_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE marks (
    device INTEGER NOT NULL REFERENCES devices ON DELETE CASCADE,
    room   INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    seq    INTEGER NOT NULL CHECK (seq >= 0),
    PRIMARY KEY (device, room)
) STRICT, WITHOUT ROWID;

INSERT INTO meta (only_row, epoch) VALUES (1, lower(hex(randomblob(16))));
INSERT INTO rooms (name) VALUES ('lobby');
