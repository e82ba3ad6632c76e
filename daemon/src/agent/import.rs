//! Import: what other authenticators exported is read, shown, and stored as the user chooses.
//!
//! Invariants: nothing is stored before the user has seen what it is. What was read waits in memory, for some minutes
//! and no longer than the vault is open. What is chosen is stored in one transaction, or none of it.

use core::time::Duration;

use countersign_core::{
    import::{self, Candidate, Entry, Held, ImportError, Signature, Standing},
    otp::OtpMode,
    pskc::{Exportable, PinPolicy},
    secret::SecretBytes,
    text,
    time::BootTime,
    token::{KeyHolder, PinAsking, PushPolicy, TokenKeys, TokenSecrets},
};
use countersign_proto::agent::v1::Reason;

use super::{
    Agent,
    caller::{About, Caller},
    enrollment::{EnrollmentError, free_name_beside},
    explain::Explain,
    pin::PinError,
    pin_draft::PinDraft,
    ports::RandomError,
    session::SessionError,
};
use crate::vault::{EventKind, NewToken, TokenState, Vault, VaultError};

/// How long a preview waits for the user.
const WAITS: Duration = Duration::from_mins(10);
/// The longest text of a preview, in characters.
const SHOWN: usize = 64;
/// The longest reason, in characters.
const REASON: usize = 240;

/// Which preview is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportId(pub [u8; 16]);

/// What was read and waits for the user's choice. Holds seeds.
#[derive(Debug)]
pub(crate) struct WaitingImport {
    id: ImportId,
    made: BootTime,
    source: String,
    entries: Vec<Entry>,
}

impl WaitingImport {
    /// When it is forgotten.
    pub(crate) fn ends(&self) -> BootTime {
        self.made.plus(WAITS)
    }
}

/// What would come of an import. Every text is display-safe.
#[derive(Debug)]
pub struct ImportPreview {
    /// For [`Agent::store_import`].
    pub id: ImportId,
    /// What the files are.
    pub formats: Vec<String>,
    /// What has to be known beside the entries.
    pub notes: Vec<String>,
    /// In the order of the files.
    pub entries: Vec<PreviewEntry>,
}

/// One entry of a preview.
#[derive(Debug)]
pub struct PreviewEntry {
    /// What would become of it.
    pub verdict: Verdict,
    /// The name that it would get.
    pub name: String,
    /// Who issued it.
    pub issuer: String,
    /// Whose it is.
    pub user: String,
    /// What it generates; nothing where it is refused.
    pub mode: Option<OtpMode>,
    /// Why it is not new.
    pub why: String,
    /// A PIN has to be chosen for it.
    pub chooses_pin: bool,
}

/// What would become of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A token.
    New,
    /// Nothing: it is there.
    Known,
    /// A token beside one that looks the same, if the user chooses it.
    Conflict,
    /// Nothing: it cannot be one.
    Refused,
}

/// What was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How many tokens.
    pub count: usize,
    /// The vault was made by this import.
    pub vault_created: bool,
}

/// Why nothing was read or stored.
#[derive(Debug, thiserror::Error)]
pub enum ImportStoryError {
    /// The files.
    #[error(transparent)]
    Files(#[from] ImportError),
    /// Reading them failed in a way that no file should cause.
    #[error("the files could not be read")]
    Reading,
    /// There is no such preview, or no more.
    #[error("what was read from the files is no longer there")]
    Gone,
    /// An entry that makes no token.
    #[error("entry {0} makes no token that could be stored")]
    Place(usize),
    /// Nothing was chosen.
    #[error("no entry was chosen")]
    Nothing,
    /// The vault could not be made or opened.
    #[error(transparent)]
    Enrollment(Box<EnrollmentError>),
    /// A PIN.
    #[error(transparent)]
    Pin(Box<PinError>),
    /// The vault was not opened.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl From<EnrollmentError> for ImportStoryError {
    fn from(error: EnrollmentError) -> Self {
        Self::Enrollment(Box::new(error))
    }
}

impl From<PinError> for ImportStoryError {
    fn from(error: PinError) -> Self {
        Self::Pin(Box::new(error))
    }
}

impl Explain for ImportStoryError {
    fn reason(&self) -> Reason {
        match self {
            Self::Files(ImportError::PassphraseNeeded(_) | ImportError::KeyNeeded) => {
                Reason::FilePassphraseRequired
            }
            Self::Files(ImportError::WrongPassphrase(_) | ImportError::KeyInvalid) => {
                Reason::FilePassphraseWrong
            }
            Self::Files(_) => Reason::ImportInvalid,
            Self::Gone => Reason::ImportGone,
            Self::Place(_) | Self::Nothing => Reason::Usage,
            Self::Enrollment(error) => error.reason(),
            Self::Pin(error) => error.reason(),
            Self::Session(error) => error.reason(),
            Self::Vault(error) => Explain::reason(error),
            Self::Reading | Self::Random(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Files(ImportError::PassphraseNeeded(_) | ImportError::KeyNeeded) => {
                "run it in a terminal, or with `--passphrase-stdin`".to_owned()
            }
            Self::Files(ImportError::WrongPassphrase(_)) => "try again".to_owned(),
            Self::Gone => "import the files again".to_owned(),
            Self::Files(_) | Self::Reading | Self::Place(_) | Self::Nothing | Self::Random(_) => {
                String::new()
            }
            Self::Enrollment(error) => error.hint(),
            Self::Pin(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

impl Agent {
    /// Reads files and says what would come of them. Stores nothing; what was read waits for
    /// [`Agent::store_import`], in place of what waited before.
    ///
    /// # Errors
    ///
    /// Every variant of [`ImportStoryError`].
    pub async fn preview_import(
        &self,
        files: Vec<SecretBytes>,
        passphrase: Option<SecretBytes>,
        caller: &Caller,
    ) -> Result<ImportPreview, ImportStoryError> {
        self.started().await;
        self.unlock_for(caller, About::new("Import tokens")).await?;
        // A file may ask for a second of work and 256 MiB: not on the thread that everybody waits for.
        let reading =
            tokio::task::spawn_blocking(move || import::read(&files, passphrase.as_ref()));
        let read = reading
            .await
            .map_err(|_panicked| ImportStoryError::Reading)??;
        let held = self.held_tokens().await?;
        let id = ImportId(self.random()?);
        let formats: Vec<_> = read.formats.iter().map(ToString::to_string).collect();
        let preview = ImportPreview {
            id,
            notes: notes(&read),
            entries: preview_entries(&read.entries, &held),
            formats: formats.clone(),
        };
        self.state.facts().waiting_import = Some(WaitingImport {
            id,
            made: self.ports.clock.boot(),
            source: formats.join(", "),
            entries: read.entries,
        });
        self.deadlines.notify_one();
        self.touch();
        Ok(preview)
    }

    /// Stores the entries at `places` (from 1 on) of a preview, all of them or none. What has come into the vault
    /// since is not stored twice.
    ///
    /// # Errors
    ///
    /// Every variant of [`ImportStoryError`]; nothing is stored then, and the preview waits on.
    pub async fn store_import(
        &self,
        id: ImportId,
        places: &[usize],
        caller: &Caller,
    ) -> Result<Stored, ImportStoryError> {
        self.started().await;
        let _alone = self.exclusive.lock().await;
        let (source, chosen) = self.chosen(id, places)?;
        let vault_created = self.vault_for_enrollment().await?;
        let held = self.held_tokens().await?;
        let beside: Vec<_> = chosen.iter().map(Some).collect();
        let standings = import::standings(&beside, &held);
        let mut taken: Vec<String> = held.into_iter().map(|held| held.name).collect();
        let mut new = Vec::new();
        let mut drafts = Vec::new();
        for (candidate, standing) in chosen.into_iter().zip(standings) {
            if matches!(
                standing,
                None | Some(Standing::Known { .. } | Standing::Repeated { .. })
            ) {
                continue;
            }
            let name = free_name(&candidate, &taken);
            taken.push(name.clone());
            drafts.push(self.chosen_pin(&candidate, &name, caller).await?);
            let event = self.event(EventKind::Enrolled, &name, &format!("imported: {source}"));
            let counter = candidate.counter;
            new.push((name, self.imported(candidate), counter, event));
        }
        let count = new.len();
        let store = move |vault: &mut Vault| {
            PinDraft::write_all(drafts, |pins| {
                let tokens: Vec<_> = new
                    .iter()
                    .zip(pins)
                    .map(|((name, secrets, counter, event), pin)| NewToken {
                        name,
                        secrets,
                        pin: *pin,
                        counter: *counter,
                        service: None,
                        event,
                    })
                    .collect();
                vault.add_tokens(&tokens)
            })
        };
        self.vault.call(store).await?;
        self.state.facts().waiting_import = None;
        self.remember_names(&self.vault_tokens().await?);
        self.touch();
        Ok(Stored {
            count,
            vault_created,
        })
    }

    /// Forgets a preview that nobody has answered.
    pub(super) fn forget_import_when_due(&self) {
        let now = self.ports.clock.boot();
        let mut facts = self.state.facts();
        if facts
            .waiting_import
            .as_ref()
            .is_some_and(|waiting| waiting.ends() <= now)
        {
            facts.waiting_import = None;
        }
    }

    /// The candidates at `places` of the preview that waits.
    fn chosen(
        &self,
        id: ImportId,
        places: &[usize],
    ) -> Result<(String, Vec<Candidate>), ImportStoryError> {
        let now = self.ports.clock.boot();
        let facts = self.state.facts();
        let waiting = facts
            .waiting_import
            .as_ref()
            .filter(|waiting| waiting.id == id && waiting.ends() > now)
            .ok_or(ImportStoryError::Gone)?;
        let mut sorted = places.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut chosen = Vec::with_capacity(sorted.len());
        for place in sorted {
            match place.checked_sub(1).and_then(|at| waiting.entries.get(at)) {
                Some(Entry::Token(candidate)) => chosen.push(candidate.clone()),
                Some(Entry::Refused(_)) | None => return Err(ImportStoryError::Place(place)),
            }
        }
        if chosen.is_empty() {
            return Err(ImportStoryError::Nothing);
        }
        Ok((waiting.source.clone(), chosen))
    }

    /// The PIN of a token that has one, chosen now.
    async fn chosen_pin(
        &self,
        candidate: &Candidate,
        name: &str,
        caller: &Caller,
    ) -> Result<Option<PinDraft>, ImportStoryError> {
        if !chooses_pin(candidate) {
            return Ok(None);
        }
        match self.first_pin(candidate.pin, name, caller).await? {
            Some(pin) => Ok(Some(self.draft_token_pin(&pin, candidate.pin).await?)),
            None => Ok(None),
        }
    }

    fn imported(&self, candidate: Candidate) -> TokenSecrets {
        TokenSecrets {
            mode: Some(candidate.mode),
            issuer: text::display(&candidate.issuer, SHOWN),
            user: text::display(&candidate.account, SHOWN),
            serial: text::display(&candidate.serial, SHOWN),
            pin: candidate.pin,
            asking: PinAsking::EveryTime,
            push: PushPolicy::Off,
            service: None,
            keys: KeyHolder::Open(TokenKeys {
                seed: candidate.secret,
                decision_key: None,
            }),
            exportable: candidate.exportable == Exportable::Yes,
            policy_name: text::display(&candidate.policy_name, SHOWN),
            policy_level: text::display(&candidate.policy_level, SHOWN),
            created: self.ports.clock.wall(),
            origins: Vec::new(),
        }
    }

    /// The tokens of the vault, as an import is compared with them.
    async fn held_tokens(&self) -> Result<Vec<Held>, VaultError> {
        let read = |vault: &mut Vault| -> Result<Vec<Held>, VaultError> {
            let mut held = Vec::new();
            for row in vault.tokens()? {
                let Some(summary) = row.secrets.filter(|_| row.state == TokenState::Active) else {
                    held.push(Held {
                        name: row.name,
                        issuer: String::new(),
                        user: String::new(),
                        serial: row.serial,
                        mode: None,
                        secret: None,
                    });
                    continue;
                };
                let secrets = vault.token_secrets(row.id)?;
                held.push(Held {
                    name: row.name,
                    issuer: summary.issuer,
                    user: summary.user,
                    serial: row.serial,
                    mode: summary.mode,
                    secret: secrets.keys.open().map(|keys| keys.seed.clone()),
                });
            }
            Ok(held)
        };
        match self.vault.call(read).await {
            Err(VaultError::Absent) => Ok(Vec::new()),
            held => held,
        }
    }
}

const fn chooses_pin(candidate: &Candidate) -> bool {
    matches!(candidate.pin, PinPolicy::Token(_))
}

fn free_name(candidate: &Candidate, taken: &[String]) -> String {
    let wish = if candidate.name.trim().is_empty() {
        format!("{} {}", candidate.issuer, candidate.account)
    } else {
        candidate.name.clone()
    };
    free_name_beside(&wish, |name| {
        taken.iter().any(|taken| taken.eq_ignore_ascii_case(name))
    })
}

fn notes(read: &import::Import) -> Vec<String> {
    let mut notes = Vec::new();
    for parts in &read.missing_parts {
        let missing: Vec<_> = parts.missing.iter().map(ToString::to_string).collect();
        notes.push(format!(
            "The export has {} QR codes, and these are missing: {}.",
            parts.of,
            missing.join(", ")
        ));
    }
    if read.signature == Signature::NotChecked {
        notes.push("The container is signed; the signature was not checked.".to_owned());
    }
    notes
}

fn preview_entries(entries: &[Entry], held: &[Held]) -> Vec<PreviewEntry> {
    let candidates: Vec<_> = entries
        .iter()
        .map(|entry| match entry {
            Entry::Token(candidate) => Some(candidate),
            Entry::Refused(_) => None,
        })
        .collect();
    let standings = import::standings(&candidates, held);
    let mut taken: Vec<String> = held.iter().map(|held| held.name.clone()).collect();
    entries
        .iter()
        .zip(standings)
        .map(|(entry, standing)| match entry {
            Entry::Refused(refused) => PreviewEntry {
                verdict: Verdict::Refused,
                name: String::new(),
                issuer: text::display(&refused.issuer, SHOWN),
                user: text::display(&refused.account, SHOWN),
                mode: None,
                why: text::display(&refused.why.to_string(), REASON),
                chooses_pin: false,
            },
            Entry::Token(candidate) => {
                let (verdict, why) = verdict(standing);
                let name = match verdict {
                    Verdict::New | Verdict::Conflict => {
                        let name = free_name(candidate, &taken);
                        taken.push(name.clone());
                        name
                    }
                    Verdict::Known | Verdict::Refused => String::new(),
                };
                PreviewEntry {
                    verdict,
                    name,
                    issuer: text::display(&candidate.issuer, SHOWN),
                    user: text::display(&candidate.account, SHOWN),
                    mode: Some(candidate.mode.clone()),
                    why: text::display(&why, REASON),
                    chooses_pin: chooses_pin(candidate),
                }
            }
        })
        .collect()
}

fn verdict(standing: Option<Standing>) -> (Verdict, String) {
    match standing {
        Some(Standing::New) => (Verdict::New, String::new()),
        Some(Standing::Known { name }) => (Verdict::Known, format!("it is the token {name}")),
        Some(Standing::Repeated { earlier }) => {
            let place = earlier.saturating_add(1);
            (Verdict::Known, format!("it is the same as entry {place}"))
        }
        Some(Standing::Conflict { name, why }) => {
            (Verdict::Conflict, format!("beside the token {name}, {why}"))
        }
        None => (Verdict::Refused, String::new()),
    }
}
