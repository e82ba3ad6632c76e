//! The options that say by which rules a token lives: of `token add`, `policy add` and `policy set`.

use clap::{Args, ValueEnum};
use countersign_core::{
    otp::{Digits, HashAlgorithm, OtpMode, Period, ocra::Suite},
    pskc::{BiometricPin, Exportable, NumberMatching, PinEncoding, PinPlace, PinPolicy, TokenPin},
    token::{PushPolicy, VerificationLevel},
};

use super::Switch;
use crate::service::TokenRules;

/// The suite of a challenge-response token where none is named.
const SUITE_SHA1: &str = "OCRA-1:HOTP-SHA1-6:QN08";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// A new passcode every period (TOTP)
    Time,
    /// A new passcode each time one is asked for (HOTP)
    Event,
    /// A passcode for a challenge (OCRA)
    Challenge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pin {
    /// No PIN
    None,
    /// Chosen by the user, checked by the agent
    Token,
    /// Chosen by the user, checked by the gateway; 4 to 64 letters and digits
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Chars {
    /// Digits
    Decimal,
    /// Digits and the letters a to f
    Hexadecimal,
    /// Letters and digits
    Alphanumeric,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Biometric {
    /// The user may switch it on
    Allowed,
    /// Only the PIN itself
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Place {
    /// PIN, then passcode
    Prepend,
    /// Passcode, then PIN
    Append,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// A click alone
    Click,
    /// A PIN or passphrase, or more
    Pin,
    /// A finger, or more
    Finger,
    /// A PIN that a TPM has checked
    Tpm,
}

/// By which rules a token lives.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Rules {
    /// What it generates
    #[arg(long, value_enum, default_value_t = Mode::Time)]
    mode: Mode,
    /// How its PIN is checked; none unless said. Where the OCRA suite takes a PIN in (P), leave it out: the user
    /// chooses one as a server PIN, and a wrong one gives a wrong passcode
    #[arg(long, value_enum)]
    pin: Option<Pin>,
    /// Token PIN: fewest characters, 1 to 64 [default: 6]
    #[arg(long, value_name = "N")]
    pin_min: Option<u8>,
    /// Token PIN: most characters, up to 64 [default: 64]
    #[arg(long, value_name = "N")]
    pin_max: Option<u8>,
    /// Token PIN: which characters [default: alphanumeric]
    #[arg(long, value_enum)]
    pin_chars: Option<Chars>,
    /// Token PIN: wrong ones in a row after which the agent erases the token, 1 to 20 [default: 5]
    #[arg(long, value_name = "N")]
    pin_tries: Option<u8>,
    /// Token PIN: may a finger stand for it? [default: refused]
    #[arg(long, value_enum)]
    biometric: Option<Biometric>,
    /// Server PIN: where it stands in a typed passcode [default: prepend]
    #[arg(long, value_enum)]
    pin_place: Option<Place>,
    /// Hash inside the HMAC: sha1, sha256 or sha512
    #[arg(long)]
    hash: Option<HashAlgorithm>,
    /// Digits of a passcode, 4 to 10
    #[arg(long)]
    digits: Option<u8>,
    /// Seconds that a time-based passcode is good for
    #[arg(long, value_name = "S")]
    period: Option<u32>,
    /// OCRA suite of a challenge-response token
    #[arg(long, value_name = "OCRA")]
    suite: Option<Suite>,
    /// Does it answer login requests?
    #[arg(long, value_enum, default_value_t = Switch::On)]
    push: Switch,
    /// How sure the agent must be of the user before an approval
    #[arg(long, value_enum, default_value_t = Level::Pin)]
    push_level: Level,
    /// Must the number that a resource shows be typed into the agent?
    #[arg(long, value_enum, default_value_t = Switch::Off)]
    numbers: Switch,
    /// May the user export the token's seed?
    #[arg(long, value_enum, default_value_t = Switch::Off)]
    exportable: Switch,
}

impl Rules {
    /// The rules that the options say.
    ///
    /// # Errors
    ///
    /// Options that contradict each other.
    pub(in crate::cli) fn rules(&self) -> anyhow::Result<TokenRules> {
        let mode = self.mode()?;
        let level = match self.push_level {
            Level::Click => VerificationLevel::Click,
            Level::Pin => VerificationLevel::Pin,
            Level::Finger => VerificationLevel::Finger,
            Level::Tpm => VerificationLevel::Tpm,
        };
        Ok(TokenRules {
            pin: self.pin(&mode)?,
            push: match self.push {
                Switch::On => PushPolicy::Allowed(level),
                Switch::Off => PushPolicy::Off,
            },
            number_matching: match self.numbers {
                Switch::On => NumberMatching::Required,
                Switch::Off => NumberMatching::Off,
            },
            exportable: match self.exportable {
                Switch::On => Exportable::Yes,
                Switch::Off => Exportable::No,
            },
            mode,
        })
    }

    fn mode(&self) -> anyhow::Result<OtpMode> {
        let hash = self.hash.unwrap_or(HashAlgorithm::Sha1);
        let digits = self.digits.map(Digits::try_from).transpose()?;
        if self.mode != Mode::Time && self.period.is_some() {
            anyhow::bail!("--period is for --mode time only");
        }
        if self.mode != Mode::Challenge && self.suite.is_some() {
            anyhow::bail!("--suite is for --mode challenge only");
        }
        Ok(match self.mode {
            Mode::Time => OtpMode::Time {
                hash,
                digits: digits.unwrap_or(Digits::SIX),
                period: self
                    .period
                    .map(Period::try_from)
                    .transpose()?
                    .unwrap_or(Period::THIRTY),
            },
            Mode::Event => OtpMode::Event {
                hash,
                digits: digits.unwrap_or(Digits::SIX),
            },
            Mode::Challenge => OtpMode::Challenge {
                suite: self.suite(hash, digits)?,
            },
        })
    }

    fn suite(&self, hash: HashAlgorithm, digits: Option<Digits>) -> anyhow::Result<Suite> {
        let named = self.hash.is_some() || digits.is_some();
        match &self.suite {
            Some(_) if named => {
                anyhow::bail!("--suite says hash and digits already; leave out --hash and --digits")
            }
            Some(suite) => Ok(suite.clone()),
            None if named => {
                let digits = digits.unwrap_or(Digits::SIX).count();
                Ok(format!("OCRA-1:HOTP-{hash}-{digits}:QN08").parse()?)
            }
            None => Ok(SUITE_SHA1.parse()?),
        }
    }

    fn pin(&self, mode: &OtpMode) -> anyhow::Result<PinPolicy> {
        let computed = match mode {
            OtpMode::Challenge { suite } => suite.uses_pin().is_some(),
            OtpMode::Time { .. } | OtpMode::Event { .. } => false,
        };
        let of_token_pins = [
            ("--pin-min", self.pin_min.is_some()),
            ("--pin-max", self.pin_max.is_some()),
            ("--pin-chars", self.pin_chars.is_some()),
            ("--pin-tries", self.pin_tries.is_some()),
            ("--biometric", self.biometric.is_some()),
        ];
        if self.pin != Some(Pin::Token)
            && let Some((option, _)) = of_token_pins.into_iter().find(|(_, given)| *given)
        {
            anyhow::bail!("{option} is for --pin token only");
        }
        if self.pin != Some(Pin::Server) && self.pin_place.is_some() {
            anyhow::bail!("--pin-place is for --pin server only");
        }
        Ok(match self.pin {
            None if computed => PinPolicy::InPasscode,
            Some(_) if computed => anyhow::bail!(
                "this OCRA suite takes the PIN into the passcode; leave out --pin and --pin-place"
            ),
            None | Some(Pin::None) => PinPolicy::None,
            Some(Pin::Token) => PinPolicy::Token(self.token_pin()),
            Some(Pin::Server) => PinPolicy::Server(match self.pin_place {
                None | Some(Place::Prepend) => PinPlace::Prepend,
                Some(Place::Append) => PinPlace::Append,
            }),
        })
    }

    fn token_pin(&self) -> TokenPin {
        let default = TokenPin::default();
        TokenPin {
            max_failed_attempts: self.pin_tries.unwrap_or(default.max_failed_attempts),
            min_length: self.pin_min.unwrap_or(default.min_length),
            max_length: self.pin_max.unwrap_or(default.max_length),
            encoding: match self.pin_chars {
                None => default.encoding,
                Some(Chars::Decimal) => PinEncoding::Decimal,
                Some(Chars::Hexadecimal) => PinEncoding::Hexadecimal,
                Some(Chars::Alphanumeric) => PinEncoding::Alphanumeric,
            },
            biometric: match self.biometric {
                None => default.biometric,
                Some(Biometric::Allowed) => BiometricPin::Allowed,
                Some(Biometric::Refused) => BiometricPin::Refused,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        rules: Rules,
    }

    fn policy(arguments: &str) -> Result<PinPolicy, String> {
        let line = ["add"].into_iter().chain(arguments.split_whitespace());
        let rules = Line::try_parse_from(line)
            .map_err(|error| error.to_string())?
            .rules;
        rules
            .mode()
            .and_then(|mode| rules.pin(&mode))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn pin_types_come_from_the_command_line() {
        let usual = TokenPin::default();
        for (arguments, expected) in [
            ("", PinPolicy::None),
            ("--pin none", PinPolicy::None),
            ("--pin token", PinPolicy::Token(usual)),
            (
                "--pin token --pin-min 4 --pin-max 8 --pin-chars decimal --pin-tries 3 --biometric allowed",
                PinPolicy::Token(TokenPin {
                    max_failed_attempts: 3,
                    min_length: 4,
                    max_length: 8,
                    encoding: PinEncoding::Decimal,
                    biometric: BiometricPin::Allowed,
                }),
            ),
            ("--pin server", PinPolicy::Server(PinPlace::Prepend)),
            (
                "--mode event --pin server --pin-place append",
                PinPolicy::Server(PinPlace::Append),
            ),
            (
                "--mode challenge --suite OCRA-1:HOTP-SHA1-6:QN08-PSHA1",
                PinPolicy::InPasscode,
            ),
        ] {
            assert_eq!(policy(arguments), Ok(expected), "{arguments}");
        }
    }

    #[test]
    fn an_option_of_another_pin_type_is_refused() {
        for (arguments, sentence) in [
            ("--pin-min 4", "--pin-min is for --pin token only"),
            (
                "--pin server --biometric allowed",
                "--biometric is for --pin token only",
            ),
            (
                "--pin token --pin-place append",
                "--pin-place is for --pin server only",
            ),
            (
                "--mode challenge --suite OCRA-1:HOTP-SHA1-6:QN08-PSHA1 --pin server",
                "this OCRA suite takes the PIN into the passcode; leave out --pin and --pin-place",
            ),
        ] {
            assert_eq!(policy(arguments), Err(sentence.to_owned()), "{arguments}");
        }
    }
}
