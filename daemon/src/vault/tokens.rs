//! Tokens: plain columns under a MAC, everything that decides inside one sealed blob.

use countersign_core::{
    ids::{ContainerId, ServiceId, TokenId},
    otp::OtpMode,
    seal::SealContext,
    token::{KeyHolder, NewPin, PinLock, TokenSecrets, TokenSummary},
};
use countersign_proto::{agent::v1 as wire, limits};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{
    ServiceRegistration, Vault, VaultError, database,
    events::{self, NewEvent},
    random, services,
    tier::{ChannelTier, DecisionTier},
    token_columns::{COLUMNS, Columns, insert},
    words::{Autosend, words},
};

words! {
    /// What a token can still do.
    TokenState as wire::TokenState {
        /// It generates.
        Active = "active",
        /// Too many wrong PINs: the seed is gone.
        PinExhausted = "pin_exhausted",
        /// Its service revoked it: the secrets are gone.
        Revoked = "revoked",
    }
}

/// Are a row's plain columns as this vault wrote them?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// The vault has not been unlocked since it was opened: not known.
    Unchecked,
    /// Yes.
    Sound,
    /// No: changed from outside. Every operation that would use the row refuses.
    Damaged,
}

/// A token as it may be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Stable, never used again.
    pub id: TokenId,
    /// The user's name for it; unique whatever the case.
    pub name: String,
    /// Its place in lists; rises.
    pub position: i64,
    /// The issuer's serial number; may be empty.
    pub serial: String,
    /// Its service, if it has one.
    pub service: Option<ServiceId>,
    /// The container that it came with, if any.
    pub container: Option<ContainerId>,
    /// What it can still do.
    pub state: TokenState,
    /// Its own switch; requests come only if the vault's ([`Vault::autosend`]) is on too.
    pub autosend: Autosend,
    /// The counter that the next passcode will use; only tokens that have one.
    pub counter: Option<u64>,
    /// Wrong PINs until the seed is erased; only tokens whose PIN the agent checks.
    pub tries_left: Option<u32>,
    /// Are the columns above sound?
    pub integrity: Integrity,
    /// The sealed part without its secrets; only while unlocked and sound.
    pub secrets: Option<TokenSummary>,
}

/// A token to be added.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// The user's name for it.
    pub name: &'a str,
    /// Its content.
    pub secrets: &'a TokenSecrets,
    /// The PIN that was chosen, where the agent checks it.
    pub pin: Option<&'a NewPin>,
    /// The first counter; kept only for tokens that have one.
    pub counter: u64,
    /// Its service, if that is new or new about it.
    pub service: Option<&'a ServiceRegistration>,
    /// What the history says.
    pub event: &'a NewEvent,
}

/// How a new token belongs to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The container.
    pub container: ContainerId,
    /// The token whose secret it renews: that one goes in the same moment, and its place in the order is taken.
    pub replaces: Option<TokenId>,
}

impl Vault {
    /// Adds a token: its row, its service's row if a registration is given, and the event, in one
    /// transaction. `counter` is kept only for tokens that have one; `pin` is the one that was chosen, where the
    /// agent checks it.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoPin`] when there is no PIN where there must be one; [`VaultError::Locked`], [`VaultError::NameTaken`], [`VaultError::NameInvalid`],
    /// [`VaultError::TokenExists`], [`VaultError::ServiceUnknown`] when the token names a service that is
    /// neither known nor given, storage errors.
    pub fn add_token(
        &mut self,
        name: &str,
        secrets: &TokenSecrets,
        pin: Option<&NewPin>,
        counter: u64,
        service: Option<&ServiceRegistration>,
        event: &NewEvent,
    ) -> Result<TokenId, VaultError> {
        let token = NewToken {
            name,
            secrets,
            pin,
            counter,
            service,
            event,
        };
        self.insert_token(token, None)
    }

    /// Adds a token with all that goes with it, as [`Vault::add_token`]; also one of a container.
    ///
    /// # Errors
    ///
    /// As [`Vault::add_token`]; [`VaultError::TokenUnknown`] when the one that it replaces is not there.
    pub fn insert_token(
        &mut self,
        token: NewToken<'_>,
        membership: Option<Membership>,
    ) -> Result<TokenId, VaultError> {
        let opened = self.opened_mut()?;
        let keys = (opened.channel()?, opened.decision()?);
        let transaction = opened.begin()?;
        let id = put(&transaction, keys, token, membership)?;
        transaction.commit()?;
        if membership.is_some_and(|membership| membership.replaces.is_some()) {
            database::checkpoint(&opened.database);
        }
        Ok(id)
    }

    /// Adds tokens, each with all that goes with it, in one transaction: all of them or none.
    ///
    /// # Errors
    ///
    /// As [`Vault::add_token`].
    pub fn add_tokens(&mut self, tokens: &[NewToken<'_>]) -> Result<Vec<TokenId>, VaultError> {
        let opened = self.opened_mut()?;
        let keys = (opened.channel()?, opened.decision()?);
        let transaction = opened.begin()?;
        let mut ids = Vec::with_capacity(tokens.len());
        for token in tokens {
            ids.push(put(&transaction, keys, *token, None)?);
        }
        transaction.commit()?;
        Ok(ids)
    }

    /// Every token, in order. Also while locked, without the sealed part.
    ///
    /// # Errors
    ///
    /// Storage errors. A row that was changed from outside is listed as [`Integrity::Damaged`].
    pub fn tokens(&self) -> Result<Vec<TokenRow>, VaultError> {
        let opened = self.opened()?;
        let mut statement = opened.database.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM tokens ORDER BY position, id"
        ))?;
        let columns: Vec<Columns> = statement
            .query_map((), Columns::from_row)?
            .collect::<Result<_, _>>()?;
        Ok(columns
            .into_iter()
            .map(|columns| columns.into_row(opened))
            .collect())
    }

    /// The content of a token's sealed blob.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], [`VaultError::TokenUnknown`], [`VaultError::TokenRevoked`],
    /// [`VaultError::PinExhausted`], [`VaultError::Damaged`].
    pub fn token_secrets(&self, id: TokenId) -> Result<TokenSecrets, VaultError> {
        let opened = self.opened()?;
        let decision = opened.decision()?;
        Columns::load(&opened.database, &opened.channel()?.columns, id)?
            .active()?
            .secrets(decision)
    }

    /// Gives a token another name.
    ///
    /// # Errors
    ///
    /// [`VaultError::NameTaken`], [`VaultError::NameInvalid`], [`VaultError::TokenUnknown`],
    /// [`VaultError::Damaged`]; [`VaultError::Locked`] before the first unlock.
    pub fn rename(&mut self, id: TokenId, name: &str, event: &NewEvent) -> Result<(), VaultError> {
        check_name(name)?;
        self.change(id, event, |columns| {
            name.clone_into(&mut columns.name);
            Ok(())
        })
    }

    /// Gives the tokens the places that `order` says. Places are under no MAC: who edits the file can change the
    /// order of a list, and nothing else by it.
    ///
    /// # Errors
    ///
    /// [`VaultError::TokenUnknown`], storage errors; then all stay where they are.
    pub fn reorder(&mut self, order: &[TokenId], event: &NewEvent) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        for (position, id) in (1_i64..).zip(order) {
            let changed = transaction.execute(
                "UPDATE tokens SET position = ?2 WHERE id = ?1",
                params![id.0, position],
            )?;
            if changed == 0 {
                return Err(VaultError::TokenUnknown);
            }
        }
        events::append(&transaction, event)?;
        transaction.commit()?;
        Ok(())
    }

    /// Deletes a token; its secrets are overwritten in the file. The events about it stay.
    ///
    /// # Errors
    ///
    /// [`VaultError::TokenUnknown`], storage errors. A damaged token can be deleted.
    pub fn delete(&mut self, id: TokenId, event: &NewEvent) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        if transaction.execute("DELETE FROM tokens WHERE id = ?1", params![id.0])? == 0 {
            return Err(VaultError::TokenUnknown);
        }
        events::append(&transaction, event)?;
        transaction.commit()?;
        database::checkpoint(&opened.database);
        Ok(())
    }

    /// Its service has revoked it: the secrets are erased, the row and its history stay. Also while
    /// locked, and again: then nothing changes.
    ///
    /// # Errors
    ///
    /// [`VaultError::TokenUnknown`], [`VaultError::Damaged`]; [`VaultError::Locked`] before the first unlock.
    pub fn revoke(&mut self, id: TokenId, event: &NewEvent) -> Result<(), VaultError> {
        self.erase(id, TokenState::Revoked, event)
    }

    /// Switches login requests of one token, or those of the whole vault (`None`).
    ///
    /// # Errors
    ///
    /// [`VaultError::TokenUnknown`], [`VaultError::Damaged`]; [`VaultError::Locked`] before the first unlock.
    pub fn set_autosend(
        &mut self,
        token: Option<TokenId>,
        autosend: Autosend,
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        if let Some(id) = token {
            return self.change(id, event, |columns| {
                columns.autosend = autosend;
                Ok(())
            });
        }
        let opened = self.opened_mut()?;
        let mut header = opened.header.clone();
        header.autosend = autosend;
        let transaction = opened.begin()?;
        header.write(&transaction, &opened.channel()?.columns)?;
        events::append(&transaction, event)?;
        transaction.commit()?;
        opened.header = header;
        Ok(())
    }

    /// The vault's own switch, for all tokens.
    ///
    /// # Errors
    ///
    /// Why the vault cannot be used.
    pub fn autosend(&self) -> Result<Autosend, VaultError> {
        Ok(self.opened()?.header.autosend)
    }

    /// Loads a sound row, changes it and writes it with its event.
    pub(super) fn change(
        &mut self,
        id: TokenId,
        event: &NewEvent,
        change: impl FnOnce(&mut Columns) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let mut columns = Columns::load(&transaction, key, id)?;
        change(&mut columns)?;
        columns.store(&transaction, key)?;
        events::append(&transaction, event)?;
        transaction.commit()?;
        Ok(())
    }

    /// Erases a token's secrets and leaves it in a final state.
    pub(super) fn erase(
        &mut self,
        id: TokenId,
        state: TokenState,
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let mut columns = Columns::load(&transaction, key, id)?;
        if columns.blob.is_none() {
            return Ok(());
        }
        columns.blob = None;
        columns.state = state;
        columns.store(&transaction, key)?;
        events::append(&transaction, event)?;
        transaction.commit()?;
        database::checkpoint(&opened.database);
        Ok(())
    }
}

/// Writes a token with all that goes with it.
fn put(
    transaction: &Transaction<'_>,
    (channel, decision): (&ChannelTier, &DecisionTier),
    token: NewToken<'_>,
    membership: Option<Membership>,
) -> Result<TokenId, VaultError> {
    let NewToken {
        name,
        secrets,
        pin,
        counter,
        service,
        event,
    } = token;
    check_name(name)?;
    let counter = i64::try_from(counter).map_err(|_over| VaultError::CounterExhausted)?;
    if let Some(service) = service {
        services::put(transaction, channel, service)?;
    }
    let bound = secrets.service.as_ref().map(|binding| binding.service);
    if let Some(bound) = bound {
        services::load(transaction, &channel.columns, bound)?;
    }
    let former = membership.and_then(|membership| membership.replaces);
    // The user bound the token to them, whatever its secret.
    let origins = former
        .and_then(|former| Columns::load(transaction, &channel.columns, former).ok())
        .and_then(|columns| columns.secrets(decision).ok())
        .map_or_else(|| secrets.origins.clone(), |former| former.origins);
    let position = match former {
        Some(former) => transaction
            .query_row(
                "DELETE FROM tokens WHERE id = ?1 RETURNING position",
                params![former.0],
                |row| row.get(0),
            )
            .optional()?
            .ok_or(VaultError::TokenUnknown)?,
        None => transaction.query_row(
            "SELECT coalesce(max(position), 0) + 1 FROM tokens",
            (),
            |row| row.get(0),
        )?,
    };
    let mut columns = Columns {
        id: TokenId(0),
        name: name.to_owned(),
        position,
        serial: secrets.serial.clone(),
        service: bound,
        state: TokenState::Active,
        autosend: Autosend::On,
        counter: secrets
            .mode
            .as_ref()
            .is_some_and(OtpMode::uses_counter)
            .then_some(counter),
        tries_left: secrets.tries_allowed().map(i64::from),
        blob: None,
        container: membership.map(|membership| membership.container),
        mac: Vec::new(),
    };
    columns.id = insert(transaction, &columns)?;
    // The seals and the MAC are bound to the id, which is known only now.
    let keys = match (pin, secrets.keys.open()) {
        (Some(pin), Some(keys)) => {
            KeyHolder::Locked(PinLock::seal(columns.id, keys, pin, &random::array()?)?)
        }
        (None, _) if secrets.tries_allowed().is_none() => secrets.keys.clone(),
        // A token with a PIN is never kept without it.
        (None | Some(_), _) => return Err(VaultError::NoPin),
    };
    let kept = TokenSecrets {
        keys,
        origins,
        ..secrets.clone()
    };
    let plain = kept.to_bytes()?;
    let nonce = random::array()?;
    let context = SealContext::Token(columns.id);
    columns.blob = Some(decision.token_blob.seal(context, &nonce, plain.expose())?);
    columns.store(transaction, &channel.columns)?;
    events::append(transaction, event)?;
    Ok(columns.id)
}

fn check_name(name: &str) -> Result<(), VaultError> {
    let len = name.chars().count();
    if name.trim().is_empty() || len > limits::TOKEN_NAME {
        return Err(VaultError::NameInvalid);
    }
    Ok(())
}
