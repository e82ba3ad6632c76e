-- Counters behind the next one that no passcode has used yet: a signed approval may still bring one. Bit i is next_counter - 1 - i.
ALTER TABLE token ADD COLUMN passed_over INTEGER NOT NULL DEFAULT 0;
