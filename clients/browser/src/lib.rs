//! `countersign-browser`, the native-messaging host: carries JSON messages of the browser extension to the agent and back.
//!
//! A message goes [`framing`] (length, then JSON) > [`request`] (JSON > `countersign.browser.v1`) > [`host`] (the loop) >
//! agent, and back through [`reply`]. A browser starts one process for each connection of the extension, and ends it by
//! closing its input.
//!
//! Invariants: it decides nothing. What it reads is bounded before it is kept, nested no deeper than it has to be, and
//! has no field that is not known. On standard output are messages and nothing else; nothing is logged.

pub mod environment;
pub mod framing;
pub mod host;
pub mod picture;
pub mod reply;
pub mod request;
