-- Times are Unix milliseconds. Columns named *_sealed hold XChaCha20-Poly1305 under the master key.

-- The gateway's own keys and certificates.
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    password   TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE device (
    device_id   BLOB PRIMARY KEY,
    channel_key BLOB NOT NULL,
    name        TEXT NOT NULL,
    created_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    serial          TEXT PRIMARY KEY,
    user_id         INTEGER NOT NULL REFERENCES user (id),
    state           TEXT NOT NULL,
    mode            TEXT NOT NULL,
    pin_type        TEXT NOT NULL,
    push            TEXT NOT NULL,
    seed_sealed     BLOB,
    mac_key_sealed  BLOB,
    device_id       BLOB REFERENCES device (device_id),
    decision_key    BLOB,
    -- Event-based: the least counter that is still good.
    next_counter    INTEGER NOT NULL DEFAULT 0,
    -- Event-based: what the agent said it would use next; only widens the look-ahead.
    agent_counter   INTEGER NOT NULL DEFAULT 0,
    -- Time-based: the last accepted step, and the learnt offset of the token's clock in steps.
    last_step       INTEGER,
    drift           INTEGER NOT NULL DEFAULT 0,
    typing_failures INTEGER NOT NULL DEFAULT 0,
    typing_locked_until_ms INTEGER,
    created_ms      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_user ON token (user_id);
CREATE INDEX token_device ON token (device_id);

CREATE TABLE activation (
    code              TEXT PRIMARY KEY,
    serial            TEXT NOT NULL UNIQUE REFERENCES token (serial) ON DELETE CASCADE,
    passphrase_sealed BLOB NOT NULL,
    expires_ms        INTEGER NOT NULL,
    first_run_ms      INTEGER,
    runs              INTEGER NOT NULL DEFAULT 0,
    failures          INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE front (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL UNIQUE,
    key_hash   BLOB NOT NULL UNIQUE,
    push       INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE login (
    transaction_id  TEXT PRIMARY KEY,
    front_id        INTEGER NOT NULL,
    user_id         INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    resource        TEXT NOT NULL,
    client_address  TEXT NOT NULL,
    number          TEXT,
    idempotency_key TEXT,
    state           TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    -- Pending: when it expires. Approved: when it lapses. Then: when it ended.
    deadline_ms     INTEGER NOT NULL,
    reported_ms     INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX login_open ON login (user_id, resource) WHERE state = 'pending';
CREATE UNIQUE INDEX login_idempotency ON login (front_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX login_deadline ON login (deadline_ms) WHERE state IN ('pending', 'approved');
CREATE INDEX login_user ON login (user_id, created_ms);

-- What was sent to the agents: one a push token, and one a challenge-response token that is typed.
CREATE TABLE request (
    request_id     BLOB PRIMARY KEY,
    transaction_id TEXT NOT NULL REFERENCES login (transaction_id) ON DELETE CASCADE,
    serial         TEXT NOT NULL REFERENCES token (serial) ON DELETE CASCADE,
    challenge      TEXT NOT NULL,
    -- Sent byte for byte, also again; NULL: for typing only.
    body           BLOB,
    signature      BLOB,
    -- The agent's answer that was taken, and what it was told.
    outcome        INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX request_login ON request (transaction_id);
CREATE INDEX request_serial ON request (serial);

-- Each hash is SHA-256(hash of the row before || this row): nothing can be changed or left out unseen.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    event   TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    hash    BLOB NOT NULL
) STRICT;
