//! Is it the user? What a token asks for before it does something: its PIN, the agent's, a finger, a click.

mod token_pin;

use countersign_core::{
    ids::TokenId,
    pskc::{BiometricPin, PinPolicy},
    secret::SecretText,
    sudo::Least,
    token::{FingerChoice, PinAsking, TokenKeys, TokenSecrets, TokenSummary, VerificationLevel},
    verification::{self, Factor, FactorError, PinCheck},
};
use countersign_proto::{agent::v1::Reason, limits};

use super::{
    Agent,
    asking::{FingerFor, FingerUse, Given, Unasked},
    caller::{About, Caller},
    explain::Explain,
    ports::{FingerprintError, PinDialog, TpmError},
    session::SessionError,
    unlocking::Opening,
};
use crate::vault::{FingerUnlock, TokenRow, VaultError};

/// Why the user was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// Nothing that could be shown would meet the policy.
    #[error(transparent)]
    Policy(#[from] FactorError),
    /// A PIN is due and none could be asked for.
    #[error("the PIN of the token {name} is needed ({why})")]
    PinRequired {
        /// The token's name.
        name: String,
        /// Why nobody could be asked.
        why: String,
    },
    /// The PIN that came along was wrong.
    #[error("the PIN of the token {name} is wrong; {} left", tries(*.left))]
    PinWrong {
        /// The token's name.
        name: String,
        /// Tries left.
        left: u32,
    },
    /// The last try was wrong: the token's secrets are erased.
    #[error("the token {0} was erased after too many wrong PINs")]
    Exhausted(String),
    /// The policy asks for a finger and the user has not switched that on.
    #[error("this token's policy asks for a finger, and none may stand for the PIN yet")]
    FingerOff,
    /// The PIN has to come first.
    #[error("this token's policy asks for a finger, and the PIN is due first")]
    FingerNotReady,
    /// The reader does not help.
    #[error(transparent)]
    Finger(#[from] FingerprintError),
    /// The vault has no PIN of its own that could be asked for.
    #[error("this token's policy asks for a PIN or finger, and this vault has no PIN")]
    NoAgentPin,
    /// The user was asked and gave nothing.
    #[error("{0}")]
    NotGiven(String),
    /// Longer than any PIN, or empty.
    #[error("a PIN has 1 to {} bytes", limits::PASSPHRASE)]
    PinLength,
    /// The TPM.
    #[error(transparent)]
    Tpm(#[from] TpmError),
    /// The agent's own PIN, or the vault.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl VerificationError {
    /// Tries left, where one was just lost.
    #[must_use]
    pub const fn tries_left(&self) -> Option<u32> {
        match self {
            Self::PinWrong { left, .. } => Some(*left),
            Self::Policy(_)
            | Self::PinRequired { .. }
            | Self::Exhausted(_)
            | Self::FingerOff
            | Self::FingerNotReady
            | Self::Finger(_)
            | Self::NoAgentPin
            | Self::NotGiven(_)
            | Self::PinLength
            | Self::Tpm(_)
            | Self::Session(_)
            | Self::Vault(_) => None,
        }
    }
}

impl Explain for VerificationError {
    fn reason(&self) -> Reason {
        match self {
            Self::Policy(_) | Self::FingerOff | Self::FingerNotReady | Self::NoAgentPin => {
                Reason::VerificationUnavailable
            }
            Self::PinRequired { .. } => Reason::PinRequired,
            Self::PinWrong { .. } => Reason::PinWrong,
            Self::Exhausted(_) => Reason::PinExhausted,
            Self::Finger(_) => Reason::FingerprintUnavailable,
            Self::NotGiven(_) => Reason::Cancelled,
            Self::PinLength => Reason::Usage,
            Self::Tpm(_) => Reason::TpmUnavailable,
            Self::Session(error) => error.reason(),
            Self::Vault(error) => error.reason(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Policy(_) => {
                "type a passcode on the login page, or ask your administrator for another policy"
                    .to_owned()
            }
            Self::PinRequired { .. } => "run it in a terminal, or with `--pin-stdin`".to_owned(),
            Self::PinWrong { .. } => "at the last wrong one the token is erased".to_owned(),
            Self::Exhausted(_) => "ask its service for a new activation string and enroll again".to_owned(),
            Self::FingerOff => {
                "run `countersign biometric on`, with the token's name if the token has a PIN of its own"
                    .to_owned()
            }
            Self::FingerNotReady => {
                "give the PIN once: a token's own with `countersign code`, else with `countersign lock` and `countersign unlock`"
                    .to_owned()
            }
            Self::Finger(_) => "type a passcode on the login page".to_owned(),
            Self::NoAgentPin => {
                "`countersign pin change` sets one; until then type a passcode on the login page"
                    .to_owned()
            }
            Self::Tpm(TpmError::Foreign) => {
                "the keys of this token are lost: ask its service for a new activation string and enroll again"
                    .to_owned()
            }
            Self::Tpm(_) => "no try was lost; try again when the TPM can be used".to_owned(),
            Self::NotGiven(_) | Self::PinLength => String::new(),
            Self::Session(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

fn tries(left: u32) -> String {
    match left {
        1 => "1 try is".to_owned(),
        left => format!("{left} tries are"),
    }
}

/// A user who was verified, and what that opened.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) keys: TokenKeys,
    pub(super) level: VerificationLevel,
    /// A PIN that the service checks, or that enters the computation.
    pub(super) pin: Option<SecretText>,
}

/// What unlocking showed of the user a moment ago, for this very wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JustShown {
    Nothing,
    AgentPin,
    Finger,
}

impl From<Opening> for JustShown {
    fn from(opening: Opening) -> Self {
        match opening {
            Opening::Typed => Self::AgentPin,
            Opening::Finger => Self::Finger,
            // The code proves the paper, not the person.
            Opening::WasOpen | Opening::Machine | Opening::RecoveryCode => Self::Nothing,
        }
    }
}

impl Agent {
    /// Verifies the user for one approval, as the token's policy asks, and says how sure it is.
    ///
    /// # Errors
    ///
    /// Every variant of [`VerificationError`].
    pub(super) async fn verify_for_push(
        &self,
        row: &TokenRow,
        secrets: &TokenSecrets,
        shown: JustShown,
        about: About,
        caller: &Caller,
    ) -> Result<Verified, VerificationError> {
        let (factor, least) =
            verification::for_push(secrets.push, &secrets.pin, secrets.pin_check())?;
        self.verify(row, secrets, (factor, least), shown, about, caller)
            .await
    }

    /// Verifies the user for one passcode.
    ///
    /// # Errors
    ///
    /// Every variant of [`VerificationError`].
    pub(super) async fn verify_for_passcode(
        &self,
        row: &TokenRow,
        secrets: &TokenSecrets,
        about: About,
        caller: &Caller,
    ) -> Result<Verified, VerificationError> {
        let asked_before = self.state.facts().open_tokens.get(&row.id).cloned();
        if let (PinAsking::OncePerUnlock, Some(keys)) = (secrets.asking, asked_before) {
            return Ok(Verified {
                keys,
                level: VerificationLevel::Click,
                pin: None,
            });
        }
        let factor = verification::for_passcode(&secrets.pin);
        let asked = (factor, VerificationLevel::Click);
        let verified = self
            .verify(row, secrets, asked, JustShown::Nothing, about, caller)
            .await?;
        if secrets.asking == PinAsking::OncePerUnlock && factor == Factor::TokenPin {
            let keys = verified.keys.clone();
            let mut facts = self.state.facts();
            // A dialog may outlast the lock of the vault; the unlock it was for is over.
            if facts.open.is_some() {
                facts.open_tokens.insert(row.id, keys);
            }
        }
        Ok(verified)
    }

    /// Verifies the user for one signature of the sudo key: its PIN opens it, or a finger where that is switched on and
    /// enough. A click is enough only where the administrator says `presence`, and only after a PIN in this unlock.
    ///
    /// # Errors
    ///
    /// Every variant of [`VerificationError`].
    pub(super) async fn verify_for_sudo(
        &self,
        row: &TokenRow,
        secrets: &TokenSecrets,
        least: Least,
        about: About,
        caller: &Caller,
    ) -> Result<Verified, VerificationError> {
        let opened = self.state.facts().open_tokens.get(&row.id).cloned();
        if let (Least::Presence, Some(keys)) = (least, opened) {
            return Ok(Verified {
                keys,
                level: VerificationLevel::Click,
                pin: None,
            });
        }
        let by_pin = match secrets.pin_check() {
            PinCheck::Agent => VerificationLevel::Pin,
            PinCheck::Tpm => VerificationLevel::Tpm,
        };
        let verified = if let Some(pin) = &caller.secret {
            Verified {
                keys: self.try_token_pin(row, pin).await?,
                level: by_pin,
                pin: None,
            }
        } else {
            let finger = if least.is_reached_by(VerificationLevel::Finger) {
                Self::finger_choice(secrets)
            } else {
                FingerChoice::Off
            };
            self.typed_or_touched(row, by_pin, finger, about, caller)
                .await?
        };
        if least == Least::Presence {
            let mut facts = self.state.facts();
            // A dialog may outlast the lock of the vault; the unlock it was for is over.
            if facts.open.is_some() {
                facts.open_tokens.insert(row.id, verified.keys.clone());
            }
        }
        Ok(verified)
    }

    /// Verifies the user before tokens leave the vault: its own PIN, or a finger; nothing where it has none.
    ///
    /// # Errors
    ///
    /// Every variant of [`VerificationError`].
    pub(super) async fn verify_for_export(
        &self,
        shown: JustShown,
        about: &About,
        caller: &Caller,
    ) -> Result<(), VerificationError> {
        if self.has_agent_pin().await {
            self.agent_pin(shown, about, caller).await?;
        }
        Ok(())
    }

    /// The keys of a token that leaves the vault; its PIN is asked for each time.
    ///
    /// # Errors
    ///
    /// Every variant of [`VerificationError`].
    pub(super) async fn keys_for_export(
        &self,
        row: &TokenRow,
        secrets: &TokenSecrets,
        about: About,
        caller: &Caller,
    ) -> Result<TokenKeys, VerificationError> {
        match verification::for_passcode(&secrets.pin) {
            Factor::TokenPin => {
                let least = VerificationLevel::Click;
                let verified = self.token_pin(row, secrets, least, about, caller).await?;
                Ok(verified.keys)
            }
            // The service checks these: nothing here is behind them.
            Factor::Click
            | Factor::AgentPin
            | Factor::Finger
            | Factor::ServerPin
            | Factor::PasscodePin => Ok(secrets.keys.open().cloned().ok_or(VaultError::Damaged)?),
        }
    }

    async fn verify(
        &self,
        row: &TokenRow,
        secrets: &TokenSecrets,
        (factor, least): (Factor, VerificationLevel),
        shown: JustShown,
        about: About,
        caller: &Caller,
    ) -> Result<Verified, VerificationError> {
        let with_open_keys = |level, pin| {
            // No PIN is before these; a blob that says otherwise contradicts itself.
            let keys = secrets.keys.open().cloned().ok_or(VaultError::Damaged)?;
            Ok(Verified { keys, level, pin })
        };
        match factor {
            Factor::Click => with_open_keys(VerificationLevel::Click, None),
            Factor::TokenPin => self.token_pin(row, secrets, least, about, caller).await,
            Factor::AgentPin => {
                let level = self.agent_pin(shown, &about, caller).await?;
                with_open_keys(level, None)
            }
            Factor::Finger => {
                if shown != JustShown::Finger {
                    self.finger_alone(FingerFor::Agent, &about, caller).await?;
                }
                with_open_keys(VerificationLevel::Finger, None)
            }
            Factor::ServerPin | Factor::PasscodePin => {
                let pin = self.pin_for_elsewhere(row, factor, &about, caller).await?;
                with_open_keys(VerificationLevel::Pin, Some(pin))
            }
        }
    }

    /// The agent's own PIN or passphrase, or a finger where that is switched on.
    async fn agent_pin(
        &self,
        shown: JustShown,
        about: &About,
        caller: &Caller,
    ) -> Result<VerificationLevel, VerificationError> {
        match shown {
            JustShown::AgentPin => return Ok(VerificationLevel::Pin),
            JustShown::Finger => return Ok(VerificationLevel::Finger),
            JustShown::Nothing => {}
        }
        if !self.has_agent_pin().await {
            return Err(VerificationError::NoAgentPin);
        }
        if let Some(pin) = &caller.secret {
            self.check_agent_pin(pin).await?;
            return Ok(VerificationLevel::Pin);
        }
        Ok(match self.know_by_asking(caller, about).await? {
            Opening::Finger => VerificationLevel::Finger,
            Opening::Typed | Opening::WasOpen | Opening::Machine | Opening::RecoveryCode => {
                VerificationLevel::Pin
            }
        })
    }

    /// A finger, and nothing else.
    async fn finger_alone(
        &self,
        who: FingerFor,
        about: &About,
        caller: &Caller,
    ) -> Result<(), VerificationError> {
        if who == FingerFor::Agent
            && self.vault.call(|vault| vault.finger_unlock()).await? == FingerUnlock::Off
        {
            return Err(VerificationError::FingerOff);
        }
        match self.finger_ready(who).await {
            Ok(()) => {}
            Err(
                super::asking::FingerRefusal::PinDue(_)
                | super::asking::FingerRefusal::SessionLocked,
            ) => {
                return Err(VerificationError::FingerNotReady);
            }
            Err(super::asking::FingerRefusal::Reader(error)) => return Err(error.into()),
        }
        let dialog = pin_dialog(about, "", None);
        match self.ask(&dialog, FingerUse::Alone(who), caller).await {
            Ok(_) => Ok(()),
            Err(Unasked::Finger(error)) => Err(error.into()),
            Err(unasked) => Err(VerificationError::NotGiven(unasked.to_string())),
        }
    }

    /// A PIN that nobody here can check.
    async fn pin_for_elsewhere(
        &self,
        row: &TokenRow,
        factor: Factor,
        about: &About,
        caller: &Caller,
    ) -> Result<SecretText, VerificationError> {
        let pin = if let Some(pin) = &caller.secret {
            pin.clone()
        } else {
            let what = match factor {
                Factor::ServerPin => format!("Server PIN of the token {}:", row.name),
                Factor::Click
                | Factor::TokenPin
                | Factor::AgentPin
                | Factor::Finger
                | Factor::PasscodePin => format!("PIN of the token {}:", row.name),
            };
            match self
                .ask(&pin_dialog(about, &what, None), FingerUse::No, caller)
                .await
            {
                Ok(Given::Typed(pin)) => pin,
                Ok(Given::Finger) => return Err(VerificationError::PinLength),
                Err(unasked) => return Err(not_given(&unasked, &row.name)),
            }
        };
        if pin.is_empty() || pin.len() > limits::PASSPHRASE {
            return Err(VerificationError::PinLength);
        }
        pin.as_text()
            .map(SecretText::from)
            .ok_or(VerificationError::PinLength)
    }

    /// May a finger stand for this token's PIN now? For views.
    #[must_use]
    pub fn biometric_of(&self, id: TokenId, summary: &TokenSummary) -> Biometric {
        match (summary.pin, summary.finger) {
            (PinPolicy::Token(limits), FingerChoice::Off)
                if limits.biometric == BiometricPin::Allowed =>
            {
                Biometric::Off
            }
            (PinPolicy::Token(_), FingerChoice::On) => self.readiness(FingerFor::Token(id)),
            _ => Biometric::Refused,
        }
    }

    /// May a finger stand for the agent's PIN now? For views.
    pub async fn biometric_unlock(&self) -> Biometric {
        if !self.has_agent_pin().await {
            return Biometric::Refused;
        }
        match self.vault.call(|vault| vault.finger_unlock()).await {
            Ok(FingerUnlock::On) => self.readiness(FingerFor::Agent),
            Ok(FingerUnlock::Off) | Err(_) => Biometric::Off,
        }
    }

    fn readiness(&self, who: FingerFor) -> Biometric {
        if self.finger_armed(who) {
            Biometric::Ready
        } else {
            Biometric::PinDue
        }
    }
}

/// May a finger stand for a PIN?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Biometric {
    /// The policy does not allow it, or there is no PIN.
    Refused,
    /// The user has not switched it on.
    Off,
    /// The finger is asked first.
    Ready,
    /// The PIN is due first.
    PinDue,
}

fn pin_dialog(about: &About, what: &str, error: Option<String>) -> PinDialog {
    PinDialog {
        title: "PIN of a token".to_owned(),
        description: about.description(what),
        prompt: "PIN:".to_owned(),
        error,
        repeat: None,
        ok: "OK".to_owned(),
        within: about.within,
    }
}

fn not_given(unasked: &Unasked, name: &str) -> VerificationError {
    match unasked.nobody_asked() {
        Some(why) => VerificationError::PinRequired {
            name: name.to_owned(),
            why,
        },
        None => VerificationError::NotGiven(unasked.to_string()),
    }
}
