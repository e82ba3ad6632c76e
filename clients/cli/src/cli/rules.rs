//! What can be typed about login requests that are not wanted.

use std::time::Duration;

use clap::{Args, Subcommand};
use countersign_proto::limits;

/// `mute`.
#[derive(Debug, Args)]
#[command(
    after_help = "While they are muted no login requests come, and login pages offer typing a passcode at once. It \
                        ends by itself."
)]
pub(crate) struct Mute {
    /// For how long, e.g. 30m, 2h, 1d; off ends it
    #[arg(value_name = "SPAN|off", value_parser = span)]
    pub(crate) span: MuteSpan,
}

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MuteSpan {
    /// No longer.
    Off,
    /// From now on; at least a second.
    For(Duration),
}

/// `block`.
#[derive(Debug, Subcommand)]
pub(crate) enum Block {
    /// List what is declined without a question
    List,
    /// Decline login requests for a resource
    Resource(BlockValue),
    /// Decline login requests from an address or network
    Address(BlockValue),
    /// Ask again for what a rule declines
    Remove(BlockRemove),
}

/// What is blocked.
#[derive(Debug, Args)]
pub(crate) struct BlockValue {
    /// The name that its login requests show, or an address like 203.0.113.7 or 203.0.113.0/24
    #[arg(value_name = "VALUE")]
    pub(crate) value: String,
}

/// `block remove`.
#[derive(Debug, Args)]
pub(crate) struct BlockRemove {
    /// The number that `countersign block list` shows
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

/// A number and a unit.
fn span(text: &str) -> Result<MuteSpan, String> {
    if text == "off" {
        return Ok(MuteSpan::Off);
    }
    let wrong = || "a number with s, m, h or d, at most 7d; or off".to_owned();
    let (digits, unit) = text
        .char_indices()
        .last()
        .and_then(|(at, unit)| Some((text.get(..at)?, unit)))
        .ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = Some(digits)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u64>().ok());
    let span = number
        .and_then(|number| number.checked_mul(seconds))
        .map(Duration::from_secs)
        .filter(|span| !span.is_zero() && span.as_secs() <= u64::from(limits::MUTE_SECONDS));
    span.map(MuteSpan::For).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_a_second_to_a_week() {
        for (text, seconds) in [("1s", 1), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800)] {
            assert_eq!(span(text), Ok(MuteSpan::For(Duration::from_secs(seconds))));
        }
        assert_eq!(span("off"), Ok(MuteSpan::Off));
        for text in [
            "",
            "m",
            "0m",
            "8d",
            "-1h",
            "+1h",
            "1",
            "1w",
            "1.5h",
            "1 h",
            "99999999999999999999h",
            "1\u{b5}",
        ] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
