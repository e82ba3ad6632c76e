//! What the agent of canned answers says next, and what it was asked.

use std::{collections::VecDeque, sync::mpsc::Sender};

use countersign_proto::agent::v1::{self as api, Reason};

use tokio::sync::mpsc::UnboundedSender;
use tonic::Status;

use crate::samples::token;

/// How long a watch lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// It ends after the first request was answered.
    Ends,
    /// Until the agent ends.
    Stays,
}

/// What the agent says next, and what it was asked so far.
#[derive(Debug)]
pub(crate) struct Script {
    /// Refuse every call with this.
    pub(crate) refusal: Option<api::ErrorDetail>,
    /// Refuse the next calls that may need a person with these, one each.
    pub(crate) refusals: VecDeque<api::ErrorDetail>,
    /// Never answer.
    pub(crate) hangs: bool,
    /// Passcodes and approvals need this PIN; two tries.
    pub(crate) pin: Option<&'static str>,
    /// Needed to unlock.
    pub(crate) passphrase: Option<&'static str>,
    pub(crate) status: api::StatusReply,
    pub(crate) tokens: Vec<api::Token>,
    pub(crate) requests: Vec<api::LoginRequest>,
    /// What becomes of an answer.
    pub(crate) outcome: api::LoginRequestState,
    pub(crate) mode: api::OtpMode,
    pub(crate) slots: Vec<api::VaultSlot>,
    /// The new recovery code, where one is made.
    pub(crate) recovery_code: &'static str,
    /// A keyring answers, so a vault needs no passphrase.
    pub(crate) keyring: bool,
    pub(crate) watch: Watch,
    /// Those that watch, while a watch stays.
    pub(crate) watchers: Vec<UnboundedSender<Result<api::LoginRequestsChange, Status>>>,
    /// `call field field`, secrets included: tests compare them.
    pub(crate) calls: Vec<String>,
    /// Is told when a call has come.
    pub(crate) arrival: Option<Sender<()>>,
    /// The screen that came with each call.
    pub(crate) screens: Vec<api::CallerScreen>,
}

impl Script {
    /// An unlocked vault with one token, and no words against anything.
    pub(crate) fn new() -> Self {
        Self {
            refusal: None,
            refusals: VecDeque::new(),
            hangs: false,
            pin: None,
            passphrase: None,
            status: api::StatusReply {
                version: "0.1.0".to_owned(),
                vault: api::VaultState::Unlocked.into(),
                slots: vec![api::VaultKey::Passphrase.into()],
                unlock: api::UnlockMode::Pin.into(),
                autosend: true,
                tokens: 1,
                ..api::StatusReply::default()
            },
            tokens: vec![token("Work")],
            requests: Vec::new(),
            outcome: api::LoginRequestState::LoggedIn,
            mode: api::OtpMode::Time,
            slots: vec![
                slot("1", api::VaultKey::SecretService, true),
                slot("3", api::VaultKey::Passphrase, false),
            ],
            recovery_code: "7KQF-2M9X-0001",
            keyring: false,
            watch: Watch::Ends,
            watchers: Vec::new(),
            calls: Vec::new(),
            arrival: None,
            screens: Vec::new(),
        }
    }
}

/// A refusal as the agent words it.
pub(crate) fn refusal(reason: Reason, message: &str, tries_left: Option<u32>) -> api::ErrorDetail {
    api::ErrorDetail {
        reason: reason.into(),
        message: message.to_owned(),
        hint: String::new(),
        tries_left,
    }
}

/// One way in which the vault opens.
pub(crate) fn slot(id: &str, kind: api::VaultKey, pin: bool) -> api::VaultSlot {
    api::VaultSlot {
        id: id.to_owned(),
        kind: kind.into(),
        pin,
    }
}
