//! `token add` and what becomes of tokens.

use clap::{Args, Subcommand, ValueEnum};
use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpMode, Period, ocra::Suite},
    secret::SecretText,
    token::{PinType, PushPolicy, VerificationLevel},
};
use serde_json::json;

use super::output;
use crate::{
    control,
    service::{Change, NewTokenSpec, Service},
};

/// The suite of a challenge-response token where none is named.
const SUITE_SHA1: &str = "OCRA-1:HOTP-SHA1-6:QN08";

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// A new passcode every period (TOTP)
    Time,
    /// A new passcode each time one is asked for (HOTP)
    Event,
    /// A passcode for a challenge (OCRA)
    Challenge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pin {
    /// No PIN
    None,
    /// Chosen by the user, checked by the agent
    Token,
    /// Checked by the gateway
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// A click alone
    Click,
    /// A PIN or passphrase, or more
    Pin,
    /// A finger, or more
    Finger,
}

/// Issue tokens, and say what becomes of them.
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Issue a token and print its activation string
    Add(Add),
    /// List the tokens
    List {
        /// Only this user's
        user: Option<String>,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Stop a token until it is resumed
    Suspend {
        /// Serial
        serial: String,
    },
    /// Let a suspended token go on; also unlocks typing
    Resume {
        /// Serial
        serial: String,
    },
    /// End a token for good; its agent erases the secrets
    Revoke {
        /// Serial
        serial: String,
    },
    /// End a token for good and forget it
    Delete {
        /// Serial
        serial: String,
    },
    /// Find a token's counter or clock again from two passcodes in a row
    Resync {
        /// Serial
        serial: String,
        /// A passcode
        code1: String,
        /// The one that the token generated after it
        code2: String,
    },
}

/// Issue a token.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// Whose
    user: String,
    /// What it generates
    #[arg(long, value_enum, default_value_t = Mode::Time)]
    mode: Mode,
    /// How its PIN is checked
    #[arg(long, value_enum, default_value_t = Pin::None)]
    pin: Pin,
    /// Hash inside the HMAC: sha1, sha256 or sha512
    #[arg(long)]
    hash: Option<HashAlgorithm>,
    /// Digits of a passcode, 4 to 10
    #[arg(long)]
    digits: Option<u8>,
    /// Seconds that a time-based passcode is good for
    #[arg(long, value_name = "S")]
    period: Option<u32>,
    /// OCRA suite of a challenge-response token
    #[arg(long, value_name = "OCRA")]
    suite: Option<Suite>,
    /// Does it answer login requests?
    #[arg(long, value_enum, default_value_t = Switch::On)]
    push: Switch,
    /// How sure the agent must be of the user before an approval
    #[arg(long, value_enum, default_value_t = Level::Pin)]
    push_level: Level,
}

impl Add {
    fn mode(&self) -> anyhow::Result<OtpMode> {
        let hash = self.hash.unwrap_or(HashAlgorithm::Sha1);
        let digits = self.digits.map(Digits::try_from).transpose()?;
        if self.mode != Mode::Time && self.period.is_some() {
            anyhow::bail!("--period is for --mode time only");
        }
        if self.mode != Mode::Challenge && self.suite.is_some() {
            anyhow::bail!("--suite is for --mode challenge only");
        }
        Ok(match self.mode {
            Mode::Time => OtpMode::Time {
                hash,
                digits: digits.unwrap_or(Digits::SIX),
                period: self
                    .period
                    .map(Period::try_from)
                    .transpose()?
                    .unwrap_or(Period::THIRTY),
            },
            Mode::Event => OtpMode::Event {
                hash,
                digits: digits.unwrap_or(Digits::SIX),
            },
            Mode::Challenge => OtpMode::Challenge {
                suite: self.suite(hash, digits)?,
            },
        })
    }

    fn suite(&self, hash: HashAlgorithm, digits: Option<Digits>) -> anyhow::Result<Suite> {
        let named = self.hash.is_some() || digits.is_some();
        match &self.suite {
            Some(_) if named => {
                anyhow::bail!("--suite says hash and digits already; leave out --hash and --digits")
            }
            Some(suite) => Ok(suite.clone()),
            None if named => {
                let digits = digits.unwrap_or(Digits::SIX).count();
                Ok(format!("OCRA-1:HOTP-{hash}-{digits}:QN08").parse()?)
            }
            None => Ok(SUITE_SHA1.parse()?),
        }
    }

    async fn run(self, service: &Service) -> anyhow::Result<()> {
        let mode = self.mode()?;
        let level = match self.push_level {
            Level::Click => VerificationLevel::Click,
            Level::Pin => VerificationLevel::Pin,
            Level::Finger => VerificationLevel::Finger,
        };
        let push = match self.push {
            Switch::On => PushPolicy::Allowed(level),
            Switch::Off => PushPolicy::Off,
        };
        let pin = match self.pin {
            Pin::None => PinType::None,
            Pin::Token => PinType::Token,
            Pin::Server => PinType::Server,
        };
        let user = self.user;
        let words = mode.to_string();
        let activation = service
            .issue_token(&user, NewTokenSpec { mode, pin, push })
            .await?;
        if push == PushPolicy::Allowed(VerificationLevel::Click) {
            output::warn(
                "note: with --push-level click anybody at the unlocked desktop can approve logins of this user",
            );
        }
        output::explain(&format!(
            "Activation string for {user} ({words}). Good for three days. Hand it over so that nobody else\n\
             can read it; the user runs `countersign enroll` and pastes it:"
        ));
        output::answer(activation.to_text().expose())
    }
}

impl Token {
    pub(super) async fn run(self, service: &Service) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run(service).await,
            Self::List { user, json } => list(service, user.as_deref(), json).await,
            Self::Suspend { serial } => {
                told(service, service.suspend_token(&serial).await?).await;
                output::explain(&format!("Suspended {serial}."));
                Ok(())
            }
            Self::Resume { serial } => {
                told(service, service.resume_token(&serial).await?).await;
                output::explain(&format!("{serial} goes on."));
                Ok(())
            }
            Self::Revoke { serial } => {
                told(service, service.revoke_token(&serial).await?).await;
                output::explain(&format!("Revoked {serial}; its agent erases it."));
                Ok(())
            }
            Self::Delete { serial } => {
                told(service, service.delete_token(&serial).await?).await;
                output::explain(&format!("Deleted {serial}."));
                Ok(())
            }
            Self::Resync {
                serial,
                code1,
                code2,
            } => {
                service
                    .resynchronise_token(&serial, SecretText::new(code1), SecretText::new(code2))
                    .await?;
                output::explain(&format!("{serial} is found again."));
                Ok(())
            }
        }
    }
}

/// The serving process, if there is one, hears of the change.
async fn told(service: &Service, change: Change) {
    control::announce(service.data(), &change).await;
}

async fn list(service: &Service, user: Option<&str>, json: bool) -> anyhow::Result<()> {
    let Some(tokens) = service.tokens(user).await? else {
        anyhow::bail!("there is no such user");
    };
    if json {
        return output::json(&json!({ "tokens": tokens }));
    }
    let head = ["SERIAL", "USER", "STATE", "MODE", "PUSH", "DEVICE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for token in tokens {
        let state = match token.typing_locked_until_ms {
            Some(until) => format!(
                "{}, typing locked until {}",
                token.state,
                output::time(until)
            ),
            None => token.state.to_string(),
        };
        let push = if token.push { "on" } else { "off" };
        rows.push(vec![
            token.serial,
            token.user,
            state,
            token.mode,
            push.to_owned(),
            token.device.unwrap_or_default(),
        ]);
    }
    output::table(&rows)
}
