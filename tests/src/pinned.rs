//! TLS to a gateway whose identity key is known by its hash, as agents know it.

use std::sync::{Arc, OnceLock};

use countersign_pinned_tls::{Pin, PinnedAuthority, Place};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// A client that accepts certificates which go back to the key with this SHA-256, and no others.
#[must_use]
pub fn client(pin: Pin) -> ClientConfig {
    let verifier = Remembering {
        pinned: PinnedAuthority::new(vec![pin], Place::Above),
        believed: OnceLock::new(),
    };
    ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

/// The programs' own verifier, which need not check a certificate anew at the thousandth connection: a bench measures the
/// gateway.
#[derive(Debug)]
struct Remembering {
    pinned: PinnedAuthority,
    /// A certificate that has been believed under this name.
    believed: OnceLock<(CertificateDer<'static>, ServerName<'static>)>,
}

impl ServerCertVerifier for Remembering {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some((certificate, name)) = self.believed.get()
            && (certificate, name) == (end_entity, server_name)
        {
            return Ok(ServerCertVerified::assertion());
        }
        self.pinned
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .inspect(|_verified| {
                self.believed
                    .get_or_init(|| (end_entity.clone().into_owned(), server_name.to_owned()));
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.pinned
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.pinned
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.pinned.supported_verify_schemes()
    }
}
