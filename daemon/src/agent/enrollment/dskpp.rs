//! A run of DSKPP (RFC 6063) with the service that an activation string names.

use std::sync::Arc;

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey,
};
use countersign_core::{
    activation_string::ActivationString,
    dskpp::{AuthenticationCode, DskppError, NonceEncryption, Prf, SharedSecret, Status, client},
    secret::SecretBytes,
};

use super::EnrollmentError;
use crate::agent::{Agent, ports::PortRng};

/// The smallest RSA key that is believed, in bits.
const RSA_BITS: usize = 2048;

impl Agent {
    /// Four passes, which never send the secret; two, if the service does not do four.
    pub(super) async fn run_of_dskpp(
        &self,
        activation: &ActivationString,
    ) -> Result<client::Provisioned, EnrollmentError> {
        let (url, pins) = (activation.url_text(), &activation.service_pins);
        let short_code = activation
            .short_code()
            .unwrap_or_else(|| activation.user.clone());
        let code = AuthenticationCode::new(&short_code, &activation.passphrase)
            .map_err(|_malformed| EnrollmentError::Refused)?;

        let (run, hello) = client::start(url);
        let answer = self.ports.transport.post(url, pins, hello).await?;
        let mut rng = PortRng::new(&*self.ports.random);
        let run = match run.on_server_hello(&answer, &mut rng) {
            Err(DskppError::Refused(Status::NoProtocolVariants)) => {
                return self.two_passes(activation, code).await;
            }
            answered => answered?,
        };
        rng.check()?;
        let encrypted = encrypt(run.encryption(), run.public_key(), run.nonce())?;
        // 100,000 rounds of PBKDF2: not on the thread that everybody waits for.
        let proving = tokio::task::spawn_blocking(move || run.client_nonce(&encrypted, &code));
        let (run, nonce) = proving
            .await
            .map_err(|_panicked| EnrollmentError::Exchange("the proof failed".to_owned()))?;
        let answer = self.ports.transport.post(url, pins, nonce).await?;
        Ok(run.on_server_finished(&answer)?)
    }

    async fn two_passes(
        &self,
        activation: &ActivationString,
        code: AuthenticationCode,
    ) -> Result<client::Provisioned, EnrollmentError> {
        let (url, pins) = (activation.url_text(), &activation.service_pins);
        let secret = SharedSecret::Passphrase(activation.passphrase.clone());
        let unwell = |_panicked| EnrollmentError::Exchange("the proof failed".to_owned());
        // 100,000 rounds of PBKDF2 on each way: not on the thread that everybody waits for.
        let to = url.to_owned();
        let source = Arc::clone(&self.ports.random);
        let (run, hello) = tokio::task::spawn_blocking(move || {
            let mut rng = PortRng::new(&*source);
            let begun = client::start_two_pass(&to, Prf::Sha256, &code, secret, &mut rng);
            rng.check().map(|()| begun)
        })
        .await
        .map_err(unwell)??;
        let answer = self.ports.transport.post(url, pins, hello).await?;
        let finished = tokio::task::spawn_blocking(move || run.on_server_finished(&answer))
            .await
            .map_err(unwell)?;
        Ok(finished?)
    }
}

/// The client's nonce (`R_C`) for the service's eyes only.
fn encrypt(
    encryption: NonceEncryption,
    public_key: &[u8],
    nonce: &SecretBytes,
) -> Result<Vec<u8>, EnrollmentError> {
    let unusable =
        |_cause| EnrollmentError::Exchange("the service's RSA key is unusable".to_owned());
    let failed = |_cause| EnrollmentError::Exchange("the nonce could not be encrypted".to_owned());
    let key = PublicEncryptingKey::from_der(public_key).map_err(|_rejected| {
        EnrollmentError::Exchange("the service's RSA key is unusable".to_owned())
    })?;
    if key.key_size_bits() < RSA_BITS {
        return Err(EnrollmentError::Exchange(
            "the service's RSA key is too short".to_owned(),
        ));
    }
    let mut encrypted = vec![0; key.key_size_bytes()];
    let length = match encryption {
        NonceEncryption::RsaOaep => OaepPublicEncryptingKey::new(key)
            .map_err(unusable)?
            .encrypt(&OAEP_SHA1_MGF1SHA1, nonce.expose(), &mut encrypted, None)
            .map_err(failed)?
            .len(),
        NonceEncryption::RsaPkcs1 => Pkcs1PublicEncryptingKey::new(key)
            .map_err(unusable)?
            .encrypt(nonce.expose(), &mut encrypted)
            .map_err(failed)?
            .len(),
    };
    encrypted.truncate(length);
    Ok(encrypted)
}
