//! DSKPP in two passes: one message brings the proof, its answer the key, wrapped under the activation's passphrase.

use countersign_core::{
    dskpp::{AuthenticationCode, SharedSecret, Status, server::ReceivedClientHello},
    secret::SecretText,
};

use super::{
    Service,
    enrollment::{EnrollmentRefusal, Standing},
};
use crate::{random::SystemRandom, store::StoreError};

impl Service {
    /// Answers a hello that offers two passes: the token is provisioned, durably, before the answer goes out. A wrong code and
    /// an unknown activation are refused in one way, after the same work.
    pub(super) async fn enrollment_in_two_passes(
        &self,
        code: &str,
        hello: ReceivedClientHello,
    ) -> Result<Vec<u8>, EnrollmentRefusal> {
        let found = self.activation_standing(code).await?;
        let known = found.as_ref().and_then(|(_, activation, _)| {
            let passphrase = SecretText::from(activation.passphrase.as_text()?);
            let code = AuthenticationCode::new(&activation.code, &passphrase).ok()?;
            Some((code, SharedSecret::Passphrase(passphrase)))
        });
        let url = super::issue::enrollment_url(&self.settings().config.origin(), code)
            .map_err(|error| error.0)?
            .to_string();
        let permit = self.0.enrollments.proofs.acquire().await;
        let proven = tokio::task::spawn_blocking(move || {
            let known = known.as_ref().map(|(code, secret)| (code, secret));
            hello.authenticate(&url, known, &mut SystemRandom)
        })
        .await
        .map_err(|_panicked| StoreError::Closed)?;
        drop(permit);
        let authenticated = match proven {
            Ok(authenticated) => authenticated,
            Err(refusal) => {
                if refusal.status() == Status::AuthenticationDataInvalid {
                    self.count_refused(code.to_owned()).await?;
                }
                return Err(refusal.into());
            }
        };
        let (activation, token) = match found {
            Some((Standing::Open, activation, token)) => (activation, token),
            Some((Standing::Over, ..)) => {
                let over = authenticated.refuse(Status::ProvisioningPeriodExpired);
                return Err(over.into());
            }
            None => return Err(authenticated.refuse(Status::AccessDenied).into()),
        };
        let package = self.package_of(&token).await?;
        let origin = self.settings().config.origin();
        let permit = self.0.enrollments.proofs.acquire().await;
        let finished = tokio::task::spawn_blocking(move || {
            authenticated.finish(&package, &origin, &mut SystemRandom)
        })
        .await
        .map_err(|_panicked| StoreError::Closed)?;
        drop(permit);
        let (body, provisioned) = finished?;
        self.keep_provisioned(activation.code, token.serial, provisioned)
            .await?;
        Ok(body)
    }
}
