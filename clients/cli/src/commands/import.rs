//! `countersign import FILE…`: the tokens that another authenticator exported.
//!
//! The agent reads the files (but pictures, of which it gets the texts of their QR codes) and says what would come of them; nothing is stored before the user (or `--yes`) has
//! accepted that.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use countersign_client::{AgentClient, Preview};
use countersign_proto::{
    agent::v1::{self as api, ImportStanding, OtpMode, Reason},
    limits::{IMPORT_FILES, PASSPHRASE},
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::session::Session;
use crate::{
    cli, desktop,
    exit::Failure,
    output::{
        self, Answer, Paint, Style,
        table::{Cell, table},
        words::{self, Word as _},
    },
    prompt,
    secret_line::{self, Secret},
    text,
};

/// How often a passphrase is asked for.
const ATTEMPTS: u32 = 3;

/// Reads the files, shows what would come of them, stores it.
pub(crate) async fn run(arguments: cli::Import, session: &Session) -> Result<(), Failure> {
    let stdin = arguments.files.iter().filter(|file| is_stdin(file)).count();
    if stdin > 1 || (stdin == 1 && arguments.passphrase_stdin) {
        return Err(Failure::usage(
            "Standard input can be one thing only.",
            "Give the other files by name.",
        ));
    }
    let passphrase = if arguments.passphrase_stdin {
        Some(secret_line::read("passphrase", PASSPHRASE)?)
    } else {
        None
    };
    let mut files = read(&arguments.files)?;
    for file in &mut files {
        if is_picture(file) {
            *file = codes_of(file).await?;
        }
    }
    let mut agent = session.agent().await?;
    let preview = preview(&mut agent, &files, passphrase, session).await?;
    let chosen: Vec<u32> = preview
        .entries
        .iter()
        .filter(|entry| {
            entry.standing() == ImportStanding::New
                || (arguments.keep_both && entry.standing() == ImportStanding::Conflict)
        })
        .map(|entry| entry.place)
        .collect();
    let mut imported = Imported::new(&preview, chosen.len());
    if arguments.dry_run || chosen.is_empty() {
        return session.output.answer(&imported);
    }
    if !arguments.yes {
        confirm(&imported, chosen.len(), session).await?;
    }
    let request = api::StoreImportRequest {
        id: preview.id,
        places: chosen,
    };
    let reply = session.patiently(agent.store_import(request)).await?;
    imported.stored = Some(reply.stored);
    imported.vault_created = reply.vault_created;
    session.output.answer(&imported)
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// The content of the files, bounded together.
fn read(files: &[std::path::PathBuf]) -> Result<Vec<Secret>, Failure> {
    secret_line::hide_process()?;
    let mut contents = Vec::with_capacity(files.len());
    let mut left = IMPORT_FILES;
    for file in files {
        // A byte more than may be, so that what is too long is seen to be.
        let most = u64::try_from(left).unwrap_or(u64::MAX).saturating_add(1);
        let mut content: Secret = Zeroizing::new(Vec::new());
        let read = if is_stdin(file) {
            io::stdin().lock().take(most).read_to_end(&mut content)
        } else {
            File::open(file).and_then(|opened| opened.take(most).read_to_end(&mut content))
        };
        let length = read.map_err(|error| {
            Failure::usage(
                format!("{} cannot be read ({error}).", shown(file)),
                "Name a file that another authenticator has written.",
            )
        })?;
        left = left.checked_sub(length).ok_or_else(|| {
            Failure::refused(
                Reason::ImportInvalid,
                format!("The files are longer than {} MiB.", IMPORT_FILES >> 20),
                "Import them one after the other.",
            )
        })?;
        contents.push(content);
    }
    Ok(contents)
}

/// A PNG or JPEG file, by its first bytes.
fn is_picture(content: &[u8]) -> bool {
    content.starts_with(b"\x89PNG\r\n\x1a\n") || content.starts_with(b"\xff\xd8\xff")
}

/// What its QR codes say, a line each: as if they had been a file of links.
async fn codes_of(picture: &Secret) -> Result<Secret, Failure> {
    let mut lines: Secret = Zeroizing::new(Vec::new());
    for code in desktop::read_codes(picture).await? {
        lines.extend_from_slice(&code);
        lines.push(b'\n');
    }
    Ok(lines)
}

fn shown(file: &Path) -> String {
    text::display(&file.to_string_lossy(), 200)
}

/// The agent's word, with the passphrase asked for where one is needed and none came along.
async fn preview(
    agent: &mut AgentClient,
    files: &[Secret],
    passphrase: Option<Secret>,
    session: &Session,
) -> Result<Preview, Failure> {
    let from_stdin = passphrase.is_some();
    let mut passphrase = passphrase.unwrap_or_default();
    let mut left = ATTEMPTS;
    loop {
        let tried = agent.preview_import(files, passphrase.to_vec());
        let refusal = match session.patiently(tried).await {
            Ok(preview) => return Ok(preview),
            Err(refusal) => refusal,
        };
        let asks = matches!(
            refusal.reason(),
            Reason::FilePassphraseRequired | Reason::FilePassphraseWrong
        );
        if !asks || from_stdin || left == 0 {
            return Err(refusal.into());
        }
        left = left.saturating_sub(1);
        let Some(terminal) = session.terminal() else {
            return Err(refusal.into());
        };
        output::note(&format!("{}\n", text::polished(&refusal.to_string())));
        let question = "Passphrase of the file";
        passphrase = terminal
            .ask_hidden("passphrase", question, PASSPHRASE)
            .await?;
    }
}

/// Shows what would come of it and asks whether that is right.
async fn confirm(imported: &Imported, count: usize, session: &Session) -> Result<(), Failure> {
    let terminal = prompt::or_refuse(
        session.terminal(),
        Reason::NotConfirmed,
        "Nobody confirmed what is to be imported, and there is no terminal to ask on.",
        "Look at it with --dry-run, then add --yes.",
    )?;
    let style = session.output.error_style();
    output::note(&format!("\n{}\n", imported.table(style)));
    let count = words::count(u64::try_from(count).unwrap_or(u64::MAX), "token", "tokens");
    if terminal.confirm(&format!("Import {count}?")).await? {
        Ok(())
    } else {
        Err(Failure::cancelled("Nothing was imported."))
    }
}

/// What was in the files and what became of it.
#[derive(Debug, Serialize)]
struct Imported {
    formats: Vec<String>,
    notes: Vec<String>,
    entries: Vec<Entry>,
    /// How many are stored; nothing where it was only looked at.
    stored: Option<u32>,
    vault_created: bool,
    /// How many would be stored.
    #[serde(skip)]
    chosen: usize,
}

#[derive(Debug, Serialize)]
struct Entry {
    place: u32,
    standing: Option<String>,
    name: String,
    issuer: String,
    user: String,
    mode: Option<String>,
    algorithm: String,
    digits: u32,
    period: u32,
    suite: String,
    why: String,
    pin: bool,
    #[serde(skip)]
    kind: (ImportStanding, OtpMode),
}

impl From<&api::ImportEntry> for Entry {
    fn from(entry: &api::ImportEntry) -> Self {
        Self {
            place: entry.place,
            standing: entry.standing().word(),
            name: text::short(&entry.name),
            issuer: text::short(&entry.issuer),
            user: text::short(&entry.user),
            mode: entry.mode().word(),
            algorithm: text::short(&entry.algorithm),
            digits: entry.digits,
            period: entry.period,
            suite: text::short(&entry.suite),
            why: text::sentence(&entry.why),
            pin: entry.pin,
            kind: (entry.standing(), entry.mode()),
        }
    }
}

impl Imported {
    fn new(preview: &Preview, chosen: usize) -> Self {
        let safe = |texts: &[String]| texts.iter().map(|text| text::sentence(text)).collect();
        Self {
            formats: safe(&preview.formats),
            notes: safe(&preview.notes),
            entries: preview.entries.iter().map(Entry::from).collect(),
            stored: None,
            vault_created: false,
            chosen,
        }
    }

    /// The entries, what has to be known beside them, and how many of each kind there are.
    fn table(&self, style: &Style) -> String {
        let rows: Vec<Vec<Cell>> = self
            .entries
            .iter()
            .map(|entry| {
                let (standing, paint) = standing(entry.kind.0);
                let mode = if entry.kind.1 == OtpMode::Unspecified {
                    ""
                } else {
                    words::mode(entry.kind.1)
                };
                let name = if entry.name.is_empty() {
                    &entry.issuer
                } else {
                    &entry.name
                };
                let why = match (entry.why.as_str(), entry.pin) {
                    ("", true) => "a PIN has to be chosen",
                    (why, _) => why,
                };
                vec![
                    Cell::new(Paint::Faint, &entry.place.to_string()),
                    Cell::new(paint, standing),
                    Cell::new(Paint::Name, name),
                    Cell::plain(&entry.user),
                    Cell::plain(mode),
                    Cell::painted_long(Paint::Faint, why),
                ]
            })
            .collect();
        let heading = ["#", "", "NAME", "USER", "MODE", "WHY"];
        let mut shown = if rows.is_empty() {
            "There is no token in it.\n".to_owned()
        } else {
            table(&heading, &rows, style)
        };
        for note in &self.notes {
            shown.push_str(&style.paint(Paint::Attention, note));
            shown.push('\n');
        }
        shown.push_str(&self.summary());
        shown
    }

    /// `From Aegis: 3 new, 1 known, 2 refused.`
    fn summary(&self) -> String {
        let parts: Vec<String> = [
            ImportStanding::New,
            ImportStanding::Known,
            ImportStanding::Conflict,
            ImportStanding::Refused,
        ]
        .into_iter()
        .filter_map(|kind| {
            let entries = self.entries.iter();
            let count = entries.filter(|entry| entry.kind.0 == kind).count();
            (count > 0).then(|| format!("{count} {}", standing(kind).0))
        })
        .collect();
        if parts.is_empty() {
            return String::new();
        }
        format!("From {}: {}.\n", self.formats.join(", "), parts.join(", "))
    }
}

const fn standing(standing: ImportStanding) -> (&'static str, Paint) {
    match standing {
        ImportStanding::New => ("new", Paint::Good),
        ImportStanding::Known => ("known", Paint::Faint),
        ImportStanding::Conflict => ("in conflict", Paint::Attention),
        ImportStanding::Refused => ("refused", Paint::Bad),
        ImportStanding::Unspecified => ("", Paint::Plain),
    }
}

impl Answer for Imported {
    fn friendly(&self, style: &Style) -> String {
        if let Some(stored) = self.stored {
            let count = words::count(u64::from(stored), "token", "tokens");
            let done = style.paint(Paint::Good, &format!("{count} imported."));
            let vault = if self.vault_created {
                "The vault was made for it; `countersign status` shows what opens it.\n"
            } else {
                ""
            };
            return format!(
                "{done}\n{vault}Delete the file when every login works: it holds the secrets.\n"
            );
        }
        let next = if self.chosen == 0 {
            "Nothing is there to import.\n"
        } else {
            "Nothing was stored: this was only a look.\n"
        };
        format!("{}{next}", self.table(style))
    }

    /// One line an entry: standing, name, issuer, user, why; or the number of tokens that were stored.
    fn bare(&self) -> String {
        if let Some(stored) = self.stored {
            return format!("{stored}\n");
        }
        let line = |entry: &Entry| {
            let standing = entry.standing.clone().unwrap_or_default();
            let fields = [
                &standing,
                &entry.name,
                &entry.issuer,
                &entry.user,
                &entry.why,
            ];
            let fields: Vec<_> = fields
                .iter()
                .map(|field| field.replace('\t', " "))
                .collect();
            format!("{}\n", fields.join("\t"))
        };
        self.entries.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    fn entry(place: u32, standing: ImportStanding, name: &str, why: &str) -> api::ImportEntry {
        api::ImportEntry {
            place,
            standing: standing.into(),
            name: name.to_owned(),
            issuer: "Example".to_owned(),
            user: "alice".to_owned(),
            mode: OtpMode::Time.into(),
            why: why.to_owned(),
            ..api::ImportEntry::default()
        }
    }

    fn imported() -> Imported {
        let preview = Preview {
            id: "00".to_owned(),
            formats: vec!["Aegis".to_owned()],
            notes: vec!["A note.".to_owned()],
            entries: vec![
                entry(1, ImportStanding::New, "Example alice", ""),
                entry(2, ImportStanding::Refused, "", "it has\u{202e} no secret"),
            ],
        };
        Imported::new(&preview, 1)
    }

    #[test]
    fn the_table_says_what_would_come_of_each_entry() {
        let shown = imported().friendly(&Style::new(false, 100));
        for words in [
            "new",
            "Example alice",
            "refused",
            "it has\u{fffd} no secret",
            "A note.",
            "From Aegis: 1 new, 1 refused.",
            "only a look",
        ] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    }

    #[test]
    fn scripts_get_objects_and_pipes_get_lines() {
        let mut imported = imported();
        let json: serde_json::Value = serde_json::from_str(&json::line(&imported)).unwrap();
        assert_eq!(json["entries"][0]["standing"], "new");
        assert_eq!(json["entries"][1]["standing"], "refused");
        assert!(json["stored"].is_null());
        assert!(
            imported
                .bare()
                .starts_with("new\tExample alice\tExample\talice\t\n")
        );
        imported.stored = Some(1);
        assert_eq!(imported.bare(), "1\n");
    }
}
