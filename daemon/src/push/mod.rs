//! Where login requests come from, and how a token is enrolled there. Adapters: they carry, and decide nothing
//! but whether the other end is the pinned one.

pub mod backoff;
pub mod enrollment;
pub mod gateway;
mod tls;
