-- Migration 2: a finger in the place of the agent's PIN; wrong PINs in a row before the vault was opened.

-- MACed as soon as it is 1: a header of version 1 keeps its MAC.
ALTER TABLE header ADD COLUMN finger INTEGER NOT NULL DEFAULT 0 CHECK (finger IN (0, 1));

-- Before the first unlock there is no key for a MAC: whoever can write the file can set this back. It slows down
-- guessing through the agent, and nothing else.
CREATE TABLE unlock_tries (
    only   INTEGER PRIMARY KEY CHECK (only = 1),
    failed INTEGER NOT NULL CHECK (failed >= 0)
) STRICT;
INSERT INTO unlock_tries (only, failed) VALUES (1, 0);
