//! DSKPP's server side: from an activation code to a provisioned token.
//!
//! A run is two messages, with the state between them in memory: bounded, expiring, taken out by the one
//! try that it is good for. Nothing is used up before a run has succeeded, least of all by a GET.

use core::fmt;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign_core::{
    dskpp::{
        AuthenticationCode, NonceEncryption, Status,
        server::{
            AwaitingClientNonce, Provisioned, ReceivedClientHello, ReceivedClientNonce, Refusal,
        },
    },
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    pskc::{KeyPackage, NumberMatching},
    secret::SecretText,
    time::UnixMillis,
};
use tokio::sync::Semaphore;

use super::Service;
use crate::{
    random::SystemRandom,
    store::{Activation, AuditEvent, Rows, StoreError, TokenRow, TokenState},
};

/// After the first success a run may be repeated so often, within this time: the answer may have been lost.
const RERUNS: u32 = 3;
const RERUN_WITHIN_MS: i64 = 600_000;
/// So many wrong authentication codes end an activation.
pub(super) const FAILURES: u32 = 10;
/// A run waits so long for its second message, in milliseconds.
const RUN_MS: i64 = 300_000;
/// The most runs at a time; the oldest makes room.
const RUNS: usize = 1000;
/// Proofs that are computed at a time: each is some ten milliseconds of work.
const PROOFS: usize = 2;

/// The runs between their two messages.
pub(super) struct Sessions {
    runs: Mutex<HashMap<String, EnrollmentSession>>,
    pub(super) proofs: Semaphore,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            runs: Mutex::default(),
            proofs: Semaphore::new(PROOFS),
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

/// One run between its two messages.
#[derive(Debug)]
struct EnrollmentSession {
    state: AwaitingClientNonce,
    code: String,
    since: UnixMillis,
}

/// Why a message is not answered with a step forward.
#[derive(Debug)]
pub(crate) enum EnrollmentRefusal {
    /// With a DSKPP status.
    Status(Refusal),
    /// The token has changed meanwhile.
    Gone,
    /// The database failed.
    Storage(StoreError),
}

impl From<Refusal> for EnrollmentRefusal {
    fn from(refusal: Refusal) -> Self {
        Self::Status(refusal)
    }
}

impl From<StoreError> for EnrollmentRefusal {
    fn from(error: StoreError) -> Self {
        Self::Storage(error)
    }
}

/// How an activation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Open,
    /// Its time is over, or it was used up: told only to who knows the passphrase.
    Over,
}

impl Service {
    /// Answers a client's first message; `code` is that of the URL. An unknown code is answered like a
    /// known one: the refusal comes with the second message.
    ///
    /// # Errors
    ///
    /// [`EnrollmentRefusal`].
    pub(crate) async fn enrollment_hello(
        &self,
        code: &str,
        hello: ReceivedClientHello,
    ) -> Result<Vec<u8>, EnrollmentRefusal> {
        let protocol = self.settings().config.enrollment.protocol;
        let four_passes = hello.offers_four_passes() && protocol.takes_four_passes();
        if !four_passes && hello.two_pass().is_some() && protocol.takes_two_passes() {
            return self.enrollment_in_two_passes(code, hello).await;
        }
        if !four_passes {
            return Err(hello.refuse(Status::NoProtocolVariants).into());
        }
        let sought = code.to_owned();
        let mode = self
            .store()
            .read(move |rows| Ok(found(rows, &sought)?.map(|(_, token)| token.mode)))
            .await?
            .unwrap_or(OtpMode::Time {
                hash: HashAlgorithm::Sha1,
                digits: Digits::SIX,
                period: Period::THIRTY,
            });
        let key = &self.keys().enrollment_spki;
        let (state, body) = hello.answer(&mode, &NonceEncryption::ALL, key, &mut SystemRandom)?;
        self.0.enrollments.put(EnrollmentSession {
            state,
            code: code.to_owned(),
            since: self.now(),
        });
        Ok(body)
    }

    /// Answers a client's second message: the token is provisioned, durably, before the answer goes out.
    ///
    /// # Errors
    ///
    /// [`EnrollmentRefusal`].
    pub(crate) async fn enrollment_nonce(
        &self,
        nonce: ReceivedClientNonce,
    ) -> Result<Vec<u8>, EnrollmentRefusal> {
        let now = self.now();
        let Some(run) = self.0.enrollments.take(nonce.session_id(), now) else {
            return Err(nonce.refuse(Status::UnknownRequest).into());
        };
        let found = self.activation_standing(&run.code).await?;
        let secret = found.as_ref().and_then(|(_, activation, _)| {
            let passphrase = SecretText::from(activation.passphrase.as_text()?);
            AuthenticationCode::new(&activation.code, &passphrase).ok()
        });
        let url = super::issue::enrollment_url(&self.settings().config.origin(), &run.code)
            .map_err(|error| error.0)?
            .to_string();
        let permit = self.0.enrollments.proofs.acquire().await;
        let service = self.clone();
        let proven = tokio::task::spawn_blocking(move || {
            let encryption = run.state.encryption();
            let decrypt = |encrypted: &[u8]| service.keys().decrypt_nonce(encryption, encrypted);
            run.state
                .on_client_nonce(&nonce, &url, secret.as_ref(), &mut SystemRandom, decrypt)
        })
        .await
        .map_err(|_panicked| StoreError::Closed)?;
        drop(permit);
        let authenticated = match proven {
            Ok(authenticated) => authenticated,
            Err(refusal) => {
                self.count_refused(run.code).await?;
                return Err(refusal.into());
            }
        };
        let (activation, token) = match found {
            Some((Standing::Open, activation, token)) => (activation, token),
            Some((Standing::Over, ..)) => {
                return Err(authenticated
                    .refuse(Status::ProvisioningPeriodExpired)
                    .into());
            }
            None => return Err(authenticated.refuse(Status::AccessDenied).into()),
        };
        let package = self.package_of(&token).await?;
        let origin = self.settings().config.origin();
        let (body, provisioned) = authenticated.finish(&package, &origin)?;
        self.keep_provisioned(activation.code, token.serial, provisioned)
            .await?;
        Ok(body)
    }

    /// The token is provisioned, durably, if its activation is still open.
    pub(super) async fn keep_provisioned(
        &self,
        code: String,
        serial: String,
        provisioned: Provisioned,
    ) -> Result<(), EnrollmentRefusal> {
        let now = self.now();
        let kept = self
            .store()
            .write(move |rows| {
                let open = found_open(rows, &code, now)?;
                if open {
                    rows.provision_token(&serial, &provisioned.k_token, &provisioned.k_mac)?;
                    rows.count_run(&code, now)?;
                    rows.audit(now, AuditEvent::TokenProvisioned, &serial, "")?;
                }
                Ok(open)
            })
            .await?;
        if kept {
            Ok(())
        } else {
            Err(EnrollmentRefusal::Gone)
        }
    }

    /// A wrong authentication code, durably, before it is answered.
    pub(super) async fn count_refused(&self, code: String) -> Result<(), StoreError> {
        let now = self.now();
        self.store()
            .write(move |rows| {
                rows.count_activation_failure(&code)?;
                let event = AuditEvent::EnrollmentRefused;
                rows.audit(now, event, &code, "authentication code")
            })
            .await
    }

    /// The activation of a code with its token, and how it stands; none if there is none, or too much was tried with it.
    pub(super) async fn activation_standing(
        &self,
        code: &str,
    ) -> Result<Option<(Standing, Activation, TokenRow)>, StoreError> {
        let (now, code) = (self.now(), code.to_owned());
        let found = self.store().read(move |rows| found(rows, &code)).await?;
        Ok(found
            .map(|(activation, token)| (standing(&activation, &token, now), activation, token))
            .filter(|(_, activation, _)| activation.failures < FAILURES))
    }

    pub(super) async fn package_of(&self, token: &TokenRow) -> Result<KeyPackage, StoreError> {
        let owner = token.user;
        let user = self.store().read(move |rows| rows.user_name(owner)).await?;
        Ok(self.package(token, user))
    }

    /// Everything about a token but its secret, for its device.
    fn package(&self, token: &TokenRow, user: String) -> KeyPackage {
        let config = &self.settings().config;
        KeyPackage {
            manufacturer: "Countersign".to_owned(),
            issuer: config.name.clone(),
            friendly_name: config.name.clone(),
            user,
            counter: token.next_counter,
            pin: token.pin,
            push: token.push,
            number_matching: if config.push.number_matching {
                NumberMatching::Required
            } else {
                token.number_matching
            },
            policy_name: token.policy_name.clone(),
            policy_level: token.policy_level.clone(),
            exportable: token.exportable,
            ..KeyPackage::new(token.serial.clone(), token.mode.clone())
        }
    }
}

impl Sessions {
    fn put(&self, run: EnrollmentSession) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let now = run.since;
        runs.retain(|_, run| now.since_ms(run.since) <= RUN_MS);
        if runs.len() >= RUNS {
            let oldest = runs
                .iter()
                .min_by_key(|(_, run)| run.since)
                .map(|(id, _)| id.clone());
            if let Some(oldest) = oldest {
                runs.remove(&oldest);
            }
        }
        runs.insert(run.state.session_id().to_owned(), run);
    }

    fn take(&self, id: &str, now: UnixMillis) -> Option<EnrollmentSession> {
        self.runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id)
            .filter(|run| now.since_ms(run.since) <= RUN_MS)
    }
}

/// The activation of a code, and its token.
fn found(rows: Rows<'_>, code: &str) -> Result<Option<(Activation, TokenRow)>, StoreError> {
    let Some(activation) = rows.activation(code)? else {
        return Ok(None);
    };
    let token = rows.token(&activation.serial)?;
    Ok(token.map(|token| (activation, token)))
}

fn found_open(rows: Rows<'_>, code: &str, now: UnixMillis) -> Result<bool, StoreError> {
    Ok(found(rows, code)?
        .is_some_and(|(activation, token)| standing(&activation, &token, now) == Standing::Open))
}

pub(super) fn standing(activation: &Activation, token: &TokenRow, now: UnixMillis) -> Standing {
    let waits = matches!(token.state, TokenState::Issued | TokenState::Provisioned);
    let rerun = activation
        .first_run
        .is_none_or(|first| activation.runs <= RERUNS && now.since_ms(first) <= RERUN_WITHIN_MS);
    if waits && rerun && now < activation.expires {
        Standing::Open
    } else {
        Standing::Over
    }
}
