-- Migration 1. Every table is STRICT; every change is one transaction.
-- "MACed" columns are covered by the row's MAC (core: seal/columns.rs); the order is in the code beside each table.

CREATE TABLE header (
    only        INTEGER PRIMARY KEY CHECK (only = 1),
    format      INTEGER NOT NULL,
    vault_id    BLOB    NOT NULL CHECK (length(vault_id) = 16),
    host        BLOB    NOT NULL CHECK (length(host) = 32),
    unlock_mode TEXT    NOT NULL,
    autosend    INTEGER NOT NULL CHECK (autosend IN (0, 1)),
    created     INTEGER NOT NULL,
    mac         BLOB    NOT NULL
) STRICT;

CREATE TABLE slots (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    parameters TEXT    NOT NULL,
    wrapped    BLOB    NOT NULL
) STRICT;

CREATE TABLE services (
    service_id   BLOB    PRIMARY KEY CHECK (length(service_id) = 16),
    device_id    BLOB    NOT NULL CHECK (length(device_id) = 16),
    name         TEXT    NOT NULL,
    url          TEXT    NOT NULL,
    pins         BLOB    NOT NULL CHECK (length(pins) % 32 = 0),
    identity_key BLOB    NOT NULL,
    channel_key  BLOB    NOT NULL,
    mac          BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL UNIQUE COLLATE NOCASE,
    position    INTEGER NOT NULL,
    serial      TEXT    NOT NULL,
    service_id  BLOB    REFERENCES services (service_id),
    state       TEXT    NOT NULL,
    autosend    INTEGER NOT NULL CHECK (autosend IN (0, 1)),
    counter     INTEGER CHECK (counter >= 0),
    tries_left  INTEGER CHECK (tries_left >= 0),
    blob        BLOB,
    columns_mac BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX tokens_serial ON tokens (service_id, serial)
    WHERE service_id IS NOT NULL AND state <> 'revoked';

CREATE TABLE login_requests (
    request_id      BLOB    PRIMARY KEY CHECK (length(request_id) = 16),
    service_id      BLOB    NOT NULL,
    hash            BLOB    NOT NULL CHECK (length(hash) = 32),
    token_id        INTEGER,
    serial          TEXT    NOT NULL,
    resource        TEXT    NOT NULL,
    user            TEXT    NOT NULL,
    address         TEXT    NOT NULL,
    place           TEXT    NOT NULL,
    program         TEXT    NOT NULL,
    number_required INTEGER NOT NULL CHECK (number_required IN (0, 1)),
    created         INTEGER NOT NULL,
    received        INTEGER NOT NULL,
    ttl_ms          INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    detail          TEXT    NOT NULL,
    reported        INTEGER NOT NULL CHECK (reported IN (0, 1))
) STRICT;

CREATE INDEX login_requests_received ON login_requests (received);

CREATE TABLE outbox (
    request_id BLOB    NOT NULL REFERENCES login_requests (request_id),
    kind       TEXT    NOT NULL,
    service_id BLOB    NOT NULL,
    frame      BLOB    NOT NULL,
    created    INTEGER NOT NULL,
    PRIMARY KEY (request_id, kind)
) STRICT;

CREATE TABLE events (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    token  TEXT    NOT NULL,
    detail TEXT    NOT NULL
) STRICT;
