-- Schema 6: nobody new gets a name that looks like that of somebody else.
--
-- accounts  Found by the name as it looks at a glance, as AccountName::looks in lanchat-model makes it: one sign for all
--           separators, none at the ends, one sign for those that are mistaken for each other. The index is not unique:
--           accounts of earlier versions that look alike keep their names. It is one of an expression, and there is no
--           column for it: SQLite computes those in every UPDATE of a row, and coming and going is one.

CREATE INDEX accounts_by_looks ON accounts (replace(replace(replace(replace(trim(
    replace(replace(replace(replace(replace(replace(replace(name, '_', '.'), '-', '.'),
    '..', '.'), '..', '.'), '..', '.'), '..', '.'), '..', '.'), '.'),
    '0', 'o'), '1', 'l'), 'rn', 'm'), 'vv', 'w'));
