-- Migration 5: containers of privacyIDEA, and the tokens that belong to one.

-- facts is JSON; keys is sealed. All but keys' content is MACed, keys as it stands.
CREATE TABLE containers (
    container_id BLOB PRIMARY KEY CHECK (length(container_id) = 16),
    name         TEXT    NOT NULL,
    serial       TEXT    NOT NULL,
    url          TEXT    NOT NULL,
    facts        TEXT    NOT NULL,
    synced       INTEGER,
    keys         BLOB    NOT NULL,
    mac          BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- MACed as soon as it is not null: a row of an earlier version keeps its MAC.
ALTER TABLE tokens ADD COLUMN container_id BLOB REFERENCES containers (container_id);
