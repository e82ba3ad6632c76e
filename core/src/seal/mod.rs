//! Sealing at rest: what a vault's file holds and who can read or change it.
//!
//! One random [`DataKey`] opens everything. It is itself wrapped once per slot ([`slot`]) under a
//! passphrase or a key from elsewhere. Each purpose has a key of its own, derived with HKDF-SHA-256
//! (RFC 5869) and a label, so that a holder of one tier cannot compute the other.
//!
//! Invariants: every seal is bound to its format version and to the one thing it belongs to
//! ([`SealContext`]): moved, swapped or altered bytes do not open. Nonces and salts are arguments; a
//! nonce must be random and new for each call (24 bytes: random ones do not meet).

mod blob;
mod columns;
mod key;
pub mod slot;

pub use blob::{MAX_SEALED_LEN, NONCE_LEN, SealContext};
pub use columns::{ColumnsMac, MAC_LEN};
pub use key::{DataKey, KEY_LEN, MacKey, SealKey, SealPurpose};

/// Version of every sealed form in this module. Part of each seal's associated data.
pub const FORMAT: u32 = 1;

/// Why something could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key does not fit, or the bytes were changed or belong elsewhere. Which of these is not known.
    #[error("the seal does not open")]
    Refused,
    /// A form or version that this program does not know.
    #[error("the sealed form is not known")]
    UnknownForm,
    /// Longer than [`MAX_SEALED_LEN`], or parameters out of bounds.
    #[error("the sealed form is out of bounds")]
    OutOfBounds,
    /// A key of the wrong length.
    #[error("a key has 32 bytes")]
    KeyLength,
}
