-- Schema 7: a long text stands beside its log.
--
-- long_texts  Texts that would not fit the page of their entry. `entries` is a tree of whole rows, and SQLite reads a row
--             with all that overflows its page to compare one key with it: to append one line of 16 KiB took 50 page reads.
-- entries     `long` names the text, and `body` is NULL then. Texts of earlier versions stay where they are.

CREATE TABLE long_texts (
    id   INTEGER PRIMARY KEY,
    text TEXT    NOT NULL
) STRICT;

ALTER TABLE entries ADD COLUMN long INTEGER CHECK (long IS NULL OR body IS NULL);
