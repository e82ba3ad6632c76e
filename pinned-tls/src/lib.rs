//! TLS to a server that is known by its key, and by no authority of the system.
//!
//! [`PinnedAuthority`] takes the pinned key for the one authority there is; [`ServerKey`] knows the server by its own key,
//! whatever its certificate says. Both believe nobody who does not sign the handshake with the key of the certificate
//! that is shown. This crate has the only verifiers in the house, so that all of its programs believe the same.

mod authority;
mod key;
mod server_key;

use std::sync::Arc;

use rustls::{
    ClientConfig, Error,
    client::danger::ServerCertVerifier,
    crypto::{CryptoProvider, aws_lc_rs},
};

pub use self::{
    authority::{PinnedAuthority, Place},
    key::Pin,
    server_key::ServerKey,
};

/// A client for TLS 1.2 and 1.3 that believes whom `verifier` believes, and shows no certificate of its own.
///
/// # Errors
///
/// What rustls says where the cryptography that it was built with has no cipher suites for these versions.
pub fn client(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, Error> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// The one cryptography of the house (docs/adr/0003).
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
