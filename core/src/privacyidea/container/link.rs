//! `pia://container/…`: what the QR code of a container says.

use core::time::Duration;

use super::super::{
    LinkError, LinkParameter, ServerUrl, Transport,
    parameters::{MAX_LINK, Parameters, label_and_query, part},
};

/// The one kind of key that servers ask for.
const KEY_ALGORITHM: &str = "secp384r1";
/// The one hash that servers ask for.
const HASH_ALGORITHM: &str = "SHA256";
/// Longest time stamp, in characters.
const MAX_TIME: usize = 64;

/// A container as its link carries it. The texts are the server's: show them through [`crate::text::display`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLink {
    /// The container's serial: letters, digits, `-`, `_` and `.` only.
    pub serial: String,
    /// The server's base address.
    pub url: ServerUrl,
    /// How well the server is known.
    pub transport: Transport,
    /// Good for one registration.
    pub nonce: String,
    /// When the link was made, as the server wrote it: it is signed.
    pub time: String,
    /// Who issued it; may be empty.
    pub issuer: String,
    /// How long the link is good for. The server's clock decides.
    pub ttl: Duration,
    /// What the user has to know beside the link.
    pub passphrase: Passphrase,
}

/// What the user has to know beside the link, and where it goes. The texts are the server's questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passphrase {
    /// Nothing.
    None,
    /// A word that the administrator has told; it is signed, and does not leave this computer.
    Signed(String),
    /// The user's password at the server: signed, and sent as well.
    Sent(String),
}

impl Passphrase {
    /// The server's question, if there is one to ask; may be empty.
    #[must_use]
    pub fn question(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Signed(question) | Self::Sent(question) => Some(question),
        }
    }
}

impl ContainerLink {
    /// Does the text begin like one? Said before anything is checked.
    #[must_use]
    pub fn looks_like_one(text: &str) -> bool {
        container_part(text.trim_start()).is_some()
    }

    /// Reads a link; white space around it does not matter.
    ///
    /// # Errors
    ///
    /// [`LinkError`] says what is wrong, in words for the one who scanned or pasted it.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        if text.len() > MAX_LINK {
            return Err(LinkError::TooLong);
        }
        let (_label, query) = label_and_query(container_part(text).ok_or(LinkError::NotContainer)?);
        let parameters = Parameters::read(query)?;
        for (parameter, known) in [
            (LinkParameter::KeyAlgorithm, KEY_ALGORITHM),
            (LinkParameter::HashAlgorithm, HASH_ALGORITHM),
        ] {
            let asked = parameters.get(parameter).unwrap_or(known);
            if !asked.eq_ignore_ascii_case(known) {
                return Err(LinkError::Value(parameter));
            }
        }
        let url = parameters.url()?;
        // Addresses are made by appending to it.
        if url.as_url().query().is_some() {
            return Err(LinkError::Url);
        }
        let time = parameters.one(LinkParameter::Time)?;
        if !is_time(time) {
            return Err(LinkError::Value(LinkParameter::Time));
        }
        Ok(Self {
            serial: parameters.serial()?.to_owned(),
            transport: parameters.transport(
                &url,
                LinkParameter::ContainerSslVerify,
                ["True", "False"],
            )?,
            url,
            nonce: parameters.one_time(LinkParameter::Nonce)?.to_owned(),
            time: time.to_owned(),
            issuer: parameters.name(LinkParameter::Issuer)?.to_owned(),
            ttl: parameters.ttl()?,
            passphrase: passphrase(&parameters)?,
        })
    }
}

/// What follows `pia://container/`.
fn container_part(text: &str) -> Option<&str> {
    part(text, &["pia"], "container")
}

fn passphrase(parameters: &Parameters) -> Result<Passphrase, LinkError> {
    let question = parameters.name(LinkParameter::Passphrase)?;
    // The server writes what its administrator's program gave it.
    let sent = parameters.get(LinkParameter::SendPassphrase);
    let sent = match sent.map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "1") => true,
        None | Some("" | "false" | "0") => false,
        Some(_) => return Err(LinkError::Value(LinkParameter::SendPassphrase)),
    };
    Ok(match (sent, question) {
        (true, question) => Passphrase::Sent(question.to_owned()),
        (false, "") => Passphrase::None,
        (false, question) => Passphrase::Signed(question.to_owned()),
    })
}

/// ISO 8601 in its letters: it is signed as it came, and `|` divides what is signed.
pub(super) fn is_time(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_digit() || "-+:.TZ".contains(letter);
    (1..=MAX_TIME).contains(&text.len()) && text.chars().all(fits)
}
