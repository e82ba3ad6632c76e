//! `countersign status`: what the agent is doing.

use countersign_proto::agent::v1::{
    self as api, BiometricState, InsecureTransport, SessionState, UnlockMode, VaultKey, VaultState,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{secrets::word_for_the_vault, session::Session};
use crate::{
    clock,
    exit::Failure,
    output::{
        Answer, Paint, Style,
        table::{Cell, pairs, paragraph, tabbed},
        words::{self, Word as _},
    },
    text,
};

/// Asks for it. A vault that is locked or unusable is an answer, not a failure.
pub(crate) async fn run(session: &Session) -> Result<(), Failure> {
    let reply = session.agent().await?.status().await?;
    session.output.answer(&Status::from(reply))
}

/// The period of most time-based tokens, in seconds.
const USUAL_PERIOD: u32 = 30;

#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: String,
    vault: Option<String>,
    vault_reason: Option<String>,
    vault_message: String,
    slots: Vec<String>,
    unlock: Option<String>,
    autosend: bool,
    tokens: u32,
    pending: u32,
    services: Vec<Service>,
    notification_server: String,
    locks_at: Option<i64>,
    session: Option<String>,
    pinentry: String,
    biometric: Option<String>,
    fingerprint: String,
    protection: Vec<String>,
    muted_until: Option<i64>,
    #[serde(skip)]
    kind: Kind,
}

/// The closed lists behind the words, for people.
#[derive(Debug)]
struct Kind {
    vault: VaultState,
    unlock: UnlockMode,
    slots: Vec<VaultKey>,
    session: SessionState,
    biometric: BiometricState,
    /// How the secret is called that a person types to unlock.
    secret: &'static str,
}

#[derive(Debug, Serialize)]
struct Service {
    name: String,
    host: String,
    connected: bool,
    connected_since: Option<i64>,
    last_contact: Option<i64>,
    clock_offset_ms: Option<i64>,
    trouble: String,
    retry_in_ms: Option<u64>,
    /// `plain_http` or `unverified_tls`: nobody vouches for it.
    insecure: Option<String>,
    /// It is asked now and then, not connected to all the time.
    polled: bool,
    #[serde(skip)]
    transport: InsecureTransport,
}

impl From<api::StatusReply> for Status {
    fn from(reply: api::StatusReply) -> Self {
        let kind = Kind {
            vault: reply.vault(),
            unlock: reply.unlock(),
            slots: reply.slots().collect(),
            session: reply.session(),
            biometric: reply.biometric(),
            secret: word_for_the_vault(&reply),
        };
        Self {
            vault: kind.vault.word(),
            vault_reason: reply.vault_reason().word(),
            vault_message: reply.vault_message,
            slots: kind.slots.iter().filter_map(|slot| slot.word()).collect(),
            unlock: kind.unlock.word(),
            autosend: reply.autosend,
            tokens: reply.tokens,
            pending: reply.pending,
            services: reply.services.into_iter().map(Service::from).collect(),
            notification_server: reply.notification_server,
            locks_at: reply.locks_at,
            session: kind.session.word(),
            pinentry: reply.pinentry,
            biometric: kind.biometric.word(),
            fingerprint: reply.fingerprint,
            protection: reply.protection,
            muted_until: reply.muted_until,
            version: reply.version,
            kind,
        }
    }
}

impl From<api::ServiceStatus> for Service {
    fn from(service: api::ServiceStatus) -> Self {
        let transport = service.insecure();
        Self {
            insecure: transport.word(),
            polled: service.polled,
            transport,
            name: service.name,
            host: service.host,
            connected: service.connected,
            connected_since: service.connected_since,
            last_contact: service.last_contact,
            clock_offset_ms: service.clock_offset_ms,
            trouble: service.trouble,
            retry_in_ms: service.retry_in_ms,
        }
    }
}

impl Status {
    fn vault(&self, now: Timestamp) -> Cell {
        let (paint, words) = match self.kind.vault {
            VaultState::Unlocked => (Paint::Good, format!("unlocked{}", self.locks(now))),
            VaultState::Locked => (
                Paint::Attention,
                "locked (`countersign unlock` opens it)".to_owned(),
            ),
            VaultState::Absent => (
                Paint::Attention,
                "none yet (`countersign setup` makes it)".to_owned(),
            ),
            VaultState::Unusable => (Paint::Bad, format!("unusable: {}", self.vault_message)),
            VaultState::Unspecified => (Paint::Attention, "unknown".to_owned()),
        };
        Cell::painted_long(paint, &words)
    }

    fn locks(&self, now: Timestamp) -> String {
        let Some(at) = self.locks_at.and_then(clock::from_seconds) else {
            return String::new();
        };
        let left = at.as_second().saturating_sub(now.as_second()).max(0);
        format!(", locks in {}", clock::span(left.unsigned_abs()))
    }

    fn opened_by(&self) -> String {
        let keys: Vec<&str> = self
            .kind
            .slots
            .iter()
            .map(|slot| words::vault_key(*slot))
            .collect();
        keys.join(", ")
    }

    /// What unlocking asks for.
    fn unlocking(&self) -> Cell {
        match self.kind.unlock {
            UnlockMode::Session => {
                Cell::new(Paint::Attention, "opens with your session; no PIN is asked")
            }
            UnlockMode::Pin => Cell::plain(&format!("asks for the {}", self.kind.secret)),
            UnlockMode::Unspecified => Cell::default(),
        }
    }

    /// What a finger may do, and whether one can be asked for.
    fn finger(&self) -> Cell {
        let (paint, may) = match self.kind.biometric {
            BiometricState::Unspecified => (Paint::Plain, ""),
            BiometricState::Refused => (Paint::Plain, "does not unlock"),
            BiometricState::Off => (Paint::Plain, "off (`countersign biometric on`)"),
            BiometricState::Ready => (Paint::Good, "unlocks"),
            BiometricState::PinDue => (Paint::Attention, "unlocks once the PIN was typed again"),
        };
        let words = match (may, self.fingerprint.as_str()) {
            (may, "") => may.to_owned(),
            ("", found) => found.to_owned(),
            (may, found) => format!("{may}; {found}"),
        };
        Cell::painted_long(paint, &words)
    }

    fn session(&self) -> Cell {
        match self.kind.session {
            SessionState::Unspecified => Cell::default(),
            SessionState::Unknown => Cell::plain("unknown: logind does not answer"),
            SessionState::Open => Cell::plain("open"),
            SessionState::Locked => Cell::new(Paint::Attention, "locked"),
        }
    }

    fn dialogs(&self) -> Cell {
        // An agent that tells of no session is one of before there were dialogs.
        match (self.pinentry.as_str(), self.kind.session) {
            ("", SessionState::Unspecified) => Cell::default(),
            ("", _) => Cell::painted_long(
                Paint::Attention,
                "none: pinentry is not installed, PINs are asked for on the terminal",
            ),
            (program, _) => Cell::painted_long(Paint::Plain, program),
        }
    }

    /// The lines about what protects the agent, broken where the terminal ends.
    fn protection(&self, style: &Style) -> String {
        if self.protection.is_empty() {
            return String::new();
        }
        let mut lines = format!("\n{}\n", style.paint(Paint::Faint, "Protection"));
        for sentence in &self.protection {
            lines.push_str(&paragraph(sentence, "  ", style.width()));
        }
        lines
    }
}

impl Service {
    /// Its name and where it is, once if both are the same.
    fn title(&self, style: &Style) -> String {
        let name = style.paint(Paint::Name, &text::short(&self.name));
        let host = text::display(&self.host, 256);
        if self.name.is_empty() {
            style.paint(Paint::Name, &host)
        } else if self.host.is_empty() || self.host == self.name {
            name
        } else {
            format!("{name}  {}", style.paint(Paint::Faint, &host))
        }
    }

    /// Connected or not, since when, how the clocks differ.
    fn cell(&self, now: Timestamp) -> Cell {
        if !self.connected {
            let retry = self
                .retry_in_ms
                .map(|left| format!("; next try in {}", clock::span(left.div_ceil(1_000))))
                .unwrap_or_default();
            let why = if self.trouble.is_empty() {
                String::new()
            } else {
                format!(": {}", self.trouble)
            };
            let state = if self.polled {
                "no answer"
            } else {
                "not connected"
            };
            return Cell::painted_long(
                Paint::Bad,
                &format!("{state}{why}{retry}{}", self.warning()),
            );
        }
        let since = self.connected_since.and_then(clock::from_seconds);
        let contact = self.last_contact.and_then(clock::from_seconds);
        let words = [
            Some(if self.polled { "answers" } else { "connected" }.to_owned()),
            since.map(|at| format!(" since {}", clock::local(at, now))),
            contact.map(|at| format!(", last contact {}", clock::ago(at, now))),
            self.clock_offset_ms.map(|offset| {
                clock::spoils(offset, USUAL_PERIOD).map_or_else(
                    || format!(", clock {offset:+} ms"),
                    |words| format!("; {words}: time-based passcodes may not be accepted"),
                )
            }),
        ];
        let words: String = words.into_iter().flatten().collect();
        let clock = self.clock_offset_ms;
        let clock = clock.and_then(|offset| clock::spoils(offset, USUAL_PERIOD));
        let paint = if self.warning().is_empty() && clock.is_none() {
            Paint::Good
        } else {
            Paint::Attention
        };
        Cell::painted_long(paint, &format!("{words}{}", self.warning()))
    }

    /// What is wrong with how it is talked to, connected or not.
    fn warning(&self) -> String {
        match words::insecure(self.transport) {
            "" => String::new(),
            warning => format!("; {warning}"),
        }
    }
}

impl Answer for Status {
    fn friendly(&self, style: &Style) -> String {
        let now = clock::now();
        let muted = self.muted_until.and_then(clock::from_seconds);
        let autosend = if let Some(until) = muted {
            let until = clock::local(until, now);
            Cell::new(Paint::Attention, &format!("muted until {until}"))
        } else if self.autosend {
            Cell::new(Paint::Good, "on")
        } else {
            Cell::new(Paint::Attention, "off: no login requests come")
        };
        let pending = if self.pending == 0 {
            Cell::plain("none pending")
        } else {
            Cell::new(Paint::Attention, &format!("{} pending", self.pending))
        };
        let notifications = if self.notification_server.is_empty() {
            Cell::new(Paint::Bad, "no notification server answers")
        } else {
            Cell::plain(&self.notification_server)
        };
        let mut rows = vec![
            (
                "Agent",
                Cell::plain(&format!("countersignd {}", self.version)),
            ),
            ("Vault", self.vault(now)),
            ("Opened by", Cell::long(&self.opened_by())),
            ("Unlocking", self.unlocking()),
            ("Fingerprint", self.finger()),
            ("Session", self.session()),
            ("PIN dialog", self.dialogs()),
        ];
        rows.retain(|(_, cell)| !cell.is_empty());
        rows.extend([
            ("Tokens", Cell::plain(&self.tokens.to_string())),
            ("Requests", pending),
            ("Autosend", autosend),
            ("Notifications", notifications),
        ]);
        let mut lines = pairs(&rows, style);
        for service in &self.services {
            lines.push('\n');
            lines.push_str(&service.title(style));
            lines.push('\n');
            lines.push_str(&pairs(&[(" ", service.cell(now))], style));
        }
        lines.push_str(&self.protection(style));
        lines
    }

    fn bare(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let number = |value: Option<i64>| value.map(|value| value.to_string()).unwrap_or_default();
        let mut lines: String = [
            ("version", self.version.clone()),
            ("vault", text(&self.vault)),
            ("vault_reason", text(&self.vault_reason)),
            ("vault_message", self.vault_message.clone()),
            ("slots", self.slots.join(",")),
            ("unlock", text(&self.unlock)),
            ("autosend", words::on(self.autosend).to_owned()),
            ("tokens", self.tokens.to_string()),
            ("pending", self.pending.to_string()),
            ("notification_server", self.notification_server.clone()),
            ("locks_at", number(self.locks_at)),
            ("session", text(&self.session)),
            ("pinentry", self.pinentry.clone()),
            ("biometric", text(&self.biometric)),
            ("fingerprint", self.fingerprint.clone()),
            ("muted_until", number(self.muted_until)),
        ]
        .iter()
        .map(|(key, word)| tabbed(&[key, word]))
        .collect();
        for sentence in &self.protection {
            lines.push_str(&tabbed(&["protection", sentence]));
        }
        for service in &self.services {
            let connected = words::yes(service.connected);
            lines.push_str(&tabbed(&[
                "service",
                &service.name,
                &service.host,
                connected,
                &service.trouble,
            ]));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    fn status() -> Status {
        Status::from(api::StatusReply {
            version: "0.1.0".to_owned(),
            vault: VaultState::Unlocked.into(),
            vault_reason: 0,
            vault_message: String::new(),
            slots: vec![VaultKey::SecretService.into(), VaultKey::Passphrase.into()],
            unlock: UnlockMode::Session.into(),
            autosend: true,
            tokens: 2,
            pending: 1,
            services: vec![api::ServiceStatus {
                insecure: InsecureTransport::Unspecified.into(),
                polled: false,
                name: "Example".to_owned(),
                host: "gateway.example:8443".to_owned(),
                connected: true,
                connected_since: Some(1_795_487_000),
                last_contact: Some(1_795_487_900),
                clock_offset_ms: Some(-12),
                trouble: String::new(),
                retry_in_ms: None,
            }],
            notification_server: "dunst 1.9.0".to_owned(),
            locks_at: None,
            session: SessionState::Open.into(),
            pinentry: "/usr/bin/pinentry-gnome3".to_owned(),
            biometric: BiometricState::Ready.into(),
            fingerprint: "2 fingers enrolled".to_owned(),
            protection: vec!["Memory is locked.".to_owned()],
            muted_until: None,
        })
    }

    #[test]
    fn the_json_shape_is_stable() {
        assert_eq!(
            json::line(&status()),
            concat!(
                r#"{"version":"0.1.0","vault":"unlocked","vault_reason":null,"vault_message":"","#,
                r#""slots":["secret_service","passphrase"],"unlock":"session","autosend":true,"#,
                r#""tokens":2,"pending":1,"services":[{"name":"Example","#,
                r#""host":"gateway.example:8443","connected":true,"connected_since":1795487000,"#,
                r#""last_contact":1795487900,"clock_offset_ms":-12,"trouble":"","retry_in_ms":null,"#,
                r#""insecure":null,"polled":false}],"#,
                r#""notification_server":"dunst 1.9.0","locks_at":null,"session":"open","#,
                r#""pinentry":"/usr/bin/pinentry-gnome3","biometric":"ready","#,
                r#""fingerprint":"2 fingers enrolled","protection":["Memory is locked."],"#,
                r#""muted_until":null}"#,
                "\n"
            )
        );
    }

    #[test]
    fn piped_there_is_a_key_and_a_value_a_line() {
        let bare = status().bare();
        assert!(bare.starts_with("version\t0.1.0\nvault\tunlocked\n"));
        assert!(bare.contains("\nlocks_at\t\nsession\topen\npinentry\t/usr/bin/pinentry-gnome3\n"));
        assert!(bare.contains(
            "\nfingerprint\t2 fingers enrolled\nmuted_until\t\nprotection\tMemory is locked.\n"
        ));
        assert!(bare.ends_with("service\tExample\tgateway.example:8443\tyes\t\n"));
    }

    #[test]
    fn an_unusable_vault_says_why() {
        let mut status = status();
        status.kind.vault = VaultState::Unusable;
        status.vault_message = "another host made it".to_owned();
        let shown = status.friendly(&Style::new(false, 80));
        assert!(shown.contains("unusable: another host made it"), "{shown}");
    }
}
