//! The gateway as its agents and fronts meet it: real database, real signatures, real DSKPP, no network.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, whatever else came"
)]

mod administration;
mod alarms;
mod approvals;
mod audit_log;
mod device;
mod enrollment;
mod enrollment_mail;
mod fatigue;
mod helpdesk;
mod locks;
mod openings;
mod passcodes;
mod pin_types;
mod policies;
mod radius_client;
mod radius_logins;
mod radius_packets;
mod refusals;
mod self_enrollment;
mod server_pin_changes;
mod server_pins;
mod stage;
mod stopping;
mod streams;
mod user_lists;
mod web;
mod web_admin;
mod web_fronts;
mod web_portal;
mod web_validate;
