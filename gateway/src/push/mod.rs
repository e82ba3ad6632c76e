//! Login requests out, decisions in: the gRPC service `countersign.push.v1.Push`.

mod streams;

pub use streams::{Availability, Streams};

/// Exported keying material of the TLS connection that a call came over ("EXPORTER-Channel-Binding",
/// RFC 9266). The TLS listener puts it among the extensions of every HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsExporter(pub [u8; 32]);
