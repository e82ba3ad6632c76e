//! RADIUS: what a server of authentication reads and writes (RFC 2865), with Message-Authenticator (RFC 3579
//! section 3.2) and Status-Server (RFC 5997).
//!
//! [`Packet`] is the bound and the shape of a datagram, [`AccessRequest`] what one asks, [`Reply`] what goes back.
//! Nothing in a packet is to be believed before [`Packet::message_authenticator`] is
//! [`Right`](MessageAuthenticator::Right): MD5 alone does not protect a reply either (Blast-RADIUS,
//! CVE-2024-3596), so every reply begins with a Message-Authenticator.

mod access_request;
mod authenticator;
mod packet;
mod password;
mod reply;

pub use access_request::{AccessRequest, AccessRequestError};
pub use authenticator::MessageAuthenticator;
pub use packet::{Attribute, Code, HEADER, Kind, LONGEST, Packet, PacketError, Repeated};
pub use reply::{Prompt, Reply, ReplyTooLong};

#[cfg(test)]
mod tests;
