//! The session's keyring over the Secret Service interface (of GNOME, KDE, and others).
//!
//! Invariant: a locked keyring is never "not found", or a caller could take it for a missing key. The user
//! is asked to unlock at most once a call. The `session` collection is never used: it forgets at logout.

use core::{future::Future, time::Duration};
use std::collections::HashMap;

use async_trait::async_trait;
use countersign_core::secret::SecretBytes;
use data_encoding::BASE64;
use secret_service::{Collection, EncryptionType, Error, Item, SecretService};
use zbus::{Connection, fdo};
use zeroize::Zeroizing;

use crate::agent::ports::{Keyring, KeyringError};

/// A service that says nothing for so long does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long the user may think about an unlock dialog.
const PROMPT_WITHIN: Duration = Duration::from_mins(3);
/// The volatile collection.
const SESSION_COLLECTION: &str = "/org/freedesktop/secrets/collection/session";
const LABEL: &str = "Countersign: key of the vault";

/// The session's keyring.
#[derive(Debug, Default)]
pub struct SecretServiceKeyring {
    bus: Option<Connection>,
}

impl SecretServiceKeyring {
    /// On this session bus; without one there is no keyring.
    #[must_use]
    pub const fn new(bus: Option<Connection>) -> Self {
        Self { bus }
    }

    /// A new encrypted session: the daemon may have been restarted since the last one.
    async fn connect(&self) -> Result<SecretService<'static>, KeyringError> {
        let bus = self.bus.clone().ok_or(KeyringError::Absent)?;
        answer(SecretService::connect_with_existing(
            EncryptionType::Dh,
            bus,
        ))
        .await
    }
}

#[async_trait]
impl Keyring for SecretServiceKeyring {
    async fn load(&self, slot: &str) -> Result<SecretBytes, KeyringError> {
        let service = self.connect().await?;
        let item = match find(&service, slot).await? {
            Found::Open(item) => item,
            Found::Locked(item) => {
                consent(item.unlock()).await?;
                item
            }
            Found::Nothing => {
                // Some services show nothing of a locked keyring.
                if unlock_hidden(&service).await? == Hidden::Nothing {
                    return Err(KeyringError::NotFound);
                }
                match find(&service, slot).await? {
                    Found::Open(item) => item,
                    Found::Locked(_) => return Err(KeyringError::Locked),
                    Found::Nothing => return Err(KeyringError::NotFound),
                }
            }
        };
        read(&item).await
    }

    async fn store(&self, slot: &str, key: &SecretBytes) -> Result<(), KeyringError> {
        let service = self.connect().await?;
        let collection = default_collection(&service).await?;
        if answer(collection.is_locked()).await? {
            consent(collection.unlock()).await?;
        }
        let text = Zeroizing::new(BASE64.encode(key.expose()));
        let attributes = attributes(slot);
        let created =
            collection.create_item(LABEL, attributes, text.as_bytes(), true, "text/plain");
        let item = consent(created).await?;
        // A key that was not kept would cost the vault: believe what can be read back.
        if read(&item).await? == *key {
            Ok(())
        } else {
            Err(KeyringError::Failed("it did not keep the key".to_owned()))
        }
    }

    async fn remove(&self, slot: &str) -> Result<(), KeyringError> {
        let service = self.connect().await?;
        let item = match find(&service, slot).await? {
            Found::Open(item) => item,
            Found::Locked(item) => {
                consent(item.unlock()).await?;
                item
            }
            Found::Nothing => return Ok(()),
        };
        consent(item.delete()).await
    }
}

/// An item that lasts, unlocked ones first.
enum Found<'a> {
    Open(Item<'a>),
    Locked(Item<'a>),
    Nothing,
}

async fn find<'a>(
    service: &'a SecretService<'static>,
    slot: &str,
) -> Result<Found<'a>, KeyringError> {
    let found = answer(service.search_items(attributes(slot))).await?;
    if let Some(item) = found.unlocked.into_iter().find(lasts) {
        return Ok(Found::Open(item));
    }
    Ok(found
        .locked
        .into_iter()
        .find(lasts)
        .map_or(Found::Nothing, Found::Locked))
}

fn lasts(item: &Item<'_>) -> bool {
    !in_session_collection(item.item_path.as_str())
}

fn in_session_collection(path: &str) -> bool {
    path.strip_prefix(SESSION_COLLECTION)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Was there a locked collection that could have hidden the item?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    /// It is open now: look again.
    Opened,
    /// No: what was not found is not there.
    Nothing,
}

/// Unlocks the default collection, or where there is none any other that lasts, if it is locked.
async fn unlock_hidden(service: &SecretService<'static>) -> Result<Hidden, KeyringError> {
    let collection = match answer(service.get_default_collection()).await {
        Ok(collection) => Some(collection),
        Err(KeyringError::NotFound) => first_locked(service).await?,
        Err(error) => return Err(error),
    };
    match collection {
        Some(collection) if answer(collection.is_locked()).await? => {
            consent(collection.unlock()).await?;
            Ok(Hidden::Opened)
        }
        _ => Ok(Hidden::Nothing),
    }
}

async fn first_locked<'a>(
    service: &'a SecretService<'static>,
) -> Result<Option<Collection<'a>>, KeyringError> {
    for collection in answer(service.get_all_collections()).await? {
        if !in_session_collection(collection.collection_path.as_str())
            && answer(collection.is_locked()).await?
        {
            return Ok(Some(collection));
        }
    }
    Ok(None)
}

/// The default collection; made, with the user's consent, where there is none.
async fn default_collection<'a>(
    service: &'a SecretService<'static>,
) -> Result<Collection<'a>, KeyringError> {
    let collection = match answer(service.get_default_collection()).await {
        Err(KeyringError::NotFound) => {
            consent(service.create_collection("Default keyring", "default")).await?
        }
        found => found?,
    };
    if in_session_collection(collection.collection_path.as_str()) {
        return Err(KeyringError::Failed(
            "the default keyring forgets at logout".to_owned(),
        ));
    }
    Ok(collection)
}

async fn read(item: &Item<'_>) -> Result<SecretBytes, KeyringError> {
    let text = SecretBytes::new(answer(item.get_secret()).await?);
    BASE64
        .decode(text.expose().trim_ascii())
        .map(SecretBytes::new)
        .map_err(|_not_base64| KeyringError::Failed("its item is not a key of a vault".to_owned()))
}

fn attributes(slot: &str) -> HashMap<&str, &str> {
    HashMap::from([
        ("application", "countersign"),
        ("kind", "vault-key"),
        ("slot", slot),
    ])
}

/// A call that needs nobody's consent.
async fn answer<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, KeyringError> {
    match tokio::time::timeout(ANSWER_WITHIN, call).await {
        Ok(result) => result.map_err(|error| meaning(&error)),
        Err(_late) => Err(KeyringError::Failed("it does not answer".to_owned())),
    }
}

/// A call that may show a dialog. Nobody's answer counts as no.
async fn consent<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, KeyringError> {
    match tokio::time::timeout(PROMPT_WITHIN, call).await {
        Ok(result) => result.map_err(|error| meaning(&error)),
        Err(_late) => Err(KeyringError::Locked),
    }
}

/// What an error of the service means for the vault.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an open enumeration of a library: what is not told apart is one failure"
)]
fn meaning(error: &Error) -> KeyringError {
    match error {
        // Dismissed, or no prompter that could ask.
        Error::Locked | Error::Prompt => KeyringError::Locked,
        Error::NoResult => KeyringError::NotFound,
        Error::Unavailable | Error::PromptDisconnected => KeyringError::Absent,
        Error::Zbus(cause) => bus_meaning(cause),
        Error::ZbusFdo(cause) => fdo_meaning(cause),
        Error::Crypto(_) => KeyringError::Failed("the encrypted session failed".to_owned()),
        _ => KeyringError::Failed("its answer was not understood".to_owned()),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an open enumeration of a library: what is not told apart is one failure"
)]
fn bus_meaning(error: &zbus::Error) -> KeyringError {
    match error {
        zbus::Error::MethodError(name, ..) => named_meaning(name.as_str()),
        zbus::Error::FDO(cause) => fdo_meaning(cause),
        zbus::Error::InputOutput(_) | zbus::Error::Address(_) | zbus::Error::InterfaceNotFound => {
            KeyringError::Absent
        }
        _ => KeyringError::Failed("the session bus failed".to_owned()),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an open enumeration of a library: what is not told apart is one failure"
)]
fn fdo_meaning(error: &fdo::Error) -> KeyringError {
    match error {
        fdo::Error::ServiceUnknown(_)
        | fdo::Error::NameHasNoOwner(_)
        | fdo::Error::NoServer(_)
        | fdo::Error::NoReply(_)
        | fdo::Error::Disconnected(_)
        | fdo::Error::SpawnExecFailed(_)
        | fdo::Error::SpawnServiceNotFound(_)
        | fdo::Error::SpawnFailed(_) => KeyringError::Absent,
        fdo::Error::ZBus(cause) => bus_meaning(cause),
        _ => KeyringError::Failed("the session bus refused".to_owned()),
    }
}

fn named_meaning(name: &str) -> KeyringError {
    match name {
        "org.freedesktop.Secret.Error.IsLocked" => KeyringError::Locked,
        "org.freedesktop.Secret.Error.NoSuchObject" => KeyringError::NotFound,
        "org.freedesktop.DBus.Error.ServiceUnknown"
        | "org.freedesktop.DBus.Error.NameHasNoOwner"
        | "org.freedesktop.DBus.Error.NoReply"
        | "org.freedesktop.DBus.Error.Disconnected" => KeyringError::Absent,
        name if name.starts_with("org.freedesktop.DBus.Error.Spawn") => KeyringError::Absent,
        name => KeyringError::Failed(countersign_core::text::display(name, 100)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_session_collection_is_left_out() {
        assert!(in_session_collection(
            "/org/freedesktop/secrets/collection/session"
        ));
        assert!(in_session_collection(
            "/org/freedesktop/secrets/collection/session/7"
        ));
        assert!(!in_session_collection(
            "/org/freedesktop/secrets/collection/session2/7"
        ));
        assert!(!in_session_collection(
            "/org/freedesktop/secrets/collection/login/7"
        ));
    }

    #[test]
    fn locked_absent_and_dismissed_are_told_apart() {
        assert_eq!(meaning(&Error::Prompt), KeyringError::Locked);
        assert_eq!(meaning(&Error::Locked), KeyringError::Locked);
        assert_eq!(meaning(&Error::Unavailable), KeyringError::Absent);
        assert_eq!(
            named_meaning("org.freedesktop.Secret.Error.IsLocked"),
            KeyringError::Locked
        );
        assert_eq!(
            named_meaning("org.freedesktop.DBus.Error.ServiceUnknown"),
            KeyringError::Absent
        );
        assert_eq!(
            named_meaning("org.freedesktop.DBus.Error.Spawn.ChildExited"),
            KeyringError::Absent
        );
        assert!(matches!(
            named_meaning("org.example.Other"),
            KeyringError::Failed(_)
        ));
    }

    #[tokio::test]
    async fn without_a_session_bus_there_is_no_keyring() {
        let keyring = SecretServiceKeyring::new(None);
        assert_eq!(keyring.load("a").await, Err(KeyringError::Absent));
    }
}
