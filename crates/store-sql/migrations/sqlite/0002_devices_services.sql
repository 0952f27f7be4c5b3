-- The hashes are those of RFC 7616 and as good as the password itself. A name is not given to a line and a device.
CREATE TABLE devices (
    name       TEXT    NOT NULL PRIMARY KEY,
    line_id    INTEGER NOT NULL REFERENCES lines (id),
    ha1_md5    TEXT    NOT NULL,
    ha1_sha256 TEXT    NOT NULL
) STRICT;

-- A forward is in force or kept; its destination is null when there never was one.
CREATE TABLE user_services (
    user_id                   INTEGER PRIMARY KEY REFERENCES users (id),
    do_not_disturb            INTEGER NOT NULL CHECK (do_not_disturb IN (0, 1)),
    call_waiting              INTEGER NOT NULL CHECK (call_waiting IN (0, 1)),
    unconditional_enabled     INTEGER NOT NULL CHECK (unconditional_enabled IN (0, 1)),
    unconditional_destination TEXT,
    busy_enabled              INTEGER NOT NULL CHECK (busy_enabled IN (0, 1)),
    busy_destination          TEXT,
    no_answer_enabled         INTEGER NOT NULL CHECK (no_answer_enabled IN (0, 1)),
    no_answer_destination     TEXT
) STRICT;
