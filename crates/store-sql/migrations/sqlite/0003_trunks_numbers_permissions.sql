CREATE TABLE trunks (
    name     TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL
) STRICT;

CREATE TABLE numbers (
    number TEXT NOT NULL PRIMARY KEY,
    rings  TEXT NOT NULL
) STRICT;

-- Classes by name, divided by blanks; an empty text is leave for nothing. Who has no row may what everybody may.
CREATE TABLE permissions (
    user_id INTEGER NOT NULL PRIMARY KEY REFERENCES users (id),
    classes TEXT    NOT NULL
) STRICT;
