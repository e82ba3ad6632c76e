//! A browser extension is let in: it shows a key, and the user confirms that key once in the agent's own dialog.
//!
//! A trace and a brake. Whoever runs programs as the user can press that button too, or take the extension's place; no
//! key keeps them apart. What a page or another extension can do ends here.

use core::fmt;

use countersign_core::{
    allowance::TooOften,
    pairing::{ExtensionKey, NONCE_LEN},
    signing::{KeyError, SignatureError},
    text,
};
use countersign_proto::{agent::v1::Reason, limits::PAIRING_NAME};

use super::{
    Agent, Change,
    asking::Unconfirmed,
    caller::{About, Caller},
    explain::Explain,
    ports::{Confirmation, RandomError},
    session::SessionError,
};
use crate::vault::{EventKind, NewPairing, PairingId, PairingRow, Vault, VaultError};

/// The protocol of the extension that this version speaks.
const PROTOCOL: u32 = 1;
/// What it is called that gives itself no name.
const NAMELESS: &str = "Browser";

/// Why an extension is not let in.
#[derive(Debug, thiserror::Error)]
pub enum PairingError {
    /// It speaks another protocol.
    #[error("the extension speaks version {0} of the protocol, this agent version {PROTOCOL}")]
    Version(u32),
    /// No key of ours.
    #[error("the extension's key: {0}")]
    Key(#[from] KeyError),
    /// The private key is not there.
    #[error("the extension did not show its key")]
    NotProven,
    /// The user has not let it in, or no more.
    #[error("this browser is not paired")]
    NotPaired,
    /// Which one?
    #[error("there is no paired browser {0}")]
    Unknown(String),
    /// Several have that name.
    #[error("several paired browsers are called {0}")]
    Ambiguous(String),
    /// The user was not asked, or said no.
    #[error(transparent)]
    Unconfirmed(#[from] Unconfirmed),
    /// Too many questions.
    #[error(transparent)]
    TooOften(#[from] TooOften),
    /// The vault could not be opened for it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl From<SignatureError> for PairingError {
    fn from(_wrong: SignatureError) -> Self {
        Self::NotProven
    }
}

impl Explain for PairingError {
    fn reason(&self) -> Reason {
        match self {
            Self::Version(_) => Reason::AgentVersion,
            Self::Key(_) | Self::NotProven => Reason::PairingInvalid,
            Self::NotPaired => Reason::NotPaired,
            Self::Unknown(_) | Self::Ambiguous(_) => Reason::PairingUnknown,
            Self::Unconfirmed(why) => why.reason(),
            Self::TooOften(_) => Reason::RateLimited,
            Self::Session(error) => error.reason(),
            Self::Vault(error) => error.reason(),
            Self::Random(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Version(_) => "update Countersign and its extension".to_owned(),
            Self::Key(_) | Self::NotProven => "load the extension again".to_owned(),
            Self::NotPaired => "pair it from the extension's window".to_owned(),
            Self::Unknown(_) => "`countersign browser list` shows them all".to_owned(),
            Self::Ambiguous(_) => "use the number that `countersign browser list` shows".to_owned(),
            Self::Unconfirmed(why) => why.hint(),
            Self::TooOften(_) | Self::Random(_) => String::new(),
            Self::Session(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

/// An extension that has said who it is. Its texts are display-safe.
#[derive(Clone, Debug)]
pub struct Extension {
    /// The key of its installation.
    pub key: ExtensionKey,
    /// In its own words.
    pub browser: String,
    /// What it has to sign.
    pub nonce: [u8; NONCE_LEN],
}

/// An extension that has shown its key.
#[derive(Clone, Debug)]
pub struct Proven {
    key: ExtensionKey,
    browser: String,
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.browser)
    }
}

impl Agent {
    /// An extension says who it is, and gets a number to sign.
    ///
    /// # Errors
    ///
    /// [`PairingError::Version`], [`PairingError::Key`], [`PairingError::Random`].
    pub fn greet_extension(
        &self,
        version: u32,
        key: &[u8],
        browser: &str,
        extension: &str,
    ) -> Result<Extension, PairingError> {
        if version != PROTOCOL {
            return Err(PairingError::Version(version));
        }
        let words = format!("{browser}, extension {extension}");
        Ok(Extension {
            key: ExtensionKey::from_spki(key)?,
            browser: text::display(&words, PAIRING_NAME),
            nonce: self.random()?,
        })
    }

    /// It shows that it has the private key. Tells whether the user has let it in.
    ///
    /// # Errors
    ///
    /// [`PairingError::NotProven`], the vault's.
    pub async fn prove_extension(
        &self,
        extension: &Extension,
        signature: &[u8],
    ) -> Result<(Proven, Option<PairingRow>), PairingError> {
        extension.key.check(&extension.nonce, signature)?;
        let proven = Proven {
            key: extension.key.clone(),
            browser: extension.browser.clone(),
        };
        let paired = match self.paired(&proven).await {
            Ok(row) => Some(row),
            Err(PairingError::NotPaired) => None,
            Err(error) => return Err(error),
        };
        if let Some(row) = &paired {
            let (id, now) = (row.id, self.ports.clock.wall());
            self.vault
                .call(move |vault| vault.pairing_was_used(id, now))
                .await?;
        }
        Ok((proven, paired))
    }

    /// Asks the user to let it in, under a name.
    ///
    /// # Errors
    ///
    /// Every variant of [`PairingError`].
    pub async fn pair(
        &self,
        extension: &Proven,
        name: &str,
        caller: &Caller,
    ) -> Result<PairingRow, PairingError> {
        self.started().await;
        if self.holds() {
            return Err(Unconfirmed::SessionLocked.into());
        }
        self.spend_question()?;
        let name = match text::display(name, PAIRING_NAME) {
            name if name.is_empty() => NAMELESS.to_owned(),
            name => name,
        };
        let about = About::new("A browser wants to ask for your passcodes.");
        self.unlock_first(caller, about.clone()).await?;
        let about = about
            .and(&format!("Name: {name}"))
            .and(&format!("Browser: {}", extension.browser))
            .and(&format!("Code: {}", extension.key.fingerprint()));
        let question = Confirmation {
            title: "Pair a browser?".to_owned(),
            description: about.description(
                "Pair it only if you asked for it just now and the browser shows the same code.",
            ),
            ok: "Pair".to_owned(),
            cancel: "Cancel".to_owned(),
            within: about.within,
        };
        self.confirmed(&question, caller).await?;
        let pairing = NewPairing {
            key: extension.key.clone(),
            name: name.clone(),
            browser: extension.browser.clone(),
        };
        let detail = format!(
            "{name} ({}, {})",
            extension.browser,
            extension.key.fingerprint()
        );
        let event = self.event(EventKind::BrowserPaired, "", &detail);
        let row = self
            .vault
            .call(move |vault| vault.add_pairing(&pairing, &event))
            .await?;
        self.tell_watchers(Change::Pairings);
        Ok(row)
    }

    /// The pairing of an extension, if the user has let it in and has not taken that back.
    ///
    /// # Errors
    ///
    /// [`PairingError::NotPaired`], the vault's.
    pub async fn paired(&self, extension: &Proven) -> Result<PairingRow, PairingError> {
        let rows = match self.pairings().await {
            Ok(rows) => rows,
            // Without a vault nobody is let in.
            Err(PairingError::Vault(VaultError::Absent)) => Vec::new(),
            Err(error) => return Err(error),
        };
        let found = rows.into_iter().find(|row| row.key == extension.key);
        found.ok_or(PairingError::NotPaired)
    }

    /// Every pairing, oldest first.
    ///
    /// # Errors
    ///
    /// The vault's.
    pub async fn pairings(&self) -> Result<Vec<PairingRow>, PairingError> {
        Ok(self.vault.call(|vault| vault.pairings()).await?)
    }

    /// Takes a pairing back, by number or name. Whoever is connected with it is told.
    ///
    /// # Errors
    ///
    /// [`PairingError::Unknown`], [`PairingError::Ambiguous`], the vault's.
    pub async fn revoke_pairing(&self, selector: &str) -> Result<String, PairingError> {
        let row = selected(self.pairings().await?, selector)?;
        let (id, name) = (row.id, row.name);
        let event = self.event(
            EventKind::BrowserRevoked,
            "",
            &format!("{name} ({})", row.browser),
        );
        self.vault
            .call(move |vault: &mut Vault| vault.remove_pairing(id, &event))
            .await?;
        self.tell_watchers(Change::Pairings);
        Ok(name)
    }
}

/// The number first, then a name.
fn selected(rows: Vec<PairingRow>, selector: &str) -> Result<PairingRow, PairingError> {
    let shown = || text::display(selector, PAIRING_NAME);
    let id = selector.parse().ok().map(PairingId);
    if let Some(row) = rows.iter().find(|row| Some(row.id) == id) {
        return Ok(row.clone());
    }
    let mut named = rows.into_iter().filter(|row| row.name == selector);
    match (named.next(), named.next()) {
        (Some(row), None) => Ok(row),
        (None, _) => Err(PairingError::Unknown(shown())),
        (Some(_), Some(_)) => Err(PairingError::Ambiguous(shown())),
    }
}
