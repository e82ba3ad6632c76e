//! The RADIUS front: Access-Requests over UDP for VPNs, firewalls and PAM (RFC 2865, PAP only).
//!
//! `listener.rs` takes datagrams, `exchanges.rs` knows which of them came before, `answer.rs` makes the reply. What
//! a packet means is a story (`crate::service`). Nothing is answered whose sender does not show the shared secret.

mod answer;
mod drops;
mod exchanges;
mod listener;
mod rate;

pub use drops::Dropped;
pub use listener::{bind, serve};
