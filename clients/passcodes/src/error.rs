//! What can go wrong with a record.

use countersign_core::pam_passcode::TextError;
use rustix::io::Errno;

/// No record could be read or written. Nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else could have written it, or can read it.
    #[error("unsafe: {0}")]
    Unsafe(#[from] Unsafe),
    /// It is no record.
    #[error("damaged: {0}")]
    Damaged(#[from] TextError),
    /// Another program holds the user's record.
    #[error("busy: another program is at this user's passcodes")]
    Busy,
    /// One is there already.
    #[error("the user has passcodes already; replace them with --replace")]
    Exists,
    /// The kernel gave no random bytes.
    #[error("the system's random source does not answer")]
    Random,
    /// The system refuses.
    #[error("cannot {doing}: {cause}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// The system's word.
        cause: Errno,
    },
}

/// Why a file or the folder is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// A symbolic link, FIFO, device or folder where a file belongs, or no folder where one belongs.
    #[error("it is not of its kind (a link, a pipe, a device)")]
    Kind,
    /// Not root's.
    #[error("it belongs to another user than root")]
    Owner,
    /// Group or others may read or write.
    #[error("others may read or write it; chmod go= ends that")]
    Mode,
    /// Longer than any record.
    #[error("it is longer than any record")]
    Size,
}

/// For `map_err`: what was tried.
pub(crate) fn while_(doing: &'static str) -> impl FnOnce(Errno) -> StoreError {
    move |cause| StoreError::System { doing, cause }
}
