//! The real command line.

use anyhow::{Context as _, Result, bail};
use countersign_proto::agent::v1::Reason;
use serde_json::Value;

use crate::{agent::Session, process, programs::program};

/// `countersign` in a session.
#[derive(Clone, Debug)]
pub struct Cli {
    session: Session,
}

/// What one call said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The exit code; absent when a signal ended it.
    pub code: Option<i32>,
    /// The bare answer.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl Cli {
    /// The command line of the user of `session`.
    #[must_use]
    pub fn new(session: &Session) -> Self {
        Self {
            session: session.clone(),
        }
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// It cannot be run, or does not end in time. A refusal is an answer, not an error.
    pub fn say(&self, words: &[&str]) -> Result<Said> {
        self.say_with(words, "")
    }

    /// Runs it with a text as its stdin.
    ///
    /// # Errors
    ///
    /// As [`Cli::say`].
    pub fn say_with(&self, words: &[&str], input: &str) -> Result<Said> {
        let mut command = self.session.command(program("countersign")?);
        command.args(words);
        let output = process::output(command, input.as_bytes())?;
        Ok(Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Runs it and returns its bare answer.
    ///
    /// # Errors
    ///
    /// As [`Cli::say`], and when it refuses.
    pub fn ask(&self, words: &[&str]) -> Result<String> {
        self.ask_with(words, "")
    }

    /// [`Cli::ask`] with a text as its stdin.
    ///
    /// # Errors
    ///
    /// As [`Cli::ask`].
    pub fn ask_with(&self, words: &[&str], input: &str) -> Result<String> {
        let said = self.say_with(words, input)?;
        if said.code != Some(0) {
            bail!(
                "countersign {} ended with {:?}: {}",
                words.join(" "),
                said.code,
                said.stderr
            );
        }
        Ok(said.stdout.trim_end().to_owned())
    }

    /// Runs it with `--json`.
    ///
    /// # Errors
    ///
    /// As [`Cli::ask`], and when the answer is no JSON.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        let mut all = words.to_vec();
        all.push("--json");
        let text = self.ask(&all)?;
        serde_json::from_str(&text)
            .with_context(|| format!("countersign {}: {text}", words.join(" ")))
    }

    /// Runs it and expects a refusal for `reason`: its exit code, a sentence on stderr, nothing on stdout.
    ///
    /// # Errors
    ///
    /// It said something else.
    pub fn refused(&self, words: &[&str], input: &str, reason: Reason) -> Result<Said> {
        let said = self.say_with(words, input)?;
        let expected = i32::from(reason.exit_code());
        if said.code != Some(expected) || said.stderr.trim().is_empty() || !said.stdout.is_empty() {
            bail!(
                "countersign {} should have been refused as {} ({expected}): {said:?}",
                words.join(" "),
                reason.snake_case()
            );
        }
        Ok(said)
    }
}
