-- Schema 6: nobody new gets a name that looks like that of somebody else.
--
-- accounts  `looks` is the name as it looks at a glance, as AccountName::looks in lanchat-model makes it: one sign for all
--           separators, none at the ends, one sign for those that are mistaken for each other. It is computed where it is
--           read, and indexed, so that a registration finds who would be mistaken for whom. It is not unique: accounts of
--           earlier versions that look alike keep their names.

ALTER TABLE accounts ADD COLUMN looks TEXT AS (replace(replace(replace(replace(trim(
    replace(replace(replace(replace(replace(replace(replace(name, '_', '.'), '-', '.'),
    '..', '.'), '..', '.'), '..', '.'), '..', '.'), '..', '.'), '.'),
    '0', 'o'), '1', 'l'), 'rn', 'm'), 'vv', 'w')) VIRTUAL;

CREATE INDEX accounts_by_looks ON accounts (looks);
