//! Why the vault refused: one sentence, one wire reason and one hint each.

use std::io;

use countersign_core::{seal::SealError, token::TokenSecretsError};
use countersign_proto::agent::v1::Reason;
use rusqlite::{ErrorCode, ffi};

use crate::agent::ports::KeyringError;

/// Why the vault refused. Nothing secret in any of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// No vault has been set up.
    #[error("there is no vault yet")]
    Absent,
    /// The key that this needs is not in memory.
    #[error("the vault is locked")]
    Locked,
    /// No passphrase slot opens with it.
    #[error("the PIN or passphrase is wrong")]
    WrongPassphrase,
    /// No recovery slot opens with it.
    #[error("this is not the recovery code of this vault")]
    WrongRecoveryCode,
    /// Nothing opens the vault under this number.
    #[error("there is no such way to unlock")]
    NoSuchSlot,
    /// A vault that nothing opens is lost.
    #[error("this is the last way to unlock the vault")]
    LastSlot,
    /// Empty, or longer than the bound.
    #[error("a passphrase has 1 to 1024 bytes")]
    PassphraseInvalid,
    /// The vault has no slot of the kind that was tried.
    #[error("this vault does not open in that way")]
    NoSlot,
    /// The source answered with a key, or with none, that is not this vault's.
    #[error("the key source does not hold the key of this vault")]
    WrongKey,
    /// No key source answers.
    #[error("the source of the vault's key does not answer")]
    KeySourceAbsent,
    /// The source is locked and was not unlocked.
    #[error("the source of the vault's key is locked")]
    KeySourceLocked,
    /// Another process holds the vault.
    #[error("another process uses the vault")]
    InUse,
    /// Made on another machine, or this machine's id has changed.
    #[error("the vault belongs to another machine")]
    OtherHost,
    /// Written by a newer program; nothing was touched.
    #[error("the vault was written by a newer version of Countersign")]
    Newer,
    /// Not a vault, or changed from outside.
    #[error("the vault is damaged or was changed from outside")]
    Damaged,
    /// `create` never overwrites.
    #[error("there is a vault already")]
    Exists,
    /// Others could write to the folder or the file, it is a symbolic link, or it is another user's.
    #[error("the vault's folder or file is not this user's alone")]
    Exposed,
    /// No room on the file system.
    #[error("the disk is full: nothing was changed")]
    StorageFull,
    /// The file or its file system cannot be written.
    #[error("the vault cannot be written")]
    ReadOnly,
    /// Any other failure of the storage; a short cause without content.
    #[error("the vault's storage failed ({0})")]
    Failed(String),
    /// The system gave no random bytes.
    #[error("the system's random source does not answer")]
    Random,
    /// The vault's thread has ended.
    #[error("the vault has been closed")]
    Stopped,
    /// No token has this id.
    #[error("there is no such token")]
    TokenUnknown,
    /// A name is used once, whatever its case.
    #[error("another token has this name")]
    NameTaken,
    /// Empty or too long.
    #[error("a token's name has 1 to 64 characters")]
    NameInvalid,
    /// This serial number of this service is enrolled already.
    #[error("this token is enrolled already")]
    TokenExists,
    /// The token generates from the time or from a challenge alone.
    #[error("this token has no counter")]
    NoCounter,
    /// The token has no PIN that the agent checks.
    #[error("this token has no PIN")]
    NoPin,
    /// The counter cannot rise any more.
    #[error("this token's counter has reached its end")]
    CounterExhausted,
    /// Too many wrong PINs: the seed is gone.
    #[error("the token was destroyed after too many wrong PINs")]
    PinExhausted,
    /// Its service has revoked it: the secrets are gone.
    #[error("the token was revoked by its service")]
    TokenRevoked,
    /// No service has this id.
    #[error("there is no such service")]
    ServiceUnknown,
    /// Tokens still belong to it.
    #[error("tokens still belong to this service")]
    ServiceInUse,
    /// No container has this id.
    #[error("there is no such container")]
    ContainerUnknown,
    /// No login request has this id.
    #[error("there is no such login request")]
    RequestUnknown,
    /// The first decision stands.
    #[error("this login request was answered already")]
    RequestAnswered,
    /// No rule has this number.
    #[error("there is no such rule")]
    BlockUnknown,
    /// No pairing has this number.
    #[error("there is no such paired browser")]
    PairingUnknown,
    /// As many as there may be.
    #[error("there are as many as there may be")]
    LimitReached,
    /// A frame or content beyond its bound.
    #[error("the content is too long to be kept")]
    TooLong,
}

impl VaultError {
    /// The reason on the wire.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Absent => Reason::VaultAbsent,
            Self::Locked => Reason::VaultLocked,
            Self::WrongPassphrase | Self::WrongRecoveryCode => Reason::WrongPassphrase,
            Self::NoSuchSlot => Reason::SlotUnknown,
            Self::LastSlot | Self::PassphraseInvalid => Reason::Usage,
            Self::NoSlot | Self::WrongKey | Self::KeySourceAbsent => Reason::KeySourceAbsent,
            Self::KeySourceLocked => Reason::KeySourceLocked,
            Self::InUse => Reason::VaultInUse,
            Self::OtherHost => Reason::VaultOtherHost,
            Self::Newer => Reason::VaultNewer,
            Self::Damaged => Reason::VaultDamaged,
            Self::Exists => Reason::VaultExists,
            Self::StorageFull => Reason::StorageFull,
            Self::ReadOnly => Reason::StorageReadOnly,
            Self::Exposed | Self::Failed(_) => Reason::StorageFailed,
            Self::Random
            | Self::Stopped
            | Self::TooLong
            | Self::ServiceUnknown
            | Self::ServiceInUse => Reason::Internal,
            Self::TokenUnknown => Reason::TokenUnknown,
            Self::ContainerUnknown => Reason::ContainerUnknown,
            Self::NameTaken => Reason::TokenNameTaken,
            Self::NameInvalid => Reason::TokenNameInvalid,
            Self::TokenExists => Reason::TokenExists,
            Self::NoCounter | Self::NoPin => Reason::WrongMode,
            Self::CounterExhausted | Self::PinExhausted => Reason::PinExhausted,
            Self::TokenRevoked => Reason::TokenRevoked,
            Self::RequestUnknown => Reason::LoginRequestUnknown,
            Self::BlockUnknown => Reason::BlockUnknown,
            Self::PairingUnknown => Reason::PairingUnknown,
            Self::LimitReached => Reason::LimitReached,
            Self::RequestAnswered => Reason::LoginRequestAnswered,
        }
    }

    /// What to do next, one sentence; empty where nothing helps but the sentence itself.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Absent => "Run `countersign setup`, or enroll a first token.",
            Self::Locked => "Run `countersign unlock`.",
            Self::WrongPassphrase => "Try again; nothing was changed.",
            Self::WrongRecoveryCode => "Copy the printed code again, in full.",
            Self::NoSuchSlot => "`countersign vault slot list` shows them all.",
            Self::LastSlot => "Add another way with `countersign vault slot add` first.",
            Self::PassphraseInvalid => "Choose another passphrase.",
            Self::NoSlot => "`countersign status` lists the ways in which this vault opens.",
            Self::WrongKey => {
                "The keyring may have been reset: restore it, or open the vault with its passphrase."
            }
            Self::KeySourceAbsent => {
                "Start the session's keyring, or unlock with a passphrase if one was set."
            }
            Self::KeySourceLocked => "Unlock the session's keyring and try again.",
            Self::InUse => "End the other countersignd of this user, then try again.",
            Self::OtherHost => {
                "Use it on the machine where it was made; on this one, move vault.db away and enroll anew."
            }
            Self::Newer => "Install the newer version again; nothing was changed.",
            Self::Damaged => "Restore vault.db from a backup, or move it away and enroll anew.",
            Self::Exists => "Use it, or move vault.db away first.",
            Self::Exposed => {
                "Make the folder and the file the user's own: chmod 0700 the folder, chmod 0600 vault.db, no symbolic links."
            }
            Self::StorageFull => "Make room on the file system and try again.",
            Self::ReadOnly => {
                "Make the file system and the vault's folder writable, then try again."
            }
            Self::Failed(_) | Self::Random | Self::Stopped => {
                "See the agent's log, then restart countersignd."
            }
            Self::TokenUnknown => "`countersign list` shows the tokens.",
            Self::ContainerUnknown => "`countersign container list` shows the containers.",
            Self::NameTaken | Self::NameInvalid => "Choose another name.",
            Self::TokenExists => "Delete the older one first if it is to be replaced.",
            Self::NoCounter | Self::NoPin => "`countersign info` shows what this token does.",
            Self::CounterExhausted | Self::PinExhausted | Self::TokenRevoked => {
                "Ask the service for a new activation string and enroll again."
            }
            Self::ServiceInUse => "Delete its tokens first.",
            Self::BlockUnknown => "`countersign block list` shows them all.",
            Self::PairingUnknown => "`countersign browser list` shows them all.",
            Self::LimitReached => "Take away what is not used any more.",
            Self::RequestUnknown => "`countersign requests --history` shows them all.",
            Self::ServiceUnknown | Self::RequestAnswered | Self::TooLong => "",
        }
    }
}

impl From<rusqlite::Error> for VaultError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "an open enumeration of a library: what is not told apart is one failure"
    )]
    fn from(error: rusqlite::Error) -> Self {
        let Some(cause) = error.sqlite_error() else {
            // A value of another type than the schema says: STRICT tables make that impossible from within.
            return match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::QueryReturnedNoRows => Self::Damaged,
                other => Self::Failed(short_cause(&other)),
            };
        };
        match cause.code {
            ErrorCode::DiskFull => Self::StorageFull,
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::ReadOnly,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged,
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed => Self::InUse,
            // The shared-memory index could not grow.
            _ if cause.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Self::StorageFull,
            _ => Self::Failed(format!("SQLite error {}", cause.extended_code)),
        }
    }
}

/// The kind of error only: its text may carry a value.
fn short_cause(error: &rusqlite::Error) -> String {
    let text = format!("{error:?}");
    text.chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect()
}

impl From<io::Error> for VaultError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "an open enumeration of a library: what is not told apart is one failure"
    )]
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::StorageFull,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly,
            kind => Self::Failed(kind.to_string()),
        }
    }
}

impl From<rustix::io::Errno> for VaultError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::from(io::Error::from(error))
    }
}

impl From<SealError> for VaultError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Refused | SealError::KeyLength => Self::Damaged,
            SealError::UnknownForm => Self::Newer,
            SealError::OutOfBounds => Self::TooLong,
        }
    }
}

impl From<TokenSecretsError> for VaultError {
    fn from(error: TokenSecretsError) -> Self {
        match error {
            TokenSecretsError::TooLong => Self::TooLong,
            TokenSecretsError::UnknownVersion => Self::Newer,
            TokenSecretsError::Damaged => Self::Damaged,
        }
    }
}

impl From<KeyringError> for VaultError {
    fn from(error: KeyringError) -> Self {
        match error {
            KeyringError::Absent | KeyringError::Failed(_) => Self::KeySourceAbsent,
            KeyringError::Locked => Self::KeySourceLocked,
            KeyringError::NotFound => Self::WrongKey,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_errors_are_told_apart() {
        let sqlite =
            |code| VaultError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert_eq!(sqlite(ffi::SQLITE_FULL), VaultError::StorageFull);
        assert_eq!(sqlite(ffi::SQLITE_READONLY), VaultError::ReadOnly);
        assert_eq!(sqlite(ffi::SQLITE_CORRUPT), VaultError::Damaged);
        assert_eq!(sqlite(ffi::SQLITE_NOTADB), VaultError::Damaged);
        assert_eq!(sqlite(ffi::SQLITE_BUSY), VaultError::InUse);
        assert_eq!(sqlite(ffi::SQLITE_IOERR_SHMSIZE), VaultError::StorageFull);
        let io = |code| VaultError::from(io::Error::from_raw_os_error(code));
        assert_eq!(io(libc::ENOSPC), VaultError::StorageFull);
        assert_eq!(io(libc::EROFS), VaultError::ReadOnly);
        assert_eq!(io(libc::EACCES), VaultError::ReadOnly);
    }

    #[test]
    fn a_sentence_does_not_carry_values() {
        let error = rusqlite::Error::InvalidParameterName("hunter2".to_owned());
        assert_eq!(
            VaultError::from(error).to_string(),
            "the vault's storage failed (InvalidParameterName)"
        );
    }
}
