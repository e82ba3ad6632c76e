//! Enrollment: what the user brought is read, the host confirmed, the token provisioned and kept.
//!
//! Invariants: nothing is contacted before its host was shown and confirmed. A token is in the vault whole or
//! not at all. The text that was brought is never logged.

mod activation;
mod confirmation;
mod dskpp;
mod error;
mod privacyidea;
pub(super) mod unfinished;

use countersign_core::{
    activation_string::{ActivationString, AllowHttp},
    ids::TokenId,
    otp::OtpMode,
    otpauth::{OtpauthUri, UnlockDemand},
    privacyidea::{PushLink, Transport, container::ContainerLink},
    pskc::{BiometricPin, PinPolicy, TokenPin},
    secret::{SecretBytes, SecretText},
    text,
    token::{KeyHolder, NewPin, PinAsking, PushPolicy, TokenKeys, TokenSecrets},
};
use countersign_proto::limits;

use super::{
    Agent,
    caller::{About, Caller},
    containers::{ContainerSync, passphrase_question},
    tokens::{NameError, checked_name},
};
use crate::vault::{EventKind, Membership, NewToken, TokenRow, Vault, VaultError, VaultState};

pub(super) use self::privacyidea::first_trust;

pub use self::{confirmation::Consent, error::EnrollmentError};

/// What the user brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrollmentKind {
    /// An activation string or `countersign://` link: leads to DSKPP and registration.
    ActivationString,
    /// An otpauth URI: the secret is in it, nobody is contacted.
    Otpauth,
    /// A privacyIDEA push link: leads to an exchange of keys with its server.
    PrivacyIdeaPush,
    /// A privacyIDEA container link: leads to a registration with its server, which then says the tokens.
    PrivacyIdeaContainer,
}

/// What would be done, for the user to confirm. Every text is display-safe.
#[derive(Clone, Debug)]
pub struct EnrollmentPreview {
    /// What was brought.
    pub kind: EnrollmentKind,
    /// host:port that would be contacted; empty for an otpauth URI.
    pub host: String,
    /// The user's name there.
    pub user: String,
    /// Who issues the token, as far as it is known before.
    pub issuer: String,
    /// A name that is free.
    pub suggested_name: String,
    /// The service's key is pinned by what was brought.
    pub pinned: bool,
    /// How well the service would be known; what is not verified has to be accepted beside the host.
    pub transport: Transport,
    /// The service's question for a passphrase that belongs to the link; empty if there is none.
    pub passphrase_question: String,
}

/// What the user has accepted of what was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// host:port; empty where nobody is contacted.
    pub host: String,
    /// How the service is talked to.
    pub transport: Transport,
}

impl From<&str> for Accepted {
    /// A host that is known by its certificate or key.
    fn from(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            transport: Transport::Verified,
        }
    }
}

/// What was added.
#[derive(Debug)]
pub enum Gained {
    /// A token.
    Token(Box<TokenRow>),
    /// A container and its tokens.
    Container(Box<ContainerSync>),
}

/// A token or container that was added.
#[derive(Debug)]
pub struct Enrolled {
    /// What it is.
    pub gained: Gained,
    /// The vault was made by this enrollment.
    pub vault_created: bool,
    /// Two-step enrollment: this device's part, for the user to type at the server.
    pub device_part: Option<SecretText>,
}

impl Enrolled {
    /// The token, where one was added by itself.
    #[must_use]
    pub fn token(&self) -> Option<&TokenRow> {
        match &self.gained {
            Gained::Token(row) => Some(row),
            Gained::Container(_) => None,
        }
    }
}

/// What the text turned out to be.
enum Brought {
    Activation(ActivationString),
    Otpauth(OtpauthUri),
    Push(PushLink),
    Container(ContainerLink),
}

fn read(brought: &SecretBytes) -> Result<Brought, EnrollmentError> {
    if brought.len() > limits::ENROLLMENT_TEXT {
        return Err(EnrollmentError::TooLong);
    }
    let start = brought.as_text().map(str::trim_start).unwrap_or_default();
    let starts_with = |scheme: &str| {
        start
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if PushLink::looks_like_one(start) {
        return Ok(Brought::Push(PushLink::parse(start)?));
    }
    if ContainerLink::looks_like_one(start) {
        return Ok(Brought::Container(ContainerLink::parse(start)?));
    }
    if starts_with("otpauth:") || starts_with("pia:") || starts_with("otpauth-migration:") {
        return Ok(Brought::Otpauth(OtpauthUri::parse(start.trim_end())?));
    }
    if start.is_empty() {
        return Err(EnrollmentError::Unknown);
    }
    Ok(Brought::Activation(ActivationString::parse(
        brought.expose(),
        AllowHttp::Never,
    )?))
}

const fn insecure_words(transport: Transport) -> &'static str {
    match transport {
        Transport::Verified => "the service would be known by its certificate",
        Transport::UnverifiedTls => {
            "the link asks to believe whatever server answers, without checking its certificate"
        }
        Transport::PlainHttp => "the link leads to a service without TLS",
    }
}

/// The longest text of a preview, in characters.
const SHOWN: usize = 64;

impl Agent {
    /// Reads what was brought and says what would be done. Contacts nobody, keeps nothing.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub async fn inspect_enrollment(
        &self,
        brought: &SecretBytes,
    ) -> Result<EnrollmentPreview, EnrollmentError> {
        Ok(match read(brought)? {
            Brought::Activation(activation) => {
                let user = text::display(&activation.user, SHOWN);
                let host = activation.host_port();
                EnrollmentPreview {
                    kind: EnrollmentKind::ActivationString,
                    suggested_name: self.free_name(&user).await,
                    issuer: String::new(),
                    pinned: !activation.service_pins.is_empty(),
                    transport: Transport::Verified,
                    passphrase_question: String::new(),
                    host,
                    user,
                }
            }
            Brought::Otpauth(uri) => {
                let user = text::display(&uri.account, SHOWN);
                let issuer = text::display(&uri.issuer, SHOWN);
                let wish = match (issuer.is_empty(), user.is_empty()) {
                    (false, false) => format!("{issuer} {user}"),
                    (false, true) => issuer.clone(),
                    (true, _) => user.clone(),
                };
                EnrollmentPreview {
                    kind: EnrollmentKind::Otpauth,
                    host: String::new(),
                    suggested_name: self.free_name(&wish).await,
                    user,
                    issuer,
                    pinned: false,
                    transport: Transport::Verified,
                    passphrase_question: String::new(),
                }
            }
            Brought::Push(link) => {
                let label = text::display(&link.label, SHOWN);
                let user = if link.label == link.serial {
                    String::new()
                } else {
                    label.clone()
                };
                let issuer = text::display(&link.issuer, SHOWN);
                let wish = [issuer.as_str(), label.as_str()];
                EnrollmentPreview {
                    kind: EnrollmentKind::PrivacyIdeaPush,
                    host: link.url.host_port(),
                    suggested_name: self.free_name(wish.join(" ").trim()).await,
                    user,
                    issuer,
                    pinned: false,
                    transport: link.transport,
                    passphrase_question: String::new(),
                }
            }
            Brought::Container(link) => {
                let issuer = text::display(&link.issuer, SHOWN);
                EnrollmentPreview {
                    kind: EnrollmentKind::PrivacyIdeaContainer,
                    host: link.url.host_port(),
                    suggested_name: if issuer.is_empty() {
                        link.serial.clone()
                    } else {
                        issuer.clone()
                    },
                    user: String::new(),
                    issuer,
                    pinned: false,
                    transport: link.transport,
                    passphrase_question: passphrase_question(&link),
                }
            }
        })
    }

    /// Enrolls what was brought under `name`; an empty name takes the one that would be suggested.
    ///
    /// # Errors
    ///
    /// Every variant of [`EnrollmentError`]; no part of a token is left then.
    pub async fn enroll(
        &self,
        brought: &SecretBytes,
        name: &str,
        consent: impl Into<Consent>,
        caller: &Caller,
    ) -> Result<Enrolled, EnrollmentError> {
        let enrolled = self.enrolled(brought, name, consent.into(), caller).await;
        if let Err(error) = &enrolled
            && error.is_of_the_service()
        {
            self.record_event(EventKind::EnrollmentFailed, "", &error.to_string())
                .await;
        }
        enrolled
    }

    async fn enrolled(
        &self,
        brought: &SecretBytes,
        name: &str,
        consent: Consent,
        caller: &Caller,
    ) -> Result<Enrolled, EnrollmentError> {
        let read = read(brought)?;
        self.started().await;
        let (accepted, _only_link) = match consent {
            Consent::Given(accepted) => (accepted, None),
            Consent::AskHere => {
                let only = self.confirmation.try_lock();
                let only = only.map_err(|_asking| EnrollmentError::AskedAlready)?;
                (self.confirmed_here(brought, caller).await?, Some(only))
            }
        };
        self.unlock_for(caller, About::new("Add a token")).await?;
        let _alone = self.exclusive.lock().await;
        let preview = self.inspect_enrollment(brought).await?;
        if preview.host != accepted.host {
            return Err(EnrollmentError::NotConfirmed);
        }
        if preview.transport != accepted.transport {
            return Err(EnrollmentError::Insecure(preview.transport));
        }
        let name = if name.trim().is_empty() {
            preview.suggested_name
        } else {
            checked_name(name)?
        };
        if !matches!(read, Brought::Container(_)) && self.is_taken(&name).await? {
            return Err(NameError::Taken(name).into());
        }
        let vault_created = self.vault_for_enrollment().await?;
        let mut device_part = None;
        let id = match read {
            Brought::Otpauth(mut uri) => {
                device_part = self.second_step(&mut uri).await?;
                self.keep_otpauth(&name, uri, None, caller).await?
            }
            Brought::Activation(activation) => self.provision(&name, &activation, caller).await?,
            Brought::Push(link) => {
                let trust = first_trust(link.transport);
                self.exchange_keys(&name, &link, trust, None).await?
            }
            Brought::Container(link) => {
                let synced = self.register_container(&name, &link, caller).await?;
                self.touch();
                return Ok(Enrolled {
                    gained: Gained::Container(Box::new(synced)),
                    vault_created,
                    device_part,
                });
            }
        };
        self.touch();
        let token = self.row(id).await?;
        self.remember_names(&self.vault_tokens().await?);
        Ok(Enrolled {
            gained: Gained::Token(Box::new(token)),
            vault_created,
            device_part,
        })
    }

    /// Two-step enrollment: this device's part is made and the seed derived from both; the part is for the server.
    async fn second_step(
        &self,
        uri: &mut OtpauthUri,
    ) -> Result<Option<SecretText>, EnrollmentError> {
        let Some(two_step) = uri.two_step.take() else {
            return Ok(None);
        };
        let mut salt = vec![0; two_step.salt_len()];
        self.ports.random.fill(&mut salt)?;
        let secret = uri.secret.clone();
        // Many rounds of PBKDF2: not on the thread that everybody waits for.
        let deriving = tokio::task::spawn_blocking(move || two_step.derive(&secret, &salt));
        let key = deriving
            .await
            .map_err(|_panicked| EnrollmentError::Exchange("the derivation failed".to_owned()))??;
        uri.secret = key.seed;
        Ok(Some(key.device_part))
    }

    /// Keeps a token that its link brings whole. One of a container goes with it: it does not leave this computer by
    /// itself.
    pub(super) async fn keep_otpauth(
        &self,
        name: &str,
        uri: OtpauthUri,
        membership: Option<Membership>,
        caller: &Caller,
    ) -> Result<TokenId, EnrollmentError> {
        // The service wants a PIN or finger before each passcode: the token gets a PIN of its own.
        let policy = match uri.demand {
            UnlockDemand::None => PinPolicy::None,
            UnlockDemand::PinOrFinger => PinPolicy::Token(TokenPin {
                biometric: BiometricPin::Allowed,
                ..TokenPin::default()
            }),
        };
        let secrets = TokenSecrets {
            issuer: text::display(&uri.issuer, SHOWN),
            user: text::display(&uri.account, SHOWN),
            serial: uri.serial,
            pin: policy,
            asking: PinAsking::EveryTime,
            push: PushPolicy::Off,
            service: None,
            keys: KeyHolder::Open(TokenKeys {
                seed: uri.secret,
                decision_key: None,
            }),
            exportable: membership.is_none(),
            policy_name: String::new(),
            policy_level: String::new(),
            created: self.ports.clock.wall(),
            origins: Vec::new(),
            mode: Some(uri.mode),
        };
        let pin = match self.first_pin(policy, name, caller).await? {
            Some(pin) => Some(self.draft_token_pin(&pin, policy).await?),
            None => None,
        };
        let counter = if secrets.mode.as_ref().is_some_and(OtpMode::uses_counter) {
            uri.counter
        } else {
            0
        };
        let source = if membership.is_some() {
            "from a container"
        } else {
            "from an otpauth link"
        };
        let event = self.event(EventKind::Enrolled, name, source);
        let name = name.to_owned();
        let add = move |vault: &mut Vault| {
            let mut add = |pin: Option<&NewPin>| {
                let token = NewToken {
                    name: &name,
                    secrets: &secrets,
                    pin,
                    counter,
                    service: None,
                    event: &event,
                };
                vault.insert_token(token, membership)
            };
            match pin {
                Some(pin) => pin.write(|pin| add(Some(pin))),
                None => add(None),
            }
        };
        let renewed = membership.and_then(|membership| membership.replaces);
        let lock = match renewed {
            Some(renewed) => self.pin_lock(renewed).await,
            None => None,
        };
        let id = self.vault.call(add).await?;
        if let Some(renewed) = renewed {
            self.state.facts().open_tokens.remove(&renewed);
        }
        if let Some(lock) = lock {
            self.forget_tpm_guard(&lock).await;
        }
        Ok(id)
    }

    async fn is_taken(&self, name: &str) -> Result<bool, VaultError> {
        let tokens = self.vault_tokens().await?;
        Ok(tokens
            .iter()
            .any(|token| token.name.eq_ignore_ascii_case(name)))
    }

    /// The vault, open: made now if there is none yet and config.toml's key source allows it without a question.
    pub(super) async fn vault_for_enrollment(&self) -> Result<bool, EnrollmentError> {
        match self.vault.state().await {
            VaultState::Unlocked => Ok(false),
            VaultState::Absent => {
                self.make_usual_vault().await?;
                Ok(true)
            }
            VaultState::Locked => Err(VaultError::Locked.into()),
            VaultState::Unusable { reason } => Err(reason.into()),
        }
    }

    pub(super) async fn vault_tokens(&self) -> Result<Vec<TokenRow>, VaultError> {
        match self.rows().await {
            Err(VaultError::Absent) => Ok(Vec::new()),
            tokens => tokens,
        }
    }

    /// `wish`, or `wish 2`, `wish 3`, … when tokens have it.
    pub(super) async fn free_name(&self, wish: &str) -> String {
        let tokens = self.vault_tokens().await.unwrap_or_default();
        free_name_beside(wish, |name| {
            tokens
                .iter()
                .any(|token| token.name.eq_ignore_ascii_case(name))
        })
    }
}

/// `wish`, or `wish 2`, `wish 3`, … where names are taken. Display-safe.
pub(super) fn free_name_beside(wish: &str, taken: impl Fn(&str) -> bool) -> String {
    const ROOM: usize = limits::TOKEN_NAME.saturating_sub(5);
    let wish = text::display(wish.trim(), ROOM);
    let wish = if wish.is_empty() {
        "token".to_owned()
    } else {
        wish
    };
    if !taken(&wish) {
        return wish;
    }
    (2..=9_999)
        .map(|number| format!("{wish} {number}"))
        .find(|name| !taken(name))
        .unwrap_or(wish)
}
