-- PIN types. The column held the type alone, and always "none"; it holds the whole policy now.
ALTER TABLE token RENAME COLUMN pin_type TO pin_policy;

-- Server PIN: HMAC-SHA-256 under a pepper of its own. NULL: none was chosen, or it was reset.
ALTER TABLE token ADD COLUMN server_pin_pepper_sealed BLOB;
ALTER TABLE token ADD COLUMN server_pin_mac BLOB;
-- PIN in an OCRA suite: its hash enters the computation, so the value itself is needed.
ALTER TABLE token ADD COLUMN pin_hash_sealed BLOB;
-- Wrong PINs since the last right one, and until when the PIN is locked.
ALTER TABLE token ADD COLUMN pin_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE token ADD COLUMN pin_locked_until_ms INTEGER;
-- Of the last change of the PIN that was looked at.
ALTER TABLE token ADD COLUMN pin_sequence INTEGER NOT NULL DEFAULT 0;

-- A typed answer to the challenge was right and the PIN beside it was not: no typed answer counts any more.
ALTER TABLE request ADD COLUMN challenge_used INTEGER NOT NULL DEFAULT 0;
