//! The only code that dials the Countersign agent.
//!
//! [`SocketPath`] says where the agent listens, [`AgentClient::connect`] dials it and checks who is at the
//! other end, [`AgentClient::with_screen`] tells it where the caller sits, [`browser::open`] opens the stream of a browser's host, and every call of `countersign.agent.v1` is one method with a deadline. What can go wrong is
//! one [`ClientError`], which knows its [`Reason`](countersign_proto::agent::v1::Reason), and so its exit
//! code, and what to do next.
//!
//! [`desktop`] has pictures taken and read by a child.
//!
//! Invariant: this crate decides nothing about tokens, PINs or login requests, reads no environment and
//! keeps no secret longer than the call that carries it.

pub mod browser;
mod client;
mod connection;
pub mod desktop;
mod error;
mod screen;
mod socket;

pub use client::{AgentClient, Deadlines, ExportedFile, LoginRequestWatch, Preview};
pub use error::ClientError;
pub use screen::SCREEN_METADATA;
pub use socket::{SocketPath, SocketProblem};
