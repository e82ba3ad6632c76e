//! A token as the administrator sees it.

use core::fmt;

use countersign_core::{
    pskc::{BiometricPin, Exportable, NumberMatching, PinEncoding, PinPlace, PinPolicy},
    server_pin,
    time::UnixMillis,
    token::PushPolicy,
};
use serde::Serialize;

use super::{Service, ServiceError};
use crate::store::{PinStanding, Rows, StoreError, TokenRow, TokenState};

/// A token, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenInfo {
    /// Serial.
    pub serial: String,
    /// Whose.
    pub user: String,
    /// Where it stands.
    pub state: TokenState,
    /// `time`, `event` or `challenge`, and its parameters in words.
    pub mode: String,
    /// Does it answer login requests?
    pub push: bool,
    /// How its PIN is checked.
    pub pin: PinInfo,
    /// Must the number that a resource shows be typed, by its policy?
    pub number_matching: bool,
    /// May the seed leave the agent's vault?
    pub exportable: bool,
    /// The name of the policy that it was issued by; may be empty.
    pub policy_name: String,
    /// The level of that policy; may be empty.
    pub policy_level: String,
    /// Its device, if it has one.
    pub device: Option<String>,
    /// Wrong passcodes typed in a row.
    pub typing_failures: u32,
    /// Typing is locked until then, Unix milliseconds.
    pub typing_locked_until_ms: Option<i64>,
    /// Time-based: what its clock is off by, in steps.
    pub drift: i64,
    /// Event-based: the least counter that is still good.
    pub next_counter: u64,
    /// When a passcode of it was last used up, Unix milliseconds.
    pub last_used_ms: Option<i64>,
    /// When it was issued, Unix milliseconds.
    pub created_ms: i64,
}

/// How a token's PIN is checked, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PinInfo {
    /// There is none.
    None,
    /// By the agent. The gateway never sees it.
    Token {
        /// Wrong ones in a row after which the agent erases the token.
        tries: u8,
        /// Fewest characters.
        min_length: u8,
        /// Most characters.
        max_length: u8,
        /// `decimal`, `hexadecimal` or `alphanumeric`.
        characters: &'static str,
        /// `allowed` or `refused`: may a finger stand for it?
        biometric: &'static str,
    },
    /// By the gateway.
    Server {
        /// `prepend` or `append`: where it stands in a typed passcode.
        place: &'static str,
        /// How it stands.
        #[serde(flatten)]
        kept: KeptPin,
    },
    /// It enters the passcode.
    InPasscode {
        /// How it stands.
        #[serde(flatten)]
        kept: KeptPin,
    },
}

/// A PIN that the gateway keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptPin {
    /// Fewest characters.
    pub min_length: usize,
    /// Most characters.
    pub max_length: usize,
    /// Which characters.
    pub characters: &'static str,
    /// Has the user chosen one? Not after a reset.
    pub standing: PinStanding,
    /// Wrong ones since the last right one.
    pub failures: u32,
    /// Locked until then, Unix milliseconds.
    pub locked_until_ms: Option<i64>,
}

impl PinInfo {
    /// In one word or two, for a table.
    #[must_use]
    pub fn brief(&self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Token { .. } => "token".to_owned(),
            Self::Server { kept, .. } => format!("server{}", kept.remark()),
            Self::InPasscode { kept } => format!("in passcode{}", kept.remark()),
        }
    }

    /// Until when the PIN is locked, Unix milliseconds.
    #[must_use]
    pub const fn locked_until_ms(&self) -> Option<i64> {
        match self {
            Self::None | Self::Token { .. } => None,
            Self::Server { kept, .. } | Self::InPasscode { kept } => kept.locked_until_ms,
        }
    }
}

impl fmt::Display for PinInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Token {
                tries,
                min_length,
                max_length,
                characters,
                biometric,
            } => write!(
                f,
                "token PIN, checked by the agent: {min_length} to {max_length} characters, {characters}, \
                 {tries} tries, finger {biometric}"
            ),
            Self::Server { place, kept } => {
                let place = if *place == PREPEND {
                    "before"
                } else {
                    "behind"
                };
                write!(
                    f,
                    "server PIN, checked by the gateway: {kept}; typed {place} the passcode"
                )
            }
            Self::InPasscode { kept } => write!(f, "enters the passcode: {kept}"),
        }
    }
}

impl KeptPin {
    /// What a table says of it beside its type.
    const fn remark(&self) -> &'static str {
        match self.standing {
            PinStanding::Due => " (none chosen)",
            PinStanding::Chosen | PinStanding::None => "",
        }
    }
}

impl fmt::Display for KeptPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} to {} characters, {}{}",
            self.min_length,
            self.max_length,
            self.characters,
            self.remark()
        )
    }
}

/// What a user types together with a passcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedPin {
    /// Nothing: none of the user's tokens has a server PIN.
    None,
    /// The server PIN, before the passcode.
    Prepend,
    /// The server PIN, behind it.
    Append,
    /// It depends on the token.
    Differs,
}

impl Service {
    /// What a user types together with a passcode. To be told only to who has shown to be the user.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn typed_pin(&self, user: &str) -> Result<TypedPin, ServiceError> {
        let user = user.to_owned();
        let tokens = self
            .store()
            .read(move |rows| {
                let user = rows.user_id(&user)?;
                user.map_or_else(|| Ok(Vec::new()), |user| rows.tokens_of_user(user))
            })
            .await?;
        let kinds = tokens
            .iter()
            .filter(|token| token.state == TokenState::Active)
            .map(|token| match token.pin {
                PinPolicy::Server(PinPlace::Prepend) => TypedPin::Prepend,
                PinPolicy::Server(PinPlace::Append) => TypedPin::Append,
                PinPolicy::None | PinPolicy::Token(_) | PinPolicy::InPasscode => TypedPin::None,
            });
        Ok(kinds
            .reduce(
                |one, other| {
                    if one == other { one } else { TypedPin::Differs }
                },
            )
            .unwrap_or(TypedPin::None))
    }
}

const PREPEND: &str = "prepend";
const APPEND: &str = "append";
const ALPHANUMERIC: &str = "alphanumeric";

pub(super) fn info(
    rows: Rows<'_>,
    token: TokenRow,
    now: UnixMillis,
) -> Result<TokenInfo, StoreError> {
    let device = match token.device {
        Some(id) => rows.device(id)?.map(|device| device.name),
        None => None,
    };
    Ok(TokenInfo {
        user: rows.user_name(token.user)?,
        mode: token.mode.to_string(),
        push: matches!(token.push, PushPolicy::Allowed(_)),
        pin: pin(&token, now),
        number_matching: token.number_matching == NumberMatching::Required,
        exportable: token.exportable == Exportable::Yes,
        policy_name: token.policy_name,
        policy_level: token.policy_level,
        device,
        state: token.state,
        typing_failures: token.typing_failures,
        typing_locked_until_ms: token
            .typing_locked_until
            .filter(|until| now < *until)
            .map(|until| until.0),
        drift: token.drift,
        next_counter: token.next_counter,
        last_used_ms: token.last_used.map(|at| at.0),
        created_ms: token.created.0,
        serial: token.serial,
    })
}

fn pin(token: &TokenRow, now: UnixMillis) -> PinInfo {
    let kept = KeptPin {
        min_length: *server_pin::LENGTH.start(),
        max_length: *server_pin::LENGTH.end(),
        characters: ALPHANUMERIC,
        // A token that is ended for good waits for nothing.
        standing: if token.state == TokenState::Revoked {
            PinStanding::None
        } else {
            token.pin_standing
        },
        failures: token.pin_failures,
        locked_until_ms: token.pin_locked(now).map(|until| until.0),
    };
    with_kept(token.pin, kept)
}

/// The rules of a policy, of which no PIN is kept yet.
pub(super) const fn pin_of(policy: PinPolicy) -> PinInfo {
    let kept = KeptPin {
        min_length: *server_pin::LENGTH.start(),
        max_length: *server_pin::LENGTH.end(),
        characters: ALPHANUMERIC,
        standing: PinStanding::None,
        failures: 0,
        locked_until_ms: None,
    };
    with_kept(policy, kept)
}

const fn with_kept(policy: PinPolicy, kept: KeptPin) -> PinInfo {
    match policy {
        PinPolicy::None => PinInfo::None,
        PinPolicy::Token(limits) => PinInfo::Token {
            tries: limits.max_failed_attempts,
            min_length: limits.min_length,
            max_length: limits.max_length,
            characters: match limits.encoding {
                PinEncoding::Decimal => "decimal",
                PinEncoding::Hexadecimal => "hexadecimal",
                PinEncoding::Alphanumeric => ALPHANUMERIC,
            },
            biometric: match limits.biometric {
                BiometricPin::Allowed => "allowed",
                BiometricPin::Refused => "refused",
            },
        },
        PinPolicy::Server(place) => PinInfo::Server {
            place: match place {
                PinPlace::Prepend => PREPEND,
                PinPlace::Append => APPEND,
            },
            kept,
        },
        PinPolicy::InPasscode => PinInfo::InPasscode { kept },
    }
}
