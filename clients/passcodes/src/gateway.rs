//! What the module and its child say to each other about one login at a gateway: one question, then words.
//!
//! The child's words are few and short on purpose: it talks to the network, and nothing of the network's is to reach the program
//! that lets people in.

use core::{fmt, str::FromStr};

use countersign_core::secret::{SecretBytes, SecretText};

/// Where the settings lie: root's alone, since they hold the front's key.
pub const SETTINGS: &str = "/etc/countersign/pam/gateway.toml";
/// Where the child lies.
pub const PROGRAM: &str = "/usr/libexec/countersign/countersign-pam-gateway";
/// Longest field of a question, in bytes.
pub const LONGEST_FIELD: usize = 256;
/// Longest question, in bytes.
pub const LONGEST_QUESTION: usize = 2048;
/// Longest word, in bytes, with its line feed.
pub const LONGEST_WORD: usize = 32;
/// What a question begins with.
const VERSION: u8 = 1;
/// Most digits of a number that is typed on the desktop.
const LONGEST_NUMBER: usize = 8;

/// Who wants to log in, and what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The user's name.
    pub user: String,
    /// The service that asks, e.g. `sshd`.
    pub service: String,
    /// Where the user is, as the service says it; may be empty.
    pub remote_host: String,
    /// What was typed; empty to ask the user's desktop.
    pub passcode: SecretText,
    /// The longest that it may take, in seconds.
    pub seconds: u8,
}

/// A question that cannot be asked, or is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no question: a field is too long, missing or no text")]
pub struct QuestionError;

impl Question {
    /// The bytes. They hold what was typed.
    ///
    /// # Errors
    /// [`QuestionError`]: a field is too long.
    pub fn encode(&self) -> Result<SecretBytes, QuestionError> {
        let mut bytes = Vec::with_capacity(LONGEST_QUESTION);
        bytes.extend([VERSION, self.seconds]);
        let fields = [
            self.user.as_str(),
            &self.service,
            &self.remote_host,
            self.passcode.expose(),
        ];
        for field in fields {
            if field.len() > LONGEST_FIELD {
                return Err(QuestionError);
            }
            let length = u16::try_from(field.len()).map_err(|_bounds| QuestionError)?;
            bytes.extend(length.to_be_bytes());
            bytes.extend(field.as_bytes());
        }
        Ok(SecretBytes::new(bytes))
    }

    /// Reads what [`Question::encode`] wrote.
    ///
    /// # Errors
    /// [`QuestionError`].
    pub fn decode(bytes: &SecretBytes) -> Result<Self, QuestionError> {
        let (&[version, seconds], mut rest) = bytes
            .expose()
            .split_first_chunk::<2>()
            .ok_or(QuestionError)?;
        if version != VERSION || bytes.len() > LONGEST_QUESTION {
            return Err(QuestionError);
        }
        let mut field = || {
            let (length, after) = rest.split_first_chunk::<2>().ok_or(QuestionError)?;
            let length = usize::from(u16::from_be_bytes(*length));
            if length > LONGEST_FIELD {
                return Err(QuestionError);
            }
            let (field, after) = after.split_at_checked(length).ok_or(QuestionError)?;
            rest = after;
            core::str::from_utf8(field).map_err(|_no_text| QuestionError)
        };
        let question = Self {
            user: field()?.to_owned(),
            service: field()?.to_owned(),
            remote_host: field()?.to_owned(),
            passcode: SecretText::from(field()?),
            seconds,
        };
        if rest.is_empty() {
            Ok(question)
        } else {
            Err(QuestionError)
        }
    }
}

/// What the child says. All but [`Word::Asked`] is its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The user's desktop shows the login. With a number the user has to type it there: one to eight digits.
    Asked(Option<String>),
    /// The gateway lets the user in.
    Accepted,
    /// It does not.
    Denied,
    /// It could not be asked, and the settings say that another way may be tried.
    Unavailable,
    /// It could not be asked, and the settings say that nobody is let in then.
    NotAsked,
    /// The settings or this computer are at fault.
    Fault,
}

/// A word that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a word of the gateway's program")]
pub struct WordError;

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(None) => f.write_str("asked"),
            Self::Asked(Some(number)) => write!(f, "asked {number}"),
            Self::Accepted => f.write_str("accepted"),
            Self::Denied => f.write_str("denied"),
            Self::Unavailable => f.write_str("unavailable"),
            Self::NotAsked => f.write_str("not-asked"),
            Self::Fault => f.write_str("fault"),
        }
    }
}

impl FromStr for Word {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        Ok(match text {
            "asked" => Self::Asked(None),
            "accepted" => Self::Accepted,
            "denied" => Self::Denied,
            "unavailable" => Self::Unavailable,
            "not-asked" => Self::NotAsked,
            "fault" => Self::Fault,
            other => Self::Asked(Some(
                other
                    .strip_prefix("asked ")
                    .and_then(number)
                    .ok_or(WordError)?,
            )),
        })
    }
}

impl Word {
    /// The login is shown; `number` is what the gateway wants to be typed there.
    #[must_use]
    pub fn asked(text: Option<&str>) -> Option<Self> {
        text.map_or(Some(Self::Asked(None)), |text| {
            number(text).map(|number| Self::Asked(Some(number)))
        })
    }
}

fn number(text: &str) -> Option<String> {
    let fits = (1..=LONGEST_NUMBER).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question {
            user: "alice".to_owned(),
            service: "sshd".to_owned(),
            remote_host: "2001:db8::7".to_owned(),
            passcode: SecretText::from("123456"),
            seconds: 30,
        }
    }

    #[test]
    fn a_question_arrives_as_it_was_asked() {
        let bytes = question().encode().unwrap();
        assert_eq!(Question::decode(&bytes).unwrap(), question());
        assert!(!format!("{:?}", question()).contains("123456"));
    }

    #[test]
    fn what_is_no_question_is_refused() {
        let whole = question().encode().unwrap();
        let whole = whole.expose();
        for length in 0..whole.len() {
            let part = SecretBytes::from(&whole[..length]);
            assert_eq!(Question::decode(&part), Err(QuestionError), "{length}");
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        assert_eq!(Question::decode(&longer.into()), Err(QuestionError));
        let mut other = whole.to_vec();
        other[0] = 2;
        assert_eq!(Question::decode(&other.into()), Err(QuestionError));
        let long = Question {
            user: "a".repeat(257),
            ..question()
        };
        assert_eq!(long.encode(), Err(QuestionError));
        assert_eq!(
            Question::decode(&vec![0xff; 9000].into()),
            Err(QuestionError)
        );
    }

    #[test]
    fn words_are_few_and_short() {
        for word in [
            Word::Asked(None),
            Word::Asked(Some("63".to_owned())),
            Word::Accepted,
            Word::Denied,
            Word::Unavailable,
            Word::NotAsked,
            Word::Fault,
        ] {
            let text = word.to_string();
            assert!(text.len() < LONGEST_WORD);
            assert_eq!(text.parse(), Ok(word));
        }
        for text in [
            "",
            "accepted ",
            "Accepted",
            "asked ",
            "asked 123456789",
            "asked 1\u{1b}",
            "asked x",
        ] {
            assert_eq!(text.parse::<Word>(), Err(WordError), "{text}");
        }
        assert_eq!(Word::asked(Some("63; rm")), None);
    }
}
