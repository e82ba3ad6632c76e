//! What is shown of an enrollment: whom it would contact, and the new token.

use countersign_proto::agent::v1::{
    self as api, EnrollmentKind, InsecureTransport, OtpMode, PinType,
};
use serde::Serialize;

use crate::{
    output::{
        Answer, Paint, Style,
        container::ContainerSync,
        table::{Cell, pairs},
        token::Token,
        words,
    },
    text,
};

/// Whom it would contact, for a person to decide by.
pub(super) fn card(offer: &api::InspectEnrollmentReply, name: &str, style: &Style) -> String {
    let trust = match (offer.kind(), offer.pinned, offer.insecure()) {
        (EnrollmentKind::Otpauth, _, _) => "nobody is contacted",
        (_, _, InsecureTransport::PlainHttp) => "none: no TLS",
        (_, _, InsecureTransport::UnverifiedTls) => "none: its certificate is not checked",
        (_, true, InsecureTransport::Unspecified) => "its key is part of the activation string",
        (_, false, InsecureTransport::Unspecified) => {
            "trusted by this system's certificate authorities"
        }
    };
    let tokens = match offer.kind() {
        EnrollmentKind::PrivacyideaContainer => {
            "this service adds and deletes them from then on, by itself"
        }
        EnrollmentKind::Unspecified
        | EnrollmentKind::ActivationString
        | EnrollmentKind::Otpauth
        | EnrollmentKind::PrivacyideaPush => "",
    };
    let mut rows = Vec::new();
    for (label, words, paint) in [
        ("  Service", offer.host.as_str(), Paint::Name),
        ("  Trust", trust, Paint::Plain),
        ("  Issuer", offer.issuer.as_str(), Paint::Plain),
        ("  User", offer.user.as_str(), Paint::Plain),
        ("  Name", name, Paint::Plain),
        ("  Tokens", tokens, Paint::Plain),
    ] {
        if !words.is_empty() {
            rows.push((label, Cell::new(paint, words)));
        }
    }
    pairs(&rows, style)
}

/// What an enrollment brought.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Brought {
    Token(Box<Enrolled>),
    Container(Box<Registered>),
}

impl From<api::EnrollReply> for Brought {
    fn from(reply: api::EnrollReply) -> Self {
        match reply.container {
            Some(synced) => Self::Container(Box::new(Registered {
                registered: synced.into(),
                vault_created: reply.vault_created,
            })),
            None => Self::Token(Box::new(Enrolled {
                token: reply.token.unwrap_or_default().into(),
                vault_created: reply.vault_created,
                device_part: reply.device_part,
            })),
        }
    }
}

impl Brought {
    /// For a notification: its heading, and what it is.
    pub(super) fn told(&self) -> (&'static str, String) {
        match self {
            Self::Token(enrolled) => (COMPLETE, enrolled.told()),
            Self::Container(registered) => (REGISTERED, registered.bare()),
        }
    }
}

impl Answer for Brought {
    fn friendly(&self, style: &Style) -> String {
        match self {
            Self::Token(enrolled) => enrolled.friendly(style),
            Self::Container(registered) => registered.friendly(style),
        }
    }

    fn bare(&self) -> String {
        match self {
            Self::Token(enrolled) => enrolled.bare(),
            Self::Container(registered) => registered.bare(),
        }
    }
}

const COMPLETE: &str = "Enrollment Complete";
const REGISTERED: &str = "Registration Complete";
/// The vault came with it.
const MADE: &str = "The vault was made for it; `countersign status` shows what opens it.\n";

/// The container, and the tokens that came with it.
#[derive(Debug, Serialize)]
pub(super) struct Registered {
    #[serde(flatten)]
    registered: ContainerSync,
    vault_created: bool,
}

impl Answer for Registered {
    fn friendly(&self, style: &Style) -> String {
        let done = style.paint(Paint::Good, REGISTERED);
        let vault = if self.vault_created { MADE } else { "" };
        format!("{done}\n{}{vault}", self.registered.said(style))
    }

    fn bare(&self) -> String {
        format!("{}\n", text::short(&self.registered.container.name))
    }
}

/// The new token.
#[derive(Debug, Serialize)]
pub(super) struct Enrolled {
    token: Token,
    vault_created: bool,
    /// Two-step enrollment: for the user to type at the server.
    #[serde(skip_serializing_if = "String::is_empty")]
    device_part: String,
}

impl Enrolled {
    /// For a notification: a line of what it is.
    fn told(&self) -> String {
        let token = &self.token;
        let mut words = format!(
            "{}: {}",
            text::short(&token.name),
            words::mode(token.kind.mode)
        );
        if !token.serial.is_empty() {
            words.push_str(", serial ");
            words.push_str(&text::short(&token.serial));
        }
        if token.push == Some(true) {
            words.push_str("\nLogin requests come as notifications.");
        }
        words
    }
}

impl Answer for Enrolled {
    fn friendly(&self, style: &Style) -> String {
        let token = &self.token;
        let push = match token.push {
            Some(true) => "login requests come as notifications",
            Some(false) => "no",
            None => "",
        };
        let rows: Vec<(&str, Cell)> = [
            ("  Name", token.name.as_str(), Paint::Name),
            ("  Mode", words::mode(token.kind.mode), Paint::Plain),
            ("  Serial", token.serial.as_str(), Paint::Plain),
            ("  Push", push, Paint::Plain),
            (
                "  PIN",
                match token.kind.pin {
                    PinType::Token | PinType::Server => words::pin(token.kind.pin),
                    PinType::None | PinType::Unspecified => "",
                },
                Paint::Plain,
            ),
        ]
        .into_iter()
        .filter(|(_, words, _)| !words.is_empty())
        .map(|(label, words, paint)| (label, Cell::new(paint, words)))
        .collect();
        let vault = if self.vault_created { MADE } else { "" };
        let next = match token.kind.mode {
            OtpMode::Time => {
                let name = text::short(&token.name);
                format!("Next: countersign code {}\n", quoted(&name))
            }
            OtpMode::Push => "Next: log in somewhere; `countersign requests --check` asks for the request at once.\n".to_owned(),
            OtpMode::Event | OtpMode::Challenge | OtpMode::Sudo | OtpMode::Unspecified => {
                String::new()
            }
        };
        let done = style.paint(Paint::Good, COMPLETE);
        let part = if self.device_part.is_empty() {
            String::new()
        } else {
            format!(
                "Type this at the server, which waits for it: {}\n",
                style.paint(Paint::Answer, &text::short(&self.device_part))
            )
        };
        format!("{done}\n{}{part}{vault}{next}", pairs(&rows, style))
    }

    fn bare(&self) -> String {
        let name = text::short(&self.token.name);
        if self.device_part.is_empty() {
            format!("{name}\n")
        } else {
            format!("{name}\n{}\n", text::short(&self.device_part))
        }
    }
}

/// A name as it is typed to a shell.
fn quoted(name: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_.@:".contains(letter);
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    #[test]
    fn a_name_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("Work"), "Work");
        assert_eq!(quoted("Work VPN"), "'Work VPN'");
        assert_eq!(quoted("$(x)'"), "'$(x)'\\'''");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_json_object_holds_the_token() {
        let enrolled = Enrolled {
            token: api::Token::default().into(),
            vault_created: true,
            device_part: String::new(),
        };
        let shown: serde_json::Value = serde_json::from_str(&json::line(&enrolled)).unwrap();
        assert_eq!(shown["vault_created"], true);
        assert!(shown["token"].is_object());
    }
}
