//! Reading a key package.

use core::str::FromStr;

use super::{
    KeyAlgorithm, KeyPackage, NAMESPACE, PskcError,
    read_policy::{TokenPolicy, policy_of},
    user_id, write,
};
use crate::{
    otp::{Digits, HashAlgorithm, OtpMode, Period, ocra},
    xml::{self, Child, Element},
};

impl KeyPackage {
    /// Reads a document with one `KeyContainer` that holds one key without its secret.
    ///
    /// # Errors
    /// [`PskcError`] says what is missing, wrong or not understood.
    pub fn from_xml(document: &[u8]) -> Result<Self, PskcError> {
        let root = xml::read(document)?;
        if !root.is(NAMESPACE, "KeyContainer") {
            return Err(PskcError::NotAContainer);
        }
        Self::from_container(&root)
    }

    /// Reads the content of a container, whatever the container's own name is.
    pub(crate) fn from_container(container: &Element) -> Result<Self, PskcError> {
        check_version(container)?;
        if is_signed(container) {
            return Err(PskcError::Unsupported("a signature"));
        }
        let Child::One(package) = container.child(NAMESPACE, "KeyPackage") else {
            return Err(PskcError::NotAContainer);
        };
        Self::from_package(package, Secret::Refused)
    }

    /// Reads one package of a container.
    pub(super) fn from_package(package: &Element, secret: Secret) -> Result<Self, PskcError> {
        let Child::One(key) = package.child(NAMESPACE, "Key") else {
            return Err(PskcError::NotAContainer);
        };
        let device = optional(package, "DeviceInfo")?;
        if let Some(device) = device
            && !matches!(device.child(NAMESPACE, "DeviceBinding"), Child::Absent)
        {
            return Err(PskcError::Unsupported("DeviceBinding"));
        }
        let serial = match device.map(|device| text(device, "SerialNo")).transpose()? {
            Some(serial) if !serial.is_empty() => serial,
            Some(_) | None => key
                .attribute("Id")
                .ok_or(PskcError::Missing("SerialNo"))?
                .to_owned(),
        };
        for item in ["KeyProfileId", "KeyReference"] {
            if !matches!(key.child(NAMESPACE, item), Child::Absent) {
                return Err(PskcError::Unsupported(item));
            }
        }

        let algorithm = key
            .attribute("Algorithm")
            .ok_or(PskcError::Missing("Algorithm"))?;
        let algorithm =
            KeyAlgorithm::from_str(algorithm.trim()).map_err(|_unknown| PskcError::Algorithm)?;
        let data = Data::read(optional(key, "Data")?, secret)?;
        let mode = mode(algorithm, optional(key, "AlgorithmParameters")?, &data)?;
        let counter = match (mode.uses_counter(), data.counter) {
            (true, Some(counter)) => counter,
            (true, None) => return Err(PskcError::Missing("Counter")),
            (false, _) => 0,
        };
        let policy = TokenPolicy::read(package)?;
        let pin = policy_of(optional(key, "Policy")?, algorithm, policy.biometric)?;

        let package = Self {
            manufacturer: device
                .map(|device| text(device, "Manufacturer"))
                .transpose()?
                .unwrap_or_default(),
            serial,
            issuer: text(key, "Issuer")?,
            friendly_name: text(key, "FriendlyName")?,
            user: user_id::from_name(&text(key, "UserId")?),
            mode,
            counter,
            pin,
            push: policy.push,
            number_matching: policy.number_matching,
            policy_name: policy.name,
            policy_level: policy.level,
            exportable: policy.exportable,
        };
        package.check()?;
        Ok(package)
    }
}

/// May the package hold its secret?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    /// It stands in the file, and is read by itself ([`super::KeyContainer`]).
    Beside,
    /// None may travel in it.
    Refused,
}

pub(super) fn check_version(container: &Element) -> Result<(), PskcError> {
    if container.attribute("Version").map(str::trim) == Some("1.0") {
        Ok(())
    } else {
        Err(PskcError::NotAContainer)
    }
}

pub(super) fn is_signed(container: &Element) -> bool {
    container
        .children
        .iter()
        .any(|child| child.name.local == "Signature")
}

pub(super) fn optional<'a>(
    parent: &'a Element,
    name: &'static str,
) -> Result<Option<&'a Element>, PskcError> {
    match parent.child(NAMESPACE, name) {
        Child::Absent => Ok(None),
        Child::One(child) => Ok(Some(child)),
        Child::Several => Err(PskcError::Repeated(name)),
    }
}

/// The text of a child; empty if it is not there.
pub(super) fn text(parent: &Element, name: &'static str) -> Result<String, PskcError> {
    let child = optional(parent, name)?;
    if child.is_some_and(|child| !child.children.is_empty()) {
        return Err(PskcError::Invalid(name));
    }
    Ok(child
        .map(|child| child.trimmed().to_owned())
        .unwrap_or_default())
}

/// `Data` without its secret.
#[derive(Default)]
struct Data {
    counter: Option<u64>,
    interval: Option<u64>,
}

impl Data {
    fn read(data: Option<&Element>, secret: Secret) -> Result<Self, PskcError> {
        let Some(data) = data else {
            return Ok(Self::default());
        };
        let inside = !matches!(data.child(NAMESPACE, "Secret"), Child::Absent);
        if inside && secret == Secret::Refused {
            return Err(PskcError::SecretInside);
        }
        // T0 other than the epoch and a known drift are states of a server that we do not take over.
        for name in ["Time", "TimeDrift"] {
            if !matches!(plain_number(data, name)?, None | Some(0)) {
                return Err(PskcError::Unsupported(name));
            }
        }
        Ok(Self {
            counter: plain_number(data, "Counter")?,
            interval: plain_number(data, "TimeInterval")?,
        })
    }
}

fn plain_number(data: &Element, name: &'static str) -> Result<Option<u64>, PskcError> {
    let Some(item) = optional(data, name)? else {
        return Ok(None);
    };
    if !matches!(item.child(NAMESPACE, "EncryptedValue"), Child::Absent) {
        return Err(PskcError::Unsupported("EncryptedValue"));
    }
    let value = optional(item, "PlainValue")?.ok_or(PskcError::Missing("PlainValue"))?;
    number(value.trimmed(), name).map(Some)
}

/// Digits only: no sign, no other notation.
pub(super) fn number<N: FromStr>(text: &str, name: &'static str) -> Result<N, PskcError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PskcError::Invalid(name));
    }
    text.parse().map_err(|_too_large| PskcError::Invalid(name))
}

fn mode(
    algorithm: KeyAlgorithm,
    parameters: Option<&Element>,
    data: &Data,
) -> Result<OtpMode, PskcError> {
    let parameters = parameters.ok_or(PskcError::Missing("AlgorithmParameters"))?;
    let suite = text(parameters, "Suite")?;
    let response = optional(parameters, "ResponseFormat")?;
    if let KeyAlgorithm::Ocra1 = algorithm {
        let suite: ocra::Suite = suite
            .parse()
            .map_err(|_unknown| PskcError::Invalid("Suite"))?;
        check_challenge(&suite, optional(parameters, "ChallengeFormat")?)?;
        check_ocra_response(&suite, response)?;
        return Ok(OtpMode::Challenge { suite });
    }
    let hash = match suite.as_str() {
        "" => HashAlgorithm::Sha1,
        name => name
            .parse()
            .map_err(|_unknown| PskcError::Invalid("Suite"))?,
    };
    let response = response.ok_or(PskcError::Missing("ResponseFormat"))?;
    let (encoding, length) = format_of(response)?;
    if encoding != "DECIMAL" {
        return Err(PskcError::Unsupported(
            "a ResponseFormat other than DECIMAL",
        ));
    }
    let digits = u8::try_from(length)
        .ok()
        .and_then(|count| Digits::try_from(count).ok())
        .ok_or(PskcError::Invalid("ResponseFormat"))?;
    if let KeyAlgorithm::Hotp = algorithm {
        return Ok(OtpMode::Event { hash, digits });
    }
    let period = match data.interval {
        None => Period::THIRTY,
        Some(secs) => u32::try_from(secs)
            .ok()
            .and_then(|secs| Period::try_from(secs).ok())
            .ok_or(PskcError::Invalid("TimeInterval"))?,
    };
    Ok(OtpMode::Time {
        hash,
        digits,
        period,
    })
}

fn format_of(response: &Element) -> Result<(&str, usize), PskcError> {
    no_check_digits(response)?;
    let encoding = response
        .attribute("Encoding")
        .ok_or(PskcError::Missing("ResponseFormat/@Encoding"))?;
    let length = response
        .attribute("Length")
        .ok_or(PskcError::Missing("ResponseFormat/@Length"))?;
    Ok((encoding, number(length, "ResponseFormat")?))
}

fn no_check_digits(format: &Element) -> Result<(), PskcError> {
    match format.attribute("CheckDigits") {
        None | Some("false" | "0") => Ok(()),
        Some(_) => Err(PskcError::Unsupported("CheckDigits")),
    }
}

/// The suite says it all; a format beside it must say the same.
fn check_challenge(suite: &ocra::Suite, format: Option<&Element>) -> Result<(), PskcError> {
    let Some(format) = format else { return Ok(()) };
    no_check_digits(format)?;
    let expected = suite.challenge_format();
    let max: Option<usize> = format
        .attribute("Max")
        .map(|max| number(max, "ChallengeFormat"))
        .transpose()?;
    if format.attribute("Encoding") != Some(write::challenge_encoding(expected.kind))
        || max.is_some_and(|max| max > expected.max)
    {
        return Err(PskcError::Invalid("ChallengeFormat"));
    }
    Ok(())
}

fn check_ocra_response(suite: &ocra::Suite, format: Option<&Element>) -> Result<(), PskcError> {
    let Some(format) = format else { return Ok(()) };
    let (encoding, length) = format_of(format)?;
    let agrees = suite.response().digits().map_or_else(
        || encoding == "HEXADECIMAL",
        |digits| encoding == "DECIMAL" && length == usize::from(digits.count()),
    );
    if agrees {
        Ok(())
    } else {
        Err(PskcError::Invalid("ResponseFormat"))
    }
}
