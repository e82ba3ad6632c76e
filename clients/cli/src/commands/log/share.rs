//! `countersign log --share FILE.zip`: what a helpdesk needs to see, shown before it is written.
//!
//! Nothing here is secret: the agent's log and status hold no keys, PINs, passcodes or strings. They do hold names of
//! users, services and hosts, and the preview says so.

use std::{
    fs::OpenOptions,
    io::{Cursor, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use countersign_proto::agent::v1::{self as api, Reason};
use serde::Serialize;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{
    super::{list::TokenList, requests::RequestList, session::Session, status::Status},
    EventList,
};
use crate::{
    exit::Failure,
    output::{self, Answer, Paint, Style, json},
    prompt, text,
};

/// How many events go in.
const EVENTS: u32 = 1_000;

const README: &str = "What Countersign kept on this computer, for whoever helps.\n\n\
status.json    the agent, its vault and its services\n\
tokens.json    the tokens, without anything secret\n\
requests.json  the last login requests, and what became of them\n\
events.json    what happened, the newest first; times are Unix milliseconds\n\
events.txt     the same as lines, times in UTC\n\n\
There are no keys, PINs, passcodes or activation strings in it. There are names of users, tokens, services and\n\
hosts, and addresses that logins came from.\n";

/// Gathers, shows, asks, writes.
pub(super) async fn run(file: &Path, yes: bool, session: &Session) -> Result<(), Failure> {
    let mut agent = session.agent().await?;
    let events = EventList::from(agent.list_events(EVENTS).await?);
    let tokens = TokenList::from(agent.list_tokens().await?);
    let history = api::ListLoginRequestsRequest {
        history: true,
        check: false,
    };
    let mut requests = agent.list_login_requests(history).await?.requests;
    for request in &mut requests {
        // What is typed on a login page is nobody else's.
        request.display_code.clear();
    }
    let requests = RequestList::from(requests);
    let status = Status::from(agent.status().await?);
    let lines = events.bare();
    let parts = [
        ("README.txt", README.to_owned()),
        ("status.json", json::line(&status)),
        ("tokens.json", json::line(&tokens)),
        ("requests.json", json::line(&requests)),
        ("events.json", json::line(&events)),
        ("events.txt", lines),
    ];
    if !yes {
        let terminal = prompt::or_refuse(
            session.terminal(),
            Reason::Usage,
            "Nobody has seen what would be shared, and there is no terminal to show it on.",
            "Add --yes if it is to be written all the same.",
        )?;
        output::note(&preview(&parts, session.output.error_style()));
        let name = text::sentence(&file.to_string_lossy());
        if !terminal.confirm(&format!("Write it to {name}?")).await? {
            return Err(Failure::cancelled("Nothing was written."));
        }
    }
    write(file, &packed(&parts)?)?;
    session.output.answer(&Shared {
        file: file.to_string_lossy().into_owned(),
        parts: parts.iter().map(|(name, _)| *name).collect(),
    })
}

type Part = (&'static str, String);

/// Each part with its first lines.
fn preview(parts: &[Part], style: &Style) -> String {
    const LINES: usize = 12;
    let mut shown = String::new();
    for (name, content) in parts {
        let count = content.lines().count();
        shown.push_str(&style.paint(Paint::Name, name));
        shown.push_str(&style.paint(Paint::Faint, &format!("  {} bytes", content.len())));
        shown.push('\n');
        for line in content.lines().take(LINES) {
            shown.push_str("  ");
            shown.push_str(&text::display(line, style.width().saturating_sub(2)));
            shown.push('\n');
        }
        if count > LINES {
            let more = count.saturating_sub(LINES);
            shown.push_str(&style.paint(Paint::Faint, &format!("  … {more} more lines\n")));
        }
    }
    shown.push_str(
        "\nIt holds no keys, PINs or passcodes, but names of users, tokens and hosts, and addresses.\n",
    );
    shown
}

fn packed(parts: &[Part]) -> Result<Vec<u8>, Failure> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o600);
    for (name, content) in parts {
        archive
            .start_file(*name, options)
            .map_err(|error| Failure::Write(error.into()))?;
        archive
            .write_all(content.as_bytes())
            .map_err(Failure::Write)?;
    }
    let packed = archive
        .finish()
        .map_err(|error| Failure::Write(error.into()))?;
    Ok(packed.into_inner())
}

/// For its owner alone, and never over what is there.
fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    let mut opened = opened.map_err(|error| {
        let name = text::sentence(&file.to_string_lossy());
        Failure::usage(
            format!("{name} cannot be made: {error}."),
            "Name a file that is not there yet.",
        )
    })?;
    opened
        .write_all(bytes)
        .and_then(|()| opened.sync_all())
        .map_err(Failure::Write)
}

#[derive(Debug, Serialize)]
struct Shared {
    file: String,
    parts: Vec<&'static str>,
}

impl Answer for Shared {
    fn friendly(&self, style: &Style) -> String {
        let name = style.paint(Paint::Name, &text::sentence(&self.file));
        format!("{name} is written, for you alone to read (0600).\n")
    }

    fn bare(&self) -> String {
        format!("{}\n", text::sentence(&self.file))
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::fs::PermissionsExt as _};

    use zip::ZipArchive;

    use super::*;

    #[test]
    fn what_was_shown_is_what_is_in_it() {
        let parts = [
            ("a.txt", "one\ntwo\n".to_owned()),
            ("b.json", "{}".to_owned()),
        ];
        let mut archive = ZipArchive::new(Cursor::new(packed(&parts).unwrap())).unwrap();
        assert_eq!(archive.len(), 2);
        for (name, content) in &parts {
            let mut found = String::new();
            let mut part = archive.by_name(name).unwrap();
            part.read_to_string(&mut found).unwrap();
            assert_eq!(found, *content);
        }
        let shown = preview(&parts, &Style::new(false, 80));
        for words in ["a.txt  8 bytes", "  two", "b.json", "no keys"] {
            assert!(shown.contains(words), "{shown}");
        }
    }

    #[test]
    fn hostile_names_are_shown_safely() {
        let parts = [("a.txt", "bank\u{202e}knab\u{1b}[2J\n".to_owned())];
        let shown = preview(&parts, &Style::new(false, 80));
        assert!(!shown.contains('\u{202e}') && !shown.contains('\u{1b}'));
    }

    #[test]
    fn it_is_for_its_owner_alone_and_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.zip");
        write(&file, b"one").unwrap();
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = write(&file, b"two").unwrap_err();
        assert_eq!(again.reason(), Reason::Usage);
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
    }
}
