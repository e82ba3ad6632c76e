-- Migration 3: what is declined by rule, and until when login requests are muted.

-- Not MACed: whoever can write the file can also ask the agent for the same. They decline, and never approve.
CREATE TABLE blocks (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL,
    value   TEXT    NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (kind, value)
) STRICT;

CREATE TABLE mute (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    until INTEGER NOT NULL CHECK (until >= 0)
) STRICT;
INSERT INTO mute (only, until) VALUES (1, 0);
