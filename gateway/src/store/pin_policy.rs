//! The stored form of a token's PIN policy. Its words never change, whatever the core calls things.

use countersign_core::pskc::{BiometricPin, PinEncoding, PinPlace, PinPolicy, TokenPin};
use serde::{Deserialize, Serialize};

use super::StoreError;

const WHAT: &str = "PIN policy";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Stored {
    None,
    Token {
        tries: u8,
        min_length: u8,
        max_length: u8,
        characters: Characters,
        biometric: Biometric,
    },
    Server {
        place: Place,
    },
    InPasscode,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Characters {
    Decimal,
    Hexadecimal,
    Alphanumeric,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Biometric {
    Allowed,
    Refused,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Prepend,
    Append,
}

pub(super) fn write(policy: PinPolicy) -> Result<String, StoreError> {
    let stored = match policy {
        PinPolicy::None => Stored::None,
        PinPolicy::Token(limits) => Stored::Token {
            tries: limits.max_failed_attempts,
            min_length: limits.min_length,
            max_length: limits.max_length,
            characters: match limits.encoding {
                PinEncoding::Decimal => Characters::Decimal,
                PinEncoding::Hexadecimal => Characters::Hexadecimal,
                PinEncoding::Alphanumeric => Characters::Alphanumeric,
            },
            biometric: match limits.biometric {
                BiometricPin::Allowed => Biometric::Allowed,
                BiometricPin::Refused => Biometric::Refused,
            },
        },
        PinPolicy::Server(place) => Stored::Server {
            place: match place {
                PinPlace::Prepend => Place::Prepend,
                PinPlace::Append => Place::Append,
            },
        },
        PinPolicy::InPasscode => Stored::InPasscode,
    };
    serde_json::to_string(&stored).map_err(|_unwritable| StoreError::Unreadable(WHAT))
}

pub(super) fn read(text: &str) -> Result<PinPolicy, StoreError> {
    let stored = serde_json::from_str(text).map_err(|_malformed| StoreError::Unreadable(WHAT))?;
    Ok(match stored {
        Stored::None => PinPolicy::None,
        Stored::Token {
            tries,
            min_length,
            max_length,
            characters,
            biometric,
        } => PinPolicy::Token(TokenPin {
            max_failed_attempts: tries,
            min_length,
            max_length,
            encoding: match characters {
                Characters::Decimal => PinEncoding::Decimal,
                Characters::Hexadecimal => PinEncoding::Hexadecimal,
                Characters::Alphanumeric => PinEncoding::Alphanumeric,
            },
            biometric: match biometric {
                Biometric::Allowed => BiometricPin::Allowed,
                Biometric::Refused => BiometricPin::Refused,
            },
        }),
        Stored::Server { place } => PinPolicy::Server(match place {
            Place::Prepend => PinPlace::Prepend,
            Place::Append => PinPlace::Append,
        }),
        Stored::InPasscode => PinPolicy::InPasscode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_stable() {
        let fingers = TokenPin {
            encoding: PinEncoding::Decimal,
            biometric: BiometricPin::Allowed,
            ..TokenPin::default()
        };
        for (policy, stored) in [
            (PinPolicy::None, r#""none""#),
            (
                PinPolicy::Token(fingers),
                r#"{"token":{"tries":5,"min_length":6,"max_length":64,"characters":"decimal","biometric":"allowed"}}"#,
            ),
            (
                PinPolicy::Server(PinPlace::Append),
                r#"{"server":{"place":"append"}}"#,
            ),
            (PinPolicy::InPasscode, r#""in_passcode""#),
        ] {
            assert_eq!(write(policy).unwrap(), stored);
            assert_eq!(read(stored).unwrap(), policy);
        }
        assert!(matches!(
            read(r#""biometric""#),
            Err(StoreError::Unreadable("PIN policy"))
        ));
    }
}
