//! Where a token is filled: inside its blob, so that nobody who edits the file moves a passcode to another page.

use countersign_core::{autofill::Binding, ids::TokenId};
use countersign_proto::limits::ORIGINS;

use super::{Vault, VaultError, events::NewEvent, pin::Tries};

impl Vault {
    /// Lets browsers fill a token there as well, with its event. What is bound already stays as it is.
    ///
    /// # Errors
    ///
    /// [`VaultError::LimitReached`]; else as [`Vault::token_secrets`], storage errors.
    pub fn bind_origin(
        &mut self,
        id: TokenId,
        binding: Binding,
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        self.change_secrets(id, event, Tries::Stay, |secrets, _| {
            if secrets.origins.contains(&binding) {
                return Ok(());
            }
            if secrets.origins.len() >= ORIGINS {
                return Err(VaultError::LimitReached);
            }
            secrets.origins.push(binding);
            Ok(())
        })
    }

    /// Takes these back, with the event. What is not bound is none of them.
    ///
    /// # Errors
    ///
    /// As [`Vault::token_secrets`], storage errors.
    pub fn unbind_origins(
        &mut self,
        id: TokenId,
        bindings: &[Binding],
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        self.change_secrets(id, event, Tries::Stay, |secrets, _| {
            secrets.origins.retain(|bound| !bindings.contains(bound));
            Ok(())
        })
    }
}
