//! `countersign enroll [STRING|-]`: adds a token.
//!
//! The agent reads the text first and says whom it would contact; nothing is contacted before the user
//! (or `--yes`) has accepted that host, and the agent holds the enrollment to it.

use std::io::{self, IsTerminal as _};

use countersign_proto::{
    agent::v1::{
        self as api, EnrollmentConfirmation, EnrollmentKind, InsecureTransport, OtpMode, PinType,
        Reason,
    },
    limits::{ENROLLMENT_TEXT, PASSPHRASE},
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    secrets::{Question, Rules, Secrets, Wanted},
    session::Session,
};
use crate::{
    cli,
    exit::Failure,
    output::{
        self, Answer, Paint, Style,
        container::ContainerSync,
        table::{Cell, pairs},
        token::Token,
        words,
    },
    prompt,
    secret_line::{self, Secret},
    text,
};

/// What an enrollment text is called in messages.
const WHAT: &str = "activation string";

/// Reads the text, shows the host, enrolls.
pub(crate) async fn run(arguments: cli::Enroll, session: &Session) -> Result<(), Failure> {
    let (secret, mut secrets) = read(arguments.text, arguments.pin_stdin, session).await?;
    let mut agent = session.agent().await?;
    let offer = agent.inspect_enrollment(secret.to_vec()).await?;
    let wanted = wanted(&offer);
    let name = arguments
        .name
        .unwrap_or_else(|| offer.suggested_name.clone());
    if !arguments.yes {
        confirm(&offer, &name, session).await?;
    }
    if !arguments.allow_insecure {
        confirm_insecure(&offer, session).await?;
    }
    let reply = loop {
        let attempt = api::EnrollRequest {
            text: secret.to_vec(),
            name: name.clone(),
            confirmed_host: offer.host.clone(),
            pin: if secrets.current().is_empty() {
                secrets.new_one()
            } else {
                secrets.current()
            },
            accepted_insecure: offer.insecure,
            confirmation: EnrollmentConfirmation::Unspecified.into(),
        };
        match session.patiently(agent.enroll(attempt)).await {
            Ok(reply) => break reply,
            Err(refusal) => secrets.after(refusal, &wanted, session).await?,
        }
    };
    if let Some(synced) = reply.container {
        return session.output.answer(&Registered {
            registered: synced.into(),
            vault_created: reply.vault_created,
        });
    }
    session.output.answer(&Enrolled {
        token: reply.token.unwrap_or_default().into(),
        vault_created: reply.vault_created,
        device_part: reply.device_part,
    })
}

/// What may have to be typed: a new PIN for the token, or the passphrase that belongs to a container's link.
fn wanted(offer: &api::InspectEnrollmentReply) -> Wanted {
    if offer.passphrase_question.is_empty() {
        return Wanted {
            new: Some("PIN"),
            rules: Rules::Said,
            ..Wanted::default()
        };
    }
    let question = text::sentence(&offer.passphrase_question);
    Wanted {
        current: Some(Question::new("passphrase", question)),
        ..Wanted::default()
    }
}

/// The text from where the user put it (the argument, standard input, or typed unseen), and the PIN that
/// standard input may hold as well.
async fn read(
    argument: Option<String>,
    pin_stdin: bool,
    session: &Session,
) -> Result<(Secret, Secrets), Failure> {
    match argument {
        Some(argument) if argument != "-" => {
            session.output.warn(
                "Other users of this machine can see the arguments of a program, and your shell may \
                 keep them. Next time give the string on standard input, or to the prompt.",
            );
            let argument = Zeroizing::new(argument.into_bytes());
            let text = secret_line::finish(WHAT, argument, ENROLLMENT_TEXT)?;
            let secrets = if pin_stdin {
                Secrets::given(secret_line::read("PIN", PASSPHRASE)?)
            } else {
                Secrets::default()
            };
            Ok((text, secrets))
        }
        None if io::stdin().is_terminal() => {
            let terminal = prompt::or_refuse(
                session.terminal(),
                Reason::Usage,
                "There is no activation string, and no terminal to ask for it on.",
                "Give it on standard input: `countersign enroll --yes < FILE`.",
            )?;
            if pin_stdin {
                return Err(Failure::usage(
                    "Standard input is the terminal, so no PIN is read from it.",
                    "Leave --pin-stdin out: the PIN is asked for.",
                ));
            }
            let question = "Activation string, enrollment link or otpauth URI (not shown)";
            let text = terminal.ask_hidden(WHAT, question, ENROLLMENT_TEXT).await?;
            Ok((text, Secrets::default()))
        }
        Some(_) | None if pin_stdin => {
            // Two line ends, and a byte more, so that what is too long is seen to be.
            let most = ENROLLMENT_TEXT.saturating_add(PASSPHRASE).saturating_add(5);
            let (text, pin) = parted(&secret_line::read_exactly_all(most)?)?;
            Ok((text, Secrets::given(pin)))
        }
        Some(_) | None => {
            let text = secret_line::read_all(WHAT, ENROLLMENT_TEXT)?;
            Ok((text, Secrets::default()))
        }
    }
}

/// The last line is the PIN, all before it the text: an activation string may have several lines.
fn parted(input: &Secret) -> Result<(Secret, Secret), Failure> {
    let owned = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
    let input = input.strip_suffix(b"\n").unwrap_or(input);
    let end = input.iter().rposition(|byte| *byte == b'\n');
    let Some((text, rest)) = end.and_then(|end| input.split_at_checked(end)) else {
        return Err(Failure::usage(
            "Standard input holds one line, so the activation string or the PIN is missing.",
            "With --pin-stdin the PIN is the last line, behind the string.",
        ));
    };
    let pin = rest.strip_prefix(b"\n").unwrap_or(rest);
    Ok((
        secret_line::finish(WHAT, owned(text.trim_ascii_end()), ENROLLMENT_TEXT)?,
        secret_line::finish("PIN", owned(pin), PASSPHRASE)?,
    ))
}

/// Shows whom the enrollment would contact and asks whether that is right.
async fn confirm(
    offer: &api::InspectEnrollmentReply,
    name: &str,
    session: &Session,
) -> Result<(), Failure> {
    let host = text::display(&offer.host, 256);
    let terminal = prompt::or_refuse(
        session.terminal(),
        Reason::EnrollmentNotConfirmed,
        &if host.is_empty() {
            "Nobody confirmed that this token is to be added, and there is no terminal to ask on."
                .to_owned()
        } else {
            format!(
                "Nobody confirmed that {host} is to be contacted, and there is no terminal to ask on."
            )
        },
        "Add --yes if that is right.",
    )?;
    let style = session.output.error_style();
    output::note(&format!("\n{}\n", card(offer, name, style)));
    let question = if host.is_empty() {
        "Add this token?".to_owned()
    } else if offer.user.is_empty() {
        format!("Connect to {host}?")
    } else {
        format!("Connect to {host} as {}?", text::short(&offer.user))
    };
    if terminal.confirm(&question).await? {
        Ok(())
    } else {
        Err(Failure::refused(
            Reason::EnrollmentNotConfirmed,
            "Nothing was enrolled and nobody was contacted.",
            "",
        ))
    }
}

/// What nobody vouches for is asked about by itself, and neither `--yes` nor the answer before counts for it.
async fn confirm_insecure(
    offer: &api::InspectEnrollmentReply,
    session: &Session,
) -> Result<(), Failure> {
    let host = text::display(&offer.host, 256);
    let danger = match offer.insecure() {
        InsecureTransport::Unspecified => return Ok(()),
        InsecureTransport::PlainHttp => format!(
            "The link leads to {host} without TLS: everybody on the way can read along, and answer in its place."
        ),
        InsecureTransport::UnverifiedTls => format!(
            "The link asks not to check the certificate of {host}: whoever answers there now is taken for it."
        ),
    };
    let terminal = prompt::or_refuse(
        session.terminal(),
        Reason::EnrollmentNotConfirmed,
        &danger,
        "Ask your administrator for another link; or add --allow-insecure if this is only a test.",
    )?;
    output::note(&format!("{danger}\n"));
    if terminal.confirm("Take that risk?").await? {
        Ok(())
    } else {
        Err(Failure::refused(
            Reason::EnrollmentNotConfirmed,
            "Nothing was enrolled and nobody was contacted.",
            "",
        ))
    }
}

fn card(offer: &api::InspectEnrollmentReply, name: &str, style: &Style) -> String {
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

/// The container, and the tokens that came with it.
#[derive(Debug, Serialize)]
struct Registered {
    #[serde(flatten)]
    registered: ContainerSync,
    vault_created: bool,
}

impl Answer for Registered {
    fn friendly(&self, style: &Style) -> String {
        let done = style.paint(Paint::Good, "Registration Complete");
        let vault = if self.vault_created { MADE } else { "" };
        format!("{done}\n{}{vault}", self.registered.said(style))
    }

    fn bare(&self) -> String {
        format!("{}\n", text::short(&self.registered.container.name))
    }
}

/// The vault came with it.
const MADE: &str = "The vault was made for it; `countersign status` shows what opens it.\n";

/// The new token.
#[derive(Debug, Serialize)]
struct Enrolled {
    token: Token,
    vault_created: bool,
    /// Two-step enrollment: for the user to type at the server.
    #[serde(skip_serializing_if = "String::is_empty")]
    device_part: String,
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
            OtpMode::Event | OtpMode::Challenge | OtpMode::Unspecified => String::new(),
        };
        let done = style.paint(Paint::Good, "Enrollment Complete");
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
    fn the_last_line_is_the_pin_and_the_rest_the_text() {
        let text = |input: &str| parted(&Zeroizing::new(input.as_bytes().to_vec())).unwrap();
        for (input, string, pin) in [
            ("string\n1234", "string", "1234"),
            ("one\r\ntwo\r\n1234", "one\r\ntwo", "1234"),
            ("string\n\n 12 34 \r\n", "string", " 12 34 "),
        ] {
            let (found, typed) = text(input);
            assert_eq!(found.as_slice(), string.as_bytes());
            assert_eq!(typed.as_slice(), pin.as_bytes());
        }
        let missing = parted(&Zeroizing::new(b"string".to_vec())).err().unwrap();
        assert_eq!(missing.reason(), Reason::Usage);
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
