-- RADIUS clients. Each is a front with the same number, whose key nobody has.
CREATE TABLE radius_client (
    front_id      INTEGER PRIMARY KEY REFERENCES front (id) ON DELETE CASCADE,
    -- Shared with the client: hides passwords and authenticates packets.
    secret_sealed BLOB NOT NULL,
    -- What its users are shown that they log in to.
    resource      TEXT NOT NULL,
    -- Who checks the first factor: "password" (the gateway) or "client".
    first_factor  TEXT NOT NULL,
    -- Whose word the user's address is: "nas" (only the client's own is known) or "calling_station_id".
    caller        TEXT NOT NULL,
    -- "required" or "optional".
    message_authenticator TEXT NOT NULL
) STRICT;

-- Where they send from: CIDR, one client each; the longest prefix wins.
CREATE TABLE radius_network (
    network  TEXT PRIMARY KEY,
    front_id INTEGER NOT NULL REFERENCES radius_client (front_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX radius_network_front ON radius_network (front_id);
