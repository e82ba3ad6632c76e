//! A token as answers show it.

use countersign_proto::agent::v1::{self as api, OtpMode, TokenState};
use serde::Serialize;

use super::{
    Answer, Paint, Style,
    table::{Cell, pairs},
    words::{self, Word as _},
};
use crate::clock;

/// A token. While the vault is locked everything after `autosend` but the container is sealed, and null.
#[derive(Debug, Serialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) serial: String,
    pub(crate) state: Option<String>,
    pub(crate) autosend: bool,
    pub(crate) mode: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) algorithm: Option<String>,
    pub(crate) digits: Option<u32>,
    pub(crate) period: Option<u32>,
    pub(crate) suite: Option<String>,
    pub(crate) pin_type: Option<String>,
    pub(crate) push: Option<bool>,
    pub(crate) push_verification: Option<String>,
    pub(crate) policy_name: Option<String>,
    pub(crate) policy_level: Option<String>,
    pub(crate) exportable: Option<bool>,
    pub(crate) created: Option<i64>,
    pub(crate) service: Option<String>,
    pub(crate) tries_left: Option<u32>,
    pub(crate) biometric: Option<String>,
    pub(crate) pin_asking: Option<String>,
    pub(crate) pin_rules: Option<String>,
    pub(crate) server_pin_due: Option<bool>,
    /// Not sealed.
    pub(crate) container: Option<String>,
    /// The clock of its service minus ours.
    pub(crate) clock_offset_ms: Option<i64>,
    /// Where browsers fill it.
    pub(crate) origins: Option<Vec<String>>,
    #[serde(skip)]
    pub(crate) kind: Kind,
}

/// The closed lists behind the words, for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) mode: OtpMode,
    pub(crate) state: TokenState,
    pub(crate) pin: api::PinType,
    pub(crate) biometric: api::BiometricState,
    pub(crate) asking: api::PinAsking,
}

impl From<api::Token> for Token {
    fn from(token: api::Token) -> Self {
        let kind = Kind {
            mode: token.mode(),
            state: token.state(),
            pin: token.pin_type(),
            biometric: token.biometric(),
            asking: token.pin_asking(),
        };
        let push_verification = token.push_verification();
        let sealed = kind.mode == OtpMode::Unspecified;
        let text = |value: String| (!sealed && !value.is_empty()).then_some(value);
        Self {
            id: token.id,
            name: token.name,
            serial: token.serial,
            state: kind.state.word(),
            autosend: token.autosend,
            mode: kind.mode.word(),
            issuer: text(token.issuer),
            user: text(token.user),
            algorithm: text(token.algorithm),
            digits: (!sealed && token.digits > 0).then_some(token.digits),
            period: (kind.mode == OtpMode::Time).then_some(token.period),
            suite: text(token.suite),
            pin_type: kind.pin.word(),
            push: (!sealed).then_some(token.push),
            push_verification: push_verification.word(),
            policy_name: text(token.policy_name),
            policy_level: text(token.policy_level),
            exportable: (!sealed).then_some(token.exportable),
            created: (!sealed && token.created != 0).then_some(token.created),
            service: text(token.service),
            tries_left: token.tries_left.filter(|_| !sealed),
            biometric: kind.biometric.word(),
            pin_asking: kind.asking.word(),
            pin_rules: text(token.pin_rules),
            clock_offset_ms: token.clock_offset_ms.filter(|_| !sealed),
            server_pin_due: (kind.pin == api::PinType::Server).then_some(token.server_pin_due),
            origins: (!sealed).then_some(token.origins),
            container: (!token.container.is_empty()).then_some(token.container),
            kind,
        }
    }
}

/// How many fields are about the PIN, the last ones for scripts.
const PIN_FIELDS: usize = 5;

/// Why most of a token is not shown.
pub(crate) fn sealed(style: &Style) -> String {
    let words = "The vault is locked; the rest is sealed. `countersign unlock` opens it.";
    format!("{}\n", style.paint(Paint::Faint, words))
}

impl Token {
    /// Its state in words and colour; nothing for one that is as it should be.
    pub(crate) fn trouble(&self) -> Cell {
        match self.kind.state {
            TokenState::Active => Cell::default(),
            TokenState::PinExhausted => Cell::new(Paint::Bad, "locked out: enroll again"),
            TokenState::Revoked => Cell::new(Paint::Bad, "revoked"),
            TokenState::Unspecified => Cell::new(Paint::Attention, "unknown state"),
        }
    }

    /// Push in one word.
    pub(crate) fn push_word(&self) -> &'static str {
        match (self.push, self.autosend) {
            (Some(true), true) => "on",
            (Some(true), false) => "paused",
            (Some(false), _) => "no",
            (None, _) => "",
        }
    }

    /// Labelled lines of all that is known; (label for people, key for scripts, text).
    fn fields(&self) -> Vec<(&'static str, &'static str, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        vec![
            ("Name", "name", self.name.clone()),
            ("Serial Number", "serial", self.serial.clone()),
            ("Id", "id", self.id.clone()),
            ("State", "state", text(&self.state)),
            ("OTP Mode", "mode", text(&self.mode)),
            ("Issuer", "issuer", text(&self.issuer)),
            ("User", "user", text(&self.user)),
            ("Service", "service", text(&self.service)),
            ("Container", "container", text(&self.container)),
            ("Algorithm", "algorithm", text(&self.algorithm)),
            ("Digits", "digits", number(self.digits)),
            ("Period", "period", number(self.period)),
            ("Suite", "suite", text(&self.suite)),
            ("PIN Type", "pin_type", text(&self.pin_type)),
            (
                "Push",
                "push",
                self.push.map(words::yes).unwrap_or_default().to_owned(),
            ),
            (
                "Approval",
                "push_verification",
                text(&self.push_verification),
            ),
            ("Autosend", "autosend", words::on(self.autosend).to_owned()),
            ("Policy String", "policy_name", text(&self.policy_name)),
            ("Policy Level", "policy_level", text(&self.policy_level)),
            (
                "Exportable",
                "exportable",
                self.exportable
                    .map(words::yes)
                    .unwrap_or_default()
                    .to_owned(),
            ),
            (
                "Enrolled",
                "created",
                self.created.map(|at| at.to_string()).unwrap_or_default(),
            ),
            (
                "Filled at",
                "origins",
                self.origins
                    .as_ref()
                    .map(|all| all.join(", "))
                    .unwrap_or_default(),
            ),
            ("Tries left", "tries_left", number(self.tries_left)),
            ("Finger", "biometric", text(&self.biometric)),
            ("PIN asked", "pin_asking", text(&self.pin_asking)),
            ("PIN rules", "pin_rules", text(&self.pin_rules)),
            (
                "PIN reset",
                "server_pin_due",
                self.server_pin_due
                    .map(words::yes)
                    .unwrap_or_default()
                    .to_owned(),
            ),
        ]
    }

    /// The same in the order for people: all about the PIN stands together.
    fn fields_for_people(&self) -> Vec<(&'static str, &'static str, String)> {
        let mut fields = self.fields();
        let about_the_pin = fields.split_off(fields.len().saturating_sub(PIN_FIELDS));
        let behind = fields
            .iter()
            .position(|(_, key, _)| *key == "pin_type")
            .map_or(fields.len(), |at| at.saturating_add(1));
        fields.splice(behind..behind, about_the_pin);
        fields
    }

    /// What a person reads for a key where it differs from what a script reads.
    fn said(&self, key: &str, word: String) -> String {
        match key {
            "mode" => words::mode(self.kind.mode).to_owned(),
            "state" => words::spaced(self.state.as_deref()),
            "pin_type" => words::pin(self.kind.pin).to_owned(),
            // Without a PIN there is nothing that a finger could stand for.
            "biometric" if self.kind.pin == api::PinType::None => String::new(),
            "biometric" => words::biometric(self.kind.biometric).to_owned(),
            "pin_asking" => words::pin_asking(self.kind.asking).to_owned(),
            "server_pin_due" if self.server_pin_due != Some(true) => String::new(),
            "server_pin_due" => "yes: `countersign pin change` chooses a new one".to_owned(),
            "period" if !word.is_empty() => format!("{word} s"),
            "push_verification" if self.push != Some(true) => String::new(),
            "created" => self
                .created
                .and_then(clock::from_seconds)
                .map(|at| clock::local(at, clock::now()))
                .unwrap_or_default(),
            _ => word,
        }
    }
}

impl Answer for Token {
    fn friendly(&self, style: &Style) -> String {
        let mut rows = Vec::new();
        for (label, key, word) in self.fields_for_people() {
            let words = self.said(key, word);
            let paint = match key {
                "name" => Paint::Name,
                "state" if self.kind.state == TokenState::Active => Paint::Good,
                "state" => Paint::Bad,
                _ => Paint::Plain,
            };
            if !words.is_empty() {
                rows.push((label, Cell::new(paint, &words)));
            }
        }
        let mut lines = pairs(&rows, style);
        if self.kind.mode == OtpMode::Unspecified {
            lines.push_str(&sealed(style));
        }
        lines
    }

    fn bare(&self) -> String {
        self.fields()
            .iter()
            .map(|(_, key, word)| super::table::tabbed(&[key, word]))
            .collect()
    }
}
