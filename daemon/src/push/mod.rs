//! Where login requests come from, and how a token is enrolled there. Adapters: they carry, and decide nothing
//! but whether the other end is the pinned one.
//!
//! A connection is made in three layers: `tls.rs` (who is there, by [`countersign_pinned_tls`]), `http2.rs` (gRPC on it), and
//! [`gateway`] (the push stream, kept open with the pauses of [`backoff`]) or [`enrollment`] (one exchange).
//! [`privacyidea`] asks over HTTP/1.1, on TLS or, where the user has accepted that, without; `key_only.rs` knows a server by
//! its key alone.

pub mod backoff;
pub mod enrollment;
pub mod gateway;
mod http2;
mod key_only;
pub mod privacyidea;
mod tls;
