//! Countersign's authentication service: enrollment, login requests, passcodes.
//!
//! `service/` holds the stories, `store/` what is kept, `push/` and `enrollment/` speak to agents, `web/`
//! to resources and browsers, `cli/` to the administrator. Decisions about passcodes, states and formats
//! live in `countersign_core`.
//!
//! Invariants: the database row is the truth, and nobody is told of anything that is not durable; secrets
//! are sealed under a key outside the database; any doubt is a refusal.

pub mod alarm;
pub mod cli;
pub mod clock;
pub mod control;
pub mod directory;
pub mod enrollment;
pub mod keys;
pub mod mail;
pub mod metrics;
pub mod push;
pub mod radius;
pub mod random;
pub mod service;
pub mod settings;
pub mod store;
pub mod web;
