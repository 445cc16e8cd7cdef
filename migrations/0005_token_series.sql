-- Schema 5: a token tells which device it is of, so that every one that was replaced is known for ever.
--
-- devices       `series` is the SHA-256 of what all tokens of a device have in common. A token of its series that is not
--               one of its two is one that somebody has a copy of. NULL: the tokens are as schema 4 made them; the next
--               resume begins a series.
-- spent_tokens  Replaced tokens of devices whose tokens had no series when they were replaced. It does not grow any more:
--               it was bounded by their number, and who resumed often enough pushed out the one that would have told.

ALTER TABLE devices ADD COLUMN series BLOB CHECK (length(series) = 32);

CREATE UNIQUE INDEX devices_by_series ON devices (series) WHERE series IS NOT NULL;
