-- Migration 6: browser extensions that may ask for passcodes. Where a token is filled is inside its blob.

-- All but used is MACed: when it was used is for people.
CREATE TABLE pairings (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    key     BLOB    NOT NULL UNIQUE,
    name    TEXT    NOT NULL,
    browser TEXT    NOT NULL,
    created INTEGER NOT NULL,
    used    INTEGER,
    mac     BLOB    NOT NULL
) STRICT;
