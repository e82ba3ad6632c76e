//! `countersign export FILE [TOKEN…]`: tokens as a file, for the user alone.
//!
//! Invariant: the file is made anew with mode 0600; one that is there is never written to.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use countersign_client::ExportedFile;
use countersign_proto::{
    agent::v1::{self as api, ExportFormat, Reason},
    limits::PASSPHRASE,
};
use serde::Serialize;

use super::{
    secrets::{Question, Secrets, Wanted},
    session::Session,
};
use crate::{
    cli::{self, FileFormat},
    exit::Failure,
    output::{Answer, Paint, Style, words},
    prompt,
    secret_line::{self, Secret},
    text,
};

/// Asks for what is needed, lets the agent export, writes the file.
pub(crate) async fn run(arguments: cli::Export, session: &Session) -> Result<(), Failure> {
    refuse_existing(&arguments.file)?;
    let format = match arguments.format {
        FileFormat::Encrypted => ExportFormat::Encrypted,
        FileFormat::Pskc => ExportFormat::Pskc,
        FileFormat::UriList => ExportFormat::UriList,
    };
    let passphrase = if format == ExportFormat::UriList {
        if arguments.passphrase_stdin {
            return Err(Failure::usage(
                "A list of links is not encrypted, so it has no passphrase.",
                "Leave --passphrase-stdin out, or --format.",
            ));
        }
        confirm_plain(arguments.yes, session).await?;
        Secret::default()
    } else {
        passphrase(arguments.passphrase_stdin, session).await?
    };
    let mut agent = session.agent().await?;
    let status = agent.status().await?;
    let wanted = Wanted {
        current: Some(Question::of_the_vault(&status)),
        ..Wanted::default()
    };
    let mut secrets = Secrets::begin(arguments.pin_stdin, &wanted)?;
    let file = loop {
        let attempt = api::ExportRequest {
            format: format.into(),
            tokens: arguments.tokens.clone(),
            passphrase: passphrase.to_vec(),
            pin: secrets.current(),
        };
        match session.patiently(agent.export(attempt)).await {
            Ok(file) => break file,
            Err(refusal) => secrets.after(refusal, &wanted, session).await?,
        }
    };
    write(&arguments.file, &file)?;
    session.output.answer(&Exported {
        file: text::display(&arguments.file.to_string_lossy(), 4096),
        tokens: file.tokens,
        left_out: file
            .left_out
            .iter()
            .map(|why| text::sentence(why))
            .collect(),
        is_plain: format == ExportFormat::UriList,
    })
}

/// The passphrase of the file: from standard input, or typed twice.
async fn passphrase(from_stdin: bool, session: &Session) -> Result<Secret, Failure> {
    if from_stdin {
        return secret_line::read("passphrase", PASSPHRASE);
    }
    let terminal = prompt::or_refuse(
        session.terminal(),
        Reason::FilePassphraseRequired,
        "The file needs a passphrase, and there is no terminal to ask for it on.",
        "Give it on standard input, with --passphrase-stdin.",
    )?;
    terminal.ask_new("passphrase of the file", PASSPHRASE).await
}

/// Secrets in plain text are written only by somebody who has read what that means.
async fn confirm_plain(is_yes: bool, session: &Session) -> Result<(), Failure> {
    const DANGER: &str =
        "The file will hold the secrets in plain text: whoever reads it can make your passcodes.";
    if is_yes {
        if io::stderr().is_terminal() {
            session.output.warn(DANGER);
        }
        return Ok(());
    }
    let terminal = prompt::or_refuse(
        session.terminal(),
        Reason::NotConfirmed,
        DANGER,
        "Add --yes if that is what you want; or leave --format out, and the file is encrypted.",
    )?;
    session.output.warn(DANGER);
    if terminal.confirm("Write it in plain text?").await? {
        Ok(())
    } else {
        Err(Failure::cancelled("Nothing was exported."))
    }
}

/// Before anybody is asked for anything.
fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(exists(path));
    }
    Ok(())
}

fn exists(path: &Path) -> Failure {
    Failure::usage(
        format!(
            "{} is there already, and is not overwritten.",
            text::display(&path.to_string_lossy(), 200)
        ),
        "Name a file that is not there.",
    )
}

fn write(path: &Path, file: &ExportedFile) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let opened = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(path)),
        opened => opened.map_err(Failure::Write)?,
    };
    let written = write_all(&opened, file);
    if written.is_err() {
        // Half a file helps nobody; if it cannot be removed, the error below is the one that matters.
        let _left_behind = fs::remove_file(path).is_err();
    }
    written.map_err(Failure::Write)
}

fn write_all(mut opened: &File, file: &ExportedFile) -> io::Result<()> {
    opened.write_all(&file.data)?;
    opened.sync_all()
}

/// What was written.
#[derive(Debug, Serialize)]
struct Exported {
    file: String,
    tokens: u32,
    left_out: Vec<String>,
    #[serde(skip)]
    is_plain: bool,
}

impl Answer for Exported {
    fn friendly(&self, style: &Style) -> String {
        let count = words::count(u64::from(self.tokens), "token", "tokens");
        let file = style.paint(Paint::Name, &self.file);
        let mut shown = format!("{count} exported to {file}.\n");
        for why in &self.left_out {
            shown.push_str(&style.paint(Paint::Faint, &format!("Left out: {why}")));
            shown.push('\n');
        }
        shown.push_str(if self.is_plain {
            "Delete the file as soon as it is no longer needed.\n"
        } else {
            "`countersign import` reads it again, with its passphrase.\n"
        });
        shown
    }

    fn bare(&self) -> String {
        String::new()
    }
}
