//! The stories over a real vault, with the outside played by the test: what is believed, what is durable,
//! what goes out.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::similar_names,
    reason = "tests stop at the first surprise and wait for one kind of thing; a stage has a state"
)]

mod answers;
mod arrivals;
mod browsers;
mod clock;
mod containers;
mod files;
mod fingers;
mod links;
mod locking;
mod network;
mod numbers;
mod one_pin;
mod order;
mod outside;
mod pin_rig;
mod pins;
mod polled;
mod rules;
mod showing;
mod stage;
mod sudo;
mod sudo_key;
mod sudo_rig;
mod vault_session;
