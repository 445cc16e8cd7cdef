-- Schema 4: rooms are counted when they are made, and those that nobody is in do not count against the others.
--
-- rooms  `made_by` and `made_ms` are who made a group room and when, for the number that an account may make in a day.
--        The name and the last seq of a room that everybody has left stay: cursors go by name. Only rooms that somebody
--        is in count against the bound of the server; `rooms_in_use` is where those are counted and listed.
--        A row that a join was refused for was never in use and has no entry: it goes.

ALTER TABLE rooms ADD COLUMN made_by INTEGER REFERENCES accounts ON DELETE SET NULL;

ALTER TABLE rooms ADD COLUMN made_ms INTEGER;

DELETE FROM rooms
WHERE name IS NOT NULL AND name <> 'lobby' AND members = 0
    AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.room = rooms.id);

DELETE FROM marks WHERE room NOT IN (SELECT id FROM rooms);

CREATE INDEX rooms_in_use ON rooms (name) WHERE name IS NOT NULL AND members > 0;

CREATE INDEX rooms_by_maker ON rooms (made_by, made_ms) WHERE made_by IS NOT NULL;
