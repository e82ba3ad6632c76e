//! From the loose fields of an entry to a candidate, or to the reason why not.

use super::{Candidate, Entry, Refusal, Refused, bounded::Number};
use crate::{
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    otpauth::{OtherLink, OtpauthUri, UnlockDemand, base32_secret},
    pskc::{BiometricPin, Exportable, PinPolicy, TokenPin},
    secret::{SecretBytes, SecretText},
};

/// Longest issuer or account, in characters.
const MAX_NAME: usize = 256;
/// Longest secret, in bytes: a block of SHA-512.
const MAX_SECRET: usize = 128;

/// What kind of passcode an entry makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Time,
    Event,
    Other(OtherLink),
    Unknown,
}

impl Kind {
    /// The words of most formats.
    pub(super) fn named(name: &str) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "totp" => Self::Time,
            "hotp" => Self::Event,
            "steam" => Self::Other(OtherLink::Steam),
            "motp" => Self::Other(OtherLink::Motp),
            "yandex" | "yaotp" => Self::Other(OtherLink::Yandex),
            _ => Self::Unknown,
        }
    }
}

/// An entry as a file has it.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) kind: Kind,
    pub(super) issuer: &'a str,
    pub(super) account: &'a str,
    pub(super) secret: Result<SecretBytes, Refusal>,
    /// Empty: SHA-1.
    pub(super) hash: &'a str,
    pub(super) digits: Number,
    pub(super) period: Number,
    pub(super) counter: Number,
}

impl Draft<'_> {
    /// The entry.
    pub(super) fn finish(self) -> Entry {
        let (issuer, account) = names(self.issuer, self.account);
        match self.candidate(issuer.clone(), account.clone()) {
            Ok(candidate) => Entry::Token(candidate),
            Err(why) => Entry::Refused(Refused {
                issuer,
                account,
                why,
            }),
        }
    }

    fn candidate(self, issuer: String, account: String) -> Result<Candidate, Refusal> {
        let event = match self.kind {
            Kind::Time => false,
            Kind::Event => true,
            Kind::Other(link) => return Err(Refusal::Kind(link)),
            Kind::Unknown => return Err(Refusal::UnknownKind),
        };
        if [&issuer, &account]
            .into_iter()
            .any(|name| name.chars().count() > MAX_NAME)
        {
            return Err(Refusal::NameTooLong);
        }
        let secret = self.secret?;
        if secret.is_empty() {
            return Err(Refusal::NoSecret);
        }
        if secret.len() > MAX_SECRET {
            return Err(Refusal::SecretTooLong);
        }
        let hash = match self.hash.trim() {
            "" => HashAlgorithm::Sha1,
            name => name.parse().map_err(|_unknown| Refusal::Hash)?,
        };
        let digits = self.digits.or(6).and_then(|count| u8::try_from(count).ok());
        let digits = digits
            .and_then(|count| Digits::try_from(count).ok())
            .ok_or(Refusal::Digits)?;
        let (mode, counter) = if event {
            let counter = self.counter.or(0).ok_or(Refusal::Counter)?;
            (OtpMode::Event { hash, digits }, counter)
        } else {
            let period = self.period.or(30).and_then(|secs| u32::try_from(secs).ok());
            let period = period
                .and_then(|secs| Period::try_from(secs).ok())
                .ok_or(Refusal::Period)?;
            let mode = OtpMode::Time {
                hash,
                digits,
                period,
            };
            (mode, 0)
        };
        if i64::try_from(counter).is_err() {
            return Err(Refusal::Counter);
        }
        Ok(Candidate {
            name: String::new(),
            issuer,
            account,
            serial: String::new(),
            mode,
            secret,
            counter,
            pin: PinPolicy::None,
            exportable: Exportable::Yes,
            policy_name: String::new(),
            policy_level: String::new(),
        })
    }
}

/// A secret in base32.
pub(super) fn base32(text: Option<&SecretText>) -> Result<SecretBytes, Refusal> {
    let text = text.ok_or(Refusal::NoSecret)?;
    base32_secret(text.expose()).map_err(Refusal::from)
}

/// The entry of a link.
pub(super) fn of_link(link: &str) -> Entry {
    let refused = |why| {
        let (issuer, account) = label_of(link);
        Entry::Refused(Refused {
            issuer,
            account,
            why,
        })
    };
    let uri = match OtpauthUri::parse(link) {
        Ok(uri) => uri,
        Err(error) => return refused(error.into()),
    };
    if uri.two_step.is_some() {
        return refused(Refusal::TwoStep);
    }
    if i64::try_from(uri.counter).is_err() {
        return refused(Refusal::Counter);
    }
    let pin = match uri.demand {
        UnlockDemand::None => PinPolicy::None,
        UnlockDemand::PinOrFinger => PinPolicy::Token(TokenPin {
            biometric: BiometricPin::Allowed,
            ..TokenPin::default()
        }),
    };
    Entry::Token(Candidate {
        name: String::new(),
        issuer: uri.issuer,
        account: uri.account,
        serial: uri.serial,
        counter: uri.counter,
        mode: uri.mode,
        secret: uri.secret,
        pin,
        exportable: Exportable::Yes,
        policy_name: String::new(),
        policy_level: String::new(),
    })
}

/// The names in a link that is refused. Only where no secret can stand: between the type and the query.
fn label_of(link: &str) -> (String, String) {
    let start = link.trim_start();
    let is_otpauth = start
        .get(..10)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("otpauth://"));
    let label = start
        .get(10..)
        .filter(|_rest| is_otpauth)
        .and_then(|rest| rest.split_once('/'))
        .and_then(|(_kind, rest)| rest.split_once('?'))
        .map(|(label, _query)| label)
        .unwrap_or_default();
    let label = percent_encoding::percent_decode_str(label).decode_utf8_lossy();
    let label: String = label.chars().take(MAX_NAME).collect();
    names("", &label)
}

/// Many formats write `issuer:account` where the account stands, some with the issuer beside it and some without.
fn names(issuer: &str, account: &str) -> (String, String) {
    let (issuer, account) = (issuer.trim(), account.trim());
    match account.split_once(':') {
        Some((before, after))
            if issuer.is_empty() || before.trim().eq_ignore_ascii_case(issuer) =>
        {
            (before.trim().to_owned(), after.trim().to_owned())
        }
        Some(_) | None => (issuer.to_owned(), account.to_owned()),
    }
}
