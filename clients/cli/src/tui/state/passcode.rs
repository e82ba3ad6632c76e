//! A passcode that is on the screen, for a while.

use core::time::Duration;

use countersign_proto::agent::v1::{self as api, OtpMode};
use zeroize::Zeroizing;

use crate::{
    text,
    tui::event::{Now, PasscodeOf},
};

/// How long one stays that no clock ends.
const SHOWN: Duration = Duration::from_secs(30);

/// The passcode of one token.
pub(crate) struct Passcode {
    /// The token's id.
    pub(crate) token: String,
    /// What is typed into the login.
    pub(crate) digits: Zeroizing<String>,
    pub(crate) mode: OtpMode,
    /// When it goes from the screen.
    pub(crate) hides: Duration,
    /// How long it is shown, or good, in all.
    pub(crate) whole: Duration,
}

impl Passcode {
    /// One that has come just now.
    pub(crate) fn new(of: &PasscodeOf, reply: api::GeneratePasscodeReply, now: Now) -> Self {
        let mode = reply.mode();
        let good = reply
            .valid_for_ms
            .map(|left| Duration::from_millis(left.into()));
        let period = Duration::from_secs(reply.period.into());
        Self {
            token: of.id.clone(),
            digits: Zeroizing::new(text::short(&Zeroizing::new(reply.passcode))),
            mode,
            hides: now.at.saturating_add(good.unwrap_or(SHOWN)),
            whole: match good {
                Some(good) => period.max(good),
                None => SHOWN,
            },
        }
    }

    /// As it is read: in groups.
    pub(crate) fn grouped(&self) -> Zeroizing<String> {
        let letters = self.digits.chars().count();
        let group = match letters {
            0..=5 => letters.max(1),
            8 => 4,
            _ => 3,
        };
        let mut grouped =
            Zeroizing::new(String::with_capacity(self.digits.len().saturating_mul(2)));
        for (at, letter) in self.digits.chars().enumerate() {
            if at > 0 && at.is_multiple_of(group) {
                grouped.push(' ');
            }
            grouped.push(letter);
        }
        grouped
    }
}

impl core::fmt::Debug for Passcode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Passcode")
            .field("digits", &"[REDACTED]")
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::tui::samples::passcode;

    #[test]
    fn a_passcode_reads_in_groups() {
        for (digits, grouped) in [
            ("755224", "755 224"),
            ("12345678", "1234 5678"),
            ("1234", "1234"),
            ("1234567", "123 456 7"),
            ("", ""),
        ] {
            assert_eq!(*passcode(digits).grouped(), grouped);
        }
    }

    #[test]
    fn a_passcode_does_not_print() {
        assert!(!format!("{:?}", passcode("755224")).contains("755"));
    }
}
