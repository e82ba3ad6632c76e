//! The record as lines of text: a word and its values. Strict: what is not understood to the last line is refused, since
//! half a record would let in too many.

use core::{fmt::Write as _, str::FromStr};

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::{Factor, FarOff, Record, RecordError, TryLimit, record::LONGEST_SEED};
use crate::{
    otp::{
        Digits, OtpKind, Period,
        ocra::Suite,
        validation::{TimeParameters, TimeState},
    },
    secret::{SecretBytes, SecretText},
};

/// Longest text of a record, in bytes.
pub const MAX_TEXT: usize = 4096;
/// What the first line says.
const HEAD: &str = "countersign-passcode 1";

/// Why a text is no record. Nothing of the text is repeated: it holds the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than any record.
    #[error("the file is longer than any passcode record")]
    TooLong,
    /// Another first line.
    #[error(
        "the file does not begin with \"countersign-passcode 1\": made by another program, or a newer one"
    )]
    Head,
    /// A line that no record of this mode has.
    #[error("line {0} is none that a record of this mode has")]
    Line(usize),
    /// A line that stands there twice.
    #[error("\"{0}\" stands there twice")]
    Twice(&'static str),
    /// A line that is missing.
    #[error("\"{0}\" is missing")]
    Missing(&'static str),
    /// A value that is none.
    #[error("the value of \"{0}\" is not right")]
    Value(&'static str),
    /// Understood, and too weak.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The words that begin a line.
const WORDS: [&str; 13] = [
    "mode", "hash", "digits", "period", "suite", "seed", "drift", "last", "next", "far-off",
    "open", "limit", "tried",
];

impl Record {
    /// The text to store. It holds the seed.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        let mut text = String::with_capacity(MAX_TEXT);
        let seed = Zeroizing::new(BASE32_NOPAD.encode(self.seed.expose()));
        let mut line = |word: &str, value: &dyn core::fmt::Display| {
            // Writing to a string does not fail.
            let _infallible = writeln!(text, "{word} {value}");
        };
        line(HEAD, &"");
        line("mode", &self.mode().kind());
        match &self.factor {
            Factor::Time {
                parameters,
                state,
                far_off,
            } => {
                line("hash", &parameters.hash);
                line("digits", &parameters.digits.count());
                line("period", &parameters.period.secs());
                line("drift", &state.drift);
                if let Some(last) = state.last {
                    line("last", &last);
                }
                if let Some(FarOff { value, at_secs }) = far_off {
                    line("far-off", &format_args!("{value} {at_secs}"));
                }
            }
            Factor::Event {
                hash,
                digits,
                next,
                far_off,
            } => {
                line("hash", hash);
                line("digits", &digits.count());
                line("next", next);
                if let Some(FarOff { value, at_secs }) = far_off {
                    line("far-off", &format_args!("{value} {at_secs}"));
                }
            }
            Factor::Challenge { suite, next, open } => {
                line("suite", suite);
                line("next", next);
                if let Some(open) = open {
                    line("open", open);
                }
            }
        }
        line("seed", &seed.as_str());
        line("limit", &self.limit);
        for at in &self.tried {
            line("tried", at);
        }
        SecretText::new(text)
    }

    /// Reads what [`Record::to_text`] wrote; the order of the lines does not matter.
    ///
    /// # Errors
    /// [`TextError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let lines = Lines::read(text)?;
        let mode: OtpKind = lines.value("mode")?;
        let factor = match mode {
            OtpKind::Time => Factor::Time {
                parameters: TimeParameters {
                    hash: lines.value("hash")?,
                    digits: lines.digits()?,
                    period: lines.period()?,
                },
                state: TimeState {
                    drift: lines.value("drift")?,
                    last: lines.optional("last")?,
                },
                far_off: lines.far_off()?,
            },
            OtpKind::Event => Factor::Event {
                hash: lines.value("hash")?,
                digits: lines.digits()?,
                next: lines.value("next")?,
                far_off: lines.far_off()?,
            },
            OtpKind::Challenge => Factor::Challenge {
                suite: lines.value::<SuiteText>("suite")?.0,
                next: lines.value("next")?,
                open: lines.open()?,
            },
        };
        if let Factor::Challenge {
            suite,
            open: Some(open),
            ..
        } = &factor
        {
            suite
                .check_challenge(open)
                .map_err(|_does_not_fit| TextError::Value("open"))?;
        }
        let seed = lines.seed()?;
        let limit = lines.value("limit")?;
        let tried = lines.tried()?;
        lines.nothing_else(mode)?;
        Ok(Self::checked(seed, factor, limit, tried)?)
    }
}

/// A suite that was read; its errors repeat nothing either way.
struct SuiteText(Suite);

impl FromStr for SuiteText {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().map(Self).map_err(|_not_understood| ())
    }
}

/// The lines after the first: number, word, values.
struct Lines<'a>(Vec<(usize, &'static str, &'a str)>);

impl<'a> Lines<'a> {
    fn read(text: &'a str) -> Result<Self, TextError> {
        if text.len() > MAX_TEXT {
            return Err(TextError::TooLong);
        }
        let mut numbered = text.lines().zip(1_usize..);
        let head = numbered.next().map(|(line, _first)| line.trim_end());
        if head != Some(HEAD) {
            return Err(TextError::Head);
        }
        let mut lines: Vec<(usize, &'static str, &'a str)> = Vec::new();
        for (line, number) in numbered {
            let (word, value) = line.split_once(' ').ok_or(TextError::Line(number))?;
            let word = WORDS
                .into_iter()
                .find(|known| *known == word)
                .ok_or(TextError::Line(number))?;
            if word != "tried" && lines.iter().any(|(_, earlier, _)| *earlier == word) {
                return Err(TextError::Twice(word));
            }
            lines.push((number, word, value));
        }
        Ok(Self(lines))
    }

    fn text(&self, word: &'static str) -> Option<&'a str> {
        let found = self.0.iter().find(|(_, known, _)| *known == word);
        found.map(|(_, _, value)| *value)
    }

    fn optional<T: FromStr>(&self, word: &'static str) -> Result<Option<T>, TextError> {
        let parsed = self.text(word).map(str::parse).transpose();
        parsed.map_err(|_not_right| TextError::Value(word))
    }

    fn value<T: FromStr>(&self, word: &'static str) -> Result<T, TextError> {
        self.optional(word)?.ok_or(TextError::Missing(word))
    }

    fn digits(&self) -> Result<Digits, TextError> {
        let count: u8 = self.value("digits")?;
        Digits::try_from(count).map_err(|_bounds| TextError::Value("digits"))
    }

    fn period(&self) -> Result<Period, TextError> {
        let secs: u32 = self.value("period")?;
        Period::try_from(secs).map_err(|_bounds| TextError::Value("period"))
    }

    fn far_off(&self) -> Result<Option<FarOff>, TextError> {
        const WORD: &str = "far-off";
        let Some(text) = self.text(WORD) else {
            return Ok(None);
        };
        let (value, at_secs) = text.split_once(' ').ok_or(TextError::Value(WORD))?;
        Ok(Some(FarOff {
            value: value.parse().map_err(|_no_number| TextError::Value(WORD))?,
            at_secs: at_secs
                .parse()
                .map_err(|_no_number| TextError::Value(WORD))?,
        }))
    }

    fn open(&self) -> Result<Option<String>, TextError> {
        self.optional("open")
    }

    fn seed(&self) -> Result<SecretBytes, TextError> {
        let text = self.text("seed").ok_or(TextError::Missing("seed"))?;
        if text.len() > LONGEST_SEED.saturating_mul(2) {
            return Err(TextError::Value("seed"));
        }
        let seed = BASE32_NOPAD
            .decode(text.as_bytes())
            .map_err(|_damaged| TextError::Value("seed"))?;
        Ok(SecretBytes::new(seed))
    }

    fn tried(&self) -> Result<Vec<u64>, TextError> {
        let tried: Vec<u64> = self
            .0
            .iter()
            .filter(|(_, word, _)| *word == "tried")
            .map(|(_, _, value)| value.parse())
            .collect::<Result<_, _>>()
            .map_err(|_no_number| TextError::Value("tried"))?;
        if tried.len() > usize::from(TryLimit::MOST_TRIES) {
            return Err(TextError::Value("tried"));
        }
        Ok(tried)
    }

    /// A line of another mode would be one that counts for nothing.
    fn nothing_else(&self, mode: OtpKind) -> Result<(), TextError> {
        let known: &[&str] = match mode {
            OtpKind::Time => &["hash", "digits", "period", "drift", "last", "far-off"],
            OtpKind::Event => &["hash", "digits", "next", "far-off"],
            OtpKind::Challenge => &["suite", "next", "open"],
        };
        for (number, word, _) in &self.0 {
            if !["mode", "seed", "limit", "tried"].contains(word) && !known.contains(word) {
                return Err(TextError::Line(*number));
            }
        }
        Ok(())
    }
}
