//! `countersignd`, the agent: holds the user's tokens, shows login requests, serves passcodes.

pub mod agent;
pub mod desktop;
pub mod vault;
