//! PINs are chosen and changed; a finger is let to stand for one.

use countersign_core::{
    pin::{PinRules, can_be_held},
    pskc::{BiometricPin, PinPolicy},
    seal::slot::PinKey,
    secret::SecretBytes,
    token::PinAsking,
};
use countersign_proto::agent::v1::Reason;

use super::{
    Agent,
    asking::{FingerFor, FingerUse, Given},
    caller::{About, Caller},
    explain::Explain,
    ports::{FingerprintError, PinDialog, RandomError, TransportError},
    session::SessionError,
    tokens::SelectError,
    verification::VerificationError,
};
use crate::{
    config::VaultKey,
    vault::{
        EventKind, FingerUnlock, SlotSource, TokenRow, UnlockMode, Vault, VaultError, prepare_slot,
    },
};

/// Why a PIN, or what stands for it, was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// Which token?
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The present PIN.
    #[error(transparent)]
    Verification(#[from] VerificationError),
    /// The new PIN, or the vault.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// There is nothing to change.
    #[error("the token {0} has no PIN that can be changed here")]
    NoPin(String),
    /// The policy.
    #[error("the policy of the token {0} does not let a finger stand for its PIN")]
    BiometricRefused(String),
    /// The reader.
    #[error(transparent)]
    Finger(#[from] FingerprintError),
    /// A finger stands for the agent's PIN, and there is none.
    #[error("this vault has no PIN that a finger could stand for")]
    NoAgentPin,
    /// The service.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The service did not accept the present PIN.
    #[error("the service says that this PIN is wrong{}", said(*.0))]
    ServerPinWrong(Option<u32>),
    /// The service refused for another reason.
    #[error("{0}")]
    ServerRefused(String),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

fn said(left: Option<u32>) -> String {
    left.map_or_else(String::new, |left| format!("; tries left: {left}"))
}

impl PinError {
    /// Tries left, where one was just lost.
    #[must_use]
    pub const fn tries_left(&self) -> Option<u32> {
        match self {
            Self::Verification(error) => error.tries_left(),
            Self::ServerPinWrong(left) => *left,
            Self::Select(_)
            | Self::Session(_)
            | Self::NoPin(_)
            | Self::BiometricRefused(_)
            | Self::Finger(_)
            | Self::NoAgentPin
            | Self::Transport(_)
            | Self::ServerRefused(_)
            | Self::Vault(_)
            | Self::Random(_) => None,
        }
    }
}

impl Explain for PinError {
    fn reason(&self) -> Reason {
        match self {
            Self::Select(error) => error.reason(),
            Self::Verification(error) => error.reason(),
            Self::Session(error) => error.reason(),
            Self::NoPin(_) => Reason::WrongMode,
            Self::BiometricRefused(_) => Reason::BiometricRefused,
            Self::Finger(_) => Reason::FingerprintUnavailable,
            Self::NoAgentPin => Reason::VerificationUnavailable,
            Self::Transport(_) => Reason::GatewayUnreachable,
            Self::ServerPinWrong(_) => Reason::PinWrong,
            Self::ServerRefused(_) => Reason::GatewayFailed,
            Self::Vault(error) => error.reason(),
            Self::Random(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Select(error) => error.hint(),
            Self::Verification(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::NoPin(name) => format!("`countersign info {name}` shows its PIN type"),
            Self::BiometricRefused(_) => "ask your administrator for another policy".to_owned(),
            Self::Finger(_) => "the PIN goes on to work".to_owned(),
            Self::NoAgentPin => "`countersign pin change` sets one".to_owned(),
            Self::Transport(_) => "check the network and try again".to_owned(),
            Self::ServerPinWrong(_) => {
                "an administrator can reset it, and you choose a new one".to_owned()
            }
            Self::ServerRefused(_) | Self::Random(_) => String::new(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

impl Agent {
    /// Changes the PIN of a token, by its present one.
    ///
    /// # Errors
    ///
    /// Every variant of [`PinError`]; the present PIN stays then.
    pub async fn change_token_pin(
        &self,
        selector: &str,
        new: Option<&SecretBytes>,
        caller: &Caller,
    ) -> Result<String, PinError> {
        let about = About::new("Change a PIN");
        self.unlock_for(caller, about).await?;
        let (row, secrets) = self.select_open(selector).await?;
        match secrets.pin {
            PinPolicy::None => Err(PinError::NoPin(row.name)),
            PinPolicy::Token(limits) => {
                let keys = self.present_pin(&row, caller).await?;
                let rules = PinRules::Token(limits);
                let about = About::new(&format!("A new PIN for the token {}", row.name));
                let pin = self.new_pin(rules, "PIN", about, new, caller).await?;
                let old = secrets.keys.lock().cloned();
                let new = self.draft_token_pin(&pin, secrets.pin).await?;
                let event = self.event(EventKind::PinChanged, &row.name, "");
                let id = row.id;
                let change = move |vault: &mut Vault| {
                    new.write(|pin| vault.change_pin(id, &keys, pin, &event))
                };
                self.vault.call(change).await?;
                // A finger stood for the PIN before.
                self.disarm(FingerFor::Token(id)).await;
                self.state.facts().open_tokens.remove(&id);
                if let Some(old) = old {
                    self.forget_tpm_guard(&old).await;
                }
                Ok(row.name)
            }
            PinPolicy::Server(_) | PinPolicy::InPasscode => {
                self.change_server_pin(&row, new, caller).await?;
                Ok(row.name)
            }
        }
    }

    /// The token's keys, by its present PIN: no finger stands for it here.
    async fn present_pin(
        &self,
        row: &TokenRow,
        caller: &Caller,
    ) -> Result<countersign_core::token::TokenKeys, PinError> {
        Ok(self.present_pin_key(row, "Change its PIN", caller).await?.0)
    }

    async fn present_pin_key(
        &self,
        row: &TokenRow,
        what_for: &str,
        caller: &Caller,
    ) -> Result<(countersign_core::token::TokenKeys, PinKey), PinError> {
        if let Some(pin) = &caller.secret {
            return Ok(self.try_token_pin_key(row, pin).await?);
        }
        let about = About::new(&format!("Token {}", row.name)).and(what_for);
        let mut dialog = PinDialog {
            title: "The present PIN".to_owned(),
            description: about.description("Its present PIN:"),
            prompt: "PIN:".to_owned(),
            error: None,
            repeat: None,
            ok: "OK".to_owned(),
            within: about.within,
        };
        loop {
            let pin = match self.ask(&dialog, FingerUse::No, caller).await {
                Ok(Given::Typed(pin)) => pin,
                Ok(Given::Finger) => continue,
                Err(unasked) => return Err(SessionError::from(unasked).into()),
            };
            match self.try_token_pin_key(row, &pin).await {
                Err(wrong @ VerificationError::PinWrong { .. }) => {
                    dialog.error = Some(super::explain::sentence(&wrong.to_string()));
                }
                tried => return Ok(tried?),
            }
        }
    }

    /// The PIN for a token that is being enrolled, as its policy asks; `None` where there is none to choose.
    pub(super) async fn first_pin(
        &self,
        policy: PinPolicy,
        name: &str,
        caller: &Caller,
    ) -> Result<Option<SecretBytes>, SessionError> {
        let (rules, word) = match policy {
            PinPolicy::None => return Ok(None),
            PinPolicy::Token(limits) if can_be_held(&limits) => (PinRules::Token(limits), "PIN"),
            PinPolicy::Token(_) => {
                return Err(SessionError::Unavailable(
                    "the token's policy allows only PINs that are too short to protect it on this computer",
                ));
            }
            PinPolicy::Server(_) => (PinRules::Server, "server PIN"),
            PinPolicy::InPasscode => (PinRules::Server, "PIN"),
        };
        let about = About::new(&format!("Choose a {word} for the token {name}"));
        let given = caller.secret.as_ref();
        match self.new_pin(rules, word, about, given, caller).await {
            Ok(pin) => Ok(Some(pin)),
            // Whoever asks next must know the rules.
            Err(SessionError::PassphraseRequired(why)) => Err(SessionError::PassphraseRequired(
                format!("a new {word} of {rules} has to be chosen, and {why}"),
            )),
            Err(error) => Err(error),
        }
    }

    /// Changes the agent's own PIN or passphrase, or sets a first one.
    ///
    /// # Errors
    ///
    /// Every variant of [`PinError`]; the vault opens as before then.
    pub async fn change_agent_pin(
        &self,
        new: Option<&SecretBytes>,
        caller: &Caller,
    ) -> Result<(), PinError> {
        let slots = self.vault.call(Vault::slots).await?;
        let asking: Vec<_> = slots
            .iter()
            .filter(|slot| slot.place().is_some() || slot.asks())
            .cloned()
            .collect();
        let about = About::new("Change the PIN that unlocks your tokens");
        let (keys, typed) = self.proof(&slots, about, caller).await?;
        let key = if asking.iter().any(|slot| slot.place().is_some()) {
            VaultKey::SecretService
        } else {
            VaultKey::Passphrase
        };
        let chooser = Caller {
            secret: new.cloned(),
            ..caller.clone()
        };
        let pin = self.new_agent_pin(key, &chooser).await?;
        let mut replaced = Vec::new();
        for slot in &asking {
            let source = match slot.place() {
                Some(place) => SlotSource::Machine {
                    key: self.machine_key(place.clone()).await?,
                    place,
                    pin: Some(pin.clone()),
                },
                None => SlotSource::Passphrase(pin.clone()),
            };
            replaced.push((slot.id, prepare_slot(source).await?));
        }
        let _alone = self.exclusive.lock().await;
        let key = self.vault.prepare_keys(keys).await?;
        let event = self.event(EventKind::PinChanged, "", "");
        let replace =
            move |vault: &mut Vault| vault.replace_slots(key, &replaced, UnlockMode::Pin, &event);
        self.vault.call(replace).await?;
        self.disarm(FingerFor::Agent).await;
        drop(typed);
        Ok(())
    }

    /// Lets a finger stand for a token's PIN, or takes that back.
    ///
    /// # Errors
    ///
    /// Every variant of [`PinError`].
    pub async fn set_token_biometric(
        &self,
        selector: &str,
        on: FingerUnlock,
        caller: &Caller,
    ) -> Result<String, PinError> {
        let about = About::new("Let a finger stand for a PIN");
        self.unlock_for(caller, about).await?;
        let (row, secrets) = self.select_open(selector).await?;
        let PinPolicy::Token(limits) = secrets.pin else {
            return Err(PinError::NoPin(row.name));
        };
        let id = row.id;
        let key = match on {
            FingerUnlock::Off => None,
            FingerUnlock::On if limits.biometric == BiometricPin::Refused => {
                return Err(PinError::BiometricRefused(row.name));
            }
            FingerUnlock::On => {
                self.ports.fingerprint.fingers().await?;
                let what = "Let a finger stand for its PIN";
                Some(self.present_pin_key(&row, what, caller).await?.1)
            }
        };
        let event = self.event(EventKind::BiometricChanged, &row.name, word(on));
        let set = move |vault: &mut Vault| vault.set_finger(id, key.as_ref(), &event);
        self.vault.call(set).await?;
        match on {
            FingerUnlock::On => self.arm(FingerFor::Token(id)).await,
            FingerUnlock::Off => self.disarm(FingerFor::Token(id)).await,
        }
        Ok(row.name)
    }

    /// Lets a finger stand for the agent's PIN, or takes that back.
    ///
    /// # Errors
    ///
    /// Every variant of [`PinError`].
    pub async fn set_agent_biometric(
        &self,
        on: FingerUnlock,
        caller: &Caller,
    ) -> Result<(), PinError> {
        if on == FingerUnlock::On {
            if !self.has_agent_pin().await {
                return Err(PinError::NoAgentPin);
            }
            self.ports.fingerprint.fingers().await?;
            self.unlock_for(caller, About::new("Let a finger unlock your tokens"))
                .await?;
        }
        let slots = self.vault.call(Vault::slots).await?;
        let event = self.event(EventKind::BiometricChanged, "", word(on));
        if on == FingerUnlock::Off {
            let off = move |vault: &mut Vault| vault.set_finger_unlock(on, &event);
            self.vault.call(off).await?;
            self.disarm(FingerFor::Agent).await;
            return Ok(());
        }
        let about = About::new("Let a finger unlock your tokens");
        let (keys, _typed) = self.proof(&slots, about, caller).await?;
        let key = self.vault.prepare_keys(keys).await?;
        // What the PIN gives is kept only once a finger may stand for it: switched on first, then shown.
        let set = move |vault: &mut Vault| {
            vault.set_finger_unlock(on, &event)?;
            vault.check_prepared(key)
        };
        self.vault.call(set).await?;
        self.arm(FingerFor::Agent).await;
        Ok(())
    }

    /// How often a token's PIN is asked for.
    ///
    /// # Errors
    ///
    /// Every variant of [`PinError`]; less often only with the PIN.
    pub async fn set_pin_asking(
        &self,
        selector: &str,
        asking: PinAsking,
        caller: &Caller,
    ) -> Result<String, PinError> {
        self.unlock_for(caller, About::new("How often a PIN is asked for"))
            .await?;
        let (row, secrets) = self.select_open(selector).await?;
        if secrets.keys.lock().is_none() {
            return Err(PinError::NoPin(row.name));
        }
        if asking == PinAsking::OncePerUnlock {
            self.present_pin_key(&row, "Ask for its PIN once, until the vault locks", caller)
                .await?;
        }
        let event = self.event(EventKind::PinChanged, &row.name, asking_word(asking));
        let id = row.id;
        let set = move |vault: &mut Vault| vault.set_asking(id, asking, &event);
        self.vault.call(set).await?;
        self.state.facts().open_tokens.remove(&id);
        Ok(row.name)
    }
}

const fn word(on: FingerUnlock) -> &'static str {
    match on {
        FingerUnlock::On => "on",
        FingerUnlock::Off => "off",
    }
}

const fn asking_word(asking: PinAsking) -> &'static str {
    match asking {
        PinAsking::EveryTime => "asked every time",
        PinAsking::OncePerUnlock => "asked once per unlock",
    }
}
