//! Tokens: which one is meant, list, describe, rename, delete.

use countersign_core::{
    ids::TokenId,
    text,
    token::{PinLock, TokenSecrets},
};
use countersign_proto::{agent::v1::Reason, limits};

use super::{Agent, explain::Explain, status::host_of};
use crate::vault::{EventKind, ServiceKind, TokenRow, TokenState, VaultError};

/// What a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belonging {
    /// A service, by its host:port.
    Service(String),
    /// This computer's sudo: it is the key that answers it.
    Sudo,
}

/// Which token is meant, or why none.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// No name, serial or id fits.
    #[error("there is no token {0}")]
    Unknown(String),
    /// Several fit.
    #[error("several tokens fit {0}")]
    Ambiguous(String),
    /// Its secrets are gone.
    #[error("the token {0} was revoked by its service")]
    Revoked(String),
    /// Its secrets are gone after too many wrong PINs.
    #[error("the token {0} was erased after too many wrong PINs")]
    PinExhausted(String),
    /// The server of its container keeps it here.
    #[error("the service does not allow that {0} is deleted here: it belongs to a container")]
    Kept(String),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Explain for SelectError {
    fn reason(&self) -> Reason {
        match self {
            Self::Unknown(_) => Reason::TokenUnknown,
            Self::Ambiguous(_) => Reason::TokenAmbiguous,
            Self::Revoked(_) => Reason::TokenRevoked,
            Self::PinExhausted(_) => Reason::PinExhausted,
            Self::Kept(_) => Reason::ForbiddenByService,
            Self::Vault(error) => error.reason(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => "`countersign list` shows your tokens".to_owned(),
            Self::Ambiguous(_) => "use its full name, serial or id".to_owned(),
            Self::Revoked(_) | Self::PinExhausted(_) => {
                "ask its service for a new activation string and enroll again".to_owned()
            }
            Self::Kept(_) => "ask your administrator to take it out of the container".to_owned(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

/// Why a token was not renamed.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    /// Which token?
    #[error(transparent)]
    Select(#[from] SelectError),
    /// Not a name.
    #[error("a token name has 1 to {} printable characters", limits::TOKEN_NAME)]
    Invalid,
    /// Another token has it.
    #[error("another token is called {0}")]
    Taken(String),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Explain for NameError {
    fn reason(&self) -> Reason {
        match self {
            Self::Select(error) => error.reason(),
            Self::Invalid => Reason::TokenNameInvalid,
            Self::Taken(_) => Reason::TokenNameTaken,
            Self::Vault(error) => error.reason(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Select(error) => error.hint(),
            Self::Invalid | Self::Taken(_) => "choose another name".to_owned(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

/// A name that can be shown everywhere as it is.
///
/// # Errors
///
/// [`NameError::Invalid`]: empty, too long, or with characters that cannot be shown safely.
pub(super) fn checked_name(name: &str) -> Result<String, NameError> {
    let name = name.trim();
    let length = name.chars().count();
    if !(1..=limits::TOKEN_NAME).contains(&length)
        || text::display(name, limits::TOKEN_NAME) != name
    {
        return Err(NameError::Invalid);
    }
    Ok(name.to_owned())
}

impl Agent {
    /// All tokens, in the user's order. While the vault is locked the sealed fields are missing.
    ///
    /// # Errors
    ///
    /// The vault's.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, SelectError> {
        let tokens = self.rows().await?;
        self.remember_names(&tokens);
        Ok(tokens)
    }

    /// One token by name, serial or id.
    ///
    /// # Errors
    ///
    /// [`SelectError::Unknown`], [`SelectError::Ambiguous`], the vault's.
    pub async fn token(&self, selector: &str) -> Result<TokenRow, SelectError> {
        select(&self.rows().await?, selector)
    }

    /// One token with its secrets: the vault must be open and the token alive.
    pub(super) async fn select_open(
        &self,
        selector: &str,
    ) -> Result<(TokenRow, TokenSecrets), SelectError> {
        self.started().await;
        self.open_token(self.token(selector).await?).await
    }

    /// This token with its secrets, likewise.
    pub(super) async fn open_token(
        &self,
        row: TokenRow,
    ) -> Result<(TokenRow, TokenSecrets), SelectError> {
        match row.state {
            TokenState::Active => {}
            TokenState::Revoked => return Err(SelectError::Revoked(row.name)),
            TokenState::PinExhausted => return Err(SelectError::PinExhausted(row.name)),
        }
        let id = row.id;
        let secrets = self
            .vault
            .call(move |vault| vault.token_secrets(id))
            .await?;
        Ok((row, secrets))
    }

    pub(super) async fn row(&self, id: TokenId) -> Result<TokenRow, SelectError> {
        let tokens = self.rows().await?;
        let found = tokens.into_iter().find(|token| token.id == id);
        found.ok_or_else(|| SelectError::Unknown(id.to_string()))
    }

    /// Gives a token another name.
    ///
    /// # Errors
    ///
    /// Every variant of [`NameError`].
    pub async fn rename_token(&self, selector: &str, name: &str) -> Result<TokenRow, NameError> {
        let name = checked_name(name)?;
        let row = select(&self.rows().await?, selector)?;
        let event = self.event(EventKind::Renamed, &name, &format!("was {}", row.name));
        let (id, wanted) = (row.id, name.clone());
        match self
            .vault
            .call(move |vault| vault.rename(id, &wanted, &event))
            .await
        {
            Err(VaultError::NameTaken) => Err(NameError::Taken(name)),
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.remember_names(&self.rows().await?);
                Ok(self.row(id).await?)
            }
        }
    }

    /// Erases a token and its secrets.
    ///
    /// # Errors
    ///
    /// Those of [`Agent::token`]; [`SelectError::Kept`].
    pub async fn delete_token(&self, selector: &str) -> Result<String, SelectError> {
        let row = self.token(selector).await?;
        if !self.may_be_deleted(&row).await? {
            return Err(SelectError::Kept(row.name));
        }
        self.erase_token(&row, &row.serial).await?;
        Ok(row.name)
    }

    /// Erases a token and its secrets; `detail` says in the history why.
    pub(super) async fn erase_token(&self, row: &TokenRow, detail: &str) -> Result<(), VaultError> {
        let event = self.event(EventKind::Deleted, &row.name, detail);
        let id = row.id;
        let lock = self.pin_lock(id).await;
        self.vault
            .call(move |vault| vault.delete(id, &event))
            .await?;
        self.state.facts().open_tokens.remove(&id);
        if let Some(lock) = lock {
            self.forget_tpm_guard(&lock).await;
        }
        if let Some(service) = row.service {
            self.forget_polled(service).await;
            self.forget_sudo_service(service).await;
        }
        Ok(())
    }

    /// The PIN before a token's keys, as far as it can be read now; for what has to be tidied up after the token.
    pub(super) async fn pin_lock(&self, id: TokenId) -> Option<PinLock> {
        let secrets = self.vault.call(move |vault| vault.token_secrets(id)).await;
        secrets.ok()?.keys.lock().cloned()
    }

    /// What a token belongs to, if anything.
    pub async fn belonging(&self, row: &TokenRow) -> Option<Belonging> {
        let service = self.service(row.service?).await?;
        Some(match service.kind {
            ServiceKind::Sudo => Belonging::Sudo,
            ServiceKind::Gateway | ServiceKind::PrivacyIdea(_) => {
                Belonging::Service(host_of(&service.url))
            }
        })
    }

    pub(super) async fn rows(&self) -> Result<Vec<TokenRow>, VaultError> {
        self.vault.call(|vault| vault.tokens()).await
    }

    pub(super) fn remember_names(&self, tokens: &[TokenRow]) {
        let names = tokens
            .iter()
            .map(|token| (token.id, token.name.clone()))
            .collect();
        self.state.facts().names.tokens = names;
    }
}

/// Name first, then serial, then id; then a name or serial that differs in case only.
fn select(tokens: &[TokenRow], selector: &str) -> Result<TokenRow, SelectError> {
    let shown = || text::display(selector, limits::TOKEN_NAME);
    let fits: [&dyn Fn(&TokenRow) -> bool; 4] = [
        &|token| token.name == selector,
        &|token| !token.serial.is_empty() && token.serial == selector,
        &|token| token.id.to_string() == selector,
        &|token| {
            token.name.eq_ignore_ascii_case(selector) || token.serial.eq_ignore_ascii_case(selector)
        },
    ];
    for fit in fits {
        let mut found: Vec<_> = tokens.iter().filter(|token| fit(token)).collect();
        match (found.pop(), found.is_empty()) {
            (None, _) => {}
            (Some(token), true) => return Ok(token.clone()),
            (Some(_), false) => return Err(SelectError::Ambiguous(shown())),
        }
    }
    Err(SelectError::Unknown(shown()))
}
