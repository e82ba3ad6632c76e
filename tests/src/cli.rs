//! The real command line.

use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, bail};
use countersign_proto::agent::v1::Reason;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::{agent::Session, block_on, patiently, process, programs::program, terminal::Terminal};

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

/// A call that has not ended yet.
#[derive(Debug)]
pub struct Begun {
    words: String,
    call: JoinHandle<Result<Said>>,
}

impl Begun {
    /// Whether it still waits for something.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.call.is_finished()
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// As [`Cli::say`].
    pub fn said(self) -> Result<Said> {
        match self.call.join() {
            Ok(said) => said,
            Err(_panicked) => bail!("countersign {} was not heard to its end", self.words),
        }
    }

    /// Waits for its bare answer.
    ///
    /// # Errors
    ///
    /// As [`Cli::ask`].
    pub fn answer(self) -> Result<String> {
        let words = self.words.clone();
        answer(&words, &self.said()?)
    }

    /// Waits for its refusal for `reason`.
    ///
    /// # Errors
    ///
    /// As [`Cli::refused`].
    pub fn refused(self, reason: Reason) -> Result<Said> {
        let words = self.words.clone();
        refused(&words, self.said()?, reason)
    }
}

/// A call on a terminal. Killed on drop, by its own id.
#[derive(Debug)]
pub struct Typing {
    child: Child,
}

impl Typing {
    /// Waits for its exit code.
    ///
    /// # Errors
    ///
    /// It does not end in time.
    pub fn code(&mut self) -> Result<Option<i32>> {
        let ended = patiently("the end of countersign", self.child.wait())??;
        Ok(ended.code())
    }
}

fn answer(words: &str, said: &Said) -> Result<String> {
    if said.code != Some(0) {
        bail!(
            "countersign {words} ended with {:?}: {}",
            said.code,
            said.stderr
        );
    }
    Ok(said.stdout.trim_end().to_owned())
}

fn refused(words: &str, said: Said, reason: Reason) -> Result<Said> {
    let expected = i32::from(reason.exit_code());
    if said.code != Some(expected) || said.stderr.trim().is_empty() || !said.stdout.is_empty() {
        bail!(
            "countersign {words} should have been refused as {} ({expected}): {said:?}",
            reason.snake_case()
        );
    }
    Ok(said)
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
        answer(&words.join(" "), &self.say_with(words, input)?)
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
        refused(&words.join(" "), self.say_with(words, input)?, reason)
    }

    /// Runs it beside the test, which does meanwhile what it waits for.
    #[must_use]
    pub fn begin(&self, words: &[&str]) -> Begun {
        let (cli, own): (_, Vec<_>) = (
            self.clone(),
            words.iter().map(ToString::to_string).collect(),
        );
        let call = thread::spawn(move || {
            let words: Vec<_> = own.iter().map(String::as_str).collect();
            cli.say(&words)
        });
        Begun {
            words: words.join(" "),
            call,
        }
    }

    /// Runs it on `terminal`, which is its controlling terminal and its three streams.
    ///
    /// # Errors
    ///
    /// It cannot be run.
    pub fn begin_on(&self, terminal: &Terminal, words: &[&str]) -> Result<Typing> {
        let mut command = self.session.command("/usr/bin/setsid".into());
        command
            .args(["--ctty", "--wait"])
            .arg(program("countersign")?)
            .args(words)
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8")
            .stdin(terminal.device()?)
            .stdout(terminal.device()?)
            .stderr(terminal.device()?);
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        let child = block_on(async { command.spawn() })?;
        Ok(Typing { child })
    }
}
