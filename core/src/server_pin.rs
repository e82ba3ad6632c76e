//! A server PIN: chosen by the user at enrollment, checked by the service. The agent keeps it nowhere but in the
//! sealed frame that waits for the service's word.
//!
//! Pure: the rules that agent and service both hold to, and where the PIN stands in what the user types.

use core::ops::RangeInclusive;

use crate::{pskc::PinPlace, secret::SecretText};

/// How many characters a server PIN has.
pub const LENGTH: RangeInclusive<usize> = 4..=64;

/// The PIN does not meet the rules: ask for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server PIN has 4 to 64 letters and digits, without accents")]
pub struct ServerPinRulesError;

/// May the user choose this PIN? [`LENGTH`] characters, ASCII letters and digits: what every keyboard and every
/// login form can type.
///
/// # Errors
/// [`ServerPinRulesError`]: too short, too long, or another character.
pub fn check(pin: &SecretText) -> Result<(), ServerPinRulesError> {
    let pin = pin.expose().as_bytes();
    if LENGTH.contains(&pin.len()) && pin.iter().all(u8::is_ascii_alphanumeric) {
        Ok(())
    } else {
        Err(ServerPinRulesError)
    }
}

/// PIN and passcode of one text that the user typed; `passcode_len` is the length of the token's passcodes in
/// characters, which are all ASCII. None if the text has no room for both, or would be cut inside a character.
///
/// The length of the PIN is not looked at: one that is too short to be right is compared as every other.
#[must_use]
pub fn split(
    typed: &SecretText,
    place: PinPlace,
    passcode_len: usize,
) -> Option<(SecretText, SecretText)> {
    let text = typed.expose();
    let pin_len = text
        .len()
        .checked_sub(passcode_len)
        .filter(|len| *len > 0)?;
    let (pin, passcode) = match place {
        PinPlace::Prepend => text.split_at_checked(pin_len)?,
        PinPlace::Append => {
            let (passcode, pin) = text.split_at_checked(passcode_len)?;
            (pin, passcode)
        }
    };
    Some((pin.into(), passcode.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rules_are_four_to_sixty_four_letters_and_digits() {
        for good in ["1234", "aB3d", &"z".repeat(64)] {
            assert_eq!(check(&good.into()), Ok(()), "{good}");
        }
        for bad in ["", "123", "12 34", "12-34", "pässe", &"z".repeat(65)] {
            assert_eq!(check(&bad.into()), Err(ServerPinRulesError), "{bad}");
        }
    }

    #[test]
    fn the_place_and_the_length_of_the_passcode_decide() {
        let cut = |typed: &str, place| {
            split(&typed.into(), place, 6)
                .map(|(pin, passcode)| (pin.expose().to_owned(), passcode.expose().to_owned()))
        };
        let parts = |pin: &str, passcode: &str| Some((pin.to_owned(), passcode.to_owned()));
        assert_eq!(
            cut("1234755224", PinPlace::Prepend),
            parts("1234", "755224")
        );
        assert_eq!(cut("7552241234", PinPlace::Append), parts("1234", "755224"));
        for short in ["", "1234", "755224"] {
            assert_eq!(cut(short, PinPlace::Prepend), None, "{short}");
            assert_eq!(cut(short, PinPlace::Append), None, "{short}");
        }
        // Six bytes from the end is inside the second character.
        assert_eq!(cut("aä12345", PinPlace::Prepend), None);
    }

    proptest! {
        #[test]
        fn what_was_put_together_comes_apart(pin in "[0-9A-Za-z]{1,64}", passcode in "[0-9]{4,10}") {
            for (place, typed) in [
                (PinPlace::Prepend, format!("{pin}{passcode}")),
                (PinPlace::Append, format!("{passcode}{pin}")),
            ] {
                let (first, second) = split(&typed.into(), place, passcode.len()).unwrap();
                prop_assert_eq!(first.expose(), &pin);
                prop_assert_eq!(second.expose(), &passcode);
            }
        }

        #[test]
        fn no_text_makes_it_panic(typed in any::<String>(), len in 0_usize..130) {
            for place in [PinPlace::Prepend, PinPlace::Append] {
                if let Some((pin, passcode)) = split(&typed.clone().into(), place, len) {
                    let both = [pin.expose(), passcode.expose()].concat();
                    prop_assert_eq!(both.len(), typed.len());
                }
            }
        }
    }
}
