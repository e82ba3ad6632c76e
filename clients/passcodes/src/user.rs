//! A user's name that can be a file's.

use core::{fmt, str::FromStr};

/// A user's name, as the system's user database writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserName(String);

/// A name that is none, or that would lead elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user's name has 1 to 128 printable characters, no / and no dot or hyphen at its start")]
pub struct UserNameError;

impl UserName {
    /// Longest name, in bytes.
    const LONGEST: usize = 128;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        let printable = text
            .chars()
            .all(|c| c != '/' && !c.is_control() && !c.is_whitespace());
        let in_bounds = (1..=Self::LONGEST).contains(&text.len());
        if printable && in_bounds && !text.starts_with(['.', '-']) {
            return Ok(Self(text.to_owned()));
        }
        Err(UserNameError)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for name in [
            "alice",
            "a.b-c_1$",
            "EXAMPLE\\alice",
            "alice@example.org",
            "zoë",
        ] {
            assert_eq!(name.parse::<UserName>().unwrap().as_str(), name);
        }
        let long = "a".repeat(129);
        for name in [
            "",
            ".",
            "..",
            "../shadow",
            "a/b",
            ".alice.new",
            "-rf",
            "a\nb",
            "a b",
            "a\0",
            "a\u{1b}",
            &long,
        ] {
            assert_eq!(name.parse::<UserName>(), Err(UserNameError), "{name:?}");
        }
    }
}
