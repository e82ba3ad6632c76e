//! A dialog program that answers every question for yes or no as it is told, types nothing, and keeps what was asked.
//!
//! For tests of what a dialog says and of what follows; that people can read and press the real ones is shown elsewhere.

use std::{fs, path::PathBuf};

use anyhow::{Result, bail};
use percent_encoding::percent_decode_str;

use crate::{LOOK_EVERY, Workspace, patiently, process};

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Nothing: the dialog stays.
    Nothing,
}

/// The program, its answer, and what it was asked.
#[derive(Debug)]
pub struct Confirmations {
    program: PathBuf,
    answer: PathBuf,
    asked: PathBuf,
}

impl Confirmations {
    /// Answers yes from the beginning.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn new(workspace: &Workspace) -> Result<Self> {
        let this = Self {
            program: workspace.join("pinentry-told"),
            answer: workspace.join("pinentry.answer"),
            asked: workspace.join("pinentry.asked"),
        };
        fs::write(&this.asked, "")?;
        this.answer_with(Answer::Yes)?;
        let script = format!(
            "#!/bin/sh\necho OK\nwhile IFS= read -r line; do\n\
             case $line in\n\
             SETDESC*) printf '%s\\n' \"${{line#SETDESC }}\" >> '{asked}'; echo OK ;;\n\
             CONFIRM*) read -r said < '{answer}'; case $said in yes) echo OK ;;\n\
             no) echo 'ERR 83886179 Operation cancelled' ;; *) exec sleep 600 ;; esac ;;\n\
             GETPIN*) echo 'ERR 83886179 Operation cancelled' ;;\n\
             BYE*) echo OK; exit 0 ;;\n\
             *) echo OK ;;\n\
             esac\ndone\n",
            asked = this.asked.display(),
            answer = this.answer.display(),
        );
        // By another process: one that is just being made would hold the open file, and it could not be run.
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", r#"cat >"$0" && chmod 755 "$0""#])
            .arg(&this.program);
        let written = process::output(command, script.as_bytes())?;
        if !written.status.success() {
            bail!("the dialog program could not be written");
        }
        Ok(this)
    }

    /// The part of config.toml that makes it the agent's.
    #[must_use]
    pub fn config(&self) -> String {
        format!("[pinentry]\nprogram = \"{}\"\n", self.program.display())
    }

    /// From now on.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn answer_with(&self, answer: Answer) -> Result<()> {
        let word = match answer {
            Answer::Yes => "yes\n",
            Answer::No => "no\n",
            Answer::Nothing => "nothing\n",
        };
        Ok(fs::write(&self.answer, word)?)
    }

    /// What it was asked so far, oldest first.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn asked(&self) -> Result<Vec<String>> {
        let lines = fs::read_to_string(&self.asked)?;
        let decoded = lines
            .lines()
            .map(|line| Ok(percent_decode_str(line).decode_utf8()?.into_owned()));
        decoded.collect()
    }

    /// Waits until it was asked so often.
    ///
    /// # Errors
    ///
    /// It was not in time.
    pub fn wait_for(&self, times: usize) -> Result<()> {
        let asked = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while self.asked()?.len() < times {
                looks.tick().await;
            }
            anyhow::Ok(())
        };
        patiently("a question of the agent's", asked)?
    }
}
