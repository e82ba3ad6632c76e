-- Migration 4: services that are no gateways.

-- JSON; empty: a gateway. MACed as soon as it is not empty: a row of an earlier version keeps its MAC.
ALTER TABLE services ADD COLUMN kind TEXT NOT NULL DEFAULT '';
