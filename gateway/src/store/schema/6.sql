-- Named policies: what a token is issued by.
CREATE TABLE policy (
    name            TEXT PRIMARY KEY,
    level           TEXT NOT NULL,
    mode            TEXT NOT NULL,
    pin_policy      TEXT NOT NULL,
    push            TEXT NOT NULL,
    number_matching TEXT NOT NULL,
    exportable      TEXT NOT NULL,
    changed_ms      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A token keeps what its policy said when it was issued.
ALTER TABLE token ADD COLUMN policy_name TEXT NOT NULL DEFAULT '';
ALTER TABLE token ADD COLUMN policy_level TEXT NOT NULL DEFAULT '';
ALTER TABLE token ADD COLUMN number_matching TEXT NOT NULL DEFAULT 'off';
ALTER TABLE token ADD COLUMN exportable TEXT NOT NULL DEFAULT 'no';

-- Personal links to the self-enrollment page. A link has 256 random bits; its SHA-256 is kept.
CREATE TABLE enrollment_link (
    hash        BLOB PRIMARY KEY,
    serial      TEXT NOT NULL REFERENCES token (serial) ON DELETE CASCADE,
    expires_ms  INTEGER NOT NULL,
    -- Since when another link has its place.
    replaced_ms INTEGER,
    -- When its holder last asked for a new one.
    asked_ms    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX enrollment_link_serial ON enrollment_link (serial);

-- Who may do what on the administration pages.
CREATE TABLE administrator (
    user_id  INTEGER PRIMARY KEY REFERENCES user (id) ON DELETE CASCADE,
    role     TEXT NOT NULL,
    since_ms INTEGER NOT NULL
) STRICT;

-- Beside the name; both may be empty. The directory entry of a user who comes from LDAP.
ALTER TABLE user ADD COLUMN full_name TEXT NOT NULL DEFAULT '';
ALTER TABLE user ADD COLUMN mail TEXT NOT NULL DEFAULT '';
ALTER TABLE user ADD COLUMN directory_dn TEXT;
