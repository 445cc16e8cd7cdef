-- Schema 3: how old a device is does not hang on the wall clock, and a login is of one password.
--
-- meta      `lived_ms` is for how long this server has run in all its life, as it was when the server last stopped in
--           order. It starts at 90 days, so that the ages of devices that are older than it can be told.
-- accounts  `generation` counts changes of the password. Whoever proved an earlier one proved nothing.
-- devices   `used_ms` replaces `last_used_ms`: when the device was last used, in lived time. A clock that jumps, as on
--           machines without a battery for it, made devices seem older than they were, and logged them out. Which of
--           the old values were taken in a jump cannot be known: all keep their order, and at least 90 of 180 days.
--           `copied` stands at a device one of whose tokens was used by somebody else: none of them resumes, and
--           whoever shows one is told why.
-- spent_tokens
--           Holds every token that was issued to a device and is not one of its two: also a next one that was replaced
--           before it was used. `devices.rotation` counts them.

ALTER TABLE meta ADD COLUMN lived_ms INTEGER NOT NULL DEFAULT 7776000000 CHECK (lived_ms >= 0);

ALTER TABLE accounts ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;

ALTER TABLE devices ADD COLUMN copied INTEGER NOT NULL DEFAULT 0 CHECK (copied IN (0, 1));

ALTER TABLE devices RENAME COLUMN last_used_ms TO used_ms;

CREATE TEMP TABLE latest AS SELECT max(used_ms) AS used_ms FROM devices;

UPDATE devices SET used_ms = 7776000000 - min((SELECT used_ms FROM latest) - used_ms, 7776000000);

DROP TABLE latest;
