//! The user's order of tokens.

use countersign_core::{
    ids::TokenId,
    token_order::{Place, moved},
};
use countersign_proto::agent::v1::Reason;

use super::{Agent, explain::Explain, tokens::SelectError};
use crate::vault::{EventKind, TokenRow, VaultError};

/// Why a token stays where it is.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// Which token?
    #[error(transparent)]
    Select(#[from] SelectError),
    /// Beside itself.
    #[error("a token has no place beside itself")]
    BesideItself,
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Explain for MoveError {
    fn reason(&self) -> Reason {
        match self {
            Self::Select(error) => error.reason(),
            Self::BesideItself => Reason::Usage,
            Self::Vault(error) => error.reason(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Select(error) => error.hint(),
            Self::BesideItself => "name another token after --before or --after".to_owned(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

impl Agent {
    /// Gives a token another place in the order; the neighbour is named as the token is.
    ///
    /// # Errors
    ///
    /// Every variant of [`MoveError`].
    pub async fn move_token(
        &self,
        selector: &str,
        place: Place<&str>,
    ) -> Result<TokenRow, MoveError> {
        let row = self.token(selector).await?;
        let (place, where_to) = match place {
            Place::First => (Place::First, "to the beginning".to_owned()),
            Place::Last => (Place::Last, "to the end".to_owned()),
            Place::Before(beside) => {
                let beside = self.token(beside).await?;
                (Place::Before(beside.id), format!("before {}", beside.name))
            }
            Place::After(beside) => {
                let beside = self.token(beside).await?;
                (Place::After(beside.id), format!("after {}", beside.name))
            }
        };
        let before: Vec<TokenId> = self.rows().await?.iter().map(|token| token.id).collect();
        let order = moved(&before, row.id, place).ok_or(MoveError::BesideItself)?;
        let event = self.event(EventKind::Moved, &row.name, &where_to);
        self.vault
            .call(move |vault| vault.reorder(&order, &event))
            .await?;
        Ok(self.row(row.id).await?)
    }
}
