-- The audit log's chain has one link a committed batch of rows. The rows that are there become part of the next link.
CREATE TABLE audit_rows (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms   INTEGER NOT NULL,
    event   TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;
INSERT INTO audit_rows SELECT seq, at_ms, event, subject, detail FROM audit ORDER BY seq;
DROP TABLE audit;
ALTER TABLE audit_rows RENAME TO audit;

CREATE TABLE audit_link (
    link     INTEGER PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    hash     BLOB NOT NULL
) STRICT;

-- Where the log begins after pruning: a signed mark each time.
CREATE TABLE audit_checkpoint (
    link INTEGER PRIMARY KEY,
    mark TEXT NOT NULL
) STRICT;

-- Where a user's logins and typed passcodes come from. A host's IPv6 prefix is one source.
CREATE TABLE source (
    user_id         INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    source          TEXT NOT NULL,
    -- When the user last logged in from there; NULL: never.
    known_ms        INTEGER,
    -- Wrong passcodes typed there in a row, and until when typing there is locked.
    failures        INTEGER NOT NULL DEFAULT 0,
    locked_until_ms INTEGER,
    seen_ms         INTEGER NOT NULL,
    PRIMARY KEY (user_id, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX source_seen ON source (seen_ms);

ALTER TABLE login ADD COLUMN source TEXT NOT NULL DEFAULT '';
UPDATE login SET source = client_address;

-- Wrong passcodes in a row for any token of the user, and until when typing is locked for the user.
ALTER TABLE user ADD COLUMN typing_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN typing_locked_until_ms INTEGER;

ALTER TABLE token ADD COLUMN last_used_ms INTEGER;
ALTER TABLE device ADD COLUMN last_seen_ms INTEGER;

-- One-time codes of the helpdesk: HMAC-SHA-256 under a sealed pepper, as server PINs are.
CREATE TABLE helpdesk_code (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id       INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    pepper_sealed BLOB NOT NULL,
    mac           BLOB NOT NULL,
    issued_ms     INTEGER NOT NULL,
    expires_ms    INTEGER NOT NULL,
    used_ms       INTEGER
) STRICT;
CREATE INDEX helpdesk_code_user ON helpdesk_code (user_id, issued_ms);
