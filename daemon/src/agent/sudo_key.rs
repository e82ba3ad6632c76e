//! The key that approves for sudo: made here, behind a PIN of its own; root accepts its public half.
//!
//! It is kept as a token that generates nothing: its PIN, its tries, the TPM's count and the finger are those of every
//! token. The service that it belongs to is this computer, and the service's identity key is the public half.

use countersign_core::{
    ids::{DeviceId, ServiceId},
    pskc::{BiometricPin, PinPolicy, TokenPin},
    secret::SecretBytes,
    signing,
    sudo::Fingerprint,
    token::{
        KeyHolder, PinAsking, PushPolicy, ServiceBinding, TokenKeys, TokenSecrets,
        VerificationLevel,
    },
};
use countersign_proto::{agent::v1::Reason, sudo::v1::Why};

use tracing::warn;

use super::{
    Agent,
    caller::{About, Caller},
    explain::Explain,
    pin::PinError,
    ports::{Confirmation, PinEntryError, PortRng, RandomError},
    session::SessionError,
    tokens::SelectError,
};
use crate::vault::{
    EventKind, NewToken, ServiceKind, ServiceRegistration, ServiceRow, TokenRow, TokenState, Vault,
    VaultError,
};

/// The name of the key among the tokens.
const NAME: &str = "sudo";

/// A key of this vault that answers sudo.
#[derive(Clone, Debug)]
pub struct SudoKeyRow {
    /// As a token: name, state, tries.
    pub token: TokenRow,
    /// Its public half, 65 bytes (SEC1).
    pub public: Vec<u8>,
    /// What a person compares.
    pub fingerprint: Fingerprint,
    pub(super) service: ServiceId,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SudoKeyError {
    /// There is one already.
    #[error("this vault has a sudo key already ({0})")]
    Exists(Fingerprint),
    /// The user did not confirm the fingerprint.
    #[error("the fingerprint was not confirmed")]
    NotConfirmed,
    /// The PIN could not be chosen.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The vault could not be opened for it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The token could not be read back.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl Explain for SudoKeyError {
    fn reason(&self) -> Reason {
        match self {
            Self::Exists(_) => Reason::SudoKeyExists,
            Self::NotConfirmed => Reason::NotConfirmed,
            Self::Pin(error) => error.reason(),
            Self::Session(error) => error.reason(),
            Self::Select(error) => error.reason(),
            Self::Vault(error) => Explain::reason(error),
            Self::Random(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Exists(_) => {
                "`countersign sudo status` shows whether root accepts it; `countersign sudo revoke` ends it"
                    .to_owned()
            }
            Self::NotConfirmed => "nothing was kept".to_owned(),
            Self::Pin(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Select(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
            Self::Random(_) => String::new(),
        }
    }
}

impl Agent {
    /// Makes the key, behind a PIN that the user chooses. Nothing of the system changes by it: root has to accept it.
    ///
    /// # Errors
    ///
    /// Every variant of [`SudoKeyError`]; nothing is kept then.
    pub async fn make_sudo_key(&self, caller: &Caller) -> Result<SudoKeyRow, SudoKeyError> {
        self.started().await;
        self.unlock_for(caller, About::new("Make a key for sudo"))
            .await?;
        let _alone = self.exclusive.lock().await;
        if let Some(key) = self.sudo_keys().await?.first() {
            return Err(SudoKeyError::Exists(key.fingerprint));
        }
        let policy = PinPolicy::Token(TokenPin {
            biometric: BiometricPin::Allowed,
            ..TokenPin::default()
        });
        let pin = self.first_pin(policy, NAME, caller).await?;
        let pin = pin.ok_or(VaultError::NoPin)?;
        let (key, channel_key) = {
            let mut rng = PortRng::new(&*self.ports.random);
            let keys = (signing::new_key(&mut rng), signing::new_key(&mut rng));
            rng.check()?;
            keys
        };
        let print = Fingerprint::of(key.verifying_key());
        self.confirm_fingerprint(print, caller).await?;
        let draft = self.draft_token_pin(&pin, policy).await?;
        let mut id = [0; 16];
        id.iter_mut()
            .zip(print.as_bytes())
            .for_each(|(to, from)| *to = *from);
        let row = ServiceRow {
            service: ServiceId(id),
            device: DeviceId(id),
            name: "this computer".to_owned(),
            url: String::new(),
            pins: Vec::new(),
            identity_key: signing::public_to_sec1(key.verifying_key()),
            kind: ServiceKind::Sudo,
        };
        let secrets = TokenSecrets {
            mode: None,
            issuer: "this computer".to_owned(),
            user: String::new(),
            serial: print.to_string(),
            pin: policy,
            asking: PinAsking::EveryTime,
            push: PushPolicy::Allowed(VerificationLevel::Pin),
            service: Some(ServiceBinding {
                service: row.service,
                device: row.device,
                url: String::new(),
                pins: Vec::new(),
                identity_key: row.identity_key.clone(),
            }),
            keys: KeyHolder::Open(TokenKeys {
                seed: SecretBytes::default(),
                decision_key: Some(signing::key_to_bytes(&key)),
            }),
            exportable: false,
            policy_name: String::new(),
            policy_level: String::new(),
            created: self.ports.clock.wall(),
            origins: Vec::new(),
        };
        let name = self.free_name(NAME).await;
        let event = self.event(EventKind::Enrolled, &name, &print.to_string());
        let registration = ServiceRegistration {
            service: row,
            channel_key: signing::key_to_bytes(&channel_key),
        };
        let service = registration.service.service;
        let service_name = registration.service.name.clone();
        let add = move |vault: &mut Vault| {
            draft.write(|pin| {
                let token = NewToken {
                    name: &name,
                    secrets: &secrets,
                    pin: Some(pin),
                    counter: 0,
                    service: Some(&registration),
                    event: &event,
                };
                vault.insert_token(token, None)
            })
        };
        let id = self.vault.call(add).await?;
        self.touch();
        self.state
            .facts()
            .names
            .services
            .insert(service, service_name);
        self.remember_names(&self.vault_tokens().await?);
        let keys = self.sudo_keys().await?;
        let made = keys.into_iter().find(|key| key.token.id == id);
        Ok(made.ok_or(VaultError::Damaged)?)
    }

    /// The keys of this vault that answer sudo. Also while locked.
    ///
    /// # Errors
    ///
    /// The vault's.
    pub async fn sudo_keys(&self) -> Result<Vec<SudoKeyRow>, VaultError> {
        let services = self.vault.call(|vault| vault.services()).await?;
        let tokens = self.vault_tokens().await?;
        let keys = services
            .into_iter()
            .filter(|row| row.kind == ServiceKind::Sudo)
            .filter_map(|row| {
                let token = tokens
                    .iter()
                    .find(|token| token.service == Some(row.service))?;
                let public = signing::public_from_sec1(&row.identity_key).ok()?;
                Some(SudoKeyRow {
                    token: token.clone(),
                    fingerprint: Fingerprint::of(&public),
                    public: row.identity_key,
                    service: row.service,
                })
            })
            .collect();
        Ok(keys)
    }

    /// The one of `prints` (SHA-256 of public keys) that is here and can still sign.
    pub(super) async fn sudo_key_among(&self, prints: &[Vec<u8>]) -> Result<SudoKeyRow, Why> {
        let keys = self.sudo_keys().await.map_err(|_vault| Why::Failed)?;
        keys.into_iter()
            .find(|key| {
                key.token.state == TokenState::Active
                    && prints
                        .iter()
                        .any(|print| print == key.fingerprint.as_bytes())
            })
            .ok_or(Why::NotEnrolled)
    }

    /// The key is gone, and with it what this computer was as a service.
    pub(super) async fn forget_sudo_service(&self, service: ServiceId) {
        let row = self.service(service).await;
        if !row.is_some_and(|row| row.kind == ServiceKind::Sudo) {
            return;
        }
        let remove = move |vault: &mut Vault| vault.remove_service(service);
        if let Err(error) = self.vault.call(remove).await {
            warn!(%service, %error, "the public half of a deleted key stays");
        }
        self.state.facts().names.services.remove(&service);
    }

    /// The user has to see the same in the terminal. Whoever brings the PIN along has no dialog to see it in.
    async fn confirm_fingerprint(
        &self,
        print: Fingerprint,
        caller: &Caller,
    ) -> Result<(), SudoKeyError> {
        if caller.secret.is_some() {
            return Ok(());
        }
        let about = About::new("A new key that approves sudo in your name")
            .and(&format!("Fingerprint: {print}"));
        let question = Confirmation {
            title: "Countersign: a key for sudo".to_owned(),
            description: about.description(
                "The terminal shows a fingerprint before it asks for your password: it has to be this one.",
            ),
            ok: "Go on".to_owned(),
            cancel: "Cancel".to_owned(),
            within: about.within,
        };
        tokio::select! {
            biased;
            () = caller.gone.cancelled() => Err(SudoKeyError::NotConfirmed),
            answer = self.ports.pin_entry.confirm(&question, &caller.screen) => match answer {
                Ok(()) => Ok(()),
                Err(PinEntryError::Cancelled | PinEntryError::TimedOut) => Err(SudoKeyError::NotConfirmed),
                Err(why) => Err(SessionError::PassphraseRequired(why.to_string()).into()),
            },
        }
    }
}
