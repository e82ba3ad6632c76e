//! `countersignd`, the agent: holds the user's tokens, shows login requests, serves passcodes.

pub mod agent;
pub mod api;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod desktop;
pub mod hardening;
pub mod launcher;
pub mod logging;
pub mod push;
pub mod start;
pub mod tpm;
pub mod vault;
