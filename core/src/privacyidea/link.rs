//! `otpauth://pipush/…` and `pia://pipush/…`: what the QR code of a push token says.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    LinkError, LinkParameter, ServerUrl, Transport,
    parameters::{MAX_LINK, Parameters, bounded_name, decoded, label_and_query, part},
};
use crate::secret::SecretText;

/// A push token as its link carries it. The texts are the server's: show them through [`crate::text::display`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushLink {
    /// The token's serial: letters, digits, `-`, `_` and `.` only.
    pub serial: String,
    /// Where it is enrolled, polled and answered.
    pub url: ServerUrl,
    /// How well the server is known.
    pub transport: Transport,
    /// Good for one enrollment.
    pub credential: SecretText,
    /// Whose token; the serial where nothing else is said.
    pub label: String,
    /// Who issued it; may be empty.
    pub issuer: String,
    /// How long the link is good for. A hint only.
    pub ttl: Duration,
    /// What is asked of the user before a request is shown or answered.
    pub demand: Demand,
}

/// What an issuer asks for before a request is shown or answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// Nothing.
    #[default]
    None,
    /// A PIN or a finger (`pin=True`, `app_force_unlock=any` or `pin`).
    PinOrFinger,
    /// A finger (`app_force_unlock=biometric`).
    Finger,
}

impl PushLink {
    /// Does the text begin like one? Said before anything is checked.
    #[must_use]
    pub fn looks_like_one(text: &str) -> bool {
        push_part(text.trim_start()).is_some()
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
        let (label, query) = label_and_query(push_part(text).ok_or(LinkError::NotPush)?);
        let parameters = Parameters::read(query)?;
        if parameters.one(LinkParameter::Version)? != "1" {
            return Err(LinkError::Version);
        }
        let serial = parameters.serial()?;
        let credential = parameters.one_time(LinkParameter::Credential)?;
        let url = parameters.url()?;
        let label = decoded(label)?;
        let label = match bounded_name(&label)? {
            "" => serial,
            label => label,
        };
        Ok(Self {
            serial: serial.to_owned(),
            transport: parameters.transport(&url, LinkParameter::SslVerify, ["1", "0"])?,
            url,
            credential: credential.into(),
            label: label.to_owned(),
            issuer: parameters.name(LinkParameter::Issuer)?.to_owned(),
            ttl: parameters.ttl()?,
            demand: demand(&parameters)?,
        })
    }
}

/// What follows `otpauth://pipush/` or `pia://pipush/`.
fn push_part(text: &str) -> Option<&str> {
    part(text, &["otpauth", "pia"], "pipush")
}

fn demand(parameters: &Parameters) -> Result<Demand, LinkError> {
    let pin = match parameters.get(LinkParameter::Pin) {
        None => Demand::None,
        Some(text) if text.eq_ignore_ascii_case("false") => Demand::None,
        Some(text) if text.eq_ignore_ascii_case("true") => Demand::PinOrFinger,
        Some(_) => return Err(LinkError::Value(LinkParameter::Pin)),
    };
    match parameters.get(LinkParameter::ForceUnlock) {
        None => Ok(pin),
        Some("any" | "pin") => Ok(Demand::PinOrFinger),
        Some("biometric") => Ok(Demand::Finger),
        // What is not understood may be stricter than what is.
        Some(_) => Err(LinkError::Value(LinkParameter::ForceUnlock)),
    }
}
