-- "HDSK": tells a database of ours from one of another program.
PRAGMA application_id = 1212437323;

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    login         TEXT    NOT NULL UNIQUE,
    first_name    TEXT    NOT NULL,
    last_name     TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    role          TEXT    NOT NULL,
    enabled       INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    mobile_number TEXT,
    agent_id      INTEGER UNIQUE
) STRICT;

CREATE TABLE lines (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id),
    number  TEXT    NOT NULL UNIQUE,
    name    TEXT    NOT NULL UNIQUE,
    webrtc  INTEGER NOT NULL CHECK (webrtc IN (0, 1))
) STRICT;

CREATE INDEX lines_user ON lines (user_id);

-- Times are milliseconds since 1970-01-01 UTC.
CREATE TABLE call_records (
    id            TEXT    NOT NULL PRIMARY KEY,
    linked_id     TEXT    NOT NULL,
    direction     TEXT    NOT NULL,
    caller_number TEXT    NOT NULL,
    caller_name   TEXT    NOT NULL,
    callee_number TEXT    NOT NULL,
    callee_name   TEXT    NOT NULL,
    caller_user   INTEGER REFERENCES users (id),
    callee_user   INTEGER REFERENCES users (id),
    started_at    INTEGER NOT NULL,
    answered_at   INTEGER,
    ended_at      INTEGER NOT NULL,
    duration_ms   INTEGER NOT NULL,
    cause         TEXT    NOT NULL
) STRICT;

-- One for each side of a user's history, latest first.
CREATE INDEX call_records_caller ON call_records (caller_user, started_at DESC, id DESC);
CREATE INDEX call_records_callee ON call_records (callee_user, started_at DESC, id DESC);

CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
