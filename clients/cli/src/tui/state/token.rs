//! A token as the screen has it.

use countersign_proto::agent::v1::{self as api, OtpMode, PinType, TokenState, Verification};

use crate::tui::{list::Keyed, shown::Shown};

/// A token.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// As the agent has it; only sent back.
    pub(crate) id: String,
    pub(crate) name: Shown,
    pub(crate) serial: Shown,
    pub(crate) issuer: Shown,
    pub(crate) user: Shown,
    pub(crate) service: Shown,
    pub(crate) state: TokenState,
    /// Unspecified while it is sealed.
    pub(crate) mode: OtpMode,
    pub(crate) push: Push,
    pub(crate) asks: Asks,
}

/// Does it take login requests?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// Sealed.
    Unknown,
    No,
    On,
    /// It could; autosend is off for it.
    Paused,
}

/// Does it ask for a PIN or a finger?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    Never,
    Perhaps,
}

impl From<api::Token> for Token {
    fn from(token: api::Token) -> Self {
        let mode = token.mode();
        let sealed = mode == OtpMode::Unspecified;
        let click = token.push_verification() == Verification::Click;
        let no_pin = token.pin_type() == PinType::None;
        Self {
            name: Shown::name(&token.name),
            serial: Shown::name(&token.serial),
            issuer: Shown::name(&token.issuer),
            user: Shown::name(&token.user),
            service: Shown::name(&token.service),
            state: token.state(),
            mode,
            push: match (sealed, token.push, token.autosend) {
                (true, ..) => Push::Unknown,
                (false, false, _) => Push::No,
                (false, true, true) => Push::On,
                (false, true, false) => Push::Paused,
            },
            asks: if !sealed && no_pin && (click || !token.push) {
                Asks::Never
            } else {
                Asks::Perhaps
            },
            id: token.id,
        }
    }
}

impl Token {
    /// Does it have these words anywhere that people look? In whatever case.
    pub(crate) fn has(&self, words: &str) -> bool {
        let words = words.to_lowercase();
        [
            &self.name,
            &self.issuer,
            &self.user,
            &self.serial,
            &self.service,
        ]
        .iter()
        .any(|text| text.as_str().to_lowercase().contains(&words))
    }
}

impl Keyed for Token {
    fn key(&self) -> &str {
        &self.id
    }
}
