//! Why a command failed.

use std::{io, path::PathBuf};

use countersign_core::{
    otpauth::OtpauthError,
    pam_passcode::{RecordError, foreign::ForeignError},
};
use countersign_passcodes::{StoreError, UserName};

/// Why a command failed, and what helps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("run it as root: what the module believes is root's alone")]
    NotRoot,
    #[error("no user of this system is called {0}")]
    NoSuchUser(UserName),
    #[error("the system's user database does not answer: {0}")]
    UserDatabase(nix::errno::Errno),
    #[error(
        "that is no public key: 65 bytes in base64 are expected, as `countersign sudo enroll` gives them"
    )]
    PublicKey,
    #[error("a key needs a label: give one with `--label`")]
    Label,
    #[error(
        "nothing was changed: the fingerprint was not confirmed; `--yes` says that it is right where nobody can be asked"
    )]
    NotConfirmed,
    #[error(
        "{0} has no accepted key with the fingerprint {1}, or several that begin so; `countersign-pam key list` shows them"
    )]
    NoSuchKey(UserName, String),
    #[error("{0}: {1}")]
    KeyFile(PathBuf, String),
    #[error("{0} has no passcodes; `countersign-pam passcode add {0}` gives some")]
    NotEnrolled(UserName),
    #[error("not right: {0}")]
    NotRight(&'static str),
    #[error(
        "not looked at: too many wrong ones; wait {0} seconds, or `countersign-pam passcode unlock`"
    )]
    TooMany(u64),
    #[error("the seed cannot be read: base 32, `hex:` and hex digits, or an otpauth link")]
    Seed,
    #[error(transparent)]
    Link(#[from] OtpauthError),
    #[error("no passcodes can be made of this: {0}")]
    Record(#[from] RecordError),
    #[error("the passcodes of {user}: {error}")]
    Store { user: UserName, error: StoreError },
    #[error("the folder of the passcodes: {0}")]
    Folder(StoreError),
    #[error("cannot make {0}: {1}")]
    MakeFolder(&'static str, io::Error),
    #[error("the file: {0}")]
    Foreign(#[from] ForeignError),
    #[error("the file cannot be read: {0}")]
    Read(io::Error),
    #[error("{0} of the entries were not taken over")]
    SomeRefused(usize),
    #[error("standard input: {0}")]
    Input(&'static str),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    #[error("the system's random source does not answer")]
    Random,
}
